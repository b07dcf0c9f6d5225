/* SPDX-License-Identifier: MIT */
/* Made from eplb.h by bindings/generate.py. */
#include "raw.h"

#include <stddef.h>

void eplb_go_init(eplb_go_arguments* a) {
  eplb_error_init(&a->error, sizeof a->error);
  eplb_shape_init(&a->shape, sizeof a->shape);
  eplb_options_init(&a->options, sizeof a->options);
  eplb_input_init(&a->input, sizeof a->input);
  eplb_maps_init(&a->maps, sizeof a->maps);
  eplb_stats_init(&a->stats, sizeof a->stats);
  eplb_packing_init(&a->packing, sizeof a->packing);
}

eplb_status eplb_go_do(eplb_go_arguments* a, eplb_go_function function, eplb_go_arrays arrays) {
  eplb_shape shape = a->shape;
  eplb_input input = a->input;
  eplb_maps maps = a->maps;
  eplb_packing packing = a->packing;
  eplb_status status = EPLB_ERROR_INTERNAL;

  shape.slots_per_gpu = arrays.slots_per_gpu;
  shape.speed_of_gpu = arrays.speed_of_gpu;
  shape.node_of_gpu = arrays.node_of_gpu;
  input.loads = arrays.loads;
  input.current = arrays.current;
  maps.physical_to_logical = arrays.physical_to_logical;
  maps.replica_rank = arrays.replica_rank;
  maps.replica_count = arrays.replica_count;
  maps.logical_to_physical = arrays.logical_to_physical;
  a->stats.layer_balancedness = arrays.layer_balancedness;
  a->stats.gpu_load = arrays.gpu_load;
  a->stats.layer_bound = arrays.layer_bound;
  packing.pack_index = arrays.pack_index;
  packing.rank_in_pack = arrays.rank_in_pack;

  switch (function) {
    case EPLB_GO_REBALANCE_EXPERTS:
      status = eplb_rebalance_experts(&shape, &a->options, &input, &maps, a->wants_stats ? &a->stats : NULL, &a->error);
      break;
    case EPLB_GO_CREATE:
      status = eplb_create(&shape, &a->options, &a->context, &a->error);
      break;
    case EPLB_GO_MEMORY_NEEDED:
      status = eplb_memory_needed(&shape, &a->options, &a->host_bytes, &a->cuda_bytes, &a->error);
      break;
    case EPLB_GO_SUBMIT_WEIGHTS:
      status = eplb_submit_weights(a->context, &input, &a->error);
      break;
    case EPLB_GO_GET_MAX_REPLICA_COUNT:
      status = eplb_get_max_replica_count(a->context, &a->count, &a->error);
      break;
    case EPLB_GO_GET_MAPS:
      status = eplb_get_maps(a->context, &maps, &a->error);
      break;
    case EPLB_GO_GET_STATS:
      status = eplb_get_stats(a->context, a->wants_stats ? &a->stats : NULL, &a->error);
      break;
    case EPLB_GO_SUBMIT_WEIGHTS_ASYNC:
      status = eplb_submit_weights_async(a->context, &input, a->stream, &a->error);
      break;
    case EPLB_GO_GET_MAPS_ASYNC:
      status = eplb_get_maps_async(a->context, &maps, a->stream, &a->error);
      break;
    case EPLB_GO_CHECK_PLACEMENT:
      status = eplb_check_placement(&shape, &maps, a->flags, &a->error);
      break;
    case EPLB_GO_SCORE_PLACEMENT:
      status = eplb_score_placement(&shape, &input, &maps, a->wants_stats ? &a->stats : NULL, &a->error);
      break;
    case EPLB_GO_BALANCED_PACKING:
      status = eplb_balanced_packing(&a->options, &input, &packing, &a->error);
      break;
    case EPLB_GO_REPLICATE_EXPERTS:
      status = eplb_replicate_experts(&shape, &a->options, &input, &maps, &a->error);
      break;
  }

  a->stats.layer_balancedness = NULL;
  a->stats.gpu_load = NULL;
  a->stats.layer_bound = NULL;
  return status;
}
