// SPDX-License-Identifier: MIT
// A local search over whole placements: from a packing of replicas it goes on, swap by swap, past every
// dead end, under several samples of the loads at once, without two replicas of an expert on one gpu.
#pragma once

#include <cmath>

#include "core/balance.h"

namespace eplb {

/// A node's experts, slots and gpus, and its loads, each sample scaled so that a mean gpu has 1.
struct search_problem {
  int experts, slots, gpus, samples;
  const float* load;  // [samples][experts]

  EPLB_CORE int room() const { return slots / gpus; }
};

/// What one thread group needs to search. The arrays marked + have Group::vector_width more elements a row.
struct search_memory {
  index_t* count;        // [experts] replicas
  index_t* expert;       // [slots] of each slot
  index_t* best_expert;  // [slots] of the best placement so far
  std::int32_t* until;   // [slots] the round until which a slot must not change again
  float* share;          // [samples][slots +] load of the slot's replica
  float* own;            // [samples][slots +] load of the slot's gpu
  float* own_cost;       // [slots +] cost of the slot's gpu
  float* gpu_cost;       // [gpus]

  template <class Group>
  EPLB_CORE static search_memory lay_out(arena& memory, int experts, int slots, int gpus, int samples) {
    const auto n = extent(slots), padded = n + Group::vector_width, s = extent(samples);
    search_memory out;
    out.count = memory.take<index_t>(extent(experts));
    out.expert = memory.take<index_t>(n);
    out.best_expert = memory.take<index_t>(n);
    out.until = memory.take<std::int32_t>(n);
    out.share = memory.take<float>(s * padded);
    out.own = memory.take<float>(s * padded);
    out.own_cost = memory.take<float>(padded);
    out.gpu_cost = memory.take<float>(extent(gpus));
    return out;
  }
};

/// Loads of one layer, each sample as it was recorded.
struct layer_samples {
  const float* load;  // [samples][experts], `stride` apart
  std::size_t stride;
  int samples;
};

/// All that a search takes beside what a packing does.
struct node_search {
  float* load;  // [samples][experts of a node] scaled
  search_memory memory;

