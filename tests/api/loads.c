/* SPDX-License-Identifier: MIT */
/* What loads mean: element types, rounding, samples, empty layers; and which are refused. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { LAYERS = 2, EXPERTS = 8, COUNT = LAYERS * EXPERTS };

static eplb_shape small_shape(void) { return make_shape(LAYERS, EXPERTS, 12, 2, 2, 4); }

static void types_agree(void) {
  const eplb_shape shape = small_shape();
  float as_float[COUNT];
  double as_double[COUNT];
  int32_t as_int32[COUNT];
  int64_t as_int64[COUNT];
  const void* const loads[] = {as_float, as_double, as_int32, as_int64};
  plan first;
  int32_t type, strategy, i;
  fill_loads(as_float, COUNT, 3);
  for (i = 0; i < COUNT; ++i) {
    as_double[i] = (double)as_float[i];
    as_int32[i] = (int32_t)as_float[i];
    as_int64[i] = (int64_t)as_float[i];
  }
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    const eplb_options options = make_options(strategy);
    eplb_input input = make_input(EPLB_TYPE_FLOAT32, as_float, COUNT);
    first = plan_of(&shape, &options, &input);
    for (type = EPLB_TYPE_FLOAT32; type <= EPLB_TYPE_INT64; ++type) {
      plan narrow, wide = plan_new(&shape, EPLB_TYPE_INT64);
      input = make_input(type, loads[type], COUNT);
      narrow = plan_of(&shape, &options, &input);
      CHECK_OK(eplb_rebalance_experts(&shape, &options, &input, &wide.maps, NULL, &check_error));
      CHECK(plan_same(&first, &narrow));
      for (i = 0; i < (int32_t)(wide.bytes / sizeof(int64_t)); ++i) {
        CHECK(((int64_t*)wide.block)[i] == ((int32_t*)first.block)[i]);
      }
      plan_free(&narrow), plan_free(&wide);
    }
    plan_free(&first);
  }
}

/* Which of two experts gets the third slot tells which the library takes to be the heavier one. */
static int64_t heavier_of_two(int32_t type, const void* loads) {
  const eplb_shape shape = make_shape(1, 2, 3, 1, 1, 1);
  const eplb_options options = make_options(EPLB_STRATEGY_LPT);
  const eplb_input input = make_input(type, loads, 2);
  plan p = plan_of(&shape, &options, &input);
  const int64_t heavier = map_at(&p.maps, p.maps.replica_count, 1) == 2;
  plan_free(&p);
  return heavier;
}

/* Rounded once, to nearest, to even when halfway: a tie goes to expert 0. */
static void rounding(void) {
  static const int64_t tie = (int64_t)1 << 24;
  const int64_t halfway = ((int64_t)1 << 54) + ((int64_t)1 << 30);
  const int64_t whole[] = {tie, tie + 1}, above[] = {tie, tie + 2};
  /* By way of double, the second would become the first. */
  const int64_t once[] = {halfway, halfway + 1};
  const int32_t narrow[] = {(1 << 24), (1 << 24) + 1}, narrow_above[] = {(1 << 24), (1 << 24) + 3};
  const double fraction[] = {1.0, 1.0 + FLT_EPSILON / 2}, fraction_above[] = {1.0, 1.0 + FLT_EPSILON * 0.51};
  const double below_half[] = {0.0, 0x1p-150}, above_half[] = {0.0, 0x1.8p-150};
  CHECK(heavier_of_two(EPLB_TYPE_INT64, whole) == 0);
  CHECK(heavier_of_two(EPLB_TYPE_INT64, above) == 1);
  CHECK(heavier_of_two(EPLB_TYPE_INT64, once) == 1);
  CHECK(heavier_of_two(EPLB_TYPE_INT32, narrow) == 0);
  CHECK(heavier_of_two(EPLB_TYPE_INT32, narrow_above) == 1);
  CHECK(heavier_of_two(EPLB_TYPE_FLOAT64, fraction) == 0);
  CHECK(heavier_of_two(EPLB_TYPE_FLOAT64, fraction_above) == 1);
  CHECK(heavier_of_two(EPLB_TYPE_FLOAT64, below_half) == 0);
  CHECK(heavier_of_two(EPLB_TYPE_FLOAT64, above_half) == 1);
}

static void negative_zero_is_zero(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const float plus[] = {0.0f, 5.0f, 0.0f, 1.0f}, minus[] = {-0.0f, 5.0f, 0.0f, 1.0f};
  const float plus_only[4] = {0}, minus_only[] = {0.0f, -0.0f, 0.0f, -0.0f};
  const float* const pairs[][2] = {{plus, minus}, {plus_only, minus_only}};
  int32_t strategy;
  size_t i;
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    const eplb_options options = make_options(strategy);
    for (i = 0; i < 2; ++i) {
      const eplb_input a = make_input(EPLB_TYPE_FLOAT32, pairs[i][0], 4);
      const eplb_input b = make_input(EPLB_TYPE_FLOAT32, pairs[i][1], 4);
      plan with_plus = plan_of(&shape, &options, &a), with_minus = plan_of(&shape, &options, &b);
      CHECK(plan_same(&with_plus, &with_minus));
      plan_free(&with_plus), plan_free(&with_minus);
    }
  }
}

