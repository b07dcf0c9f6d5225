// SPDX-License-Identifier: MIT
// Whole layers: the core gives what the plain rules give, and every plan is a plan.
#include <gtest/gtest.h>

#include <set>

#include "core/maps.h"
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

/// What must be true of any placement of a layer.
void check_plan(const plan_shape& shape, const plan& p) {
  const auto slots = static_cast<std::size_t>(shape.slots), experts = static_cast<std::size_t>(shape.experts);
  std::vector<std::set<int>> ranks(experts);
  for (std::size_t slot = 0; slot < slots; ++slot) {
    ASSERT_LT(p.physical_to_logical[slot], experts);
    ASSERT_TRUE(ranks[p.physical_to_logical[slot]].insert(p.replica_rank[slot]).second);
  }
  std::size_t sum = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    ASSERT_FALSE(ranks[e].empty());
    ASSERT_EQ(ranks[e].size(), p.replica_count[e]);
    ASSERT_EQ(*ranks[e].rbegin(), p.replica_count[e] - 1);
    sum += p.replica_count[e];
  }
  ASSERT_EQ(sum, slots);
  const int per_node = shape.slots / shape.nodes, width = shape.experts / shape.groups;
  std::vector<std::set<int>> groups(static_cast<std::size_t>(shape.nodes));
  for (int slot = 0; slot < shape.slots; ++slot)
    groups[static_cast<std::size_t>(slot / per_node)].insert(p.physical_to_logical[static_cast<std::size_t>(slot)] /
                                                             width);
  for (const std::set<int>& on_node : groups) ASSERT_EQ(static_cast<int>(on_node.size()), shape.groups / shape.nodes);
}

void check_inverse(const plan_shape& shape, const plan& p) {
  const auto width = static_cast<std::size_t>(*std::max_element(p.replica_count.begin(), p.replica_count.end())) + 1;
  std::vector<std::int64_t> inverse(static_cast<std::size_t>(shape.experts) * width, 77);
  serial_group group;
  plan copy = p;
  invert(group, shape, {copy.physical_to_logical.data(), copy.replica_rank.data(), copy.replica_count.data()}, width,
         inverse.data());
  for (std::size_t e = 0; e < p.replica_count.size(); ++e)
    for (std::size_t r = 0; r < width; ++r) {
      const std::int64_t slot = inverse[e * width + r];
      if (r >= p.replica_count[e]) {
        ASSERT_EQ(slot, -1);
      } else {
        ASSERT_EQ(p.physical_to_logical[static_cast<std::size_t>(slot)], e);
        ASSERT_EQ(p.replica_rank[static_cast<std::size_t>(slot)], r);
      }
    }
}

TEST(Plans, AreValid) {
  cases::stream s(3);
  const auto rules = cases::all_rules(3);
  for (int i = 0; i < (brief() ? 100 : 1000); ++i) {
    const plan_shape shape = cases::random_shape(s, 1 + s.below(199));
    const cases::load_kind& kind = cases::load_kinds()[extent(s.below(static_cast<int>(cases::load_kinds().size())))];
    const cases::named_rules& rule = rules[extent(s.below(static_cast<int>(rules.size())))];
    const std::vector<float> loads = cases::make_loads(kind, shape, s.bits());
    const plan p = plan_layer(shape, rule.rules, loads.data(), s.bits(), 0);
    SCOPED_TRACE(cases::to_string(shape) + ", " + kind.name + ", " + rule.name);
    ASSERT_NO_FATAL_FAILURE(check_plan(shape, p));
    ASSERT_NO_FATAL_FAILURE(check_inverse(shape, p));
  }
}

/// A swap is only made when it helps, so refining never raises the heaviest gpu.
TEST(Plans, SwapsDoNotRaiseThePeak) {
  cases::stream s(4);
  const std::vector<cases::named_rules> rules = cases::all_rules(1);
  for (int i = 0; i < (brief() ? 100 : 1000); ++i) {
    const int packs = 1 + s.below(19), room = 2 + s.below(6);
    const std::vector<float> loads = cases::make_loads(cases::load_kinds()[0], {1, packs * room, 0, 0, 0, 0}, s.bits());
    const auto peak = [&](const packing_rules& by) {
      const std::vector<int> seats = reference::balanced_packing(by, loads, packs, 0, 0, 0);
      double most = 0;
      for (int p = 0; p < packs; ++p) {
        double sum = 0;
        for (int r = 0; r < room; ++r) sum += static_cast<double>(loads[extent(seats[extent(p * room + r)])]);
        most = std::max(most, sum);
      }
      return most;
    };
    EXPECT_LE(peak(rules[3].rules), peak(rules[0].rules) * (1 + 1e-6));
  }
}

}  // namespace
}  // namespace eplb
