/* SPDX-License-Identifier: MIT */
/* What cannot be had: every call of the header while each of its allocations, each thread it starts and each block of
 * the caller's own allocator is refused in turn, by itself and with all that follow. The call answers with a status,
 * writes nothing, leaves nothing behind, and the context plans as before. The first argument is the list of exports. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"
#include "resources.h"

enum { LAYERS = 3, EXPERTS = 16, SLOTS = 24, GPUS = 8, COUNT = LAYERS * EXPERTS, THREADS = 3 };

static resource callers; /* memory from the caller's own allocator */

static void* EPLB_CALL give(void* user, size_t size) {
  void* const block = may_have(&callers) ? malloc(size) : NULL;
  (void)user;
  now_alive(&callers, block != NULL);
  return block;
}

static void EPLB_CALL take_back(void* user, void* pointer) {
  (void)user;
  now_alive(&callers, -1);
  free(pointer);
}

/* What the calls are made with. */
static float loads[COUNT], other_loads[COUNT], bad_loads[COUNT];
static eplb_shape shape, impossible;
static eplb_options options;
static eplb_input input, other_input, bad_input;
static eplb_packing packing;
static plan planned, other_plan; /* of these inputs */
static eplb_context* context;    /* with the first plan */

/* What they write to. */
static plan out;
static struct {
  eplb_context* created;
  eplb_stats stats;
  int32_t packs[COUNT], count;
  size_t host_bytes, cuda_bytes;
  char text[100];
} results, unwritten;

static void clear_results(void) {
  plan_clear(&out);
  results = unwritten;
}

/* The context that was made, if one was, has served its purpose. */
static eplb_status destroyed(eplb_status status) {
  CHECK((status == EPLB_SUCCESS) == (results.created != NULL));
  eplb_destroy(results.created);
  results.created = NULL;
  return status;
}

/* For calls that return no status: whether their answer is right. */
static eplb_status is(int right) { return right ? EPLB_SUCCESS : EPLB_ERROR_INTERNAL; }

typedef struct call {
  const char* name;
  eplb_status expected, status;
} call;

