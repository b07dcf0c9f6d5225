// SPDX-License-Identifier: MIT
// A plan for one layer: the four steps of DeepSeek's expert-parallelism load balancer in a row.
#pragma once

#include "core/pack/candidates.h"
#include "core/pack/replicate.h"

namespace eplb {

/// All that one team needs to plan a layer.
struct layer_memory {
  float* group_load;       // [groups]
  index_t* node_expert;    // [nodes][experts / nodes] numbers of the experts on each node
  float* node_load;        // [experts / nodes]
  replicas replica;        // of one node
  std::uint64_t* hottest;  // tournament of the experts of a node
  sorted_items items;      // for the larger of both packing problems, as the rest
  packing_memory packing;
  index_t* member;  // of the best candidate

  template <class Team>
  EPLB_HOST_DEVICE static layer_memory lay_out(arena& memory, const plan_shape& shape, const node_size& node) {
    const int items = node.slots > shape.groups ? node.slots : shape.groups;
    const int packs = node.gpus > shape.nodes ? node.gpus : shape.nodes;
    layer_memory out;
    out.group_load = memory.take<float>(size_cast(shape.groups));
    out.node_expert = memory.take<index_t>(size_cast(shape.experts));
    out.node_load = memory.take<float>(size_cast(node.experts));
    out.replica = replicas::lay_out(memory, node.experts, node.slots);
    out.hottest = memory.take<std::uint64_t>(Team::tournament::words(node.experts));
    out.items = sorted_items::lay_out<Team>(memory, items);
    out.packing = packing_memory::lay_out<Team>(memory, items, packs);
    out.member = memory.take<index_t>(size_cast(items));
    return out;
  }
};

namespace {

/// Step 1, up to the candidates: the loads of the groups of consecutive experts and, where there is a
/// choice, their order. Returns the packing problem of groups onto nodes.
template <class Team>
EPLB_HOST_DEVICE packing_problem prepare_groups(Team& team, const plan_shape& shape, packing_problem problem,
                                                const float* load, const layer_memory& m) {
  const int rank = team.rank(), size = team.size(), width = shape.experts / shape.groups;
  problem.items = shape.groups;
  problem.packs = shape.nodes;
  problem.load = m.group_load;
  if (is_identity(problem)) return problem;
  for (int g = rank; g < shape.groups; g += size) {
    float sum = 0;
    for (int place = 0; place < width; ++place) sum = add_loads(sum, load[g * width + place]);
    m.group_load[g] = sum;
  }
  team.sync();
  sort_items(team, problem, m.items, m.packing.sort);
  return problem;
}

/// Step 1, once the best candidate is known: numbers a node's experts by node, seat of the group in the
/// node, place in the group.
template <class Team>
EPLB_HOST_DEVICE void number_experts(Team& team, const plan_shape& shape, const packing_problem& problem,
                                     const layer_memory& m) {
  const int rank = team.rank(), size = team.size(), width = shape.experts / shape.groups;
  for (int seat = 0; seat < shape.groups; ++seat) {
    const int first = item_in_seat(problem, m.items, m.member, seat) * width;
    for (int place = rank; place < width; place += size)
      m.node_expert[seat * width + place] = static_cast<index_t>(first + place);
  }
  team.sync();
}

/// The loads of the experts of a node, which come in whole groups of `width`; 1 each if there is none
/// at all.
template <class Team>
EPLB_HOST_DEVICE void gather_node_load(Team& team, const float* load, const index_t* expert, int experts, int width,
                                       float* out) {
  const int rank = team.rank(), size = team.size();
  std::uint32_t any = 0;
  for (int first = 0; first < experts; first += width)
    for (int place = rank; place < width; place += size) {
      const float x = load[expert[first] + place];
      out[first + place] = x;
      any |= float_bits(x);
    }
  if (team.min(any != 0 ? 0 : 1) != 0)
    for (int e = rank; e < experts; e += size) out[e] = 1;
  team.sync();
}

/// Steps 2 and 3 of a node, up to the candidates: the replicas of its experts, and, where there is a
/// choice, their order. Returns the packing problem of replicas onto gpus.
template <class Team>
EPLB_HOST_DEVICE packing_problem prepare_node(Team& team, const plan_shape& shape, packing_problem problem, int node,
                                              const float* load, const index_t* expert, const layer_memory& m) {
  const int experts = shape.experts / shape.nodes;
  problem.items = shape.slots / shape.nodes;
  problem.packs = shape.gpus / shape.nodes;
  problem.load = m.replica.load;
  problem.number += static_cast<std::uint32_t>(node);
  gather_node_load(team, load, expert, experts, shape.experts / shape.groups, m.node_load);
  replicate(team, m.node_load, experts, problem.items, m.replica, m.hottest);
  if (!is_identity(problem)) sort_items(team, problem, m.items, m.packing.sort);
  return problem;
}

/// Step 4: the maps of one node's slots, in order of gpu and seat.
template <class Team>
EPLB_HOST_DEVICE void write_maps(Team& team, const plan_shape& shape, const packing_problem& problem, int node,
                                 const index_t* expert, const replicas& replica, const sorted_items& items,
                                 const index_t* member, const layer_maps& out) {
  const int rank = team.rank(), size = team.size();
  const int experts = shape.experts / shape.nodes, slots = problem.items;
  for (int seat = rank; seat < slots; seat += size) {
    const int item = item_in_seat(problem, items, member, seat);
    out.physical_to_logical[node * slots + seat] = expert[replica.expert[item]];
    out.replica_rank[node * slots + seat] = replica.rank[item];
  }
  for (int e = rank; e < experts; e += size) out.replica_count[expert[e]] = replica.count[e];
  team.sync();
}

/// Plans a layer. `first` numbers the packing problem of the layer's first node for the random draws;
/// the one of the groups, if there is any to solve, is 0. `search(problem)` tries all candidates and
/// leaves the best in m.member.
template <class Team, class Search>
EPLB_HOST_DEVICE void balance_layer(Team& team, const plan_shape& shape, std::uint64_t seed, std::uint32_t layer,
                                    std::uint32_t first, const float* load, const layer_memory& m,
                                    const layer_maps& out, Search search) {
  const packing_problem groups = prepare_groups(team, shape, {0, 0, nullptr, seed, layer, 0}, load, m);
  if (!is_identity(groups)) search(groups);
  number_experts(team, shape, groups, m);
  for (int node = 0; node < shape.nodes; ++node) {
    const index_t* const expert = m.node_expert + size_cast(node) * size_cast(shape.experts / shape.nodes);
    const packing_problem gpus = prepare_node(team, shape, {0, 0, nullptr, seed, layer, first}, node, load, expert, m);
    if (!is_identity(gpus)) search(gpus);
    write_maps(team, shape, gpus, node, expert, m.replica, m.items, m.member, out);
  }
}

}  // namespace
}  // namespace eplb
