// SPDX-License-Identifier: MIT
// The strategies. All but auto and search are a mixture of five choices, and a row here is all that one is.
#pragma once

#include "core/rules.h"

#include <cstdint>
#include <iterator>

namespace eplb {

struct preset {
  const char* name;
  const char* description;
  packing_rules rules;
};

/// In the order of the values of ::eplb_strategy.
inline constexpr preset presets[] = {
    {"auto",
     "what we recommend: search for several samples, 3 to 8 slots a gpu or gpus that differ, else lpt-swap-any; may "
     "become better between minor versions",
     {}},
    {"lpt",
     "heaviest first, to the lightest gpu with room (DeepSeek's EPLB)",
     {initial_packing::lpt, 1, 0, amplitude_form::constant, swap_scope::none, 0, candidate_choice::max_load}},
    {"lpt-swap-minmax",
     "lpt, then up to 20 swaps between the heaviest and the lightest gpu",
     {initial_packing::lpt, 1, 0, amplitude_form::constant, swap_scope::heaviest_lightest, 20,
      candidate_choice::max_load}},
    {"lpt-restart4",
     "best of 4 perturbed lpt-swap-minmax, the one with the least spread",
     {initial_packing::lpt, 4, 0.05f, amplitude_form::constant, swap_scope::heaviest_lightest, 20,
      candidate_choice::spread}},
    {"lpt-swap-any",
     "lpt, then up to 50 swaps between the heaviest and any other gpu",
     {initial_packing::lpt, 1, 0, amplitude_form::constant, swap_scope::heaviest_any, 50, candidate_choice::max_load}},
    {"lpt-restart64-any",
     "best of 64 perturbed lpt with up to 20 swaps heaviest to any, the one with the lowest peak",
     {initial_packing::lpt, 64, 0.5f, amplitude_form::linear, swap_scope::heaviest_any, 20,
      candidate_choice::max_load}},
    {"lpt-swap-l2",
     "lpt, then up to 50 swaps between any two gpus that lower the sum of squared loads",
     {initial_packing::lpt, 1, 0, amplitude_form::constant, swap_scope::any_any, 50, candidate_choice::max_load}},
    {"zigzag-swap-minmax",
     "dealt to and fro, then up to 20 swaps between the heaviest and the lightest gpu",
     {initial_packing::zigzag, 1, 0, amplitude_form::constant, swap_scope::heaviest_lightest, 20,
      candidate_choice::max_load}},
    {"lpt-restart64-minmax",
     "best of 64 perturbed lpt-swap-minmax, the one with the lowest peak",
     {initial_packing::lpt, 64, 0.2f, amplitude_form::linear, swap_scope::heaviest_lightest, 20,
      candidate_choice::max_load}},
    {"search",
     "a tabu search over placements: several samples, gpus as they are, from a current placement, no expert twice on a "
     "gpu",
     {initial_packing::lpt, 1, 0, amplitude_form::constant, swap_scope::none, 0, candidate_choice::max_load}},
};
constexpr std::int32_t preset_count = std::size(presets);

}  // namespace eplb