/* Makes the call with this number in the list; 0 when there is none. */
static int make(int number, call* made) {
  int i = 0;
#define CALL(function, answer, expression) \
  if (i++ == number) {                     \
    made->name = #function;                \
    made->expected = answer;               \
    made->status = (expression);           \
    return 1;                              \
  }
#define E &check_error
  eplb_error error;
  eplb_shape other_shape;
  eplb_stats stats;
  eplb_maps maps;
  CALL(eplb_version, EPLB_SUCCESS, is(eplb_version() == EPLB_VERSION))
  CALL(eplb_build_info, EPLB_SUCCESS, is(eplb_build_info() != NULL))
  CALL(eplb_status_name, EPLB_SUCCESS, is(strcmp(eplb_status_name(EPLB_SUCCESS), "EPLB_SUCCESS") == 0))
  CALL(eplb_status_string, EPLB_SUCCESS, is(eplb_status_string(EPLB_SUCCESS) != NULL))
  CALL(eplb_error_init, EPLB_SUCCESS, eplb_error_init(&error, sizeof error))
  CALL(eplb_shape_init, EPLB_SUCCESS, eplb_shape_init(&other_shape, sizeof other_shape))
  CALL(eplb_options_init, EPLB_ERROR_STRUCT_SIZE, eplb_options_init(&options, 0))
  CALL(eplb_input_init, EPLB_ERROR_STRUCT_SIZE, eplb_input_init(&input, 0))
  CALL(eplb_maps_init, EPLB_SUCCESS, eplb_maps_init(&maps, sizeof maps))
  CALL(eplb_stats_init, EPLB_SUCCESS, eplb_stats_init(&stats, sizeof stats))
  CALL(eplb_packing_init, EPLB_ERROR_STRUCT_SIZE, eplb_packing_init(&packing, 0))
  CALL(eplb_strategy_count, EPLB_SUCCESS, is(eplb_strategy_count() > EPLB_STRATEGY_SEARCH))
  CALL(eplb_strategy_name, EPLB_SUCCESS, is(strcmp(eplb_strategy_name(EPLB_STRATEGY_LPT), "lpt") == 0))
  CALL(eplb_strategy_from_name, EPLB_SUCCESS, is(eplb_strategy_from_name("lpt") == EPLB_STRATEGY_LPT))
  CALL(eplb_strategy_description, EPLB_SUCCESS, is(eplb_strategy_description(EPLB_STRATEGY_LPT) != NULL))
  CALL(eplb_backend_count, EPLB_SUCCESS, is(eplb_backend_count() > EPLB_BACKEND_CUDA))
  CALL(eplb_backend_name, EPLB_SUCCESS, is(strcmp(eplb_backend_name(EPLB_BACKEND_CPU), "cpu") == 0))
  CALL(eplb_backend_available, EPLB_SUCCESS, eplb_backend_available(EPLB_BACKEND_CPU, E))
  CALL(eplb_backend_available, EPLB_ERROR_INVALID_ARGUMENT, eplb_backend_available(99, E))
  CALL(eplb_device_count, EPLB_SUCCESS, is(eplb_device_count(EPLB_BACKEND_CPU) == 1))
  CALL(eplb_device_describe, EPLB_SUCCESS, eplb_device_describe(EPLB_BACKEND_CPU, 0, results.text, 100, E))
  CALL(eplb_device_describe, EPLB_ERROR_INVALID_ARGUMENT,
       eplb_device_describe(EPLB_BACKEND_CPU, 1, results.text, 100, E))
  CALL(eplb_memory_needed, EPLB_SUCCESS,
       eplb_memory_needed(&shape, &options, &results.host_bytes, &results.cuda_bytes, E))
  CALL(eplb_memory_needed, EPLB_ERROR_INVALID_ARGUMENT,
       eplb_memory_needed(&impossible, &options, &results.host_bytes, &results.cuda_bytes, E))
  CALL(eplb_create, EPLB_SUCCESS, destroyed(eplb_create(&shape, &options, &results.created, E)))
  CALL(eplb_create, EPLB_ERROR_INVALID_ARGUMENT, destroyed(eplb_create(&impossible, &options, &results.created, E)))
  CALL(eplb_destroy, EPLB_SUCCESS, destroyed(eplb_create(&shape, &options, &results.created, E)))
  CALL(eplb_context_strategy, EPLB_SUCCESS, is(eplb_context_strategy(context) == options.strategy))
  CALL(eplb_context_policy, EPLB_SUCCESS, is(eplb_context_policy(context) == EPLB_POLICY_HIERARCHICAL))
  CALL(eplb_context_backend, EPLB_SUCCESS, is(eplb_context_backend(context) == EPLB_BACKEND_CPU))
  CALL(eplb_submit_weights, EPLB_SUCCESS, eplb_submit_weights(context, &other_input, E))
  CALL(eplb_submit_weights, EPLB_ERROR_INVALID_LOAD, eplb_submit_weights(context, &bad_input, E))
  CALL(eplb_get_max_replica_count, EPLB_SUCCESS, eplb_get_max_replica_count(context, &results.count, E))
  CALL(eplb_get_max_replica_count, EPLB_ERROR_INVALID_ARGUMENT, eplb_get_max_replica_count(context, NULL, E))
  CALL(eplb_get_maps, EPLB_SUCCESS, eplb_get_maps(context, &out.maps, E))
  CALL(eplb_get_maps, EPLB_ERROR_INVALID_ARGUMENT, eplb_get_maps(context, NULL, E))
  CALL(eplb_get_stats, EPLB_SUCCESS, eplb_get_stats(context, &results.stats, E))
  CALL(eplb_get_stats, EPLB_ERROR_INVALID_ARGUMENT, eplb_get_stats(context, NULL, E))
  CALL(eplb_submit_weights_async, EPLB_ERROR_INVALID_STATE, eplb_submit_weights_async(context, &input, NULL, E))
  CALL(eplb_get_maps_async, EPLB_ERROR_INVALID_STATE, eplb_get_maps_async(context, &out.maps, NULL, E))
  CALL(eplb_poll, EPLB_ERROR_INVALID_STATE, eplb_poll(context, E))
  CALL(eplb_rebalance_experts, EPLB_SUCCESS,
       eplb_rebalance_experts(&shape, &options, &input, &out.maps, &results.stats, E))
  CALL(eplb_rebalance_experts, EPLB_ERROR_INVALID_LOAD,
       eplb_rebalance_experts(&shape, &options, &bad_input, &out.maps, &results.stats, E))
  CALL(eplb_check_placement, EPLB_SUCCESS, eplb_check_placement(&shape, &planned.maps, 0, E))
  CALL(eplb_check_placement, EPLB_ERROR_INVALID_PLACEMENT, eplb_check_placement(&shape, &out.maps, 0, E))
  CALL(eplb_score_placement, EPLB_SUCCESS, eplb_score_placement(&shape, &input, &planned.maps, &results.stats, E))
  CALL(eplb_score_placement, EPLB_ERROR_INVALID_LOAD,
       eplb_score_placement(&shape, &bad_input, &planned.maps, &results.stats, E))
  CALL(eplb_balanced_packing, EPLB_SUCCESS, eplb_balanced_packing(&options, &input, &packing, E))
  CALL(eplb_balanced_packing, EPLB_ERROR_INVALID_LOAD, eplb_balanced_packing(&options, &bad_input, &packing, E))
  CALL(eplb_replicate_experts, EPLB_SUCCESS, eplb_replicate_experts(&shape, &options, &input, &out.maps, E))
  CALL(eplb_replicate_experts, EPLB_ERROR_INVALID_LOAD,
       eplb_replicate_experts(&shape, &options, &bad_input, &out.maps, E))
#undef E
#undef CALL
  return 0;
}