/* A layer without load is planned as if each load were 1, and left out of the statistics. */
static void empty_layers(void) {
  const eplb_shape shape = small_shape();
  float zeros[COUNT] = {0}, ones[COUNT];
  const eplb_input none = make_input(EPLB_TYPE_FLOAT32, zeros, COUNT);
  const eplb_input some = make_input(EPLB_TYPE_FLOAT32, ones, COUNT);
  double balancedness[LAYERS];
  eplb_stats stats = make_stats();
  plan empty, flat;
  int i;
  for (i = 0; i < COUNT; ++i) ones[i] = 1;
  empty = plan_of(&shape, NULL, &none);
  flat = plan_of(&shape, NULL, &some);
  CHECK(plan_same(&empty, &flat));
  stats.layer_balancedness = balancedness;
  stats.layer_balancedness_count = LAYERS;
  CHECK_OK(eplb_rebalance_experts(&shape, NULL, &none, &empty.maps, &stats, &check_error));
  CHECK(stats.empty_layers == LAYERS && stats.balancedness == 1 && stats.balancedness_min == 1);
  CHECK(balancedness[0] == 1 && balancedness[1] == 1);

  fill_loads(zeros + EXPERTS, EXPERTS, 4);
  CHECK_OK(eplb_rebalance_experts(&shape, NULL, &none, &empty.maps, &stats, &check_error));
  CHECK(stats.empty_layers == 1 && stats.balancedness == balancedness[1]);
  CHECK(stats.balancedness_min == balancedness[1]);
  CHECK(balancedness[0] == 1 && balancedness[1] < 1);
  plan_free(&empty), plan_free(&flat);
}

/* The presets plan on the sum of the samples, rounded to float32 after each addition. */
static void samples_add_up(void) {
  enum { SAMPLES = 5 };
  const eplb_shape shape = small_shape();
  double samples[SAMPLES * COUNT];
  float sum[COUNT], whole[SAMPLES * COUNT];
  const eplb_input apart = make_input(EPLB_TYPE_FLOAT64, samples, SAMPLES * COUNT);
  const eplb_input together = make_input(EPLB_TYPE_FLOAT32, sum, COUNT);
  int32_t strategy, s, i;
  fill_loads(whole, SAMPLES * COUNT, 5);
  for (i = 0; i < SAMPLES * COUNT; ++i) samples[i] = whole[i] / 7.0 + 1e4;
  for (i = 0; i < COUNT; ++i) {
    volatile float total = (float)samples[i];
    for (s = 1; s < SAMPLES; ++s) total = total + (float)samples[s * COUNT + i];
    sum[i] = total;
  }
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    eplb_options options = make_options(strategy);
    eplb_input input = apart;
    plan many, one;
    input.num_samples = SAMPLES;
    options.max_samples = SAMPLES;
    if (strategy == EPLB_STRATEGY_AUTO) continue; /* searches, where there are several */
    if (strategy == EPLB_STRATEGY_SEARCH) options.samples = EPLB_SAMPLES_SUM;
    many = plan_of(&shape, &options, &input);
    one = plan_of(&shape, &options, &together);
    CHECK(plan_same(&many, &one));
    plan_free(&many), plan_free(&one);
  }
}

