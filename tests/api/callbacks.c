/* SPDX-License-Identifier: MIT */
/* Callbacks: progress and cancelling, log, and calls from inside one. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { LAYERS = 6, EXPERTS = 16, COUNT = LAYERS * EXPERTS };

typedef struct listener {
  int64_t calls, last, total;
  int64_t cancel_at; /* the call that cancels; 0: none */
  int on_other_thread, backwards;
  pthread_t thread;
  int lines[EPLB_LOG_DEBUG + 1];
} listener;

static listener listen(int64_t cancel_at) {
  listener l;
  memset(&l, 0, sizeof l);
  l.cancel_at = cancel_at;
  l.thread = pthread_self();
  return l;
}

static int32_t EPLB_CALL on_progress(void* user, int64_t done, int64_t total) {
  listener* l = user;
  l->on_other_thread |= !pthread_equal(l->thread, pthread_self());
  l->backwards |= done < l->last || done > total || (l->calls > 0 && total != l->total);
  l->last = done;
  l->total = total;
  return ++l->calls == l->cancel_at;
}

static void EPLB_CALL on_log(void* user, int32_t level, const char* message) {
  listener* l = user;
  CHECK(level >= EPLB_LOG_WARNING && level <= EPLB_LOG_DEBUG);
  CHECK(message != NULL && message[0] != '\0' && strchr(message, '\n') == NULL);
  ++l->lines[level];
}

static eplb_options listening(listener* l, int32_t threads) {
  eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART4);
  options.num_threads = threads;
  options.progress_fn = on_progress;
  options.user = l;
  return options;
}

/* A load that is mended between being found bad and being named. */
static int32_t EPLB_CALL mend(void* user, int64_t done, int64_t total) {
  (void)done, (void)total;
  *(float*)user = 1;
  return 0;
}

static void loads_that_change_while_they_are_read(void) {
  float loads[2 * 4] = {-1, 1, 1, 1, 1, 1, 1, 1};
  const eplb_shape shape = make_shape(2, 4, 4, 1, 1, 2);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 2 * 4);
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  options.progress_fn = mend;
  options.user = loads;
  CHECK_FAILS(EPLB_ERROR_INTERNAL, "changed while it was read",
              eplb_rebalance_experts(&shape, &options, &input, &p.maps, NULL, &check_error));
  CHECK(plan_unwritten(&p));
  plan_free(&p);
}

/* With fewer layers than threads, the threads share out candidates instead. */
static void progress_goes_to_the_end(int32_t layers, int32_t threads) {
  const eplb_shape shape = make_shape(layers, EXPERTS, 24, 4, 2, 8);
  listener l = listen(0);
  const eplb_options options = listening(&l, threads);
  const eplb_options silent = make_options(EPLB_STRATEGY_LPT_RESTART4);
  float loads[COUNT];
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, (size_t)layers * EXPERTS);
  plan told, untold;
  fill_loads(loads, COUNT, 1);
  told = plan_of(&shape, &options, &input);
  CHECK(l.calls > 0 && l.last == layers && l.total == layers && !l.backwards && !l.on_other_thread);
  untold = plan_of(&shape, &silent, &input);
  CHECK(plan_same(&told, &untold));
  plan_free(&told), plan_free(&untold);
}

