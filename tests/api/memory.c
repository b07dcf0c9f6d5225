/* SPDX-License-Identifier: MIT */
/* Memory: told before, had in one piece from the caller's allocator, none while planning, all given
 * back; and none to be had, at any point of any call. This program's own malloc counts and fails. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* block, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static long allocations;        /* since the last time it was set to 0 */
static long failing_allocation; /* the one that gets nothing; 0: none */

static int has_memory(void) { return ++allocations != failing_allocation; }

void* malloc(size_t size) { return has_memory() ? __libc_malloc(size) : NULL; }
void* calloc(size_t count, size_t size) { return has_memory() ? __libc_calloc(count, size) : NULL; }
void* realloc(void* block, size_t size) { return has_memory() ? __libc_realloc(block, size) : NULL; }
void* aligned_alloc(size_t alignment, size_t size) {
  return has_memory() ? __libc_memalign(alignment, size) : NULL;
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  return (*block = aligned_alloc(alignment, size)) != NULL ? 0 : ENOMEM;
}

/* An allocator of the caller's, which hands out one block after the other. */
typedef struct pool {
  size_t given, returned; /* bytes */
  int blocks, fails;
} pool;

static void* EPLB_CALL pool_alloc(void* user, size_t size) {
  pool* p = user;
  size_t* block;
  if (p->fails) return NULL;
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
  free(block);
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
  pool p = {0, 0, 0, 0};
  const eplb_options options = pooled(strategy, threads, &p);
  eplb_context* context = NULL;
  size_t host = 0, cuda = 99;
  allocations = 0;
  CHECK_OK(eplb_memory_needed(shape, &options, &host, &cuda, &check_error));
  CHECK(allocations == 0 && p.blocks == 0 && cuda == 0);
  allocations = 0;
  CHECK_OK(eplb_create(shape, &options, &context, &check_error));
  CHECK(threads > 1 || allocations == 0); /* the C library has memory of its own for a thread */
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
  allocations = 0;
  CHECK(eplb_submit_weights(context, &input, NULL) == EPLB_SUCCESS);
  CHECK(eplb_submit_weights(context, &input, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_max_replica_count(context, &count, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_maps(context, &p.maps, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_stats(context, &stats, NULL) == EPLB_SUCCESS);
  CHECK(allocations == 0);
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
  allocations = 0;
  CHECK(eplb_submit_weights(context, &from, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_maps(context, &p.maps, NULL) == EPLB_SUCCESS);
  CHECK(eplb_get_stats(context, &stats, NULL) == EPLB_SUCCESS);
  CHECK(allocations == 0);
  CHECK(stats.changes > 2 && stats.changes <= 10);
  fill_loads(loads, COUNT, 1);
  eplb_destroy(context);
  plan_free(&p);
}

/* The calls that allocate. */
static eplb_shape shape;
static eplb_input input;
static plan out, sound;
static eplb_stats stats;
static eplb_packing packing;
static int32_t packs[COUNT];

static eplb_status do_create(const eplb_options* o) {
  eplb_context* context = NULL;
  const eplb_status status = eplb_create(&shape, o, &context, &check_error);
  CHECK((status == EPLB_SUCCESS) == (context != NULL));
  eplb_destroy(context);
  return status;
}
static eplb_status do_rebalance(const eplb_options* o) {
  return eplb_rebalance_experts(&shape, o, &input, &out.maps, &stats, &check_error);
}
static eplb_status do_pack(const eplb_options* o) {
  return eplb_balanced_packing(o, &input, &packing, &check_error);
}
static eplb_status do_replicate(const eplb_options* o) {
  return eplb_replicate_experts(&shape, o, &input, &out.maps, &check_error);
}
static eplb_status do_check(const eplb_options* o) {
  (void)o;
  return eplb_check_placement(&shape, &sound.maps, 0, &check_error);
}
static eplb_status do_score(const eplb_options* o) {
  (void)o;
  return eplb_score_placement(&shape, &input, &sound.maps, &stats, &check_error);
}

static const struct call {
  eplb_status (*run)(const eplb_options* options);
  int uses_allocator;
} calls[] = {{do_create, 1}, {do_rebalance, 1}, {do_pack, 1}, {do_replicate, 1}, {do_check, 0}, {do_score, 0}};

static void set_up(void) {
  const eplb_options options = make_options(EPLB_STRATEGY_LPT);
  fill_loads(loads, COUNT, 1);
  shape = make_shape(LAYERS, EXPERTS, 24, 4, 2, 8);
  input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  sound = plan_of(&shape, &options, &input);
  out = plan_new(&shape, EPLB_TYPE_INT32);
  CHECK(eplb_packing_init(&packing, sizeof packing) == EPLB_SUCCESS);
  packing.num_rows = LAYERS;
  packing.num_items = EXPERTS;
  packing.num_packs = 4;
  packing.pack_index = packs;
  packing.pack_index_count = COUNT;
}

static void clear_outputs(void) {
  plan_clear(&out);
  memset(packs, UNWRITTEN, sizeof packs);
  stats = make_stats();
}

static int outputs_unwritten(void) {
  const eplb_stats empty = make_stats();
  return plan_unwritten(&out) && packs[0] == packs[COUNT - 1] && memcmp(&stats, &empty, sizeof stats) == 0;
}

static void with_the_callers_allocator(const struct call* call) {
  pool p = {0, 0, 0, 0};
  const eplb_options options = pooled(EPLB_STRATEGY_LPT_RESTART4, 1, &p);
  clear_outputs();
  allocations = 0;
  CHECK_OK(call->run(&options));
  CHECK(allocations == 0 && p.blocks == 1 && p.given == p.returned);
  p.fails = 1;
  clear_outputs();
  CHECK_FAILS(EPLB_ERROR_OUT_OF_MEMORY, "memory", call->run(&options));
  CHECK(outputs_unwritten() && p.given == p.returned);
}

/* Each allocation of the call fails in turn, until it makes no more. With threads, some of them are
 * the C library's own. */
static void with_failing_malloc(const struct call* call, int32_t threads) {
  eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART4);
  eplb_status status = EPLB_ERROR_OUT_OF_MEMORY;
  long n;
  options.num_threads = threads;
  for (n = 1; status != EPLB_SUCCESS && n < 100; ++n) {
    clear_outputs();
    allocations = 0;
    failing_allocation = n;
    check_begin();
    status = call->run(&options);
    failing_allocation = 0;
    CHECK(status == EPLB_SUCCESS || (status == EPLB_ERROR_OUT_OF_MEMORY && outputs_unwritten()));
  }
  CHECK(n > 2 && status == EPLB_SUCCESS);
}

int main(void) {
  int32_t strategy, threads;
  size_t i;
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
  for (i = 0; i < sizeof calls / sizeof *calls; ++i) {
    if (calls[i].uses_allocator) with_the_callers_allocator(&calls[i]);
    with_failing_malloc(&calls[i], 1);
    with_failing_malloc(&calls[i], 3);
  }
  plan_free(&out), plan_free(&sound);
  return check_report();
}
