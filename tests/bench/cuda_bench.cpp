// SPDX-License-Identifier: MIT
// Whole plans on a CUDA device, every strategy on the shapes that models are served in. "graph": a submit and a get
// captured into a graph, from loads in device memory to maps in device memory, timed by events of the device. "host":
// the same from and to host memory, by the host's clock. Loads are fresh each time.
#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>
#include <eplb/eplb.h>

#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "deployments.h"
#include "timing.h"

namespace {

using bench::deployment;

void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

/// The last error of the library, thrown when a call fails.
class library {
 public:
  library() { eplb_error_init(&error_, sizeof error_); }
  operator eplb_error*() { return &error_; }
  void check(eplb_status status) const {
    if (status != EPLB_SUCCESS) throw std::runtime_error(error_.message);
  }

 private:
  eplb_error error_;
};

struct destroy {
  void operator()(eplb_context* context) const { eplb_destroy(context); }
};
using context_pointer = std::unique_ptr<eplb_context, destroy>;

context_pointer make_context(library& eplb, const deployment& at, bool by_node, int strategy, int candidates,
                             std::int32_t memory) {
  eplb_options options;
  eplb_options_init(&options, sizeof options);
  options.strategy = strategy;
  options.candidates = candidates;
  options.policy = by_node ? EPLB_POLICY_HIERARCHICAL : EPLB_POLICY_GLOBAL;
  options.backend = EPLB_BACKEND_CUDA;
  options.memory = memory;
  const eplb_shape shape = bench::make_shape(at, by_node);
  eplb_context* context = nullptr;
  eplb.check(eplb_create(&shape, &options, &context, eplb));
  return context_pointer(context);
}

/// Device memory of so many elements.
template <class T>
class device_array {
 public:
  explicit device_array(std::size_t count) : count_(count) { check(cudaMalloc(&data_, count * sizeof(T))); }
  ~device_array() { cudaFree(data_); }
  device_array(const device_array&) = delete;
  device_array& operator=(const device_array&) = delete;
  T* data() const { return static_cast<T*>(data_); }
  std::size_t size() const { return count_; }

 private:
  std::size_t count_;
  void* data_ = nullptr;
};

/// Loads and maps in device memory, and a graph that plans from the one to the other.
class graph_planner {
 public:
  graph_planner(const deployment& at, bool by_node, int strategy, int candidates)
      : loads_(at.loads()), slot_expert_(at.places()), replica_rank_(at.places()), replica_count_(at.loads()) {
    context_ = make_context(eplb_, at, by_node, strategy, candidates, EPLB_MEMORY_CUDA);
    eplb_input input;
    eplb_maps maps;
    eplb_input_init(&input, sizeof input);
    eplb_maps_init(&maps, sizeof maps);
    input.memory = maps.memory = EPLB_MEMORY_CUDA;
    input.loads = loads_.data();
    input.loads_count = loads_.size();
    maps.physical_to_logical = slot_expert_.data();
    maps.physical_to_logical_count = slot_expert_.size();
    maps.replica_rank = replica_rank_.data();
    maps.replica_rank_count = replica_rank_.size();
    maps.replica_count = replica_count_.data();
    maps.replica_count_count = replica_count_.size();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    check(cudaEventCreate(&begin_));
    check(cudaEventCreate(&end_));
    cudaGraph_t recorded = nullptr;
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    eplb_.check(eplb_submit_weights_async(context_.get(), &input, stream_, eplb_));
    eplb_.check(eplb_get_maps_async(context_.get(), &maps, stream_, eplb_));
    check(cudaStreamEndCapture(stream_, &recorded));
    check(cudaGraphInstantiate(&graph_, recorded, 0));
    check(cudaGraphDestroy(recorded));
  }
  ~graph_planner() {
    cudaStreamSynchronize(stream_);
    cudaGraphExecDestroy(graph_);
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
    cudaStreamDestroy(stream_);
  }
  graph_planner(const graph_planner&) = delete;
  graph_planner& operator=(const graph_planner&) = delete;

  /// Seconds on the device.
  double plan(const std::vector<float>& loads) {
    check(cudaMemcpy(loads_.data(), loads.data(), loads.size() * sizeof(float), cudaMemcpyHostToDevice));
    check(cudaEventRecord(begin_, stream_));
    check(cudaGraphLaunch(graph_, stream_));
    check(cudaEventRecord(end_, stream_));
    check(cudaEventSynchronize(end_));
    eplb_.check(eplb_poll(context_.get(), eplb_));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return static_cast<double>(milliseconds) * 1e-3;
  }

