/* SPDX-License-Identifier: MIT */
/* Plans that start from the placement there is: what is kept, what may change, and what cannot be started from. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum {
  LAYERS = 3,
  EXPERTS = 16,
  SLOTS = 24,
  GROUPS = 4,
  NODES = 2,
  GPUS = 8,
  COUNT = LAYERS * EXPERTS,
  ALL = LAYERS * SLOTS
};

static float before[COUNT], after[COUNT];
static eplb_shape shape;
static eplb_options search;
static int32_t current[ALL]; /* planned for the loads before */

static eplb_input from_current(void) {
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, after, COUNT);
  input.current = current;
  input.current_count = ALL;
  return input;
}

static void set_up(void) {
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, before, COUNT);
  plan p;
  fill_loads(before, COUNT, 1);
  fill_loads(after, COUNT, 2);
  shape = make_shape(LAYERS, EXPERTS, SLOTS, GROUPS, NODES, GPUS);
  search = make_options(EPLB_STRATEGY_SEARCH);
  p = plan_of(&shape, &search, &input);
  memcpy(current, p.maps.physical_to_logical, sizeof current);
  plan_free(&p);
}

static int64_t differing(const int32_t* from, const eplb_maps* to, size_t begin, size_t end) {
  int64_t n = 0;
  size_t i;
  for (i = begin; i < end; ++i) n += from[i] != map_at(to, to->physical_to_logical, i);
  return n;
}

/* A plan from a placement is sound, keeps to the budgets, and tells how many slots changed; so does a judge. */
static int64_t changes_of(const eplb_input* input) {
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  eplb_stats stats = make_stats(), judged = make_stats();
  size_t layer;
  CHECK_OK(eplb_rebalance_experts(&shape, &search, input, &p.maps, &stats, &check_error));
  CHECK_OK(eplb_check_placement(&shape, &p.maps, EPLB_CHECK_DUPLICATES, &check_error));
  CHECK(stats.changes == differing(input->current, &p.maps, 0, ALL));
  for (layer = 0; layer < LAYERS && input->max_changes_per_layer >= 0; ++layer) {
    CHECK(differing(input->current, &p.maps, layer * SLOTS, (layer + 1) * SLOTS) <= input->max_changes_per_layer);
  }
  if (input->max_changes >= 0) CHECK(stats.changes <= input->max_changes);
  CHECK_OK(eplb_score_placement(&shape, input, &p.maps, &judged, &check_error));
  CHECK(judged.changes == stats.changes && judged.balancedness == stats.balancedness && judged.bound == stats.bound);
  plan_free(&p);
  return stats.changes;
}

static void budgets(void) {
  eplb_input input = from_current();
  const int64_t all = changes_of(&input);
  int32_t budget;
  CHECK(all > 25); /* or the rest proves nothing */
  for (budget = 0; budget < 10; ++budget) {
    input.max_changes_per_layer = budget;
    input.max_changes = -1;
    CHECK((changes_of(&input) > 0) == (budget > 0));
    input.max_changes = 2 * budget;
    CHECK((changes_of(&input) > 0) == (budget > 0));
    input.max_changes_per_layer = -1;
    CHECK((changes_of(&input) > 0) == (budget > 0));
  }
  input.max_changes_per_layer = INT32_MAX;
  input.max_changes = INT64_MAX;
  CHECK(changes_of(&input) == all);
}

