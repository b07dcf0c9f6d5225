/* SPDX-License-Identifier: MIT */
/* A server that plans again every now and then: one context, a window of the last loads, no
 * allocation after the start. A bad load is reported, and the plan in use stays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eplb/eplb.h>

enum { LAYERS = 4, EXPERTS = 16, SLOTS = 24, GPUS = 8, WINDOW = 3, ROUNDS = 8, BAD_ROUND = 5 };

typedef float load[LAYERS][EXPERTS];

/* Stands for the counters of the engine: the hot expert of each layer wanders slowly. */
static void count_tokens(int round, load out) {
  int layer, expert;
  for (layer = 0; layer < LAYERS; ++layer) {
    for (expert = 0; expert < EXPERTS; ++expert) {
      const int distance = (expert + 3 * layer + EXPERTS - round / 3) % EXPERTS;
      out[layer][expert] = (float)(1000 / (1 + distance));
    }
  }
  if (round == BAD_ROUND) out[2][7] = -1.0f; /* a counter that overflowed */
}

static void fail(const eplb_error* error) {
  fprintf(stderr, "%s\n", error->message);
  exit(1);
}

/* Balance of the plan in use under a load that it was not made for. */
static double judge(const eplb_shape* shape, const eplb_maps* maps, load now) {
  eplb_input input;
  eplb_stats stats;
  eplb_error error;
  eplb_input_init(&input, sizeof input);
  eplb_stats_init(&stats, sizeof stats);
  eplb_error_init(&error, sizeof error);
  input.loads = now;
  input.loads_count = LAYERS * EXPERTS;
  if (eplb_score_placement(shape, &input, maps, &stats, &error) != EPLB_SUCCESS) fail(&error);
  return stats.balancedness;
}

static void serve(eplb_context* context, const eplb_shape* shape) {
  static load window[WINDOW]; /* the last loads, oldest first */
  int32_t expert_in_slot[LAYERS * SLOTS];
  eplb_input input;
  eplb_maps maps;
  eplb_error error;
  int round, slot, samples = 0;
  eplb_input_init(&input, sizeof input);
  eplb_maps_init(&maps, sizeof maps);
  eplb_error_init(&error, sizeof error);
  maps.physical_to_logical = expert_in_slot;
  maps.physical_to_logical_count = LAYERS * SLOTS;
  for (slot = 0; slot < LAYERS * SLOTS; ++slot) expert_in_slot[slot] = slot % SLOTS % EXPERTS;

  for (round = 0; round < ROUNDS; ++round) {
    double before;
    if (samples == WINDOW) {
      memmove(window[0], window[1], (WINDOW - 1) * sizeof(load));
      --samples;
    }
    count_tokens(round, window[samples++]);
    input.loads = window;
    input.num_samples = samples;
    input.loads_count = (size_t)samples * LAYERS * EXPERTS;
    if (eplb_submit_weights(context, &input, &error) != EPLB_SUCCESS) {
      printf("round %d: the plan stays: %s\n", round, error.message);
      --samples; /* that load is of no use to later rounds either */
      continue;
    }
    before = judge(shape, &maps, window[samples - 1]);
    if (eplb_get_maps(context, &maps, &error) != EPLB_SUCCESS) fail(&error);
    printf("round %d: balancedness %.3f before, %.3f after\n", round, before, judge(shape, &maps, window[samples - 1]));
  }
}

int main(void) {
  eplb_shape shape;
  eplb_options options;
  eplb_context* context;
  eplb_error error;
  eplb_shape_init(&shape, sizeof shape);
  eplb_options_init(&options, sizeof options);
  eplb_error_init(&error, sizeof error);
  shape.num_layers = LAYERS;
  shape.num_logical_experts = EXPERTS;
  shape.num_physical_experts = SLOTS;
  shape.num_gpus = GPUS;
  options.max_samples = WINDOW;
  if (eplb_create(&shape, &options, &context, &error) != EPLB_SUCCESS) fail(&error);
  serve(context, &shape);
  eplb_destroy(context);
  return 0;
}
