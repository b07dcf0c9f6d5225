// SPDX-License-Identifier: MIT
// The CPU backend: layers are dealt to a pool of threads, or, where there are fewer layers than
// threads, the candidates of each packing problem.
#include <algorithm>
#include <cstdio>
#include <new>
#include <stdexcept>

#if defined(__linux__)
#include <sched.h>
#endif

#include "backend/cpu/float_mode.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/thread_pool.h"
#include "core/score.h"

namespace eplb {
namespace {

/// A plan and what it was made from.
struct stored_plan {
  int samples;
  float* load;  // [samples][layers][experts]
  layer_maps maps;
  std::int64_t changes;
};

/// What one thread works with.
struct worker_memory {
  float* sum;  // [experts] of a layer over the samples
  layer_memory layer;
  node_search search;       // } if it searches
  index_t* current;         // } [slots] of a layer
  index_t* best_member;     // [slots] } of its share of the candidates
  std::uint64_t* best_key;  // [1]     }
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
  const std::size_t experts = layers * size_cast(shape.experts), slots = layers * size_cast(shape.slots);
  cpu_memory out{};
  for (stored_plan& plan : out.plans) {
    plan.load = memory.take<float>(size_cast(spec.max_samples) * experts);
    plan.maps = {memory.take<index_t>(slots), memory.take<index_t>(slots), memory.take<index_t>(experts)};
  }
  out.workers = memory.take<worker_memory>(threads);
  out.threads = memory.take<std::thread>(threads - 1);
  out.gpus = cluster::lay_out(memory, shape);
  out.score = score_memory::lay_out<serial_team>(memory, shape);
  const bool searches = spec.search.steps > 0;
  if (searches) {
    out.outcomes = memory.take<node_outcome>(layers * size_cast(shape.nodes));
    out.budget = memory.take<int>(layers * size_cast(shape.nodes));
  }
  for (std::size_t t = 0; t < threads; ++t) {
    worker_memory worker;
    worker.sum = memory.take<float>(size_cast(shape.experts));
    worker.layer = layer_memory::lay_out<serial_team>(memory, shape, spec.node);
    worker.search = {};
    worker.current = nullptr;
    if (searches) {
      const int samples = spec.search.sum_samples ? 1 : spec.max_samples;
      worker.search = node_search::lay_out<serial_team>(memory, shape, spec.node, samples);
      worker.current = memory.take<index_t>(size_cast(shape.slots));
    }
    worker.best_member = memory.take<index_t>(size_cast(std::max(shape.slots, shape.groups)));
    worker.best_key = memory.take<std::uint64_t>(1);
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

/// Any callable as a hook.
template <class F>
class hook_of final : public search_hook {
 public:
  explicit hook_of(const F& f) : f_(f) {}
  void search(const packing_problem& problem) override { f_(problem); }

 private:
  const F& f_;
};

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
    next.changes = 0;
    if (spec_.search.steps > 0)
      search(input, next, progress);
    else
      balance(input, next, progress);
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
      kernels_.write_maps(spec_.shape, current().maps.of(spec_.shape, layer), layer, out);
  }

  void get_stats(placement_stats& out) override {
    const float_mode exact;
    serial_team team;
    score(team, spec_.shape, memory_.gpus, current().maps, current().load, current().samples, memory_.score, out);
    out.changes = current().changes;
  }

 private:
  const stored_plan& current() const { return memory_.plans[current_]; }

