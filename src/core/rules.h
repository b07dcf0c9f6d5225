// SPDX-License-Identifier: MIT
// The choices that make a strategy. Their values are those of the header less 1, where 0 is the strategy's own.
#pragma once

namespace eplb {

enum class initial_packing { lpt, zigzag };
enum class amplitude_form { constant, linear };
enum class swap_scope { none, heaviest_lightest, heaviest_any, any_any };
enum class candidate_choice { max_load, spread };

/// The five choices that make a member of the packing family.
struct packing_rules {
  initial_packing initial;
  int candidates;
  float amplitude;
  amplitude_form form;
  swap_scope scope;
  int max_swaps;
  candidate_choice choice;
};

/// How the search over placements goes. A strategy searches if there are steps.
struct search_rules {
  int steps;
  bool allow_duplicates;  // two replicas of an expert on one gpu
  bool sum_samples;       // into one, as the packing family does
  int cost_power;         // of a load, to tell what it costs: 4 or 32
};

}  // namespace eplb
