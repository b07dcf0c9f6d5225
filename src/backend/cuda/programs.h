// SPDX-License-Identifier: MIT
// What each launch of the CUDA backend does, written for any team of threads, so that a host can run it too. A launch
// takes each layer, or each node of a layer, through some of the phases of a plan (core/plan.h):
//
//   prepare_group_problem   read_layer, prepare_groups                    } only where there are groups to place
//   try_share               try_candidates, by many teams a problem;      }
//                           the last of them: number_experts              }
//   prepare_node_problem    read_layer, number_experts, prepare_node      } a plan by packing
//   try_share               try_candidates; the last team: write_maps     }
//   search_node_problem     read_layer, number_experts, read_current,     } a plan by search; once more where a budget
//                           keep_groups, search_node                      } of changes is shared
//
// number_experts has been run already where groups had to be placed. The last team of the last of these makes the plan
// the current one. get_layer and judge_layer are a launch of their own. Launches find each other through memory of the
// device only, so that a graph of them can be replayed without the host.
#pragma once

#include "backend/cuda/state.h"
#include "core/plan.h"
#include "core/score.h"
#include "core/search/groups.h"
#include "core/search/node.h"
#include "core/team/cooperative.h"

namespace eplb {

namespace {

/// The loads of a layer.
struct load_memory {
  float* sum;     // [experts] over the samples
  float* sample;  // [experts] of one

  EPLB_HOST_DEVICE static load_memory lay_out(arena& memory, const plan_shape& shape) {
    return {memory.take<float>(size_cast(shape.experts)), memory.take<float>(size_cast(shape.experts))};
  }
};

/// What a launch's team works with, beside the problem that comes of it.
struct group_scratch {
  group_problem problem;
  load_memory load;
  sort_memory sort;

  EPLB_HOST_DEVICE static group_scratch lay_out(arena& memory, const plan_shape& shape) {
    return {group_problem::lay_out<cooperative_layout>(memory, shape), load_memory::lay_out(memory, shape),
            sort_memory::lay_out(memory, shape.groups)};
  }
};
struct node_scratch {
  node_problem problem;
  load_memory load;
  prepare_memory prepare;
  index_t* node_expert;  // [experts] where groups have not been placed before

  EPLB_HOST_DEVICE static node_scratch lay_out(arena& memory, const plan_shape& shape) {
    return {node_problem::lay_out<cooperative_layout>(memory, shape), load_memory::lay_out(memory, shape),
            prepare_memory::lay_out<cooperative_layout>(memory, shape,
                                                        sort_memory::lay_out(memory, shape.slots / shape.nodes)),
            memory.take<index_t>(size_cast(shape.experts))};
  }
};
struct search_scratch {
  load_memory load;
  float* samples;          // [samples][experts] of the layer
  index_t* node_expert;    // [experts] node by node
  index_t* packed_expert;  // [experts] as groups are packed from nothing, where they have not been placed before
  index_t* current;        // [slots] of the layer
  group_memory kept;
  node_search search;

