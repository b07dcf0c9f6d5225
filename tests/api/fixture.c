/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

eplb_shape make_shape(int32_t layers, int32_t experts, int32_t slots, int32_t groups, int32_t nodes, int32_t gpus) {
  eplb_shape shape;
  CHECK(eplb_shape_init(&shape, sizeof shape) == EPLB_SUCCESS);
  shape.num_layers = layers;
  shape.num_logical_experts = experts;
  shape.num_physical_experts = slots;
  shape.num_groups = groups;
  shape.num_nodes = nodes;
  shape.num_gpus = gpus;
  return shape;
}

eplb_options make_options(int32_t strategy) {
  eplb_options options;
  CHECK(eplb_options_init(&options, sizeof options) == EPLB_SUCCESS);
  options.strategy = strategy;
  return options;
}

eplb_input make_input(int32_t type, const void* loads, size_t count) {
  eplb_input input;
  CHECK(eplb_input_init(&input, sizeof input) == EPLB_SUCCESS);
  input.type = type;
  input.loads = loads;
  input.loads_count = count;
  return input;
}

eplb_stats make_stats(void) {
  eplb_stats stats;
  CHECK(eplb_stats_init(&stats, sizeof stats) == EPLB_SUCCESS);
  return stats;
}

void fill_loads(float* loads, size_t count, uint32_t seed) {
  uint64_t state = seed;
  size_t i;
  for (i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    loads[i] = (float)((state >> 33) % 10000);
  }
}

plan plan_new(const eplb_shape* shape, int32_t type) {
  const size_t size = type == EPLB_TYPE_INT64 ? sizeof(int64_t) : sizeof(int32_t);
  const size_t layers = (size_t)shape->num_layers;
  const size_t slots = layers * (size_t)shape->num_physical_experts;
  const size_t experts = layers * (size_t)shape->num_logical_experts;
  const int32_t width = shape->num_physical_experts - shape->num_logical_experts + 1;
  plan p;
  char* next;
  CHECK(eplb_maps_init(&p.maps, sizeof p.maps) == EPLB_SUCCESS);
  p.maps.type = type;
  p.maps.max_replicas = width;
  p.maps.physical_to_logical_count = slots;
  p.maps.replica_rank_count = slots;
  p.maps.replica_count_count = experts;
  p.maps.logical_to_physical_count = experts * (size_t)width;
  p.bytes = (2 * slots + experts + experts * (size_t)width) * size;
  p.block = next = malloc(p.bytes);
  CHECK(next != NULL);
  p.maps.physical_to_logical = next;
  p.maps.replica_rank = next += slots * size;
  p.maps.replica_count = next += slots * size;
  p.maps.logical_to_physical = next += experts * size;
  plan_clear(&p);
  return p;
}

void plan_free(plan* p) { free(p->block); }

void plan_clear(plan* p) { memset(p->block, UNWRITTEN, p->bytes); }

int plan_unwritten(const plan* p) {
  const unsigned char* bytes = p->block;
  size_t i;
  for (i = 0; i < p->bytes; ++i) {
    if (bytes[i] != UNWRITTEN) return 0;
  }
  return 1;
}

int plan_same(const plan* a, const plan* b) {
  return a->bytes == b->bytes && memcmp(a->block, b->block, a->bytes) == 0;
}

int64_t map_at(const eplb_maps* maps, const void* map, size_t index) {
  return maps->type == EPLB_TYPE_INT64 ? ((const int64_t*)map)[index] : ((const int32_t*)map)[index];
}

plan plan_of(const eplb_shape* shape, const eplb_options* options, const eplb_input* input) {
  plan p = plan_new(shape, EPLB_TYPE_INT32);
  CHECK_OK(eplb_rebalance_experts(shape, options, input, &p.maps, NULL, &check_error));
  return p;
}

eplb_context* context_of(const eplb_shape* shape, const eplb_options* options) {
  eplb_context* context = NULL;
  CHECK_OK(eplb_create(shape, options, &context, &check_error));
  return context;
}
