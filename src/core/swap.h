// SPDX-License-Identifier: MIT
// Swap refinement of a packing: the best swap of two items, round after round, until none gains.
#pragma once

#include "core/keys.h"

namespace eplb {
namespace {

/// Items in sorted order, dealt to packs of equal size.
struct packing {
  int items, packs;
  const float* load;  // [items] in sorted order
  index_t* member;    // [packs][items / packs] items of each pack, in sorted order
  float* pack_load;   // [packs] sum over the members, in that order
  index_t* pack;      // [items] pack of each item            } kept by the
  float* own_load;    // [items] load of that item's pack     } refinement

  EPLB_CORE int room() const { return items / packs; }
};

/// A swap must gain more than this, in the unit of the loads.
constexpr float least_gain = 1e-6f;

/// Sums a pack afresh, so that its load does not depend on how it came about.
EPLB_CORE inline float sum_pack(const packing& p, int pack) {
  const index_t* member = p.member + pack * p.room();
  float sum = 0;
  for (int seat = 0; seat < p.room(); ++seat) sum += p.load[member[seat]];
  return sum;
}

/// After the members of a pack changed.
EPLB_CORE inline void refresh_pack(const packing& p, int pack) {
  const float sum = p.pack_load[pack] = sum_pack(p, pack);
  const index_t* member = p.member + pack * p.room();
  for (int seat = 0; seat < p.room(); ++seat) {
    p.pack[member[seat]] = static_cast<index_t>(pack);
    p.own_load[member[seat]] = sum;
  }
}

/// Puts item `in` in the place of item `out` and keeps the members in sorted order.
EPLB_CORE inline void replace_member(const packing& p, int pack, int out, int in) {
  index_t* member = p.member + pack * p.room();
  int seat = 0;
  while (member[seat] != out) ++seat;
  for (; seat + 1 < p.room() && member[seat + 1] < in; ++seat) member[seat] = member[seat + 1];
  for (; seat > 0 && member[seat - 1] > in; --seat) member[seat] = member[seat - 1];
  member[seat] = static_cast<index_t>(in);
}

/// Gains are compared as their bits: exact for positive ones, and no other is ever taken.
EPLB_CORE inline std::int32_t gain_bits(float gain) { return __builtin_bit_cast(std::int32_t, gain); }

/// How far moving d from a pack to one that is `slack` lighter lowers the higher of the two.
struct peak_gain {
  EPLB_CORE std::int32_t operator()(float d, float slack) const {
    const std::int32_t left = gain_bits(d), right = gain_bits(slack - d);
    return left < right ? left : right;
  }
};

/// How far it lowers the sum of squares. Both orders of a pair gain the same.
struct square_gain {
  EPLB_CORE std::int32_t operator()(float d, float slack) const {
    return gain_bits(2 * d * (slack - d));
  }
};

/// The best swap that one thread has seen.
struct best_swap {
  std::int32_t gain;  // bits
  int row;            // first row that reaches it
};

/// Looks at swaps of item i with this thread's share of [begin, end), listed by item(k).
/// Two items of one pack have no slack between them, so they gain nothing and need no test.
template <class Gain, class Item>
EPLB_CORE void look_at_row(const packing& p, Gain gain, int i, int begin, int end, int stride,
                           Item item, best_swap& best) {
  const float load = p.load[i], own = p.own_load[i];
  std::int32_t highest = best.gain;
  for (int k = begin; k < end; k += stride) {
    const int j = item(k);
    const std::int32_t g = gain(load - p.load[j], own - p.own_load[j]);
    highest = g > highest ? g : highest;
  }
  if (highest > best.gain) best = {highest, i};
}

/// The swap's place in row-major order, if this thread's share of its row has it.
template <class Gain, class Item>
EPLB_CORE std::uint32_t find_in_row(const packing& p, Gain gain, int begin, int end, int stride,
                                    Item item, const best_swap& best) {
  const int i = best.row;
  for (int k = begin; k < end; k += stride) {
    const int j = item(k);
    if (gain(p.load[i] - p.load[j], p.own_load[i] - p.own_load[j]) == best.gain)
      return static_cast<std::uint32_t>(i) * static_cast<std::uint32_t>(p.items) +
             static_cast<std::uint32_t>(j);
  }
  return ~std::uint32_t{0};
}

/// Of all threads' swaps the one with the most gain, the first in row-major order on ties; last_key
/// if none gains enough. Its index is i * items + j.
template <class Group, class Gain, class Item>
EPLB_CORE std::uint64_t settle(Group& group, const packing& p, Gain gain, int begin, int end,
                               Item item, const best_swap& best) {
  std::uint64_t key = last_key;
  if (best.gain > gain_bits(least_gain))
    key = heaviest_key(bits_float(static_cast<std::uint32_t>(best.gain)),
                       find_in_row(p, gain, begin, end, group.size(), item, best));
  return group.min(key);
}

/// An item of the heaviest pack with one of the lightest.
template <class Group>
EPLB_CORE std::uint64_t best_of_two_packs(Group& group, const packing& p, int heavy, int light) {
  const index_t *from = p.member + heavy * p.room(), *to = p.member + light * p.room();
  const auto item = [=](int seat) { return static_cast<int>(to[seat]); };
  best_swap best{0, 0};
  for (int seat = 0; seat < p.room(); ++seat)
    look_at_row(p, peak_gain{}, from[seat], group.thread_rank(), p.room(), group.size(), item, best);
  return settle(group, p, peak_gain{}, group.thread_rank(), p.room(), item, best);
}

/// An item of the heaviest pack with one of any other.
template <class Group>
EPLB_CORE std::uint64_t best_of_heaviest(Group& group, const packing& p, int heavy) {
  const index_t* from = p.member + heavy * p.room();
  const auto item = [](int j) { return j; };
  best_swap best{0, 0};
  for (int seat = 0; seat < p.room(); ++seat)
    look_at_row(p, peak_gain{}, from[seat], group.thread_rank(), p.items, group.size(), item, best);
  return settle(group, p, peak_gain{}, group.thread_rank(), p.items, item, best);
}

/// Any item with any later one; the earlier ones gain the same and come first as rows.
template <class Group>
EPLB_CORE std::uint64_t best_of_all(Group& group, const packing& p) {
  const int rank = group.thread_rank(), size = group.size();
  const auto item = [](int j) { return j; };
  const auto begin = [=](int i) { return (i + 1 - rank + size - 1) / size * size + rank; };
  best_swap best{0, 0};
  for (int i = 0; i + 1 < p.items; ++i)
    look_at_row(p, square_gain{}, i, begin(i), p.items, size, item, best);
  return settle(group, p, square_gain{}, begin(best.row), p.items, item, best);
}

/// Swaps until no swap gains, at most max_swaps times. The packing comes with members and loads.
template <class Group>
EPLB_CORE void refine(Group& group, const packing& p, swap_scope scope, int max_swaps) {
  if (scope == swap_scope::none) return;
  const int rank = group.thread_rank(), size = group.size();
  for (int pack = rank; pack < p.packs; pack += size) refresh_pack(p, pack);
  group.sync();
  for (int round = 0; round < max_swaps; ++round) {
    std::uint64_t heavy = last_key, light = last_key, best;
    for (int pack = rank; pack < p.packs; pack += size) {
      const auto index = static_cast<std::uint32_t>(pack);
      const std::uint64_t heavier = heaviest_key(p.pack_load[pack], index);
      const std::uint64_t lighter = lightest_key(p.pack_load[pack], index);
      if (heavier < heavy) heavy = heavier;
      if (lighter < light) light = lighter;
    }
    if (scope == swap_scope::any_any) {
      best = best_of_all(group, p);
    } else {
      const auto from = static_cast<int>(key_index(group.min(heavy)));
      best = scope == swap_scope::heaviest_any
                 ? best_of_heaviest(group, p, from)
                 : best_of_two_packs(group, p, from, static_cast<int>(key_index(group.min(light))));
    }
    if (best == last_key) return;
    if (rank == 0) {
      const auto items = static_cast<std::uint32_t>(p.items);
      const auto i = static_cast<int>(key_index(best) / items);
      const auto j = static_cast<int>(key_index(best) % items);
      const int a = p.pack[i], b = p.pack[j];
      replace_member(p, a, i, j);
      replace_member(p, b, j, i);
      refresh_pack(p, a);
      refresh_pack(p, b);
    }
    group.sync();
  }
}

}  // namespace
}  // namespace eplb