  double balancedness() {
    eplb_stats stats;
    eplb_stats_init(&stats, sizeof stats);
    eplb_.check(eplb_get_stats(context_.get(), &stats, eplb_));
    return stats.balancedness;
  }

 private:
  library eplb_;
  device_array<float> loads_;
  device_array<std::int32_t> slot_expert_, replica_rank_, replica_count_;
  context_pointer context_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
};

/// Loads and maps in host memory.
class host_planner {
 public:
  host_planner(const deployment& at, bool by_node, int strategy, int candidates) : slot_expert_(at.places()) {
    context_ = make_context(eplb_, at, by_node, strategy, candidates, EPLB_MEMORY_HOST);
    eplb_maps_init(&maps_, sizeof maps_);
    maps_.physical_to_logical = slot_expert_.data();
    maps_.physical_to_logical_count = slot_expert_.size();
  }

  /// Seconds by the host's clock.
  double plan(const std::vector<float>& loads) {
    eplb_input input;
    eplb_input_init(&input, sizeof input);
    input.loads = loads.data();
    input.loads_count = loads.size();
    return bench::seconds([&] {
      eplb_.check(eplb_submit_weights(context_.get(), &input, eplb_));
      eplb_.check(eplb_get_maps(context_.get(), &maps_, eplb_));
    });
  }

  double balancedness() {
    eplb_stats stats;
    eplb_stats_init(&stats, sizeof stats);
    eplb_.check(eplb_get_stats(context_.get(), &stats, eplb_));
    return stats.balancedness;
  }

 private:
  library eplb_;
  std::vector<std::int32_t> slot_expert_;
  eplb_maps maps_;
  context_pointer context_;
};

template <class Planner>
void time(benchmark::State& state, const deployment& at, bool by_node, int strategy, int candidates) {
  try {
    static std::map<std::size_t, std::vector<std::vector<float>>> made;
    if (!made.count(at.loads())) made[at.loads()] = bench::make_loads(at.loads());
    const auto& loads = made[at.loads()];
    Planner planner(at, by_node, strategy, candidates);
    double sum = 0;
    for (const auto& each : loads) {  // and the device warms up
      planner.plan(each);
      sum += planner.balancedness();
    }
    std::vector<double> times;
    for (auto _ : state) {
      times.push_back(planner.plan(loads[times.size() % loads.size()]));
      state.SetIterationTime(times.back());
    }
    state.counters["us"] = bench::quantile(times, 0.5) * 1e6;
    state.counters["us_p10"] = bench::quantile(times, 0.1) * 1e6;
    state.counters["us_p90"] = bench::quantile(times, 0.9) * 1e6;
    state.counters["balancedness"] = sum / static_cast<double>(loads.size());
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

template <class Planner>
void add(const std::string& way, const deployment& at, bool by_node, int strategy, int candidates) {
  std::string name = way + "/" + eplb_strategy_name(strategy) + "/" + bench::name_of(at, by_node);
  if (candidates > 0) name += "/candidates:" + std::to_string(candidates);
  benchmark::RegisterBenchmark(name.c_str(), time<Planner>, at, by_node, strategy, candidates)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace

int main(int argc, char** argv) {
  eplb_error error;
  eplb_error_init(&error, sizeof error);
  if (eplb_backend_available(EPLB_BACKEND_CUDA, &error) != EPLB_SUCCESS) {
    std::printf("no CUDA device: %s\n", error.message);
    return 0;
  }
  for (const deployment& at : bench::deployments)
    for (const bool by_node : {false, true})
      for (int strategy = EPLB_STRATEGY_AUTO + 1; strategy < eplb_strategy_count(); ++strategy) {
        if (by_node && at.nodes == 1) continue;
        add<graph_planner>("graph", at, by_node, strategy, 0);
        add<host_planner>("host", at, by_node, strategy, 0);
      }
  for (const int candidates : {2, 4, 16, 128, 256})
    add<graph_planner>("graph", bench::deployments[0], false, EPLB_STRATEGY_LPT_RESTART64_ANY, candidates);
  char device[256] = "?";
  if (eplb_device_describe(EPLB_BACKEND_CUDA, 0, device, sizeof device, &error) == EPLB_SUCCESS)
    benchmark::AddCustomContext("device", device);
  benchmark::AddCustomContext("eplb", eplb_build_info());
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
