// SPDX-License-Identifier: MIT
// The CPU backend: a thread takes a layer through the phases of a plan. Layers are dealt to a pool of threads, or,
// where there are fewer layers than threads, the candidates of each packing problem.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <new>

#if defined(__linux__)
#include <sched.h>
#endif

#include "backend/backend.h"
#include "backend/cpu/float_mode.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/thread_pool.h"
#include "backend/faults.h"
#include "core/score.h"
#include "core/team/serial.h"

namespace eplb {
namespace {

/// A plan and what it was made from.
struct stored_plan {
  int samples;
  float* load;  // [samples][layers][experts]
  layer_maps maps;
  std::int64_t changes;
};

/// What one thread takes a layer through the phases with.
struct worker_memory {
  float* sum;            // [experts] of a layer's loads over the samples
  index_t* node_expert;  // [experts] node by node
  group_problem groups;
  packing_memory packing;
  index_t* member;  // of the best candidate

  prepare_memory prepare;  // } of a plan by packing
  node_problem node;       // }

  node_search search;      // }
  index_t* current;        // } [slots] of the layer
  index_t* packed_expert;  // } [experts] node by node, as groups are packed from nothing
  group_memory kept;       // } of a plan by search

  index_t* share_member;     // of its share of the candidates
  std::uint64_t* share_key;  // [1]

  static worker_memory lay_out(arena& memory, const plan_spec& spec) {
    const plan_shape& shape = spec.shape;
    const bool searches = spec.searches();
    const int items = std::max(searches ? 0 : spec.node.slots, shape.groups);
    const int packs = std::max(searches ? 0 : spec.node.gpus, shape.nodes);
    worker_memory out{};
    out.sum = memory.take<float>(size_cast(shape.experts));
    out.node_expert = memory.take<index_t>(size_cast(shape.experts));
    out.packing = packing_memory::lay_out<serial_team>(memory, items, packs);
    out.member = memory.take<index_t>(size_cast(items));
    out.share_member = memory.take<index_t>(size_cast(items));
    out.share_key = memory.take<std::uint64_t>(1);
    if (searches) {
      out.current = memory.take<index_t>(size_cast(shape.slots));
      out.packed_expert = memory.take<index_t>(size_cast(shape.experts));
    }
    memory.overlay(  // groups are on their nodes when these are planned
        [&] {
          out.groups = group_problem::lay_out<serial_team>(memory, shape);
          if (searches) out.kept = group_memory::lay_out(memory, shape);
        },
        [&] {
          if (!searches) {
            out.prepare = prepare_memory::lay_out<serial_team>(memory, shape, out.packing.sort);
            out.node = node_problem::lay_out<serial_team>(memory, shape);
            return;
          }
          const int samples = spec.search.sum_samples ? 1 : spec.max_samples;
          out.search = node_search::lay_out<serial_team>(memory, shape, spec.node, samples);
        });
    return out;
  }
};

/// All that a planner owns.
struct cpu_memory {
  stored_plan plans[2];
  worker_memory* workers;
  std::thread* threads;
  cluster gpus;
  score_memory score;
  node_outcome* outcomes;  // [layers][nodes] } if it searches
  int* budget;             // [layers][nodes] }
};

cpu_memory lay_out(arena& memory, const plan_spec& spec) {
  const plan_shape& shape = spec.shape;
  const std::size_t layers = size_cast(shape.layers), threads = size_cast(spec.threads);
  cpu_memory out{};
  for (stored_plan& plan : out.plans) {
    plan.load = memory.take<float>(size_cast(spec.max_samples) * layers * size_cast(shape.experts));
    plan.maps = layer_maps::lay_out(memory, shape);
  }
  out.workers = memory.take<worker_memory>(threads);
  out.threads = memory.take<std::thread>(threads - 1);
  out.gpus = cluster::lay_out(memory, shape);
  out.score = score_memory::lay_out<serial_team>(memory, shape);
  if (spec.searches()) {
    out.outcomes = memory.take<node_outcome>(layers * size_cast(shape.nodes));
    out.budget = memory.take<int>(layers * size_cast(shape.nodes));
  }
  for (std::size_t t = 0; t < threads; ++t) {
    const worker_memory worker = worker_memory::lay_out(memory, spec);
    if (out.workers) new (&out.workers[t]) worker_memory(worker);
  }
  return out;
}

/// The best instruction set of this machine.
const cpu_kernels& best_kernels() {
#if defined(__x86_64__)
  if (avx2_kernels.usable()) return avx2_kernels;
#endif
  return baseline_kernels;
}

class cpu_planner final : public planner {
 public:
  cpu_planner(const plan_spec& spec, const cpu_memory& memory)
      : spec_(spec),
        kernels_(spec.kernels ? *spec.kernels : best_kernels()),
        memory_(memory),
        pool_(spec.threads, memory.threads) {
    memory_.gpus.describe(spec.shape, spec.gpus);
    spec_.gpus = {};
  }