/* Cancelled at any call: the outputs and the previous plan are as before, and the next plan works. */
static void cancelling(int32_t threads) {
  const eplb_shape shape = make_shape(LAYERS, EXPERTS, 24, 4, 2, 8);
  listener l = listen(0);
  const eplb_options options = listening(&l, threads);
  eplb_context* context = context_of(&shape, &options);
  float first[COUNT], second[COUNT];
  const eplb_input a = make_input(EPLB_TYPE_FLOAT32, first, COUNT);
  const eplb_input b = make_input(EPLB_TYPE_FLOAT32, second, COUNT);
  plan before = plan_new(&shape, EPLB_TYPE_INT32), after = plan_new(&shape, EPLB_TYPE_INT32);
  int64_t calls, n;
  fill_loads(first, COUNT, 1);
  fill_loads(second, COUNT, 2);
  CHECK_OK(eplb_submit_weights(context, &a, &check_error));
  CHECK_OK(eplb_get_maps(context, &before.maps, &check_error));
  calls = threads == 1 ? l.calls : 1; /* with more threads, how often the caller is told varies */
  for (n = 1; n <= calls; ++n) {
    l = listen(n);
    plan_clear(&after);
    CHECK_FAILS(EPLB_ERROR_CANCELLED, "", eplb_submit_weights(context, &b, &check_error));
    CHECK_OK(eplb_get_maps(context, &after.maps, &check_error));
    CHECK(plan_same(&before, &after));
    l = listen(n);
    plan_clear(&after);
    CHECK_FAILS(EPLB_ERROR_CANCELLED, "",
                eplb_rebalance_experts(&shape, &options, &b, &after.maps, NULL, &check_error));
    CHECK(plan_unwritten(&after));
  }
  l = listen(0);
  CHECK_OK(eplb_submit_weights(context, &b, &check_error));
  CHECK_OK(eplb_get_maps(context, &after.maps, &check_error));
  CHECK(!plan_same(&before, &after));
  eplb_destroy(context);
  plan_free(&before), plan_free(&after);
}

/* A budget for all layers takes a second pass; the layers are counted once for each. */
static void two_passes(int32_t threads) {
  enum { SLOTS = 24 };
  const eplb_shape shape = make_shape(LAYERS, EXPERTS, SLOTS, 4, 2, 8);
  const eplb_options silent = make_options(EPLB_STRATEGY_SEARCH);
  listener l = listen(0);
  eplb_options options = listening(&l, threads);
  float first[COUNT], second[COUNT];
  const eplb_input a = make_input(EPLB_TYPE_FLOAT32, first, COUNT);
  eplb_input b = make_input(EPLB_TYPE_FLOAT32, second, COUNT);
  eplb_context* context;
  plan before, untold, after;
  int64_t calls, n;
  fill_loads(first, COUNT, 1);
  fill_loads(second, COUNT, 2);
  options.strategy = EPLB_STRATEGY_SEARCH;
  context = context_of(&shape, &options);
  before = plan_of(&shape, &silent, &a);
  after = plan_new(&shape, EPLB_TYPE_INT32);
  b.current = before.maps.physical_to_logical;
  b.current_count = LAYERS * SLOTS;
  CHECK_OK(eplb_submit_weights(context, &a, &check_error));
  CHECK(l.last == LAYERS && l.total == LAYERS);

  l = listen(0);
  CHECK_OK(eplb_submit_weights(context, &b, &check_error)); /* without a budget there is nothing to share */
  CHECK(l.last == LAYERS && l.total == LAYERS && !l.backwards);
  CHECK_OK(eplb_submit_weights(context, &a, &check_error));

  b.max_changes = 15;
  l = listen(0);
  untold = plan_of(&shape, &silent, &b);
  CHECK_OK(eplb_rebalance_experts(&shape, &options, &b, &after.maps, NULL, &check_error));
  CHECK(l.last == 2 * LAYERS && l.total == 2 * LAYERS && !l.backwards && !l.on_other_thread);
  CHECK(plan_same(&untold, &after) && !plan_same(&untold, &before));
  calls = threads == 1 ? l.calls : 1; /* with more threads, how often the caller is told varies */
  CHECK(threads > 1 || calls > LAYERS);
  for (n = 1; n <= calls; ++n) {
    l = listen(n);
    plan_clear(&after);
    CHECK_FAILS(EPLB_ERROR_CANCELLED, "", eplb_submit_weights(context, &b, &check_error));
    CHECK(l.calls == n);
    CHECK_OK(eplb_get_maps(context, &after.maps, &check_error));
    CHECK(plan_same(&before, &after));
  }
  l = listen(0);
  CHECK_OK(eplb_submit_weights(context, &b, &check_error));
  CHECK_OK(eplb_get_maps(context, &after.maps, &check_error));
  CHECK(plan_same(&untold, &after));
  eplb_destroy(context);
  plan_free(&before), plan_free(&untold), plan_free(&after);
}