  /// By a member of the packing family.
  void balance(const plan_input& input, stored_plan& next, progress_sink* progress) {
    std::atomic<bool> bad{false};
    bool stopped = false;
    const auto plan_layer = [&](int worker, int layer, search_hook* hook) {
      const worker_memory& own = memory_.workers[worker];
      const float* const load = read_layer(input.loads, layer, next, own);
      if (!load) {
        bad = true;
        return;
      }
      kernels_.plan_layer({spec_.shape, spec_.rules, input.seed, layer, spec_.first_problem, load, own.layer,
                           next.maps.of(spec_.shape, layer)},
                          hook);
    };
    const auto stop_after = [&](int done) {
      const float_mode whatever_the_callback_does;
      if (progress && progress->stop_after(done, spec_.shape.layers)) stopped = true;
      return stopped || bad;
    };
    if (spec_.shape.layers < spec_.threads) {
      for (int layer = 0; layer < spec_.shape.layers && !stop_after(layer); ++layer) {
        const auto share_out = [&](const packing_problem& problem) {
          search_with_all_threads(problem, [&] { return stop_after(layer); });
        };
        hook_of<decltype(share_out)> hook(share_out);
        plan_layer(0, layer, &hook);
      }
      if (!stopped && !bad) stop_after(spec_.shape.layers);
    } else {
      pool_.run(
          spec_.shape.layers, [&](int worker, int layer) { plan_layer(worker, layer, nullptr); }, stop_after);
    }
    if (bad) throw_first_fault(input, next);
    if (stopped) throw cancelled{};
  }

  void search(const plan_input& input, stored_plan& next, progress_sink* progress) {
    const int layers = spec_.shape.layers, nodes = spec_.shape.nodes;
    const auto of = [&](int layer) { return size_cast(layer) * size_cast(nodes); };
    const current_view& from = input.current;
    std::fill_n(memory_.budget, of(layers), from.expert ? from.most_changes : any_number);
    const bool shares = shares_budget(spec_.shape, from);
    std::atomic<bool> bad{false};
    bool stopped = false;
    int before = 0;  // units of work, one for each layer
    const auto stop_after = [&](int done) {
      const float_mode whatever_the_callback_does;
      if (progress && progress->stop_after(before + done, shares ? 2 * layers : layers)) stopped = true;
      return stopped || bad;
    };
    const auto search_all = [&](auto has_to_be_searched) {
      pool_.run(
          layers,
          [&](int worker, int layer) {
            if (has_to_be_searched(layer) && !search_layer(input, next, worker, layer, before > 0, spec_.search.steps))
              bad = true;
          },
          stop_after);
      if (bad) throw_first_fault(input, next);
      if (stopped) throw cancelled{};
    };
    search_all([](int) { return true; });
    if (shares) {
      for (int layer = 0; layer < layers; ++layer)
        share_budget(memory_.outcomes + of(layer), nodes, from.most_changes, memory_.budget + of(layer));
      if (!share_budget(memory_.outcomes, of(layers), from.most_changes_in_all, memory_.budget))
        throw bad_budget{add_needed(memory_.outcomes, of(layers))};
      before = layers;
      search_all([&](int layer) {
        bool has_too_much = false;
        for (std::size_t i = of(layer); i < of(layer + 1); ++i)
          has_too_much |= memory_.outcomes[i].changes > memory_.budget[i];
        return has_too_much;
      });
    }
    for (std::size_t i = 0; i < of(layers); ++i) next.changes += memory_.outcomes[i].changes;
  }

  /// False if the loads or the current placement cannot be used.
  bool search_layer(const plan_input& input, stored_plan& next, int worker, int layer, bool again, int steps,
                    layer_outcome* outcome = nullptr) {
    const worker_memory& own = memory_.workers[worker];
    const float* const load = read_layer(input.loads, layer, next, own);
    if (!load) return false;
    const plan_shape& shape = spec_.shape;
    const layer_samples samples =
        spec_.search.sum_samples
            ? layer_samples{load, 0, 1}
            : layer_samples{next.load + size_cast(layer) * size_cast(shape.experts),
                            size_cast(shape.layers) * size_cast(shape.experts), input.loads.samples};
    search_rules rules = spec_.search;
    rules.steps = steps;
    const std::size_t nodes = size_cast(layer) * size_cast(shape.nodes);
    const layer_outcome found = kernels_.search_layer({{shape, spec_.node, memory_.gpus, rules, samples, nullptr},
                                                       layer,
                                                       input.current,
                                                       memory_.budget + nodes,
                                                       again,
                                                       load,
                                                       own.layer,
                                                       own.search,
                                                       own.current,
                                                       memory_.outcomes + nodes,
                                                       next.maps.of(shape, layer)});
    if (outcome) *outcome = found;
    return found.fault == current_fault::none;
  }

