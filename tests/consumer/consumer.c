/* SPDX-License-Identifier: MIT */
/* A program of someone who installed the library: plans, and prints the loads and the maps as JSON. */
#include <stdio.h>

#include <eplb/eplb.h>

enum { LAYERS = 2, EXPERTS = 12, SLOTS = 16, GROUPS = 4, NODES = 2, GPUS = 8 };

static const int32_t loads[LAYERS * EXPERTS] = {90, 132, 40,  61, 104, 165, 39,  4,   73,  56, 183, 86,
                                                20, 107, 104, 64, 19,  197, 187, 157, 172, 86, 16,  27};

static void print_map(const char* name, const int32_t* map, int columns, const char* end) {
  int layer, i;
  printf("\"%s\": [", name);
  for (layer = 0; layer < LAYERS; ++layer) {
    for (i = 0; i < columns; ++i) printf("%s%d", i ? ", " : "[", (int)map[layer * columns + i]);
    printf("]%s", layer + 1 < LAYERS ? ", " : "");
  }
  printf("]%s", end);
}

int main(void) {
  int32_t experts[LAYERS * SLOTS], ranks[LAYERS * SLOTS], counts[LAYERS * EXPERTS];
  eplb_shape shape;
  eplb_input input;
  eplb_maps maps;
  eplb_error error;
  if (eplb_shape_init(&shape, sizeof shape) || eplb_input_init(&input, sizeof input) ||
      eplb_maps_init(&maps, sizeof maps) || eplb_error_init(&error, sizeof error)) {
    return 2;
  }
  shape.num_layers = LAYERS;
  shape.num_logical_experts = EXPERTS;
  shape.num_physical_experts = SLOTS;
  shape.num_groups = GROUPS;
  shape.num_nodes = NODES;
  shape.num_gpus = GPUS;
  input.type = EPLB_TYPE_INT32;
  input.loads = loads;
  input.loads_count = LAYERS * EXPERTS;
  maps.physical_to_logical = experts;
  maps.physical_to_logical_count = LAYERS * SLOTS;
  maps.replica_rank = ranks;
  maps.replica_rank_count = LAYERS * SLOTS;
  maps.replica_count = counts;
  maps.replica_count_count = LAYERS * EXPERTS;
  if (eplb_version() != EPLB_VERSION) {
    fprintf(stderr, "header %d, library %d\n", EPLB_VERSION, (int)eplb_version());
    return 1;
  }
  if (eplb_rebalance_experts(&shape, NULL, &input, &maps, NULL, &error) != EPLB_SUCCESS) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  printf("{");
  print_map("loads", loads, EXPERTS, ",\n ");
  print_map("physical_to_logical", experts, SLOTS, ",\n ");
  print_map("replica_rank", ranks, SLOTS, ",\n ");
  print_map("replica_count", counts, EXPERTS, "}\n");
  return 0;
}
