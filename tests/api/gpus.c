/* SPDX-License-Identifier: MIT */
/* Gpus that are not alike: how many slots each has, how fast it is, on which node. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { EXPERTS = 8, SLOTS = 16, GPUS = 4 };

static const float loads[64];

/* Whatever takes the shape refuses it with this sentence. */
static void refuse(const eplb_shape* shape, const eplb_options* options, const char* sentence) {
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 64);
  eplb_context* context = NULL;
  plan p = plan_new(shape, EPLB_TYPE_INT32);
  size_t host = 7;
  CHECK_SAYS(EPLB_ERROR_INVALID_ARGUMENT, sentence, eplb_create(shape, options, &context, &check_error));
  CHECK_SAYS(EPLB_ERROR_INVALID_ARGUMENT, sentence, eplb_memory_needed(shape, options, &host, NULL, &check_error));
  CHECK_SAYS(EPLB_ERROR_INVALID_ARGUMENT, sentence,
             eplb_rebalance_experts(shape, options, &input, &p.maps, NULL, &check_error));
  CHECK(context == NULL && host == 7 && plan_unwritten(&p));
  plan_free(&p);
}

/* So do the calls that judge. */
static void refuse_everywhere(const eplb_shape* shape, const char* sentence) {
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 64);
  const eplb_shape sound = make_shape(1, EXPERTS, SLOTS, 1, 1, GPUS);
  eplb_stats stats = make_stats();
  plan p = plan_of(&sound, NULL, &input);
  refuse(shape, NULL, sentence);
  CHECK_SAYS(EPLB_ERROR_INVALID_ARGUMENT, sentence, eplb_check_placement(shape, &p.maps, 0, &check_error));
  CHECK_SAYS(EPLB_ERROR_INVALID_ARGUMENT, sentence, eplb_score_placement(shape, &input, &p.maps, &stats, &check_error));
  plan_free(&p);
}

static void bad_slots(void) {
  int32_t slots[GPUS + 1] = {4, 4, 4, 4, 0};
  eplb_shape shape = make_shape(1, EXPERTS, SLOTS, 1, 1, GPUS);
  shape.slots_per_gpu = slots;
  shape.slots_per_gpu_count = 3;
  refuse_everywhere(&shape, "shape.slots_per_gpu has 3 elements; it must have one for each of the 4 gpus");
  shape.slots_per_gpu_count = 5;
  refuse_everywhere(&shape, "shape.slots_per_gpu has 5 elements; it must have one for each of the 4 gpus");
  shape.slots_per_gpu_count = 0;
  refuse_everywhere(&shape, "shape.slots_per_gpu has 0 elements; it must have one for each of the 4 gpus");
  shape.slots_per_gpu_count = GPUS;
  slots[1] = -1;
  slots[2] = 9;
  refuse_everywhere(&shape, "shape.slots_per_gpu of gpu 1 is -1; it must be 0 or more");
  slots[1] = 0;
  refuse_everywhere(&shape, "shape.slots_per_gpu adds up to 17; it must be num_physical_experts, 16");
  slots[2] = 7;
  refuse_everywhere(&shape, "shape.slots_per_gpu adds up to 15; it must be num_physical_experts, 16");
  slots[0] = slots[1] = slots[2] = slots[3] = INT32_MAX;
  refuse_everywhere(&shape, "shape.slots_per_gpu adds up to 8589934588; it must be num_physical_experts, 16");
}

static void bad_speeds(void) {
  static const struct {
    float speed;
    const char* sentence;
  } cases[] = {{0, "shape.speed_of_gpu of gpu 3 is 0; it must be 0.001 to 1000"},
               {-1, "shape.speed_of_gpu of gpu 3 is -1; it must be 0.001 to 1000"},
               {(float)NAN, "shape.speed_of_gpu of gpu 3 is nan; it must be 0.001 to 1000"},
               {(float)INFINITY, "shape.speed_of_gpu of gpu 3 is inf; it must be 0.001 to 1000"},
               {1000.5f, "shape.speed_of_gpu of gpu 3 is 1000.5; it must be 0.001 to 1000"},
               {0.0005f, "shape.speed_of_gpu of gpu 3 is 0.0005; it must be 0.001 to 1000"}};
  float speeds[GPUS] = {0.001f, 1000, 1, 1};
  eplb_shape shape = make_shape(1, EXPERTS, SLOTS, 1, 1, GPUS);
  size_t i;
  shape.speed_of_gpu = speeds;
  shape.speed_of_gpu_count = 2;
  refuse_everywhere(&shape, "shape.speed_of_gpu has 2 elements; it must have one for each of the 4 gpus");
  shape.speed_of_gpu_count = GPUS;
  eplb_destroy(context_of(&shape, NULL));
  for (i = 0; i < sizeof cases / sizeof *cases; ++i) {
    speeds[3] = cases[i].speed;
    refuse_everywhere(&shape, cases[i].sentence);
  }
}

