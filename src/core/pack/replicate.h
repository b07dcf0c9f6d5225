// SPDX-License-Identifier: MIT
// Which experts get more than one slot.
#pragma once

#include "core/arena.h"
#include "core/keys.h"

namespace eplb {

/// Slots in the order they are given: each expert one, then the spare ones.
struct replicas {
  index_t* expert;  // [slots]
  index_t* rank;    // [slots]
  float* load;      // [slots] the expert's load shared by its replicas
  index_t* count;   // [experts]

  EPLB_HOST_DEVICE static replicas lay_out(arena& memory, int experts, int slots) {
    replicas out;
    out.expert = memory.take<index_t>(size_cast(slots));
    out.rank = memory.take<index_t>(size_cast(slots));
    out.load = memory.take<float>(size_cast(slots));
    out.count = memory.take<index_t>(size_cast(experts));
    return out;
  }
};

namespace {

/// Gives each spare slot to the expert with the largest load per replica (DeepSeek's EPLB), of those that
/// have less than `most`, for which there must be enough room. Each expert has a slot of its own first, so
/// loads of zero do no harm.
template <class Team>
EPLB_HOST_DEVICE void replicate(Team& team, const float* load, int experts, int slots, const replicas& out,
                                std::uint64_t* tournament_memory, int most = max_extent) {
  const int rank = team.rank(), size = team.size();
  for (int e = rank; e < experts; e += size) {
    out.expert[e] = static_cast<index_t>(e);
    out.rank[e] = 0;
    out.count[e] = 1;
  }
  team.sync();
  if (slots > experts) {
    team.subteam([&]<class Lanes>(Lanes& lanes) {
      typename Lanes::tournament hottest(lanes, tournament_memory, experts,
                                         [&](int e) { return heaviest_key(load[e], static_cast<std::uint32_t>(e)); });
      for (int slot = experts; slot < slots; ++slot) {
        const auto e = static_cast<int>(key_index(hottest.leader()));
        if (e % lanes.size() != lanes.rank()) continue;
        const index_t replica = out.count[e]++;
        out.expert[slot] = static_cast<index_t>(e);
        out.rank[slot] = replica;
        const std::uint64_t key =
            heaviest_key(load[e] / static_cast<float>(replica + 1), static_cast<std::uint32_t>(e));
        hottest.replace(e, replica + 1 < most ? key : last_key);
      }
    });
  }
  const replicas o = out;  // by value: the stores cannot change it
  for (int e = rank; e < experts; e += size) o.load[e] = load[e] / static_cast<float>(o.count[e]);
  team.sync();
  for (int slot = experts + rank; slot < slots; slot += size) o.load[slot] = o.load[o.expert[slot]];
  team.sync();
}

}  // namespace
}  // namespace eplb