static void cancelling_the_steps(void) {
  const eplb_shape shape = make_shape(LAYERS, EXPERTS, 24, 1, 1, 8);
  listener l = listen(1);
  const eplb_options options = listening(&l, 1);
  float loads[COUNT];
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  int32_t packs[COUNT];
  eplb_packing packing;
  memset(packs, 0x55, sizeof packs);
  fill_loads(loads, COUNT, 1);
  CHECK(eplb_packing_init(&packing, sizeof packing) == EPLB_SUCCESS);
  packing.num_rows = LAYERS;
  packing.num_items = EXPERTS;
  packing.num_packs = 4;
  packing.pack_index = packs;
  packing.pack_index_count = COUNT;
  CHECK_FAILS(EPLB_ERROR_CANCELLED, "", eplb_balanced_packing(&options, &input, &packing, &check_error));
  CHECK(packs[0] == 0x55555555 && packs[COUNT - 1] == 0x55555555);
  l = listen(1);
  CHECK_FAILS(EPLB_ERROR_CANCELLED, "", eplb_replicate_experts(&shape, &options, &input, &p.maps, &check_error));
  CHECK(plan_unwritten(&p));
  plan_free(&p);
}

/* What a callback may call the library with, from inside a call. */
typedef struct visitor {
  eplb_context* own; /* of the call that is running; NULL while it is created or destroyed */
  eplb_context* other;
  eplb_shape shape;
  eplb_input input;
  plan expected, got;
  int blocks, frees, lines, steps;
} visitor;

static void call_everything(visitor* v) {
  const eplb_options plain = make_options(EPLB_STRATEGY_LPT_RESTART4);
  eplb_stats stats = make_stats();
  eplb_context* created = NULL;
  int32_t count;
  if (v->own != NULL) {
    CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_submit_weights(v->own, &v->input, &check_error));
    CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_get_maps(v->own, &v->got.maps, &check_error));
    CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_get_stats(v->own, &stats, &check_error));
    CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_get_max_replica_count(v->own, &count, &check_error));
    CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_submit_weights_async(v->own, &v->input, NULL, &check_error));
    CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "in use", eplb_get_maps_async(v->own, &v->got.maps, NULL, &check_error));
    CHECK(eplb_context_strategy(v->own) == EPLB_STRATEGY_LPT_RESTART4);
  }
  CHECK_OK(eplb_submit_weights(v->other, &v->input, &check_error));
  CHECK_OK(eplb_get_stats(v->other, &stats, &check_error));
  CHECK_OK(eplb_get_maps(v->other, &v->got.maps, &check_error));
  CHECK(plan_same(&v->got, &v->expected));
  plan_clear(&v->got);
  CHECK_OK(eplb_rebalance_experts(&v->shape, &plain, &v->input, &v->got.maps, NULL, &check_error));
  CHECK(plan_same(&v->got, &v->expected));
  CHECK_OK(eplb_score_placement(&v->shape, &v->input, &v->expected.maps, &stats, &check_error));
  CHECK_OK(eplb_create(&v->shape, &plain, &created, &check_error));
  eplb_destroy(created);
}

static void* EPLB_CALL visiting_alloc(void* user, size_t size) {
  call_everything(user);
  ++((visitor*)user)->blocks;
  return malloc(size);
}
static void EPLB_CALL visiting_free(void* user, void* block) {
  call_everything(user);
  ++((visitor*)user)->frees;
  free(block);
}
static void EPLB_CALL visiting_log(void* user, int32_t level, const char* message) {
  (void)level, (void)message;
  call_everything(user);
  ++((visitor*)user)->lines;
}
static int32_t EPLB_CALL visiting_progress(void* user, int64_t done, int64_t total) {
  (void)done, (void)total;
  call_everything(user);
  ++((visitor*)user)->steps;
  return 0;
}

