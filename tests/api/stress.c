/* SPDX-License-Identifier: MIT */
/* Eight threads and 64 contexts: made, used and destroyed in random order, a few of them shared by all threads. Every
 * plan must be the one that was asked for; a context that is in use says so. The random numbers are always the same;
 * an argument is how many steps each thread takes. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"
#include "support/brief.h"

enum { THREADS = 8, OWN = 7, SHARED = THREADS * (8 - OWN), INPUTS = 3, MOST_LOADS = 8 * 32 };

/* The problems, and what their plans are under each input. */
static const struct {
  int32_t strategy, layers, experts, slots, groups, nodes, gpus;
} kinds[] = {
    {EPLB_STRATEGY_LPT, 1, 4, 6, 1, 1, 2},
    {EPLB_STRATEGY_LPT_SWAP_ANY, 8, 32, 40, 4, 2, 8},
    {EPLB_STRATEGY_LPT_RESTART4, 5, 32, 48, 8, 2, 8},
    {EPLB_STRATEGY_LPT_RESTART64_MINMAX, 2, 16, 24, 1, 1, 4},
    {EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX, 3, 32, 64, 2, 2, 16},
    {EPLB_STRATEGY_SEARCH, 4, 16, 24, 4, 2, 8},
    {EPLB_STRATEGY_SEARCH, 2, 32, 37, 1, 1, 5},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct problem {
  eplb_shape shape;
  eplb_input inputs[INPUTS], bad;
  plan plans[INPUTS];
  eplb_stats stats[INPUTS];
} problems[KINDS];
static float loads[INPUTS][MOST_LOADS], bad_loads[MOST_LOADS];

static eplb_context* shared[SHARED]; /* of kind i % KINDS */

/* A context that only its thread uses, and which input its plan is of. */
typedef struct own_context {
  eplb_context* context;
  int kind, input; /* -1: no plan */
} own_context;

typedef struct worker {
  uint64_t random;
  long steps, done, refused, wrong;
  own_context contexts[OWN];
  plan got[KINDS];
} worker;

static uint32_t below(worker* w, uint32_t bound) {
  w->random = w->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(w->random >> 33) % bound;
}

/* Counts what is not so; the step is named once, so that it can be repeated. */
static void expect(worker* w, int holds, const char* what) {
  if (!holds && w->wrong++ == 0) fprintf(stderr, "step %ld of a thread: %s\n", w->done, what);
}

static void create(worker* w, own_context* own) {
  eplb_options options;
  own->kind = (int)below(w, KINDS);
  own->input = -1;
  options = make_options(kinds[own->kind].strategy);
  options.num_threads = 1 + (int32_t)below(w, 3);
  expect(w, eplb_create(&problems[own->kind].shape, &options, &own->context, NULL) == EPLB_SUCCESS, "create");
}

static int same_numbers(const eplb_stats* a, const eplb_stats* b) {
  return a->balancedness == b->balancedness && a->balancedness_min == b->balancedness_min && a->bound == b->bound &&
         a->max_replica_count == b->max_replica_count && a->duplicates == b->duplicates;
}

static void look(worker* w, const own_context* own) {
  const struct problem* const p = &problems[own->kind];
  const eplb_status expected = own->input < 0 ? EPLB_ERROR_INVALID_STATE : EPLB_SUCCESS;
  plan* const got = &w->got[own->kind];
  eplb_stats stats = make_stats();
  int32_t most = 0;
  plan_clear(got);
  expect(w, eplb_get_maps(own->context, &got->maps, NULL) == expected, "get_maps");
  expect(w, eplb_get_stats(own->context, &stats, NULL) == expected, "get_stats");
  expect(w, eplb_get_max_replica_count(own->context, &most, NULL) == expected, "get_max_replica_count");
  if (own->input < 0) {
    expect(w, plan_unwritten(got), "something was written although there is no plan");
    return;
  }
  expect(w, plan_same(got, &p->plans[own->input]), "the plan is another one");
  expect(w, same_numbers(&stats, &p->stats[own->input]), "the statistics are others");
  expect(w, most == p->stats[own->input].max_replica_count, "the largest count is another one");
}

static void use(worker* w, own_context* own) {
  const struct problem* const p = &problems[own->kind];
  const int input = (int)below(w, INPUTS);
  switch (below(w, 4)) {
    case 0:
      look(w, own);
      break;
    case 1:
      expect(w, eplb_submit_weights(own->context, &p->bad, NULL) == EPLB_ERROR_INVALID_LOAD, "a bad submit");
      look(w, own);
      break;
    default:
      expect(w, eplb_submit_weights(own->context, &p->inputs[input], NULL) == EPLB_SUCCESS, "submit");
      own->input = input;
  }
}

/* Another thread may use it at the same time, and plan from another input before this one gets the plan. */
static void use_shared(worker* w) {
  const int i = (int)below(w, SHARED), kind = i % KINDS;
  const struct problem* const p = &problems[kind];
  eplb_status status = eplb_submit_weights(shared[i], &p->inputs[below(w, INPUTS)], NULL);
  expect(w, status == EPLB_SUCCESS || status == EPLB_ERROR_INVALID_STATE, "submit to a shared context");
  w->refused += status != EPLB_SUCCESS;
  status = eplb_get_maps(shared[i], &w->got[kind].maps, NULL);
  expect(w, status == EPLB_SUCCESS || status == EPLB_ERROR_INVALID_STATE, "get from a shared context");
  if (status == EPLB_SUCCESS) {
    int known = 0, input;
    for (input = 0; input < INPUTS; ++input) known |= plan_same(&w->got[kind], &p->plans[input]);
    expect(w, known, "a plan of nobody's");
  }
}

static void use_none(worker* w) {
  const int kind = (int)below(w, KINDS), input = (int)below(w, INPUTS);
  const struct problem* const p = &problems[kind];
  const eplb_options options = make_options(kinds[kind].strategy);
  eplb_stats stats = make_stats();
  plan* const got = &w->got[kind];
  expect(w, eplb_rebalance_experts(&p->shape, &options, &p->inputs[input], &got->maps, NULL, NULL) == EPLB_SUCCESS,
         "rebalance");
  expect(w, plan_same(got, &p->plans[input]), "the plan of one call is another one");
  expect(w, eplb_score_placement(&p->shape, &p->inputs[input], &got->maps, &stats, NULL) == EPLB_SUCCESS, "score");
  expect(w, same_numbers(&stats, &p->stats[input]), "the score is another one");
}

static void* work(void* argument) {
  worker* const w = argument;
  int i;
  for (w->done = 0; w->done < w->steps; ++w->done) {
    own_context* const own = &w->contexts[below(w, OWN)];
    const uint32_t what = below(w, 16);
    if (what == 0) {
      use_none(w);
    } else if (what < 5) {
      use_shared(w);
    } else if (own->context == NULL) {
      create(w, own);
    } else if (what == 5) {
      eplb_destroy(own->context);
      own->context = NULL;
    } else {
      use(w, own);
    }
  }
  for (i = 0; i < OWN; ++i) eplb_destroy(w->contexts[i].context);
  return NULL;
}

static void make_problems(void) {
  int kind, input;
  for (input = 0; input < INPUTS; ++input) fill_loads(loads[input], MOST_LOADS, (uint32_t)input + 1);
  fill_loads(bad_loads, MOST_LOADS, 1);
  bad_loads[2] = -1;
  for (kind = 0; kind < KINDS; ++kind) {
    struct problem* const p = &problems[kind];
    const eplb_options options = make_options(kinds[kind].strategy);
    const size_t count = (size_t)kinds[kind].layers * (size_t)kinds[kind].experts;
    p->shape = make_shape(kinds[kind].layers, kinds[kind].experts, kinds[kind].slots, kinds[kind].groups,
                          kinds[kind].nodes, kinds[kind].gpus);
    p->bad = make_input(EPLB_TYPE_FLOAT32, bad_loads, count);
    for (input = 0; input < INPUTS; ++input) {
      p->inputs[input] = make_input(EPLB_TYPE_FLOAT32, loads[input], count);
      p->stats[input] = make_stats();
      p->plans[input] = plan_new(&p->shape, EPLB_TYPE_INT32);
      CHECK_OK(eplb_rebalance_experts(&p->shape, &options, &p->inputs[input], &p->plans[input].maps, &p->stats[input],
                                      &check_error));
    }
    CHECK(!plan_same(&p->plans[0], &p->plans[1]) && !plan_same(&p->plans[1], &p->plans[2]));
  }
}

int main(int argc, char** argv) {
  static worker workers[THREADS];
  pthread_t threads[THREADS];
  const long steps = argc == 2 ? atol(argv[1]) : brief() ? 200 : 5000;
  long refused = 0;
  int i, kind, input;
  make_problems();
  for (i = 0; i < SHARED; ++i) {
    eplb_options options = make_options(kinds[i % KINDS].strategy);
    options.num_threads = 1 + i % 3;
    shared[i] = context_of(&problems[i % KINDS].shape, &options);
  }
  for (i = 0; i < THREADS; ++i) {
    workers[i].random = (uint64_t)i;
    workers[i].steps = steps;
    for (kind = 0; kind < KINDS; ++kind) workers[i].got[kind] = plan_new(&problems[kind].shape, EPLB_TYPE_INT32);
    CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
  }
  for (i = 0; i < THREADS; ++i) {
    CHECK(pthread_join(threads[i], NULL) == 0 && workers[i].wrong == 0);
    refused += workers[i].refused;
    for (kind = 0; kind < KINDS; ++kind) plan_free(&workers[i].got[kind]);
  }
  for (i = 0; i < SHARED; ++i) eplb_destroy(shared[i]);
  for (kind = 0; kind < KINDS; ++kind) {
    for (input = 0; input < INPUTS; ++input) plan_free(&problems[kind].plans[input]);
  }
  printf("%d threads of %ld steps, refused because a context was in use: %ld\n", THREADS, steps, refused);
  return check_report();
}
