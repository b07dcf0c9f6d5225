/* SPDX-License-Identifier: MIT */
#include "call.h"

#include <stdlib.h>

#include "_cgo_export.h"

/* What Go exports has to be what the header asks for. */
#pragma GCC diagnostic error "-Wincompatible-pointer-types"

static int32_t is_cancelled(void* user, int64_t done, int64_t total) {
  const eplb_go_call* const call = user;
  (void)done, (void)total;
  return __atomic_load_n(&call->cancelled, __ATOMIC_RELAXED);
}

const eplb_log_fn eplb_go_log_fn = eplb_go_log;
const eplb_progress_fn eplb_go_progress_fn = eplb_go_progress;
const eplb_alloc_fn eplb_go_alloc_fn = eplb_go_alloc;
const eplb_free_fn eplb_go_free_fn = eplb_go_free;
const eplb_progress_fn eplb_go_cancel_fn = is_cancelled;

eplb_go_call* eplb_go_new(void) {
  eplb_go_call* call = calloc(1, sizeof *call);
  if (call == NULL) return NULL;
  eplb_shape_init(&call->shape, sizeof call->shape);
  eplb_options_init(&call->options, sizeof call->options);
  eplb_input_init(&call->input, sizeof call->input);
  eplb_maps_init(&call->maps, sizeof call->maps);
  eplb_stats_init(&call->stats, sizeof call->stats);
  eplb_packing_init(&call->packing, sizeof call->packing);
  eplb_error_init(&call->error, sizeof call->error);
  return call;
}

void eplb_go_delete(eplb_go_call* call) {
  eplb_destroy(call->context);
  free(call);
}

eplb_status eplb_go_do(eplb_go_call* call, eplb_go_function function, const int32_t* slots_per_gpu,
                       const float* speed_of_gpu, const int32_t* node_of_gpu, const char* loads, const char* current,
                       char* physical_to_logical, char* replica_rank, char* replica_count, char* logical_to_physical,
                       double* layer_balancedness, double* gpu_load, double* layer_bound, char* pack_index,
                       char* rank_in_pack) {
  const eplb_options* const options = &call->options;
  eplb_error* const error = &call->error;
  eplb_shape shape = call->shape;
  eplb_input input = call->input;
  eplb_maps maps = call->maps;
  eplb_stats* const stats = call->wants_stats ? &call->stats : NULL;
  eplb_packing packing = call->packing;
  eplb_status status = EPLB_ERROR_INTERNAL;

  shape.slots_per_gpu = slots_per_gpu;
  shape.speed_of_gpu = speed_of_gpu;
  shape.node_of_gpu = node_of_gpu;
  input.loads = loads;
  input.current = current;
  maps.physical_to_logical = physical_to_logical;
  maps.replica_rank = replica_rank;
  maps.replica_count = replica_count;
  maps.logical_to_physical = logical_to_physical;
  packing.pack_index = pack_index;
  packing.rank_in_pack = rank_in_pack;
  if (stats != NULL) {
    stats->layer_balancedness = layer_balancedness;
    stats->gpu_load = gpu_load;
    stats->layer_bound = layer_bound;
  }

  switch (function) {
    case EPLB_GO_REBALANCE_EXPERTS:
      status = eplb_rebalance_experts(&shape, options, &input, &maps, stats, error);
      break;
    case EPLB_GO_CREATE:
      status = eplb_create(&shape, options, &call->context, error);
      break;
    case EPLB_GO_MEMORY_NEEDED:
      status = eplb_memory_needed(&shape, options, &call->host_bytes, &call->cuda_bytes, error);
      break;
    case EPLB_GO_SUBMIT_WEIGHTS:
      status = eplb_submit_weights(call->context, &input, error);
      break;
    case EPLB_GO_GET_MAX_REPLICA_COUNT:
      status = eplb_get_max_replica_count(call->context, &call->max_replica_count, error);
      break;
    case EPLB_GO_GET_MAPS:
      status = eplb_get_maps(call->context, &maps, error);
      break;
    case EPLB_GO_GET_STATS:
      status = eplb_get_stats(call->context, stats, error);
      break;
    case EPLB_GO_SUBMIT_WEIGHTS_ASYNC:
      status = eplb_submit_weights_async(call->context, &input, call->stream, error);
      break;
    case EPLB_GO_GET_MAPS_ASYNC:
      status = eplb_get_maps_async(call->context, &maps, call->stream, error);
      break;
    case EPLB_GO_CHECK_PLACEMENT:
      status = eplb_check_placement(&shape, &maps, call->check_flags, error);
      break;
    case EPLB_GO_SCORE_PLACEMENT:
      status = eplb_score_placement(&shape, &input, &maps, stats, error);
      break;
    case EPLB_GO_BALANCED_PACKING:
      status = eplb_balanced_packing(options, &input, &packing, error);
      break;
    case EPLB_GO_REPLICATE_EXPERTS:
      status = eplb_replicate_experts(&shape, options, &input, &maps, error);
      break;
  }

  if (stats != NULL) /* C must not keep a pointer of Go's */
    stats->layer_balancedness = stats->gpu_load = stats->layer_bound = NULL;
  return status;
}