static void bad_nodes(void) {
  int32_t nodes[GPUS] = {0, 1, 1, 2}, slots[GPUS] = {3, 9, 4, 0};
  eplb_shape shape = make_shape(1, EXPERTS, SLOTS, 2, 2, GPUS);
  eplb_options global = make_options(EPLB_STRATEGY_SEARCH), hierarchical = global;
  hierarchical.policy = EPLB_POLICY_HIERARCHICAL;
  shape.node_of_gpu = nodes;
  shape.node_of_gpu_count = 1;
  refuse_everywhere(&shape, "shape.node_of_gpu has 1 element; it must have one for each of the 4 gpus");
  shape.node_of_gpu_count = GPUS;
  global.policy = EPLB_POLICY_GLOBAL; /* which has no use for nodes */
  refuse_everywhere(&shape, "shape.node_of_gpu of gpu 3 is 2; with num_nodes 2 it must be 0 to 1");
  refuse(&shape, &hierarchical, "shape.node_of_gpu of gpu 3 is 2; with num_nodes 2 it must be 0 to 1");
  refuse(&shape, &global, "shape.node_of_gpu of gpu 3 is 2; with num_nodes 2 it must be 0 to 1");
  shape.num_groups = 3; /* which auto cannot share out, so that it is global */
  refuse(&shape, NULL, "shape.node_of_gpu of gpu 3 is 2; with num_nodes 2 it must be 0 to 1");
  shape.num_groups = shape.num_nodes = 1;
  refuse(&shape, NULL, "shape.node_of_gpu of gpu 1 is 1; with num_nodes 1 it must be 0 to 0");
  shape.num_nodes = 0;
  refuse(&shape, &global, "num_nodes is 0; it must be 1 to 65535");
  shape.num_groups = shape.num_nodes = 2;
  nodes[3] = -1;
  refuse_everywhere(&shape, "shape.node_of_gpu of gpu 3 is -1; with num_nodes 2 it must be 0 to 1");
  nodes[3] = 0;
  eplb_destroy(context_of(&shape, &global));
  eplb_destroy(context_of(&shape, &hierarchical));
  shape.slots_per_gpu = slots;
  shape.slots_per_gpu_count = GPUS;
  refuse(&shape, &hierarchical,
         "node 0 has 3 slots, but a hierarchical plan has 4 experts on each; policy global does not");
  slots[3] = 1, --slots[1];
  eplb_destroy(context_of(&shape, &hierarchical));
  nodes[0] = nodes[3] = 1;
  shape.slots_per_gpu = NULL;
  shape.slots_per_gpu_count = 0;
  refuse(&shape, &hierarchical,
         "node 0 has 0 slots, but a hierarchical plan has 4 experts on each; policy global does not");
}

