/* SPDX-License-Identifier: MIT */
/* The calls of bench.py in C: prints the microseconds of a submit and a get, the least over some repeats. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <eplb/eplb.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void check(eplb_status status, const eplb_error* error) {
  if (status == EPLB_SUCCESS) return;
  fprintf(stderr, "%s\n", error->message);
  exit(1);
}

int main(int argc, char** argv) {
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_maps maps;
  eplb_error error;
  eplb_context* context;
  size_t loads, slots, i;
  float* load;
  int64_t *expert, *rank, *count;
  double best = 1e30;
  int calls, repeats, r, c;
  if (argc != 7) return 2;
  eplb_shape_init(&shape, sizeof shape);
  eplb_options_init(&options, sizeof options);
  eplb_input_init(&input, sizeof input);
  eplb_maps_init(&maps, sizeof maps);
  eplb_error_init(&error, sizeof error);
  shape.num_layers = atoi(argv[1]);
  shape.num_logical_experts = atoi(argv[2]);
  shape.num_physical_experts = atoi(argv[3]);
  shape.num_gpus = atoi(argv[4]);
  calls = atoi(argv[5]);
  repeats = atoi(argv[6]);
  options.strategy = EPLB_STRATEGY_LPT;
  loads = (size_t)shape.num_layers * (size_t)shape.num_logical_experts;
  slots = (size_t)shape.num_layers * (size_t)shape.num_physical_experts;
  load = malloc(loads * sizeof *load);
  expert = malloc(slots * sizeof *expert);
  rank = malloc(slots * sizeof *rank);
  count = malloc(loads * sizeof *count);
  if (!load || !expert || !rank || !count) return 1;
  for (i = 0; i < loads; ++i) /* the loads come in on standard input */
    if (fread(&load[i], sizeof *load, 1, stdin) != 1) return 1;
  input.loads = load;
  input.loads_count = loads;
  maps.type = EPLB_TYPE_INT64;
  maps.physical_to_logical = expert;
  maps.replica_rank = rank;
  maps.replica_count = count;
  maps.physical_to_logical_count = maps.replica_rank_count = slots;
  maps.replica_count_count = loads;
  check(eplb_create(&shape, &options, &context, &error), &error);
  for (r = 0; r < repeats; ++r) {
    const double start = now();
    for (c = 0; c < calls; ++c) {
      check(eplb_submit_weights(context, &input, &error), &error);
      check(eplb_get_maps(context, &maps, &error), &error);
    }
    if (now() - start < best) best = now() - start;
  }
  eplb_destroy(context);
  free(load), free(expert), free(rank), free(count);
  printf("%.3f\n", best / calls);
  return 0;
}
