/* SPDX-License-Identifier: MIT */
/* What the caller has done to its floating-point unit changes no plan, and is as before afterwards. */
#include <fenv.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "check.h"
#include "fixture.h"

enum { LAYERS = 5, EXPERTS = 4, COUNT = LAYERS * EXPERTS };

/* In each layer the fifth slot goes to the first or the second expert, depending on how a load or the
 * sum of two samples is rounded, or on whether tiny loads are flushed to zero. */
static const double samples[2][COUNT] = {{0x1p24,     0x1p24 + 1, 1,        1, /* a load, rounded down */
                                          0x1p24 + 2, 0x1p24 + 3, 1,        1, /* a load, rounded up */
                                          0x1p24,     0x1p24,     1,        1, /* a sum, rounded down */
                                          0x1p24 + 2, 0x1p24 + 2, 1,        1, /* a sum, rounded up */
                                          0,          0x1p-140,   0x1p-149, 0},
                                         {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}};

static eplb_shape shape;
static eplb_input input;

typedef struct mode {
  int rounding, flush;
} mode;

static mode get_mode(void) {
  mode m = {0, 0};
  m.rounding = fegetround();
#if defined(__x86_64__)
  m.flush = (int)(_mm_getcsr() & 0x8040u); /* flush to zero, denormals are zeros */
#endif
  return m;
}

static void set_mode(mode m) {
  fesetround(m.rounding);
#if defined(__x86_64__)
  _mm_setcsr((_mm_getcsr() & ~0x8040u) | (unsigned)m.flush);
#endif
}

typedef struct answers {
  plan maps;
  eplb_stats plan_stats, score_stats;
} answers;

static int careless; /* whether the callback leaves behind another mode of the unit that plans are made with */

static void be_careless(void) {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040u | 0x6000u); /* flush, towards zero */
#else
  fesetround(FE_TOWARDZERO);
#endif
}

/* Keeps the calling thread from doing all the work itself. */
static int32_t EPLB_CALL pause_a_little(void* user, int64_t done, int64_t total) {
  const struct timespec while_others_work = {0, 1000000};
  (void)done, (void)total;
  if (careless) be_careless();
  if (*(const int32_t*)user > 1) nanosleep(&while_others_work, NULL);
  return 0;
}

/* Everything that computes, with a context whose threads inherit the mode of whoever creates it. */
static answers compute(int32_t strategy, int32_t threads) {
  eplb_options options = make_options(strategy);
  eplb_context* context;
  answers a;
  options.num_threads = threads;
  options.max_samples = 2;
  options.progress_fn = pause_a_little;
  options.user = &threads;
  a.maps = plan_new(&shape, EPLB_TYPE_INT32);
  a.plan_stats = a.score_stats = make_stats();
  context = context_of(&shape, &options);
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_OK(eplb_get_maps(context, &a.maps.maps, &check_error));
  CHECK_OK(eplb_get_stats(context, &a.plan_stats, &check_error));
  CHECK_OK(eplb_score_placement(&shape, &input, &a.maps.maps, &a.score_stats, &check_error));
  eplb_destroy(context);
  return a;
}

static void check_bad_load(void) {
  static const float bad[2 * COUNT] = {0, -1};
  eplb_input wrong = input;
  eplb_context* context = context_of(&shape, NULL);
  wrong.type = EPLB_TYPE_FLOAT32;
  wrong.num_samples = 1;
  wrong.loads = bad;
  CHECK_FAILS(EPLB_ERROR_INVALID_LOAD, "", eplb_submit_weights(context, &wrong, &check_error));
  eplb_destroy(context);
}

static void same_in_mode(mode m, int32_t strategy, int32_t threads, const answers* expected) {
  const mode usual = get_mode();
  mode after;
  answers got;
  set_mode(m);
  careless = 1;
  got = compute(strategy, threads);
  careless = 0;
  check_bad_load();
  after = get_mode();
  set_mode(usual);
  CHECK(after.rounding == m.rounding && after.flush == m.flush);
  CHECK(plan_same(&got.maps, &expected->maps));
  CHECK(memcmp(&got.plan_stats, &expected->plan_stats, sizeof got.plan_stats) == 0);
  CHECK(memcmp(&got.score_stats, &expected->score_stats, sizeof got.score_stats) == 0);
  plan_free(&got.maps);
}

int main(void) {
  static const int roundings[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  int32_t strategy, threads;
  size_t r;
  shape = make_shape(LAYERS, EXPERTS, EXPERTS + 1, 1, 1, 1);
  input = make_input(EPLB_TYPE_FLOAT64, samples, 2 * COUNT);
  input.num_samples = 2;
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    for (threads = 1; threads <= 3; threads += 2) {
      answers expected = compute(strategy, threads);
      for (r = 0; r < sizeof roundings / sizeof *roundings; ++r) {
        const mode keeping = {roundings[r], 0}, flushing = {roundings[r], 0x8040};
        same_in_mode(keeping, strategy, threads, &expected);
        same_in_mode(flushing, strategy, threads, &expected);
      }
      plan_free(&expected.maps);
    }
  }
  return check_report();
}