/* What auto makes of 2 groups on 2 nodes of 2 gpus, or on what is left of them. */
static void auto_looks_at_nodes(void) {
  static const struct {
    const char* what;
    int32_t slots[GPUS], nodes[GPUS];
    float speeds[GPUS];
    int32_t policy;
  } cases[] = {{"all alike", {4, 4, 4, 4}, {0, 0, 1, 1}, {1, 1, 1, 1}, EPLB_POLICY_HIERARCHICAL},
               {"the same in another order", {3, 5, 5, 3}, {0, 1, 0, 1}, {1, 2, 2, 1}, EPLB_POLICY_HIERARCHICAL},
               {"a gpu lost on each node", {0, 8, 8, 0}, {0, 0, 1, 1}, {1, 2, 2, 9}, EPLB_POLICY_HIERARCHICAL},
               {"a gpu lost", {5, 5, 6, 0}, {0, 0, 1, 1}, {1, 1, 1, 1}, EPLB_POLICY_GLOBAL},
               {"a gpu lost, as many slots", {4, 4, 8, 0}, {0, 0, 1, 1}, {1, 1, 2, 1}, EPLB_POLICY_GLOBAL},
               {"a node lost", {8, 8, 0, 0}, {0, 0, 1, 1}, {1, 1, 1, 1}, EPLB_POLICY_GLOBAL},
               {"a node twice as large", {5, 5, 3, 3}, {0, 0, 1, 1}, {1, 1, 1, 1}, EPLB_POLICY_GLOBAL},
               {"three gpus and one", {4, 4, 4, 4}, {0, 0, 0, 1}, {1, 1, 1, 1}, EPLB_POLICY_GLOBAL},
               {"none on node 0", {4, 4, 4, 4}, {1, 1, 1, 1}, {1, 1, 1, 1}, EPLB_POLICY_GLOBAL},
               {"a slower gpu", {4, 4, 4, 4}, {0, 0, 1, 1}, {1, 1, 1, 0.5f}, EPLB_POLICY_GLOBAL}};
  float hot[EXPERTS] = {0};
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, hot, EXPERTS);
  eplb_options policies[EPLB_POLICY_GLOBAL + 1];
  size_t i;
  int32_t p;
  fill_loads(hot, EXPERTS, 8);
  for (p = 0; p <= EPLB_POLICY_GLOBAL; ++p) {
    policies[p] = make_options(EPLB_STRATEGY_SEARCH);
    policies[p].policy = p;
  }
  for (i = 0; i < sizeof cases / sizeof *cases; ++i) {
    eplb_shape shape = make_shape(1, EXPERTS, SLOTS, 2, 2, GPUS);
    eplb_context* context;
    plan by_auto, by_name;
    shape.slots_per_gpu = cases[i].slots;
    shape.node_of_gpu = cases[i].nodes;
    shape.speed_of_gpu = cases[i].speeds;
    shape.slots_per_gpu_count = shape.node_of_gpu_count = shape.speed_of_gpu_count = GPUS;
    context = context_of(&shape, &policies[EPLB_POLICY_AUTO]);
    if (eplb_context_policy(context) != cases[i].policy) {
      fprintf(stderr, "%s\n", cases[i].what);
      CHECK(eplb_context_policy(context) == cases[i].policy);
    }
    eplb_destroy(context);
    by_auto = plan_of(&shape, &policies[EPLB_POLICY_AUTO], &input);
    by_name = plan_of(&shape, &policies[cases[i].policy], &input);
    CHECK(plan_same(&by_auto, &by_name));
    plan_free(&by_auto), plan_free(&by_name);
  }
}

/* More nodes than are looked at in one go, of which the last has a gpu less, and then none. */
static void auto_looks_at_all_nodes(void) {
  enum { NODES = 1500, PAIRS = 2 * NODES };
  static int32_t slots[PAIRS];
  eplb_shape shape = make_shape(1, NODES, PAIRS, NODES, NODES, PAIRS);
  eplb_options hierarchical = make_options(EPLB_STRATEGY_SEARCH);
  eplb_context* context;
  size_t gpu;
  for (gpu = 0; gpu < PAIRS; ++gpu) slots[gpu] = 1;
  shape.slots_per_gpu = slots;
  shape.slots_per_gpu_count = PAIRS;
  context = context_of(&shape, NULL);
  CHECK(eplb_context_policy(context) == EPLB_POLICY_HIERARCHICAL);
  eplb_destroy(context);
  slots[PAIRS - 1] = 0;
  --shape.num_physical_experts;
  context = context_of(&shape, NULL);
  CHECK(eplb_context_policy(context) == EPLB_POLICY_GLOBAL);
  eplb_destroy(context);
  slots[PAIRS - 2] = 0;
  --shape.num_physical_experts;
  hierarchical.policy = EPLB_POLICY_HIERARCHICAL;
  refuse(&shape, &hierarchical,
         "node 1499 has 0 slots, but a hierarchical plan has 1 expert on each; policy global does not");
}

