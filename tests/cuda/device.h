// SPDX-License-Identifier: MIT
// What tests of the CUDA backend hold in their hands: buffers of the device, streams, graphs, contexts. Linked
// with the CUDA runtime it needs a device, with the stub runtime none.
#pragma once

#include <cuda_runtime_api.h>
#include <eplb/eplb.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "support/cases.h"

#define ASSERT_CUDA(call) ASSERT_EQ(call, cudaSuccess) << #call
#define EXPECT_CUDA(call) EXPECT_EQ(call, cudaSuccess) << #call

namespace eplb::cuda_tests {

/// Null if there is a device, else why not.
inline const char* why_no_device() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  return error == cudaSuccess && count > 0 ? nullptr : cudaGetErrorString(error);
}

/// Skips its tests where there is no device.
class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* why = why_no_device()) GTEST_SKIP() << "no CUDA device: " << why;
  }
};

/// An array on the device.
template <class T>
class device_array {
 public:
  explicit device_array(std::size_t count) : count_(count) { EXPECT_CUDA(cudaMalloc(&data_, count * sizeof(T))); }
  explicit device_array(const std::vector<T>& from) : device_array(from.size()) { write(from); }
  ~device_array() { EXPECT_CUDA(cudaFree(data_)); }
  device_array(const device_array&) = delete;
  device_array& operator=(const device_array&) = delete;

