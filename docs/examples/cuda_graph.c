/* SPDX-License-Identifier: MIT */
/* An engine whose loads never leave the GPU: a submit and a get are captured into a CUDA graph once,
 * and replayed whenever the counters in device memory have changed. The maps stay on the GPU too;
 * they are copied back here to be printed. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>

#include <eplb/eplb.h>

enum { LAYERS = 4, EXPERTS = 64, SLOTS = 80, GPUS = 16, ROUNDS = 3 };

static void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(status));
  exit(1);
}

static void check(eplb_status status, const eplb_error* error) {
  if (status == EPLB_SUCCESS) return;
  fprintf(stderr, "%s\n", error->message);
  exit(1);
}

/* Stands for the engine's counters, which a kernel of its own would write. */
static void count_tokens(int round, float* device_loads) {
  static float loads[LAYERS * EXPERTS];
  int i;
  for (i = 0; i < LAYERS * EXPERTS; ++i) loads[i] = (float)(1 + (i * 37 + round * 91) % 1000);
  check_cuda(cudaMemcpy(device_loads, loads, sizeof loads, cudaMemcpyHostToDevice), "copying loads");
}

int main(void) {
  float* loads;
  int32_t* expert_of_slot;
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t plan;
  eplb_context* context;
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_maps maps;
  eplb_stats stats;
  eplb_error error;
  int round;

  eplb_shape_init(&shape, sizeof shape);
  eplb_options_init(&options, sizeof options);
  eplb_input_init(&input, sizeof input);
  eplb_maps_init(&maps, sizeof maps);
  eplb_stats_init(&stats, sizeof stats);
  eplb_error_init(&error, sizeof error);
  if (eplb_backend_available(EPLB_BACKEND_CUDA, &error) != EPLB_SUCCESS) {
    printf("no CUDA device: %s\n", error.message);
    return 0;
  }

  /* Everything is allocated before the first plan: the context with its kernels, the buffers. */
  shape.num_layers = LAYERS;
  shape.num_logical_experts = EXPERTS;
  shape.num_physical_experts = SLOTS;
  shape.num_gpus = GPUS;
  options.strategy = EPLB_STRATEGY_LPT_RESTART64_ANY;
  options.memory = EPLB_MEMORY_CUDA;
  check(eplb_create(&shape, &options, &context, &error), &error);
  check_cuda(cudaMalloc((void**)&loads, LAYERS * EXPERTS * sizeof *loads), "cudaMalloc");
  check_cuda(cudaMalloc((void**)&expert_of_slot, LAYERS * SLOTS * sizeof *expert_of_slot), "cudaMalloc");
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");

  /* The graph keeps the addresses, not what is there. */
  input.memory = EPLB_MEMORY_CUDA;
  input.loads = loads;
  input.loads_count = LAYERS * EXPERTS;
  maps.memory = EPLB_MEMORY_CUDA;
  maps.physical_to_logical = expert_of_slot;
  maps.physical_to_logical_count = LAYERS * SLOTS;
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  check(eplb_submit_weights_async(context, &input, stream, &error), &error);
  check(eplb_get_maps_async(context, &maps, stream, &error), &error);
  check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  check_cuda(cudaGraphInstantiate(&plan, graph, 0), "cudaGraphInstantiate");

  for (round = 0; round < ROUNDS; ++round) {
    int32_t first_slots[4];
    count_tokens(round, loads);
    check_cuda(cudaGraphLaunch(plan, stream), "cudaGraphLaunch");
    /* An engine would go on here, and come back when an event that it records behind the launch has
     * completed. The poll then says whether the loads were good. */
    check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    check(eplb_poll(context, &error), &error);
    check(eplb_get_stats(context, &stats, &error), &error);
    check_cuda(cudaMemcpy(first_slots, expert_of_slot, sizeof first_slots, cudaMemcpyDeviceToHost), "copying maps");
    printf("plan %d: balancedness %.4f, slots 0 to 3 hold experts %d %d %d %d\n", round, stats.balancedness,
           (int)first_slots[0], (int)first_slots[1], (int)first_slots[2], (int)first_slots[3]);
  }

  eplb_destroy(context);
  cudaGraphExecDestroy(plan);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
  cudaFree(expert_of_slot);
  cudaFree(loads);
  return 0;
}