/* In a context one submit is from a placement, the next from nothing. Nothing changes where nothing may. */
static void nothing_may_change(void) {
  const eplb_input fresh = make_input(EPLB_TYPE_FLOAT32, after, COUNT);
  eplb_context* context = context_of(&shape, &search);
  eplb_input input = from_current();
  eplb_stats stats = make_stats();
  plan from_nothing = plan_of(&shape, &search, &fresh), p = plan_new(&shape, EPLB_TYPE_INT64);
  plan narrow = plan_new(&shape, EPLB_TYPE_INT32);
  int64_t wide[ALL];
  size_t i;
  for (i = 0; i < ALL; ++i) wide[i] = current[i];
  input.max_changes = 0;
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_OK(eplb_get_stats(context, &stats, &check_error));
  CHECK_OK(eplb_get_maps(context, &p.maps, &check_error));
  CHECK(stats.changes == 0 && memcmp(p.maps.physical_to_logical, wide, sizeof wide) == 0);
  input.max_changes = -1;
  input.max_changes_per_layer = 0;
  input.current = wide;
  input.current_type = EPLB_TYPE_INT64;
  plan_clear(&p);
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_OK(eplb_get_maps(context, &p.maps, &check_error));
  CHECK(memcmp(p.maps.physical_to_logical, wide, sizeof wide) == 0);
  CHECK_OK(eplb_check_placement(&shape, &p.maps, 0, &check_error));

  CHECK_OK(eplb_submit_weights(context, &fresh, &check_error));
  CHECK_OK(eplb_get_maps(context, &narrow.maps, &check_error));
  CHECK_OK(eplb_get_stats(context, &stats, &check_error));
  CHECK(plan_same(&narrow, &from_nothing) && stats.changes == 0);
  eplb_destroy(context);
  plan_free(&from_nothing), plan_free(&p), plan_free(&narrow);
}

/* Empty slots are filled and experts without one get one, with no more changes than that takes. */
static void what_is_lost_comes_back(void) {
  int32_t complete[ALL];
  eplb_input input = from_current();
  int64_t lost;
  memcpy(complete, current, sizeof complete);
  memset(current + SLOTS, -1, 3 * sizeof *current); /* gpu 0 of layer 1 */
  input.max_changes_per_layer = 3;
  CHECK(changes_of(&input) >= 3);
  input.max_changes = 3;
  lost = changes_of(&input);
  CHECK(lost == 3);
  input.max_changes_per_layer = 2;
  input.max_changes = -1;
  {
    plan p = plan_new(&shape, EPLB_TYPE_INT32);
    CHECK_SAYS(EPLB_ERROR_INVALID_PLACEMENT,
               "input.current of layer 1 has slots to fill or experts without one: that takes 3 changes, more than "
               "max_changes_per_layer",
               eplb_rebalance_experts(&shape, &search, &input, &p.maps, NULL, &check_error));
    current[2 * SLOTS] = -1;
    input.max_changes_per_layer = -1;
    input.max_changes = 3;
    CHECK_SAYS(EPLB_ERROR_INVALID_PLACEMENT,
               "input.current has slots to fill or experts without one: that takes 4 changes over all layers, more "
               "than max_changes",
               eplb_rebalance_experts(&shape, &search, &input, &p.maps, NULL, &check_error));
    current[2 * SLOTS] = complete[2 * SLOTS];
    memcpy(current + SLOTS + 1, complete + SLOTS + 1, 2 * sizeof *current);
    input.max_changes = 0;
    CHECK_SAYS(EPLB_ERROR_INVALID_PLACEMENT,
               "input.current has slots to fill or experts without one: that takes 1 change over all layers, more "
               "than max_changes",
               eplb_rebalance_experts(&shape, &search, &input, &p.maps, NULL, &check_error));
    input.max_changes_per_layer = 0;
    CHECK_SAYS(EPLB_ERROR_INVALID_PLACEMENT,
               "input.current of layer 1 has slots to fill or experts without one: that takes 1 change, more than "
               "max_changes_per_layer",
               eplb_rebalance_experts(&shape, &search, &input, &p.maps, NULL, &check_error));
    CHECK(plan_unwritten(&p));
    plan_free(&p);
  }
  input.max_changes_per_layer = -1;
  memset(current + SLOTS, -1, 3 * sizeof *current);
  current[2 * SLOTS] = -1;
  input.max_changes = 4;
  CHECK(changes_of(&input) == 4);
  memset(current, -1, sizeof current); /* all of them */
  input.max_changes = ALL;
  CHECK(changes_of(&input) == ALL);
  memcpy(current, complete, sizeof complete);
}