static void no_export_is_left_out(const char* path) {
  FILE* const exports = fopen(path, "r");
  char line[200];
  int lines = 0;
  CHECK(exports != NULL);
  if (exports == NULL) return;
  while (fgets(line, sizeof line, exports) != NULL) {
    const size_t length = strcspn(line, "@\n");
    call made = {"", 0, 0};
    int number = 0;
    line[length] = '\0';
    if (strncmp(line, "eplb_", 5) != 0) continue; /* the version's own name */
    ++lines;
    clear_results();
    while (make(number, &made) && strcmp(made.name, line) != 0) ++number;
    if (!CHECK(strcmp(made.name, line) == 0)) fprintf(stderr, "  %s is not in the list of calls\n", line);
  }
  CHECK(lines > 30);
  fclose(exports);
}

static int count_tasks(void) {
  DIR* const tasks = opendir("/proc/self/task");
  int count = -2; /* . and .. */
  CHECK(tasks != NULL);
  if (tasks == NULL) return 0;
  while (readdir(tasks) != NULL) ++count;
  closedir(tasks);
  return count;
}

/* The threads of the context and this one. Those of calls are joined, but may be listed for a moment longer. */
static int tasks_become(int expected) {
  int attempt;
  for (attempt = 0; count_tasks() != expected && attempt < 1000; ++attempt) usleep(1000);
  return count_tasks() == expected;
}

/* Makes a call while requests for a resource are refused. Returns whether there were any. */
static int refused(resource* what, int number, long first, long last, call* made) {
  const long blocks = memory_blocks.alive, of_caller = callers.alive;
  int good;
  long asked;
  clear_results();
  check_begin();
  refuse(what, first, last);
  make(number, made);
  asked = what->asked;
  refuse(what, 0, 0);
  good = CHECK(made->status == made->expected || (made->status == EPLB_ERROR_OUT_OF_MEMORY && asked >= first));
  good &= CHECK(made->status == EPLB_SUCCESS || made->status == EPLB_ERROR_STRUCT_SIZE ||
                (check_error.status == made->status && strlen(check_error.message) > 10));
  good &= CHECK(made->status == EPLB_SUCCESS ||
                (plan_unwritten(&out) && memcmp(&results, &unwritten, sizeof results) == 0));
  good &= CHECK(memory_blocks.alive == blocks && callers.alive == of_caller && tasks_become(options.num_threads));
  if (!good) fprintf(stderr, "  %s, refused from %ld to %ld\n", made->name, first, last);
  return asked >= first;
}

