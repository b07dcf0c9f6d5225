// SPDX-License-Identifier: MIT
// The placement that a search works on: what each gpu bears under each sample, what that costs, and what a step
// would change.
#pragma once

#include <type_traits>

#include "core/arena.h"
#include "core/cluster.h"
#include "core/keys.h"
#include "core/rules.h"
#include "core/views.h"

namespace eplb {

/// Loads of one layer, each sample as it was recorded.
struct layer_samples {
  const float* load;  // [samples][experts], `stride` apart
  std::size_t stride;
  int samples;

  /// What a search looks at of loads that have been read: each sample, or their sum.
  EPLB_HOST_DEVICE static layer_samples of(const search_rules& rules, const float* sum, const layer_samples& each) {
    return rules.sum_samples ? layer_samples{sum, 0, 1} : each;
  }
};

/// What a search of a layer is given.
struct search_task {
  const plan_shape& shape;
  const node_size& node;
  const cluster& gpus;
  const search_rules& rules;
  layer_samples samples;
  const index_t* current;  // [slots], no_expert: none; null: it starts from nothing
};

/// A node's experts, slots and gpus, and its loads, each sample scaled so that a gpu of speed 1 has 1 on the average.
struct search_problem {
  int experts, slots, gpus, samples;
  const float* load;      // [samples][experts]
  const index_t* first;   // [gpus + 1] first slot of each gpu
  const index_t* gpu_of;  // [slots]
  const float* pace;      // [gpus] 1 / speed
  int cost_power;         // of a load, to tell what it costs: 4 or 32
  bool allow_duplicates;
  bool from_current;  // the search starts from a placement, and may give slots to other experts

  EPLB_HOST_DEVICE float load_of(int sample, int expert) const {
    return load[size_cast(sample) * size_cast(experts) + size_cast(expert)];
  }
  EPLB_HOST_DEVICE int room(int gpu) const { return first[gpu + 1] - first[gpu]; }
};

/// What one team needs to search. The arrays marked + have Team::vector_width more elements a row.
struct search_state {
  index_t* first;            // } of the problem
  index_t* gpu_of;           // }
  float* gpu_pace;           // }
  index_t* count;            // [experts] replicas
  index_t* expert;           // [slots] of each slot
  index_t* best_expert;      // [slots] of the best placement so far
  index_t* current;          // [slots] the expert there is now, before anything changes; only if it starts from there
  index_t* next;             // [slots] the next slot of the same expert, in a ring } of a search from a
  index_t* some_slot;        // [experts] one of the ring                          } current placement
  std::int32_t* tabu_until;  // [slots +] the round until which a slot must not change again
  float* share;              // [samples][slots +] load of the slot's replica
  float* slot_gpu_load;      // [samples][slots +] load of the slot's gpu, by its speed
  float* slot_gpu_cost;      // [slots +] cost of the slot's gpu
  float* slot_pace;          // [slots +] of the slot's gpu
  float* gpu_cost;           // [gpus]
  float* gain;               // [experts] cost of one replica more, but for its own gpu

