// SPDX-License-Identifier: MIT
// What a plan has in a device's memory, what its launches are given, and how they tell each other, and the host, how
// far they are.
#pragma once

#include <cuda/atomic>

#include "backend/backend.h"
#include "core/plan.h"
#include "core/search/budget.h"

namespace eplb {

/// What a host may know of the last submit and the gets after it.
struct plan_outcome {
  std::uint32_t has_plan;
  std::uint32_t failed;  // 1: gets write nothing, since the last asynchronous submit was bad
  std::uint32_t max_replica_count;
  plan_fault fault;
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
  fault_key fault_inverted;     // of the submit at work: the first fault has the largest
  std::uint64_t changes[2];     // slots that hold another expert than in the placement before
  std::uint32_t most_replicas;  // so far
  std::uint32_t arrived;        // teams that have finished the last launch of a call
  std::uint32_t current;        // which of the two plans
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
  char* group_problem;   // [layers] of group_problem
  char* node_problem;    // [layers][nodes] of node_problem
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

template <class Team>
EPLB_HOST_DEVICE void report_fault(Team& team, plan_state& state, fault_key key) {
  if (team.rank() == 0) shared_by_device(state.fault_inverted).fetch_max(~key, cuda::memory_order_relaxed);
}

}  // namespace
}  // namespace eplb
