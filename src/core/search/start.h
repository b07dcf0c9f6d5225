// SPDX-License-Identifier: MIT
// Where a search begins: at a packing of replicas of its own making, or at the placement that is in force.
#pragma once

#include <cmath>
#include <initializer_list>

#include "core/pack/lpt.h"
#include "core/pack/problem.h"
#include "core/pack/replicate.h"
#include "core/search/state.h"

namespace eplb {

/// What a search takes to find its start.
struct start_memory {
  float* load;  // [experts] by which replicas are given out
  replicas replica;
  sorted_items sorted;        // the replicas
  std::uint64_t* hottest;     // tournament of the experts
  sort_memory sort;           // of the replicas
  std::uint64_t* tournament;  // of the gpus
  index_t* member;            // [slots] replicas of each gpu
  index_t* used;              // [gpus] slots
  float* gpu_load;            // [gpus]

  template <class Team>
  EPLB_HOST_DEVICE static start_memory lay_out(arena& memory, const node_size& node) {
    start_memory out;
    out.load = memory.take<float>(size_cast(node.experts));
    out.replica = replicas::lay_out(memory, node.experts, node.slots);
    out.sorted = sorted_items::lay_out<Team>(memory, node.slots);
    memory.overlay([&] { out.hottest = memory.take<std::uint64_t>(Team::tournament::words(node.experts)); },
                   [&] { out.sort = sort_memory::lay_out(memory, node.slots); },
                   [&] {
                     out.tournament = memory.take<std::uint64_t>(Team::tournament::words(node.gpus));
                     out.member = memory.take<index_t>(size_cast(node.slots));
                     out.used = memory.take<index_t>(size_cast(node.gpus));
                     out.gpu_load = memory.take<float>(size_cast(node.gpus));
                   });
    return out;
  }
};

namespace {

/// The gpus of a node, in the memory of its search.
template <class Team>
EPLB_HOST_DEVICE search_problem describe_node(Team& team, const cluster& gpus, int node, const node_size& size,
                                              const search_rules& rules, int samples, const float* load,
                                              bool from_current, const search_state& state) {
  const int begin = gpus.first_gpu[node], count = gpus.first_gpu[node + 1] - begin;
  int slots = 0;
  for (int g = 0; g < count; ++g) {
    const int gpu = gpus.gpu[begin + g], room = gpus.slots_of(gpu);
    if (g % team.size() == team.rank()) {
      state.first[g] = static_cast<index_t>(slots);
      state.gpu_pace[g] = 1 / gpus.speed[gpu];
      for (int slot = slots; slot < slots + room; ++slot) {
        state.gpu_of[slot] = static_cast<index_t>(g);
        state.slot_pace[slot] = state.gpu_pace[g];
      }
    }
    slots += room;
  }
  if (team.rank() == 0) state.first[count] = static_cast<index_t>(slots);
  team.sync();
  return {size.experts, slots,        count,          samples,          load,
          state.first,  state.gpu_of, state.gpu_pace, rules.cost_power, rules.allow_duplicates,
          from_current};
}

/// The loads of a node's experts, each sample scaled so that a gpu of speed 1 has 1 on the average of the layer; a
/// sample without load is left at 0. Where there is no load in any, each expert has the same.
template <class Team>
EPLB_HOST_DEVICE void scale_loads(Team& team, const plan_shape& shape, const cluster& gpus, const layer_samples& from,
                                  const index_t* expert, int experts, float* out) {
  const int rank = team.rank(), size = team.size();
  float speed = 0;
  for (int g = 0; g < shape.gpus; ++g) speed += gpus.slots_of(g) > 0 ? gpus.speed[g] : 0;
  bool any = false;
  for (int s = 0; s < from.samples; ++s) {
    const float* const load = from.load + size_cast(s) * from.stride;
    float total = 0;
    for (int e = 0; e < shape.experts; ++e) total += load[e];
    any |= total > 0;
    float* const scaled = out + size_cast(s) * size_cast(experts);
    for (int e = rank; e < experts; e += size) scaled[e] = total > 0 ? load[expert[e]] / total * speed : 0;
  }
  for (int e = rank; !any && e < experts; e += size) out[e] = speed / static_cast<float>(shape.experts);
  team.sync();
}

/// By what replicas are given out: the root mean square of an expert's loads over the samples.
template <class Team>
EPLB_HOST_DEVICE void mean_loads(Team& team, const search_problem& p, float* out) {
  for (int e = team.rank(); e < p.experts; e += team.size()) {
    float squares = 0;
    for (int s = 0; s < p.samples; ++s) squares += p.load_of(s, e) * p.load_of(s, e);
    out[e] = std::sqrt(squares);
  }
  team.sync();
}

/// The gpus of a node as packs.
struct gpu_packs {
  const search_problem& p;
  int count;
  static constexpr bool are_alike = false;