  T* data() const { return static_cast<T*>(data_); }
  std::size_t size() const { return count_; }
  void write(const std::vector<T>& from) {
    EXPECT_CUDA(cudaMemcpy(data_, from.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  void fill(int byte) { EXPECT_CUDA(cudaMemset(data_, byte, count_ * sizeof(T))); }
  std::vector<T> read() const {
    std::vector<T> out(count_);
    EXPECT_CUDA(cudaMemcpy(out.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return out;
  }

 private:
  std::size_t count_;
  void* data_ = nullptr;
};

class stream {
 public:
  stream() { EXPECT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~stream() { EXPECT_CUDA(cudaStreamDestroy(stream_)); }
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;
  operator cudaStream_t() const { return stream_; }
  void wait() const { EXPECT_CUDA(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// What is enqueued on a stream by `record`, as a graph.
class graph {
 public:
  template <class Record>
  graph(cudaStream_t stream, Record record) {
    EXPECT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    record();
    EXPECT_CUDA(cudaStreamEndCapture(stream, &graph_));
    EXPECT_CUDA(cudaGraphInstantiate(&executable_, graph_, 0));
  }
  ~graph() {
    EXPECT_CUDA(cudaGraphExecDestroy(executable_));
    EXPECT_CUDA(cudaGraphDestroy(graph_));
  }
  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;
  void launch(cudaStream_t stream) const { EXPECT_CUDA(cudaGraphLaunch(executable_, stream)); }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

template <class T>
T made(eplb_status (*init)(T*, std::size_t)) {
  T out;
  EXPECT_EQ(init(&out, sizeof out), EPLB_SUCCESS);
  return out;
}

/// The error of the last call, for a message or to be looked at.
class last_error {
 public:
  last_error() : error_(made(eplb_error_init)) {}
  operator eplb_error*() { return &error_; }
  std::string text() const { return error_.message; }

 private:
  eplb_error error_;
};

struct destroy_context {
  void operator()(eplb_context* context) const { eplb_destroy(context); }
};
using context = std::unique_ptr<eplb_context, destroy_context>;

inline context make_context(const eplb_shape& shape, const eplb_options& options) {
  last_error error;
  eplb_context* out = nullptr;
  EXPECT_EQ(eplb_create(&shape, &options, &out, error), EPLB_SUCCESS) << error.text();
  return context(out);
}

inline eplb_shape shape_of(const plan_shape& from) {
  eplb_shape out = made(eplb_shape_init);
  out.num_layers = from.layers;
  out.num_logical_experts = from.experts;
  out.num_physical_experts = from.slots;
  out.num_groups = from.groups;
  out.num_nodes = from.nodes;
  out.num_gpus = from.gpus;
  return out;
}

/// Options that plan by exactly these rules, whatever the preset.
inline eplb_options options_of(const packing_rules& rules, const plan_shape& shape) {
  eplb_options out = made(eplb_options_init);
  out.strategy = EPLB_STRATEGY_LPT;
  out.policy = shape.groups > 1 || shape.nodes > 1 ? EPLB_POLICY_HIERARCHICAL : EPLB_POLICY_GLOBAL;
  out.initial = static_cast<std::int32_t>(rules.initial) + 1;
  out.swap_scope = static_cast<std::int32_t>(rules.scope) + 1;
  out.max_swaps = rules.max_swaps;
  if (rules.candidates > 1) {
    out.candidates = rules.candidates;
    out.amplitude = rules.amplitude;
    out.amplitude_form = static_cast<std::int32_t>(rules.form) + 1;
    out.selection = static_cast<std::int32_t>(rules.choice) + 1;
  }
  return out;
}

template <class T>
constexpr std::int32_t type_of = std::is_same_v<T, float>          ? EPLB_TYPE_FLOAT32
                                 : std::is_same_v<T, double>       ? EPLB_TYPE_FLOAT64
                                 : std::is_same_v<T, std::int32_t> ? EPLB_TYPE_INT32
                                                                   : EPLB_TYPE_INT64;

inline std::size_t count(int a, int b, int c = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

/// The widest inverse map that a plan can need.
inline int widest(const plan_shape& shape) { return shape.slots - shape.experts + 1; }

/// The four maps of a plan on the host.
template <class Index>
struct host_maps {
  std::vector<Index> physical_to_logical, replica_rank, replica_count, logical_to_physical;

  explicit host_maps(const plan_shape& s, Index unwritten = -7)
      : physical_to_logical(count(s.layers, s.slots), unwritten),
        replica_rank(count(s.layers, s.slots), unwritten),
        replica_count(count(s.layers, s.experts), unwritten),
        logical_to_physical(count(s.layers, s.experts, widest(s)), unwritten) {}
  bool operator==(const host_maps&) const = default;

  eplb_maps maps() {
    eplb_maps out = made(eplb_maps_init);
    out.type = type_of<Index>;
    out.physical_to_logical = physical_to_logical.data();
    out.replica_rank = replica_rank.data();
    out.replica_count = replica_count.data();
    out.logical_to_physical = logical_to_physical.data();
    out.physical_to_logical_count = physical_to_logical.size();
    out.replica_rank_count = replica_rank.size();
    out.replica_count_count = replica_count.size();
    out.logical_to_physical_count = logical_to_physical.size();
    out.max_replicas = static_cast<std::int32_t>(logical_to_physical.size() / replica_count.size());
    return out;
  }
};

/// The same on the device.
template <class Index>
struct device_maps {
  explicit device_maps(const plan_shape& s) : shape(s), unwritten(s), as_filled(unwritten) {}

  /// What is there now.
  host_maps<Index> read() const {
    host_maps<Index> out(shape);
    out.physical_to_logical = physical_to_logical.read();
    out.replica_rank = replica_rank.read();
    out.replica_count = replica_count.read();
    out.logical_to_physical = logical_to_physical.read();
    return out;
  }
  void clear() {
    physical_to_logical.write(unwritten.physical_to_logical);
    replica_rank.write(unwritten.replica_rank);
    replica_count.write(unwritten.replica_count);
    logical_to_physical.write(unwritten.logical_to_physical);
  }
  bool is_unwritten() const { return read() == unwritten; }
  eplb_maps maps() {
    eplb_maps out = as_filled.maps();
    out.memory = EPLB_MEMORY_CUDA;
    out.physical_to_logical = physical_to_logical.data();
    out.replica_rank = replica_rank.data();
    out.replica_count = replica_count.data();
    out.logical_to_physical = logical_to_physical.data();
    return out;
  }

  plan_shape shape;
  host_maps<Index> unwritten, as_filled;
  device_array<Index> physical_to_logical{unwritten.physical_to_logical}, replica_rank{unwritten.replica_rank},
      replica_count{unwritten.replica_count}, logical_to_physical{unwritten.logical_to_physical};
};

template <class Load>
eplb_input input_of(const Load* loads, std::size_t size, std::int32_t samples, std::uint64_t seed,
                    std::int32_t memory = EPLB_MEMORY_HOST) {
  eplb_input out = made(eplb_input_init);
  out.type = type_of<Load>;
  out.memory = memory;
  out.num_samples = samples;
  out.loads = loads;
  out.loads_count = size;
  out.seed = seed;
  return out;
}

/// Statistics with their buffers.
struct host_stats {
  std::vector<double> layer, gpu;
  eplb_stats stats = made(eplb_stats_init);

  explicit host_stats(const plan_shape& s) : layer(static_cast<std::size_t>(s.layers)), gpu(count(s.layers, s.gpus)) {
    stats.layer_balancedness = layer.data();
    stats.layer_balancedness_count = layer.size();
    stats.gpu_load = gpu.data();
    stats.gpu_load_count = gpu.size();
  }
  bool operator==(const host_stats& other) const {
    return layer == other.layer && gpu == other.gpu && stats.balancedness == other.stats.balancedness &&
           stats.balancedness_min == other.stats.balancedness_min && stats.duplicates == other.stats.duplicates &&
           stats.empty_layers == other.stats.empty_layers && stats.max_replica_count == other.stats.max_replica_count;
  }
};

/// One plan to make.
struct plan_case {
  plan_shape shape;
  packing_rules rules;
  int samples;
  std::uint64_t seed;
  std::vector<float> loads;
  std::string name;
  int search_steps = 0;  // more than 0: it searches, whatever the rules
};

/// Any shape of about `size` slots with any rules and any kind of load.
inline plan_case random_case(cases::stream& s, int size, int candidates) {
  const plan_shape shape = cases::random_shape(s, size);
  const auto& kinds = cases::load_kinds();
  const auto rules = cases::all_rules(candidates);
  const auto& kind = kinds[static_cast<std::size_t>(s.below(static_cast<int>(kinds.size())))];
  const auto& rule = rules[static_cast<std::size_t>(s.below(static_cast<int>(rules.size())))];
  // Only loads that stay finite when they are added up come in more than one sample.
  const int samples = kind.name == "limit" || kind.name == "huge" ? 1 : 1 + s.below(3);
  plan_shape all_samples = shape;
  all_samples.layers *= samples;
  const int search_steps = s.below(3) == 0 ? 1 + s.below(30) : 0;
  const std::uint64_t seed = s.bits(), loads_seed = s.bits();
  return {shape,
          rule.rules,
          samples,
          seed,
          cases::make_loads(kind, all_samples, loads_seed),
          cases::to_string(shape) + ", " + kind.name + ", " + rule.name + ", " + std::to_string(samples) +
              " samples, " + std::to_string(search_steps) + " search steps",
          search_steps};
}

inline plan_case case_of(const plan_shape& shape, const cases::named_rules& rule, std::uint64_t seed) {
  return {shape,
          rule.rules,
          1,
          seed,
          cases::make_loads(cases::load_kinds()[0], shape, seed),
          cases::to_string(shape) + ", " + rule.name};
}

/// The loads as another type.
template <class Load>
std::vector<Load> loads_as(const plan_case& c) {
  return {c.loads.begin(), c.loads.end()};
}

inline eplb_options cpu_options(const plan_case& c) {
  eplb_options out = options_of(c.rules, c.shape);
  if (c.search_steps > 0) {
    const std::int32_t policy = out.policy;
    out = made(eplb_options_init);
    out.policy = policy;
    out.strategy = EPLB_STRATEGY_SEARCH;
    out.search_steps = c.search_steps;
    out.samples = c.seed % 4 == 0 ? EPLB_SAMPLES_SUM : EPLB_SAMPLES_EACH;
    out.duplicates = c.seed % 3 == 0 ? EPLB_DUPLICATES_ALLOW : EPLB_DUPLICATES_AVOID;
  }
  out.max_samples = c.samples;
  return out;
}
inline eplb_options cuda_options(const plan_case& c, std::int32_t memory) {
  eplb_options out = cpu_options(c);
  out.backend = EPLB_BACKEND_CUDA;
  out.memory = memory;
  return out;
}

/// What the CPU backend makes of it: the measure of everything.
template <class Index, class Load>
host_maps<Index> plan_on_cpu(const plan_case& c, const std::vector<Load>& loads, host_stats* stats = nullptr) {
  host_maps<Index> out(c.shape);
  const eplb_shape shape = shape_of(c.shape);
  const eplb_options options = cpu_options(c);
  const eplb_input input = input_of(loads.data(), loads.size(), c.samples, c.seed);
  const eplb_maps maps = out.maps();
  last_error error;
  EXPECT_EQ(eplb_rebalance_experts(&shape, &options, &input, &maps, stats ? &stats->stats : nullptr, error),
            EPLB_SUCCESS)
      << error.text();
  return out;
}

/// A context of the CUDA backend for device memory, with loads, maps and a stream of its own.
template <class Load = float>
struct session {
  plan_case c;
  context planner;
  device_array<Load> loads;
  device_maps<std::int32_t> out;
  stream on;
  last_error error;

  explicit session(const plan_case& what) : session(what, cuda_options(what, EPLB_MEMORY_CUDA)) {}
  session(const plan_case& what, const eplb_options& options)
      : c(what), planner(make_context(shape_of(c.shape), options)), loads(loads_as<Load>(c)), out(c.shape) {}

  eplb_input input() const { return input_of(loads.data(), loads.size(), c.samples, c.seed, EPLB_MEMORY_CUDA); }
  eplb_status submit() {
    const eplb_input from = input();
    return eplb_submit_weights(planner.get(), &from, error);
  }
  eplb_status submit_async() {
    const eplb_input from = input();
    return eplb_submit_weights_async(planner.get(), &from, on, error);
  }
  eplb_status get() { return get(out.maps()); }
  eplb_status get(const eplb_maps& maps) { return eplb_get_maps(planner.get(), &maps, error); }
  eplb_status get_async() { return get_async(out.maps()); }
  eplb_status get_async(const eplb_maps& maps) { return eplb_get_maps_async(planner.get(), &maps, on, error); }
  eplb_status get_stats(host_stats& stats) { return eplb_get_stats(planner.get(), &stats.stats, error); }
  eplb_status poll() { return eplb_poll(planner.get(), error); }
  eplb_status wait_and_poll() {
    on.wait();
    return poll();
  }
  std::string text() const { return error.text(); }

  host_maps<std::int32_t> expected() const { return plan_on_cpu<std::int32_t>(c, loads_as<Load>(c)); }

  /// Whether a get that blocks gives the plan of the loads in `c`.
  void expect_plan() {
    out.clear();
    ASSERT_EQ(get(), EPLB_SUCCESS) << text();
    EXPECT_TRUE(out.read() == expected());
  }
};

}  // namespace eplb::cuda_tests
