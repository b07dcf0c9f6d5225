// SPDX-License-Identifier: MIT
// What goes wrong with the CUDA backend, and the rules around it: errors found on the device are those that the CPU
// backend finds, word for word; what is refused is refused before it is enqueued; and the plan before survives.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <limits>
#include <stdexcept>

#include "cuda/device.h"

#if defined(EPLB_STUB_CUDA)
#include "cuda/emulated_kernels.h"
#endif

namespace eplb::cuda_tests {
namespace {

#if !defined(EPLB_STUB_CUDA)
void set_emulated_threads(int) {}
#endif

class Faults : public DeviceTest {};

const plan_shape global_shape{3, 12, 16, 1, 1, 4}, nodes_shape{3, 12, 16, 2, 2, 4}, groups_shape{3, 12, 16, 4, 2, 8};

plan_case small_case(const plan_shape& shape, int candidates = 1, int samples = 1) {
  plan_case c = case_of(shape, cases::all_rules(candidates)[candidates > 1 ? 7 : 0], 11);
  c.samples = samples;
  plan_shape all = shape;
  all.layers *= samples;
  c.loads = cases::make_loads(cases::load_kinds()[1], all, 12);
  return c;
}

/// Submits what is on the device in both ways, and expects what the CPU says of it, which must be `status`.
template <class Load, class Index>
void expect_bad(session<Load, Index>& s, const std::vector<Load>& loads, const std::vector<Index>& current,
                eplb_status status) {
  const plan_answer<std::int32_t> expected = answer_of_cpu<std::int32_t>(s.c, loads, current);
  EXPECT_EQ(expected.status, status) << expected.text;
  s.loads.write(loads);
  if (!current.empty()) s.current.write(current);
  s.error = {};
  EXPECT_EQ(s.submit(), status);
  EXPECT_EQ(s.text(), expected.text);
  s.error = {};
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  EXPECT_EQ(s.wait_and_poll(), status);
  EXPECT_EQ(s.text(), expected.text);
}
template <class Load>
void expect_bad(session<Load>& s, const std::vector<Load>& loads) {
  expect_bad(s, loads, s.c.current, EPLB_ERROR_INVALID_LOAD);
}
template <class Index>
void expect_bad_current(session<float, Index>& s, const std::vector<Index>& current) {
  expect_bad(s, s.c.loads, current, EPLB_ERROR_INVALID_PLACEMENT);
}

template <class Load>
std::vector<Load> bad_values() {
  using limits = std::numeric_limits<Load>;
  if constexpr (std::is_integral_v<Load>) {
    return {-1, limits::min()};
  } else {
    std::vector<Load> out{limits::quiet_NaN(), -limits::quiet_NaN(), -1,
                          limits::infinity(),  -limits::infinity(),  -limits::denorm_min()};
    if (sizeof(Load) == 8) out.insert(out.end(), {Load(1e39), Load(0x1.ffffffp127), limits::max(), limits::lowest()});
    return out;
  }
}

template <class Load>
void expect_bad_everywhere() {
  for (const plan_shape& shape : {global_shape, groups_shape})
    for (const int candidates : {1, 6}) {
      session<Load> s(small_case(shape, candidates, 2));
      const std::vector<Load> good = loads_as<Load>(s.c);
      const std::size_t experts = static_cast<std::size_t>(shape.experts), layer = count(shape.layers, shape.experts);
      // First and last of samples, layers and experts.
      for (const std::size_t at : {std::size_t{0}, experts - 1, layer - experts, layer - 1, layer, layer + experts - 1,
                                   2 * layer - experts, 2 * layer - 1})
        for (const Load value : bad_values<Load>()) {
          SCOPED_TRACE(cases::to_string(shape) + ", element " + std::to_string(at) + " of type " +
                       std::to_string(type_of<Load>) + " is " + std::to_string(value));
          std::vector<Load> loads = good;
          loads[at] = value;
          expect_bad(s, loads);
        }
      s.loads.write(good);
      ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
      s.expect_plan();
    }
}

TEST_F(Faults, BadLoadsAreNamedAsByTheCpu) {
  expect_bad_everywhere<float>();
  expect_bad_everywhere<double>();
  expect_bad_everywhere<std::int32_t>();
  expect_bad_everywhere<std::int64_t>();
}

TEST_F(Faults, TheFirstOfSeveralIsNamed) {
  cases::stream random(31);
  for (const int threads : {1, 5}) {
    set_emulated_threads(threads);
    for (const plan_shape& shape : {global_shape, nodes_shape, groups_shape}) {
      session<double> s(small_case(shape, 3, 3));
      const std::vector<double> values = bad_values<double>();
      for (int i = 0; i < (brief() ? 4 : 40) && !HasFailure(); ++i) {
        std::vector<double> loads = loads_as<double>(s.c);
        for (int bad = 2 + random.below(6); bad > 0; --bad)
          loads[static_cast<std::size_t>(random.below(static_cast<int>(loads.size())))] =
              values[static_cast<std::size_t>(random.below(static_cast<int>(values.size())))];
        expect_bad(s, loads);
      }
    }
    set_emulated_threads(1);
  }
}

TEST_F(Faults, TotalsThatOverflowAreNamedAsByTheCpu) {
  for (const plan_shape& shape : {global_shape, groups_shape}) {
    session<float> s(small_case(shape, 1, 2));
    const std::size_t experts = static_cast<std::size_t>(shape.experts), sample = count(shape.layers, shape.experts);
    std::vector<float> loads = s.c.loads;
    loads[experts] = loads[2 * experts - 1] = 3e38f;  // layer 1
    expect_bad(s, loads);
    EXPECT_NE(s.text().find("layer 1"), std::string::npos) << s.text();
    loads[2 * experts] = loads[sample + 2 * experts] = 3e38f;  // layer 2, only over both samples
    expect_bad(s, loads);
    EXPECT_NE(s.text().find("layer 1"), std::string::npos) << s.text();
    loads[experts] = 1;
    expect_bad(s, loads);
    EXPECT_NE(s.text().find("layer 2"), std::string::npos) << s.text();
    loads.back() = -1;  // a bad load goes before any total
    expect_bad(s, loads);
    EXPECT_NE(s.text().find("expert 11 is -1"), std::string::npos) << s.text();
  }
}

template <class Index>
std::vector<Index> bad_experts(int experts) {
  using limits = std::numeric_limits<Index>;
  std::vector<Index> out{-2, experts, 65535, limits::min(), limits::max()};
  if (sizeof(Index) == 8) out.insert(out.end(), {Index(1ll << 32), Index((1ll << 32) - 1), Index(-1ll << 32)});
  return out;
}

template <class Index>
void expect_bad_current_everywhere() {
  for (const plan_shape& shape : {global_shape, nodes_shape, groups_shape}) {
    session<float, Index> s(placed_case(shape));
    const std::vector<Index> good = as<Index>(s.c.current);
    const std::size_t slots = static_cast<std::size_t>(shape.slots);
    for (const std::size_t at : {std::size_t{0}, slots - 1, slots, good.size() - slots, good.size() - 1})
      for (const Index value : bad_experts<Index>(shape.experts)) {
        SCOPED_TRACE(cases::to_string(shape) + ", slot " + std::to_string(at) + " is " + std::to_string(value));
        std::vector<Index> current = good;
        current[at] = value;
        expect_bad_current(s, current);
        EXPECT_EQ(s.text(), "input.current of layer " + std::to_string(at / slots) + ", slot " +
                                std::to_string(at % slots) + " is " + std::to_string(value) +
                                "; it must be an expert, or -1 for none");
      }
    s.put(s.c);
    ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
    s.expect_plan();
  }
}

TEST_F(Faults, BadCurrentPlacementsAreNamedAsByTheCpu) {
  expect_bad_current_everywhere<std::int32_t>();
  expect_bad_current_everywhere<std::int64_t>();
}

TEST_F(Faults, BudgetsThatAreTooSmallForGroupsAreNamedAsByTheCpu) {
  for (const plan_shape& shape : {nodes_shape, groups_shape}) {
    SCOPED_TRACE(cases::to_string(shape));
    plan_case c = placed_case(shape);
    // Experts in order, then copies of the first ones, in layers 1 and 2.
    std::vector<std::int32_t> current = c.current;
    for (int slot = shape.slots; slot < 3 * shape.slots; ++slot)
      current[static_cast<std::size_t>(slot)] = slot % shape.slots % shape.experts;
    const char* const way_out = "; allow them, or plan with policy global";
    c.max_changes_per_layer = 3;
    c.max_changes = -1;
    {
      session<> s(c);
      expect_bad_current(s, current);
      const std::string text = s.text();
      EXPECT_EQ(text.rfind("input.current of layer 1 does not have each group on one node: to bring them there", 0), 0u)
          << text;
      EXPECT_NE(text.find(std::string(" changes, more than max_changes_per_layer") + way_out), std::string::npos)
          << text;
    }
    for (const std::int32_t of_a_layer : {-1, shape.slots}) {
      c.max_changes_per_layer = of_a_layer;
      c.max_changes = 5;
      session<> s(c);
      expect_bad_current(s, current);
      const std::string text = s.text();
      EXPECT_EQ(text.rfind("input.current does not have each group on one node: to bring them there takes ", 0), 0u)
          << text;
      EXPECT_NE(text.find(std::string(" changes over all layers, more than max_changes") + way_out), std::string::npos)
          << text;
      s.put(c);
      ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
      s.expect_plan();
      plan_case enough = c;
      enough.current = current;
      enough.max_changes = std::stoi(text.substr(text.find("takes ") + 6));
      session<> allowed(enough);
      ASSERT_EQ(allowed.submit(), EPLB_SUCCESS) << allowed.text();
      allowed.expect_plan();
    }
  }
}

TEST_F(Faults, BudgetsThatAreTooSmallAreNamedAsByTheCpu) {
  for (const plan_shape& shape : {global_shape, nodes_shape, groups_shape}) {
    SCOPED_TRACE(cases::to_string(shape));
    plan_case c = placed_case(shape);
    // In layer 1 four slots are empty, and two in layer 2, on all nodes.
    std::vector<std::int32_t> current = c.current;
    for (const std::size_t slot : {16, 19, 30, 31, 32, 47}) current[slot] = -1;
    c.max_changes_per_layer = 3;
    c.max_changes = -1;
    {
      session<> s(c);
      expect_bad_current(s, current);
      EXPECT_EQ(s.text(),
                "input.current of layer 1 has slots to fill or experts without one: that takes 4 changes, more than "
                "max_changes_per_layer");
    }
    c.max_changes = 5;  // the layer goes before all layers
    {
      session<> s(c);
      expect_bad_current(s, current);
      EXPECT_NE(s.text().find("layer 1"), std::string::npos) << s.text();
    }
    for (const std::int32_t of_a_layer : {-1, 4}) {
      c.max_changes_per_layer = of_a_layer;
      session<> s(c);
      expect_bad_current(s, current);
      EXPECT_EQ(s.text(),
                "input.current has slots to fill or experts without one: that takes 6 changes over all layers, more "
                "than max_changes");
      s.put(c);
      ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
      s.expect_plan();
    }
    c.max_changes = 6;
    c.current = current;
    session<> s(c);
    ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
    s.expect_plan();
  }
}

TEST_F(Faults, TheFirstOfSeveralFaultsOfAnyKindIsNamed) {
  cases::stream random(32);
  int seen[EPLB_ERROR_INTERNAL + 1] = {};
  for (const int threads : {1, 5}) {
    set_emulated_threads(threads);
    for (const plan_shape& shape : {global_shape, nodes_shape, groups_shape}) {
      const plan_case good = placed_case(shape, 2);
      session<float, std::int64_t> s(good);
      for (int i = 0; i < (brief() ? 15 : 40) && !HasFailure(); ++i) {
        s.c = good;
        s.c.max_changes_per_layer = random.below(2) == 0 ? -1 : random.below(shape.slots);
        s.c.max_changes = random.below(2) == 0 ? -1 : random.below(shape.layers * shape.slots);
        std::vector<std::int64_t> current = as<std::int64_t>(good.current);
        const std::vector<std::int64_t> bad = bad_experts<std::int64_t>(shape.experts);
        for (int changed = random.below(12); changed > 0; --changed) {
          std::int64_t& slot = current[static_cast<std::size_t>(random.below(static_cast<int>(current.size())))];
          const int what = random.below(20);
          slot = what > 4   ? -1
                 : what > 1 ? random.below(shape.experts)
                            : bad[static_cast<std::size_t>(random.below(static_cast<int>(bad.size())))];
        }
        if (random.below(8) == 0)
          s.c.loads[static_cast<std::size_t>(random.below(static_cast<int>(good.loads.size())))] = -1;
        const eplb_status status = answer_of_cpu<std::int32_t>(s.c, s.c.loads, current).status;
        ++seen[status];
        if (status != EPLB_SUCCESS) expect_bad(s, s.c.loads, current, status);
      }
    }
    set_emulated_threads(1);
  }
  EXPECT_GT(seen[EPLB_SUCCESS], 0);
  EXPECT_GT(seen[EPLB_ERROR_INVALID_LOAD], 0);
  EXPECT_GT(seen[EPLB_ERROR_INVALID_PLACEMENT], 3 * seen[EPLB_ERROR_INVALID_LOAD]);
}

/// Bad, with one load that is.
std::string spoil(session<>& s) {
  plan_case bad = s.c;
  bad.loads[5] = -3;
  s.put(bad);
  const plan_answer<std::int32_t> answer = answer_of_cpu(bad);
  EXPECT_EQ(answer.status, EPLB_ERROR_INVALID_LOAD);
  return answer.text;
}

/// What may be wrong, once it is on the device, with what a plan is made from.
struct fault {
  const char* name;
  plan_case c;
  eplb_status status;
  void (*make)(plan_case&);

