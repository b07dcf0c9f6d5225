// SPDX-License-Identifier: MIT
// Changes from a current placement: what has come of a search, and how nodes and layers share what is allowed.
#pragma once

#include "core/fault.h"
#include "core/shape.h"
#include "core/views.h"

namespace eplb {

/// What came of the search of a node.
struct node_outcome {
  int needed, changes;  // changed slots: those that could not be avoided, and all
  int most_replicas;
  int strangers;  // slots that held experts of other nodes
};

/// Changes that cannot be avoided, and why they are, should they be too many.
struct changes_needed {
  std::int64_t slots;
  current_fault why;
};

namespace {

/// By all nodes together.
EPLB_HOST_DEVICE inline changes_needed add_needed(const node_outcome* of, std::size_t nodes) {
  changes_needed out{0, current_fault::changes};
  for (std::size_t i = 0; i < nodes; ++i) {
    out.slots += of[i].needed;
    if (of[i].strangers > 0) out.why = current_fault::groups;
  }
  return out;
}

/// Whether nodes share the budget of their layer, or layers that of all. Then each may use up all of it at first;
/// what is too much is shared out, and the nodes that had too much are searched again.
EPLB_HOST_DEVICE inline bool is_budget_shared(const plan_shape& shape, const current_view& from) {
  return from.expert && (from.most_changes_in_all < std::int64_t{shape.layers} * from.most_changes ||
                         (shape.nodes > 1 && from.most_changes < any_number));
}

/// Cuts down budgets that together are more than a limit, which is at least what is needed: each keeps what it needs,
/// and of the rest a part like that of what it made of it.
EPLB_DEVICE_NOINLINE inline void cut_budgets(const node_outcome* of, std::size_t count, std::int64_t limit,
                                             int* budget) {
  const auto used = [&](std::size_t i) { return budget[i] < of[i].changes ? budget[i] : of[i].changes; };
  std::int64_t needed = 0, made = 0;
  for (std::size_t i = 0; i < count; ++i) {
    needed += of[i].needed;
    made += used(i);
  }
  if (made <= limit) return;
  const auto free = static_cast<std::uint64_t>(limit - needed), wanted = static_cast<std::uint64_t>(made - needed);
  std::uint64_t so_far = 0;  // wanted; what is given of it is rounded down as a whole
  for (std::size_t i = 0; i < count; ++i) {
    const int most = used(i);
    const std::uint64_t given = so_far * free / wanted;
    so_far += static_cast<std::uint64_t>(most - of[i].needed);
    budget[i] = of[i].needed + static_cast<int>(so_far * free / wanted - given);
  }
}

/// Once all nodes have been searched from their current placement: the first fault, if they need more changes than are
/// allowed; otherwise leaves in `budget` [layers][nodes] what each may have of what they share.
EPLB_DEVICE_NOINLINE inline fault_key share_budgets(const plan_shape& shape, const current_view& from,
                                                    const node_outcome* outcomes, int* budget) {
  const std::size_t nodes = size_cast(shape.nodes), all = size_cast(shape.layers) * nodes;
  for (int layer = 0; layer < shape.layers; ++layer) {
    const changes_needed needed = add_needed(outcomes + size_cast(layer) * nodes, nodes);
    if (needed.slots > from.most_changes) return placement_fault(layer, needed.why, static_cast<int>(needed.slots));
  }
  if (!is_budget_shared(shape, from)) return no_fault;
  if (add_needed(outcomes, all).slots > from.most_changes_in_all) return budget_fault();
  for (std::size_t first = 0; first < all; first += nodes)
    cut_budgets(outcomes + first, nodes, from.most_changes, budget + first);
  cut_budgets(outcomes, all, from.most_changes_in_all, budget);
  return no_fault;
}

/// What read_fault() says, and what was needed of a budget.
EPLB_HOST_DEVICE inline plan_fault read_fault(fault_key key, const plan_shape& shape, const plan_input& input,
                                              const node_outcome* outcomes) {
  plan_fault out = read_fault(key, shape, input);
  if (out.kind == fault_kind::budget) {
    const changes_needed needed = add_needed(outcomes, size_cast(shape.layers) * size_cast(shape.nodes));
    out.why = needed.why;
    out.set_value(static_cast<std::uint64_t>(needed.slots));
  }
  return out;
}

}  // namespace
}  // namespace eplb
