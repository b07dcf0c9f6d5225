// SPDX-License-Identifier: MIT
// The placement that a search works on: what each gpu bears under each sample, what that costs, and what a step
// would change.
#pragma once

#include "core/cluster.h"
#include "core/keys.h"

namespace eplb {

/// No expert: in a slot that is empty.
constexpr index_t no_expert = max_extent;
/// Changes, where any number will do.
constexpr int any_number = 0x7fffffff;

/// A node's experts, slots and gpus, and its loads, each sample scaled so that a gpu of speed 1 has 1 on the average.
struct search_problem {
  int experts, slots, gpus, samples;
  const float* load;      // [samples][experts]
  const index_t* first;   // [gpus + 1] first slot of each gpu
  const index_t* gpu_of;  // [slots]
  const float* pace;      // [gpus] 1 / speed
  int squarings;          // of a load, to tell what it costs
  bool allow_duplicates;
  bool from_current;  // experts have a home, and slots may be given to others

  EPLB_HOST_DEVICE float load_of(int sample, int expert) const {
    return load[size_cast(sample) * size_cast(experts) + size_cast(expert)];
  }
  EPLB_HOST_DEVICE int room(int gpu) const { return first[gpu + 1] - first[gpu]; }
};

/// What one team needs to search. The arrays marked + have Team::vector_width more elements a row.
struct search_memory {
  index_t* first;        // } of the problem
  index_t* gpu_of;       // }
  float* gpu_pace;       // }
  index_t* count;        // [experts] replicas
  index_t* expert;       // [slots] of each slot
  index_t* best_expert;  // [slots] of the best placement so far
  index_t* home;         // [slots] the expert there is now, before anything changes; only if it starts from there
  index_t* next;         // [slots] the next slot of the same expert, in a ring } of a search from a
  index_t* some_slot;    // [experts] one of the ring                          } current placement
  std::int32_t* until;   // [slots +] the round until which a slot must not change again
  float* share;          // [samples][slots +] load of the slot's replica
  float* own;            // [samples][slots +] load of the slot's gpu, by its speed
  float* own_cost;       // [slots +] cost of the slot's gpu
  float* pace;           // [slots +] of the slot's gpu
  float* gpu_cost;       // [gpus]
  float* gain;           // [experts] cost of one replica more, but for its own gpu