static void presets_need_gpus_that_are_alike(void) {
  static const int32_t slots[] = {4, 4, 4, 4}, nodes[] = {0, 0, 0, 0};
  static const float speeds[] = {1, 1, 1, 1};
  const eplb_shape plain = make_shape(1, EXPERTS, SLOTS, 1, 1, GPUS);
  int32_t strategy;
  for (strategy = EPLB_STRATEGY_LPT; strategy < eplb_strategy_count(); ++strategy) {
    const eplb_options options = make_options(strategy);
    const char* const arrays[] = {"slots_per_gpu", "speed_of_gpu", "node_of_gpu"};
    size_t i;
    if (strategy == EPLB_STRATEGY_SEARCH) continue;
    for (i = 0; i < 3; ++i) {
      eplb_shape shape = plain;
      char sentence[200] = "shape.";
      strcat(strcat(sentence, arrays[i]), " is given, but to strategy ");
      strcat(strcat(sentence, eplb_strategy_name(strategy)), " all gpus are alike; search can use it");
      shape.slots_per_gpu = i == 0 ? slots : NULL;
      shape.speed_of_gpu = i == 1 ? speeds : NULL;
      shape.node_of_gpu = i == 2 ? nodes : NULL;
      shape.slots_per_gpu_count = i == 0 ? GPUS : 0;
      shape.speed_of_gpu_count = i == 1 ? GPUS : 0;
      shape.node_of_gpu_count = i == 2 ? GPUS : 0;
      refuse(&shape, &options, sentence);
    }
  }
}

static void bad_objectives(void) {
  const eplb_shape shape = make_shape(1, EXPERTS, SLOTS, 1, 1, GPUS);
  eplb_options options = make_options(EPLB_STRATEGY_SEARCH);
  options.objective = -1;
  refuse(&shape, &options, "objective is -1, which this library does not know; it must be 0 to 2");
  options.objective = 3;
  refuse(&shape, &options, "objective is 3, which this library does not know; it must be 0 to 2");
  options = make_options(EPLB_STRATEGY_LPT_RESTART4);
  options.objective = EPLB_OBJECTIVE_POWER4;
  refuse(&shape, &options, "objective is set, but strategy lpt-restart4 does not search");
}

/* The preset is the 4th power for one sample and the 32nd for several. */
static void objectives(void) {
  enum { MANY = 64, SAMPLES = 3 };
  const eplb_shape shape = make_shape(1, MANY, 72, 1, 1, 18);
  float samples[SAMPLES * MANY];
  int32_t num_samples;
  fill_loads(samples, SAMPLES * MANY, 3);
  for (num_samples = 1; num_samples <= SAMPLES; num_samples += SAMPLES - 1) {
    eplb_input input = make_input(EPLB_TYPE_FLOAT32, samples, SAMPLES * MANY);
    eplb_options options = make_options(EPLB_STRATEGY_SEARCH);
    plan by_preset, by_4, by_32;
    input.num_samples = num_samples;
    by_preset = plan_of(&shape, &options, &input);
    options.objective = EPLB_OBJECTIVE_POWER4;
    by_4 = plan_of(&shape, &options, &input);
    options.objective = EPLB_OBJECTIVE_POWER32;
    by_32 = plan_of(&shape, &options, &input);
    CHECK(!plan_same(&by_4, &by_32));
    CHECK(plan_same(&by_preset, num_samples == 1 ? &by_4 : &by_32));
    plan_free(&by_preset), plan_free(&by_4), plan_free(&by_32);
  }
}

/* Gpu 2 is dead, gpu 0 twice as fast as the others and on the node of gpu 3. */
static const int32_t uneven_slots[GPUS] = {6, 5, 0, 5}, uneven_nodes[GPUS] = {1, 0, 0, 1};
static const float uneven_speeds[GPUS] = {2, 1, 1, 1};

static eplb_shape uneven_shape(int32_t groups, int32_t nodes) {
  eplb_shape shape = make_shape(1, EXPERTS, SLOTS, groups, nodes, GPUS);
  shape.slots_per_gpu = uneven_slots;
  shape.speed_of_gpu = uneven_speeds;
  shape.node_of_gpu = uneven_nodes;
  shape.slots_per_gpu_count = shape.speed_of_gpu_count = shape.node_of_gpu_count = GPUS;
  return shape;
}

static eplb_options by_groups(void) {
  eplb_options options = make_options(EPLB_STRATEGY_SEARCH);
  options.policy = EPLB_POLICY_HIERARCHICAL;
  return options;
}