static void the_context_plans_as_before(const call* made) {
  const int replaced = strcmp(made->name, "eplb_submit_weights") == 0 && made->status == EPLB_SUCCESS;
  CHECK_OK(eplb_get_maps(context, &out.maps, &check_error));
  CHECK(plan_same(&out, replaced ? &other_plan : &planned));
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_OK(eplb_get_maps(context, &out.maps, &check_error));
  CHECK(plan_same(&out, &planned));
}

/* Returns how many calls could not do without. */
static int each_refused(resource* what) {
  int number, needed = 0;
  for (number = 0;; ++number) {
    int with_all_after;
    for (with_all_after = 0; with_all_after < 2; ++with_all_after) {
      call made = {NULL, 0, 0};
      long n = 1;
      clear_results();
      if (!make(number, &made)) return needed;
      while (refused(what, number, n, with_all_after ? LONG_MAX : n, &made)) {
        needed += n == 1 && made.status == EPLB_ERROR_OUT_OF_MEMORY;
        the_context_plans_as_before(&made);
        if (!CHECK(++n < 100)) break;
      }
      CHECK(made.status == made.expected);
      the_context_plans_as_before(&made);
    }
  }
}

static void set_up(int32_t strategy, int32_t num_threads, int own_allocator) {
  options = make_options(strategy);
  options.num_threads = num_threads;
  if (own_allocator) {
    options.alloc_fn = give;
    options.free_fn = take_back;
  }
  planned = plan_of(&shape, &options, &input);
  other_plan = plan_of(&shape, &options, &other_input);
  CHECK(!plan_same(&planned, &other_plan));
  context = context_of(&shape, &options);
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
}

static void tear_down(void) {
  eplb_destroy(context);
  plan_free(&planned), plan_free(&other_plan);
}

int main(int argc, char** argv) {
  static const int32_t strategies[] = {EPLB_STRATEGY_LPT_RESTART4, EPLB_STRATEGY_SEARCH};
  size_t s;
  if (argc != 2) return 2;
  fill_loads(loads, COUNT, 1);
  fill_loads(other_loads, COUNT, 2);
  fill_loads(bad_loads, COUNT, 1);
  bad_loads[COUNT - 1] = -1;
  shape = make_shape(LAYERS, EXPERTS, SLOTS, 4, 2, GPUS);
  impossible = shape;
  impossible.num_gpus = 0;
  input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  other_input = make_input(EPLB_TYPE_FLOAT32, other_loads, COUNT);
  bad_input = make_input(EPLB_TYPE_FLOAT32, bad_loads, COUNT);
  memset(&unwritten, 0, sizeof unwritten);
  unwritten.stats = make_stats();
  memset(unwritten.packs, UNWRITTEN, sizeof unwritten.packs);
  unwritten.count = -7;
  unwritten.host_bytes = unwritten.cuda_bytes = 99;
  CHECK_OK(eplb_packing_init(&packing, sizeof packing));
  packing.num_rows = LAYERS;
  packing.num_items = EXPERTS;
  packing.num_packs = 4;
  packing.pack_index = results.packs;
  packing.pack_index_count = COUNT;
  out = plan_new(&shape, EPLB_TYPE_INT32);

  for (s = 0; s < sizeof strategies / sizeof *strategies; ++s) {
    set_up(strategies[s], 1, 0);
    CHECK(each_refused(&thread_starts) == 0 && each_refused(&callers) == 0);
    /* create, destroy; rebalance, pack, replicate, check, score, each with good and bad input */
    CHECK(each_refused(&memory_blocks) == 2 * 12);
    if (s == 0) no_export_is_left_out(argv[1]);
    tear_down();
    set_up(strategies[s], THREADS, 1);
    CHECK(each_refused(&memory_blocks) == 2 * 12);
    CHECK(each_refused(&thread_starts) == 2 * 8 && each_refused(&callers) == 2 * 8); /* not check and score */
    tear_down();
  }
  plan_free(&out);
  return check_report();
}
