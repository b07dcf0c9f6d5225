/* SPDX-License-Identifier: MIT */
/* The way to a plan: in one call, and by a context; what they answer, and when they may be asked. */
#include <string.h>

#include "check.h"
#include "fixture.h"

/* A plan that can be worked out by hand. The two extra slots go to expert 0 (96, then 48, against
 * 30), so that slots 0 1 2 3 4 5 hold experts 0 1 2 3 0 0 and 32 30 20 10 32 32 tokens. Heaviest
 * first, slots 0, 5, 3 go to gpu 0 (74 tokens) and slots 4, 1, 2 to gpu 1 (82). */
static const float hand_loads[] = {96, 30, 20, 10};
static const int32_t hand_experts[] = {0, 0, 3, 0, 1, 2};
static const int32_t hand_ranks[] = {0, 2, 0, 1, 0, 0};
static const int32_t hand_counts[] = {3, 1, 1, 1};
static const int32_t hand_slots[] = {0, 3, 1, 4, -1, -1, 5, -1, -1, 2, -1, -1};

static void check_hand_maps(const plan* p) {
  size_t i;
  for (i = 0; i < 6; ++i) CHECK(map_at(&p->maps, p->maps.physical_to_logical, i) == hand_experts[i]);
  for (i = 0; i < 6; ++i) CHECK(map_at(&p->maps, p->maps.replica_rank, i) == hand_ranks[i]);
  for (i = 0; i < 4; ++i) CHECK(map_at(&p->maps, p->maps.replica_count, i) == hand_counts[i]);
  for (i = 0; i < 12; ++i) CHECK(map_at(&p->maps, p->maps.logical_to_physical, i) == hand_slots[i]);
}

static void check_hand_stats(const eplb_stats* stats) {
  CHECK(stats->max_replica_count == 3);
  CHECK(stats->balancedness == 78.0 / 82.0);
  CHECK(stats->balancedness_min == 78.0 / 82.0);
  CHECK(stats->empty_layers == 0);
  CHECK(stats->duplicates == 1);
  CHECK(stats->layer_balancedness[0] == 78.0 / 82.0);
  CHECK(stats->gpu_load[0] == 74 && stats->gpu_load[1] == 82);
}

static eplb_stats stats_with_buffers(double* layer_balancedness, size_t layers, double* gpu_load, size_t gpus) {
  eplb_stats stats = make_stats();
  stats.layer_balancedness = layer_balancedness;
  stats.layer_balancedness_count = layers;
  stats.gpu_load = gpu_load;
  stats.gpu_load_count = gpus;
  return stats;
}

static void by_hand(int32_t type) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_options options = make_options(EPLB_STRATEGY_LPT);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, hand_loads, 4);
  double balancedness, gpu_load[2];
  eplb_stats stats = stats_with_buffers(&balancedness, 1, gpu_load, 2);
  eplb_context* context = context_of(&shape, &options);
  plan p = plan_new(&shape, type);
  int32_t count = -1;

  CHECK_OK(eplb_rebalance_experts(&shape, &options, &input, &p.maps, &stats, &check_error));
  check_hand_maps(&p);
  check_hand_stats(&stats);

  plan_clear(&p);
  stats = stats_with_buffers(&balancedness, 1, gpu_load, 2);
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_OK(eplb_get_max_replica_count(context, &count, &check_error));
  CHECK_OK(eplb_get_maps(context, &p.maps, &check_error));
  CHECK_OK(eplb_get_stats(context, &stats, &check_error));
  CHECK(count == 3);
  check_hand_maps(&p);
  check_hand_stats(&stats);
  eplb_destroy(context);
  plan_free(&p);
}

