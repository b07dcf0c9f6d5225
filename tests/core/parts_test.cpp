// SPDX-License-Identifier: MIT
// The building blocks by themselves: random numbers, keys, and what a team promises.
#include <gtest/gtest.h>

#include <numeric>

#include "core/keys.h"
#include "core/loads.h"
#include "core/pack/swap.h"
#include "core/random.h"
#include "core/score.h"
#include "core/search/node.h"
#include "core/team/serial.h"
#include "support/emulated_team.h"

namespace eplb {
namespace {

/// The generator's published known answers.
TEST(Philox, KnownAnswers) {
  struct answer {
    philox_block counter;
    std::uint64_t key;
    philox_block want;
  };
  const answer answers[] = {{{0, 0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
                            {{~0u, ~0u, ~0u, ~0u}, ~0ull, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
                            {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                             0x299f31d0a4093822,
                             {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (const answer& answer : answers) {
    const philox_block got = philox4x32(answer.counter, answer.key);
    EXPECT_EQ(got.a, answer.want.a);
    EXPECT_EQ(got.b, answer.want.b);
    EXPECT_EQ(got.c, answer.want.c);
    EXPECT_EQ(got.d, answer.want.d);
  }
}

TEST(Philox, UniformIsAMultipleOfTwoToTheMinus24BelowOne) {
  double sum = 0;
  for (std::uint32_t i = 0; i < 10000; ++i) {
    const float u = uniform(7, 1, 2, 3, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    ASSERT_EQ(u * 0x1p24f, std::floor(u * 0x1p24f));
    sum += static_cast<double>(u);
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

template <class Team>
std::vector<std::uint64_t> leaders(Team& team, std::vector<std::uint64_t>& memory,
                                   const std::vector<std::uint64_t>& keys,
                                   const std::vector<std::pair<int, std::uint64_t>>& changes) {
  std::vector<std::uint64_t> out;
  team.subteam([&]<class Lanes>(Lanes& lanes) {
    typename Lanes::tournament t(lanes, memory.data(), static_cast<int>(keys.size()),
                                 [&](int i) { return keys[static_cast<std::size_t>(i)]; });
    for (const auto& [i, key] : changes) {
      const std::uint64_t leader = t.leader();
      if (lanes.rank() == 0) out.push_back(leader);
      if (i % lanes.size() == lanes.rank()) t.replace(i, key);
    }
  });
  return out;
}

TEST(EmulatedTeam, KeepsItsPromises) {
  for (const int size : {1, 2, 3, 5, 32, 40}) {
    std::vector<std::uint64_t> keys(100), spare(100), memory(100), rounds(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = i * 7919 % 100;
    emulated_team::run(size, [&](emulated_team& team) {
      for (std::uint64_t round = 0; round < 20; ++round) {
        const auto rank = static_cast<std::uint64_t>(team.rank());
        const std::uint64_t least = team.min((rank + round) % static_cast<std::uint64_t>(size) + round);
        if (least == round) ++rounds[rank];
      }
      team.sort(keys.data(), spare.data(), 100);
      const std::vector<std::uint64_t> lead = leaders(team, memory, keys, {{0, 1000}, {1, 1000}, {5, 0}});
      if (team.rank() == 0) {
        EXPECT_EQ(lead, (std::vector<std::uint64_t>{0, 1, 2}));
      }
    });
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end())) << size;
    EXPECT_EQ(std::count(rounds.begin(), rounds.end(), 20u), size);
  }
}

TEST(Loads, AreFiniteAndNotNegative) {
  for (const float bad : {std::nanf(""), -std::nanf(""), infinity, -infinity, -1.0f, -1e-45f})
    EXPECT_FALSE(is_load(bad));
  for (const double bad : {1e39, -1e-300, -0x1p-1074}) EXPECT_FALSE(is_load(bad));
  EXPECT_FALSE(is_load(std::int64_t{-1}));
  EXPECT_FALSE(is_load(std::int32_t{-1}));
  EXPECT_TRUE(is_load(std::numeric_limits<std::int64_t>::max()));
  EXPECT_TRUE(is_load(FLT_MAX));
  EXPECT_EQ(float_bits(to_load(-0.0f)), 0u);
  EXPECT_EQ(to_load(std::int64_t{16777217}), 16777216.0f);  // to nearest, even on ties
  EXPECT_EQ(to_load(std::int64_t{16777219}), 16777220.0f);
}

TEST(Loads, TotalIsCheckedInOrder) {
  serial_team team;
  std::vector<float> load(100, FLT_MAX / 50);
  EXPECT_FALSE(total_is_finite(team, load.data(), 100));
  EXPECT_TRUE(total_is_finite(team, load.data(), 49));
  EXPECT_TRUE(total_is_finite(team, load.data(), 1));
}

/// NaNs have one sign on one machine and the other on another.
TEST(Swap, NoGainIsNotANumber) {
  const float loads[] = {0, 1e-45f, 1, 3, 1e19f, 0x1p102f, FLT_MAX / 2, FLT_MAX};
  for (const float i : loads)
    for (const float j : loads)
      for (const float own : loads)
        for (const float other : loads)
          for (const std::int32_t gain : {peak_gain{}(i - j, own - other), square_gain{}(i - j, own - other),
                                          square_gain{}.bound(i - j, own - other)})
            EXPECT_EQ(bits_float(static_cast<std::uint32_t>(gain)), bits_float(static_cast<std::uint32_t>(gain)));
}

/// A cluster, and the memory that it is in.
struct described {
  explicit described(const plan_shape& shape, const cluster_view& view = {})
      : block(cluster::bytes(shape) + arena::alignment), gpus(lay_out(shape)) {
    gpus.describe(shape, view);
  }

  std::vector<char> block;
  cluster gpus;

 private:
  cluster lay_out(const plan_shape& shape) {
    arena pieces(arena::align(block.data()));
    return cluster::lay_out(pieces, shape);
  }
};

TEST(Cluster, FirstGpusHaveOneSlotMore) {
  const described four({1, 8, 10, 1, 1, 4}), five({1, 3, 3, 1, 1, 5});
  const int want[] = {0, 3, 6, 8, 10};
  for (int gpu = 0; gpu <= 4; ++gpu) EXPECT_EQ(four.gpus.first_slot[gpu], want[gpu]);
  EXPECT_EQ(five.gpus.first_slot[2], 2);
  EXPECT_EQ(five.gpus.first_slot[4], 3);
}

TEST(Cluster, ListsTheGpusOfEachNode) {
  const std::int32_t node[] = {2, 0, 2, 1, 0}, slots[] = {0, 3, 1, 4, 2};
  const described uneven({1, 9, 10, 3, 3, 5}, {slots, nullptr, node});
  const int gpu[] = {1, 4, 3, 0, 2}, first_gpu[] = {0, 2, 3, 5}, first_slot[] = {0, 0, 3, 4, 8, 10};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(uneven.gpus.gpu[i], gpu[i]);
  for (int i = 0; i <= 3; ++i) EXPECT_EQ(uneven.gpus.first_gpu[i], first_gpu[i]);
  for (int i = 0; i <= 5; ++i) EXPECT_EQ(uneven.gpus.first_slot[i], first_slot[i]);
}

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

TEST(Faults, ComeInTheOrderOfTheirKeys) {
  const fault_key keys[] = {load_fault(0, 65534, 65534),
                            load_fault(1, 0, 1),
                            load_fault(1, 1, 0),
                            load_fault(65534, 65534, 65534),
                            total_fault(0),
                            total_fault(65534),
                            placement_fault(0, current_fault::value, 65534),
                            placement_fault(0, current_fault::changes, 1),
                            placement_fault(1, current_fault::value, 0),
                            placement_fault(65534, current_fault::changes, 65535),
                            budget_fault(),
                            no_fault};
  EXPECT_TRUE(std::is_sorted(std::begin(keys), std::end(keys)));
}

TEST(Faults, SayTheirPlaceAndValue) {
  const plan_shape shape{2, 3, 4, 1, 1, 2};
  const double loads[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -11.5};
  const std::int64_t slots[] = {0, 1, 2, 3, 4, 5, 6, -7};
  const plan_input input{{scalar::float64, loads, 2}, {slots, true, any_number, INT64_MAX}, 0};
  const plan_fault load = read_fault(load_fault(1, 1, 2), shape, input);
  EXPECT_EQ(load.kind, fault_kind::load);
  EXPECT_EQ(load.sample, 1u);
  EXPECT_EQ(load.layer, 1u);
  EXPECT_EQ(load.at, 2u);
  EXPECT_TRUE(load.is_real);
  EXPECT_EQ(load.real(), -11.5);
  EXPECT_EQ(read_fault(total_fault(1), shape, input).layer, 1u);
  const plan_fault slot = read_fault(placement_fault(1, current_fault::value, 3), shape, input);
  EXPECT_EQ(slot.layer, 1u);
  EXPECT_EQ(slot.at, 3u);
  EXPECT_EQ(slot.integer(), -7);
  EXPECT_EQ(read_fault(placement_fault(1, current_fault::groups, 4), shape, input).integer(), 4);
  EXPECT_EQ(read_fault(no_fault, shape, input).kind, fault_kind::none);
}

}  // namespace
}  // namespace eplb
