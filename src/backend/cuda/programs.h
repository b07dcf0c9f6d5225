// SPDX-License-Identifier: MIT
// What the kernels of the CUDA backend do, written for any team of threads, so that a host can run it too.
//
// A submit is two launches: prepare_node() sorts the replicas of each node, try_share() searches the
// candidates, many teams to a problem; the last of them to finish a problem writes its maps, and
// the last of all makes the plan the current one. A search is one launch, search_node_problem(), a group to a node;
// two where a budget of changes is shared.
// Where groups of experts have to be placed on nodes first, two go before, prepare_group_problem() and try_share().
// get_maps is one launch more, get_stats too. Launches find each other through memory of the device only, so that a
// graph of them can be replayed without the host.
#pragma once

#include <cuda/atomic>
#include <type_traits>

#include "backend/backend.h"
#include "core/loads.h"
#include "core/maps.h"
#include "core/plan.h"
#include "core/score.h"
#include "core/search/steps.h"
#include "core/team/cooperative.h"

namespace eplb {

/// The first thing found to be wrong in a submit or a get.
enum class fault_kind : std::uint32_t { none, load, total, current, budget, inverse };

/// What a host may know of the last submit and the gets after it.
struct plan_outcome {
  std::uint32_t has_plan;
  std::uint32_t failed;  // 1: gets write nothing, since the last asynchronous submit was bad
  std::uint32_t max_replica_count;
  fault_kind fault;
  std::uint32_t sample, layer, expert;  // of a load or total
  layer_outcome current;                // of a current placement, with the layer and the value; of a budget the fault
  std::uint32_t width;                  // of an inverse map that is too narrow
  std::uint32_t is_real;                // the bad load is a double, not an int64
  std::uint32_t value_low, value_high;  // its bits; or those of what a current placement says, or of changes needed
};

/// An outcome where a host can read it at any time, written by the device. The sequence is odd while a
/// call is running on the device, and tells a reader whether what it read belongs together.
struct plan_report {
  static constexpr int words = sizeof(plan_outcome) / sizeof(std::uint32_t);
  std::uint32_t sequence;
  std::uint32_t ticket;  // of the last call from the host that has finished
  std::uint32_t outcome[words];
};

/// What launches tell each other, in device memory. All zero at first.
struct plan_state {
  std::uint64_t fault_inverted;  // of the submit at work: the first fault has the largest
  std::uint64_t changes[2];      // slots that hold another expert than in the placement before
  std::uint32_t most_replicas;   // so far
  std::uint32_t is_short;        // 1: all layers together need more changes than are allowed
  std::uint32_t arrived;         // teams that have finished the last launch of a call
  std::uint32_t current;         // which of the two plans
  std::uint32_t sequence, ticket;
  std::uint32_t samples[2];
  plan_outcome outcome;
  std::uint32_t last_submit;     // its ticket
  std::uint32_t current_before;  // } what was so before it, should the host have to take it back
  plan_outcome outcome_before;   // }
};

struct device_plan {
  float* load;  // [samples][layers][experts]
  layer_maps maps;
};

/// All that a planner owns on the device.
struct cuda_memory {
  plan_state* state;
  device_plan plans[2];
  char* group_problem;   // [layers] of group_problem_memory
  char* node_problem;    // [layers][nodes] of node_problem_memory
  index_t* node_expert;  // [layers][experts]; only if groups are placed
  cluster gpus;
  node_outcome* searched;    // [layers][nodes] } only of a search
  int* budget;               // [layers][nodes] }
  std::uint32_t* arrived;    // [layers][nodes] shares that have finished a problem
  std::uint64_t* share_key;  // [layers][nodes][shares]
  index_t* share_member;     // [layers][nodes][shares][items]
  layer_score* score;        // [layers]
  double* gpu_load;          // [layers][gpus]
  void* load;                // where loads of the host are copied to; null if they come in device memory
  void* current;             // the same for a current placement; only of a search
  char* scratch;             // for kernels whose memory is too large to share; may be null
};

/// One of the two packing steps: groups onto nodes, or the replicas of each node onto its gpus.
struct packing_step {
  bool of_groups;
  int items, packs, problems_in_layer;
  std::size_t bytes;  // of a problem
  int shares;         // of its candidates
};

/// A submit: what its launches are given. A copy goes into each launch, and with it into graphs.
struct submit_job {
  plan_shape shape;
  node_size node;
  packing_rules rules;
  search_rules search;
  std::uint32_t first_problem;
  cuda_memory memory;
  plan_report* report;
  plan_input input;
  std::uint32_t ticket;  // 0 in a graph, which has none
  bool fails_gets;       // if the loads are bad
};

struct get_job {
  plan_shape shape;
  cuda_memory memory;
  plan_report* report;
  maps_view out;
  std::uint32_t ticket;
};

struct stats_job {
  plan_shape shape;
  cuda_memory memory;
};

namespace {

EPLB_HOST_DEVICE inline bool places_groups(const plan_shape& shape) { return shape.groups != shape.nodes; }

/// The packing problem of groups onto nodes, in the memory of all threads of a launch.
struct group_problem_memory {
  float* load;  // [groups]
  sorted_items items;

