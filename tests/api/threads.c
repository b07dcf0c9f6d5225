/* SPDX-License-Identifier: MIT */
/* Threads: calls at once on one context, on several, and without any. */
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { LAYERS = 4, EXPERTS = 32, COUNT = LAYERS * EXPERTS, ROUNDS = 200, THREADS = 4 };

static eplb_shape shape;
static float loads[COUNT];
static eplb_input input;

/* The number of threads, and 0 for as many as may be had, never changes a plan. */
static void any_number_of_threads(void) {
  static const int32_t numbers[] = {2, 3, 8, 0};
  const eplb_shape single = make_shape(1, EXPERTS, 40, 1, 1, 8);
  const eplb_shape* const shapes[] = {&shape, &single};
  int32_t strategy;
  size_t s, n;
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    for (s = 0; s < 2; ++s) {
      eplb_options options = make_options(strategy);
      plan one = plan_of(shapes[s], &options, &input);
      for (n = 0; n < sizeof numbers / sizeof *numbers; ++n) {
        plan many;
        options.num_threads = numbers[n];
        many = plan_of(shapes[s], &options, &input);
        CHECK(plan_same(&one, &many));
        plan_free(&many);
      }
      plan_free(&one);
    }
  }
}

/* A callback that keeps a submit in the middle of its work until the test has seen what it wants. */
typedef struct gate {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int reached, open;
} gate;

static int32_t EPLB_CALL wait_at_gate(void* user, int64_t done, int64_t total) {
  gate* g = user;
  (void)done, (void)total;
  pthread_mutex_lock(&g->mutex);
  g->reached = 1;
  pthread_cond_broadcast(&g->changed);
  while (!g->open) pthread_cond_wait(&g->changed, &g->mutex);
  pthread_mutex_unlock(&g->mutex);
  return 0;
}

static void* submit(void* context) { return (void*)(intptr_t)eplb_submit_weights(context, &input, NULL); }

static void every_call_while_one_submits(void) {
  gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  eplb_stats stats = make_stats();
  eplb_context* context;
  pthread_t thread;
  void* status = NULL;
  int32_t count = -7;
  options.progress_fn = wait_at_gate;
  options.user = &g;
  context = context_of(&shape, &options);
  CHECK(pthread_create(&thread, NULL, submit, context) == 0);
  pthread_mutex_lock(&g.mutex);
  while (!g.reached) pthread_cond_wait(&g.changed, &g.mutex);
  pthread_mutex_unlock(&g.mutex);

  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_submit_weights(context, &input, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_get_maps(context, &p.maps, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_get_stats(context, &stats, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_get_max_replica_count(context, &count, &check_error));
  CHECK(eplb_context_strategy(context) == EPLB_STRATEGY_LPT && eplb_context_backend(context) == EPLB_BACKEND_CPU);
  CHECK(plan_unwritten(&p) && count == -7);

  pthread_mutex_lock(&g.mutex);
  g.open = 1;
  pthread_cond_broadcast(&g.changed);
  pthread_mutex_unlock(&g.mutex);
  CHECK(pthread_join(thread, &status) == 0 && status == NULL);
  CHECK_OK(eplb_get_maps(context, &p.maps, &check_error));
  eplb_destroy(context);
  plan_free(&p);
}

typedef struct worker {
  eplb_context* context; /* shared by all, or this worker's own, or NULL: calls without one */
  plan expected, got;
  long done, refused, wrong;
} worker;

static eplb_status plan_once(worker* w) {
  eplb_status status;
  if (w->context == NULL) return eplb_rebalance_experts(&shape, NULL, &input, &w->got.maps, NULL, NULL);
  status = eplb_submit_weights(w->context, &input, NULL);
  return status != EPLB_SUCCESS ? status : eplb_get_maps(w->context, &w->got.maps, NULL);
}

static void* work(void* argument) {
  worker* w = argument;
  int round;
  for (round = 0; round < ROUNDS; ++round) {
    const eplb_status status = plan_once(w);
    w->done += status == EPLB_SUCCESS;
    w->refused += status == EPLB_ERROR_INVALID_STATE;
    w->wrong += status == EPLB_SUCCESS && !plan_same(&w->expected, &w->got);
  }
  return NULL;
}

static void all_at_once(eplb_context* const contexts[THREADS], int may_be_refused) {
  worker workers[THREADS];
  pthread_t threads[THREADS];
  long done = 0;
  int i;
  for (i = 0; i < THREADS; ++i) {
    memset(&workers[i], 0, sizeof workers[i]);
    workers[i].context = contexts[i];
    workers[i].expected = plan_of(&shape, NULL, &input);
    workers[i].got = plan_new(&shape, EPLB_TYPE_INT32);
  }
  for (i = 0; i < THREADS; ++i) CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
  for (i = 0; i < THREADS; ++i) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(workers[i].done + workers[i].refused == ROUNDS && workers[i].wrong == 0);
    CHECK(may_be_refused || workers[i].refused == 0);
    done += workers[i].done;
    plan_free(&workers[i].expected), plan_free(&workers[i].got);
  }
  CHECK(done > 0);
}

int main(void) {
  eplb_options options = make_options(EPLB_STRATEGY_AUTO);
  eplb_context* own[THREADS];
  eplb_context* shared[THREADS];
  eplb_context* none[THREADS] = {NULL};
  int i;
  shape = make_shape(LAYERS, EXPERTS, 40, 4, 2, 8);
  fill_loads(loads, COUNT, 8);
  input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  options.num_threads = 2;
  for (i = 0; i < THREADS; ++i) {
    own[i] = context_of(&shape, &options);
    shared[i] = own[0];
  }
  any_number_of_threads();
  every_call_while_one_submits();
  all_at_once(shared, 1);
  all_at_once(own, 0);
  all_at_once(none, 0);
  for (i = 0; i < THREADS; ++i) eplb_destroy(own[i]);
  return check_report();
}
