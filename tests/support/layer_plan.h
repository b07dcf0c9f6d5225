// SPDX-License-Identifier: MIT
// A layer taken through the phases of a plan (core/plan.h) by any team, and what that takes.
#pragma once

#include "core/plan.h"
#include "core/score.h"
#include "core/search/groups.h"
#include "core/search/node.h"
#include "support/cases.h"

namespace eplb {

/// What kept a search from a plan: the slot with a wrong value, or the changes that are needed.
struct layer_outcome {
  current_fault fault;
  int at;
};

template <class Team>
struct layer_plan {
  /// How a plan by search places groups.
  static constexpr packing_rules groups_of_search{
      initial_packing::lpt, 1, 0, amplitude_form::constant, swap_scope::none, 0, candidate_choice::max_load};

  plan_shape shape;
  node_size node;
  float* sample;           // [experts]
  index_t* node_expert;    // [experts]
  index_t* packed_expert;  // [experts]
  group_problem groups;
  node_problem replicas;
  prepare_memory prepare;
  packing_memory packing;
  index_t* member;
  group_memory kept;
  node_search search;
  score_memory score;
  cluster gpus;
  index_t* current;        // [slots]
  int* budget;             // [nodes]
  node_outcome* outcomes;  // [nodes]

  static layer_plan lay_out(arena& memory, const cases::deployment& of, int samples) {
    const plan_shape& shape = of.shape;
    const auto experts = size_cast(shape.experts);
    const int items = std::max(shape.slots, shape.groups), packs = std::max(shape.gpus, shape.nodes);
    layer_plan out;
    out.shape = shape;
    out.node = of.largest_node();
    out.sample = memory.take<float>(experts);
    out.node_expert = memory.take<index_t>(experts);
    out.packed_expert = memory.take<index_t>(experts);
    out.groups = group_problem::lay_out<Team>(memory, shape);
    out.replicas = node_problem::lay_out<Team>(memory, shape);
    out.packing = packing_memory::lay_out<Team>(memory, items, packs);
    out.prepare = prepare_memory::lay_out<Team>(memory, shape, out.packing.sort);
    out.member = memory.take<index_t>(size_cast(items));
    out.kept = group_memory::lay_out(memory, shape);
    out.search = node_search::lay_out<Team>(memory, shape, out.node, samples);
    out.score = score_memory::lay_out<Team>(memory, shape);
    out.gpus = cluster::lay_out(memory, shape);
    out.current = memory.take<index_t>(size_cast(shape.slots));
    out.budget = memory.take<int>(size_cast(shape.nodes));
    out.outcomes = memory.take<node_outcome>(size_cast(shape.nodes));
    if (out.gpus.first_slot) out.gpus.describe(shape, of.view());
    return out;
  }

  /// Its piece of memory, which `block` becomes.
  static layer_plan in(std::vector<char>& block, const cases::deployment& of, int samples) {
    block.resize(bytes_of([&](arena& memory) { lay_out(memory, of, samples); }) + arena::alignment);
    arena pieces(arena::align(block.data()));
    return lay_out(pieces, of, samples);
  }

  /// Of a layer whose loads are `load`.
  void pack(Team& team, const packing_rules& rules, const float* load, std::uint64_t seed, int layer,
            const layer_maps& maps) const {
    const packing_problem onto_nodes = place_groups(team, rules, load, seed, layer);
    number_experts(team, shape, onto_nodes, member, node_expert);
    for (int n = 0; n < shape.nodes; ++n) {
      prepare_node(team, shape, load, node_expert + n * node.experts, replicas, prepare);
      const packing_problem onto_gpus = replicas.onto_gpus(shape, seed, layer, 1 + static_cast<std::uint32_t>(n));
      try_all(team, onto_gpus, rules);
      write_maps(team, onto_gpus, replicas, n, node.experts, member, maps);
    }
  }

  /// One pass, in which each node has the budget of the layer; from.expert may be null.
  layer_outcome operator()(Team& team, const search_rules& rules, const layer_samples& samples, const float* load,
                           const current_view& from, int at, const layer_maps& maps) const {
    for (int n = team.rank(); n < shape.nodes; n += team.size()) budget[n] = from.most_changes;
    if (from.expert) {
      const fault_key fault = read_current(team, shape, from, at, current);
      if (fault != no_fault) return {current_fault::value, static_cast<int>(fault & 0xffff)};
    }
    team.sync();
    return again(team, rules, samples, load, from, maps, false);
  }

  /// With the budgets as they are; `only_some`: the nodes that have made more changes than theirs.
  layer_outcome again(Team& team, const search_rules& rules, const layer_samples& samples, const float* load,
                      const current_view& from, const layer_maps& maps, bool only_some = true) const {
    const search_task task{shape, node, gpus, rules, samples, from.expert ? current : nullptr};
    const packing_problem onto_nodes = place_groups(team, groups_of_search, load, 0, 0);
    number_experts(team, shape, onto_nodes, member, task.current ? packed_expert : node_expert);
    if (task.current) keep_groups(team, task, onto_nodes, packed_expert, kept, node_expert);
    for (int n = 0; n < shape.nodes; ++n) {
      if (only_some && outcomes[n].changes <= budget[n]) continue;
      const node_outcome outcome = search_node(team, task, n, budget[n], node_expert + n * node.experts, search, maps);
      if (team.rank() == 0) outcomes[n] = outcome;
      team.sync();
    }
    const changes_needed needed = add_needed(outcomes, size_cast(shape.nodes));
    if (needed.slots > from.most_changes) return {needed.why, static_cast<int>(needed.slots)};
    return {};
  }

 private:
  packing_problem place_groups(Team& team, const packing_rules& rules, const float* load, std::uint64_t seed,
                               int layer) const {
    if (places_groups(shape)) prepare_groups(team, shape, load, groups, packing.sort);
    const packing_problem out = groups.onto_nodes(shape, seed, layer);
    try_all(team, out, rules);
    return out;
  }
  void try_all(Team& team, const packing_problem& problem, const packing_rules& rules) const {
    if (!is_identity(problem)) try_candidates(team, problem, rules, 0, rules.candidates, packing, member);
  }
};

}  // namespace eplb