/* One context, many loads: each plan is the one that a call by itself makes. */
static void context_equals_one_call(int32_t strategy) {
  enum { LAYERS = 3, EXPERTS = 16, COUNT = LAYERS * EXPERTS };
  const eplb_shape shape = make_shape(LAYERS, EXPERTS, 24, 4, 2, 8);
  const eplb_options options = make_options(strategy);
  eplb_context* context = context_of(&shape, &options);
  plan got = plan_new(&shape, EPLB_TYPE_INT32);
  float loads[COUNT];
  uint32_t round;
  for (round = 0; round < 5; ++round) {
    eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
    eplb_stats from_context = make_stats(), from_call = make_stats();
    plan once = plan_new(&shape, EPLB_TYPE_INT32);
    fill_loads(loads, COUNT, round);
    input.seed = round;
    CHECK_OK(eplb_rebalance_experts(&shape, &options, &input, &once.maps, &from_call, &check_error));
    CHECK_OK(eplb_submit_weights(context, &input, &check_error));
    memset(loads, 0, sizeof loads); /* the call keeps no pointer to them */
    plan_clear(&got);
    CHECK_OK(eplb_get_maps(context, &got.maps, &check_error));
    CHECK_OK(eplb_get_stats(context, &from_context, &check_error));
    CHECK(plan_same(&got, &once));
    CHECK(memcmp(&from_context, &from_call, sizeof from_call) == 0);
    CHECK(from_call.balancedness > 0 && from_call.balancedness <= 1);
    plan_free(&once);
  }
  eplb_destroy(context);
  plan_free(&got);
}

static void seeds(void) {
  enum { COUNT = 256 };
  const eplb_shape shape = make_shape(1, COUNT, 288, 1, 1, 32);
  const eplb_options random = make_options(EPLB_STRATEGY_LPT_RESTART4);
  const eplb_options plain = make_options(EPLB_STRATEGY_LPT_SWAP_ANY);
  float loads[COUNT];
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  plan zero, again, low, high, plain_zero, plain_low;
  fill_loads(loads, COUNT, 1);
  zero = plan_of(&shape, &random, &input);
  plain_zero = plan_of(&shape, &plain, &input);
  again = plan_of(&shape, &random, &input);
  input.seed = 1;
  low = plan_of(&shape, &random, &input);
  plain_low = plan_of(&shape, &plain, &input);
  input.seed = (uint64_t)1 << 32;
  high = plan_of(&shape, &random, &input);
  CHECK(plan_same(&zero, &again));
  CHECK(!plan_same(&zero, &low) && !plan_same(&zero, &high) && !plan_same(&low, &high));
  CHECK(plan_same(&plain_zero, &plain_low));
  plan_free(&zero), plan_free(&again), plan_free(&low), plan_free(&high);
  plan_free(&plain_zero), plan_free(&plain_low);
}

