/* SPDX-License-Identifier: MIT */
/* One call: from the load of each expert to the expert in each slot. */
#include <stdio.h>

#include <eplb/eplb.h>

enum { LAYERS = 2, EXPERTS = 8, SLOTS = 12, GPUS = 4, SLOTS_PER_GPU = SLOTS / GPUS };

/* Tokens that went to each expert of each layer. */
static const float loads[LAYERS][EXPERTS] = {
    {900, 120, 80, 300, 60, 110, 240, 90},
    {150, 140, 700, 650, 30, 20, 60, 250},
};

int main(void) {
  int32_t expert_in_slot[LAYERS][SLOTS];
  eplb_shape shape;
  eplb_input input;
  eplb_maps maps;
  eplb_stats stats;
  eplb_error error;
  int layer, slot;

  /* Each struct is given its size, so that it may grow; then set what is not at its default. */
  eplb_shape_init(&shape, sizeof shape);
  shape.num_layers = LAYERS;
  shape.num_logical_experts = EXPERTS;
  shape.num_physical_experts = SLOTS;
  shape.num_gpus = GPUS;

  eplb_input_init(&input, sizeof input);
  input.loads = loads;
  input.loads_count = LAYERS * EXPERTS;

  eplb_maps_init(&maps, sizeof maps);
  maps.physical_to_logical = expert_in_slot;
  maps.physical_to_logical_count = LAYERS * SLOTS;

  eplb_stats_init(&stats, sizeof stats);
  eplb_error_init(&error, sizeof error);
  if (eplb_rebalance_experts(&shape, NULL, &input, &maps, &stats, &error) != EPLB_SUCCESS) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }

  for (layer = 0; layer < LAYERS; ++layer) {
    printf("layer %d:", layer);
    for (slot = 0; slot < SLOTS; ++slot) {
      printf("%s%2d", slot % SLOTS_PER_GPU ? " " : "  |", (int)expert_in_slot[layer][slot]);
    }
    printf("  |\n");
  }
  printf("balancedness %.3f (1 is best), worst layer %.3f\n", stats.balancedness, stats.balancedness_min);
  return 0;
}
