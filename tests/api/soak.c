/* SPDX-License-Identifier: MIT */
/* soak SMALL LARGE: so many plans of small shapes and of DeepSeek-V3's in one process, in contexts that live on, every
 * thousandth by a call without one. Each has to be what it was the first time; memory, threads and files must not
 * become more. */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

enum { VARIANTS = 4, PAUSE = 1000, REPORTS = 10 };

/* A shape with a strategy, and what comes of it for each of some loads. */
typedef struct subject {
  eplb_shape shape;
  eplb_options options;
  eplb_context* context;
  float* loads[VARIANTS];
  plan expected[VARIANTS], got;
  double balancedness[VARIANTS];
} subject;

static size_t load_count(const eplb_shape* shape) {
  return (size_t)shape->num_layers * (size_t)shape->num_logical_experts;
}

static subject make_subject(eplb_shape shape, int32_t strategy, int32_t threads) {
  subject s;
  int v;
  s.shape = shape;
  s.options = make_options(strategy);
  s.options.num_threads = threads;
  s.context = context_of(&shape, &s.options);
  s.got = plan_new(&shape, EPLB_TYPE_INT32);
  for (v = 0; v < VARIANTS; ++v) {
    eplb_input input;
    eplb_stats stats = make_stats();
    s.loads[v] = malloc(load_count(&shape) * sizeof(float));
    CHECK(s.loads[v] != NULL);
    fill_loads(s.loads[v], load_count(&shape), (uint32_t)v + 1);
    input = make_input(EPLB_TYPE_FLOAT32, s.loads[v], load_count(&shape));
    s.expected[v] = plan_new(&shape, EPLB_TYPE_INT32);
    CHECK_OK(eplb_rebalance_experts(&shape, &s.options, &input, &s.expected[v].maps, &stats, &check_error));
    s.balancedness[v] = stats.balancedness;
  }
  return s;
}

static void free_subject(subject* s) {
  int v;
  eplb_destroy(s->context);
  plan_free(&s->got);
  for (v = 0; v < VARIANTS; ++v) {
    plan_free(&s->expected[v]);
    free(s->loads[v]);
  }
}

static void plan_again(subject* s, long number) {
  const int v = (int)(number % VARIANTS);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, s->loads[v], load_count(&s->shape));
  plan_clear(&s->got);
  if (number % PAUSE == 0) {
    CHECK_OK(eplb_rebalance_experts(&s->shape, &s->options, &input, &s->got.maps, NULL, &check_error));
  } else {
    CHECK_OK(eplb_submit_weights(s->context, &input, &check_error));
    CHECK_OK(eplb_get_maps(s->context, &s->got.maps, &check_error));
  }
  if (number % PAUSE == 1) {
    eplb_stats stats = make_stats();
    CHECK_OK(eplb_get_stats(s->context, &stats, &check_error));
    CHECK(stats.balancedness == s->balancedness[v]);
  }
  CHECK(plan_same(&s->got, &s->expected[v]));
}

/* What the process has of the system. */
typedef struct holdings {
  size_t allocated; /* bytes from malloc */
  long resident;    /* bytes */
  int threads, files;
} holdings;

static int entries_of(const char* folder) {
  DIR* open = opendir(folder);
  int count = 0;
  CHECK(open != NULL);
  while (readdir(open) != NULL) ++count;
  closedir(open);
  return count;
}

static holdings take_stock(void) {
  holdings h = {0, 0, 0, 0};
  FILE* file;
  long all = 0, resident = 0;
  h.allocated = mallinfo2().uordblks; /* before a file is opened, which takes memory */
  h.threads = entries_of("/proc/self/task");
  h.files = entries_of("/proc/self/fd");
  file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%ld %ld", &all, &resident) == 2);
  if (file != NULL) fclose(file);
  h.resident = resident * sysconf(_SC_PAGESIZE);
  return h;
}

static void soak(const char* name, subject* subjects, int count, long plans) {
  const long warm = plans / REPORTS;
  holdings at_first = take_stock(), now; /* which takes memory itself, the first time */
  long n;
  for (n = 0; n < plans; ++n) {
    plan_again(&subjects[n % count], n / count);
    if ((n + 1) % warm != 0) continue;
    now = take_stock();
    if (n + 1 == warm) at_first = now;
    printf("%s: %10ld plans  %9zu bytes allocated  %7.1f MB resident  %d threads\n", name, n + 1, now.allocated,
           (double)now.resident / 1e6, now.threads - 2);
    fflush(stdout);
    CHECK(now.allocated == at_first.allocated && now.threads == at_first.threads && now.files == at_first.files);
    CHECK(now.resident <= at_first.resident + (1 << 20)); /* pages of the C library's come and go */
  }
}

int main(int argc, char** argv) {
  static char line[BUFSIZ];
  const long small_plans = argc == 3 ? atol(argv[1]) : 0, large_plans = argc == 3 ? atol(argv[2]) : 0;
  subject small[32], large[3];
  int count = 0, i;
  int32_t strategy;
  if (small_plans < REPORTS || large_plans < REPORTS) {
    fprintf(stderr, "usage: api.soak SMALL LARGE, both at least %d\n", REPORTS);
    return 2;
  }
  setvbuf(stdout, line, _IOLBF, sizeof line); /* a buffer from malloc would be counted */
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    small[count++] = make_subject(make_shape(1, 8, 12, 1, 1, 4), strategy, 1);
    small[count++] = make_subject(make_shape(2, 16, 24, 4, 2, 4), strategy, strategy % 5 == 4 ? 2 : 1);
  }
  small[count++] = make_subject(make_shape(1, 7, 11, 1, 1, 3), EPLB_STRATEGY_SEARCH, 1);
  soak("small", small, count, small_plans);
  for (i = 0; i < count; ++i) free_subject(&small[i]);
  large[0] = make_subject(make_shape(58, 256, 288, 8, 4, 32), EPLB_STRATEGY_LPT, 1);
  large[1] = make_subject(make_shape(58, 256, 288, 1, 1, 32), EPLB_STRATEGY_LPT_SWAP_ANY, 2);
  large[2] = make_subject(make_shape(58, 256, 320, 1, 1, 32), EPLB_STRATEGY_AUTO, 2);
  soak("DeepSeek-V3", large, 3, large_plans);
  for (i = 0; i < 3; ++i) free_subject(&large[i]);
  return check_report();
}