  /// Returns what the CPU says of it.
  std::string put(session<>& s) const {
    plan_case bad = c;
    make(bad);
    s.put(bad);
    const plan_answer<std::int32_t> answer = answer_of_cpu(bad);
    EXPECT_EQ(answer.status, status) << answer.text;
    return answer.text;
  }
};

std::vector<fault> all_faults() {
  plan_case few_in_a_layer = placed_case(nodes_shape), few_in_all = placed_case(global_shape);
  plan_case few_for_groups = placed_case(groups_shape);
  few_for_groups.max_changes_per_layer = 0;
  few_in_a_layer.max_changes_per_layer = 2;
  few_in_all.max_changes = 2;
  const auto empty_three = [](plan_case& c) { c.current[20] = c.current[25] = c.current[31] = -1; };
  return {
      {"a load", small_case(global_shape), EPLB_ERROR_INVALID_LOAD, [](plan_case& c) { c.loads[5] = -3; }},
      {"a load, with groups", small_case(groups_shape), EPLB_ERROR_INVALID_LOAD, [](plan_case& c) { c.loads[5] = -3; }},
      {"a load of a search", placed_case(groups_shape), EPLB_ERROR_INVALID_LOAD, [](plan_case& c) { c.loads[5] = -3; }},
      {"no expert", placed_case(global_shape), EPLB_ERROR_INVALID_PLACEMENT, [](plan_case& c) { c.current[9] = 12; }},
      {"a group on two nodes", few_for_groups, EPLB_ERROR_INVALID_PLACEMENT,
       [](plan_case& c) { c.current[16] = c.current[24]; }},
      {"too few changes of a layer", few_in_a_layer, EPLB_ERROR_INVALID_PLACEMENT, empty_three},
      {"too few changes in all", few_in_all, EPLB_ERROR_INVALID_PLACEMENT, empty_three},
  };
}

TEST_F(Faults, ABadSubmitOnAStreamHoldsUntilTheNext) {
  for (const bool has_plan : {true, false})
    for (const fault& bad : all_faults()) {
      SCOPED_TRACE(bad.name);
      session<> s(bad.c);
      host_stats stats(bad.c.shape);
      const host_stats fresh(bad.c.shape);
      std::int32_t most = -7;
      if (has_plan) {
        ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
        EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
      }
      const std::string expected = bad.put(s);
      ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
      for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
        EXPECT_EQ(s.wait_and_poll(), bad.status);
        EXPECT_EQ(s.text(), expected);
        s.error = {};
        EXPECT_EQ(s.get(), bad.status);
        EXPECT_EQ(s.text(), expected);
        EXPECT_TRUE(s.out.is_unwritten());
        EXPECT_EQ(s.get_stats(stats), bad.status);
        EXPECT_TRUE(stats == fresh);
        EXPECT_EQ(eplb_get_max_replica_count(s.planner.get(), &most, s.error), bad.status);
        EXPECT_EQ(most, -7);
      }
      s.put(s.c);
      ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
      ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
      EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
      EXPECT_TRUE(s.out.read() == s.expected());
      s.expect_plan();
    }
}

TEST_F(Faults, ABadSubmitThatBlocksKeepsThePlan) {
  for (const fault& bad : all_faults()) {
    SCOPED_TRACE(bad.name);
    session<> s(bad.c);
    bad.put(s);
    EXPECT_EQ(s.submit(), bad.status);
    EXPECT_EQ(s.get(), EPLB_ERROR_INVALID_STATE) << "there is no plan: " << s.text();
    s.put(s.c);
    ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
    host_stats before(bad.c.shape), after(bad.c.shape);
    ASSERT_EQ(s.get_stats(before), EPLB_SUCCESS) << s.text();
    EXPECT_TRUE(before == answer_of_cpu(s.c).stats);
    bad.put(s);
    EXPECT_EQ(s.submit(), bad.status);
    s.expect_plan();
    ASSERT_EQ(s.get_stats(after), EPLB_SUCCESS) << s.text();
    EXPECT_TRUE(before == after);
    s.out.clear();
    ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
    s.on.wait();
    EXPECT_TRUE(s.out.read() == s.expected());
  }
}

TEST_F(Faults, AnInverseMapThatIsTooNarrow) {
  for (const plan_shape& shape : {global_shape, groups_shape}) {
    plan_case c = small_case(shape);
    c.loads = cases::make_loads(cases::load_kinds()[6], shape, 1);  // one hot expert
    session<> s(c);
    const host_maps<std::int32_t> expected = s.expected();
    const std::int32_t most = answer_of_cpu(c).stats.stats.max_replica_count;
    const std::string sentence =
        "maps.max_replicas is 1; an expert of the plan has " + std::to_string(most) + " replicas";
    ASSERT_GT(most, 1);
    host_maps<std::int32_t> all_but_inverse = expected;
    all_but_inverse.logical_to_physical = s.out.unwritten.logical_to_physical;
    eplb_maps narrow = s.out.maps();
    narrow.max_replicas = 1;

    ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
    EXPECT_EQ(s.get(narrow), EPLB_ERROR_BUFFER_TOO_SMALL);
    EXPECT_EQ(s.text(), sentence);
    EXPECT_TRUE(s.out.is_unwritten());
    EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
    ASSERT_EQ(s.get_async(narrow), EPLB_SUCCESS) << s.text();
    s.error = {};
    EXPECT_EQ(s.wait_and_poll(), EPLB_ERROR_BUFFER_TOO_SMALL);
    EXPECT_EQ(s.text(), sentence);
    EXPECT_TRUE(s.out.read() == all_but_inverse);

    ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
    EXPECT_EQ(s.wait_and_poll(), EPLB_ERROR_BUFFER_TOO_SMALL) << "of the last submit and all gets after it";
    EXPECT_TRUE(s.out.read() == expected);
    s.expect_plan();
    ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
    EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
  }
}

TEST_F(Faults, NothingToGetBeforeTheFirstSubmit) {
  session<> s(small_case(global_shape));
  host_stats stats(global_shape);
  std::int32_t most = -7;
  const auto expect_none = [&] {
    EXPECT_EQ(s.get(), EPLB_ERROR_INVALID_STATE) << s.text();
    EXPECT_EQ(s.get_async(), EPLB_ERROR_INVALID_STATE) << s.text();
    EXPECT_EQ(s.get_stats(stats), EPLB_ERROR_INVALID_STATE) << s.text();
    EXPECT_EQ(eplb_get_max_replica_count(s.planner.get(), &most, s.error), EPLB_ERROR_INVALID_STATE) << s.text();
    EXPECT_EQ(s.poll(), EPLB_ERROR_INVALID_STATE) << s.text();
  };
  expect_none();
  spoil(s);
  EXPECT_EQ(s.submit(), EPLB_ERROR_INVALID_LOAD);
  expect_none();
  EXPECT_EQ(most, -7);
  EXPECT_TRUE(s.out.is_unwritten());
}

using change_input = std::function<void(eplb_input&)>;
using change_maps = std::function<void(eplb_maps&)>;

/// Refused in both ways by name, with the plan, the maps and the outcome as they were.
void refuse(session<>& s, eplb_status status, const std::string& words, const change_input& change) {
  eplb_input input = s.input();
  change(input);
  for (const auto call :
       {+[](session<>&with, const eplb_input&in) { return eplb_submit_weights(with.planner.get(), &in, with.error); },
        +[](session<>&with, const eplb_input&in) {
          return eplb_submit_weights_async(with.planner.get(), &in, with.on, with.error);
        }}) {
    s.error = {};
    EXPECT_EQ(call(s, input), status) << words;
    EXPECT_NE(s.text().find(words), std::string::npos) << words << " is not in: " << s.text();
    EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
    s.expect_plan();
  }
}

void refuse(session<>& s, eplb_status status, const std::string& words, const change_maps& change) {
  eplb_maps maps = s.out.maps();
  change(maps);
  s.out.clear();
  for (const bool async : {false, true}) {
    s.error = {};
    EXPECT_EQ(async ? s.get_async(maps) : s.get(maps), status) << words;
    EXPECT_NE(s.text().find(words), std::string::npos) << words << " is not in: " << s.text();
    EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
    EXPECT_TRUE(s.out.is_unwritten());
  }
}

/// Each of the four maps: its name, the map, its number of elements.
struct map_field {
  const char* name;
  void* eplb_maps::*data;
  std::size_t eplb_maps::*size;
} constexpr map_fields[] = {
    {"maps.physical_to_logical", &eplb_maps::physical_to_logical, &eplb_maps::physical_to_logical_count},
    {"maps.replica_rank", &eplb_maps::replica_rank, &eplb_maps::replica_rank_count},
    {"maps.replica_count", &eplb_maps::replica_count, &eplb_maps::replica_count_count},
    {"maps.logical_to_physical", &eplb_maps::logical_to_physical, &eplb_maps::logical_to_physical_count}};

TEST_F(Faults, WhatIsNotAsItShouldBeIsRefusedByName) {
  session<> s(small_case(global_shape));
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  std::vector<float> host_loads = s.c.loads;
  host_maps<std::int32_t> host(global_shape);
  const auto shifted = [](const void* p) { return const_cast<char*>(static_cast<const char*>(p)) + 2; };

  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.loads", [&](eplb_input& in) { in.loads = host_loads.data(); });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.loads is NULL", [](eplb_input& in) { in.loads = nullptr; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.loads", [&](eplb_input& in) { in.loads = shifted(in.loads); });
  refuse(s, EPLB_ERROR_BUFFER_TOO_SMALL, "input.loads has 35 elements; it must have 36",
         [](eplb_input& in) { --in.loads_count; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.num_samples is 2", [](eplb_input& in) { in.num_samples = 2; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.memory is host", [](eplb_input& in) { in.memory = EPLB_MEMORY_HOST; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.type", [](eplb_input& in) { in.type = 9; });

  const eplb_maps on_host = host.maps();
  for (const map_field& map : map_fields) {
    refuse(s, EPLB_ERROR_INVALID_ARGUMENT, map.name, [&](eplb_maps& m) { m.*map.data = on_host.*map.data; });
    refuse(s, EPLB_ERROR_INVALID_ARGUMENT, map.name, [&](eplb_maps& m) { m.*map.data = shifted(m.*map.data); });
    refuse(s, EPLB_ERROR_BUFFER_TOO_SMALL, map.name, [&](eplb_maps& m) { --(m.*map.size); });
  }
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "maps.memory is host", [](eplb_maps& m) { m.memory = EPLB_MEMORY_HOST; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "maps.type", [](eplb_maps& m) { m.type = EPLB_TYPE_FLOAT32; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "maps.max_replicas", [](eplb_maps& m) { m.max_replicas = 0; });
  EXPECT_TRUE(host == host_maps<std::int32_t>(global_shape));
}

TEST_F(Faults, ACurrentPlacementThatIsNotAsItShouldBeIsRefusedByName) {
  session<> s(placed_case(global_shape)), preset(small_case(global_shape));
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  ASSERT_EQ(preset.submit_async(), EPLB_SUCCESS) << preset.text();
  std::vector<std::int32_t> on_host = s.c.current;

  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.current, at", [&](eplb_input& in) { in.current = on_host.data(); });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.current is at",
         [](eplb_input& in) { in.current = static_cast<const char*>(in.current) + 2; });
  refuse(s, EPLB_ERROR_BUFFER_TOO_SMALL, "input.current has 47 elements; it must have 48",
         [](eplb_input& in) { --in.current_count; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.current_type is 0; it must be EPLB_TYPE_INT32 or EPLB_TYPE_INT64",
         [](eplb_input& in) { in.current_type = EPLB_TYPE_FLOAT32; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.max_changes_per_layer is -2",
         [](eplb_input& in) { in.max_changes_per_layer = -2; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT, "input.max_changes is -2", [](eplb_input& in) { in.max_changes = -2; });
  refuse(s, EPLB_ERROR_INVALID_ARGUMENT,
         "input.max_changes is set, but input.current, from which changes count, is NULL",
         [](eplb_input& in) { in.current = nullptr; });
  refuse(preset, EPLB_ERROR_INVALID_ARGUMENT,
         "input.current is given, but strategy lpt plans from nothing; search can use it", [&](eplb_input& in) {
           in.current = s.current.data();
           in.current_count = s.current.size();
         });
}

void expect_managed_or_pinned_to_do(const plan_case& c) {
  SCOPED_TRACE(c.name);
  const host_maps<std::int32_t> expected = plan_on_cpu<std::int32_t>(c, c.loads);
  for (const bool pinned : {false, true}) {
    session<> s(c);
    eplb_maps maps = s.out.maps();
    std::vector<std::pair<void*, std::size_t>> blocks;
    const auto make = [&](std::size_t bytes) {
      void* out = nullptr;
      EXPECT_CUDA(pinned ? cudaHostAlloc(&out, bytes, cudaHostAllocDefault)
                         : cudaMallocManaged(&out, bytes, cudaMemAttachGlobal));
      blocks.emplace_back(out, bytes);
      return out;
    };
    eplb_input input = s.input();
    input.loads = std::memcpy(make(c.loads.size() * sizeof(float)), c.loads.data(), c.loads.size() * sizeof(float));
    if (!c.current.empty())
      input.current = std::memcpy(make(c.current.size() * sizeof(std::int32_t)), c.current.data(),
                                  c.current.size() * sizeof(std::int32_t));
    for (const map_field& map : map_fields) maps.*map.data = make(maps.*map.size * sizeof(std::int32_t));
    for (const bool async : {false, true}) {
      for (const map_field& map : map_fields) std::memset(maps.*map.data, 0x77, maps.*map.size * sizeof(std::int32_t));
      ASSERT_EQ(async ? eplb_submit_weights_async(s.planner.get(), &input, s.on, s.error)
                      : eplb_submit_weights(s.planner.get(), &input, s.error),
                EPLB_SUCCESS)
          << s.text();
      ASSERT_EQ(async ? s.get_async(maps) : s.get(maps), EPLB_SUCCESS) << s.text();
      s.on.wait();
      const auto* const plan = static_cast<const std::int32_t*>(maps.physical_to_logical);
      const auto* const inverse = static_cast<const std::int32_t*>(maps.logical_to_physical);
      EXPECT_TRUE(std::equal(expected.physical_to_logical.begin(), expected.physical_to_logical.end(), plan));
      EXPECT_TRUE(std::equal(expected.logical_to_physical.begin(), expected.logical_to_physical.end(), inverse));
    }
    for (const auto& [block, bytes] : blocks) EXPECT_CUDA(pinned ? cudaFreeHost(block) : cudaFree(block));
  }
}

TEST_F(Faults, ManagedAndPinnedMemoryWillDo) {
  expect_managed_or_pinned_to_do(small_case(groups_shape, 4));
  expect_managed_or_pinned_to_do(placed_case(groups_shape));
}

TEST_F(Faults, HostMemoryIsNotForStreams) {
  const plan_case c = small_case(global_shape);
  const context planner = make_context(shape_of(c), cuda_options(c, EPLB_MEMORY_HOST));
  const eplb_input input = input_of(c);
  host_maps<std::int32_t> out(c.shape);
  const eplb_maps maps = out.maps();
  last_error error;
  const stream s;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(eplb_submit_weights_async(planner.get(), &input, s, error), EPLB_ERROR_INVALID_STATE);
    EXPECT_NE(error.text().find("memory of kind host"), std::string::npos) << error.text();
    EXPECT_EQ(eplb_get_maps_async(planner.get(), &maps, s, error), EPLB_ERROR_INVALID_STATE);
    EXPECT_NE(error.text().find("memory of kind host"), std::string::npos) << error.text();
    EXPECT_EQ(eplb_poll(planner.get(), error), EPLB_ERROR_INVALID_STATE);
    EXPECT_NE(error.text().find("memory of kind host"), std::string::npos) << error.text();
    EXPECT_EQ(eplb_submit_weights(planner.get(), &input, error), EPLB_SUCCESS) << error.text();
  }
  // And the one call is not for device memory.
  const eplb_shape shape = shape_of(c);
  const eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  EXPECT_EQ(eplb_rebalance_experts(&shape, &options, &input, &maps, nullptr, error), EPLB_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(error.text().find("options.memory"), std::string::npos) << error.text();
  EXPECT_TRUE(out == host_maps<std::int32_t>(c.shape));
}

/// A progress callback that notes its calls and stops, or throws, at one of them.
struct progress {
  enum { never, at_start, at_end } when = never;
  bool by_throwing = false;
  std::vector<std::int64_t> calls{};

  static std::int32_t call(void* user, std::int64_t done, std::int64_t total) {
    auto& self = *static_cast<progress*>(user);
    self.calls.insert(self.calls.end(), {done, total});
    if (self.when != (done == 0 ? at_start : at_end)) return 0;
    if (self.by_throwing) throw std::runtime_error("thrown by the callback");
    return 1;
  }
};

TEST_F(Faults, CancellingKeepsThePlan) {
  const plan_case first = small_case(groups_shape, 3);
  plan_case second = first;
  second.loads = cases::make_loads(cases::load_kinds()[0], second.shape, 99);
  ASSERT_FALSE(plan_on_cpu<std::int32_t>(first, first.loads) == plan_on_cpu<std::int32_t>(second, second.loads));
  for (const bool by_throwing : {false, true})
    for (const auto when : {progress::at_start, progress::at_end})
      for (const std::int32_t memory : {EPLB_MEMORY_HOST, EPLB_MEMORY_CUDA}) {
        SCOPED_TRACE(std::string(by_throwing ? "throwing" : "stopping") +
                     (when == progress::at_start ? " at the start" : " at the end") + ", memory " +
                     std::to_string(memory));
        const bool on_host = memory == EPLB_MEMORY_HOST;
        progress seen;
        eplb_options options = cuda_options(first, memory);
        options.progress_fn = progress::call;
        options.user = &seen;
        session<> s(first, options);
        host_maps<std::int32_t> host(first.shape);
        host_stats stats(first.shape), first_stats(first.shape);
        const auto submit = [&](const plan_case& c) {
          seen.calls.clear();
          s.loads.write(c.loads);
          const eplb_input input = on_host ? input_of(c) : s.input();
          return eplb_submit_weights(s.planner.get(), &input, s.error);
        };
        const auto get = [&] { return s.get(on_host ? host.maps() : s.out.maps()); };
        const auto written = [&] { return on_host ? host : s.out.read(); };
        const auto cancel = [&] {
          seen.when = when;
          seen.by_throwing = by_throwing;
          EXPECT_EQ(submit(second), by_throwing ? EPLB_ERROR_INTERNAL : EPLB_ERROR_CANCELLED) << s.text();
          EXPECT_EQ(seen.calls.size(), when == progress::at_start ? 2u : 4u);
          seen.when = progress::never;
        };

        cancel();
        EXPECT_EQ(get(), EPLB_ERROR_INVALID_STATE) << "there is no plan";
        EXPECT_EQ(s.get_stats(stats), EPLB_ERROR_INVALID_STATE);
        ASSERT_EQ(submit(first), EPLB_SUCCESS) << s.text();
        EXPECT_EQ(seen.calls, (std::vector<std::int64_t>{0, 3, 3, 3}));
        ASSERT_EQ(s.get_stats(first_stats), EPLB_SUCCESS) << s.text();
        for (int i = 0; i < 2; ++i) {
          cancel();
          ASSERT_EQ(get(), EPLB_SUCCESS) << s.text();
          EXPECT_TRUE(written() == s.expected());
          ASSERT_EQ(s.get_stats(stats), EPLB_SUCCESS) << s.text();
          EXPECT_TRUE(stats == first_stats);
        }
        ASSERT_EQ(submit(second), EPLB_SUCCESS) << s.text();
        ASSERT_EQ(get(), EPLB_SUCCESS) << s.text();
        EXPECT_TRUE(written() == plan_on_cpu<std::int32_t>(second, second.loads));
      }
}

TEST_F(Faults, CancellingKeepsTheOutcomeOfTheStream) {
  for (const auto when : {progress::at_start, progress::at_end}) {
    progress seen;
    const plan_case c = small_case(global_shape);
    eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
    options.progress_fn = progress::call;
    options.user = &seen;
    session<> s(c, options);
    const std::string expected = spoil(s);
    ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
    s.on.wait();
    EXPECT_TRUE(seen.calls.empty());
    s.loads.write(c.loads);
    seen.when = when;
    EXPECT_EQ(s.submit(), EPLB_ERROR_CANCELLED) << s.text();
    EXPECT_EQ(s.poll(), EPLB_ERROR_INVALID_LOAD);
    EXPECT_EQ(s.text(), expected);
    EXPECT_EQ(s.get(), EPLB_ERROR_INVALID_LOAD) << s.text();
  }
}

eplb_status memory_needed(const plan_shape& shape, const eplb_options& options, std::size_t& host, std::size_t& cuda) {
  last_error error;
  const eplb_shape given = shape_of(shape);
  const eplb_status status = eplb_memory_needed(&given, &options, &host, &cuda, error);
  EXPECT_EQ(status, EPLB_SUCCESS) << error.text();
  return status;
}

TEST_F(Faults, AWorkspaceOfTheCallersIsEnough) {
  constexpr std::size_t margin = 4096;
  // With groups, of several samples and candidates, for host memory, and too large for shared memory; and searches.
  plan_case large_search = small_case({1, 3000, 4000, 1, 1, 10});
  large_search.search_steps = 2;
  struct {
    plan_case c;
    std::int32_t memory;
  } const all[] = {
      {small_case(groups_shape, 5, 3), EPLB_MEMORY_CUDA},        {small_case(global_shape), EPLB_MEMORY_HOST},
      {small_case({1, 3000, 4000, 1, 1, 10}), EPLB_MEMORY_CUDA}, {placed_case(groups_shape, 3), EPLB_MEMORY_CUDA},
      {placed_case(groups_shape, 2), EPLB_MEMORY_HOST},          {large_search, EPLB_MEMORY_CUDA}};
  for (const auto& [c, memory] : all)
    for (const std::size_t offset : {0, 1, 13, 63}) {
      SCOPED_TRACE(c.name + " at " + std::to_string(offset));
      eplb_options options = cuda_options(c, memory);
      std::size_t host = 0, bytes = 0;
      memory_needed(c.shape, options, host, bytes);
      device_array<unsigned char> block(bytes + 2 * margin);
      block.fill(0x5C);
      options.workspace = block.data() + margin + offset;
      options.workspace_bytes = bytes;
      const plan_answer<std::int32_t> expected = answer_of_cpu(c);
      host_stats stats(c.shape);
      if (memory == EPLB_MEMORY_CUDA) {
        session<> s(c, options);
        ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
        ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
        EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
        EXPECT_TRUE(s.out.read() == expected.maps);
        EXPECT_EQ(s.get_stats(stats), EPLB_SUCCESS) << s.text();
        EXPECT_TRUE(stats == expected.stats);
      } else {
        const context planner = make_context(shape_of(c), options);
        const eplb_input input = input_of(c);
        host_maps<std::int32_t> out(c.shape);
        const eplb_maps maps = out.maps();
        EXPECT_EQ(eplb_submit_weights(planner.get(), &input, nullptr), EPLB_SUCCESS);
        EXPECT_EQ(eplb_get_maps(planner.get(), &maps, nullptr), EPLB_SUCCESS);
        EXPECT_TRUE(out == expected.maps);
      }
      std::vector<unsigned char> after = block.read();
      after.erase(after.begin() + margin + static_cast<std::ptrdiff_t>(offset),
                  after.begin() + margin + static_cast<std::ptrdiff_t>(offset + bytes));
      EXPECT_EQ(std::count(after.begin(), after.end(), 0x5C), std::ptrdiff_t{2 * margin});
    }
}

TEST_F(Faults, AWorkspaceThatIsNotIsRefused) {
  const plan_case c = small_case(global_shape);
  const eplb_shape shape = shape_of(c);
  eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  std::size_t host = 0, bytes = 0;
  memory_needed(c.shape, options, host, bytes);
  const device_array<char> block(bytes);
  last_error error;
  eplb_context* const marker = reinterpret_cast<eplb_context*>(&options);
  eplb_context* planner = marker;
  options.workspace = block.data();
  options.workspace_bytes = bytes - 1;
  EXPECT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_ERROR_BUFFER_TOO_SMALL);
  EXPECT_NE(error.text().find(std::to_string(bytes - 1)), std::string::npos) << error.text();
  EXPECT_NE(error.text().find(std::to_string(bytes)), std::string::npos) << error.text();
  options.backend = EPLB_BACKEND_CPU;
  options.memory = EPLB_MEMORY_HOST;
  options.workspace_bytes = bytes;
  EXPECT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(error.text().find("workspace"), std::string::npos) << error.text();
  EXPECT_EQ(planner, marker);
}

TEST_F(Faults, MemoryNeededGrowsWithWhatIsPlanned) {
  const plan_case c = small_case(groups_shape, 4);
  const plan_shape s = c.shape;
  eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  std::size_t host = 0, cuda = 0, least_host = 0, least_cuda = 0;
  memory_needed(s, options, least_host, least_cuda);
  for (const int by : {2, 8, 64, 512})
    for (const plan_shape& larger : {plan_shape{s.layers * by, s.experts, s.slots, s.groups, s.nodes, s.gpus},
                                     plan_shape{s.layers, s.experts * by, s.slots * by, s.groups, s.nodes, s.gpus},
                                     plan_shape{s.layers, s.experts, s.slots * by, s.groups, s.nodes, s.gpus}}) {
      memory_needed(larger, options, host, cuda);
      EXPECT_GE(host, least_host) << cases::to_string(larger);
      EXPECT_GT(cuda, least_cuda) << cases::to_string(larger);
      // The two plans at least, and no more than some hundred times as much.
      const std::size_t plan = count(larger.layers, 2 * larger.slots + 2 * larger.experts) * sizeof(std::int32_t);
      EXPECT_GE(cuda, 2 * plan) << cases::to_string(larger);
      EXPECT_LE(cuda, 200 * plan + (std::size_t{64} << 20)) << cases::to_string(larger);
    }
  options.max_samples = 7;
  memory_needed(s, options, host, cuda);
  EXPECT_GE(cuda, least_cuda + 5 * 2 * count(s.layers, s.experts) * sizeof(float));  // 6, but for alignment
  options.max_samples = 1;
  options.candidates = 4096;
  memory_needed(s, options, host, cuda);
  EXPECT_GT(cuda, least_cuda);
}

TEST_F(Faults, MemoryNeededOfASearchIsThatOfItsPlans) {
  for (const plan_shape& shape : {plan_shape{58, 256, 288, 1, 1, 32}, plan_shape{58, 256, 288, 4, 4, 32},
                                  plan_shape{1, 128, 512, 1, 1, 64}, plan_shape{20000, 128, 512, 1, 1, 64}}) {
    SCOPED_TRACE(cases::to_string(shape));
    const plan_case packed = case_of(shape, cases::all_rules(1)[0], 1);
    plan_case searched = packed;
    searched.search_steps = 1;
    std::size_t host = 0, cuda = 0, cuda_of_packing = 0;
    memory_needed(shape, cuda_options(packed, EPLB_MEMORY_CUDA), host, cuda_of_packing);
    memory_needed(shape, cuda_options(searched, EPLB_MEMORY_CUDA), host, cuda);
    EXPECT_LT(cuda, cuda_of_packing);
    // The loads and maps of two plans, what nodes tell each other, the scores, and for the rest what any shape takes.
    const std::size_t plans = 2 * (count(shape.layers, shape.experts) * (sizeof(float) + sizeof(std::uint16_t)) +
                                   count(shape.layers, shape.slots, 2) * sizeof(std::uint16_t));
    const std::size_t outcomes = count(shape.layers, shape.nodes) * 5 * sizeof(std::int32_t);
    const std::size_t scores = count(shape.layers, shape.gpus + 3) * sizeof(double);
    EXPECT_LE(cuda, plans + outcomes + scores + (std::size_t{8} << 10)) << plans + outcomes + scores;
  }
}

TEST_F(Faults, MemoryNeededOfHostileShapes) {
  constexpr int most = 65535;
  const std::size_t plane = count(most, most);
  plan_case c = small_case(global_shape, 4);
  c.rules.candidates = c.samples = most;
  int allocations = 0;
  for (const plan_shape& shape : {plan_shape{most, most, most, 1, 1, most}, plan_shape{most, 1, most, 1, 1, 1},
                                  plan_shape{1, most, most, 1, 1, 1}, plan_shape{16384, most, most, most, most, most},
                                  plan_shape{most, most, most, most, 1, most}, plan_shape{most, most, most, 1, 1, 1}}) {
    c.shape = shape;
    eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
    options.user = &allocations;
    options.alloc_fn = [](void* user, std::size_t size) {
      ++*static_cast<int*>(user);
      return std::malloc(size);
    };
    options.free_fn = [](void*, void* block) { std::free(block); };
    std::size_t host = 0, cuda = 0;
    memory_needed(shape, options, host, cuda);
    EXPECT_EQ(allocations, 0);
    // The loads of two plans, and the same once more for maps.
    const std::size_t loads = count(most, shape.layers, shape.experts) * sizeof(float);
    EXPECT_GE(cuda, 2 * loads + count(shape.layers, shape.slots)) << cases::to_string(shape);
    EXPECT_LE(cuda, 4 * loads + plane * most * 8) << cases::to_string(shape);
    EXPECT_LE(host, plane * 64) << cases::to_string(shape);
    if (shape.layers < most || shape.experts < most || shape.gpus > 1) continue;
    // More than any device has, but not than a host has.
    const eplb_shape given = shape_of(shape);
    eplb_context* planner = nullptr;
    last_error error;
    EXPECT_EQ(eplb_create(&given, &options, &planner, error), EPLB_ERROR_OUT_OF_MEMORY) << error.text();
    EXPECT_NE(error.text().find(std::to_string(cuda)), std::string::npos) << error.text();
    allocations = 0;
  }
}

TEST_F(Faults, DevicesAreCountedAndDescribed) {
  int devices = 0;
  ASSERT_CUDA(cudaGetDeviceCount(&devices));
  last_error error;
  EXPECT_EQ(eplb_backend_available(EPLB_BACKEND_CUDA, error), EPLB_SUCCESS) << error.text();
  EXPECT_EQ(eplb_device_count(EPLB_BACKEND_CUDA), devices);
  for (int device = 0; device < devices; ++device) {
    char line[200] = "", cut[5] = "????";
    ASSERT_EQ(eplb_device_describe(EPLB_BACKEND_CUDA, device, line, sizeof line, error), EPLB_SUCCESS) << error.text();
    EXPECT_NE(std::strstr(line, "compute capability"), nullptr) << line;
    EXPECT_EQ(eplb_device_describe(EPLB_BACKEND_CUDA, device, cut, sizeof cut, error), EPLB_SUCCESS) << error.text();
    EXPECT_EQ(std::string(cut), std::string(line).substr(0, 4));
  }
  char untouched[] = "?";
  for (const int device : {-1, devices}) {
    EXPECT_EQ(eplb_device_describe(EPLB_BACKEND_CUDA, device, untouched, sizeof untouched, error),
              EPLB_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(error.text().find("device is " + std::to_string(device)), std::string::npos) << error.text();
  }
  EXPECT_STREQ(untouched, "?");
}

}  // namespace
}  // namespace eplb::cuda_tests
