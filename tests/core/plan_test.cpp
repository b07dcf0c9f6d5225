// SPDX-License-Identifier: MIT
// Whole layers: the core gives what the plain rules give.
#include <gtest/gtest.h>

#include "support/against_reference.h"

namespace eplb {
namespace {

void expect_reference(const rules_case& c) { ASSERT_TRUE(equals_reference(c)) << c.name(); }

TEST(Rules, HoldOnRandomShapes) { for_random_cases(brief() ? 10 : 60, expect_reference); }

TEST(Rules, HoldAtTheEdges) {
  cases::stream s(2);
  for (const plan_shape& shape : cases::edge_shapes()) {
    if (shape.slots > (brief() ? 100 : 500)) continue;  // the plain rules take long there
    for (const cases::load_kind& kind : cases::load_kinds())
      for (const cases::named_rules& rules : cases::all_rules(2))
        if (rules.rules.scope != swap_scope::any_any || shape.slots < 200)
          expect_reference({shape, kind, rules, s.bits()});
  }
}

TEST(Rules, HoldOnLargeShapes) {
  for (const plan_shape& shape : cases::edge_shapes())
    for (const cases::named_rules& rules : cases::all_rules(2))
      if (shape.slots > 500 && rules.rules.scope == swap_scope::none)
        expect_reference({shape, cases::load_kinds()[0], rules, 3});
}

}  // namespace
}  // namespace eplb
