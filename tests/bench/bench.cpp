// SPDX-License-Identifier: MIT
// Whole plans through the public interface: every strategy on the shapes that models are served in. Each plan is
// timed next to one of the textbook planner for the same loads, so that a machine that slows down slows both.
#include <benchmark/benchmark.h>
#include <eplb/eplb.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "deployments.h"
#include "textbook.h"
#include "timing.h"

namespace {

using bench::deployment, bench::deployments, bench::make_shape;

eplb_error make_error() {
  eplb_error error;
  eplb_error_init(&error, sizeof error);
  return error;
}

void check(eplb_status status, const eplb_error& error) {
  if (status != EPLB_SUCCESS) throw std::runtime_error(error.message);
}

eplb_input make_input(const std::vector<float>& loads) {
  eplb_input input;
  eplb_input_init(&input, sizeof input);
  input.loads = loads.data();
  input.loads_count = loads.size();
  return input;
}

/// A context and the maps that it writes.
class library_planner {
 public:
  library_planner(const deployment& at, bool by_node, int strategy, int threads)
      : slot_expert_(at.places()), replica_rank_(at.places()), replica_count_(at.loads()) {
    eplb_options options;
    eplb_options_init(&options, sizeof options);
    options.strategy = strategy;
    options.policy = by_node ? EPLB_POLICY_HIERARCHICAL : EPLB_POLICY_GLOBAL;
    options.num_threads = threads;
    const eplb_shape shape = make_shape(at, by_node);
    eplb_context* context = nullptr;
    check(eplb_create(&shape, &options, &context, &error_), error_);
    context_.reset(context);
    eplb_maps_init(&maps_, sizeof maps_);
    maps_.physical_to_logical = slot_expert_.data();
    maps_.physical_to_logical_count = slot_expert_.size();
    maps_.replica_rank = replica_rank_.data();
    maps_.replica_rank_count = replica_rank_.size();
    maps_.replica_count = replica_count_.data();
    maps_.replica_count_count = replica_count_.size();
  }

  void plan(const std::vector<float>& loads) {
    const eplb_input input = make_input(loads);
    check(eplb_submit_weights(context_.get(), &input, &error_), error_);
    check(eplb_get_maps(context_.get(), &maps_, &error_), error_);
  }

  double balancedness() {
    eplb_stats stats;
    eplb_stats_init(&stats, sizeof stats);
    check(eplb_get_stats(context_.get(), &stats, &error_), error_);
    return stats.balancedness;
  }

 private:
  struct destroy {
    void operator()(eplb_context* context) const { eplb_destroy(context); }
  };

  std::vector<std::int32_t> slot_expert_, replica_rank_, replica_count_;
  eplb_maps maps_;
  eplb_error error_ = make_error();
  std::unique_ptr<eplb_context, destroy> context_;
};

/// The textbook planner, layer by layer. It makes one map less than the library.
class textbook_planner {
 public:
  explicit textbook_planner(const deployment& at) : at_(at), plans_(static_cast<std::size_t>(at.layers)) {}

  void plan(const std::vector<float>& loads) {
    const float* load = loads.data();
    for (bench::textbook_plan& plan : plans_) {
      plan = bench::plan_by_the_book(load, at_.experts, at_.slots, at_.gpus);
      load += at_.experts;
    }
  }

  double balancedness(const std::vector<float>& loads) const {
    std::vector<std::int32_t> slot_expert;
    for (const bench::textbook_plan& plan : plans_)
      slot_expert.insert(slot_expert.end(), plan.slot_expert.begin(), plan.slot_expert.end());
    eplb_error error = make_error();
    const eplb_shape shape = make_shape(at_, false);
    const eplb_input input = make_input(loads);
    eplb_maps maps;
    eplb_maps_init(&maps, sizeof maps);
    maps.physical_to_logical = slot_expert.data();
    maps.physical_to_logical_count = slot_expert.size();
    eplb_stats stats;
    eplb_stats_init(&stats, sizeof stats);
    check(eplb_score_placement(&shape, &input, &maps, &stats, &error), error);
    return stats.balancedness;
  }

 private:
  const deployment& at_;
  std::vector<bench::textbook_plan> plans_;
};

const std::vector<std::vector<float>>& loads_of(const deployment& at) {
  static std::map<std::size_t, std::vector<std::vector<float>>> made;
  const auto [entry, is_new] = made.try_emplace(at.loads());
  if (is_new) entry->second = bench::make_loads(at.loads());
  return entry->second;
}

/// Times what plan(loads) does, and after each time the textbook planner for the same loads. The balancedness is
/// the mean over the loads.
template <class Plan, class Balancedness>
void alternate(benchmark::State& state, const deployment& at, Plan plan, Balancedness balancedness) {
  const auto& loads = loads_of(at);
  textbook_planner textbook(at);
  std::vector<double> times, textbook_times;
  double sum = 0;
  std::size_t sets = 0;
  for (auto _ : state) {
    const auto& fresh = loads[times.size() % loads.size()];
    times.push_back(bench::seconds([&] { plan(fresh); }));
    state.SetIterationTime(times.back());
    textbook_times.push_back(bench::seconds([&] { textbook.plan(fresh); }));
    if (sets == loads.size()) continue;
    sum += balancedness(fresh);
    ++sets;
  }
  const double median = bench::quantile(times, 0.5);
  state.SetItemsProcessed(state.iterations() * at.layers);
  state.counters["ms"] = median * 1e3;
  state.counters["ms_p10"] = bench::quantile(times, 0.1) * 1e3;
  state.counters["ms_p90"] = bench::quantile(times, 0.9) * 1e3;
  state.counters["us_per_layer"] = median * 1e6 / at.layers;
  state.counters["textbook"] = median / bench::quantile(textbook_times, 0.5);
  state.counters["balancedness"] = sum / static_cast<double>(sets);
}

void time_library(benchmark::State& state, const deployment& at, bool by_node, int strategy, int threads) {
  try {
    library_planner planner(at, by_node, strategy, threads);
    alternate(
        state, at, [&](const auto& loads) { planner.plan(loads); },
        [&](const auto&) { return planner.balancedness(); });
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

void time_textbook(benchmark::State& state, const deployment& at) {
  textbook_planner planner(at);
  alternate(
      state, at, [&](const auto& loads) { planner.plan(loads); },
      [&](const auto& loads) { return planner.balancedness(loads); });
}

/// Such as plan/lpt/deepseek-v3:58x256-288/32/nodes:4/groups:8/threads:1.
template <class F>
void add(const std::string& planner, const deployment& at, bool by_node, int threads, F f) {
  const std::string name =
      "plan/" + planner + "/" + bench::name_of(at, by_node) + "/threads:" + std::to_string(threads);
  benchmark::RegisterBenchmark(name.c_str(), f)->UseManualTime()->Unit(benchmark::kMillisecond);
}

}  // namespace

int main(int argc, char** argv) {
  for (const deployment& at : deployments) {
    add("textbook", at, false, 1, [&at](benchmark::State& state) { time_textbook(state, at); });
    for (const bool by_node : {false, true})
      for (int strategy = EPLB_STRATEGY_AUTO + 1; strategy < eplb_strategy_count(); ++strategy)
        for (const int threads : {1, 2})
          if (!by_node || at.nodes > 1)
            add(eplb_strategy_name(strategy), at, by_node, threads,
                [=, &at](benchmark::State& state) { time_library(state, at, by_node, strategy, threads); });
  }
  benchmark::AddCustomContext("eplb", eplb_build_info());
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
