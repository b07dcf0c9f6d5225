/* SPDX-License-Identifier: MIT */
/* Forks: the child may not use the parent's context, but free it, and have one of its own. */
#define _POSIX_C_SOURCE 200112L
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

static const float loads[] = {96, 30, 20, 10};

static int in_the_child(eplb_context* context, const eplb_shape* shape, const eplb_options* options,
                        const plan* expected) {
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  plan p = plan_new(shape, EPLB_TYPE_INT32);
  eplb_stats stats = make_stats();
  int32_t count = -7;
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "fork", eplb_submit_weights(context, &input, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "fork", eplb_get_maps(context, &p.maps, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "fork", eplb_get_stats(context, &stats, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "fork", eplb_get_max_replica_count(context, &count, &check_error));
  CHECK(plan_unwritten(&p) && count == -7);
  eplb_destroy(context);
  plan_free(&p);
  p = plan_of(shape, options, &input);
  CHECK(plan_same(&p, expected));
  plan_free(&p);
  return check_report();
}

static void fork_with(int32_t threads) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART4);
  eplb_context* context;
  plan before, after = plan_new(&shape, EPLB_TYPE_INT32);
  pid_t child;
  int status = -1;
  options.num_threads = threads;
  before = plan_of(&shape, &options, &input);
  context = context_of(&shape, &options);
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  child = fork();
  if (child == 0) _exit(in_the_child(context, &shape, &options, &before));
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_OK(eplb_get_maps(context, &after.maps, &check_error)); /* the parent's goes on */
  CHECK(plan_same(&before, &after));
  eplb_destroy(context);
  plan_free(&before), plan_free(&after);
}

/* A thread that plans until it is told to stop. */
typedef struct busy {
  eplb_context* context;
  pthread_mutex_t mutex;
  int stop, failures;
} busy;

static int is_stopped(busy* b) {
  int stop;
  pthread_mutex_lock(&b->mutex);
  stop = b->stop;
  pthread_mutex_unlock(&b->mutex);
  return stop;
}

static void* plan_again_and_again(void* argument) {
  busy* const b = argument;
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  while (!is_stopped(b)) b->failures += eplb_submit_weights(b->context, &input, NULL) != EPLB_SUCCESS;
  return NULL;
}

/* In the child the thread is gone, in the middle of whatever it did; the context is given back all the same. */
static void fork_while_a_thread_plans(int32_t threads) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART4);
  busy b = {NULL, PTHREAD_MUTEX_INITIALIZER, 0, 0};
  pthread_t thread;
  plan expected;
  int round;
  options.num_threads = threads;
  expected = plan_of(&shape, &options, &input);
  b.context = context_of(&shape, &options);
  CHECK(pthread_create(&thread, NULL, plan_again_and_again, &b) == 0);
  for (round = 0; round < 20; ++round) {
    int status = -1;
    const pid_t child = fork();
    if (child == 0) _exit(in_the_child(b.context, &shape, &options, &expected));
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  pthread_mutex_lock(&b.mutex);
  b.stop = 1;
  pthread_mutex_unlock(&b.mutex);
  CHECK(pthread_join(thread, NULL) == 0 && b.failures == 0);
  eplb_destroy(b.context);
  plan_free(&expected);
}

int main(void) {
  fork_with(1);
  fork_with(3);
  fork_while_a_thread_plans(1);
  fork_while_a_thread_plans(3);
  return check_report();
}
