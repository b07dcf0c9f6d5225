// SPDX-License-Identifier: MIT
// A plan for one layer: the four steps of DeepSeek's expert-parallelism load balancer in a row.
#pragma once

#include "core/pack.h"
#include "core/replicate.h"

namespace eplb {

/// All that one thread group needs to plan a layer.
struct layer_memory {
  float* group_load;       // [groups]
  index_t* node_expert;    // [nodes][experts / nodes] numbers of the experts on each node
  float* node_load;        // [experts / nodes]
  replicas replica;        // of one node
  std::uint64_t* hottest;  // tournament of the experts of a node
  packing_memory packing;  // for the larger of both packing problems
  sorted_items items;
  index_t* member;  // [slots] of the best candidate

  template <class Group>
  static layer_memory lay_out(arena& memory, const plan_shape& shape) {
    const int experts = shape.experts / shape.nodes, slots = shape.slots / shape.nodes;
    const int items = slots > shape.groups ? slots : shape.groups;
    const int packs = shape.gpus > shape.nodes ? shape.gpus : shape.nodes;
    const auto n = extent(items);
    layer_memory out;
    out.group_load = memory.take<float>(extent(shape.groups));
    out.node_expert = memory.take<index_t>(extent(shape.experts));
    out.node_load = memory.take<float>(extent(experts));
    out.replica.expert = memory.take<index_t>(extent(slots));
    out.replica.rank = memory.take<index_t>(extent(slots));
    out.replica.load = memory.take<float>(extent(slots));
    out.replica.count = memory.take<index_t>(extent(experts));
    out.hottest = memory.take<std::uint64_t>(Group::tournament::words(experts));
    out.packing = packing_memory::lay_out<Group>(memory, items, packs);
    out.items.load = memory.take<float>(n + Group::vector_width);
    out.items.index = memory.take<index_t>(n);
    out.items.place = memory.take<index_t>(n);
    out.member = memory.take<index_t>(n);
    return out;
  }
};

namespace {

/// Step 1: groups of consecutive experts onto nodes. Numbers a node's experts by node, seat of the
/// group in the node, place in the group. `search(problem)` tries all candidates, once the items are
/// sorted, and leaves the best in m.member.
template <class Group, class Search>
EPLB_CORE void place_groups(Group& group, const plan_shape& shape, packing_problem problem, const float* load,
                            const layer_memory& m, Search search) {
  const int rank = group.thread_rank(), size = group.size(), width = shape.experts / shape.groups;
  problem.items = shape.groups;
  problem.packs = shape.nodes;
  problem.load = m.group_load;
  if (!is_identity(problem)) {
    for (int g = rank; g < shape.groups; g += size) {
      float sum = 0;
      for (int place = 0; place < width; ++place) sum = add_loads(sum, load[g * width + place]);
      m.group_load[g] = sum;
    }
    group.sync();
    sort_items(group, problem, m.items, m.packing);
    search(problem);
  }
  for (int seat = 0; seat < shape.groups; ++seat) {
    const int first = item_in_seat(problem, m.items, m.member, seat) * width;
    for (int place = rank; place < width; place += size)
      m.node_expert[seat * width + place] = static_cast<index_t>(first + place);
  }
  group.sync();
}

/// The loads of the experts of a node, which come in whole groups of `width`; 1 each if there is none
/// at all.
template <class Group>
EPLB_CORE void gather_node_load(Group& group, const float* load, const index_t* expert, int experts, int width,
                                float* out) {
  const int rank = group.thread_rank(), size = group.size();
  std::uint32_t any = 0;
  for (int first = 0; first < experts; first += width)
    for (int place = rank; place < width; place += size) {
      const float x = load[expert[first] + place];
      out[first + place] = x;
      any |= float_bits(x);
    }
  if (group.min(any != 0 ? 0 : 1) != 0)
    for (int e = rank; e < experts; e += size) out[e] = 1;
  group.sync();
}

/// Steps 2 and 3 of a node, up to the candidates: its replicas, and, where there is a choice, their
/// order. Returns the packing problem.
template <class Group>
EPLB_CORE packing_problem prepare_node(Group& group, const plan_shape& shape, packing_problem problem, int node,
                                       const float* load, const layer_memory& m) {
  const int experts = shape.experts / shape.nodes;
  problem.items = shape.slots / shape.nodes;
  problem.packs = shape.gpus / shape.nodes;
  problem.load = m.replica.load;
  problem.number += static_cast<std::uint32_t>(node);
  gather_node_load(group, load, m.node_expert + node * experts, experts, shape.experts / shape.groups, m.node_load);
  replicate(group, m.node_load, experts, problem.items, m.replica, m.hottest);
  if (!is_identity(problem)) sort_items(group, problem, m.items, m.packing);
  return problem;
}

/// Step 4: the maps of one node's slots, in order of gpu and seat.
template <class Group>
EPLB_CORE void write_maps(Group& group, const plan_shape& shape, const packing_problem& problem, int node,
                          const layer_memory& m, const layer_maps& out) {
  const int rank = group.thread_rank(), size = group.size();
  const int experts = shape.experts / shape.nodes, slots = problem.items;
  const index_t* const expert = m.node_expert + node * experts;
  for (int seat = rank; seat < slots; seat += size) {
    const int item = item_in_seat(problem, m.items, m.member, seat);
    out.physical_to_logical[node * slots + seat] = expert[m.replica.expert[item]];
    out.replica_rank[node * slots + seat] = m.replica.rank[item];
  }
  for (int e = rank; e < experts; e += size) out.replica_count[expert[e]] = m.replica.count[e];
  group.sync();
}

/// Plans a layer. `first` numbers the packing problem of the layer's first node for the random draws;
/// the one of the groups, if there is any to solve, is 0.
template <class Group, class Search>
EPLB_CORE void balance_layer(Group& group, const plan_shape& shape, std::uint64_t seed, std::uint32_t layer,
                             std::uint32_t first, const float* load, const layer_memory& m, const layer_maps& out,
                             Search search) {
  place_groups(group, shape, {0, 0, nullptr, seed, layer, 0}, load, m, search);
  for (int node = 0; node < shape.nodes; ++node) {
    const packing_problem problem = prepare_node(group, shape, {0, 0, nullptr, seed, layer, first}, node, load, m);
    if (!is_identity(problem)) search(problem);
    write_maps(group, shape, problem, node, m, out);
  }
}

}  // namespace
}  // namespace eplb
