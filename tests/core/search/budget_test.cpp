// SPDX-License-Identifier: MIT
// How nodes and layers share what may change.
#include <gtest/gtest.h>

#include "core/search/budget.h"

namespace eplb {
namespace {

TEST(Budget, IsSharedByWhatEachMadeOfIt) {
  const node_outcome of[] = {{0, 10, 1, 0}, {2, 2, 1, 0}, {1, 5, 1, 0}, {0, 0, 1, 0}};
  int budget[] = {10, 10, 10, 10};
  cut_budgets(of, 4, 17, budget);
  for (const int b : budget) EXPECT_EQ(b, 10);  // enough for all
  cut_budgets(of, 4, 10, budget);
  EXPECT_EQ(budget[0] + budget[1] + budget[2] + budget[3], 10);
  EXPECT_EQ(budget[1], 2);
  EXPECT_GE(budget[2], 1);
  EXPECT_GT(budget[0], budget[2]);
  int none[] = {10, 10, 10, 10};
  cut_budgets(of, 4, 3, none);
  EXPECT_EQ(none[0], 0);
}

TEST(Budget, ThatIsTooSmallIsAFault) {
  const plan_shape shape{2, 8, 8, 2, 2, 2};
  const node_outcome of[] = {{0, 4, 1, 0}, {1, 4, 1, 0}, {2, 4, 1, 3}, {0, 4, 1, 0}};
  const std::int32_t current = 0;
  const auto share = [&](int most_changes, std::int64_t in_all) {
    int budget[] = {most_changes, most_changes, most_changes, most_changes};
    return share_budgets(shape, {&current, false, most_changes, in_all}, of, budget);
  };
  EXPECT_EQ(share(2, 3), no_fault);
  EXPECT_EQ(share(1, 3), placement_fault(1, current_fault::groups, 2));
  EXPECT_EQ(share(0, 3), placement_fault(0, current_fault::changes, 1));
  EXPECT_EQ(share(2, 2), budget_fault());
  const plan_fault fault = read_fault(budget_fault(), shape, {}, of);
  EXPECT_EQ(fault.why, current_fault::groups);
  EXPECT_EQ(fault.integer(), 3);
}

}  // namespace
}  // namespace eplb
