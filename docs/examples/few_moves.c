/* SPDX-License-Identifier: MIT */
/* A placement that is in use follows the load by few moves, and then the loss of a gpu. */
#include <stdio.h>

#include <eplb/eplb.h>

enum { LAYERS = 1, EXPERTS = 8, SLOTS = 12, GPUS = 4, SLOTS_PER_GPU = SLOTS / GPUS };

static const float before[EXPERTS] = {900, 120, 80, 300, 60, 110, 240, 90};
static const float after[EXPERTS] = {500, 120, 480, 300, 60, 110, 240, 90};

static int fail(const eplb_error* error) {
  fprintf(stderr, "%s\n", error->message);
  return 1;
}

static void print(const char* what, const int32_t* expert_of_slot, int slots, const eplb_stats* stats) {
  int slot;
  printf("%s:", what);
  for (slot = 0; slot < slots; ++slot) {
    printf("%s%d", slot % SLOTS_PER_GPU ? " " : "  | ", (int)expert_of_slot[slot]);
  }
  printf("  |  balancedness %.3f, %d slots changed\n", stats->balancedness, (int)stats->changes);
}

int main(void) {
  static const int32_t slots_per_gpu[GPUS] = {SLOTS_PER_GPU, SLOTS_PER_GPU, 0, SLOTS_PER_GPU}; /* gpu 2 is lost */
  int32_t expert_of_slot[SLOTS], left[SLOTS - SLOTS_PER_GPU];
  int slot;
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_maps maps;
  eplb_stats stats;
  eplb_error error;
  eplb_shape_init(&shape, sizeof shape);
  eplb_options_init(&options, sizeof options);
  eplb_input_init(&input, sizeof input);
  eplb_maps_init(&maps, sizeof maps);
  eplb_stats_init(&stats, sizeof stats);
  eplb_error_init(&error, sizeof error);
  shape.num_layers = LAYERS;
  shape.num_logical_experts = EXPERTS;
  shape.num_physical_experts = SLOTS;
  shape.num_gpus = GPUS;
  options.strategy = EPLB_STRATEGY_SEARCH;
  input.loads = before;
  input.loads_count = LAYERS * EXPERTS;
  maps.physical_to_logical = expert_of_slot;
  maps.physical_to_logical_count = LAYERS * SLOTS;
  if (eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &error)) return fail(&error);
  print("at first       ", expert_of_slot, SLOTS, &stats);

  /* The load has changed. The plan is written over the placement that it starts from only when it is made. */
  input.loads = after;
  input.current = expert_of_slot; /* what is in use, as the last plan left it */
  input.current_count = LAYERS * SLOTS;
  input.max_changes_per_layer = 2; /* and max_changes for all layers together */
  {
    int32_t next[SLOTS];
    maps.physical_to_logical = next;
    if (eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &error)) return fail(&error);
    for (slot = 0; slot < SLOTS; ++slot) expert_of_slot[slot] = next[slot];
  }
  print("two moves later", expert_of_slot, SLOTS, &stats);

  /* Gpu 2 is gone, and its slots with it; the others stay what they are. */
  for (slot = 0; slot < SLOTS - SLOTS_PER_GPU; ++slot) {
    left[slot] = expert_of_slot[slot < 2 * SLOTS_PER_GPU ? slot : slot + SLOTS_PER_GPU];
  }
  shape.num_physical_experts = SLOTS - SLOTS_PER_GPU;
  shape.slots_per_gpu = slots_per_gpu;
  shape.slots_per_gpu_count = GPUS;
  input.current = left;
  input.current_count = LAYERS * (SLOTS - SLOTS_PER_GPU);
  input.max_changes_per_layer = -1;
  maps.physical_to_logical = expert_of_slot;
  if (eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &error)) return fail(&error);
  print("without gpu 2  ", expert_of_slot, SLOTS - SLOTS_PER_GPU, &stats);
  return 0;
}
