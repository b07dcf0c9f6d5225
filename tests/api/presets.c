/* SPDX-License-Identifier: MIT */
/* Every strategy is a setting of the same five choices: spelt out, it gives the same plan. */
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { LAYERS = 2, EXPERTS = 64, COUNT = LAYERS * EXPERTS };

static const struct choices {
  int32_t strategy, initial, candidates;
  float amplitude;
  int32_t form, scope, swaps, selection;
} presets[] = {
    {EPLB_STRATEGY_LPT, EPLB_INITIAL_LPT, 1, 0, 0, EPLB_SWAP_NONE, 0, 0},
    {EPLB_STRATEGY_LPT_SWAP_MINMAX, EPLB_INITIAL_LPT, 1, 0, 0, EPLB_SWAP_HEAVIEST_LIGHTEST, 20, 0},
    {EPLB_STRATEGY_LPT_RESTART4, EPLB_INITIAL_LPT, 4, 0.05f, EPLB_AMPLITUDE_CONSTANT, EPLB_SWAP_HEAVIEST_LIGHTEST, 20,
     EPLB_SELECTION_SPREAD},
    {EPLB_STRATEGY_LPT_SWAP_ANY, EPLB_INITIAL_LPT, 1, 0, 0, EPLB_SWAP_HEAVIEST_ANY, 50, 0},
    {EPLB_STRATEGY_LPT_RESTART64_ANY, EPLB_INITIAL_LPT, 64, 0.5f, EPLB_AMPLITUDE_LINEAR, EPLB_SWAP_HEAVIEST_ANY, 20,
     EPLB_SELECTION_MAX_LOAD},
    {EPLB_STRATEGY_LPT_SWAP_L2, EPLB_INITIAL_LPT, 1, 0, 0, EPLB_SWAP_ANY_ANY, 50, 0},
    {EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX, EPLB_INITIAL_ZIGZAG, 1, 0, 0, EPLB_SWAP_HEAVIEST_LIGHTEST, 20, 0},
    {EPLB_STRATEGY_LPT_RESTART64_MINMAX, EPLB_INITIAL_LPT, 64, 0.2f, EPLB_AMPLITUDE_LINEAR, EPLB_SWAP_HEAVIEST_LIGHTEST,
     20, EPLB_SELECTION_MAX_LOAD},
};
enum { NUM_PRESETS = sizeof presets / sizeof *presets };

static eplb_options spelt_out(int32_t base, const struct choices* c) {
  eplb_options options = make_options(base);
  options.initial = c->initial;
  options.candidates = c->candidates;
  options.amplitude = c->amplitude;
  options.amplitude_form = c->form;
  options.swap_scope = c->scope;
  options.max_swaps = c->swaps;
  options.selection = c->selection;
  return options;
}

int main(void) {
  const eplb_shape shape = make_shape(LAYERS, EXPERTS, 80, 8, 2, 16);
  float loads[COUNT];
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  plan plans[NUM_PRESETS];
  int p, q;
  fill_loads(loads, COUNT, 11);
  input.seed = 5;
  CHECK(NUM_PRESETS == eplb_strategy_count() - 2); /* all but auto and search: each has a row above */
  for (p = 0; p < NUM_PRESETS; ++p) {
    const eplb_options named = make_options(presets[p].strategy);
    plans[p] = plan_of(&shape, &named, &input);
    for (q = 0; q < p; ++q) CHECK(!plan_same(&plans[p], &plans[q])); /* or the rest proves nothing */
  }
  for (p = 0; p < NUM_PRESETS; ++p) {
    for (q = 0; q < NUM_PRESETS; ++q) {
      const eplb_options mixed = spelt_out(presets[q].strategy, &presets[p]);
      plan got = plan_of(&shape, &mixed, &input);
      CHECK(plan_same(&got, &plans[p]));
      plan_free(&got);
    }
  }
  for (p = 0; p < NUM_PRESETS; ++p) plan_free(&plans[p]);
  return check_report();
}
