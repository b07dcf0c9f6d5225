// SPDX-License-Identifier: MIT
// Steps 1 and 3: n items into m packs of n / m items each, as equally loaded as the rules get them.
#pragma once

#include "core/pack/swap.h"
#include "core/random.h"

namespace eplb {

/// One problem, and the numbers that its random draws depend on.
struct packing_problem {
  int items, packs;
  const float* load;  // [items]
  std::uint64_t seed;
  std::uint32_t layer, number;
};

/// The items heaviest first, lowest index first on ties.
struct sorted_items {
  float* load;     // [items + Team::vector_width], then 0
  index_t* index;  // [items] before sorting
  index_t* place;  // [items] by index before sorting: position when sorted

  template <class Team>
  EPLB_HOST_DEVICE static sorted_items lay_out(arena& memory, int items) {
    const auto n = size_cast(items);
    sorted_items out;
    out.load = memory.take<float>(n + Team::vector_width);
    out.index = memory.take<index_t>(n);
    out.place = memory.take<index_t>(n);
    return out;
  }
};

/// What sorting takes.
struct sort_memory {
  std::uint64_t* keys;   // [items]
  std::uint64_t* spare;  // [items]

  EPLB_HOST_DEVICE static sort_memory lay_out(arena& memory, int items) {
    const auto n = size_cast(items);
    sort_memory out;
    out.keys = memory.take<std::uint64_t>(n);
    out.spare = memory.take<std::uint64_t>(n);
    return out;
  }
};

/// What one team needs to try candidates.
struct packing_memory {
  sort_memory sort;
  index_t* position;          // [items] in the true order, of the items in the candidate's
  float* load;                // [items] in the candidate's order
  std::uint64_t* tournament;  // [Team::tournament::words(packs)]
  index_t* member;            // [items]
  index_t* used;              // [packs]
  float* pack_load;           // [packs]
  index_t* pack;              // [items]
  float* own_load;            // [items + Team::vector_width]