/* The arrays may be freed, or written to, once the context is made. */
static void arrays_are_copied(void) {
  eplb_shape shape = uneven_shape(2, 2);
  float hot[EXPERTS];
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, hot, EXPERTS);
  const eplb_options options = by_groups();
  int32_t* const slots = malloc(sizeof uneven_slots);
  int32_t* const nodes = malloc(sizeof uneven_nodes);
  float* const speeds = malloc(sizeof uneven_speeds);
  double gpu_load[GPUS];
  eplb_stats stats = make_stats(), expected = make_stats();
  eplb_context* context;
  plan once, got = plan_new(&shape, EPLB_TYPE_INT32);
  fill_loads(hot, EXPERTS, 5);
  once = plan_of(&shape, &options, &input);
  CHECK_OK(eplb_score_placement(&shape, &input, &once.maps, &expected, &check_error));
  memcpy(slots, uneven_slots, sizeof uneven_slots);
  memcpy(nodes, uneven_nodes, sizeof uneven_nodes);
  memcpy(speeds, uneven_speeds, sizeof uneven_speeds);
  shape.slots_per_gpu = slots;
  shape.node_of_gpu = nodes;
  shape.speed_of_gpu = speeds;
  context = context_of(&shape, &options);
  memset(slots, UNWRITTEN, sizeof uneven_slots);
  memset(nodes, UNWRITTEN, sizeof uneven_nodes);
  memset(speeds, UNWRITTEN, sizeof uneven_speeds);
  free(slots), free(nodes), free(speeds);
  memset(&shape, UNWRITTEN, sizeof shape);
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_OK(eplb_get_maps(context, &got.maps, &check_error));
  stats.gpu_load = gpu_load;
  stats.gpu_load_count = GPUS;
  CHECK_OK(eplb_get_stats(context, &stats, &check_error));
  CHECK(plan_same(&got, &once));
  CHECK(stats.balancedness == expected.balancedness && stats.bound == expected.bound && gpu_load[2] == 0);
  eplb_destroy(context);
  plan_free(&got), plan_free(&once);
}

/* Experts of a group are on one node only: slots 0 to 5 and 11 to 15 are on node 1, the others on node 0. */
static void groups_stay_on_nodes(void) {
  const eplb_shape shape = uneven_shape(2, 2);
  float hot[EXPERTS];
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, hot, EXPERTS);
  const eplb_options options = by_groups();
  plan p;
  size_t slot;
  int64_t first_group;
  fill_loads(hot, EXPERTS, 6);
  p = plan_of(&shape, &options, &input);
  CHECK_OK(eplb_check_placement(&shape, &p.maps, 0, &check_error));
  first_group = map_at(&p.maps, p.maps.physical_to_logical, 0) / 4;
  for (slot = 0; slot < SLOTS; ++slot) {
    const int is_there = slot < 6 || slot >= 11;
    CHECK((map_at(&p.maps, p.maps.physical_to_logical, slot) / 4 == first_group) == is_there);
  }
  plan_free(&p);
}

/* A slot on gpu 0, three on gpu 1, on which expert 1 is twice; gpu 0 is twice as fast. */
static void judged_by_hand(void) {
  static const int32_t slots[] = {1, 3};
  static const float speeds[] = {2, 1}, tokens[2][3] = {{8, 3, 1}, {2, 6, 1}};
  static int32_t experts[] = {0, 1, 2, 1, /**/ 0, 1, 2, 1};
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, tokens, 6);
  eplb_shape shape = make_shape(2, 3, 4, 1, 1, 2);
  double balancedness[2], gpu_load[4], bound[2];
  eplb_stats stats = make_stats();
  eplb_maps maps;
  CHECK(eplb_maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
  maps.physical_to_logical = experts;
  maps.physical_to_logical_count = 8;
  CHECK_OK(eplb_check_placement(&shape, &maps, EPLB_CHECK_DUPLICATES, &check_error)); /* two slots each */
  shape.slots_per_gpu = slots;
  shape.speed_of_gpu = speeds;
  shape.slots_per_gpu_count = shape.speed_of_gpu_count = 2;
  CHECK_OK(eplb_check_placement(&shape, &maps, 0, &check_error));
  CHECK_SAYS(EPLB_ERROR_INVALID_PLACEMENT, "layer 0, slot 3 holds expert 1, which gpu 1 has in an earlier slot",
             eplb_check_placement(&shape, &maps, EPLB_CHECK_DUPLICATES, &check_error));

  stats.layer_balancedness = balancedness;
  stats.gpu_load = gpu_load;
  stats.layer_bound = bound;
  stats.layer_balancedness_count = stats.layer_bound_count = 2;
  stats.gpu_load_count = 4;
  CHECK_OK(eplb_score_placement(&shape, &input, &maps, &stats, &check_error));
  CHECK(gpu_load[0] == 8 && gpu_load[1] == 4 && gpu_load[2] == 2 && gpu_load[3] == 7);
  CHECK(balancedness[0] == 1 && balancedness[1] == 3.0 / 7.0);
  CHECK(bound[0] == 1 && bound[1] == 1 && stats.bound == 1);
  CHECK(stats.balancedness == (1 + 3.0 / 7.0) / 2 && stats.duplicates == 2 && stats.changes == 0);

  shape.speed_of_gpu_count = 0;
  shape.speed_of_gpu = NULL; /* now layer 0 has 6 a gpu, but 8 on gpu 0, or else expert 0 is on gpu 1 with another */
  CHECK_OK(eplb_score_placement(&shape, &input, &maps, &stats, &check_error));
  CHECK(balancedness[0] == 0.75 && balancedness[1] == 4.5 / 7.0);
  CHECK(bound[0] == 1 && bound[1] == 1);
}