/* Each callback calls the library: its own context is refused, all else goes on, and so does the call itself. */
static void calling_back(int32_t threads) {
  visitor v;
  eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART4);
  float loads[COUNT];
  eplb_context* context = NULL;
  plan p;
  memset(&v, 0, sizeof v);
  fill_loads(loads, COUNT, 1);
  v.shape = make_shape(LAYERS, EXPERTS, 24, 4, 2, 8);
  v.input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  v.expected = plan_of(&v.shape, &options, &v.input);
  v.got = plan_new(&v.shape, EPLB_TYPE_INT32);
  v.other = context_of(&v.shape, &options);
  p = plan_new(&v.shape, EPLB_TYPE_INT32);
  options.num_threads = threads;
  options.alloc_fn = visiting_alloc;
  options.free_fn = visiting_free;
  options.log_fn = visiting_log;
  options.log_level = EPLB_LOG_DEBUG;
  options.progress_fn = visiting_progress;
  options.user = &v;
  CHECK(eplb_create(&v.shape, &options, &context, NULL) == EPLB_SUCCESS && v.blocks == 1 && v.lines == 1);
  v.own = context;
  CHECK(eplb_submit_weights(context, &v.input, NULL) == EPLB_SUCCESS && v.lines == 2 && v.steps > 0);
  CHECK(eplb_get_maps(context, &p.maps, NULL) == EPLB_SUCCESS && plan_same(&p, &v.expected));
  v.own = NULL;
  eplb_destroy(context);
  CHECK(v.frees == 1);
  plan_clear(&p);
  CHECK(eplb_rebalance_experts(&v.shape, &options, &v.input, &p.maps, NULL, NULL) == EPLB_SUCCESS);
  CHECK(plan_same(&p, &v.expected) && v.blocks == 2 && v.frees == 2 && v.lines == 4);
  eplb_destroy(v.other);
  plan_free(&p), plan_free(&v.got), plan_free(&v.expected);
}

static listener lines_at(int32_t level) {
  const eplb_shape shape = make_shape(1, EXPERTS, 24, 1, 1, 8);
  const float loads[EXPERTS] = {1};
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, EXPERTS);
  listener l = listen(0);
  eplb_options options = make_options(EPLB_STRATEGY_AUTO);
  eplb_context* context;
  options.log_fn = on_log;
  options.log_level = level;
  options.user = &l;
  context = context_of(&shape, &options);
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  eplb_destroy(context);
  return l;
}

static void logging(void) {
  const listener none = lines_at(EPLB_LOG_NONE), warning = lines_at(EPLB_LOG_WARNING);
  const listener info = lines_at(EPLB_LOG_INFO), debug = lines_at(EPLB_LOG_DEBUG);
  CHECK(none.lines[EPLB_LOG_WARNING] == 0 && none.lines[EPLB_LOG_INFO] == 0 && none.lines[EPLB_LOG_DEBUG] == 0);
  CHECK(warning.lines[EPLB_LOG_INFO] == 0 && warning.lines[EPLB_LOG_DEBUG] == 0);
  CHECK(info.lines[EPLB_LOG_INFO] > 0 && info.lines[EPLB_LOG_DEBUG] == 0);
  CHECK(debug.lines[EPLB_LOG_INFO] == info.lines[EPLB_LOG_INFO] && debug.lines[EPLB_LOG_DEBUG] == 2);
}

int main(void) {
  progress_goes_to_the_end(LAYERS, 1);
  progress_goes_to_the_end(LAYERS, 3);
  progress_goes_to_the_end(1, 1);
  progress_goes_to_the_end(2, 3);
  cancelling(1);
  cancelling(3);
  two_passes(1);
  two_passes(3);
  cancelling_the_steps();
  calling_back(1);
  calling_back(3);
  logging();
  loads_that_change_while_they_are_read();
  return check_report();
}
