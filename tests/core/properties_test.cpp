// SPDX-License-Identifier: MIT
// What holds for whatever is drawn: every plan is a plan, keys are ordered, sorts sort.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "core/keys.h"
#include "core/maps.h"
#include "support/against_reference.h"

namespace eplb {
namespace {

RC_GTEST_PROP(Keys, OrderAsLoadThenIndex, ()) {
  const auto load = rc::gen::map(rc::gen::inRange(0, 50), [](int x) { return static_cast<float>(x) * 0.37f; });
  const float a = *load, b = *load;
  const auto i = *rc::gen::inRange(0u, 9u), j = *rc::gen::inRange(0u, 9u);
  RC_ASSERT((lightest_key(a, i) < lightest_key(b, j)) == (a < b || (a == b && i < j)));
  RC_ASSERT((heaviest_key(a, i) < heaviest_key(b, j)) == (a > b || (a == b && i < j)));
  RC_ASSERT(lightest_key_load(lightest_key(a, i)) == a);
  RC_ASSERT(heaviest_key_load(heaviest_key(a, i)) == a);
  RC_ASSERT(key_index(heaviest_key(a, i)) == i);
}

/// Different keys, with many equal leading bits and some far apart.
std::vector<std::uint64_t> some_keys(int n) {
  const int spread = *rc::gen::inRange(1, 64);
  std::vector<std::uint64_t> keys;
  for (int i = 0; i < n; ++i)
    keys.push_back((*rc::gen::arbitrary<std::uint64_t>() >> spread) << 16 | static_cast<std::uint64_t>(i));
  return keys;
}

RC_GTEST_PROP(SerialTeam, Sorts, ()) {
  std::vector<std::uint64_t> keys = some_keys(*rc::gen::inRange(1, 700)), want = keys, spare(keys.size());
  std::sort(want.begin(), want.end());
  serial_team team;
  team.sort(keys.data(), spare.data(), static_cast<int>(keys.size()));
  RC_ASSERT(keys == want);
}

RC_GTEST_PROP(Tournament, LeadsWithTheLeastKey, ()) {
  const int n = *rc::gen::inRange(1, 100);
  std::vector<std::uint64_t> keys = some_keys(n), current = keys, want, got;
  const auto change = rc::gen::pair(rc::gen::inRange(0, n), rc::gen::arbitrary<std::uint64_t>());
  const auto changes = *rc::gen::container<std::vector<std::pair<int, std::uint64_t>>>(change);
  for (const auto& [i, key] : changes) {
    want.push_back(*std::min_element(current.begin(), current.end()));
    current[static_cast<std::size_t>(i)] = key;
  }
  std::vector<std::uint64_t> memory(serial_team::tournament::words(n));
  serial_team team;
  serial_team::tournament t(team, memory.data(), n, [&](int i) { return keys[size_cast(i)]; });
  for (const auto& [i, key] : changes) {
    got.push_back(t.leader());
    t.replace(i, key);
  }
  RC_ASSERT(got == want);
}

/// What must be true of any placement of a layer.
void check_plan(const plan_shape& shape, const plan& p) {
  const auto slots = static_cast<std::size_t>(shape.slots), experts = static_cast<std::size_t>(shape.experts);
  std::vector<std::set<int>> ranks(experts);
  for (std::size_t slot = 0; slot < slots; ++slot) {
    RC_ASSERT(p.physical_to_logical[slot] < experts);
    RC_ASSERT(ranks[p.physical_to_logical[slot]].insert(p.replica_rank[slot]).second);
  }
  std::size_t sum = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    RC_ASSERT(!ranks[e].empty());
    RC_ASSERT(ranks[e].size() == p.replica_count[e]);
    RC_ASSERT(*ranks[e].rbegin() == p.replica_count[e] - 1);
    sum += p.replica_count[e];
  }
  RC_ASSERT(sum == slots);
  const int per_node = shape.slots / shape.nodes, width = shape.experts / shape.groups;
  std::vector<std::set<int>> groups(static_cast<std::size_t>(shape.nodes));
  for (int slot = 0; slot < shape.slots; ++slot)
    groups[static_cast<std::size_t>(slot / per_node)].insert(p.physical_to_logical[static_cast<std::size_t>(slot)] /
                                                             width);
  for (const std::set<int>& on_node : groups) RC_ASSERT(static_cast<int>(on_node.size()) == shape.groups / shape.nodes);
}

void check_inverse(const plan_shape& shape, const plan& p) {
  const auto width = static_cast<std::size_t>(*std::max_element(p.replica_count.begin(), p.replica_count.end())) + 1;
  std::vector<std::int64_t> inverse(static_cast<std::size_t>(shape.experts) * width, 77);
  serial_team team;
  plan copy = p;
  invert(team, shape, {copy.physical_to_logical.data(), copy.replica_rank.data(), copy.replica_count.data()}, width,
         inverse.data());
  for (std::size_t e = 0; e < p.replica_count.size(); ++e)
    for (std::size_t r = 0; r < width; ++r) {
      const std::int64_t slot = inverse[e * width + r];
      if (r >= p.replica_count[e]) {
        RC_ASSERT(slot == -1);
      } else {
        RC_ASSERT(p.physical_to_logical[static_cast<std::size_t>(slot)] == e);
        RC_ASSERT(p.replica_rank[static_cast<std::size_t>(slot)] == r);
      }
    }
}

RC_GTEST_PROP(Plans, AreValid, ()) {
  cases::stream s(*rc::gen::arbitrary<std::uint64_t>());
  const plan_shape shape = cases::random_shape(s, *rc::gen::inRange(1, 200));
  const cases::load_kind kind = *rc::gen::elementOf(cases::load_kinds());
  const cases::named_rules rules = *rc::gen::elementOf(cases::all_rules(3));
  const std::vector<float> loads = cases::make_loads(kind, shape, s.bits());
  const plan p = plan_layer(shape, rules.rules, loads.data(), s.bits(), 0);
  check_plan(shape, p);
  check_inverse(shape, p);
}

/// A swap is only made when it helps, so refining never raises the heaviest gpu.
RC_GTEST_PROP(Plans, SwapsDoNotRaiseThePeak, ()) {
  cases::stream s(*rc::gen::arbitrary<std::uint64_t>());
  const int packs = *rc::gen::inRange(1, 20), room = *rc::gen::inRange(2, 8);
  const std::vector<float> loads = cases::make_loads(cases::load_kinds()[0], {1, packs * room, 0, 0, 0, 0}, s.bits());
  const auto peak = [&](const packing_rules& rules) {
    const std::vector<int> seats = reference::balanced_packing(rules, loads, packs, 0, 0, 0);
    double most = 0;
    for (int p = 0; p < packs; ++p) {
      double sum = 0;
      for (int r = 0; r < room; ++r)
        sum += static_cast<double>(loads[static_cast<std::size_t>(seats[static_cast<std::size_t>(p * room + r)])]);
      most = std::max(most, sum);
    }
    return most;
  };
  const std::vector<cases::named_rules> rules = cases::all_rules(1);
  RC_ASSERT(peak(rules[3].rules) <= peak(rules[0].rules) * (1 + 1e-6));
}

}  // namespace
}  // namespace eplb