  template <class Team>
  EPLB_HOST_DEVICE static search_state lay_out(arena& memory, const node_size& node, int samples) {
    const auto n = size_cast(node.slots), padded = n + Team::vector_width, s = size_cast(samples),
               gpus = size_cast(node.gpus);
    search_state out;
    out.first = memory.take<index_t>(gpus + 1);
    out.gpu_of = memory.take<index_t>(n);
    out.gpu_pace = memory.take<float>(gpus);
    out.count = memory.take<index_t>(size_cast(node.experts));
    out.expert = memory.take<index_t>(n);
    out.best_expert = memory.take<index_t>(n);
    out.current = memory.take<index_t>(n);
    out.next = memory.take<index_t>(n);
    out.some_slot = memory.take<index_t>(size_cast(node.experts));
    out.tabu_until = memory.take<std::int32_t>(padded);
    out.share = memory.take<float>(s * padded);
    out.slot_gpu_load = memory.take<float>(s * padded);
    out.slot_gpu_cost = memory.take<float>(padded);
    out.slot_pace = memory.take<float>(padded);
    out.gpu_cost = memory.take<float>(gpus);
    out.gain = memory.take<float>(size_cast(node.experts));
    return out;
  }
};

namespace {

/// What a load costs: a power of it.
template <int power>
EPLB_HOST_DEVICE float load_cost(float x) {
  constexpr int squarings = power == 4 ? 2 : 5;
  static_assert(1 << squarings == power);
  for (int i = 0; i < squarings; ++i) x *= x;
  return x;
}
/// Calls f with the power as a constant.
template <class F>
EPLB_HOST_DEVICE auto visit_power(int power, F f) {
  return power == 4 ? f(std::integral_constant<int, 4>{}) : f(std::integral_constant<int, 32>{});
}
EPLB_HOST_DEVICE inline float load_cost(int power, float x) {
  return visit_power(power, [x](auto of_x) { return load_cost<of_x.value>(x); });
}

/// Loads are scaled so that the largest a search begins with is `peak_at_first`; beyond `highest_load` all look
/// alike, so that the costs of two gpus, over any number of samples, stay finite.
constexpr float peak_at_first = 8, highest_load = 10;

template <class Team>
EPLB_HOST_DEVICE std::size_t padded_slots(const search_problem& p) {
  return size_cast(p.slots + Team::vector_width);
}

/// What pads the rows is a slot without load on a gpu without any.
template <class Team>
EPLB_HOST_DEVICE void clear_padding(Team& team, const search_problem& p, const search_state& state) {
  for (int slot = p.slots + team.rank(); slot < p.slots + Team::vector_width; slot += team.size()) {
    state.slot_gpu_cost[slot] = state.slot_pace[slot] = 0;
    for (int s = 0; s < p.samples; ++s) {
      const std::size_t at = size_cast(s) * padded_slots<Team>(p) + size_cast(slot);
      state.share[at] = state.slot_gpu_load[at] = 0;
    }
  }
}

/// After the experts of a gpu's slots, or their counts, changed.
template <class Team>
EPLB_DEVICE_NOINLINE void refresh_gpu(const search_problem& p, const search_state& state, int gpu) {
  const int first = p.first[gpu], last = p.first[gpu + 1];
  const std::size_t row = padded_slots<Team>(p);
  const float pace = p.pace[gpu];
  float cost = 0;
  for (int s = 0; s < p.samples; ++s) {
    float* const share = state.share + size_cast(s) * row;
    float load = 0;
    for (int slot = first; slot < last; ++slot) {
      const int e = state.expert[slot];
      const float x = p.load_of(s, e) / static_cast<float>(state.count[e]);
      share[slot] = x;
      load += x;
    }
    load *= pace;
    load = load < highest_load ? load : highest_load;
    for (int slot = first; slot < last; ++slot) state.slot_gpu_load[size_cast(s) * row + slot] = load;
    cost += load_cost(p.cost_power, load);
  }
  for (int slot = first; slot < last; ++slot) state.slot_gpu_cost[slot] = cost;
  state.gpu_cost[gpu] = cost;
}

template <class Team>
EPLB_HOST_DEVICE void refresh_all(Team& team, const search_problem& p, const search_state& state) {
  for (int gpu = team.rank(); gpu < p.gpus; gpu += team.size()) refresh_gpu<Team>(p, state, gpu);
  team.sync();
}

EPLB_DEVICE_NOINLINE inline int count_on(const search_problem& p, const index_t* expert, int gpu, int e) {
  int count = 0;
  for (int slot = p.first[gpu]; slot < p.first[gpu + 1]; ++slot) count += expert[slot] == e ? 1 : 0;
  return count;
}

/// Whether a gpu may take an expert.
EPLB_DEVICE_NOINLINE inline bool may_take(const search_problem& p, const search_state& state, int gpu, int expert) {
  for (int slot = p.first[gpu]; slot < p.first[gpu + 1]; ++slot)
    if (state.expert[slot] == expert) return p.allow_duplicates;
  return true;
}

/// Whether two slots may exchange their experts.
EPLB_DEVICE_NOINLINE inline bool may_swap(const search_problem& p, const search_state& state, int i, int j) {
  const int a = p.gpu_of[i], b = p.gpu_of[j], x = state.expert[i], y = state.expert[j];
  return a != b && x != y && may_take(p, state, a, y) && may_take(p, state, b, x);
}

/// Slots of a gpu that hold another expert than at first, however its experts are seated: how many more there are when
/// it gives x away for y.
EPLB_DEVICE_NOINLINE inline int more_changes(const search_problem& p, const search_state& state, int gpu, int x,
                                             int y) {
  const int lost = count_on(p, state.expert, gpu, x) <= count_on(p, state.current, gpu, x) ? 1 : 0;
  const int won = count_on(p, state.expert, gpu, y) < count_on(p, state.current, gpu, y) ? 1 : 0;
  return lost - won;
}
EPLB_DEVICE_NOINLINE inline int more_changes_of_swap(const search_problem& p, const search_state& state, int i, int j) {
  const int x = state.expert[i], y = state.expert[j];
  return more_changes(p, state, p.gpu_of[i], x, y) + more_changes(p, state, p.gpu_of[j], y, x);
}

/// Exchanges the experts of two slots, whose experts differ. One thread; their gpus have to be refreshed.
EPLB_DEVICE_NOINLINE inline void exchange(const search_problem& p, const search_state& state, int i, int j) {
  const index_t x = state.expert[i];
  state.expert[i] = state.expert[j];
  state.expert[j] = x;
  if (!p.from_current) return;
  const index_t after_i = state.next[i], after_j = state.next[j];
  int before_i = i, before_j = j;
  while (state.next[before_i] != i) before_i = state.next[before_i];
  while (state.next[before_j] != j) before_j = state.next[before_j];
  state.some_slot[x] = static_cast<index_t>(j);
  state.some_slot[state.expert[i]] = static_cast<index_t>(i);
  state.next[before_i == i ? j : before_i] = static_cast<index_t>(j);
  state.next[before_j == j ? i : before_j] = static_cast<index_t>(i);
  if (before_i != i) state.next[j] = after_i;
  if (before_j != j) state.next[i] = after_j;
}

/// Gives slot i to expert y. One thread; the gpus of both experts have to be refreshed.
EPLB_DEVICE_NOINLINE inline void give(const search_state& state, int i, int y) {
  const int z = state.expert[i];
  int before = i, slot = state.some_slot[y];
  while (state.next[before] != i) before = state.next[before];
  state.next[before] = state.next[i];
  state.some_slot[z] = static_cast<index_t>(before);
  state.next[i] = state.next[slot];
  state.next[slot] = static_cast<index_t>(i);
  state.expert[i] = static_cast<index_t>(y);
  --state.count[z];
  ++state.count[y];
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