  void plan(const plan_input& input, progress_sink* progress) override {
    const float_mode exact;
    stored_plan& next = memory_.plans[1 - current_];
    next.samples = input.loads.samples;
    const bool has_budget = searches() && input.current.expert;
    const bool shares = searches() && is_budget_shared(spec_.shape, input.current);
    std::fill_n(memory_.budget, searches() ? count_nodes() : 0, has_budget ? input.current.most_changes : any_number);
    first_fault_ = no_fault;
    work_before_ = 0;
    work_ = shares ? 2 * spec_.shape.layers : spec_.shape.layers;
    progress_ = progress;

    plan_layers(input, next, false);
    if (has_budget) report(share_budgets(spec_.shape, input.current, memory_.outcomes, memory_.budget));
    if (const fault_key key = first_fault_; key != no_fault)
      throw read_fault(key, spec_.shape, input, memory_.outcomes);
    work_before_ = spec_.shape.layers;
    if (shares) plan_layers(input, next, true);

    next.changes = 0;
    for (std::size_t i = 0; searches() && i < count_nodes(); ++i) next.changes += memory_.outcomes[i].changes;
    current_ = 1 - current_;
    has_plan_ = true;
  }

  bool has_plan() const override { return has_plan_; }

  int max_replica_count() const override {
    const index_t* const count = current().maps.replica_count;
    return *std::max_element(count, count + size_cast(spec_.shape.layers) * size_cast(spec_.shape.experts));
  }

  void get_maps(const maps_view& out) override {
    for (int layer = 0; layer < spec_.shape.layers; ++layer)
      kernels_.copy_maps(spec_.shape, current().maps.of(spec_.shape, layer), layer, out);
  }

  void get_stats(placement_stats& out) override {
    const float_mode exact;
    serial_team team;
    score(team, spec_.shape, memory_.gpus, current().maps, current().load, current().samples, memory_.score, out);
    out.changes = current().changes;
  }

 private:
  const stored_plan& current() const { return memory_.plans[current_]; }

  bool searches() const { return spec_.searches(); }
  std::size_t count_nodes() const { return size_cast(spec_.shape.layers) * size_cast(spec_.shape.nodes); }

  void report(fault_key key) {
    fault_key first = first_fault_;
    while (key < first && !first_fault_.compare_exchange_weak(first, key)) {
    }
  }
  /// Of a layer, which then needs no changes.
  void report(fault_key key, int layer) {
    report(key);
    for (int node = 0; searches() && node < spec_.shape.nodes; ++node) memory_.outcomes[number_of(layer, node)] = {};
  }

  /// Whether the caller asks to stop after so many layers of this pass.
  bool is_stopped_after(int layers) {
    const float_mode restored;  // whatever the callback does to it
    return progress_ && progress_->stop_after(work_before_ + layers, work_);
  }

  /// Deals the layers to the threads. Where there are fewer of them, and candidates to try, it deals those of each
  /// packing problem. `again`: only the nodes that made more changes than their budget is now.
  void plan_layers(const plan_input& input, stored_plan& next, bool again) {
    const int layers = spec_.shape.layers;
    bool is_stopped = false;
    deals_candidates_ = !searches() && layers < spec_.threads;
    if (deals_candidates_) {
      for (int layer = 0; !is_stopped && layer <= layers; ++layer) {
        is_stopped = is_stopped_after(layer);
        if (!is_stopped && layer < layers) plan_layer(input, next, memory_.workers[0], layer, again);
      }
    } else {
      pool_.run(
          layers, [&](int worker, int layer) { plan_layer(input, next, memory_.workers[worker], layer, again); },
          [&](int done) { return is_stopped = is_stopped_after(done); });
    }
    if (is_stopped) throw cancelled{};
  }

  /// The phases of a plan, in their order (core/plan.h).
  void plan_layer(const plan_input& input, stored_plan& next, const worker_memory& own, int layer, bool again) {
    const plan_shape& shape = spec_.shape;
    if (again && !has_too_many_changes(layer)) return;
    const std::size_t stride = size_cast(shape.layers) * size_cast(shape.experts);
    float* const samples = next.load + size_cast(layer) * size_cast(shape.experts);
    if (const fault_key fault = kernels_.read_layer(shape, input.loads, layer, samples, stride, own.sum);
        fault != no_fault)
      return report(fault, layer);

    if (places_groups(shape)) kernels_.prepare_groups(shape, own.sum, own.groups, own.packing.sort);
    const packing_problem groups = own.groups.onto_nodes(shape, input.seed, layer);
    pack(groups, own);
    kernels_.number_experts(shape, groups, own.member, input.current.expert ? own.packed_expert : own.node_expert);

    const layer_maps maps = next.maps.of(shape, layer);
    const layer_samples loads = layer_samples::of(spec_.search, own.sum, {samples, stride, input.loads.samples});
    const search_task task{shape,        spec_.node, memory_.gpus,
                           spec_.search, loads,      input.current.expert ? own.current : nullptr};
    if (task.current) {
      const fault_key fault = kernels_.read_current(shape, input.current, layer, own.current);
      if (fault != no_fault) return report(fault, layer);
      kernels_.keep_groups(task, groups, own.packed_expert, own.kept, own.node_expert);
    }
    for (int node = 0; node < shape.nodes; ++node)
      if (searches())
        search_node(task, own, layer, node, again, maps);
      else
        pack_node(input, own, layer, node, maps);
  }

