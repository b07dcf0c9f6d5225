/* SPDX-License-Identifier: MIT */
/* Made from eplb.h by bindings/generate.py. */
#ifndef EPLB_GO_RAW_H
#define EPLB_GO_RAW_H

#include <eplb/eplb.h>

/* What the functions take, but for arrays. */
typedef struct eplb_go_arguments {
  eplb_context* context;
  eplb_error error;
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_maps maps;
  eplb_stats stats;
  eplb_packing packing;
  int32_t wants_stats; /* 0: the call gets NULL for it. */
  size_t host_bytes;
  size_t cuda_bytes;
  int32_t count;
  void* stream;
  uint32_t flags;
} eplb_go_arguments;

/* The arrays that structs point to. Those of any type are char* here: with void* the runtime would look for Go
 * pointers in whatever the array is a part of. */
typedef struct eplb_go_arrays {
  int32_t* slots_per_gpu;
  float* speed_of_gpu;
  int32_t* node_of_gpu;
  char* loads;
  char* current;
  char* physical_to_logical;
  char* replica_rank;
  char* replica_count;
  char* logical_to_physical;
  double* layer_balancedness;
  double* gpu_load;
  double* layer_bound;
  char* pack_index;
  char* rank_in_pack;
} eplb_go_arrays;

typedef enum eplb_go_function {
  EPLB_GO_REBALANCE_EXPERTS,
  EPLB_GO_CREATE,
  EPLB_GO_MEMORY_NEEDED,
  EPLB_GO_SUBMIT_WEIGHTS,
  EPLB_GO_GET_MAX_REPLICA_COUNT,
  EPLB_GO_GET_MAPS,
  EPLB_GO_GET_STATS,
  EPLB_GO_SUBMIT_WEIGHTS_ASYNC,
  EPLB_GO_GET_MAPS_ASYNC,
  EPLB_GO_CHECK_PLACEMENT,
  EPLB_GO_SCORE_PLACEMENT,
  EPLB_GO_BALANCED_PACKING,
  EPLB_GO_REPLICATE_EXPERTS
} eplb_go_function;

/* All structs at their defaults. */
void eplb_go_init(eplb_go_arguments* a);

/* Calls a function. C keeps no pointer to an array. */
eplb_status eplb_go_do(eplb_go_arguments* a, eplb_go_function function, eplb_go_arrays arrays);

#endif /* EPLB_GO_RAW_H */