  EPLB_HOST_DEVICE int room(int gpu) const { return p.room(gpu); }
  EPLB_HOST_DEVICE int first_seat(int gpu) const { return p.first[gpu]; }
  EPLB_HOST_DEVICE float weigh(int gpu, float load) const { return load * p.pace[gpu]; }
};

/// Replicas by load, packed as lpt does. With at most a slot a gpu they stay in order.
template <class Team>
EPLB_HOST_DEVICE void start_from_nothing(Team& team, const search_problem& p, const start_memory& memory,
                                         int most_replicas, const search_state& state) {
  const replicas& replica = memory.replica;
  replicate(team, memory.load, p.experts, p.slots, replica, memory.hottest, most_replicas);
  for (int e = team.rank(); e < p.experts; e += team.size()) state.count[e] = replica.count[e];
  int most_room = 0;
  for (int gpu = 0; gpu < p.gpus; ++gpu) most_room = p.room(gpu) > most_room ? p.room(gpu) : most_room;
  if (most_room > 1) {
    sort_items(team, replica.load, p.slots, memory.sorted, memory.sort);
    pack_lpt(team, memory.sorted.load, p.slots, gpu_packs{p, p.gpus}, memory.member, memory.gpu_load, memory.used,
             memory.tournament);
  }
  for (int slot = team.rank(); slot < p.slots; slot += team.size())
    state.expert[slot] = replica.expert[most_room > 1 ? memory.sorted.index[memory.member[slot]] : slot];
  team.sync();
}

/// Parts replicas of one expert on one gpu: each of them changes places with the slot nearest in load of the first
/// sample that both gpus can take, if that is within the budget. Counts the changes and returns how many are left.
template <class Team>
EPLB_DEVICE_NOINLINE int part_duplicates(Team& team, const search_problem& p, const search_state& state, int budget,
                                         int& changes) {
  const int rank = team.rank(), size = team.size();
  int left = 0;
  for (int slot = 0; slot < p.slots; ++slot) {
    const int x = state.expert[slot];
    bool is_duplicate = false;
    for (int other = p.first[p.gpu_of[slot]]; other < slot; ++other) is_duplicate |= state.expert[other] == x;
    if (!is_duplicate) continue;
    std::uint64_t best = last_key;
    for (int j = rank; j < p.slots; j += size) {
      if (!may_swap(p, state, slot, j)) continue;
      if (p.from_current && more_changes_of_swap(p, state, slot, j) > budget - changes) continue;
      const float apart = state.share[slot] - state.share[j];
      const std::uint64_t key = lightest_key(apart < 0 ? -apart : apart, static_cast<std::uint32_t>(j));
      best = key < best ? key : best;
    }
    best = team.min(best);
    if (best == last_key) {
      ++left;
      continue;
    }
    const auto j = static_cast<int>(key_index(best));
    if (p.from_current) changes += more_changes_of_swap(p, state, slot, j);
    team.sync();
    if (rank == 0) {
      exchange(p, state, slot, j);
      refresh_gpu<Team>(p, state, p.gpu_of[slot]);
      refresh_gpu<Team>(p, state, p.gpu_of[j]);
    }
    team.sync();
  }
  return left;
}

/// The expert with the largest load per replica, those without any first, of all that a gpu may take; of all there
/// are if there is none of these.
template <class Team>
EPLB_DEVICE_NOINLINE int neediest_expert(Team& team, const search_problem& p, const search_state& state,
                                         const float* load, int gpu) {
  for (const bool any : {false, true}) {
    std::uint64_t best = last_key;
    for (int e = team.rank(); e < p.experts; e += team.size()) {
      if (!any && count_on(p, state.expert, gpu, e) > 0) continue;
      const float need = state.count[e] > 0 ? load[e] / static_cast<float>(state.count[e]) : FLT_MAX;
      const std::uint64_t key = heaviest_key(need, static_cast<std::uint32_t>(e));
      best = key < best ? key : best;
    }
    best = team.min(best);
    if (best != last_key) return static_cast<int>(key_index(best));
  }
  return 0;
}

/// Counts the replicas of each expert.
template <class Team>
EPLB_HOST_DEVICE void count_replicas(Team& team, const search_problem& p, const search_state& state) {
  const int rank = team.rank(), size = team.size();
  team.sync();  // others may still be reading the counts there were
  for (int e = rank; e < p.experts; e += size) state.count[e] = 0;
  for (int slot = 0; slot < p.slots; ++slot) {
    const int e = state.expert[slot];
    if (e != no_expert && e % size == rank) ++state.count[e];
  }
  team.sync();
}

/// Fills the empty slots.
template <class Team>
EPLB_DEVICE_NOINLINE void fill_slots(Team& team, const search_problem& p, const search_state& state,
                                     const float* load) {
  for (int slot = 0; slot < p.slots; ++slot) {
    if (state.expert[slot] != no_expert) continue;
    const int e = neediest_expert(team, p, state, load, p.gpu_of[slot]);
    team.sync();
    if (team.rank() == 0) {
      state.expert[slot] = static_cast<index_t>(e);
      ++state.count[e];
    }
    team.sync();
  }
}

/// Places the replicas again, the most numerous experts first, each on the gpus that have most room: none meets its
/// like if that is possible for any placement with these counts (Gale and Ryser, 1957); a replica that would is
/// given to another expert. A start without balance, for the few cases in which a better one cannot be mended.
template <class Team>
EPLB_DEVICE_NOINLINE void deal_replicas(Team& team, const search_problem& p, const search_state& state,
                                        const float* load, index_t* used) {
  const int rank = team.rank(), size = team.size();
  int most = 0;
  for (int e = 0; e < p.experts; ++e) most = state.count[e] > most ? state.count[e] : most;
  team.sync();  // others may still be looking for duplicates
  for (int slot = rank; slot < p.slots; slot += size) state.expert[slot] = no_expert;
  for (int gpu = rank; gpu < p.gpus; gpu += size) used[gpu] = 0;
  team.sync();
  for (int count = most; count > 0; --count)
    for (int e = 0; e < p.experts; ++e) {
      if (state.count[e] != count) continue;
      for (int replica = 0; replica < count; ++replica) {
        std::uint64_t best = last_key;
        for (int gpu = rank; gpu < p.gpus; gpu += size) {
          const int room = p.room(gpu) - used[gpu];
          if (room == 0 || count_on(p, state.expert, gpu, e) > 0) continue;
          const std::uint64_t key = std::uint64_t(max_extent - room) << 32 | static_cast<std::uint32_t>(gpu);
          best = key < best ? key : best;
        }
        best = team.min(best);
        if (best == last_key) break;
        const auto gpu = static_cast<int>(key_index(best));
        if (rank == 0) state.expert[p.first[gpu] + used[gpu]++] = static_cast<index_t>(e);
        team.sync();
      }
    }
  count_replicas(team, p, state);
  fill_slots(team, p, state, load);
}

/// Begins with what there is: empty slots are filled, and experts without a slot get one of an expert with several,
/// where it is missed least. Returns the changes that this takes.
template <class Team>
EPLB_DEVICE_NOINLINE int start_from_current(Team& team, const search_problem& p, const search_state& state,
                                            const float* load) {
  const int rank = team.rank(), size = team.size();
  for (int slot = rank; slot < p.slots; slot += size) state.expert[slot] = state.current[slot];
  for (int e = rank; e < p.experts; e += size) state.some_slot[e] = no_expert;
  count_replicas(team, p, state);
  fill_slots(team, p, state, load);
  for (int e = 0; e < p.experts; ++e) {
    if (state.count[e] > 0) continue;
    std::uint64_t best = last_key;
    for (int slot = rank; slot < p.slots; slot += size) {
      const int z = state.expert[slot];
      if (state.count[z] < 2) continue;
      const std::uint64_t key =
          lightest_key(load[z] / static_cast<float>(state.count[z] - 1), static_cast<std::uint32_t>(slot));
      best = key < best ? key : best;
    }
    const auto slot = static_cast<int>(key_index(team.min(best)));
    if (rank == 0) {
      --state.count[state.expert[slot]];
      state.expert[slot] = static_cast<index_t>(e);
      state.count[e] = 1;
    }
    team.sync();
  }
  for (int slot = 0; slot < p.slots; ++slot) {
    const int e = state.expert[slot];
    if (e % size != rank) continue;
    const int other = state.some_slot[e];
    state.next[slot] = other == no_expert ? static_cast<index_t>(slot) : state.next[other];
    if (other != no_expert) state.next[other] = static_cast<index_t>(slot);
    state.some_slot[e] = static_cast<index_t>(slot);
  }
  int changes = 0;
  for (int slot = rank; slot < p.slots; slot += size) changes += state.expert[slot] != state.current[slot] ? 1 : 0;
  return team.sum(changes);
}

}  // namespace
}  // namespace eplb
