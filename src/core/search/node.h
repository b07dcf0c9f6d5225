// SPDX-License-Identifier: MIT
// A node planned by search: a local search over whole placements, under several samples of the loads at once, on gpus
// as they are, without two replicas of an expert on one of them, and from where they are now if that is asked.
#pragma once

#include "core/maps.h"
#include "core/search/budget.h"
#include "core/search/start.h"
#include "core/search/steps.h"

namespace eplb {

/// What the search of a node takes.
struct node_search {
  float* load;             // [samples][experts of a node] scaled
  index_t* index_on_node;  // [experts of the layer] no_expert: of another node; only from a current placement
  search_state state;
  start_memory start;

  template <class Team>
  EPLB_HOST_DEVICE static node_search lay_out(arena& memory, const plan_shape& shape, const node_size& node,
                                              int samples) {
    node_search out;
    out.load = memory.take<float>(size_cast(samples) * size_cast(node.experts));
    out.index_on_node = memory.take<index_t>(size_cast(shape.experts));
    out.state = search_state::lay_out<Team>(memory, node, samples);
    out.start = start_memory::lay_out<Team>(memory, node);
    return out;
  }
};

namespace {

/// Where the slots of a node are in its layer.
struct slots_of_node {
  const search_problem& p;
  const cluster& gpus;
  int node;

  EPLB_HOST_DEVICE int operator()(int slot) const {
    const int gpu = p.gpu_of[slot];
    return gpus.first_slot[gpus.gpu[gpus.first_gpu[node] + gpu]] + slot - p.first[gpu];
  }
};

/// Writes the experts that the node's slots hold now, by their numbers on the node. Returns how many hold experts of
/// other nodes.
template <class Team>
EPLB_HOST_DEVICE int find_current_experts(Team& team, const search_problem& p, const search_task& task,
                                          const slots_of_node& slot_of, const index_t* expert,
                                          const node_search& search) {
  const int rank = team.rank(), size = team.size();
  for (int e = rank; e < task.shape.experts; e += size) search.index_on_node[e] = no_expert;
  team.sync();
  for (int e = rank; e < p.experts; e += size) search.index_on_node[expert[e]] = static_cast<index_t>(e);
  team.sync();
  int strangers = 0;
  for (int slot = rank; slot < p.slots; slot += size) {
    const index_t e = task.current[slot_of(slot)];
    const index_t known = e == no_expert ? no_expert : search.index_on_node[e];
    search.state.current[slot] = known;
    strangers += e != no_expert && known == no_expert ? 1 : 0;
  }
  return team.sum(strangers);
}

/// Slots of gpus that have more of them than there are experts: what is in these is a duplicate.
EPLB_HOST_DEVICE inline int count_forced_duplicates(const search_problem& p) {
  int forced = 0;
  for (int gpu = 0; gpu < p.gpus; ++gpu) forced += p.room(gpu) > p.experts ? p.room(gpu) - p.experts : 0;
  return forced;
}

EPLB_HOST_DEVICE inline int count_gpus_in_use(const search_problem& p) {
  int count = 0;
  for (int gpu = 0; gpu < p.gpus; ++gpu) count += p.room(gpu) > 0 ? 1 : 0;
  return count;
}

/// Seats the experts of each gpu: those that were there stay where they were, the others take the rest in order.
/// Leaves them in state.expert and returns how many slots hold another expert than before.
template <class Team>
EPLB_DEVICE_NOINLINE int seat_experts(Team& team, const search_problem& p, const search_state& state) {
  const int rank = team.rank(), size = team.size();
  int changes = 0;
  for (int gpu = rank; gpu < p.gpus; gpu += size) {
    const int first = p.first[gpu], last = p.first[gpu + 1];
    for (int slot = first; slot < last; ++slot) state.expert[slot] = no_expert;
    for (int slot = first; slot < last; ++slot)
      for (int other = first; p.from_current && other < last; ++other) {
        if (state.best_expert[slot] == no_expert || state.current[other] != state.best_expert[slot] ||
            state.expert[other] != no_expert)
          continue;
        state.expert[other] = state.best_expert[slot];
        state.best_expert[slot] = no_expert;
      }
    int seat = first;
    for (int slot = first; slot < last; ++slot) {
      if (state.best_expert[slot] == no_expert) continue;
      while (state.expert[seat] != no_expert) ++seat;
      state.expert[seat] = state.best_expert[slot];
      changes += p.from_current ? 1 : 0;
    }
  }
  return team.sum(changes);
}

/// The maps of a node. Which replica of an expert a slot holds is counted in slot order. Returns the largest count.
template <class Team>
EPLB_HOST_DEVICE int write_searched_maps(Team& team, const search_problem& p, const search_state& state,
                                         const slots_of_node& slot_of, const index_t* expert, const layer_maps& out) {
  const int rank = team.rank(), size = team.size();
  for (int e = rank; e < p.experts; e += size) state.count[e] = 0;
  team.sync();
  for (int slot = 0; slot < p.slots; ++slot) {
    const int e = state.expert[slot];
    if (e % size != rank) continue;
    out.physical_to_logical[slot_of(slot)] = expert[e];
    out.replica_rank[slot_of(slot)] = state.count[e]++;
  }
  int most = 0;
  for (int e = rank; e < p.experts; e += size) {
    out.replica_count[expert[e]] = state.count[e];
    most = state.count[e] > most ? state.count[e] : most;
  }
  return team.max(most);
}

/// A phase: a node's replicas, their gpus and its part of the maps, by search. If more slots have to change than the
/// budget allows, nothing is written.
template <class Team>
EPLB_HOST_DEVICE node_outcome search_node(Team& team, const search_task& task, int node, int budget,
                                          const index_t* expert, const node_search& search, const layer_maps& out) {
  const search_state& state = search.state;
  const search_problem p = describe_node(team, task.gpus, node, task.node, task.rules, task.samples.samples,
                                         search.load, task.current != nullptr, state);
  const slots_of_node slot_of{p, task.gpus, node};
  scale_loads(team, task.shape, task.gpus, task.samples, expert, p.experts, search.load);
  mean_loads(team, p, search.start.load);

  const int forced = count_forced_duplicates(p);
  node_outcome outcome{};
  if (p.from_current) {
    outcome.strangers = find_current_experts(team, p, task, slot_of, expert, search);
    outcome.needed = outcome.changes = start_from_current(team, p, state, search.start.load);
    if (outcome.needed > budget) return outcome;
  } else {
    const bool may_meet = p.allow_duplicates || forced > 0;
    start_from_nothing(team, p, search.start, may_meet ? max_extent : count_gpus_in_use(p), state);
  }
  clear_padding(team, p, state);
  refresh_all(team, p, state);
  if (!p.allow_duplicates) {
    const int left = part_duplicates(team, p, state, budget, outcome.changes);
    if (left > forced && !p.from_current) {
      deal_replicas(team, p, state, search.start.load, search.start.used);
      refresh_all(team, p, state);
    }
  }
  scale_to_peak(team, p, state, search.load);
  search_steps(team, p, task.rules.steps, goal_of(team, p, state), budget - outcome.changes, state);
  outcome.changes = seat_experts(team, p, state);
  outcome.most_replicas = write_searched_maps(team, p, state, slot_of, expert, out);
  return outcome;
}

}  // namespace
}  // namespace eplb
