// SPDX-License-Identifier: MIT
// Solves a packing problem by a strategy of the packing family: tries its candidates, and keeps the best.
#pragma once

#include "core/pack/lpt.h"
#include "core/pack/problem.h"
#include "core/pack/swap.h"
#include "core/random.h"
#include "core/rules.h"

namespace eplb {

/// What one team needs to try candidates.
struct packing_memory {
  sort_memory sort;
  index_t* position;          // [items] in the true order, of the items in the candidate's
  float* load;                // [items] in the candidate's order
  std::uint64_t* tournament;  // [Team::tournament::words(packs)]
  index_t* member;            // [items]
  index_t* used;              // [packs]
  float* pack_load;           // [packs]
  index_t* pack_of_item;      // [items]
  float* pack_load_of_item;   // [items + Team::vector_width]

  template <class Team>
  EPLB_HOST_DEVICE static packing_memory lay_out(arena& memory, int items, int packs) {
    const auto n = size_cast(items), m = size_cast(packs);
    packing_memory out;
    out.position = memory.take<index_t>(n);
    out.load = memory.take<float>(n);
    const auto to_sort = [&] { out.sort = sort_memory::lay_out(memory, items); };
    const auto to_pack = [&] {
      out.tournament = memory.take<std::uint64_t>(Team::tournament::words(packs));
      out.member = memory.take<index_t>(n);
      out.used = memory.take<index_t>(m);
      out.pack_load = memory.take<float>(m);
      out.pack_of_item = memory.take<index_t>(n);
      out.pack_load_of_item = memory.take<float>(n + Team::vector_width);
    };
    if (Team::has_little_memory) {  // a candidate's sort is over when its packing begins
      memory.overlay(to_sort, to_pack);
    } else {
      to_sort();
      to_pack();
    }
    return out;
  }
};

namespace {

/// Where a share of the candidates begins; it ends where the next begins.
EPLB_HOST_DEVICE inline int first_candidate(const packing_rules& rules, int share, int shares) {
  return rules.candidates * share / shares;
}

/// Amplitude of candidate c: none for candidate 0.
EPLB_HOST_DEVICE inline float amplitude(const packing_rules& rules, int c) {
  if (c == 0 || rules.form == amplitude_form::constant) return c == 0 ? 0 : rules.amplitude;
  return rules.amplitude * static_cast<float>(c) / static_cast<float>(rules.candidates - 1);
}

/// The candidate's order of the items: sorted by perturbed keys, but with their true loads.
template <class Team>
EPLB_HOST_DEVICE void perturb_order(Team& team, const packing_problem& problem, float amplitude, int c,
                                    const packing_memory& memory) {
  const int rank = team.rank(), size = team.size(), n = problem.items;
  const bool no_load = problem.load[problem.sorted.index[0]] == 0;
  const packing_problem p = problem;
  for (int i = rank; i < n; i += size) {
    const auto index = static_cast<std::uint32_t>(i);
    const float u = uniform(p.seed, p.layer, p.number, static_cast<std::uint32_t>(c), index);
    memory.sort.keys[i] = heaviest_key((no_load ? 1 : p.load[i]) * (1 + u * amplitude), index);
  }
  team.sort(memory.sort.keys, memory.sort.spare, n);
  for (int q = rank; q < n; q += size) {
    const index_t t = p.sorted.position_of[key_index(memory.sort.keys[q])];
    memory.position[q] = t;
    memory.load[q] = p.sorted.load[t];
  }
  team.sync();
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
                                              int first, int last, const packing_memory& memory, index_t* best_member) {
  packing p{problem.items,    problem.packs,       problem.sorted.load,     memory.member,
            memory.pack_load, memory.pack_of_item, memory.pack_load_of_item};
  std::uint64_t best = last_key;
  for (int c = first; c < last; ++c) {
    if (c > 0) perturb_order(team, problem, amplitude(rules, c), c, memory);
    p.load = c > 0 ? memory.load : problem.sorted.load;
    if (rules.initial == initial_packing::lpt)
      pack_lpt(team, p.load, p.items, even_packs{p.packs, p.room()}, p.member, p.pack_load, memory.used,
               memory.tournament);
    else
      pack_zigzag(team, p);
    p.load = problem.sorted.load;
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

}  // namespace
}  // namespace eplb
