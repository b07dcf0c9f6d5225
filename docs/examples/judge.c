/* SPDX-License-Identifier: MIT */
/* Is a plan still good? Plans on the load of one day, checks the placement, and judges it on the
 * load of the next. */
#include <stdio.h>

#include <eplb/eplb.h>

enum { LAYERS = 2, EXPERTS = 8, SLOTS = 12, GPUS = 4 };

static const int32_t monday[LAYERS][EXPERTS] = {
    {900, 120, 80, 300, 60, 110, 240, 90},
    {150, 140, 700, 650, 30, 20, 60, 250},
};
static const int32_t tuesday[LAYERS][EXPERTS] = {
    {700, 310, 75, 280, 60, 190, 220, 65},
    {160, 520, 640, 280, 30, 25, 95, 250},
};

static int fail(const eplb_error* error) {
  fprintf(stderr, "%s\n", error->message);
  return 1;
}

static void print_balance(const char* day, const eplb_stats* stats) {
  int layer, gpu;
  printf("%-8s balancedness %.3f, worst layer %.3f\n", day, stats->balancedness, stats->balancedness_min);
  for (layer = 0; layer < LAYERS; ++layer) {
    printf("  layer %d, tokens of each gpu:", layer);
    for (gpu = 0; gpu < GPUS; ++gpu) printf(" %6.1f", stats->gpu_load[layer * GPUS + gpu]);
    printf("\n");
  }
}

int main(void) {
  int32_t expert_in_slot[LAYERS * SLOTS];
  double gpu_load[LAYERS * GPUS];
  eplb_shape shape;
  eplb_input input;
  eplb_maps maps;
  eplb_stats stats;
  eplb_error error;
  eplb_shape_init(&shape, sizeof shape);
  eplb_input_init(&input, sizeof input);
  eplb_maps_init(&maps, sizeof maps);
  eplb_stats_init(&stats, sizeof stats);
  eplb_error_init(&error, sizeof error);
  shape.num_layers = LAYERS;
  shape.num_logical_experts = EXPERTS;
  shape.num_physical_experts = SLOTS;
  shape.num_gpus = GPUS;
  input.type = EPLB_TYPE_INT32;
  input.loads = monday;
  input.loads_count = LAYERS * EXPERTS;
  maps.physical_to_logical = expert_in_slot;
  maps.physical_to_logical_count = LAYERS * SLOTS;
  stats.gpu_load = gpu_load;
  stats.gpu_load_count = LAYERS * GPUS;

  if (eplb_rebalance_experts(&shape, NULL, &input, &maps, &stats, &error)) return fail(&error);
  print_balance("monday", &stats);
  input.loads = tuesday;
  if (eplb_score_placement(&shape, &input, &maps, &stats, &error)) return fail(&error);
  print_balance("tuesday", &stats);

  /* A placement that someone edited: expert 5 of layer 0 has lost its only slot to expert 0. */
  for (int slot = 0; slot < SLOTS; ++slot) {
    if (expert_in_slot[slot] == 5) expert_in_slot[slot] = 0;
  }
  if (eplb_check_placement(&shape, &maps, 0, &error) == EPLB_SUCCESS) return 1;
  printf("edited: %s\n", error.message);
  return 0;
}