  /// Converts a layer's loads and returns their sum over the samples; null if they cannot be used.
  const float* read_layer(const load_view& loads, int layer, stored_plan& plan, const worker_memory& worker) {
    const int experts = spec_.shape.experts;
    const float* sum = nullptr;
    for (int s = 0; s < loads.samples; ++s) {
      const std::size_t at = (size_cast(s) * size_cast(spec_.shape.layers) + size_cast(layer)) * size_cast(experts);
      float* const out = plan.load + at;
      float* const to = loads.samples == 1 ? out : worker.sum;
      if (kernels_.read(loads, at, experts, s == 0, out, to) < experts) return nullptr;
      sum = to;
    }
    return kernels_.total_is_finite(sum, experts) ? sum : nullptr;
  }

  /// Looks once more, in the order of the caller's buffer.
  [[noreturn]] void throw_first_fault(const plan_input& input, stored_plan& scratch) {
    const load_view& loads = input.loads;
    const worker_memory& worker = memory_.workers[0];
    const int experts = spec_.shape.experts, layers = spec_.shape.layers;
    for (int s = 0; s < loads.samples; ++s)
      for (int layer = 0; layer < layers; ++layer) {
        const std::size_t at = (size_cast(s) * size_cast(layers) + size_cast(layer)) * size_cast(experts);
        const int e = kernels_.read(loads, at, experts, true, worker.sum, worker.sum);
        if (e < experts) visit_loads(loads, [&](auto* in) { throw bad_load{s, layer, e, in[at + size_cast(e)]}; });
      }
    for (int layer = 0; layer < layers; ++layer)
      if (!read_layer(loads, layer, scratch, worker)) throw bad_total{layer};
    for (int layer = 0; input.current.expert && layer < layers; ++layer) {
      layer_outcome found{};
      if (search_layer(input, scratch, 0, layer, false, 0, &found)) continue;
      throw bad_current{found, layer,
                        found.fault == current_fault::value
                            ? input.current[size_cast(layer) * size_cast(spec_.shape.slots) + size_cast(found.at)]
                            : 0};
    }
    throw std::logic_error("what is planned from changed while it was read");
  }

  /// Deals the candidates of one problem, sorted by worker 0, to all threads.
  template <class Stop>
  void search_with_all_threads(const packing_problem& problem, Stop stop) {
    bool stopped = false;
    const int shares = spec_.threads, candidates = spec_.rules.candidates;
    pool_.run(
        shares,
        [&](int thread, int share) {
          const worker_memory& worker = memory_.workers[share];
          *worker.best_key = kernels_.try_candidates(problem, spec_.rules, candidates * share / shares,
                                                     candidates * (share + 1) / shares, memory_.workers[0].layer.items,
                                                     memory_.workers[thread].layer.packing, worker.best_member);
        },
        [&](int) { return stopped = stop(); });
    if (stopped) throw cancelled{};  // not all candidates have been tried
    const worker_memory* const best =
        std::min_element(memory_.workers, memory_.workers + shares,
                         [](const worker_memory& a, const worker_memory& b) { return *a.best_key < *b.best_key; });
    std::copy_n(best->best_member, problem.items, memory_.workers[0].layer.member);
  }

  plan_spec spec_;
  const cpu_kernels& kernels_;
  cpu_memory memory_;
  thread_pool pool_;
  int current_ = 0;
  bool has_plan_ = false;
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