/* The bound of each layer, and its mean over those that have load. */
static void bounds_by_hand(void) {
  static const int32_t slots[] = {1, 4};
  static const float tokens[3][5] = {{1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}, {4, 1, 1, 1, 1}};
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, tokens, 15);
  eplb_shape shape = make_shape(3, 5, 5, 1, 1, 2);
  double bound[4] = {-1, -1, -1, -1};
  eplb_stats stats = make_stats(), before;
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  shape.slots_per_gpu = slots;
  shape.slots_per_gpu_count = 2;
  stats.layer_bound = bound;
  stats.layer_bound_count = 2;
  before = stats;
  CHECK_SAYS(EPLB_ERROR_BUFFER_TOO_SMALL, "stats.layer_bound has 2 elements; it must have 3",
             eplb_rebalance_experts(&shape, NULL, &input, &p.maps, &stats, &check_error));
  CHECK(plan_unwritten(&p) && memcmp(&stats, &before, sizeof stats) == 0 && bound[0] == -1);
  stats.layer_bound_count = 4;
  CHECK_OK(eplb_rebalance_experts(&shape, NULL, &input, &p.maps, &stats, &check_error));
  CHECK(bound[0] == 0.625 && bound[1] == 1 && bound[2] == 1 && bound[3] == -1);
  CHECK(stats.bound == (0.625 + 1) / 2 && stats.balancedness == stats.bound && stats.empty_layers == 1);
  stats.layer_bound_count = 2;
  CHECK_SAYS(EPLB_ERROR_BUFFER_TOO_SMALL, "stats.layer_bound has 2 elements; it must have 3",
             eplb_score_placement(&shape, &input, &p.maps, &stats, &check_error));
  plan_free(&p);
}

/* Any number of slots, with and without slots_per_gpu: the first gpus have the slots that are left over. */
static void slots_left_over(void) {
  static const int32_t same[] = {4, 4, 3, 3};
  eplb_shape shape = make_shape(2, EXPERTS, 14, 1, 1, GPUS);
  float hot[2 * EXPERTS];
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, hot, 2 * EXPERTS);
  plan without, with;
  fill_loads(hot, 2 * EXPERTS, 7);
  without = plan_of(&shape, NULL, &input);
  CHECK_OK(eplb_check_placement(&shape, &without.maps, EPLB_CHECK_DUPLICATES, &check_error));
  shape.slots_per_gpu = same;
  shape.slots_per_gpu_count = GPUS;
  with = plan_of(&shape, NULL, &input);
  CHECK(plan_same(&without, &with));
  plan_free(&without), plan_free(&with);
}

int main(void) {
  bad_slots();
  bad_speeds();
  bad_nodes();
  auto_looks_at_nodes();
  auto_looks_at_all_nodes();
  presets_need_gpus_that_are_alike();
  bad_objectives();
  objectives();
  arrays_are_copied();
  groups_stay_on_nodes();
  judged_by_hand();
  bounds_by_hand();
  slots_left_over();
  return check_report();
}
