// SPDX-License-Identifier: MIT
// Which experts are on which node, of a plan that starts from a current placement.
#pragma once

#include "core/fault.h"
#include "core/pack/problem.h"
#include "core/search/state.h"

namespace eplb {

/// What it takes to keep groups on their nodes.
struct group_memory {
  index_t* of_group;      // [groups] node of each, or pack
  index_t* seated;        // [groups] node by node
  index_t* count;         // [nodes] groups on each; of a pack, slots that it has in common with a node
  float* load;            // [nodes]
  index_t* pack_of_node;  // [nodes]
  index_t* node_of_pack;  // [nodes]

  EPLB_HOST_DEVICE static group_memory lay_out(arena& memory, const plan_shape& shape) {
    const auto groups = size_cast(shape.groups), nodes = size_cast(shape.nodes);
    return {memory.take<index_t>(groups), memory.take<index_t>(groups), memory.take<index_t>(nodes),
            memory.take<float>(nodes),    memory.take<index_t>(nodes),  memory.take<index_t>(nodes)};
  }
};

namespace {

/// A phase: reads a layer of a current placement to `out` [slots]. Returns the first fault.
template <class Team>
EPLB_DEVICE_NOINLINE fault_key read_current(Team& team, const plan_shape& shape, const current_view& from, int layer,
                                            index_t* out) {
  auto bad = static_cast<std::uint64_t>(shape.slots);
  for (int slot = team.rank(); slot < shape.slots; slot += team.size()) {
    const std::int64_t e = from[size_cast(layer) * size_cast(shape.slots) + size_cast(slot)];
    const bool is_good = e >= -1 && e < shape.experts;
    out[slot] = e < 0 || !is_good ? no_expert : static_cast<index_t>(e);
    if (!is_good && bad > static_cast<std::uint64_t>(slot)) bad = static_cast<std::uint64_t>(slot);
  }
  const auto slot = static_cast<int>(team.min(bad));
  return slot < shape.slots ? placement_fault(layer, current_fault::value, slot) : no_fault;
}

/// Calls f for the expert of each slot of a node that has one now.
template <class F>
EPLB_HOST_DEVICE void visit_current(const search_task& task, int node, F f) {
  for (int k = task.gpus.first_gpu[node]; k < task.gpus.first_gpu[node + 1]; ++k) {
    const int gpu = task.gpus.gpu[k];
    for (int slot = task.gpus.first_slot[gpu]; slot < task.gpus.first_slot[gpu + 1]; ++slot)
      if (task.current[slot] != no_expert) f(static_cast<int>(task.current[slot]));
  }
}

/// The node that each group is on now, `nowhere` if none of its experts is anywhere. False if one is on two nodes.
template <class Team>
EPLB_HOST_DEVICE bool find_groups(Team& team, const search_task& task, index_t* node_of_group) {
  const int rank = team.rank(), size = team.size(), width = task.shape.experts / task.shape.groups;
  int is_split = 0;
  for (int g = rank; g < task.shape.groups; g += size) node_of_group[g] = nowhere;
  team.sync();
  for (int node = 0; node < task.shape.nodes; ++node)
    visit_current(task, node, [&](int e) {
      const int g = e / width;
      if (g % size != rank) return;
      if (node_of_group[g] == nowhere) node_of_group[g] = static_cast<index_t>(node);
      if (node_of_group[g] != node) is_split = 1;
    });
  return team.max(is_split) == 0;
}

/// Seats each group on the node where it is; those that are nowhere are packed as lpt does, onto what the others leave.
/// False if a node has more than it has room for. One thread.
EPLB_HOST_DEVICE inline bool seat_groups(const plan_shape& shape, const packing_problem& groups,
                                         const group_memory& memory) {
  const int room = shape.groups / shape.nodes;
  for (int node = 0; node < shape.nodes; ++node) {
    memory.count[node] = 0;
    memory.load[node] = 0;
  }
  const auto seat = [&](int g, int node) {
    memory.seated[node * room + memory.count[node]++] = static_cast<index_t>(g);
    if (!is_identity(groups))
      memory.load[node] = add_loads(memory.load[node], groups.sorted.load[groups.sorted.position_of[g]]);
  };
  for (int g = 0; g < shape.groups; ++g) {
    const int node = memory.of_group[g];
    if (node == nowhere) continue;
    if (memory.count[node] == room) return false;
    seat(g, node);
  }
  for (int k = 0; k < shape.groups; ++k) {
    const int g = is_identity(groups) ? k : groups.sorted.index[k];
    if (memory.of_group[g] != nowhere) continue;
    int lightest = -1;
    for (int node = 0; node < shape.nodes; ++node)
      if (memory.count[node] < room && (lightest < 0 || memory.load[node] < memory.load[lightest])) lightest = node;
    seat(g, lightest);
  }
  return true;
}

/// Makes one of a node and a pack of groups, again and again of those that have most slots in common now, the first of
/// equals. Those that have nothing in common with what is left are made one in order.
template <class Team>
EPLB_HOST_DEVICE void match_packs(Team& team, const search_task& task, const group_memory& memory) {
  constexpr int most_slots = max_extent;
  const int rank = team.rank(), size = team.size(), nodes = task.shape.nodes;
  const int width = task.shape.experts / task.shape.groups;
  index_t *const pack_of_node = memory.pack_of_node, *const node_of_pack = memory.node_of_pack;
  const auto visit_packs = [&](int node, auto f) {  // once for each slot; each thread has packs of its own
    visit_current(task, node, [&](int e) {
      const int pack = memory.of_group[e / width];
      if (pack % size == rank && node_of_pack[pack] == nowhere) f(pack);
    });
  };
  for (int matched = 0; matched < nodes; ++matched) {
    std::uint64_t best = last_key;
    for (int node = 0; node < nodes; ++node) {
      if (pack_of_node[node] != nowhere) continue;
      visit_packs(node, [&](int pack) { memory.count[pack] = 0; });
      visit_packs(node, [&](int pack) {
        const auto apart = static_cast<std::uint64_t>(most_slots - ++memory.count[pack]);
        const std::uint64_t key = apart << 32 | index_pair::key(node, pack, nodes);
        best = key < best ? key : best;
      });
    }
    best = team.min(best);
    if (best == last_key) break;
    const index_pair pair(best, nodes);
    if (rank == 0) {
      pack_of_node[pair.i] = static_cast<index_t>(pair.j);
      node_of_pack[pair.j] = static_cast<index_t>(pair.i);
    }
    team.sync();
  }
  for (int node = 0, free = 0; rank == 0 && node < nodes; ++node) {
    if (pack_of_node[node] != nowhere) continue;
    while (node_of_pack[free] != nowhere) ++free;
    pack_of_node[node] = static_cast<index_t>(free++);
  }
  team.sync();
}

/// Names the nodes of a packing of groups, whose experts are in `packed`, so that experts stay.
template <class Team>
EPLB_DEVICE_NOINLINE void name_nodes(Team& team, const search_task& task, const index_t* packed,
                                     const group_memory& memory, index_t* out) {
  const plan_shape& shape = task.shape;
  const int rank = team.rank(), size = team.size(), experts = task.node.experts;
  const int width = shape.experts / shape.groups, room = shape.groups / shape.nodes;
  for (int seat = rank; seat < shape.groups; seat += size)
    memory.of_group[packed[size_cast(seat) * size_cast(width)] / width] = static_cast<index_t>(seat / room);
  for (int i = rank; i < shape.nodes; i += size) memory.pack_of_node[i] = memory.node_of_pack[i] = nowhere;
  team.sync();
  match_packs(team, task, memory);
  for (int node = 0; node < shape.nodes; ++node)
    for (int e = rank; e < experts; e += size)
      out[size_cast(node) * size_cast(experts) + size_cast(e)] =
          packed[size_cast(memory.pack_of_node[node]) * size_cast(experts) + size_cast(e)];
  team.sync();
}

/// A phase: numbers the experts of each node as number_experts() has done in `packed`, but so that they stay where they
/// are now. If each group is on one node, and fits there, it stays; otherwise the nodes of the packing are named.
template <class Team>
EPLB_HOST_DEVICE void keep_groups(Team& team, const search_task& task, const packing_problem& groups,
                                  const index_t* packed, const group_memory& memory, index_t* out) {
  int stays = find_groups(team, task, memory.of_group) ? 1 : 0;
  if (stays && team.rank() == 0) stays = seat_groups(task.shape, groups, memory) ? 1 : 0;
  stays = team.min(static_cast<std::uint64_t>(stays)) != 0;
  if (!stays) return name_nodes(team, task, packed, memory, out);
  const int width = task.shape.experts / task.shape.groups;
  for (int seat = 0; seat < task.shape.groups; ++seat)
    for (int i = team.rank(); i < width; i += team.size())
      out[seat * width + i] = static_cast<index_t>(memory.seated[seat] * width + i);
  team.sync();
}

}  // namespace
}  // namespace eplb