static void before_the_first_plan(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  eplb_context* context = context_of(&shape, NULL);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  eplb_stats stats = make_stats(), before = stats;
  int32_t count = -7;
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "plan", eplb_get_max_replica_count(context, &count, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "plan", eplb_get_maps(context, &p.maps, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "plan", eplb_get_stats(context, &stats, &check_error));
  CHECK(count == -7 && plan_unwritten(&p) && memcmp(&stats, &before, sizeof stats) == 0);
  eplb_destroy(context);
  plan_free(&p);
}

static void what_a_context_chose(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_options options = make_options(EPLB_STRATEGY_LPT_SWAP_L2);
  eplb_context* automatic = context_of(&shape, NULL);
  eplb_context* fixed = context_of(&shape, &options);
  CHECK(eplb_context_strategy(automatic) > EPLB_STRATEGY_AUTO);
  CHECK(eplb_context_strategy(automatic) < eplb_strategy_count());
  CHECK(eplb_context_strategy(fixed) == EPLB_STRATEGY_LPT_SWAP_L2);
  CHECK(eplb_context_backend(automatic) == EPLB_BACKEND_CPU);
  CHECK(eplb_context_strategy(NULL) == -1 && eplb_context_backend(NULL) == -1);
  eplb_destroy(automatic);
  eplb_destroy(fixed);
  eplb_destroy(NULL);
}

static int32_t choice_for(eplb_shape shape, int32_t max_samples) {
  eplb_options options = make_options(EPLB_STRATEGY_AUTO);
  eplb_context* context;
  int32_t strategy;
  options.max_samples = max_samples;
  context = context_of(&shape, &options);
  strategy = eplb_context_strategy(context);
  eplb_destroy(context);
  return strategy;
}

/* A search where gpus have 3 to 8 slots, where there are several samples, and where only it can plan. */
static void what_auto_is(void) {
  static const int32_t slots[] = {9, 9}, nodes[] = {0, 0};
  static const float speeds[] = {1, 1};
  const eplb_shape plain = make_shape(1, 4, 18, 1, 1, 2);
  eplb_shape with_slots = plain, with_speeds = plain, with_nodes = plain;
  with_slots.slots_per_gpu = slots;
  with_speeds.speed_of_gpu = speeds;
  with_nodes.node_of_gpu = nodes;
  with_slots.slots_per_gpu_count = with_speeds.speed_of_gpu_count = with_nodes.node_of_gpu_count = 2;
  CHECK(choice_for(plain, 1) == EPLB_STRATEGY_LPT_SWAP_ANY);
  CHECK(choice_for(plain, 2) == EPLB_STRATEGY_SEARCH);
  CHECK(choice_for(with_slots, 1) == EPLB_STRATEGY_SEARCH);
  CHECK(choice_for(with_speeds, 1) == EPLB_STRATEGY_SEARCH);
  CHECK(choice_for(with_nodes, 1) == EPLB_STRATEGY_SEARCH);
  CHECK(choice_for(make_shape(1, 4, 17, 1, 1, 2), 1) == EPLB_STRATEGY_SEARCH);
  CHECK(choice_for(make_shape(1, 4, 4, 1, 1, 5), 1) == EPLB_STRATEGY_SEARCH);
  CHECK(choice_for(make_shape(1, 4, 4, 1, 1, 2), 1) == EPLB_STRATEGY_LPT_SWAP_ANY);
  CHECK(choice_for(make_shape(1, 4, 6, 1, 1, 2), 1) == EPLB_STRATEGY_SEARCH);
  CHECK(choice_for(make_shape(1, 4, 16, 1, 1, 2), 1) == EPLB_STRATEGY_SEARCH);
}

/* In one call auto sees the input too. Two slots a gpu, so that nothing else asks for a search. */
static void what_auto_is_in_one_call(void) {
  enum { EXPERTS = 12, SLOTS = 16, GPUS = 8 };
  const eplb_shape shape = make_shape(1, EXPERTS, SLOTS, 1, 1, GPUS);
  const eplb_options preset = make_options(EPLB_STRATEGY_LPT_SWAP_ANY);
  eplb_options search = make_options(EPLB_STRATEGY_SEARCH);
  float loads[2 * EXPERTS];
  eplb_input one = make_input(EPLB_TYPE_FLOAT32, loads, EXPERTS), two, from;
  plan by_auto, by_preset, by_search;
  fill_loads(loads, 2 * EXPERTS, 3);
  by_auto = plan_of(&shape, NULL, &one);
  by_preset = plan_of(&shape, &preset, &one);
  by_search = plan_of(&shape, &search, &one);
  CHECK(plan_same(&by_auto, &by_preset) && !plan_same(&by_auto, &by_search));
  from = one;
  from.current = by_preset.maps.physical_to_logical;
  from.current_count = SLOTS;
  plan_free(&by_auto), plan_free(&by_search);

  two = make_input(EPLB_TYPE_FLOAT32, loads, 2 * EXPERTS);
  two.num_samples = 2;
  by_auto = plan_of(&shape, NULL, &two);
  by_search = plan_of(&shape, &search, &two);
  CHECK(plan_same(&by_auto, &by_search));
  plan_free(&by_auto), plan_free(&by_search);

  by_auto = plan_of(&shape, NULL, &from);
  by_search = plan_of(&shape, &search, &from);
  CHECK(plan_same(&by_auto, &by_search));
  plan_free(&by_auto), plan_free(&by_search), plan_free(&by_preset);
}

static void nulls(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, hand_loads, 4);
  eplb_input no_loads = make_input(EPLB_TYPE_FLOAT32, NULL, 4);
  eplb_context* const unwritten = (eplb_context*)&no_loads;
  eplb_context* context = unwritten;
  eplb_stats stats = make_stats();
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "shape", eplb_create(NULL, NULL, &context, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "context", eplb_create(&shape, NULL, NULL, &check_error));
  CHECK(context == unwritten);
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "shape",
              eplb_rebalance_experts(NULL, NULL, &input, &p.maps, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "input",
              eplb_rebalance_experts(&shape, NULL, NULL, &p.maps, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "loads",
              eplb_rebalance_experts(&shape, NULL, &no_loads, &p.maps, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "maps",
              eplb_rebalance_experts(&shape, NULL, &input, NULL, NULL, &check_error));
  CHECK(plan_unwritten(&p));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "shape", eplb_memory_needed(NULL, NULL, NULL, NULL, &check_error));
  CHECK_OK(eplb_memory_needed(&shape, NULL, NULL, NULL, &check_error));

  context = context_of(&shape, NULL);
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "context", eplb_submit_weights(NULL, &input, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "input", eplb_submit_weights(context, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "loads", eplb_submit_weights(context, &no_loads, &check_error));
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "context", eplb_get_maps(NULL, &p.maps, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "maps", eplb_get_maps(context, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "context", eplb_get_stats(NULL, &stats, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "stats", eplb_get_stats(context, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "count", eplb_get_max_replica_count(context, NULL, &check_error));
  CHECK(eplb_get_max_replica_count(NULL, NULL, NULL) == EPLB_ERROR_INVALID_ARGUMENT);
  CHECK(plan_unwritten(&p));
  eplb_destroy(context);
  plan_free(&p);
}

/* Every buffer may be left out by itself; the others are written. */
static void buffers_left_out(void) {
  static const struct {
    size_t field, begin, end; /* where it lies in the block of a plan, in elements */
  } maps[] = {{offsetof(eplb_maps, physical_to_logical), 0, 6},
              {offsetof(eplb_maps, replica_rank), 6, 12},
              {offsetof(eplb_maps, replica_count), 12, 16},
              {offsetof(eplb_maps, logical_to_physical), 16, 28}};
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_options options = make_options(EPLB_STRATEGY_LPT);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, hand_loads, 4);
  size_t m;
  for (m = 0; m < sizeof maps / sizeof *maps; ++m) {
    plan some = plan_new(&shape, EPLB_TYPE_INT32), expected = plan_of(&shape, &options, &input);
    memset((int32_t*)expected.block + maps[m].begin, UNWRITTEN, (maps[m].end - maps[m].begin) * sizeof(int32_t));
    memset((char*)&some.maps + maps[m].field, 0, sizeof(void*) + sizeof(size_t)); /* its number of elements is next */
    if (some.maps.logical_to_physical == NULL) some.maps.max_replicas = 0;
    CHECK_OK(eplb_rebalance_experts(&shape, &options, &input, &some.maps, NULL, &check_error));
    CHECK(plan_same(&some, &expected));
    plan_free(&some), plan_free(&expected);
  }
}

int main(void) {
  int32_t strategy;
  by_hand(EPLB_TYPE_INT32);
  by_hand(EPLB_TYPE_INT64);
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) context_equals_one_call(strategy);
  seeds();
  before_the_first_plan();
  what_a_context_chose();
  what_auto_is();
  what_auto_is_in_one_call();
  nulls();
  buffers_left_out();
  return check_report();
}
