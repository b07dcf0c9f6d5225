// SPDX-License-Identifier: MIT
// The planning rules once more, as plainly as they can be written and with nothing in common with the
// library: what its fast code is compared with. Slow on purpose.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/random.h"
#include "core/rules.h"

namespace eplb::reference {

using floats = std::vector<float>;
using ints = std::vector<int>;

/// Positions of `keys`, largest first, lowest index first on ties.
inline ints descending(const floats& keys) {
  ints order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return keys[a] > keys[b]; });
  return order;
}

inline floats ones_if_empty(floats loads) {
  if (std::all_of(loads.begin(), loads.end(), [](float x) { return x == 0; }))
    std::fill(loads.begin(), loads.end(), 1.0f);
  return loads;
}

/// Sums stop at the largest number.
inline void add(float& sum, float load) { sum = std::min(sum + load, FLT_MAX); }

/// `order` lists the items as they are to be packed; gives each of them a pack.
inline ints first_packing(initial_packing rule, const floats& loads, const ints& order, int packs) {
  const int room = static_cast<int>(loads.size()) / packs;
  floats sum(packs, 0);
  ints used(packs, 0), pack(loads.size());
  for (int q = 0; q < static_cast<int>(order.size()); ++q) {
    int to = -1;
    if (rule == initial_packing::zigzag) {
      to = q / packs % 2 == 0 ? q % packs : packs - 1 - q % packs;
    } else {
      for (int p = 0; p < packs; ++p)
        if (used[p] < room && (to < 0 || sum[p] < sum[to])) to = p;
    }
    pack[order[q]] = to;
    add(sum[to], loads[order[q]]);
    ++used[to];
  }
  return pack;
}

inline floats pack_sums(const floats& loads, const ints& order, const ints& pack, int packs) {
  floats sum(packs, 0);
  for (const int i : order) add(sum[pack[i]], loads[i]);
  return sum;
}

inline void swap_until_stuck(const packing_rules& rules, const floats& loads, const ints& order, int packs,
                             ints& pack) {
  for (int round = 0; round < rules.max_swaps && rules.scope != swap_scope::none; ++round) {
    const floats sum = pack_sums(loads, order, pack, packs);
    const int heavy = static_cast<int>(std::max_element(sum.begin(), sum.end()) - sum.begin());
    const int light = static_cast<int>(std::min_element(sum.begin(), sum.end()) - sum.begin());
    float best = 1e-6f;
    int best_i = -1, best_j = -1;
    for (const int i : order)
      for (const int j : order) {
        const int a = pack[i], b = pack[j];
        const float d = loads[i] - loads[j], slack = sum[a] - sum[b];
        float gain = 0;
        if (rules.scope == swap_scope::any_any) {
          if (a != b) gain = 2 * (d * (slack - d));
        } else if (a == heavy && b != heavy && d > 0) {
          if (rules.scope == swap_scope::heaviest_any || b == light) gain = std::min(d, slack - d);
        }
        if (gain > best) best = gain, best_i = i, best_j = j;
      }
    if (best_i < 0) return;
    std::swap(pack[best_i], pack[best_j]);
  }
}

/// The item in each seat, pack by pack.
inline ints balanced_packing(const packing_rules& rules, const floats& given, int packs, std::uint64_t seed, int layer,
                             int problem) {
  const int n = static_cast<int>(given.size());
  ints seat_item(n);
  std::iota(seat_item.begin(), seat_item.end(), 0);
  if (n == packs) return seat_item;
  const floats loads = ones_if_empty(given);
  const ints order = descending(loads);
  ints best;
  float best_cost = 0;
  for (int c = 0; c < rules.candidates; ++c) {
    float amplitude = c == 0 ? 0 : rules.amplitude;
    if (rules.form == amplitude_form::linear && c > 0)
      amplitude = rules.amplitude * static_cast<float>(c) / static_cast<float>(rules.candidates - 1);
    floats keys = loads;
    for (int i = 0; i < n; ++i)
      keys[i] *= 1 + uniform(seed, static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(problem),
                             static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(i)) *
                         amplitude;
    ints pack = first_packing(rules.initial, loads, descending(keys), packs);
    swap_until_stuck(rules, loads, order, packs, pack);
    const floats sum = pack_sums(loads, order, pack, packs);
    const float peak = *std::max_element(sum.begin(), sum.end());
    const float cost =
        rules.choice == candidate_choice::max_load ? peak : peak - *std::min_element(sum.begin(), sum.end());
    if (best.empty() || cost < best_cost) best = pack, best_cost = cost;
  }
  ints used(packs, 0);
  for (const int i : order) seat_item[best[i] * (n / packs) + used[best[i]]++] = i;
  return seat_item;
}

struct replication {
  ints expert, rank, count;
};

inline replication replicate(const floats& loads, int slots) {
  const int experts = static_cast<int>(loads.size());
  replication out{ints(slots), ints(slots, 0), ints(experts, 1)};
  std::iota(out.expert.begin(), out.expert.begin() + experts, 0);
  for (int slot = experts; slot < slots; ++slot) {
    int hot = 0;
    for (int e = 1; e < experts; ++e)
      if (loads[e] / static_cast<float>(out.count[e]) > loads[hot] / static_cast<float>(out.count[hot])) hot = e;
    out.expert[slot] = hot;
    out.rank[slot] = out.count[hot]++;
  }
  return out;
}

struct maps {
  ints physical_to_logical, replica_rank, replica_count;
};

inline maps balance_layer(const plan_shape& shape, const packing_rules& rules, const floats& loads, std::uint64_t seed,
                          int layer) {
  const int width = shape.experts / shape.groups, experts = shape.experts / shape.nodes;
  const int slots = shape.slots / shape.nodes, gpus = shape.gpus / shape.nodes;
  floats group_load(shape.groups, 0);
  for (int e = 0; e < shape.experts; ++e) add(group_load[e / width], loads[e]);
  ints expert;
  for (const int g : balanced_packing(rules, group_load, shape.nodes, seed, layer, 0))
    for (int place = 0; place < width; ++place) expert.push_back(g * width + place);
  maps out{{}, {}, ints(shape.experts)};
  for (int node = 0; node < shape.nodes; ++node) {
    floats node_load(experts);
    for (int e = 0; e < experts; ++e) node_load[e] = loads[expert[node * experts + e]];
    node_load = ones_if_empty(node_load);
    const replication replicas = replicate(node_load, slots);
    floats slot_load(slots);
    for (int s = 0; s < slots; ++s)
      slot_load[s] = node_load[replicas.expert[s]] / static_cast<float>(replicas.count[replicas.expert[s]]);
    for (const int s : balanced_packing(rules, slot_load, gpus, seed, layer, 1 + node)) {
      out.physical_to_logical.push_back(expert[node * experts + replicas.expert[s]]);
      out.replica_rank.push_back(replicas.rank[s]);
    }
    for (int e = 0; e < experts; ++e) out.replica_count[expert[node * experts + e]] = replicas.count[e];
  }
  return out;
}

}  // namespace eplb::reference