  EPLB_HOST_DEVICE static group_problem_memory lay_out(arena& memory, const plan_shape& shape) {
    group_problem_memory out;
    out.load = memory.take<float>(size_cast(shape.groups));
    out.items = sorted_items::lay_out<cooperative_layout>(memory, shape.groups);
    return out;
  }
};

/// That of a node's replicas onto its gpus, and what its maps are made from.
struct node_problem_memory {
  index_t* expert;  // [experts of the node] their numbers
  replicas replica;
  sorted_items items;

  EPLB_HOST_DEVICE static node_problem_memory lay_out(arena& memory, const plan_shape& shape) {
    const int experts = shape.experts / shape.nodes, slots = shape.slots / shape.nodes;
    node_problem_memory out;
    out.expert = memory.take<index_t>(size_cast(experts));
    out.replica = replicas::lay_out(memory, experts, slots);
    out.items = sorted_items::lay_out<cooperative_layout>(memory, slots);
    return out;
  }
};

template <class Memory>
EPLB_HOST_DEVICE std::size_t bytes_of(const plan_shape& shape) {
  arena counter;
  Memory::lay_out(counter, shape);
  return counter.used();
}

/// The loads of a layer.
struct load_memory {
  float* sum;     // [experts] over the samples
  float* sample;  // [experts] of one

  EPLB_HOST_DEVICE static load_memory lay_out(arena& memory, const plan_shape& shape) {
    return {memory.take<float>(size_cast(shape.experts)), memory.take<float>(size_cast(shape.experts))};
  }
};

/// What preparing takes beside the problem that comes of it.
struct prepare_memory {
  load_memory load;
  index_t* node_expert;  // [experts]
  float* node_load;      // [experts of a node]
  std::uint64_t* hottest;
  sort_memory sort;

