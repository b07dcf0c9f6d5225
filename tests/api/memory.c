/* SPDX-License-Identifier: MIT */
/* Memory: told before, had in one piece from the caller's allocator, none while planning, all given
 * back. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"
#include "resources.h"

extern void* __libc_malloc(size_t size); /* which is not counted */
extern void __libc_free(void* block);

/* An allocator of the caller's, which hands out one block after the other. */
typedef struct pool {
  size_t given, returned; /* bytes */
  int blocks;
} pool;

static void* EPLB_CALL pool_alloc(void* user, size_t size) {
  pool* p = user;
  size_t* block;
  block = __libc_malloc(size + 2 * sizeof *block);
  block[0] = size;
  p->given += size;
  ++p->blocks;
  memset(block + 2, 0xC3, size); /* a context must not count on zeros */
  return block + 2;
}

static void EPLB_CALL pool_free(void* user, void* pointer) {
  pool* p = user;
  size_t* block = (size_t*)pointer - 2;
  p->returned += block[0];
  __libc_free(block);
}

static eplb_options pooled(int32_t strategy, int32_t threads, pool* p) {
  eplb_options options = make_options(strategy);
  options.num_threads = threads;
  options.max_samples = 3;
  options.alloc_fn = pool_alloc;
  options.free_fn = pool_free;
  options.user = p;
  return options;
}

enum { LAYERS = 3, EXPERTS = 16, COUNT = LAYERS * EXPERTS };

static float loads[COUNT];

static void told_before(int32_t strategy, int32_t threads, const eplb_shape* shape) {
  pool p = {0, 0, 0};
  const eplb_options options = pooled(strategy, threads, &p);
  eplb_context* context = NULL;
  size_t host = 0, cuda = 99;
  memory_blocks.asked = 0;
  CHECK_OK(eplb_memory_needed(shape, &options, &host, &cuda, &check_error));
  CHECK(memory_blocks.asked == 0 && p.blocks == 0 && cuda == 0);
  memory_blocks.asked = 0;
  CHECK_OK(eplb_create(shape, &options, &context, &check_error));
  CHECK(threads > 1 || memory_blocks.asked == 0); /* the C library has memory of its own for a thread */
  CHECK(p.blocks == 1 && p.given == host && p.returned == 0);
  eplb_destroy(context);
  CHECK(p.blocks == 1 && p.returned == host);
}

static void none_while_planning(int32_t strategy, int32_t threads) {
  const eplb_shape shape = make_shape(LAYERS, EXPERTS, 24, 4, 2, 8);
  eplb_options options = make_options(strategy);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  plan p = plan_new(&shape, EPLB_TYPE_INT64);
  eplb_stats stats = make_stats();
  eplb_context* context;
  int32_t count;
  options.num_threads = threads;
  context = context_of(&shape, &options);
  memory_blocks.asked = 0;
  CHECK(eplb_submit_weights(context, &input, NULL) == EPLB_SUCCESS);
  CHECK(eplb_submit_weights(context, &input, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_max_replica_count(context, &count, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_maps(context, &p.maps, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_stats(context, &stats, NULL) == EPLB_SUCCESS);
  CHECK(memory_blocks.asked == 0);
  eplb_destroy(context);
  plan_free(&p);
}

/* Nor from a current placement whose budget is shared out, on gpus that are not alike; nor to judge it. */
static void none_while_planning_from_current(int32_t threads) {
  static const int32_t slots[] = {0, 5, 3, 4, 1, 4, 4, 3}, nodes[] = {0, 1, 0, 1, 1, 0, 0, 1};
  static const float speeds[] = {1, 1, 2, 1, 1, 0.5f, 1, 1};
  eplb_shape uneven = make_shape(LAYERS, EXPERTS, 24, 4, 2, 8);
  eplb_options options = make_options(EPLB_STRATEGY_SEARCH);
  eplb_input from = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  int32_t current[LAYERS * 24];
  plan p;
  eplb_stats stats = make_stats();
  eplb_context* context;
  uneven.slots_per_gpu = slots;
  uneven.speed_of_gpu = speeds;
  uneven.node_of_gpu = nodes;
  uneven.slots_per_gpu_count = uneven.speed_of_gpu_count = uneven.node_of_gpu_count = 8;
  options.num_threads = threads;
  p = plan_of(&uneven, &options, &from);
  memcpy(current, p.maps.physical_to_logical, sizeof current);
  current[0] = current[30] = -1;
  from.current = current;
  from.current_count = LAYERS * 24;
  from.max_changes_per_layer = 8;
  from.max_changes = 10;
  fill_loads(loads, COUNT, 2);
  context = context_of(&uneven, &options);
  memory_blocks.asked = 0;
  CHECK(eplb_submit_weights(context, &from, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_maps(context, &p.maps, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_stats(context, &stats, NULL) == EPLB_SUCCESS);
  CHECK(memory_blocks.asked == 0);
  CHECK(stats.changes > 2 && stats.changes <= 10);
  fill_loads(loads, COUNT, 1);
  eplb_destroy(context);
  plan_free(&p);
}

/* The calls that make a context and destroy it again. */
static eplb_shape shape;
static eplb_input input;
static plan out;
static eplb_packing packing;
static int32_t packs[COUNT];

static eplb_status do_rebalance(const eplb_options* o) {
  return eplb_rebalance_experts(&shape, o, &input, &out.maps, NULL, &check_error);
}
static eplb_status do_pack(const eplb_options* o) { return eplb_balanced_packing(o, &input, &packing, &check_error); }
static eplb_status do_replicate(const eplb_options* o) {
  return eplb_replicate_experts(&shape, o, &input, &out.maps, &check_error);
}

static void one_block_for(eplb_status (*call)(const eplb_options*)) {
  pool p = {0, 0, 0};
  const eplb_options options = pooled(EPLB_STRATEGY_LPT_RESTART4, 1, &p);
  memory_blocks.asked = 0;
  CHECK_OK(call(&options));
  CHECK(memory_blocks.asked == 0 && p.blocks == 1 && p.given == p.returned);
}

static void set_up(void) {
  fill_loads(loads, COUNT, 1);
  shape = make_shape(LAYERS, EXPERTS, 24, 4, 2, 8);
  input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  out = plan_new(&shape, EPLB_TYPE_INT32);
  CHECK(eplb_packing_init(&packing, sizeof packing) == EPLB_SUCCESS);
  packing.num_rows = LAYERS;
  packing.num_items = EXPERTS;
  packing.num_packs = 4;
  packing.pack_index = packs;
  packing.pack_index_count = COUNT;
}

int main(void) {
  int32_t strategy, threads;
  set_up();
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    for (threads = 1; threads <= 3; threads += 2) {
      const eplb_shape one_layer = make_shape(1, EXPERTS, EXPERTS, 1, 1, 1);
      told_before(strategy, threads, &shape);
      told_before(strategy, threads, &one_layer);
      none_while_planning(strategy, threads);
    }
  }
  none_while_planning_from_current(1);
  none_while_planning_from_current(3);
  one_block_for(do_rebalance);
  one_block_for(do_pack);
  one_block_for(do_replicate);
  plan_free(&out);
  return check_report();
}
