// SPDX-License-Identifier: MIT
// Where a search begins: at a packing of replicas of its own making, or at the placement that is in force.
#pragma once

#include <cmath>
#include <initializer_list>

#include "core/plan.h"
#include "core/search/state.h"

namespace eplb {

/// Loads of one layer, each sample as it was recorded.
struct layer_samples {
  const float* load;  // [samples][experts], `stride` apart
  std::size_t stride;
  int samples;
};

namespace {

/// The gpus of a node, in the memory of its search.
template <class Team>
EPLB_HOST_DEVICE search_problem describe_node(Team& team, const cluster& gpus, int node, const node_size& size,
                                              const search_rules& rules, int samples, const float* load,
                                              bool from_current, const search_memory& m) {
  const int begin = gpus.first_gpu[node], count = gpus.first_gpu[node + 1] - begin;
  int slots = 0;
  for (int g = 0; g < count; ++g) {
    const int gpu = gpus.gpu[begin + g], room = gpus.slots_of(gpu);
    if (g % team.size() == team.rank()) {
      m.first[g] = static_cast<index_t>(slots);
      m.gpu_pace[g] = 1 / gpus.speed[gpu];
      for (int slot = slots; slot < slots + room; ++slot) {
        m.gpu_of[slot] = static_cast<index_t>(g);
        m.pace[slot] = m.gpu_pace[g];
      }
    }
    slots += room;
  }
  if (team.rank() == 0) m.first[count] = static_cast<index_t>(slots);
  team.sync();
  return {size.experts,           slots,       count, samples, load, m.first, m.gpu_of, m.gpu_pace, rules.squarings,
          rules.allow_duplicates, from_current};
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

/// Heaviest first, each replica to the gpu that bears least and has room. With a slot a gpu the replicas stay in order.
template <class Team>
EPLB_HOST_DEVICE void pack_replicas(Team& team, const search_problem& p, const layer_memory& memory,
                                    const search_memory& m) {
  const replicas& replica = memory.replica;
  int most = 0;
  for (int gpu = 0; gpu < p.gpus; ++gpu) most = p.room(gpu) > most ? p.room(gpu) : most;
  if (most == 1) {
    for (int slot = team.rank(); slot < p.slots; slot += team.size()) m.expert[slot] = replica.expert[slot];
    team.sync();
    return;
  }
  sort_items(team, {p.slots, p.gpus, replica.load, 0, 0, 0}, memory.items, memory.packing.sort);
  index_t* const used = memory.packing.used;
  float* const borne = memory.packing.pack_load;
  team.subteam([&]<class Lanes>(Lanes& lanes) {
    for (int gpu = lanes.rank(); gpu < p.gpus; gpu += lanes.size()) {
      used[gpu] = 0;
      borne[gpu] = 0;
    }
    typename Lanes::tournament lightest(lanes, memory.packing.tournament, p.gpus, [&](int gpu) {
      return p.room(gpu) > 0 ? lightest_key(0, static_cast<std::uint32_t>(gpu)) : last_key;
    });
    for (int item = 0; item < p.slots; ++item) {
      const auto gpu = static_cast<int>(key_index(lightest.leader()));
      if (gpu % lanes.size() != lanes.rank()) continue;
      const int seat = used[gpu];
      const float load = add_loads(borne[gpu], memory.items.load[item] * p.pace[gpu]);
      const std::uint64_t key = lightest_key(load, static_cast<std::uint32_t>(gpu));
      m.expert[p.first[gpu] + seat] = replica.expert[memory.items.index[item]];
      borne[gpu] = load;
      used[gpu] = static_cast<index_t>(seat + 1);
      lightest.replace(gpu, seat + 1 < p.room(gpu) ? key : last_key);
    }
  });
}

/// Parts replicas of one expert on one gpu: each of them changes places with the slot nearest in load of the first
/// sample that both gpus can take, if that is within the budget. Counts the changes and returns how many are left.
template <class Team>
EPLB_DEVICE_NOINLINE int part_duplicates(Team& team, const search_problem& p, const search_memory& m, int budget,
                                         int& changes) {
  const int rank = team.rank(), size = team.size();
  int left = 0;
  for (int slot = 0; slot < p.slots; ++slot) {
    const int x = m.expert[slot];
    bool is_duplicate = false;
    for (int other = p.first[p.gpu_of[slot]]; other < slot; ++other) is_duplicate |= m.expert[other] == x;
    if (!is_duplicate) continue;
    std::uint64_t best = last_key;
    for (int j = rank; j < p.slots; j += size) {
      if (!may_swap(p, m, slot, j)) continue;
      if (p.from_current && more_changes_of_swap(p, m, slot, j) > budget - changes) continue;
      const float apart = m.share[slot] - m.share[j];
      const std::uint64_t key = lightest_key(apart < 0 ? -apart : apart, static_cast<std::uint32_t>(j));
      best = key < best ? key : best;
    }
    best = team.min(best);
    if (best == last_key) {
      ++left;
      continue;
    }
    const auto j = static_cast<int>(key_index(best));
    if (p.from_current) changes += more_changes_of_swap(p, m, slot, j);
    team.sync();
    if (rank == 0) {
      exchange(p, m, slot, j);
      refresh_gpu<Team>(p, m, p.gpu_of[slot]);
      refresh_gpu<Team>(p, m, p.gpu_of[j]);
    }
    team.sync();
  }
  return left;
}

/// The expert with the largest load per replica, those without any first, of all that a gpu may take; of all there
/// are if there is none of these.
template <class Team>
EPLB_DEVICE_NOINLINE int neediest_expert(Team& team, const search_problem& p, const search_memory& m, const float* load,
                                         int gpu) {
  for (const bool any : {false, true}) {
    std::uint64_t best = last_key;
    for (int e = team.rank(); e < p.experts; e += team.size()) {
      if (!any && count_on(p, m.expert, gpu, e) > 0) continue;
      const float need = m.count[e] > 0 ? load[e] / static_cast<float>(m.count[e]) : FLT_MAX;
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
EPLB_HOST_DEVICE void count_replicas(Team& team, const search_problem& p, const search_memory& m) {
  const int rank = team.rank(), size = team.size();
  team.sync();  // others may still be reading the counts there were
  for (int e = rank; e < p.experts; e += size) m.count[e] = 0;
  for (int slot = 0; slot < p.slots; ++slot) {
    const int e = m.expert[slot];
    if (e != no_expert && e % size == rank) ++m.count[e];
  }
  team.sync();
}

/// Fills the empty slots.
template <class Team>
EPLB_DEVICE_NOINLINE void fill_slots(Team& team, const search_problem& p, const search_memory& m, const float* load) {
  for (int slot = 0; slot < p.slots; ++slot) {
    if (m.expert[slot] != no_expert) continue;
    const int e = neediest_expert(team, p, m, load, p.gpu_of[slot]);
    team.sync();
    if (team.rank() == 0) {
      m.expert[slot] = static_cast<index_t>(e);
      ++m.count[e];
    }
    team.sync();
  }
}

/// Places the replicas again, the most numerous experts first, each on the gpus that have most room: none meets its
/// like if that is possible for any placement with these counts (Gale and Ryser, 1957); a replica that would is
/// given to another expert. A start without balance, for the few cases in which a better one cannot be mended.
template <class Team>
EPLB_DEVICE_NOINLINE void deal_replicas(Team& team, const search_problem& p, const search_memory& m, const float* load,
                                        index_t* used) {
  const int rank = team.rank(), size = team.size();
  int most = 0;
  for (int e = 0; e < p.experts; ++e) most = m.count[e] > most ? m.count[e] : most;
  team.sync();  // others may still be looking for duplicates
  for (int slot = rank; slot < p.slots; slot += size) m.expert[slot] = no_expert;
  for (int gpu = rank; gpu < p.gpus; gpu += size) used[gpu] = 0;
  team.sync();
  for (int count = most; count > 0; --count)
    for (int e = 0; e < p.experts; ++e) {
      if (m.count[e] != count) continue;
      for (int replica = 0; replica < count; ++replica) {
        std::uint64_t best = last_key;
        for (int gpu = rank; gpu < p.gpus; gpu += size) {
          const int room = p.room(gpu) - used[gpu];
          if (room == 0 || count_on(p, m.expert, gpu, e) > 0) continue;
          const std::uint64_t key = std::uint64_t(max_extent - room) << 32 | static_cast<std::uint32_t>(gpu);
          best = key < best ? key : best;
        }
        best = team.min(best);
        if (best == last_key) break;
        const auto gpu = static_cast<int>(key_index(best));
        if (rank == 0) m.expert[p.first[gpu] + used[gpu]++] = static_cast<index_t>(e);
        team.sync();
      }
    }
  count_replicas(team, p, m);
  fill_slots(team, p, m, load);
}

/// Begins with what there is: empty slots are filled, and experts without a slot get one of an expert with several,
/// where it is missed least. Returns the changes that this takes.
template <class Team>
EPLB_DEVICE_NOINLINE int start_from_current(Team& team, const search_problem& p, const search_memory& m,
                                            const float* load) {
  const int rank = team.rank(), size = team.size();
  for (int slot = rank; slot < p.slots; slot += size) m.expert[slot] = m.home[slot];
  for (int e = rank; e < p.experts; e += size) m.some_slot[e] = no_expert;
  count_replicas(team, p, m);
  fill_slots(team, p, m, load);
  for (int e = 0; e < p.experts; ++e) {
    if (m.count[e] > 0) continue;
    std::uint64_t best = last_key;
    for (int slot = rank; slot < p.slots; slot += size) {
      const int z = m.expert[slot];
      if (m.count[z] < 2) continue;
      const std::uint64_t key =
          lightest_key(load[z] / static_cast<float>(m.count[z] - 1), static_cast<std::uint32_t>(slot));
      best = key < best ? key : best;
    }
    const auto slot = static_cast<int>(key_index(team.min(best)));
    if (rank == 0) {
      --m.count[m.expert[slot]];
      m.expert[slot] = static_cast<index_t>(e);
      m.count[e] = 1;
    }
    team.sync();
  }
  for (int slot = 0; slot < p.slots; ++slot) {
    const int e = m.expert[slot];
    if (e % size != rank) continue;
    const int other = m.some_slot[e];
    m.next[slot] = other == no_expert ? static_cast<index_t>(slot) : m.next[other];
    if (other != no_expert) m.next[other] = static_cast<index_t>(slot);
    m.some_slot[e] = static_cast<index_t>(slot);
  }
  int changes = 0;
  for (int slot = rank; slot < p.slots; slot += size) changes += m.expert[slot] != m.home[slot] ? 1 : 0;
  return team.sum(changes);
}

}  // namespace
}  // namespace eplb