  template <class Team>
  EPLB_HOST_DEVICE static packing_memory lay_out(arena& memory, int items, int packs) {
    const auto n = size_cast(items), m = size_cast(packs);
    packing_memory out;
    out.position = memory.take<index_t>(n);
    out.load = memory.take<float>(n);
    const std::size_t begin = memory.used();
    out.sort = sort_memory::lay_out(memory, items);
    const std::size_t sorted = memory.used();
    if (Team::has_little_memory) memory.rewind(begin);  // a candidate's sort is over when its packing begins
    out.tournament = memory.take<std::uint64_t>(Team::tournament::words(packs));
    out.member = memory.take<index_t>(n);
    out.used = memory.take<index_t>(m);
    out.pack_load = memory.take<float>(m);
    out.pack = memory.take<index_t>(n);
    out.own_load = memory.take<float>(n + Team::vector_width);
    if (memory.used() < sorted) memory.rewind(sorted);
    return out;
  }
};

namespace {

/// Sorts the items. A problem without any load is packed as if each item were 1.
template <class Team>
EPLB_HOST_DEVICE void sort_items(Team& team, const packing_problem& problem, const sorted_items& out,
                                 const sort_memory& memory) {
  const int rank = team.rank(), size = team.size(), n = problem.items;
  for (int i = rank; i < n; i += size) memory.keys[i] = heaviest_key(problem.load[i], static_cast<std::uint32_t>(i));
  team.sort(memory.keys, memory.spare, n);
  const bool no_load = heaviest_key_load(memory.keys[0]) == 0;
  for (int t = rank; t < n; t += size) {
    const std::uint32_t i = key_index(memory.keys[t]);
    out.index[t] = static_cast<index_t>(i);
    out.place[i] = static_cast<index_t>(t);
    out.load[t] = no_load ? 1 : heaviest_key_load(memory.keys[t]);
  }
  for (int k = rank; k < Team::vector_width; k += size) out.load[n + k] = 0;
  team.sync();
}

/// Amplitude of candidate c: none for candidate 0.
EPLB_HOST_DEVICE inline float amplitude(const packing_rules& rules, int c) {
  if (c == 0 || rules.form == amplitude_form::constant) return c == 0 ? 0 : rules.amplitude;
  return rules.amplitude * static_cast<float>(c) / static_cast<float>(rules.candidates - 1);
}

/// The candidate's order of the items: sorted by perturbed keys, but with their true loads.
template <class Team>
EPLB_HOST_DEVICE void perturb_order(Team& team, const packing_problem& problem, float amplitude, int c,
                                    const sorted_items& items, const packing_memory& memory) {
  const int rank = team.rank(), size = team.size(), n = problem.items;
  const bool no_load = problem.load[items.index[0]] == 0;
  const packing_problem p = problem;
  for (int i = rank; i < n; i += size) {
    const auto index = static_cast<std::uint32_t>(i);
    const float u = uniform(p.seed, p.layer, p.number, static_cast<std::uint32_t>(c), index);
    memory.sort.keys[i] = heaviest_key((no_load ? 1 : p.load[i]) * (1 + u * amplitude), index);
  }
  team.sort(memory.sort.keys, memory.sort.spare, n);
  for (int q = rank; q < n; q += size) {
    const index_t t = items.place[key_index(memory.sort.keys[q])];
    memory.position[q] = t;
    memory.load[q] = items.load[t];
  }
  team.sync();
}

/// Heaviest first, each to the lightest pack that has room, the lowest pack on ties (longest
/// processing time first, as in DeepSeek's EPLB).
template <class Team>
EPLB_HOST_DEVICE void pack_lpt(Team& team, const packing& p, index_t* used, std::uint64_t* tournament_memory) {
  team.subteam([&]<class Lanes>(Lanes& lanes) {
    const int rank = lanes.rank(), size = lanes.size(), room = p.room();
    // While some pack is empty and no item weighs nothing, the next item goes to the next pack.
    bool weighs = true;
    for (int item = 0; item < p.packs; ++item) weighs &= p.load[item] > 0;
    const int dealt = weighs ? p.packs : 0;
    for (int pack = rank; pack < p.packs; pack += size) {
      used[pack] = weighs ? 1 : 0;
      p.member[size_cast(pack) * size_cast(room)] = static_cast<index_t>(pack);
      p.pack_load[pack] = weighs ? p.load[pack] : 0;
    }
    typename Lanes::tournament lightest(lanes, tournament_memory, p.packs, [&](int pack) {
      return lightest_key(p.pack_load[pack], static_cast<std::uint32_t>(pack));
    });
    for (int item = dealt; item < p.items; ++item) {
      const float weight = p.load[item];  // fetched by all, before it is known who needs it
      const std::uint64_t leader = lightest.leader();
      const auto pack = static_cast<int>(key_index(leader));
      if (pack % size != rank) continue;
      const int seat = used[pack];
      const float load = add_loads(lightest_key_load(leader), weight);
      const std::uint64_t key = lightest_key(load, static_cast<std::uint32_t>(pack));
      p.pack_load[pack] = load;
      p.member[pack * room + seat] = static_cast<index_t>(item);
      used[pack] = static_cast<index_t>(seat + 1);
      lightest.replace(pack, seat + 1 < room ? key : last_key);
    }
  });
}

/// Heaviest first, to packs 0 .. m-1, then m-1 .. 0, then 0 .. m-1 again, and so on.
template <class Team>
EPLB_HOST_DEVICE void pack_zigzag(Team& team, const packing& p) {
  const int room = p.room();
  for (int pack = team.rank(); pack < p.packs; pack += team.size()) {
    for (int seat = 0; seat < room; ++seat) {
      const int place = seat % 2 == 0 ? pack : p.packs - 1 - pack;
      p.member[pack * room + seat] = static_cast<index_t>(seat * p.packs + place);
    }
    p.pack_load[pack] = sum_pack(p, pack);
  }
  team.sync();
}

/// What the candidates are chosen by: less is better.
template <class Team>
EPLB_HOST_DEVICE float cost(Team& team, const packing& p, candidate_choice choice) {
  std::uint64_t heaviest = last_key, lightest = last_key;
  for (int pack = team.rank(); pack < p.packs; pack += team.size()) {
    const std::uint64_t heavy = heaviest_key(p.pack_load[pack], 0);
    const std::uint64_t light = lightest_key(p.pack_load[pack], 0);
    if (heavy < heaviest) heaviest = heavy;
    if (light < lightest) lightest = light;
  }
  const float peak = heaviest_key_load(team.min(heaviest));
  if (choice == candidate_choice::max_load) return peak;
  return peak - lightest_key_load(team.min(lightest));
}

/// From the candidate's order to the true one: members by true position, and sums in that order.
template <class Team>
EPLB_HOST_DEVICE void restore_order(Team& team, const packing& p, const index_t* position) {
  for (int pack = team.rank(); pack < p.packs; pack += team.size()) {
    index_t* const mine = p.members_of(pack);
    for (int seat = 0; seat < p.room(); ++seat) {
      const index_t t = position[mine[seat]];
      int to = seat;
      for (; to > 0 && mine[to - 1] > t; --to) mine[to] = mine[to - 1];
      mine[to] = t;
    }
    p.pack_load[pack] = sum_pack(p, pack);
  }
  team.sync();
}

/// Tries candidates first .. last - 1. Leaves the members of the best, pack by pack and in order of
/// their true load, in best_member, and returns its key: cost, then candidate.
template <class Team>
EPLB_HOST_DEVICE std::uint64_t try_candidates(Team& team, const packing_problem& problem, const packing_rules& rules,
                                              int first, int last, const sorted_items& items,
                                              const packing_memory& memory, index_t* best_member) {
  packing p{problem.items, problem.packs, nullptr, memory.member, memory.pack_load, memory.pack, memory.own_load};
  std::uint64_t best = last_key;
  for (int c = first; c < last; ++c) {
    if (c > 0) perturb_order(team, problem, amplitude(rules, c), c, items, memory);
    p.load = c > 0 ? memory.load : items.load;
    if (rules.initial == initial_packing::lpt)
      pack_lpt(team, p, memory.used, memory.tournament);
    else
      pack_zigzag(team, p);
    p.load = items.load;
    if (c > 0) restore_order(team, p, memory.position);
    const bool lowest_peak_wins = best != last_key && rules.choice == candidate_choice::max_load;
    refine(team, p, rules.scope, rules.max_swaps, lowest_peak_wins ? lightest_key_load(best) : infinity);
    // Nobody competes with a lone candidate.
    const std::uint64_t key =
        rules.candidates == 1 ? 0 : lightest_key(cost(team, p, rules.choice), static_cast<std::uint32_t>(c));
    if (key >= best) continue;
    best = key;
    for (int s = team.rank(); s < p.items; s += team.size()) best_member[s] = p.member[s];
    team.sync();
  }
  return best;
}

/// With one item a pack there is nothing to choose: item i goes to pack i, whatever the loads.
EPLB_HOST_DEVICE inline bool is_identity(const packing_problem& problem) { return problem.items == problem.packs; }

/// The item in a seat, once the best candidate's members are known: a pack's seats are in order of
/// true load, as its members are.
EPLB_HOST_DEVICE inline int item_in_seat(const packing_problem& problem, const sorted_items& items,
                                         const index_t* member, int seat) {
  return is_identity(problem) ? seat : items.index[member[seat]];
}

}  // namespace
}  // namespace eplb
