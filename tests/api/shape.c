/* SPDX-License-Identifier: MIT */
/* Shapes and options that cannot be: each is refused by whatever takes it, naming field and value. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

static const float loads[64];

static void refuse(const eplb_shape* shape, const eplb_options* options, const char* words) {
  const eplb_shape sound = make_shape(1, 8, 16, 1, 1, 4);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 64);
  eplb_context* const unwritten = (eplb_context*)&sound;
  eplb_context* context = unwritten;
  plan p = plan_new(&sound, EPLB_TYPE_INT32);
  size_t host = 7, cuda = 7;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, words, eplb_create(shape, options, &context, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, words, eplb_memory_needed(shape, options, &host, &cuda, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, words,
              eplb_rebalance_experts(shape, options, &input, &p.maps, NULL, &check_error));
  CHECK(eplb_create(shape, options, &context, NULL) == EPLB_ERROR_INVALID_ARGUMENT);
  CHECK(context == unwritten && host == 7 && cuda == 7 && plan_unwritten(&p));
  plan_free(&p);
}

static void refuse_shape(int32_t layers, int32_t experts, int32_t slots, int32_t groups, int32_t nodes, int32_t gpus,
                         const char* words) {
  const eplb_shape shape = make_shape(layers, experts, slots, groups, nodes, gpus);
  refuse(&shape, NULL, words);
}

static void extents(void) {
  static const int32_t values[] = {0, -1, INT32_MIN, 65536, INT32_MAX};
  static const char* const texts[] = {"0", "-1", "-2147483648", "65536", "2147483647"};
  static const struct {
    const char* name;
    size_t offset;
  } fields[] = {{"num_layers", offsetof(eplb_shape, num_layers)},
                {"num_logical_experts", offsetof(eplb_shape, num_logical_experts)},
                {"num_physical_experts", offsetof(eplb_shape, num_physical_experts)},
                {"num_groups", offsetof(eplb_shape, num_groups)},
                {"num_nodes", offsetof(eplb_shape, num_nodes)},
                {"num_gpus", offsetof(eplb_shape, num_gpus)}};
  size_t f, v;
  for (f = 0; f < sizeof fields / sizeof *fields; ++f) {
    for (v = 0; v < sizeof values / sizeof *values; ++v) {
      eplb_shape shape = make_shape(1, 8, 16, 1, 1, 4);
      memcpy((char*)&shape + fields[f].offset, &values[v], sizeof values[v]);
      refuse(&shape, NULL, fields[f].name);
      refuse(&shape, NULL, texts[v]);
    }
  }
}

static void divisions(void) {
  eplb_shape shape = make_shape(1, 8, 16, 1, 1, 4);
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  shape.reserved = 5;
  refuse(&shape, NULL, "reserved|5");
  refuse_shape(1, 8, 7, 1, 1, 4, "7|8"); /* slots < experts */
  refuse_shape(1, 8, 16, 3, 1, 4,
               "num_logical_experts is 8, which is not a multiple of num_groups, 3, as a hierarchical plan needs it; "
               "policy global does not");
  options.policy = EPLB_POLICY_HIERARCHICAL; /* auto is global where groups cannot be dealt to nodes */
  shape = make_shape(1, 12, 16, 3, 2, 4);
  refuse(&shape, &options,
         "num_groups is 3, which is not a multiple of num_nodes, 2, as a hierarchical plan needs it; policy global "
         "does not");
  shape = make_shape(1, 12, 15, 4, 2, 5);
  refuse(&shape, &options,
         "num_gpus is 5, which is not a multiple of num_nodes, 2, as a hierarchical plan needs it; policy global does "
         "not");
  options = make_options(EPLB_STRATEGY_LPT); /* what only search can do */
  shape = make_shape(1, 8, 16, 1, 1, 17);
  refuse(&shape, &options, "num_physical_experts is 16, less than num_gpus, 17|strategy lpt|search can");
  shape = make_shape(1, 8, 18, 1, 1, 4);
  refuse(&shape, &options, "18, which is not a multiple of num_gpus, 4|strategy lpt|search does not");
}

static int32_t policy_of(const eplb_shape* shape, const eplb_options* options) {
  eplb_context* context = context_of(shape, options);
  const int32_t policy = eplb_context_policy(context);
  eplb_destroy(context);
  return policy;
}

/* What the global policy does not look at may be as it likes, and auto takes it where groups cannot be
 * dealt to nodes. */