  EPLB_HOST_DEVICE static prepare_memory lay_out(arena& memory, const plan_shape& shape) {
    const int experts = shape.experts / shape.nodes, slots = shape.slots / shape.nodes;
    prepare_memory out;
    out.load = load_memory::lay_out(memory, shape);
    out.node_expert = memory.take<index_t>(size_cast(shape.experts));
    out.node_load = memory.take<float>(size_cast(experts));
    out.hottest = memory.take<std::uint64_t>(cooperative_layout::tournament::words(experts));
    out.sort = sort_memory::lay_out(memory, slots > shape.groups ? slots : shape.groups);
    return out;
  }
};

/// Bytes of scratch memory of each program.
EPLB_HOST_DEVICE inline std::size_t prepare_scratch(const plan_shape& shape) {
  const std::size_t groups = places_groups(shape) ? bytes_of<group_problem_memory>(shape) : 0;
  const std::size_t node = bytes_of<node_problem_memory>(shape);
  return bytes_of<prepare_memory>(shape) + (groups > node ? groups : node);
}
EPLB_HOST_DEVICE inline std::size_t packing_scratch(int items, int packs) {
  arena counter;
  packing_memory::lay_out<cooperative_layout>(counter, items, packs);
  return counter.used();
}
EPLB_HOST_DEVICE inline std::size_t score_scratch(const plan_shape& shape) {
  arena counter;
  score_memory::lay_out<cooperative_layout>(counter, shape);
  return counter.used();
}

template <class T>
EPLB_HOST_DEVICE cuda::atomic_ref<T, cuda::thread_scope_device> shared_by_device(T& value) {
  return cuda::atomic_ref<T, cuda::thread_scope_device>(value);
}
template <class T>
EPLB_HOST_DEVICE cuda::atomic_ref<T, cuda::thread_scope_system> shared_with_host(T& value) {
  return cuda::atomic_ref<T, cuda::thread_scope_system>(value);
}

/// Counts a team in. True, for all of its threads, if it is the last of `count`: then it sees
/// what all the others have written, and the counter is 0 again.
template <class Team>
EPLB_HOST_DEVICE bool is_last(Team& team, std::uint32_t& counter, int count) {
  team.sync();
  std::uint64_t others = 1;
  if (team.rank() == 0) {
    const auto before = shared_by_device(counter).fetch_add(1, cuda::memory_order_acq_rel);
    if (before + 1 == static_cast<std::uint32_t>(count)) {
      counter = 0;
      others = 0;
    }
  }
  return team.min(others) == 0;
}

EPLB_HOST_DEVICE inline void announce_start(plan_report& report, const plan_state& state) {
  shared_with_host(report.sequence).store(state.sequence + 1, cuda::memory_order_relaxed);
}

/// Ends a call: hands its outcome to the host. One thread.
EPLB_HOST_DEVICE inline void publish(plan_report& report, plan_state& state, std::uint32_t ticket) {
  std::uint32_t words[plan_report::words];
  __builtin_memcpy(words, &state.outcome, sizeof words);
  shared_with_host(report.sequence).store(state.sequence + 1, cuda::memory_order_relaxed);
  cuda::atomic_thread_fence(cuda::memory_order_release, cuda::thread_scope_system);
  for (int i = 0; i < plan_report::words; ++i)
    shared_with_host(report.outcome[i]).store(words[i], cuda::memory_order_relaxed);
  if (ticket != 0) state.ticket = ticket;
  shared_with_host(report.ticket).store(state.ticket, cuda::memory_order_relaxed);
  state.sequence = state.sequence + 2 == 0 ? 2 : state.sequence + 2;  // 0: there was no call yet
  shared_with_host(report.sequence).store(state.sequence, cuda::memory_order_release);
}

EPLB_HOST_DEVICE inline std::uint64_t bad_load_key(int sample, int layer, int expert) {
  return std::uint64_t(sample) << 32 | std::uint64_t(layer) << 16 | std::uint64_t(expert);
}
EPLB_HOST_DEVICE inline std::uint64_t bad_total_key(int layer) { return std::uint64_t{1} << 62 | std::uint64_t(layer); }
EPLB_HOST_DEVICE inline std::uint64_t bad_current_key(int layer, const layer_outcome& what) {
  return std::uint64_t{3} << 61 | std::uint64_t(layer) << 18 | std::uint64_t(what.fault) << 16 | std::uint64_t(what.at);
}

template <class Team>
EPLB_HOST_DEVICE void report_fault(Team& team, plan_state& state, std::uint64_t key) {
  if (team.rank() == 0) shared_by_device(state.fault_inverted).fetch_max(~key, cuda::memory_order_relaxed);
}

/// Reads a layer and adds up its samples, which also go to `samples` [samples][experts] unless that is null. With
/// `keep` they stay with the plan. False if they cannot be planned with, which has then been reported.
template <class Team>
EPLB_HOST_DEVICE bool read_layer(Team& team, const submit_job& job, int layer, bool keep, const load_memory& m,
                                 float* samples = nullptr) {
  const int experts = job.shape.experts;
  plan_state& state = *job.memory.state;
  float* const kept = job.memory.plans[1 - state.current].load;
  float* const sample = job.input.loads.samples == 1 ? m.sum : m.sample;
  bool good = true;
  for (int s = 0; s < job.input.loads.samples; ++s) {
    const std::size_t at = (size_cast(s) * size_cast(job.shape.layers) + size_cast(layer)) * size_cast(experts);
    const int bad = visit_loads(job.input.loads,
                                [&](auto* in) { return read_loads(team, in + at, experts, s == 0, sample, m.sum); });
    if (bad < experts) {
      report_fault(team, state, bad_load_key(s, layer, bad));
      good = false;
    }
    for (int e = team.rank(); e < experts; e += team.size()) {
      if (keep) kept[at + size_cast(e)] = sample[e];
      if (samples) samples[size_cast(s) * size_cast(experts) + size_cast(e)] = sample[e];
    }
    team.sync();
  }
  if (good && !total_is_finite(team, m.sum, experts)) {
    report_fault(team, state, bad_total_key(layer));
    good = false;
  }
  return good;
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

/// Step 1 of a layer, up to the candidates.
template <class Team>
EPLB_HOST_DEVICE void prepare_group_problem(Team& team, const submit_job& job, int layer, void* scratch) {
  const plan_shape shape = job.shape;
  if (layer == 0 && team.rank() == 0) announce_start(*job.report, *job.memory.state);
  arena memory(scratch);
  const group_problem_memory problem = group_problem_memory::lay_out(memory, shape);
  const std::size_t bytes = memory.used();
  const prepare_memory temporary = prepare_memory::lay_out(memory, shape);
  if (!read_layer(team, job, layer, false, temporary.load)) return;
  layer_memory m{};
  m.group_load = problem.load;
  m.items = problem.items;
  m.packing.sort = temporary.sort;
  prepare_groups(team, shape, {}, temporary.load.sum, m);
  copy_problem(team.rank(), team.size(), scratch, job.memory.group_problem + size_cast(layer) * bytes, bytes);
}

/// Steps 2 and 3 of a node, up to the candidates.
template <class Team>
EPLB_HOST_DEVICE void prepare_node_problem(Team& team, const submit_job& job, int layer, int node, void* scratch) {
  const plan_shape shape = job.shape;
  if (layer == 0 && node == 0 && team.rank() == 0) announce_start(*job.report, *job.memory.state);
  arena memory(scratch);
  const node_problem_memory problem = node_problem_memory::lay_out(memory, shape);
  const std::size_t bytes = memory.used();
  const prepare_memory temporary = prepare_memory::lay_out(memory, shape);
  if (!read_layer(team, job, layer, node == 0, temporary.load)) return;
  layer_memory m{};
  m.node_expert = places_groups(shape) ? job.memory.node_expert + size_cast(layer) * size_cast(shape.experts)
                                       : temporary.node_expert;
  m.node_load = temporary.node_load;
  m.hottest = temporary.hottest;
  m.replica = problem.replica;
  m.items = problem.items;
  m.packing.sort = temporary.sort;
  if (!places_groups(shape)) number_experts(team, shape, {shape.groups, shape.nodes, nullptr, 0, 0, 0}, m);
  const int experts = shape.experts / shape.nodes;
  const index_t* const expert = m.node_expert + size_cast(node) * size_cast(experts);
  prepare_node(team, shape, {}, node, temporary.load.sum, expert, m);
  for (int e = team.rank(); e < experts; e += team.size()) problem.expert[e] = expert[e];
  team.sync();
  copy_problem(team.rank(), team.size(), scratch,
               job.memory.node_problem + (size_cast(layer) * size_cast(shape.nodes) + size_cast(node)) * bytes, bytes);
}

/// Makes the plan the current one, or, if a load was bad, keeps the one before. One thread, when all others are done.
EPLB_HOST_DEVICE inline void finish_submit(const submit_job& job) {
  plan_state& state = *job.memory.state;
  plan_outcome& outcome = state.outcome;
  state.last_submit = job.ticket;
  state.current_before = state.current;
  state.outcome_before = outcome;
  outcome.fault = fault_kind::none;
  outcome.failed = 0;
  const std::size_t nodes = job.search.steps > 0 ? size_cast(job.shape.layers) * size_cast(job.shape.nodes) : 0;
  const auto store_value = [&](std::uint64_t value) {
    outcome.value_low = static_cast<std::uint32_t>(value);
    outcome.value_high = static_cast<std::uint32_t>(value >> 32);
  };
  if (state.fault_inverted == 0 && !state.is_short) {
    state.current = 1 - state.current;
    std::uint64_t changes = 0;
    for (std::size_t i = 0; i < nodes; ++i) {
      const node_outcome& node = job.memory.searched[i];
      changes += static_cast<std::uint64_t>(node.changes);
      const auto most = static_cast<std::uint32_t>(node.most_replicas);
      state.most_replicas = most > state.most_replicas ? most : state.most_replicas;
    }
    state.changes[state.current] = changes;
    state.samples[state.current] = static_cast<std::uint32_t>(job.input.loads.samples);
    outcome.has_plan = 1;
    outcome.max_replica_count = state.most_replicas;
  } else {
    const std::uint64_t key = ~state.fault_inverted;
    outcome.failed = job.fails_gets ? 1 : 0;
    if (state.fault_inverted == 0) {
      const changes_needed needed = add_needed(job.memory.searched, nodes);
      outcome.fault = fault_kind::budget;
      outcome.current.fault = needed.why;
      store_value(static_cast<std::uint64_t>(needed.slots));
    } else if (key >= bad_current_key(0, {})) {
      outcome.fault = fault_kind::current;
      outcome.layer = static_cast<std::uint32_t>(key >> 18) & 0xffff;
      outcome.current = {static_cast<current_fault>(key >> 16 & 3), static_cast<int>(key & 0xffff)};
      if (outcome.current.fault == current_fault::value)
        store_value(static_cast<std::uint64_t>(
            job.input.current[outcome.layer * size_cast(job.shape.slots) + size_cast(outcome.current.at)]));
    } else if (key >= bad_total_key(0)) {
      outcome.fault = fault_kind::total;
      outcome.layer = static_cast<std::uint32_t>(key) & 0xffff;
    } else {
      outcome.fault = fault_kind::load;
      outcome.sample = static_cast<std::uint32_t>(key >> 32);
      outcome.layer = static_cast<std::uint32_t>(key >> 16) & 0xffff;
      outcome.expert = static_cast<std::uint32_t>(key) & 0xffff;
      const std::size_t at =
          (std::size_t{outcome.sample} * size_cast(job.shape.layers) + outcome.layer) * size_cast(job.shape.experts) +
          outcome.expert;
      const std::uint64_t value = visit_loads(job.input.loads, [&](auto* in) {
        outcome.is_real = std::is_floating_point_v<std::remove_cvref_t<decltype(*in)>>;
        if constexpr (std::is_floating_point_v<std::remove_cvref_t<decltype(*in)>>)
          return __builtin_bit_cast(std::uint64_t, static_cast<double>(in[at]));
        else
          return static_cast<std::uint64_t>(in[at]);
      });
      store_value(value);
    }
  }
  state.fault_inverted = 0;
  state.is_short = state.most_replicas = 0;
  publish(*job.report, state, job.ticket);
}

/// Tries one share of the candidates of a problem, which has been copied to `staged`; the last share to
/// finish takes the best of all and carries out what was decided.
template <class Team>
EPLB_HOST_DEVICE void try_share(Team& team, const submit_job& job, const packing_step& step, int problem, int share,
                                void* staged, void* scratch) {
  const plan_shape shape = job.shape;
  const cuda_memory& memory = job.memory;
  plan_state& state = *memory.state;
  const int rank = team.rank(), size = team.size();
  const int layer = problem / step.problems_in_layer, node = problem % step.problems_in_layer;
  arena pieces(staged), temporary(scratch);
  group_problem_memory groups{};
  node_problem_memory nodes{};
  if (step.of_groups)
    groups = group_problem_memory::lay_out(pieces, shape);
  else
    nodes = node_problem_memory::lay_out(pieces, shape);
  const sorted_items items = step.of_groups ? groups.items : nodes.items;
  const packing_problem packing{step.items,
                                step.packs,
                                step.of_groups ? groups.load : nodes.replica.load,
                                job.input.seed,
                                static_cast<std::uint32_t>(layer),
                                step.of_groups ? 0 : job.first_problem + static_cast<std::uint32_t>(node)};
  const std::size_t first_share = size_cast(problem) * size_cast(step.shares);
  std::uint64_t* const keys = memory.share_key + first_share;
  index_t* const members = memory.share_member + first_share * size_cast(step.items);
  const bool good = state.fault_inverted == 0;
  if (good && !is_identity(packing)) {
    const int candidates = job.rules.candidates;
    const std::uint64_t key = try_candidates(
        team, packing, job.rules, candidates * share / step.shares, candidates * (share + 1) / step.shares, items,
        packing_memory::lay_out<cooperative_layout>(temporary, step.items, step.packs),
        members + size_cast(share) * size_cast(step.items));
    if (rank == 0) keys[share] = key;
  }
  if (!is_last(team, memory.arrived[problem], step.shares)) return;

  if (good) {
    std::uint64_t best = 0;
    if (!is_identity(packing)) {
      std::uint64_t least = last_key, mine = last_key;
      for (int s = rank; s < step.shares; s += size) least = keys[s] < least ? keys[s] : least;
      least = team.min(least);
      for (int s = rank; s < step.shares; s += size)
        if (keys[s] == least) mine = static_cast<std::uint64_t>(s);
      best = team.min(mine);
    }
    const index_t* const member = members + static_cast<std::size_t>(best) * size_cast(step.items);
    if (step.of_groups) {
      layer_memory m{};
      m.node_expert = memory.node_expert + size_cast(layer) * size_cast(shape.experts);
      m.items = items;
      m.member = const_cast<index_t*>(member);
      number_experts(team, shape, packing, m);
    } else {
      write_maps(team, shape, packing, node, nodes.expert, nodes.replica, items, member,
                 memory.plans[1 - state.current].maps.of(shape, layer));
      std::uint32_t most = 0;
      for (int e = rank; e < shape.experts / shape.nodes; e += size)
        most = nodes.replica.count[e] > most ? nodes.replica.count[e] : most;
      if (most > 0) shared_by_device(state.most_replicas).fetch_max(most, cuda::memory_order_relaxed);
    }
  }
  if (step.of_groups || !is_last(team, state.arrived, shape.layers * shape.nodes)) return;
  if (rank == 0) finish_submit(job);
}

/// What a search takes.
struct search_scratch_memory {
  load_memory load;
  float* samples;    // [samples][experts] of the layer
  index_t* current;  // [slots] of the layer
  layer_memory layer;
  node_search search;

  EPLB_HOST_DEVICE static search_scratch_memory lay_out(arena& memory, const plan_shape& shape, const node_size& node,
                                                        int samples) {
    search_scratch_memory out;
    out.load = load_memory::lay_out(memory, shape);
    out.samples = memory.take<float>(size_cast(samples) * size_cast(shape.experts));
    out.current = memory.take<index_t>(size_cast(shape.slots));
    out.layer = layer_memory::lay_out<cooperative_layout>(memory, shape, node);
    out.search = node_search::lay_out<cooperative_layout>(memory, shape, node, samples);
    return out;
  }
};

EPLB_HOST_DEVICE inline std::size_t search_scratch(const plan_shape& shape, const node_size& node, int samples) {
  arena counter;
  search_scratch_memory::lay_out(counter, shape, node, samples);
  return counter.used();
}

/// The experts of one node, and which of them a search of it starts from.
template <class Team>
EPLB_HOST_DEVICE layer_outcome prepare_search(Team& team, const submit_job& job, int layer, const search_task& task,
                                              const search_scratch_memory& own, layer_memory& m) {
  const plan_shape& shape = job.shape;
  layer_memory packed = m;  // groups on nodes, from nothing: the launches before this one have packed them
  if (places_groups(shape)) {
    arena pieces(job.memory.group_problem + size_cast(layer) * bytes_of<group_problem_memory>(shape));
    packed.items = group_problem_memory::lay_out(pieces, shape).items;
    packed.node_expert = job.memory.node_expert + size_cast(layer) * size_cast(shape.experts);
  } else {
    packed.node_expert = own.search.place;
    number_experts(team, shape, {shape.groups, shape.nodes, nullptr, 0, 0, 0}, packed);
  }
  if (!task.current) {
    m.node_expert = packed.node_expert;
    return {};
  }
  const int bad = read_current(team, job.input.current, shape, layer, own.current);
  if (bad < shape.slots) return {current_fault::value, bad};
  if (!keep_groups(team, task, packed.items, m)) name_nodes(team, task, packed.node_expert, m);
  return {};
}

/// When all nodes have been searched from their current placement for the first time: whether what they need is
/// allowed, and how much each may have of what they share. One thread.
EPLB_DEVICE_NOINLINE inline void share_budgets(const submit_job& job) {
  const current_view& from = job.input.current;
  const std::size_t nodes = size_cast(job.shape.nodes), all = size_cast(job.shape.layers) * nodes;
  plan_state& state = *job.memory.state;
  const node_outcome* const searched = job.memory.searched;
  for (int layer = 0; layer < job.shape.layers; ++layer) {
    const changes_needed needed = add_needed(searched + size_cast(layer) * nodes, nodes);
    if (needed.slots <= from.most_changes) continue;
    const std::uint64_t inverted = ~bad_current_key(layer, {needed.why, static_cast<int>(needed.slots)});
    state.fault_inverted = inverted > state.fault_inverted ? inverted : state.fault_inverted;
  }
  if (state.fault_inverted != 0 || !shares_budget(job.shape, from)) return;
  for (int layer = 0; layer < job.shape.layers; ++layer) {
    const std::size_t first = size_cast(layer) * nodes;
    share_budget(searched + first, nodes, from.most_changes, job.memory.budget + first);
  }
  state.is_short = !share_budget(searched, all, from.most_changes_in_all, job.memory.budget);
}

/// Steps 2 to 4 of a node by search. `again`: only if it made more changes than its budget is now.
template <class Team>
EPLB_HOST_DEVICE void search_node_problem(Team& team, const submit_job& job, int layer, int node, bool again,
                                          void* scratch) {
  const plan_shape shape = job.shape;
  const current_view& from = job.input.current;
  const int rank = team.rank(), experts = job.node.experts;
  const std::size_t number = size_cast(layer) * size_cast(shape.nodes) + size_cast(node);
  plan_state& state = *job.memory.state;
  node_outcome& searched = job.memory.searched[number];
  int& budget = job.memory.budget[number];
  if (layer == 0 && node == 0 && rank == 0 && !again) announce_start(*job.report, state);
  arena memory(scratch);
  const search_scratch_memory own = search_scratch_memory::lay_out(memory, shape, job.node, job.input.loads.samples);
  const bool is_wanted = !again || (state.fault_inverted == 0 && !state.is_short && searched.changes > budget);
  if (is_wanted && read_layer(team, job, layer, node == 0, own.load, own.samples)) {
    const layer_samples samples = job.search.sum_samples
                                      ? layer_samples{own.load.sum, 0, 1}
                                      : layer_samples{own.samples, size_cast(shape.experts), job.input.loads.samples};
    const search_task task{shape, job.node, job.memory.gpus, job.search, samples, from.expert ? own.current : nullptr};
    layer_memory m = own.layer;
    const layer_outcome prepared = prepare_search(team, job, layer, task, own, m);
    const int most = again ? budget : from.expert ? from.most_changes : any_number;
    node_outcome outcome{};
    if (prepared.fault == current_fault::none)
      outcome = search_node(team, task, node, most, m.node_expert + size_cast(node) * size_cast(experts), m, own.search,
                            job.memory.plans[1 - state.current].maps.of(shape, layer));
    else
      report_fault(team, state, bad_current_key(layer, prepared));
    if (rank == 0) {
      searched = outcome;
      budget = most;
    }
  }
  if (!is_last(team, state.arrived, shape.layers * shape.nodes) || rank != 0) return;
  if (from.expert && !again) share_budgets(job);
  if (again || !shares_budget(shape, from)) finish_submit(job);
}

/// One layer of the current plan into the caller's buffers.
template <class Team, class Out>
EPLB_HOST_DEVICE void write_layer(Team& team, const get_job& job, int layer) {
  const plan_shape shape = job.shape;
  const plan_state& state = *job.memory.state;
  const layer_maps maps = job.memory.plans[state.current].maps.of(shape, layer);
  const std::size_t slots = size_cast(shape.slots), experts = size_cast(shape.experts), l = size_cast(layer);
  const auto copy = [&](const index_t* from, std::size_t count, void* to) {
    if (to) widen(team, from, count, static_cast<Out*>(to) + l * count);
  };
  copy(maps.physical_to_logical, slots, job.out.physical_to_logical);
  copy(maps.replica_rank, slots, job.out.replica_rank);
  copy(maps.replica_count, experts, job.out.replica_count);
  if (job.out.logical_to_physical && job.out.max_replicas >= state.outcome.max_replica_count)
    invert(team, shape, maps, job.out.max_replicas,
           static_cast<Out*>(job.out.logical_to_physical) + l * experts * job.out.max_replicas);
}

template <class Team>
EPLB_HOST_DEVICE void get_layer(Team& team, const get_job& job, int layer) {
  plan_state& state = *job.memory.state;
  if (layer == 0 && team.rank() == 0) announce_start(*job.report, state);
  const bool readable = state.outcome.has_plan && !state.outcome.failed;
  if (readable && job.out.type == scalar::int32)
    write_layer<Team, std::int32_t>(team, job, layer);
  else if (readable)
    write_layer<Team, std::int64_t>(team, job, layer);
  if (!is_last(team, state.arrived, job.shape.layers) || team.rank() != 0) return;
  if (readable && job.out.logical_to_physical && job.out.max_replicas < state.outcome.max_replica_count) {
    state.outcome.fault = fault_kind::inverse;
    state.outcome.width = static_cast<std::uint32_t>(job.out.max_replicas);
  }
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