  /// A node is numbered through all layers.
  std::size_t number_of(int layer, int node) const {
    return size_cast(layer) * size_cast(spec_.shape.nodes) + size_cast(node);
  }
  bool has_too_many_changes(int layer, int node) const {
    const std::size_t number = number_of(layer, node);
    return memory_.outcomes[number].changes > memory_.budget[number];
  }
  bool has_too_many_changes(int layer) const {
    for (int node = 0; node < spec_.shape.nodes; ++node)
      if (has_too_many_changes(layer, node)) return true;
    return false;
  }

  const index_t* experts_of(const worker_memory& own, int node) const {
    return own.node_expert + size_cast(node) * size_cast(spec_.node.experts);
  }

  void pack_node(const plan_input& input, const worker_memory& own, int layer, int node, const layer_maps& maps) {
    kernels_.prepare_node(spec_.shape, own.sum, experts_of(own, node), own.node, own.prepare);
    const packing_problem gpus =
        own.node.onto_gpus(spec_.shape, input.seed, layer, spec_.first_problem + static_cast<std::uint32_t>(node));
    pack(gpus, own);
    kernels_.write_maps(gpus, own.node, node, spec_.node.experts, own.member, maps);
  }

  void search_node(const search_task& task, const worker_memory& own, int layer, int node, bool again,
                   const layer_maps& maps) {
    if (again && !has_too_many_changes(layer, node)) return;
    const std::size_t number = number_of(layer, node);
    memory_.outcomes[number] =
        kernels_.search_node(task, node, memory_.budget[number], experts_of(own, node), own.search, maps);
  }

  /// Leaves the members of the best candidate in own.member, if there is a choice.
  void pack(const packing_problem& problem, const worker_memory& own) {
    if (is_identity(problem)) return;
    if (deals_candidates_)
      deal_candidates(problem, own);
    else
      kernels_.try_candidates(problem, spec_.rules, 0, spec_.rules.candidates, own.packing, own.member);
  }

  /// The same by all threads.
  void deal_candidates(const packing_problem& problem, const worker_memory& own) {
    bool is_stopped = false;
    const int shares = spec_.threads;
    pool_.run(
        shares,
        [&](int thread, int share) {
          const worker_memory& worker = memory_.workers[share];
          *worker.share_key = kernels_.try_candidates(problem, spec_.rules, first_candidate(spec_.rules, share, shares),
                                                      first_candidate(spec_.rules, share + 1, shares),
                                                      memory_.workers[thread].packing, worker.share_member);
        },
        [&](int) { return is_stopped = is_stopped_after(static_cast<int>(problem.layer)); });
    if (is_stopped) throw cancelled{};  // not all candidates have been tried
    const worker_memory* const best =
        std::min_element(memory_.workers, memory_.workers + shares,
                         [](const worker_memory& a, const worker_memory& b) { return *a.share_key < *b.share_key; });
    std::copy_n(best->share_member, problem.items, own.member);
  }

  plan_spec spec_;
  const cpu_kernels& kernels_;
  cpu_memory memory_;
  thread_pool pool_;
  int current_ = 0;
  bool has_plan_ = false;
  // Of the call at work:
  std::atomic<fault_key> first_fault_{no_fault};
  bool deals_candidates_ = false;
  progress_sink* progress_ = nullptr;
  int work_before_ = 0, work_ = 0;  // in layers: of the passes before this one, and of all
};

const char* why_unavailable() { return nullptr; }

int device_count() { return 1; }

void describe_device(int, char* text, std::size_t size) {
  std::snprintf(text, size, "%s kernels, %d threads allowed", best_kernels().name, allowed_threads());
}

memory_size measure(const plan_spec& spec) {
  arena counter;
  counter.take<cpu_planner>(1);
  lay_out(counter, spec);
  return {counter.used(), 0};
}

planner* make(const plan_spec& spec, void* block) {
  arena memory(block);
  auto* const at = memory.take<cpu_planner>(1);
  return new (at) cpu_planner(spec, lay_out(memory, spec));
}

}  // namespace

int allowed_threads() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return 1;
}

const backend cpu_backend{backend_id::cpu, why_unavailable, device_count, describe_device, measure, make};

}  // namespace eplb
