// SPDX-License-Identifier: MIT
// What a team of several threads promises.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "support/emulated_team.h"

namespace eplb {
namespace {

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

}  // namespace
}  // namespace eplb
