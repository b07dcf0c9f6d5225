// SPDX-License-Identifier: MIT
// Swap refinement of a packing: the best swap of two items, round after round, until none gains.
#pragma once

#include "core/keys.h"
#include "core/rules.h"

namespace eplb {
namespace {

/// Items by their position when sorted, heaviest first, dealt to packs of equal size. The arrays
/// marked + have Team::vector_width more elements, so that a thread may take so many items at once;
/// what stands there looks like items of an immensely loaded pack, with which no swap gains.
struct packing {
  int items, packs;
  const float* load;         // [items +] descending
  index_t* member;           // [packs][items / packs] items of each pack, in sorted order
  float* pack_load;          // [packs] sum over the members, in that order
  index_t* pack_of_item;     // [items]            } kept by the
  float* pack_load_of_item;  // [items +] load of that item's pack   } refinement

  EPLB_HOST_DEVICE int room() const { return items / packs; }
  EPLB_HOST_DEVICE index_t* members_of(int which) const { return member + size_cast(which) * size_cast(room()); }
};

constexpr float infinity = __builtin_inff();

/// A swap must gain more than this, in the unit of the loads.
constexpr float least_gain = 1e-6f;

/// Sums a pack afresh, so that its load does not depend on how it came about.
EPLB_HOST_DEVICE inline float sum_pack(const packing& p, int pack) {
  const index_t* member = p.members_of(pack);
  float sum = 0;
  for (int seat = 0; seat < p.room(); ++seat) sum = add_loads(sum, p.load[member[seat]]);
  return sum;
}

/// After the members of a pack changed.
EPLB_HOST_DEVICE inline void refresh_pack(const packing& p, int pack) {
  const float sum = p.pack_load[pack] = sum_pack(p, pack);
  const index_t* member = p.members_of(pack);
  for (int seat = 0; seat < p.room(); ++seat) {
    p.pack_of_item[member[seat]] = static_cast<index_t>(pack);
    p.pack_load_of_item[member[seat]] = sum;
  }
}

/// Puts item `in` in the place of item `out` and keeps the members in sorted order.
EPLB_HOST_DEVICE inline void replace_member(const packing& p, int pack, int out, int in) {
  index_t* member = p.members_of(pack);
  int seat = 0;
  while (member[seat] != out) ++seat;
  for (; seat + 1 < p.room() && member[seat + 1] < in; ++seat) member[seat] = member[seat + 1];
  for (; seat > 0 && member[seat - 1] > in; --seat) member[seat] = member[seat - 1];
  member[seat] = static_cast<index_t>(in);
}

/// Gains are compared as their bits: these order as positive gains do, and no other is ever taken. None
/// is a NaN, whose sign differs between machines: all loads and sums are finite, and so is each factor.
EPLB_HOST_DEVICE inline std::int32_t order_bits(float gain) { return __builtin_bit_cast(std::int32_t, gain); }

/// How far moving d from a pack to one that is `slack` lighter lowers the higher of the two.
struct peak_gain {
  EPLB_HOST_DEVICE std::int32_t operator()(float d, float slack) const {
    const std::int32_t left = order_bits(d), right = order_bits(slack - d);
    return left < right ? left : right;
  }
  /// No swap gains more whose d is at least this, more than half of the slack, and whose slack is at most this.
  EPLB_HOST_DEVICE std::int32_t bound(float d, float slack) const { return (*this)(d, slack); }
};

/// How far it lowers the sum of squares. Both orders of a pair gain the same.
struct square_gain {
  EPLB_HOST_DEVICE std::int32_t operator()(float d, float slack) const { return order_bits(2 * (d * (slack - d))); }
  /// The same promise; the rounding of the product is made up for.
  EPLB_HOST_DEVICE std::int32_t bound(float d, float slack) const { return order_bits(2.00001f * (d * (slack - d))); }
};

/// Comes after the row of every item.
constexpr int no_row = max_extent;

/// The best swap that the team has seen: its gain, as bits, and the first row that reaches it.
struct best_swap {
  std::int32_t gain = order_bits(least_gain) + 1;  // the least that counts
  int row = no_row;
};

/// Looks at swaps of item i with the later, lighter items. No partner's pack is more than `slack` lighter than the
/// item's, so the partners worth looking at end where d becomes too large. Two items of one pack have no slack between
/// them: they gain nothing and need no test.
template <class Team, class Gain>
EPLB_HOST_DEVICE void look_at_row(Team& team, const packing& p, Gain gain, int i, float slack, best_swap& best) {
  constexpr int width = Team::vector_width;
  if (gain.bound(slack / 2, slack) < best.gain) return;
  const float load = p.load[i], own = p.pack_load_of_item[i];
  std::int32_t highest = best.gain - 1;
  for (int j = i + 1 + team.rank() * width; j < p.items; j += team.size() * width) {
    const float d = load - p.load[j];
    if (2 * d > slack && gain.bound(d, slack) < best.gain) break;
    for (int k = j; k < j + width; ++k) {
      const std::int32_t g = gain(load - p.load[k], own - p.pack_load_of_item[k]);
      highest = g > highest ? g : highest;
    }
  }
  highest = team.max(highest);
  if (highest > best.gain || (highest == best.gain && i < best.row)) best = {highest, i};
}

/// The key of the best swap: its gain, then i * items + j of the first place that reaches it, of those
/// that this thread looked at.
template <class Team, class Gain>
EPLB_HOST_DEVICE std::uint64_t swap_key(Team& team, const packing& p, Gain gain, const best_swap& best) {
  constexpr int width = Team::vector_width;
  const int i = best.row;
  if (i == no_row) return last_key;
  const float load = p.load[i], own = p.pack_load_of_item[i];
  for (int j = i + 1 + team.rank() * width; j < p.items; j += team.size() * width)
    for (int k = j; k < j + width; ++k)
      if (gain(load - p.load[k], own - p.pack_load_of_item[k]) == best.gain)
        return heaviest_key(bits_float(static_cast<std::uint32_t>(best.gain)), index_pair::key(i, k, p.items));
  return last_key;
}

/// An item of the heaviest pack with one of the lightest.
template <class Team>
EPLB_HOST_DEVICE std::uint64_t best_of_two_packs(Team& team, const packing& p, int heavy, int light) {
  const index_t *from = p.members_of(heavy), *to = p.members_of(light);
  const float slack = p.pack_load[heavy] - p.pack_load[light];
  std::int32_t highest = order_bits(least_gain);
  std::uint64_t best = last_key;
  int lighter = team.rank();  // this thread's first partner that is
  for (int a = 0; a < p.room(); ++a) {
    const float load = p.load[from[a]];
    while (lighter < p.room() && p.load[to[lighter]] >= load) lighter += team.size();
    for (int b = lighter; b < p.room(); b += team.size()) {
      const float d = load - p.load[to[b]];
      const std::int32_t g = peak_gain{}(d, slack);
      if (2 * d > slack && g <= highest) break;
      if (g <= highest) continue;
      highest = g;
      best = heaviest_key(bits_float(static_cast<std::uint32_t>(g)), index_pair::key(from[a], to[b], p.items));
    }
  }
  return team.min(best);
}

/// An item of the heaviest pack with one of any other. An item that is heavier has nothing to gain
/// from a swap that lowers its own pack, so partners come later in the order.
template <class Team>
EPLB_HOST_DEVICE std::uint64_t best_of_heaviest(Team& team, const packing& p, int heavy, int light) {
  const index_t* from = p.members_of(heavy);
  const float slack = p.pack_load[heavy] - p.pack_load[light];
  best_swap best;
  for (int seat = 0; seat < p.room(); ++seat) look_at_row(team, p, peak_gain{}, from[seat], slack, best);
  return team.min(swap_key(team, p, peak_gain{}, best));
}

/// Any item with any later one: both orders of a pair gain the same, and the earlier item comes first
/// as a row. The heaviest pack goes first: what it can gain shows which other packs cannot gain more.
template <class Team>
EPLB_HOST_DEVICE std::uint64_t best_of_all(Team& team, const packing& p, int heavy, int light) {
  constexpr square_gain gain;
  best_swap best;
  for (int turn = -1; turn < p.packs; ++turn) {
    const int pack = turn < 0 ? heavy : turn;
    const float slack = p.pack_load[pack] - p.pack_load[light];
    if (turn == heavy || gain.bound(slack / 2, slack) < best.gain) continue;
    const index_t* const member = p.members_of(pack);
    for (int seat = 0; seat < p.room(); ++seat) look_at_row(team, p, gain, member[seat], slack, best);
  }
  return team.min(swap_key(team, p, gain, best));
}

/// The heaviest and the lightest pack, the first on ties.
struct extremes {
  int heavy, light;
};

template <class Team>
EPLB_HOST_DEVICE extremes find_extremes(Team& team, const packing& p) {
  const int rank = team.rank(), size = team.size();
  std::int32_t most = -1, least = 0x7fffffff;
  for (int pack = rank; pack < p.packs; pack += size) {
    const std::int32_t load = order_bits(p.pack_load[pack]);
    most = load > most ? load : most;
    least = load < least ? load : least;
  }
  std::uint64_t heavy = last_key, light = last_key;
  for (int pack = rank; pack < p.packs; pack += size) {
    const float load = p.pack_load[pack];
    const auto index = static_cast<std::uint32_t>(pack);
    if (heavy == last_key && order_bits(load) == most) heavy = heaviest_key(load, index);
    if (light == last_key && order_bits(load) == least) light = lightest_key(load, index);
  }
  return {static_cast<int>(key_index(team.min(heavy))), static_cast<int>(key_index(team.min(light)))};
}

/// The key of the best swap within the scope.
template <class Team>
EPLB_HOST_DEVICE std::uint64_t find_swap(Team& team, const packing& p, swap_scope scope, int heavy, int light) {
  if (scope == swap_scope::any_any) return best_of_all(team, p, heavy, light);
  if (scope == swap_scope::heaviest_any) return best_of_heaviest(team, p, heavy, light);
  return best_of_two_packs(team, p, heavy, light);
}

/// Packs of at least this load.
template <class Team>
EPLB_HOST_DEVICE int count_heavier(Team& team, const packing& p, float load) {
  int count = 0;
  for (int pack = team.rank(); pack < p.packs; pack += team.size()) count += p.pack_load[pack] >= load;
  return team.sum(count);
}

/// Swaps until no swap gains, at most max_swaps times. The packing comes with members and loads. Stops
/// early when its heaviest pack cannot end below `to_beat`: a round lowers one pack, the one that gives.
/// (Also as rounded: with a heavier member in place of another, no partial sum gets smaller.)
template <class Team>
EPLB_HOST_DEVICE void refine(Team& team, const packing& p, swap_scope scope, int max_swaps, float to_beat) {
  if (scope == swap_scope::none) return;
  const int rank = team.rank(), size = team.size();
  for (int pack = rank; pack < p.packs; pack += size) refresh_pack(p, pack);
  for (int k = rank; k < Team::vector_width; k += size) p.pack_load_of_item[p.items + k] = FLT_MAX;
  team.sync();
  for (int round = 0; round < max_swaps; ++round) {
    if (to_beat < infinity && count_heavier(team, p, to_beat) > max_swaps - round) return;
    const auto [heavy, light] = find_extremes(team, p);
    const std::uint64_t best = find_swap(team, p, scope, heavy, light);
    if (best == last_key) return;
    const auto [i, j] = index_pair(best, p.items);
    const int a = p.pack_of_item[i], b = p.pack_of_item[j];
    team.sync();
    for (int side = rank; side < 2; side += size) {
      const int pack = side == 0 ? a : b;
      replace_member(p, pack, side == 0 ? i : j, side == 0 ? j : i);
      refresh_pack(p, pack);
    }
    team.sync();
  }
}

}  // namespace
}  // namespace eplb