static void policies(void) {
  const float hot[12] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1};
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, hot, 12);
  const eplb_shape odd = make_shape(1, 12, 16, 5, 3, 4);
  const eplb_shape uneven = make_shape(1, 12, 16, 3, 2, 4);
  const eplb_shape even = make_shape(1, 12, 16, 4, 2, 4);
  const eplb_shape parted = make_shape(1, 12, 15, 4, 2, 5); /* a gpu on two nodes */
  const eplb_shape flat = make_shape(1, 12, 16, 1, 1, 4);
  eplb_options automatic = make_options(EPLB_STRATEGY_LPT), global = automatic, hierarchical = automatic;
  plan f, g, a, h, e;
  global.policy = EPLB_POLICY_GLOBAL;
  hierarchical.policy = EPLB_POLICY_HIERARCHICAL;
  f = plan_of(&flat, &automatic, &input);
  g = plan_of(&odd, &global, &input);
  a = plan_of(&uneven, &automatic, &input);
  h = plan_of(&even, &hierarchical, &input);
  e = plan_of(&even, &automatic, &input);
  CHECK(plan_same(&f, &g) && plan_same(&f, &a));
  CHECK(plan_same(&h, &e) && !plan_same(&h, &f));
  plan_free(&f), plan_free(&g), plan_free(&a), plan_free(&h), plan_free(&e);
  CHECK(policy_of(&even, &global) == EPLB_POLICY_GLOBAL);
  CHECK(policy_of(&uneven, &automatic) == EPLB_POLICY_GLOBAL);
  CHECK(policy_of(&parted, &automatic) == EPLB_POLICY_GLOBAL);
  CHECK(policy_of(&even, &automatic) == EPLB_POLICY_HIERARCHICAL);
  CHECK(policy_of(&even, &hierarchical) == EPLB_POLICY_HIERARCHICAL);
  CHECK(eplb_context_policy(NULL) == -1);
}

static void unknown_values(void) {
  const struct {
    const char* name;
    size_t offset;
    int32_t first_unknown;
  } fields[] = {{"strategy", offsetof(eplb_options, strategy), eplb_strategy_count()},
                {"policy", offsetof(eplb_options, policy), EPLB_POLICY_GLOBAL + 1},
                {"backend", offsetof(eplb_options, backend), EPLB_BACKEND_CUDA + 1},
                {"memory", offsetof(eplb_options, memory), EPLB_MEMORY_CUDA + 1},
                {"num_threads", offsetof(eplb_options, num_threads), 1025},
                {"max_samples", offsetof(eplb_options, max_samples), 0},
                {"initial", offsetof(eplb_options, initial), EPLB_INITIAL_ZIGZAG + 1},
                {"candidates", offsetof(eplb_options, candidates), 65536},
                {"amplitude_form", offsetof(eplb_options, amplitude_form), EPLB_AMPLITUDE_LINEAR + 1},
                {"swap_scope", offsetof(eplb_options, swap_scope), EPLB_SWAP_ANY_ANY + 1},
                {"max_swaps", offsetof(eplb_options, max_swaps), -2},
                {"selection", offsetof(eplb_options, selection), EPLB_SELECTION_SPREAD + 1},
                {"log_level", offsetof(eplb_options, log_level), EPLB_LOG_DEBUG + 1},
                {"search_steps", offsetof(eplb_options, search_steps), 65536},
                {"samples", offsetof(eplb_options, samples), EPLB_SAMPLES_SUM + 1},
                {"duplicates", offsetof(eplb_options, duplicates), EPLB_DUPLICATES_ALLOW + 1},
                {"objective", offsetof(eplb_options, objective), EPLB_OBJECTIVE_POWER32 + 1}};
  static const int32_t negative = -1;
  const eplb_shape shape = make_shape(1, 8, 16, 1, 1, 4);
  size_t f;
  for (f = 0; f < sizeof fields / sizeof *fields; ++f) {
    eplb_options options = make_options(EPLB_STRATEGY_LPT);
    memcpy((char*)&options + fields[f].offset, &negative, sizeof negative);
    refuse(&shape, &options, fields[f].name);
    refuse(&shape, &options, "-1");
    memcpy((char*)&options + fields[f].offset, &fields[f].first_unknown, sizeof(int32_t));
    refuse(&shape, &options, fields[f].name);
  }
}

static void amplitudes(void) {
  static const float values[] = {-0.5f, (float)INFINITY, (float)NAN};
  const eplb_shape shape = make_shape(1, 8, 16, 1, 1, 4);
  size_t i;
  for (i = 0; i < sizeof values / sizeof *values; ++i) {
    eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART4);
    options.amplitude = values[i];
    refuse(&shape, &options, "amplitude");
  }
}