  EPLB_HOST_DEVICE static search_scratch lay_out(arena& memory, const plan_shape& shape, const node_size& node,
                                                 int samples) {
    const auto experts = size_cast(shape.experts);
    return {load_memory::lay_out(memory, shape),
            memory.take<float>(size_cast(samples) * experts),
            memory.take<index_t>(experts),
            memory.take<index_t>(experts),
            memory.take<index_t>(size_cast(shape.slots)),
            group_memory::lay_out(memory, shape),
            node_search::lay_out<cooperative_layout>(memory, shape, node, samples)};
  }
};

/// Bytes of a problem, as it is handed from launch to launch.
template <class Problem>
EPLB_HOST_DEVICE std::size_t problem_bytes(const plan_shape& shape) {
  return bytes_of([&](arena& memory) { Problem::template lay_out<cooperative_layout>(memory, shape); });
}
/// Bytes of what the team of a launch works with.
template <class Scratch>
EPLB_HOST_DEVICE std::size_t scratch_bytes(const plan_shape& shape) {
  return bytes_of([&](arena& memory) { Scratch::lay_out(memory, shape); });
}
EPLB_HOST_DEVICE inline std::size_t packing_bytes(int items, int packs) {
  return bytes_of([&](arena& memory) { packing_memory::lay_out<cooperative_layout>(memory, items, packs); });
}
EPLB_HOST_DEVICE inline std::size_t score_bytes(const plan_shape& shape) {
  return bytes_of([&](arena& memory) { score_memory::lay_out<cooperative_layout>(memory, shape); });
}
EPLB_HOST_DEVICE inline std::size_t search_bytes(const plan_shape& shape, const node_size& node, int samples) {
  return bytes_of([&](arena& memory) { search_scratch::lay_out(memory, shape, node, samples); });
}

/// Reads a layer's loads; `samples`: where they go, rows `stride` apart. False if there is a fault, which has then been
/// reported.
template <class Team>
EPLB_HOST_DEVICE bool read_loads_of_layer(Team& team, const submit_job& job, int layer, float* samples,
                                          std::size_t stride, float* sum) {
  const fault_key fault = read_layer(team, job.shape, job.input.loads, layer, samples, stride, sum);
  if (fault != no_fault) report_fault(team, *job.memory.state, fault);
  return fault == no_fault;
}

/// The loads that the plan to come keeps of a layer: [samples][experts], rows `stride_of_loads` apart.
EPLB_HOST_DEVICE inline float* kept_loads(const submit_job& job, int layer) {
  return job.memory.plans[1 - job.memory.state->current].load + size_cast(layer) * size_cast(job.shape.experts);
}
EPLB_HOST_DEVICE inline std::size_t stride_of_loads(const plan_shape& shape) {
  return size_cast(shape.layers) * size_cast(shape.experts);
}
template <class Team>
EPLB_HOST_DEVICE void keep_loads(Team& team, const submit_job& job, int layer, const float* samples) {
  float* const kept = kept_loads(job, layer);
  const auto experts = size_cast(job.shape.experts), size = size_cast(team.size());
  for (std::size_t s = 0; s < size_cast(job.input.loads.samples); ++s)
    for (std::size_t e = size_cast(team.rank()); e < experts; e += size)
      kept[s * stride_of_loads(job.shape) + e] = samples[s * experts + e];
}

/// Copies whole problems from one memory to another, 16 bytes at a time.
EPLB_HOST_DEVICE inline void copy_problem(int rank, int size, const void* from, void* to, std::size_t bytes) {
  struct alignas(16) piece {
    std::uint64_t a, b;
  };
  static_assert(arena::alignment % sizeof(piece) == 0);
  const auto* const source = static_cast<const piece*>(from);
  auto* const target = static_cast<piece*>(to);
  for (std::size_t i = size_cast(rank); i < bytes / sizeof(piece); i += size_cast(size)) target[i] = source[i];
}

/// Leaves a problem, which is one block of memory, for the next launch: number `number` of `problems`.
template <class Team>
EPLB_HOST_DEVICE void hand_on(Team& team, const void* problem, char* problems, std::size_t number, std::size_t bytes) {
  copy_problem(team.rank(), team.size(), problem, problems + number * bytes, bytes);
}

template <class Team>
EPLB_HOST_DEVICE void prepare_group_problem(Team& team, const submit_job& job, int layer, void* scratch) {
  const plan_shape shape = job.shape;
  if (layer == 0 && team.rank() == 0) announce_start(*job.report, *job.memory.state);
  arena memory(scratch);
  const group_scratch own = group_scratch::lay_out(memory, shape);
  if (!read_loads_of_layer(team, job, layer, own.load.sample, 0, own.load.sum)) return;
  prepare_groups(team, shape, own.load.sum, own.problem, own.sort);
  hand_on(team, scratch, job.memory.group_problem, size_cast(layer), problem_bytes<group_problem>(shape));
}

template <class Team>
EPLB_HOST_DEVICE void prepare_node_problem(Team& team, const submit_job& job, int layer, int node, void* scratch) {
  const plan_shape shape = job.shape;
  if (layer == 0 && node == 0 && team.rank() == 0) announce_start(*job.report, *job.memory.state);
  arena memory(scratch);
  const node_scratch own = node_scratch::lay_out(memory, shape);
  // The first node's team keeps the loads with the plan to come.
  float* const samples = node == 0 ? kept_loads(job, layer) : own.load.sample;
  if (!read_loads_of_layer(team, job, layer, samples, node == 0 ? stride_of_loads(shape) : 0, own.load.sum)) return;
  const index_t* node_expert = own.node_expert;
  if (places_groups(shape))
    node_expert = job.memory.node_expert + size_cast(layer) * size_cast(shape.experts);
  else
    number_experts(team, shape, group_problem{}.onto_nodes(shape, job.input.seed, layer), nullptr, own.node_expert);
  prepare_node(team, shape, own.load.sum, node_expert + size_cast(node) * size_cast(shape.experts / shape.nodes),
               own.problem, own.prepare);
  hand_on(team, scratch, job.memory.node_problem, size_cast(layer) * size_cast(shape.nodes) + size_cast(node),
          problem_bytes<node_problem>(shape));
}

/// Makes the plan the current one. One thread.
EPLB_HOST_DEVICE inline void adopt_plan(const submit_job& job) {
  plan_state& state = *job.memory.state;
  state.current = 1 - state.current;
  const std::size_t nodes = job.search.steps > 0 ? size_cast(job.shape.layers) * size_cast(job.shape.nodes) : 0;
  std::uint64_t changes = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    const node_outcome& node = job.memory.searched[i];
    changes += static_cast<std::uint64_t>(node.changes);
    const auto most = static_cast<std::uint32_t>(node.most_replicas);
    state.most_replicas = most > state.most_replicas ? most : state.most_replicas;
  }
  state.changes[state.current] = changes;
  state.samples[state.current] = static_cast<std::uint32_t>(job.input.loads.samples);
  state.outcome.has_plan = 1;
  state.outcome.max_replica_count = state.most_replicas;
}

/// Ends a submit: with its plan, or, after a fault, with the one before. One thread, when all others are done.
EPLB_HOST_DEVICE inline void finish_submit(const submit_job& job) {
  plan_state& state = *job.memory.state;
  state.last_submit = job.ticket;
  state.current_before = state.current;
  state.outcome_before = state.outcome;
  const fault_key key = ~state.fault_inverted;
  state.outcome.failed = key != no_fault && job.fails_gets ? 1 : 0;
  state.outcome.fault = read_fault(key, job.shape, job.input, job.memory.searched);
  if (key == no_fault) adopt_plan(job);
  state.fault_inverted = 0;
  state.most_replicas = 0;
  publish(*job.report, state, job.ticket);
}

/// Where the shares of a problem's candidates leave what they have found.
struct found_shares {
  std::uint64_t* key;  // [shares]
  index_t* member;     // [shares][items]

