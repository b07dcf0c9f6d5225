// SPDX-License-Identifier: MIT
// A layer planned by the core and by the plain rules.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/team/serial.h"
#include "support/cases.h"
#include "support/layer_plan.h"
#include "support/reference.h"

namespace eplb {
namespace {

struct plan {
  std::vector<index_t> physical_to_logical, replica_rank, replica_count;
};

inline plan plan_layer(const plan_shape& shape, const packing_rules& rules, const float* load, std::uint64_t seed,
                       int layer) {
  std::vector<char> block;
  const auto phases = layer_plan<serial_team>::in(block, cases::deployment{shape, {}, {}, {}}, 1);
  plan out{std::vector<index_t>(static_cast<std::size_t>(shape.slots)),
           std::vector<index_t>(static_cast<std::size_t>(shape.slots)),
           std::vector<index_t>(static_cast<std::size_t>(shape.experts))};
  serial_team team;
  phases.pack(team, rules, load, seed, layer,
              {out.physical_to_logical.data(), out.replica_rank.data(), out.replica_count.data()});
  return out;
}

inline std::vector<index_t> narrow(const std::vector<int>& from) { return {from.begin(), from.end()}; }

/// A problem for which core and rules can be asked.
struct rules_case {
  plan_shape shape;
  cases::load_kind kind;
  cases::named_rules rules;
  std::uint64_t seed;

  std::string name() const { return cases::to_string(shape) + ", " + kind.name + ", " + rules.name; }
};

inline bool equals_reference(const rules_case& c) {
  const std::vector<float> loads = cases::make_loads(c.kind, c.shape, c.seed);
  for (int layer = 0; layer < c.shape.layers; ++layer) {
    const float* const load = loads.data() + layer * c.shape.experts;
    const plan got = plan_layer(c.shape, c.rules.rules, load, c.seed, layer);
    const reference::maps want =
        reference::balance_layer(c.shape, c.rules.rules, {load, load + c.shape.experts}, c.seed, layer);
    if (got.physical_to_logical != narrow(want.physical_to_logical) || got.replica_rank != narrow(want.replica_rank) ||
        got.replica_count != narrow(want.replica_count))
      return false;
  }
  return true;
}

/// Random shapes with every kind of load and every strategy.
template <class Visit>
void for_random_cases(int shapes, Visit visit) {
  cases::stream s(1);
  for (int round = 0; round < shapes; ++round) {
    const plan_shape shape = cases::random_shape(s, 64);
    for (const cases::load_kind& kind : cases::load_kinds())
      for (const cases::named_rules& rules : cases::all_rules(5)) visit(rules_case{shape, kind, rules, s.bits()});
  }
}

}  // namespace
}  // namespace eplb