/* Choices that would have no effect, or that lack another one. */
/* It has none, so the first that is set is named. */
static void packing_choices_of_a_search(const eplb_shape* shape) {
  static const size_t fields[] = {offsetof(eplb_options, initial),        offsetof(eplb_options, candidates),
                                  offsetof(eplb_options, amplitude_form), offsetof(eplb_options, swap_scope),
                                  offsetof(eplb_options, max_swaps),      offsetof(eplb_options, selection)};
  static const char* const words[] = {
      "initial is a packing choice, but strategy search has none",
      "candidates is a packing choice, but strategy search has none",
      "amplitude_form is a packing choice, but strategy search has none",
      "swap_scope is a packing choice, but strategy search has none",
      "max_swaps is a packing choice, but strategy search has none",
      "selection is a packing choice, but strategy search has none",
  };
  eplb_options options;
  size_t i;
  for (i = 0; i < sizeof fields / sizeof *fields; ++i) {
    options = make_options(EPLB_STRATEGY_SEARCH);
    memcpy((char*)&options + fields[i], &(const int32_t){1}, sizeof(int32_t));
    refuse(shape, &options, words[i]);
  }
  options = make_options(EPLB_STRATEGY_SEARCH);
  options.amplitude = 0.5f;
  refuse(shape, &options, "amplitude is a packing choice, but strategy search has none");
}

static void choices_without_effect(void) {
  const eplb_options lpt = make_options(EPLB_STRATEGY_LPT);
  const eplb_shape shape = make_shape(1, 8, 16, 1, 1, 4);
  eplb_options options = lpt;
  options.search_steps = 5;
  refuse(&shape, &options, "search_steps is 5|lpt does not search");
  options = lpt;
  options.samples = EPLB_SAMPLES_EACH;
  refuse(&shape, &options, "samples is each|lpt adds them up");
  options = lpt;
  options.objective = EPLB_OBJECTIVE_POWER4;
  refuse(&shape, &options, "objective is|lpt does not search");
  options = lpt;
  options.duplicates = EPLB_DUPLICATES_AVOID;
  refuse(&shape, &options, "duplicates is avoid|lpt does not");
  options = lpt;
  options.candidates = 4;
  refuse(&shape, &options, "candidates is 4|amplitude is not set");
  options = lpt;
  options.amplitude = 0.5f;
  refuse(&shape, &options, "amplitude|candidates is not");
  options = lpt;
  options.swap_scope = EPLB_SWAP_HEAVIEST_ANY;
  refuse(&shape, &options, "swap_scope is set|max_swaps is not");
  options = lpt;
  options.max_swaps = 3;
  refuse(&shape, &options, "max_swaps is 3|no swap_scope");
  packing_choices_of_a_search(&shape);
}

static void* EPLB_CALL no_alloc(void* user, size_t size) {
  (void)user, (void)size;
  return NULL;
}

static void EPLB_CALL no_free(void* user, void* pointer) { (void)user, (void)pointer; }

static void allocators_come_in_pairs(void) {
  const eplb_shape shape = make_shape(1, 8, 16, 1, 1, 4);
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  options.alloc_fn = no_alloc;
  refuse(&shape, &options, "alloc|free");
  options.alloc_fn = NULL;
  options.free_fn = no_free;
  refuse(&shape, &options, "alloc|free");
}

/* Sizes beyond any memory: an answer, not a crash, and no overflow on the way to it. */
static void too_large(void) {
  const eplb_shape shape = make_shape(65535, 65535, 65535, 1, 1, 65535);
  eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART64_ANY);
  eplb_context* context = NULL;
  size_t host = 0;
  options.alloc_fn = no_alloc;
  options.free_fn = no_free;
  options.max_samples = INT32_MAX;
  options.candidates = 65535;
  CHECK(eplb_create(&shape, &options, &context, NULL) != EPLB_SUCCESS);
  CHECK(context == NULL);
  options.max_samples = 1;
  CHECK_OK(eplb_memory_needed(&shape, &options, &host, NULL, &check_error));
  CHECK(host / 65535 / 65535 >= sizeof(int32_t));
}

int main(void) {
  extents();
  divisions();
  policies();
  unknown_values();
  amplitudes();
  choices_without_effect();
  allocators_come_in_pairs();
  too_large();
  return check_report();
}