  EPLB_HOST_DEVICE static found_shares of(const cuda_memory& memory, const packing_step& step, int problem) {
    const std::size_t first = size_cast(problem) * size_cast(step.shares);
    return {memory.share_key + first, memory.share_member + first * size_cast(step.items)};
  }
};

/// The members of the best candidate, once all shares are there.
template <class Team>
EPLB_HOST_DEVICE const index_t* best_member(Team& team, const packing_step& step, const found_shares& found) {
  std::uint64_t least = last_key, mine = last_key;
  for (int s = team.rank(); s < step.shares; s += team.size()) least = found.key[s] < least ? found.key[s] : least;
  least = team.min(least);
  for (int s = team.rank(); s < step.shares; s += team.size())
    if (found.key[s] == least) mine = static_cast<std::uint64_t>(s);
  return found.member + static_cast<std::size_t>(team.min(mine)) * size_cast(step.items);
}

/// The maps of a node whose replicas have been packed.
template <class Team>
EPLB_HOST_DEVICE void finish_node(Team& team, const submit_job& job, const packing_problem& packing,
                                  const node_problem& from, int layer, int node, const index_t* member) {
  const int experts = job.shape.experts / job.shape.nodes;
  plan_state& state = *job.memory.state;
  write_maps(team, packing, from, node, experts, member, job.memory.plans[1 - state.current].maps.of(job.shape, layer));
  std::uint32_t most = 0;
  for (int e = team.rank(); e < experts; e += team.size())
    most = from.replica.count[e] > most ? from.replica.count[e] : most;
  if (most > 0) shared_by_device(state.most_replicas).fetch_max(most, cuda::memory_order_relaxed);
}

/// Tries one share of the candidates of a problem, which has been copied to `staged`; the last share to
/// finish takes the best of all and carries out what was decided.
template <class Team>
EPLB_HOST_DEVICE void try_share(Team& team, const submit_job& job, const packing_step& step, int problem, int share,
                                void* staged, void* scratch) {
  const plan_shape shape = job.shape;
  const int layer = problem / step.problems_in_layer, node = problem % step.problems_in_layer;
  const auto lay_out_node = [&] {
    arena pieces(staged);
    return node_problem::lay_out<cooperative_layout>(pieces, shape);
  };
  arena pieces(staged), temporary(scratch);
  const packing_problem packing =
      step.of_groups
          ? group_problem::lay_out<cooperative_layout>(pieces, shape).onto_nodes(shape, job.input.seed, layer)
          : lay_out_node().onto_gpus(shape, job.input.seed, layer,
                                     job.first_problem + static_cast<std::uint32_t>(node));
  const found_shares found = found_shares::of(job.memory, step, problem);
  plan_state& state = *job.memory.state;
  const bool is_good = state.fault_inverted == 0, is_choice = !is_identity(packing);
  if (is_good && is_choice) {
    const std::uint64_t key =
        try_candidates(team, packing, job.rules, first_candidate(job.rules, share, step.shares),
                       first_candidate(job.rules, share + 1, step.shares),
                       packing_memory::lay_out<cooperative_layout>(temporary, step.items, step.packs),
                       found.member + size_cast(share) * size_cast(step.items));
    if (team.rank() == 0) found.key[share] = key;
  }
  if (!is_last(team, job.memory.arrived[problem], step.shares)) return;
  if (is_good) {
    const index_t* const member = is_choice ? best_member(team, step, found) : nullptr;
    if (step.of_groups)
      number_experts(team, shape, packing, member,
                     job.memory.node_expert + size_cast(layer) * size_cast(shape.experts));
    else
      finish_node(team, job, packing, lay_out_node(), layer, node, member);
  }
  if (step.of_groups || !is_last(team, state.arrived, shape.layers * shape.nodes)) return;
  if (team.rank() == 0) finish_submit(job);
}

/// The experts of each node that a search of a layer begins with. Reports a fault of the current placement, and returns
/// null then.
template <class Team>
EPLB_HOST_DEVICE const index_t* find_nodes(Team& team, const submit_job& job, int layer, const search_task& task,
                                           const search_scratch& own) {
  const plan_shape& shape = job.shape;
  if (task.current) {
    const fault_key fault = read_current(team, shape, job.input.current, layer, own.current);
    if (fault != no_fault) {
      report_fault(team, *job.memory.state, fault);
      return nullptr;
    }
  }
  // The launches before this one have packed the groups, where there was a choice.
  group_problem groups{};
  const index_t* packed = own.packed_expert;
  if (places_groups(shape)) {
    arena pieces(job.memory.group_problem + size_cast(layer) * problem_bytes<group_problem>(shape));
    groups = group_problem::lay_out<cooperative_layout>(pieces, shape);
    packed = job.memory.node_expert + size_cast(layer) * size_cast(shape.experts);
  }
  const packing_problem packing = groups.onto_nodes(shape, job.input.seed, layer);
  if (!places_groups(shape)) number_experts(team, shape, packing, nullptr, own.packed_expert);
  if (!task.current) return packed;
  keep_groups(team, task, packing, packed, own.kept, own.node_expert);
  return own.node_expert;
}

/// Searches a node of a layer whose loads have been read.
template <class Team>
EPLB_HOST_DEVICE node_outcome search_read_node(Team& team, const submit_job& job, int layer, int node, int budget,
                                               const search_scratch& own) {
  const bool starts_from_current = job.input.current.expert;
  const layer_samples samples =
      layer_samples::of(job.search, own.load.sum, {own.samples, size_cast(job.shape.experts), job.input.loads.samples});
  const search_task task{job.shape,  job.node, job.memory.gpus,
                         job.search, samples,  starts_from_current ? own.current : nullptr};
  const index_t* const node_expert = find_nodes(team, job, layer, task, own);
  if (!node_expert) return {};
  return search_node(team, task, node, budget, node_expert + size_cast(node) * size_cast(job.node.experts), own.search,
                     job.memory.plans[1 - job.memory.state->current].maps.of(job.shape, layer));
}

/// `again`: only if the node made more changes than its budget is now.
template <class Team>
EPLB_HOST_DEVICE void search_node_problem(Team& team, const submit_job& job, int layer, int node, bool again,
                                          void* scratch) {
  const plan_shape shape = job.shape;
  const current_view& from = job.input.current;
  const std::size_t number = size_cast(layer) * size_cast(shape.nodes) + size_cast(node);
  plan_state& state = *job.memory.state;
  node_outcome& searched = job.memory.searched[number];
  int& budget = job.memory.budget[number];
  if (layer == 0 && node == 0 && team.rank() == 0 && !again) announce_start(*job.report, state);
  arena memory(scratch);
  const search_scratch own = search_scratch::lay_out(memory, shape, job.node, job.input.loads.samples);
  const bool is_wanted = !again || (state.fault_inverted == 0 && searched.changes > budget);
  if (is_wanted) {
    const int most = again ? budget : from.expert ? from.most_changes : any_number;
    node_outcome outcome{};
    if (read_loads_of_layer(team, job, layer, own.samples, size_cast(shape.experts), own.load.sum)) {
      if (node == 0) keep_loads(team, job, layer, own.samples);
      outcome = search_read_node(team, job, layer, node, most, own);
    }
    if (team.rank() == 0) {
      searched = outcome;
      budget = most;
    }
  }
  if (!is_last(team, state.arrived, shape.layers * shape.nodes) || team.rank() != 0) return;
  if (from.expert && !again)
    report_fault(team, state, share_budgets(shape, from, job.memory.searched, job.memory.budget));
  if (again || !is_budget_shared(shape, from)) finish_submit(job);
}

/// One layer of the current plan into the caller's buffers.
template <class Team>
EPLB_HOST_DEVICE void get_layer(Team& team, const get_job& job, int layer) {
  plan_state& state = *job.memory.state;
  if (layer == 0 && team.rank() == 0) announce_start(*job.report, state);
  const bool is_readable = state.outcome.has_plan && !state.outcome.failed;
  const bool is_narrow = job.out.logical_to_physical && job.out.max_replicas < state.outcome.max_replica_count;
  if (is_readable) {
    maps_view out = job.out;
    if (is_narrow) out.logical_to_physical = nullptr;
    copy_maps(team, job.shape, job.memory.plans[state.current].maps.of(job.shape, layer), layer, out);
  }
  if (!is_last(team, state.arrived, job.shape.layers) || team.rank() != 0) return;
  if (is_readable && is_narrow)
    state.outcome.fault = narrow_inverse(job.out.max_replicas, state.outcome.max_replica_count);
  publish(*job.report, state, job.ticket);
}

/// Judges one layer of the current plan under the loads it was made for.
template <class Team>
EPLB_HOST_DEVICE void judge_layer(Team& team, const stats_job& job, int layer, void* scratch) {
  const plan_shape shape = job.shape;
  const plan_state& state = *job.memory.state;
  const device_plan& plan = job.memory.plans[state.current];
  arena memory(scratch);
  const layer_score score = score_layer(
      team, shape, job.memory.gpus, plan.maps.of(shape, layer), plan.load + size_cast(layer) * size_cast(shape.experts),
      static_cast<int>(state.samples[state.current]), size_cast(shape.layers) * size_cast(shape.experts),
      score_memory::lay_out<cooperative_layout>(memory, shape),
      job.memory.gpu_load + size_cast(layer) * size_cast(shape.gpus));
  if (team.rank() == 0) job.memory.score[layer] = score;
}

}  // namespace
}  // namespace eplb