  template <class Group>
  EPLB_CORE static node_search lay_out(arena& pieces, const plan_shape& shape, int samples) {
    const int experts = shape.experts / shape.nodes, slots = shape.slots / shape.nodes;
    node_search out;
    out.load = pieces.take<float>(extent(samples) * extent(experts));
    out.memory = search_memory::lay_out<Group>(pieces, experts, slots, shape.gpus / shape.nodes, samples);
    return out;
  }
};

namespace {

/// What a gpu of this load costs. The 16th power: in the sum over samples the largest loads decide, and yet the
/// others count; a plan for the largest alone fits the samples, not what comes after them.
EPLB_CORE inline float load_cost(float x) {
  const float x2 = x * x, x4 = x2 * x2, x8 = x4 * x4;
  return x8 * x8;
}

/// Loads beyond this many times the mean all look alike, so that the costs of two of them, over any number of samples,
/// stay finite.
constexpr float highest_load = 64;

template <class Group>
EPLB_CORE int padded_slots(const search_problem& p) {
  return p.slots + Group::vector_width;
}

/// After the experts of a gpu's slots, or their counts, changed.
template <class Group>
EPLB_CORE void refresh_gpu(const search_problem& p, const search_memory& m, int gpu) {
  const int first = gpu * p.room(), last = first + p.room(), row = padded_slots<Group>(p);
  float cost = 0;
  for (int s = 0; s < p.samples; ++s) {
    float* const share = m.share + s * row;
    float load = 0;
    for (int slot = first; slot < last; ++slot) {
      const int e = m.expert[slot];
      const float x = p.load[s * p.experts + e] / static_cast<float>(m.count[e]);
      share[slot] = x < highest_load ? x : highest_load;
      load += x;
    }
    load = load < highest_load ? load : highest_load;
    for (int slot = first; slot < last; ++slot) m.own[s * row + slot] = load;
    cost += load_cost(load);
  }
  for (int slot = first; slot < last; ++slot) m.own_cost[slot] = cost;
  m.gpu_cost[gpu] = cost;
}

EPLB_CORE inline bool holds(const search_problem& p, const search_memory& m, int gpu, int expert) {
  for (int slot = gpu * p.room(); slot < (gpu + 1) * p.room(); ++slot)
    if (m.expert[slot] == expert) return true;
  return false;
}

/// Whether two slots may exchange their experts.
EPLB_CORE inline bool may_swap(const search_problem& p, const search_memory& m, int i, int j, bool allow_duplicates) {
  const int a = i / p.room(), b = j / p.room(), x = m.expert[i], y = m.expert[j];
  return a != b && x != y && (allow_duplicates || (!holds(p, m, a, y) && !holds(p, m, b, x)));
}

/// Integers that order as finite floats do, and whose least of many is found side by side.
EPLB_CORE inline std::int32_t order_of(float x) {
  const auto bits = static_cast<std::int32_t>(float_bits(x));
  return bits ^ (bits >> 31 & 0x7fffffff);
}

/// The swap of an expert of a gpu with one elsewhere that lowers the sum of costs most, or raises it least:
/// a key of the difference, then i * slots + j. Slots that must stay are left out.
template <class Group>
EPLB_CORE std::uint64_t best_slot_swap(Group& group, const search_problem& p, const search_memory& m, int gpu,
                                       int round, bool allow_duplicates) {
  constexpr int width = Group::vector_width;
  const int row = padded_slots<Group>(p), blocks = (p.slots + width - 1) / width, units = p.room() * blocks;
  const float before = m.gpu_cost[gpu];
  std::uint64_t best = last_key;
  std::int32_t highest = 0x7fffffff;  // that can still be the best
  for (int unit = group.thread_rank(); unit < units; unit += group.size()) {
    const int i = gpu * p.room() + unit / blocks, j = unit % blocks * width;
    if (m.until[i] > round) continue;
    float cost[width];
    for (int k = 0; k < width; ++k) cost[k] = -m.own_cost[j + k];
    for (int s = 0; s < p.samples; ++s) {
      const float *const share = m.share + s * row + j, *const own = m.own + s * row + j;
      const float x = m.share[s * row + i], load = m.own[s * row + i];
      for (int k = 0; k < width; ++k) {
        const float d = x - share[k];
        cost[k] += load_cost(load - d) + load_cost(own[k] + d);
      }
    }
    std::int32_t rise[width], least = 0x7fffffff;
    for (int k = 0; k < width; ++k) rise[k] = order_of(cost[k] - before);
    for (int k = 0; k < width; ++k) least = rise[k] < least ? rise[k] : least;
    if (least > highest) continue;
    for (int k = 0; k < width && j + k < p.slots; ++k) {
      if (rise[k] > highest || rise[k] == 0 || m.until[j + k] > round) continue;
      const std::uint32_t at =
          static_cast<std::uint32_t>(i) * static_cast<std::uint32_t>(p.slots) + static_cast<std::uint32_t>(j + k);
      const std::uint64_t key = std::uint64_t{static_cast<std::uint32_t>(rise[k]) ^ 0x80000000u} << 32 | at;
      if (key >= best || !may_swap(p, m, i, j + k, allow_duplicates)) continue;
      best = key;
      highest = rise[k];
    }
  }
  return group.min(best);
}

/// The gpu that costs most, the first on ties, and what it costs.
template <class Group>
EPLB_CORE std::uint64_t costliest_gpu(Group& group, const search_problem& p, const search_memory& m) {
  std::uint64_t best = last_key;
  for (int gpu = group.thread_rank(); gpu < p.gpus; gpu += group.size()) {
    const std::uint64_t key = heaviest_key(m.gpu_cost[gpu], static_cast<std::uint32_t>(gpu));
    best = key < best ? key : best;
  }
  return group.min(best);
}

/// Parts replicas of one expert on one gpu: each of them changes places with the slot nearest in load of the
/// first sample that both gpus can take. False if one is left over.
template <class Group>
EPLB_CORE bool part_duplicates(Group& group, const search_problem& p, const search_memory& m) {
  const int rank = group.thread_rank(), size = group.size();
  bool all_parted = true;
  for (int slot = 0; slot < p.slots; ++slot) {
    const int first = slot / p.room() * p.room(), x = m.expert[slot];
    bool is_duplicate = false;
    for (int other = first; other < slot; ++other) is_duplicate |= m.expert[other] == x;
    if (!is_duplicate) continue;
    std::uint64_t best = last_key;
    for (int j = rank; j < p.slots; j += size) {
      if (!may_swap(p, m, slot, j, false)) continue;
      const float apart = m.share[slot] - m.share[j];
      const std::uint64_t key = lightest_key(apart < 0 ? -apart : apart, static_cast<std::uint32_t>(j));
      best = key < best ? key : best;
    }
    best = group.min(best);
    if (best == last_key) {
      all_parted = false;
      continue;
    }
    if (rank == 0) {
      const auto j = static_cast<int>(key_index(best));
      m.expert[slot] = m.expert[j];
      m.expert[j] = static_cast<index_t>(x);
      refresh_gpu<Group>(p, m, slot / p.room());
      refresh_gpu<Group>(p, m, j / p.room());
    }
    group.sync();
  }
  return all_parted;
}

/// Deals the replicas to the gpus in turn, expert by expert: none meets its like while there are no more replicas
/// of an expert than gpus. A start without balance, for the few cases in which a better one cannot be mended.
template <class Group>
EPLB_CORE void deal_replicas(Group& group, const search_problem& p, const search_memory& m) {
  const int rank = group.thread_rank(), size = group.size();
  int dealt = 0;
  for (int e = 0; e < p.experts; ++e)
    for (int replica = 0; replica < m.count[e]; ++replica, ++dealt)
      if (dealt % size == rank) m.expert[dealt % p.gpus * p.room() + dealt / p.gpus] = static_cast<index_t>(e);
  group.sync();
  for (int gpu = rank; gpu < p.gpus; gpu += size) refresh_gpu<Group>(p, m, gpu);
  group.sync();
}

/// Tabu search (Glover, 1989): in each round the costliest gpu gives away one of its experts in the best swap
/// there is, even if that is a step up; the slots that changed stay for some rounds, so that the search does not
/// turn back. Leaves the best placement it has seen in best_expert. Stops early when no gpu costs more than
/// `goal`.
template <class Group>
EPLB_CORE void search_swaps(Group& group, const search_problem& p, const search_rules& rules, float goal,
                            const search_memory& m) {
  const int rank = group.thread_rank(), size = group.size();
  for (int slot = rank; slot < p.slots; slot += size) m.until[slot] = 0;
  std::uint32_t best_peak = ~std::uint32_t{0};
  group.sync();
  for (int round = 0;; ++round) {
    const std::uint64_t costliest = costliest_gpu(group, p, m);
    const auto gpu = static_cast<int>(key_index(costliest));
    const float peak = heaviest_key_load(costliest);
    if (float_bits(peak) < best_peak) {
      best_peak = float_bits(peak);
      for (int slot = rank; slot < p.slots; slot += size) m.best_expert[slot] = m.expert[slot];
      group.sync();
    }
    if (round == rules.steps || peak <= goal || p.room() == 1 || p.gpus == 1) return;
    const std::uint64_t best = best_slot_swap(group, p, m, gpu, round, rules.allow_duplicates);
    if (best == last_key) continue;
    const std::uint32_t at = key_index(best), slots = static_cast<std::uint32_t>(p.slots);
    const auto i = static_cast<int>(at / slots), j = static_cast<int>(at % slots);
    const index_t x = m.expert[i], y = m.expert[j];
    group.sync();
    for (int side = rank; side < 2; side += size) {
      const int slot = side == 0 ? i : j;
      m.expert[slot] = side == 0 ? y : x;
      m.until[slot] = round + 5 + round % 4;
      refresh_gpu<Group>(p, m, slot / p.room());
    }
    group.sync();
  }
}

/// What the costliest gpu costs when it is as good as at the lower bound: no gpu has less than the mean, nor less
/// than the largest replica, which replication by the largest load has made as small as it can be.
template <class Group>
EPLB_CORE float goal_of(Group& group, const search_problem& p, const replicas& replica) {
  constexpr float close_enough = 1.0001f;
  if (p.samples > 1) return 0;
  std::uint64_t largest = last_key;
  float total = 0;
  for (int e = 0; e < p.experts; ++e) total += p.load[e];
  for (int e = group.thread_rank(); e < p.experts; e += group.size()) {
    const std::uint64_t key = heaviest_key(p.load[e] / static_cast<float>(replica.count[e]), 0);
    largest = key < largest ? key : largest;
  }
  const float peak = heaviest_key_load(group.min(largest)), mean = total / static_cast<float>(p.gpus);
  return load_cost(close_enough * (peak > mean ? peak : mean));
}

/// The loads of a node's experts, each sample scaled so that a mean gpu of the layer has 1; a sample without
/// load is left at 0. Where there is no load in any, each expert has the same.
template <class Group>
EPLB_CORE void scale_loads(Group& group, const plan_shape& shape, const layer_samples& from, const index_t* expert,
                           int experts, float* out) {
  const int rank = group.thread_rank(), size = group.size();
  const auto gpus = static_cast<float>(shape.gpus);
  bool any = false;
  for (int s = 0; s < from.samples; ++s) {
    const float* const load = from.load + extent(s) * from.stride;
    float total = 0;
    for (int e = 0; e < shape.experts; ++e) total += load[e];
    any |= total > 0;
    for (int e = rank; e < experts; e += size) out[s * experts + e] = total > 0 ? load[expert[e]] / total * gpus : 0;
  }
  for (int e = rank; !any && e < experts; e += size) out[e] = gpus / static_cast<float>(shape.experts);
  group.sync();
}

/// Steps 2 to 4 of a node by search: from the packing of its replicas by their loads' root mean square over
/// the samples. Which replica of an expert a slot holds is counted in slot order.
template <class Group>
EPLB_CORE void search_node(Group& group, const plan_shape& shape, const search_rules& rules, int node,
                           const layer_samples& samples, const index_t* expert, const layer_memory& m,
                           const node_search& search, const layer_maps& out) {
  const int rank = group.thread_rank(), size = group.size();
  const int experts = shape.experts / shape.nodes, slots = shape.slots / shape.nodes, gpus = shape.gpus / shape.nodes;
  const search_problem p{experts, slots, gpus, samples.samples, search.load};
  const search_memory& s = search.memory;
  scale_loads(group, shape, samples, expert, experts, search.load);
  for (int e = rank; e < experts; e += size) {
    float squares = 0;
    for (int k = 0; k < p.samples; ++k) squares += search.load[k * experts + e] * search.load[k * experts + e];
    m.node_load[e] = std::sqrt(squares);
  }
  group.sync();
  const bool can_part = slots <= static_cast<std::int64_t>(experts) * gpus;
  replicate(group, m.node_load, experts, slots, m.replica, m.hottest,
            rules.allow_duplicates || !can_part ? max_extent : gpus);
  const packing_problem start{slots, gpus, m.replica.load, 0, 0, 0};
  if (!is_identity(start)) {
    constexpr packing_rules lpt{initial_packing::lpt,      1, 0, amplitude_form::constant, swap_scope::none, 0,
                                candidate_choice::max_load};
    sort_items(group, start, m.items, m.packing.sort);
    try_candidates(group, start, lpt, 0, 1, m.items, m.packing, m.member);
  }
  const int row = padded_slots<Group>(p);
  for (int slot = rank; slot < row; slot += size) {
    if (slot < slots) s.expert[slot] = m.replica.expert[item_in_seat(start, m.items, m.member, slot)];
    s.own_cost[slot] = 0;
    for (int k = 0; k < p.samples; ++k) s.share[k * row + slot] = s.own[k * row + slot] = 0;
  }
  for (int e = rank; e < experts; e += size) s.count[e] = m.replica.count[e];
  group.sync();
  for (int gpu = rank; gpu < gpus; gpu += size) refresh_gpu<Group>(p, s, gpu);
  group.sync();
  if (!rules.allow_duplicates && !part_duplicates(group, p, s) && can_part) deal_replicas(group, p, s);
  search_swaps(group, p, rules, goal_of(group, p, m.replica), s);

  index_t* const used = m.replica.count;
  for (int e = rank; e < experts; e += size) {
    out.replica_count[expert[e]] = s.count[e];
    used[e] = 0;
  }
  for (int slot = 0; slot < slots; ++slot) {
    const int e = s.best_expert[slot];
    if (e % size != rank) continue;
    out.physical_to_logical[node * slots + slot] = expert[e];
    out.replica_rank[node * slots + slot] = used[e]++;
  }
  group.sync();
}

/// Plans a layer by search; groups go to nodes as the packing family's lpt has them, by the loads' sum.
template <class Group>
EPLB_CORE void search_layer(Group& group, const plan_shape& shape, const search_rules& rules, const float* sum,
                            const layer_samples& samples, const layer_memory& m, const node_search& search,
                            const layer_maps& out) {
  constexpr packing_rules lpt{initial_packing::lpt,      1, 0, amplitude_form::constant, swap_scope::none, 0,
                              candidate_choice::max_load};
  const packing_problem groups = prepare_groups(group, shape, {}, sum, m);
  if (!is_identity(groups)) try_candidates(group, groups, lpt, 0, 1, m.items, m.packing, m.member);
  number_experts(group, shape, groups, m);
  for (int node = 0; node < shape.nodes; ++node)
    search_node(group, shape, rules, node, samples, m.node_expert + node * (shape.experts / shape.nodes), m, search,
                out);
}

}  // namespace
}  // namespace eplb
