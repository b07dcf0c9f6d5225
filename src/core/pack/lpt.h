// SPDX-License-Identifier: MIT
// Longest processing time first, as in DeepSeek's EPLB: where each replica first gets its gpu, whatever the strategy
// but for zigzag. Swaps and search move it later.
#pragma once

#include "core/keys.h"

namespace eplb {
namespace {

/// Packs that are all alike.
struct even_packs {
  int count, items_in_each;
  static constexpr bool are_alike = true;

  EPLB_HOST_DEVICE int room(int) const { return items_in_each; }
  EPLB_HOST_DEVICE int first_seat(int pack) const { return pack * items_in_each; }
  EPLB_HOST_DEVICE float weigh(int, float load) const { return load; }
};

/// Items, sorted, heaviest first: each to the lightest pack that has room, the lowest pack on ties. Writes the items in
/// the seats of each pack to `member`, and the packs' loads. `packs` says how many items a pack has room for, where its
/// seats begin, and what an item weighs there. `used`: [packs].
template <class Team, class Packs>
EPLB_HOST_DEVICE void pack_lpt(Team& team, const float* load, int items, const Packs& packs, index_t* member,
                               float* pack_load, index_t* used, std::uint64_t* tournament_memory) {
  team.subteam([&]<class Lanes>(Lanes& lanes) {
    const int rank = lanes.rank(), size = lanes.size();
    // While some pack is empty and no item weighs nothing, the next item goes to the next of packs that are alike.
    bool weighs = Packs::are_alike;
    for (int item = 0; weighs && item < packs.count; ++item) weighs &= load[item] > 0;
    const int dealt = weighs ? packs.count : 0;
    for (int pack = rank; pack < packs.count; pack += size) {
      used[pack] = weighs ? 1 : 0;
      pack_load[pack] = weighs ? load[pack] : 0;
      if (weighs) member[packs.first_seat(pack)] = static_cast<index_t>(pack);
    }
    typename Lanes::tournament lightest(lanes, tournament_memory, packs.count, [&](int pack) {
      return packs.room(pack) > used[pack] ? lightest_key(pack_load[pack], static_cast<std::uint32_t>(pack)) : last_key;
    });
    for (int item = dealt; item < items; ++item) {
      const float weight = load[item];  // fetched by all, before it is known who needs it
      const std::uint64_t leader = lightest.leader();
      const auto pack = static_cast<int>(key_index(leader));
      if (pack % size != rank) continue;
      const int seat = used[pack];
      const float sum = add_loads(lightest_key_load(leader), packs.weigh(pack, weight));
      const std::uint64_t key = lightest_key(sum, static_cast<std::uint32_t>(pack));
      pack_load[pack] = sum;
      member[packs.first_seat(pack) + seat] = static_cast<index_t>(item);
      used[pack] = static_cast<index_t>(seat + 1);
      lightest.replace(pack, seat + 1 < packs.room(pack) ? key : last_key);
    }
  });
}

}  // namespace
}  // namespace eplb
