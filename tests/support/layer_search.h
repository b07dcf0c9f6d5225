// SPDX-License-Identifier: MIT
// What one team needs to plan a layer by any strategy, and to judge it.
#pragma once

#include "core/score.h"
#include "core/search/steps.h"
#include "support/cases.h"

namespace eplb {

template <class Team>
struct layer_search {
  node_size node;
  layer_memory layer;
  node_search search;
  score_memory score;
  cluster gpus;
  index_t* current;        // [slots]
  int* budget;             // [nodes]
  node_outcome* outcomes;  // [nodes]

  static layer_search lay_out(arena& memory, const cases::deployment& of, int samples) {
    const plan_shape& shape = of.shape;
    layer_search out;
    out.node = of.largest_node();
    out.layer = layer_memory::lay_out<Team>(memory, shape, out.node);
    out.search = node_search::lay_out<Team>(memory, shape, out.node, samples);
    out.score = score_memory::lay_out<Team>(memory, shape);
    out.gpus = cluster::lay_out(memory, shape);
    out.current = memory.take<index_t>(size_cast(shape.slots));
    out.budget = memory.take<int>(size_cast(shape.nodes));
    out.outcomes = memory.take<node_outcome>(size_cast(shape.nodes));
    if (out.gpus.first_slot) out.gpus.describe(shape, of.view());
    return out;
  }

  /// One pass, in which each node has the budget of the layer; from.expert may be null.
  layer_outcome operator()(Team& team, const plan_shape& shape, const search_rules& rules, const layer_samples& samples,
                           const float* sum, const current_view& from, int at, const layer_maps& maps) const {
    for (int n = team.rank(); n < shape.nodes; n += team.size()) budget[n] = from.most_changes;
    if (const int bad = from.expert ? read_current(team, from, shape, at, current) : shape.slots; bad < shape.slots)
      return {current_fault::value, bad};
    team.sync();
    return again(team, shape, rules, samples, sum, from, maps, false);
  }

  /// With the budgets as they are; `only_some`: the nodes that have made more changes than theirs.
  layer_outcome again(Team& team, const plan_shape& shape, const search_rules& rules, const layer_samples& samples,
                      const float* sum, const current_view& from, const layer_maps& maps, bool only_some = true) const {
    return search_layer(team, {shape, node, gpus, rules, samples, from.expert ? current : nullptr}, budget,
                        from.most_changes, only_some, sum, layer, search, outcomes, maps);
  }
};

}  // namespace eplb
