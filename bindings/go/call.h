/* SPDX-License-Identifier: MIT */
/* How Go calls the library. Go may give C a pointer to an array, but not a struct that holds such a
 * pointer. So the structs live in C memory without their pointers to arrays; those come as arguments
 * of eplb_go_do(), which puts the two together for as long as the call lasts. */
#ifndef EPLB_GO_CALL_H
#define EPLB_GO_CALL_H

#include <eplb/eplb.h>

/* All that calls work with, and the `user` of the callbacks. */
typedef struct eplb_go_call {
  eplb_context* context;
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_maps maps;
  eplb_stats stats;
  eplb_packing packing;
  eplb_error error;
  int32_t wants_stats; /* 0: the call gets NULL for stats. */
  int32_t max_replica_count;
  size_t host_bytes;
  size_t cuda_bytes;
  uint32_t check_flags;
  int32_t cancelled; /* Set from another thread to end a plan. */
  void* stream;
  uintptr_t listener; /* A runtime/cgo.Handle; 0: none. */
} eplb_go_call;

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

/* A call with all structs at their defaults; NULL when there is no memory. Give it to eplb_go_delete(). */
eplb_go_call* eplb_go_new(void);
/* Destroys the context too, if there is one. */
void eplb_go_delete(eplb_go_call* call);

/* Buffers of any type are char* here: with void* the runtime would look for Go pointers in whatever
 * the array is a part of. */
eplb_status eplb_go_do(eplb_go_call* call, eplb_go_function function, const int32_t* slots_per_gpu,
                       const float* speed_of_gpu, const int32_t* node_of_gpu, const char* loads, const char* current,
                       char* physical_to_logical, char* replica_rank, char* replica_count, char* logical_to_physical,
                       double* layer_balancedness, double* gpu_load, double* layer_bound, char* pack_index,
                       char* rank_in_pack);

/* Callbacks that are written in Go. */
extern const eplb_log_fn eplb_go_log_fn;
extern const eplb_progress_fn eplb_go_progress_fn;
extern const eplb_alloc_fn eplb_go_alloc_fn;
extern const eplb_free_fn eplb_go_free_fn;
/* One that only looks whether the call is cancelled, without the way through Go. */
extern const eplb_progress_fn eplb_go_cancel_fn;

typedef const char* eplb_go_text; /* Go has no const, but may use this name. */

#endif /* EPLB_GO_CALL_H */