/* A bad load is refused with its value and place; outputs and the previous plan stay as they were. */
static void refuse(int32_t type, const void* loads, int32_t samples, const char* words) {
  const eplb_shape shape = small_shape();
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  float good[COUNT];
  const eplb_input sound = make_input(EPLB_TYPE_FLOAT32, good, COUNT);
  eplb_input input = make_input(type, loads, (size_t)samples * COUNT);
  plan before, after = plan_new(&shape, EPLB_TYPE_INT32);
  eplb_stats stats = make_stats(), stats_before;
  eplb_context* context;
  options.max_samples = 2;
  input.num_samples = samples;
  stats_before = stats;
  fill_loads(good, COUNT, 6);
  before = plan_of(&shape, &options, &sound);

  CHECK_FAILS(EPLB_ERROR_INVALID_LOAD, words,
              eplb_rebalance_experts(&shape, &options, &input, &after.maps, &stats, &check_error));
  CHECK(plan_unwritten(&after) && memcmp(&stats, &stats_before, sizeof stats) == 0);
  CHECK(eplb_rebalance_experts(&shape, &options, &input, &after.maps, &stats, NULL) == EPLB_ERROR_INVALID_LOAD);

  context = context_of(&shape, &options);
  CHECK_OK(eplb_submit_weights(context, &sound, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_LOAD, words, eplb_submit_weights(context, &input, &check_error));
  CHECK_OK(eplb_get_maps(context, &after.maps, &check_error));
  CHECK_OK(eplb_get_stats(context, &stats, &check_error));
  CHECK(plan_same(&before, &after) && stats.balancedness > 0);
  eplb_destroy(context);
  plan_free(&before), plan_free(&after);
}

static void bad_loads(void) {
  float f[2 * COUNT] = {0};
  double d[COUNT] = {0};
  int32_t i[COUNT] = {0};
  int64_t l[COUNT] = {0};
  f[EXPERTS + 3] = (float)NAN;
  refuse(EPLB_TYPE_FLOAT32, f, 1, "layer 1|expert 3|nan");
  f[EXPERTS + 3] = (float)INFINITY;
  refuse(EPLB_TYPE_FLOAT32, f, 1, "layer 1|expert 3|inf");
  f[EXPERTS + 3] = -(float)INFINITY;
  refuse(EPLB_TYPE_FLOAT32, f, 1, "layer 1|expert 3|-inf");
  f[EXPERTS + 3] = -2.5f;
  refuse(EPLB_TYPE_FLOAT32, f, 1, "layer 1|expert 3|-2.5");
  f[EXPERTS + 3] = -0x1p-149f;
  refuse(EPLB_TYPE_FLOAT32, f, 1, "layer 1|expert 3|-1.4");
  f[EXPERTS + 3] = 0;
  f[COUNT + 5] = -1;
  refuse(EPLB_TYPE_FLOAT32, f, 2, "sample 1|layer 0|expert 5|-1");
  d[7] = 1e39;
  refuse(EPLB_TYPE_FLOAT64, d, 1, "layer 0|expert 7|1e+39");
  d[7] = -1e-300; /* would round to -0 */
  refuse(EPLB_TYPE_FLOAT64, d, 1, "layer 0|expert 7|-1e-300");
  i[15] = -7;
  refuse(EPLB_TYPE_INT32, i, 1, "layer 1|expert 7|-7");
  l[0] = INT64_MIN;
  refuse(EPLB_TYPE_INT64, l, 1, "layer 0|expert 0|-9223372036854775808");
}

static void totals(void) {
  float f[2 * COUNT] = {0};
  f[EXPERTS] = f[EXPERTS + 1] = 2e38f; /* two experts of one layer */
  refuse(EPLB_TYPE_FLOAT32, f, 1, "layer 1");
  memset(f, 0, sizeof f);
  f[2] = f[COUNT + 2] = 2e38f; /* two samples of one expert */
  refuse(EPLB_TYPE_FLOAT32, f, 2, "layer 0");
}

/* The largest loads that are none too large. */
static void large_loads(void) {
  const eplb_shape shape = small_shape();
  float f[COUNT] = {0};
  int64_t l[COUNT];
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, f, COUNT);
  eplb_stats stats = make_stats();
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  int i;
  f[0] = f[EXPERTS] = FLT_MAX;
  CHECK_OK(eplb_rebalance_experts(&shape, NULL, &input, &p.maps, &stats, &check_error));
  CHECK(stats.balancedness > 0 && stats.balancedness <= 1);
  for (i = 0; i < COUNT; ++i) l[i] = INT64_MAX;
  input = make_input(EPLB_TYPE_INT64, l, COUNT);
  CHECK_OK(eplb_rebalance_experts(&shape, NULL, &input, &p.maps, &stats, &check_error));
  CHECK(stats.balancedness > 0 && stats.balancedness <= 1);
  plan_free(&p);
}

static void bad_inputs(void) {
  const eplb_shape shape = small_shape();
  const float loads[COUNT] = {0};
  eplb_context* context = context_of(&shape, NULL);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  input.type = 4;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "type|4", eplb_submit_weights(context, &input, &check_error));
  input.type = -1;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "type|-1", eplb_submit_weights(context, &input, &check_error));
  input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  input.num_samples = 0;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "num_samples|0", eplb_submit_weights(context, &input, &check_error));
  input.num_samples = 2;
  input.loads_count = 2 * COUNT;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "num_samples|2|max_samples|1",
              eplb_submit_weights(context, &input, &check_error));
  input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT - 1);
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "loads|15|16", eplb_submit_weights(context, &input, &check_error));
  input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  input.loads = (const char*)loads + 2;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "loads|aligned", eplb_submit_weights(context, &input, &check_error));
  input.loads = loads;
  input.memory = 2;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "memory|2", eplb_submit_weights(context, &input, &check_error));
  eplb_destroy(context);
}

int main(void) {
  types_agree();
  rounding();
  negative_zero_is_zero();
  empty_layers();
  samples_add_up();
  bad_loads();
  totals();
  large_loads();
  bad_inputs();
  return check_report();
}