  template <class Team>
  EPLB_HOST_DEVICE static search_memory lay_out(arena& memory, const node_size& node, int samples) {
    const auto n = size_cast(node.slots), padded = n + Team::vector_width, s = size_cast(samples),
               gpus = size_cast(node.gpus);
    search_memory out;
    out.first = memory.take<index_t>(gpus + 1);
    out.gpu_of = memory.take<index_t>(n);
    out.gpu_pace = memory.take<float>(gpus);
    out.count = memory.take<index_t>(size_cast(node.experts));
    out.expert = memory.take<index_t>(n);
    out.best_expert = memory.take<index_t>(n);
    out.home = memory.take<index_t>(n);
    out.next = memory.take<index_t>(n);
    out.some_slot = memory.take<index_t>(size_cast(node.experts));
    out.until = memory.take<std::int32_t>(padded);
    out.share = memory.take<float>(s * padded);
    out.own = memory.take<float>(s * padded);
    out.own_cost = memory.take<float>(padded);
    out.pace = memory.take<float>(padded);
    out.gpu_cost = memory.take<float>(gpus);
    out.gain = memory.take<float>(size_cast(node.experts));
    return out;
  }
};

namespace {

/// What a load costs: it is squared so many times.
template <int squarings>
EPLB_HOST_DEVICE float load_cost(float x) {
  for (int i = 0; i < squarings; ++i) x *= x;
  return x;
}
EPLB_HOST_DEVICE inline float load_cost(int squarings, float x) {
  return squarings == 2 ? load_cost<2>(x) : load_cost<5>(x);
}

/// Loads are scaled so that the largest a search begins with is `peak_at_first`; beyond `highest_load` all look
/// alike, so that the costs of two gpus, over any number of samples, stay finite.
constexpr float peak_at_first = 8, highest_load = 10;

template <class Team>
EPLB_HOST_DEVICE std::size_t padded_slots(const search_problem& p) {
  return size_cast(p.slots + Team::vector_width);
}

/// After the experts of a gpu's slots, or their counts, changed.
template <class Team>
EPLB_DEVICE_NOINLINE void refresh_gpu(const search_problem& p, const search_memory& m, int gpu) {
  const int first = p.first[gpu], last = p.first[gpu + 1];
  const std::size_t row = padded_slots<Team>(p);
  const float pace = p.pace[gpu];
  float cost = 0;
  for (int s = 0; s < p.samples; ++s) {
    float* const share = m.share + size_cast(s) * row;
    float load = 0;
    for (int slot = first; slot < last; ++slot) {
      const int e = m.expert[slot];
      const float x = p.load_of(s, e) / static_cast<float>(m.count[e]);
      share[slot] = x;
      load += x;
    }
    load *= pace;
    load = load < highest_load ? load : highest_load;
    for (int slot = first; slot < last; ++slot) m.own[size_cast(s) * row + slot] = load;
    cost += load_cost(p.squarings, load);
  }
  for (int slot = first; slot < last; ++slot) m.own_cost[slot] = cost;
  m.gpu_cost[gpu] = cost;
}

template <class Team>
EPLB_HOST_DEVICE void refresh_all(Team& team, const search_problem& p, const search_memory& m) {
  for (int gpu = team.rank(); gpu < p.gpus; gpu += team.size()) refresh_gpu<Team>(p, m, gpu);
  team.sync();
}

EPLB_DEVICE_NOINLINE inline int count_on(const search_problem& p, const index_t* expert, int gpu, int e) {
  int count = 0;
  for (int slot = p.first[gpu]; slot < p.first[gpu + 1]; ++slot) count += expert[slot] == e ? 1 : 0;
  return count;
}

/// Whether a gpu may take an expert.
EPLB_DEVICE_NOINLINE inline bool may_take(const search_problem& p, const search_memory& m, int gpu, int expert) {
  for (int slot = p.first[gpu]; slot < p.first[gpu + 1]; ++slot)
    if (m.expert[slot] == expert) return p.allow_duplicates;
  return true;
}

/// Whether two slots may exchange their experts.
EPLB_DEVICE_NOINLINE inline bool may_swap(const search_problem& p, const search_memory& m, int i, int j) {
  const int a = p.gpu_of[i], b = p.gpu_of[j], x = m.expert[i], y = m.expert[j];
  return a != b && x != y && may_take(p, m, a, y) && may_take(p, m, b, x);
}

/// Slots of a gpu that hold another expert than at first, however its experts are seated: how many more there are when
/// it gives x away for y.
EPLB_DEVICE_NOINLINE inline int more_changes(const search_problem& p, const search_memory& m, int gpu, int x, int y) {
  const int lost = count_on(p, m.expert, gpu, x) <= count_on(p, m.home, gpu, x) ? 1 : 0;
  const int won = count_on(p, m.expert, gpu, y) < count_on(p, m.home, gpu, y) ? 1 : 0;
  return lost - won;
}
EPLB_DEVICE_NOINLINE inline int more_changes_of_swap(const search_problem& p, const search_memory& m, int i, int j) {
  const int x = m.expert[i], y = m.expert[j];
  return more_changes(p, m, p.gpu_of[i], x, y) + more_changes(p, m, p.gpu_of[j], y, x);
}

/// Exchanges the experts of two slots, whose experts differ. One thread; their gpus have to be refreshed.
EPLB_DEVICE_NOINLINE inline void exchange(const search_problem& p, const search_memory& m, int i, int j) {
  const index_t x = m.expert[i];
  m.expert[i] = m.expert[j];
  m.expert[j] = x;
  if (!p.from_current) return;
  const index_t after_i = m.next[i], after_j = m.next[j];
  int before_i = i, before_j = j;
  while (m.next[before_i] != i) before_i = m.next[before_i];
  while (m.next[before_j] != j) before_j = m.next[before_j];
  m.some_slot[x] = static_cast<index_t>(j);
  m.some_slot[m.expert[i]] = static_cast<index_t>(i);
  m.next[before_i == i ? j : before_i] = static_cast<index_t>(j);
  m.next[before_j == j ? i : before_j] = static_cast<index_t>(i);
  if (before_i != i) m.next[j] = after_i;
  if (before_j != j) m.next[i] = after_j;
}

/// Gives slot i to expert y. One thread; the gpus of both experts have to be refreshed.
EPLB_DEVICE_NOINLINE inline void give(const search_memory& m, int i, int y) {
  const int z = m.expert[i];
  int before = i, slot = m.some_slot[y];
  while (m.next[before] != i) before = m.next[before];
  m.next[before] = m.next[i];
  m.some_slot[z] = static_cast<index_t>(before);
  m.next[i] = m.next[slot];
  m.next[slot] = static_cast<index_t>(i);
  m.expert[i] = static_cast<index_t>(y);
  --m.count[z];
  ++m.count[y];
}

/// Integers that order as finite floats do, and whose least of many is found side by side.
EPLB_HOST_DEVICE inline std::int32_t order_of(float x) {
  const auto bits = static_cast<std::int32_t>(float_bits(x));
  return bits ^ (bits >> 31 & 0x7fffffff);
}
EPLB_HOST_DEVICE inline int lowest_bit(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __ffs(static_cast<int>(bits)) - 1;
#else
  return __builtin_ctz(bits);
#endif
}
/// The least key is that of the least number, which may be negative.
EPLB_HOST_DEVICE inline std::uint64_t rise_key(std::int32_t order, std::uint32_t index) {
  return std::uint64_t{static_cast<std::uint32_t>(order) ^ 0x80000000u} << 32 | index;
}

}  // namespace
}  // namespace eplb
