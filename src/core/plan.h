// SPDX-License-Identifier: MIT
// The phases of a plan. A layer goes through them in this order, whoever executes them:
//
//   read_layer        loads as float32, and their sum over the samples      core/loads.h
//   prepare_groups    router groups by load, where there is a choice        here
//   try_candidates    groups onto nodes                                     core/pack/candidates.h
//   number_experts    the experts of each node                              here
//   then, for each node of a plan by packing,
//     prepare_node    replicas of its experts by load                       here
//     try_candidates  replicas onto gpus                                    core/pack/candidates.h
//     write_maps      the node's part of the maps                           here
//   or, of a plan by search,
//     read_current, keep_groups   if it starts from a current placement     core/search/groups.h
//     search_node     replicas, their gpus, and the maps                    core/search/node.h
//
// A phase is a function of a team of threads: it takes what the ones before have left and leaves something for the
// next. On the CPU one thread takes a layer through all of them (src/backend/cpu/planner.cpp). On a GPU a launch takes
// a layer, or a node of it, through one or a few (src/backend/cuda/programs.h).
#pragma once

#include "core/loads.h"
#include "core/maps.h"
#include "core/pack/candidates.h"
#include "core/pack/replicate.h"

namespace eplb {

/// The router groups of a layer, to be packed onto nodes.
struct group_problem {
  float* load;  // [groups]
  sorted_items sorted;

  template <class Team>
  EPLB_HOST_DEVICE static group_problem lay_out(arena& memory, const plan_shape& shape) {
    return {memory.take<float>(size_cast(shape.groups)), sorted_items::lay_out<Team>(memory, shape.groups)};
  }
  EPLB_HOST_DEVICE packing_problem onto_nodes(const plan_shape& shape, std::uint64_t seed, int layer) const {
    return {shape.groups, shape.nodes, load, sorted, seed, static_cast<std::uint32_t>(layer), 0};
  }
};

/// The replicas of a node's experts, to be packed onto its gpus.
struct node_problem {
  index_t* expert;  // [experts of the node] their numbers
  replicas replica;
  sorted_items sorted;

  template <class Team>
  EPLB_HOST_DEVICE static node_problem lay_out(arena& memory, const plan_shape& shape) {
    const node_size node = node_size::of(shape);
    return {memory.take<index_t>(size_cast(node.experts)), replicas::lay_out(memory, node.experts, node.slots),
            sorted_items::lay_out<Team>(memory, node.slots)};
  }
  /// `number`, for the random draws, of this node's problem in its layer.
  EPLB_HOST_DEVICE packing_problem onto_gpus(const plan_shape& shape, std::uint64_t seed, int layer,
                                             std::uint32_t number) const {
    const node_size node = node_size::of(shape);
    return {node.slots, node.gpus, replica.load, sorted, seed, static_cast<std::uint32_t>(layer), number};
  }
};

/// What preparing a node takes beside the problem that comes of it.
struct prepare_memory {
  float* node_load;        // [experts of a node]
  std::uint64_t* hottest;  // tournament of the experts of a node
  sort_memory sort;        // of its replicas

  template <class Team>
  EPLB_HOST_DEVICE static prepare_memory lay_out(arena& memory, const plan_shape& shape, const sort_memory& sort) {
    const node_size node = node_size::of(shape);
    return {memory.take<float>(size_cast(node.experts)),
            memory.take<std::uint64_t>(Team::tournament::words(node.experts)), sort};
  }
};

namespace {

/// Whether there is a choice of groups for nodes.
EPLB_HOST_DEVICE inline bool places_groups(const plan_shape& shape) { return shape.groups != shape.nodes; }

/// The loads of the groups of consecutive experts, sorted.
template <class Team>
EPLB_HOST_DEVICE void prepare_groups(Team& team, const plan_shape& shape, const float* load, const group_problem& out,
                                     const sort_memory& memory) {
  const int width = shape.experts / shape.groups;
  for (int g = team.rank(); g < shape.groups; g += team.size()) {
    float sum = 0;
    for (int i = 0; i < width; ++i) sum = add_loads(sum, load[g * width + i]);
    out.load[g] = sum;
  }
  team.sync();
  sort_items(team, out.load, shape.groups, out.sorted, memory);
}

/// Numbers the experts by node, then seat of the group in the node, then place in the group: [nodes][experts / nodes].
/// `member`: the packing of groups onto nodes.
template <class Team>
EPLB_HOST_DEVICE void number_experts(Team& team, const plan_shape& shape, const packing_problem& groups,
                                     const index_t* member, index_t* out) {
  const int width = shape.experts / shape.groups;
  for (int seat = 0; seat < shape.groups; ++seat) {
    const int first = item_in_seat(groups, member, seat) * width;
    for (int i = team.rank(); i < width; i += team.size()) out[seat * width + i] = static_cast<index_t>(first + i);
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
    for (int i = rank; i < width; i += size) {
      const float x = load[expert[first] + i];
      out[first + i] = x;
      any |= float_bits(x);
    }
  if (team.min(any != 0 ? 0 : 1) != 0)
    for (int e = rank; e < experts; e += size) out[e] = 1;
  team.sync();
}

/// The replicas of a node's experts, and, where there is a choice, their order.
template <class Team>
EPLB_HOST_DEVICE void prepare_node(Team& team, const plan_shape& shape, const float* load, const index_t* expert,
                                   const node_problem& out, const prepare_memory& memory) {
  const node_size node = node_size::of(shape);
  gather_node_load(team, load, expert, node.experts, shape.experts / shape.groups, memory.node_load);
  replicate(team, memory.node_load, node.experts, node.slots, out.replica, memory.hottest);
  if (node.slots != node.gpus) sort_items(team, out.replica.load, node.slots, out.sorted, memory.sort);
  for (int e = team.rank(); e < node.experts; e += team.size()) out.expert[e] = expert[e];
  team.sync();
}

/// The maps of one node's slots, in order of gpu and seat. `member`: the packing of its replicas onto gpus.
template <class Team>
EPLB_HOST_DEVICE void write_maps(Team& team, const packing_problem& packing, const node_problem& from, int node,
                                 int experts, const index_t* member, const layer_maps& out) {
  const int rank = team.rank(), size = team.size(), slots = packing.items;
  for (int seat = rank; seat < slots; seat += size) {
    const int item = item_in_seat(packing, member, seat);
    out.physical_to_logical[node * slots + seat] = from.expert[from.replica.expert[item]];
    out.replica_rank[node * slots + seat] = from.replica.rank[item];
  }
  for (int e = rank; e < experts; e += size) out.replica_count[from.expert[e]] = from.replica.count[e];
  team.sync();
}

}  // namespace
}  // namespace eplb
