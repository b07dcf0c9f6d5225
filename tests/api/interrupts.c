/* SPDX-License-Identifier: MIT */
/* What breaks in on a call: signals, which change nothing and never reach the library's own threads, and
 * cancellation, which waits. */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "check.h"
#include "fixture.h"

enum { LAYERS = 8, EXPERTS = 64, SLOTS = 80, COUNT = LAYERS * EXPERTS, PLANNERS = 3, ROUNDS = 40 };

static eplb_shape shape;
static float loads[COUNT];
static eplb_input input;

static const int signals[] = {SIGALRM, SIGPROF, SIGUSR1};
static __thread volatile sig_atomic_t is_ours;
static long caught[3], on_strange_threads;

static void on_signal(int number) {
  size_t i;
  for (i = 0; i < 3; ++i) {
    if (signals[i] == number) __atomic_add_fetch(&caught[i], 1, __ATOMIC_RELAXED);
  }
  if (!is_ours) __atomic_add_fetch(&on_strange_threads, 1, __ATOMIC_RELAXED);
}

static long times_caught(int i) { return __atomic_load_n(&caught[i], __ATOMIC_RELAXED); }

typedef struct planner {
  int32_t strategy;
  plan expected, got;
  int wrong, finished;
} planner;

/* A context's whole life, and a plan by one call. */
static void plan_once(planner* p) {
  eplb_options options = make_options(p->strategy);
  eplb_context* context = NULL;
  options.num_threads = 3;
  plan_clear(&p->got);
  p->wrong += eplb_create(&shape, &options, &context, NULL) != EPLB_SUCCESS ||
              eplb_submit_weights(context, &input, NULL) != EPLB_SUCCESS ||
              eplb_get_maps(context, &p->got.maps, NULL) != EPLB_SUCCESS || !plan_same(&p->got, &p->expected);
  eplb_destroy(context);
  plan_clear(&p->got);
  p->wrong += eplb_rebalance_experts(&shape, &options, &input, &p->got.maps, NULL, NULL) != EPLB_SUCCESS ||
              !plan_same(&p->got, &p->expected);
}

static planner planner_of(int32_t strategy) {
  const eplb_options options = make_options(strategy);
  planner p;
  memset(&p, 0, sizeof p);
  p.strategy = strategy;
  p.expected = plan_of(&shape, &options, &input);
  p.got = plan_new(&shape, EPLB_TYPE_INT32);
  return p;
}

static void planner_free(planner* p) { plan_free(&p->expected), plan_free(&p->got); }

static void block_signals(int how) {
  sigset_t set;
  size_t i;
  sigemptyset(&set);
  for (i = 0; i < 3; ++i) sigaddset(&set, signals[i]);
  CHECK(pthread_sigmask(how, &set, NULL) == 0);
}

/* At least so many rounds, and until enough signals have come. */
static void* plan_under_fire(void* argument) {
  planner* const p = argument;
  int round;
  is_ours = 1;
  block_signals(SIG_UNBLOCK); /* so that the library's threads would not have them blocked by themselves */
  for (round = 0; round < ROUNDS || times_caught(0) < 50 || times_caught(1) < 50 || times_caught(2) < 50; ++round)
    plan_once(p);
  __atomic_store_n(&p->finished, 1, __ATOMIC_RELEASE);
  return NULL;
}

static void set_timers(long microseconds) {
  struct itimerval every;
  every.it_interval.tv_sec = every.it_value.tv_sec = 0;
  every.it_interval.tv_usec = every.it_value.tv_usec = microseconds;
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0 && setitimer(ITIMER_PROF, &every, NULL) == 0);
}

static void signals_change_nothing(void) {
  static const int32_t strategies[PLANNERS] = {EPLB_STRATEGY_LPT_RESTART4, EPLB_STRATEGY_LPT_SWAP_ANY,
                                               EPLB_STRATEGY_SEARCH};
  const struct timespec pause = {0, 200000};
  planner planners[PLANNERS];
  pthread_t threads[PLANNERS];
  struct sigaction action;
  int i, running = PLANNERS;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal; /* without SA_RESTART */
  sigemptyset(&action.sa_mask);
  for (i = 0; i < 3; ++i) CHECK(sigaction(signals[i], &action, NULL) == 0);
  block_signals(SIG_BLOCK);
  for (i = 0; i < PLANNERS; ++i) {
    planners[i] = planner_of(strategies[i]);
    CHECK(pthread_create(&threads[i], NULL, plan_under_fire, &planners[i]) == 0);
  }
  block_signals(SIG_UNBLOCK);
  set_timers(300);
  while (running > 0) {
    for (i = running = 0; i < PLANNERS; ++i) {
      if (__atomic_load_n(&planners[i].finished, __ATOMIC_ACQUIRE)) continue;
      pthread_kill(threads[i], SIGUSR1);
      ++running;
    }
    nanosleep(&pause, NULL);
  }
  set_timers(0);
  for (i = 0; i < PLANNERS; ++i) {
    CHECK(pthread_join(threads[i], NULL) == 0 && planners[i].wrong == 0);
    planner_free(&planners[i]);
  }
  CHECK(on_strange_threads == 0);
}

static void* plan_although_cancelled(void* argument) {
  planner* const p = argument;
  pthread_cancel(pthread_self());
  plan_once(p);
  p->finished = 1;
  pthread_testcancel();
  p->finished = 2;
  return NULL;
}

static void cancellation_waits(int32_t strategy) {
  planner p = planner_of(strategy);
  pthread_t thread;
  void* result = NULL;
  CHECK(pthread_create(&thread, NULL, plan_although_cancelled, &p) == 0);
  CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  CHECK(p.finished == 1 && p.wrong == 0);
  planner_free(&p);
}

int main(void) {
  is_ours = 1;
  shape = make_shape(LAYERS, EXPERTS, SLOTS, 4, 2, 8);
  fill_loads(loads, COUNT, 3);
  input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  signals_change_nothing();
  cancellation_waits(EPLB_STRATEGY_LPT);
  cancellation_waits(EPLB_STRATEGY_SEARCH);
  return check_report();
}