/* Inputs that cannot be started from, one by one: each leaves outputs and the previous plan as they were. */
static void refuse(const eplb_input* input, eplb_status status, const char* sentence) {
  const eplb_input fresh = make_input(EPLB_TYPE_FLOAT32, before, COUNT);
  eplb_input moved = from_current();
  eplb_context* context = context_of(&shape, &search);
  plan p = plan_new(&shape, EPLB_TYPE_INT32), first = plan_of(&shape, &search, &fresh);
  eplb_stats stats = make_stats(), unwritten = stats, of_first = stats;
  const int32_t kept = current[0];
  CHECK_SAYS(status, sentence, eplb_rebalance_experts(&shape, &search, input, &p.maps, &stats, &check_error));
  CHECK(plan_unwritten(&p) && memcmp(&stats, &unwritten, sizeof stats) == 0);
  CHECK_OK(eplb_submit_weights(context, &fresh, &check_error));
  CHECK_SAYS(status, sentence, eplb_submit_weights(context, input, &check_error));
  CHECK_OK(eplb_get_maps(context, &p.maps, &check_error));
  CHECK(plan_same(&p, &first));
  plan_free(&first);

  current[0] = -1; /* a previous plan with changes to tell of */
  moved.max_changes = 7;
  CHECK_OK(eplb_submit_weights(context, &moved, &check_error));
  CHECK_OK(eplb_get_stats(context, &of_first, &check_error));
  CHECK_SAYS(status, sentence, eplb_submit_weights(context, input, &check_error));
  CHECK_OK(eplb_get_stats(context, &stats, &check_error));
  CHECK(of_first.changes > 0 && stats.changes == of_first.changes && stats.balancedness == of_first.balancedness);
  current[0] = kept;
  eplb_destroy(context);
  plan_free(&p);
}

static void bad_placements(void) {
  int32_t bad[ALL];
  int64_t wide[ALL];
  eplb_input input = from_current();
  size_t i;
  input.current = bad;
  memcpy(bad, current, sizeof bad);
  bad[SLOTS + 2] = EXPERTS;
  bad[2 * SLOTS] = -5;
  refuse(&input, EPLB_ERROR_INVALID_PLACEMENT,
         "input.current of layer 1, slot 2 is 16; it must be an expert, or -1 for none");
  bad[SLOTS + 2] = -2;
  refuse(&input, EPLB_ERROR_INVALID_PLACEMENT,
         "input.current of layer 1, slot 2 is -2; it must be an expert, or -1 for none");
  for (i = 0; i < ALL; ++i) wide[i] = current[i];
  wide[7] = ((int64_t)1 << 32) + 1; /* an expert, if it were cut off */
  input.current = wide;
  input.current_type = EPLB_TYPE_INT64;
  refuse(&input, EPLB_ERROR_INVALID_PLACEMENT,
         "input.current of layer 0, slot 7 is 4294967297; it must be an expert, or -1 for none");
}

static int groups_are_on_nodes(const plan* p) {
  size_t i;
  for (i = 0; i < ALL; ++i) {
    const int64_t node = (int64_t)(i % SLOTS) / (SLOTS / NODES);
    const int64_t group = map_at(&p->maps, p->maps.physical_to_logical, i) / (EXPERTS / GROUPS);
    size_t k;
    for (k = i / SLOTS * SLOTS; k < i; ++k) {
      if (map_at(&p->maps, p->maps.physical_to_logical, k) / (EXPERTS / GROUPS) != group) continue;
      if ((int64_t)(k % SLOTS) / (SLOTS / NODES) != node) return 0;
    }
  }
  return 1;
}

/* As an engine begins: experts in order, then copies of the first ones, and one slot empty. A plan by groups brings
 * them together, in layer 1 alone, as well as from nothing; what is left of the budget is used. */
