// SPDX-License-Identifier: MIT
// The yardstick: the planner that a good C++ textbook leads to. DeepSeek's algorithm for a global plan with the
// containers of the standard library, which is how the fast published planners for a CPU do it.
#pragma once

#include <cstdint>
#include <vector>

namespace bench {

struct textbook_plan {
  std::vector<std::int32_t> slot_expert;    // [slots], slots in order of gpu
  std::vector<std::int32_t> replica_count;  // [experts]
};

textbook_plan plan_by_the_book(const float* load, int experts, int slots, int gpus);

}  // namespace bench