static void groups_come_together(void) {
  const eplb_input fresh = make_input(EPLB_TYPE_FLOAT32, after, COUNT);
  plan from_nothing = plan_of(&shape, &search, &fresh);
  eplb_stats stats = make_stats(), of_nothing = make_stats();
  eplb_input input = from_current();
  int32_t ordered[ALL];
  int64_t needed, free;
  size_t i;
  plan p;
  memcpy(ordered, from_nothing.maps.physical_to_logical, sizeof ordered);
  for (i = 0; i < SLOTS; ++i) ordered[SLOTS + i] = (int32_t)(i % EXPERTS);
  ordered[SLOTS + 17] = -1;
  input.current = ordered;
  free = changes_of(&input);
  p = plan_of(&shape, NULL, &input); /* which searches too, since it is one call */
  CHECK(groups_are_on_nodes(&p) && groups_are_on_nodes(&from_nothing));
  CHECK_OK(eplb_score_placement(&shape, &fresh, &p.maps, &stats, &check_error));
  CHECK_OK(eplb_score_placement(&shape, &fresh, &from_nothing.maps, &of_nothing, &check_error));
  CHECK(stats.balancedness > 0.98 * of_nothing.balancedness);
  plan_free(&p);

  for (needed = 0; needed < SLOTS; ++needed) {
    input.max_changes_per_layer = (int32_t)needed;
    p = plan_new(&shape, EPLB_TYPE_INT32);
    if (eplb_rebalance_experts(&shape, &search, &input, &p.maps, NULL, &check_error) == EPLB_SUCCESS) break;
    CHECK(plan_unwritten(&p));
    plan_free(&p);
  }
  CHECK(needed > 4 && needed < SLOTS && groups_are_on_nodes(&p) && needed <= free);
  plan_free(&p);
  CHECK(changes_of(&input) >= needed);
  {
    char sentence[240];
    input.max_changes_per_layer = (int32_t)needed - 1;
    snprintf(sentence, sizeof sentence,
             "input.current of layer 1 does not have each group on one node: to bring them there takes %d changes, "
             "more than max_changes_per_layer; allow them, or plan with policy global",
             (int)needed);
    refuse(&input, EPLB_ERROR_INVALID_PLACEMENT, sentence);
    ordered[0] = -1;
    input.max_changes_per_layer = -1;
    input.max_changes = needed;
    snprintf(sentence, sizeof sentence,
             "input.current does not have each group on one node: to bring them there takes %d changes over all "
             "layers, more than max_changes; allow them, or plan with policy global",
             (int)needed + 1);
    refuse(&input, EPLB_ERROR_INVALID_PLACEMENT, sentence);
  }
  ++input.max_changes;
  CHECK(changes_of(&input) == needed + 1);
  search.policy = EPLB_POLICY_GLOBAL;
  input.max_changes = 2;
  CHECK(changes_of(&input) == 2);
  search.policy = EPLB_POLICY_AUTO;
  plan_free(&from_nothing);
}

static void bad_arguments(void) {
  eplb_input input = from_current();
  input.current_count = ALL - 1;
  refuse(&input, EPLB_ERROR_BUFFER_TOO_SMALL, "input.current has 71 elements; it must have 72");
  input = from_current();
  input.current_type = EPLB_TYPE_FLOAT32;
  refuse(&input, EPLB_ERROR_INVALID_ARGUMENT, "input.current_type is 0; it must be EPLB_TYPE_INT32 or EPLB_TYPE_INT64");
  input.current_type = 4;
  refuse(&input, EPLB_ERROR_INVALID_ARGUMENT, "input.current_type is 4; it must be EPLB_TYPE_INT32 or EPLB_TYPE_INT64");
  input = from_current();
  input.max_changes_per_layer = -2;
  refuse(&input, EPLB_ERROR_INVALID_ARGUMENT, "input.max_changes_per_layer is -2; it must be -1 to 2147483647");
  input = from_current();
  input.max_changes = -2;
  refuse(&input, EPLB_ERROR_INVALID_ARGUMENT, "input.max_changes is -2; it must be -1 to 9223372036854775807");
  input = from_current();
  input.current = NULL;
  input.max_changes = 0;
  refuse(&input, EPLB_ERROR_INVALID_ARGUMENT,
         "input.max_changes is set, but input.current, from which changes count, is NULL");
  input.max_changes = -1;
  input.max_changes_per_layer = 5;
  refuse(&input, EPLB_ERROR_INVALID_ARGUMENT,
         "input.max_changes_per_layer is set, but input.current, from which changes count, is NULL");
  input = from_current();
  input.current = (const char*)current + 2;
  {
    plan p = plan_new(&shape, EPLB_TYPE_INT32);
    CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "input.current is at|which is not aligned to its elements of 4 bytes",
                eplb_rebalance_experts(&shape, &search, &input, &p.maps, NULL, &check_error));
    CHECK(plan_unwritten(&p));
    plan_free(&p);
  }
}

/* Only a search starts from a placement. A context made by auto for gpus with many slots does not search. */
static void presets_plan_from_nothing(void) {
  const eplb_shape roomy = make_shape(1, 2, 18, 1, 1, 2);
  eplb_context* context = context_of(&roomy, NULL);
  eplb_input input = from_current();
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  int32_t strategy;
  for (strategy = EPLB_STRATEGY_LPT; strategy < eplb_strategy_count(); ++strategy) {
    const eplb_options options = make_options(strategy);
    char sentence[200] = "input.current is given, but strategy ";
    if (strategy == EPLB_STRATEGY_SEARCH) continue;
    strcat(strcat(sentence, eplb_strategy_name(strategy)), " plans from nothing; search can use it");
    CHECK_SAYS(EPLB_ERROR_INVALID_ARGUMENT, sentence,
               eplb_rebalance_experts(&shape, &options, &input, &p.maps, NULL, &check_error));
    CHECK(plan_unwritten(&p));
  }
  CHECK_SAYS(EPLB_ERROR_INVALID_ARGUMENT,
             "input.current is given, but strategy lpt-swap-any plans from nothing; search can use it",
             eplb_submit_weights(context, &input, &check_error));
  eplb_destroy(context);
  plan_free(&p);
}

/* Worked out by hand: slots 1 and 3 hold another expert than now. A fault leaves all outputs as they were. */
static void changes_of_any_placement(void) {
  static const float tokens[] = {8, 3, 1};
  static int32_t experts[] = {0, 1, 2, 1}, now[] = {0, 2, 2, -1};
  int64_t wide[] = {0, 2, 2, -1};
  const eplb_shape small = make_shape(1, 3, 4, 1, 1, 2);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, tokens, 3);
  eplb_stats stats = make_stats(), unwritten;
  double balancedness = -1, gpu_load[2] = {-1, -1}, bound = -1;
  eplb_maps maps;
  CHECK(eplb_maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
  maps.physical_to_logical = experts;
  maps.physical_to_logical_count = 4;
  input.current = now;
  input.current_count = 4;
  CHECK_OK(eplb_score_placement(&small, &input, &maps, &stats, &check_error));
  CHECK(stats.changes == 2);
  input.current = wide;
  input.current_type = EPLB_TYPE_INT64;
  CHECK_OK(eplb_score_placement(&small, &input, &maps, &stats, &check_error));
  CHECK(stats.changes == 2);

  wide[3] = 3;
  stats.layer_balancedness = &balancedness;
  stats.gpu_load = gpu_load;
  stats.layer_bound = &bound;
  stats.layer_balancedness_count = stats.layer_bound_count = 1;
  stats.gpu_load_count = 2;
  unwritten = stats;
  CHECK_SAYS(EPLB_ERROR_INVALID_PLACEMENT,
             "input.current of layer 0, slot 3 is 3; it must be an expert, or -1 for none",
             eplb_score_placement(&small, &input, &maps, &stats, &check_error));
  CHECK(memcmp(&stats, &unwritten, sizeof stats) == 0);
  CHECK(balancedness == -1 && gpu_load[0] == -1 && gpu_load[1] == -1 && bound == -1);
  input.current_count = 3;
  CHECK_SAYS(EPLB_ERROR_BUFFER_TOO_SMALL, "input.current has 3 elements; it must have 4",
             eplb_score_placement(&small, &input, &maps, &stats, &check_error));
}

int main(void) {
  set_up();
  budgets();
  nothing_may_change();
  what_is_lost_comes_back();
  bad_placements();
  groups_come_together();
  bad_arguments();
  presets_plan_from_nothing();
  changes_of_any_placement();
  return check_report();
}
