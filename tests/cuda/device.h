// SPDX-License-Identifier: MIT
// What tests of the CUDA backend hold in their hands: buffers of the device, streams, graphs, contexts. Linked
// with the CUDA runtime it needs a device, with the stub runtime none.
#pragma once

#include <cuda_runtime_api.h>
#include <eplb/eplb.h>
#include <gtest/gtest.h>

#include <algorithm>
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
  std::vector<double> layer, layer_bound, gpu;
  eplb_stats stats = made(eplb_stats_init);

  explicit host_stats(const plan_shape& s)
      : layer(static_cast<std::size_t>(s.layers)), layer_bound(layer.size()), gpu(count(s.layers, s.gpus)) {
    stats.layer_balancedness = layer.data();
    stats.layer_balancedness_count = layer.size();
    stats.layer_bound = layer_bound.data();
    stats.layer_bound_count = layer_bound.size();
    stats.gpu_load = gpu.data();
    stats.gpu_load_count = gpu.size();
  }
  bool operator==(const host_stats& other) const {
    return layer == other.layer && layer_bound == other.layer_bound && gpu == other.gpu &&
           stats.balancedness == other.stats.balancedness && stats.balancedness_min == other.stats.balancedness_min &&
           stats.bound == other.stats.bound && stats.changes == other.stats.changes &&
           stats.duplicates == other.stats.duplicates && stats.empty_layers == other.stats.empty_layers &&
           stats.max_replica_count == other.stats.max_replica_count;
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
  int search_steps = 0;                 // more than 0: it searches, whatever the rules; what follows is for searches
  cases::deployment gpus{};             // its shape is not looked at
  std::vector<std::int32_t> current{};  // empty: from nothing
  std::int32_t max_changes_per_layer = -1;
  std::int64_t max_changes = -1;
};

inline eplb_shape shape_of(const plan_case& c) {
  eplb_shape out = shape_of(c.shape);
  const auto give = [](const auto& from, auto& data, std::size_t& size) {
    if (!from.empty()) data = from.data(), size = from.size();
  };
  give(c.gpus.slots, out.slots_per_gpu, out.slots_per_gpu_count);
  give(c.gpus.speed, out.speed_of_gpu, out.speed_of_gpu_count);
  give(c.gpus.node, out.node_of_gpu, out.node_of_gpu_count);
  return out;
}

/// The loads of a case, and the placement it starts from, are at these addresses.
template <class Load, class Index = std::int32_t>
eplb_input input_of(const plan_case& c, const Load* loads, const Index* current,
                    std::int32_t memory = EPLB_MEMORY_HOST) {
  eplb_input out = input_of(loads, c.loads.size(), c.samples, c.seed, memory);
  if (c.current.empty()) return out;
  out.current = current;
  out.current_count = c.current.size();
  out.current_type = type_of<Index>;
  out.max_changes_per_layer = c.max_changes_per_layer;
  out.max_changes = c.max_changes;
  return out;
}

/// The same on the host, from the case itself.
inline eplb_input input_of(const plan_case& c) { return input_of(c, c.loads.data(), c.current.data()); }

inline plan_case case_of(const plan_shape& shape, const cases::named_rules& rule, std::uint64_t seed) {
  return {shape,
          rule.rules,
          1,
          seed,
          cases::make_loads(cases::load_kinds()[0], shape, seed),
          cases::to_string(shape) + ", " + rule.name};
}

/// The loads, or the placement to start from, as another type.
template <class To, class From>
std::vector<To> as(const std::vector<From>& from) {
  return {from.begin(), from.end()};
}
template <class Load>
std::vector<Load> loads_as(const plan_case& c) {
  return as<Load>(c.loads);
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
    out.objective = static_cast<std::int32_t>(c.seed % 5 % 3);  // preset, power4 or power32
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

/// What a backend makes of a case.
template <class Index>
struct plan_answer {
  explicit plan_answer(const plan_shape& shape) : maps(shape), stats(shape) {}

  eplb_status status = EPLB_SUCCESS;
  std::string text;
  host_maps<Index> maps;
  host_stats stats;
};

/// What the CPU backend makes of it: the measure of everything. It may be an error.
template <class Index, class Load, class Current = std::int32_t>
plan_answer<Index> answer_of_cpu(const plan_case& c, const std::vector<Load>& loads,
                                 const std::vector<Current>& current) {
  plan_answer<Index> out(c.shape);
  const eplb_shape shape = shape_of(c);
  const eplb_options options = cpu_options(c);
  const eplb_input input = input_of(c, loads.data(), current.data());
  const eplb_maps maps = out.maps.maps();
  last_error error;
  out.status = eplb_rebalance_experts(&shape, &options, &input, &maps, &out.stats.stats, error);
  out.text = error.text();
  return out;
}
inline plan_answer<std::int32_t> answer_of_cpu(const plan_case& c) {
  return answer_of_cpu<std::int32_t>(c, c.loads, c.current);
}

/// The same, where it must be a plan.
template <class Index, class Load>
host_maps<Index> plan_on_cpu(const plan_case& c, const std::vector<Load>& loads) {
  const plan_answer<Index> out = answer_of_cpu<Index>(c, loads, c.current);
  EXPECT_EQ(out.status, EPLB_SUCCESS) << out.text;
  return out.maps;
}

/// So many samples of the loads of any kind.
inline std::vector<float> random_loads(cases::stream& s, const cases::load_kind& kind, const plan_shape& shape,
                                       int samples) {
  plan_shape all_samples = shape;
  all_samples.layers *= samples;
  return cases::make_loads(kind, all_samples, s.bits());
}

inline const cases::load_kind& random_kind(cases::stream& s) {
  const auto& kinds = cases::load_kinds();
  return kinds[static_cast<std::size_t>(s.below(static_cast<int>(kinds.size())))];
}

/// Only loads that stay finite when they are added up come in more than one sample.
inline int random_samples(cases::stream& s, const cases::load_kind& kind) {
  return kind.name == "limit" || kind.name == "huge" ? 1 : 1 + s.below(3);
}

/// A placement to start from: any one, or a plan for other loads.
inline std::vector<std::int32_t> random_current(cases::stream& s, plan_case c) {
  c.gpus.shape = c.shape;
  if (s.below(2) == 0) return cases::random_placement(s, c.gpus);
  c.current.clear();
  c.loads = random_loads(s, cases::load_kinds()[0], c.shape, c.samples);
  return answer_of_cpu(c).maps.physical_to_logical;
}

/// A search on any gpus, from nothing or from a placement, which may need more changes than are allowed.
inline plan_case random_search(cases::stream& s, int size) {
  const cases::deployment gpus = cases::random_deployment(s, size);
  const plan_shape& shape = gpus.shape;
  const auto& kind = random_kind(s);
  const int samples = random_samples(s, kind), steps = 1 + s.below(30);
  plan_case c{shape, {}, samples, s.bits(), random_loads(s, kind, shape, samples), "", steps, gpus};
  if (s.below(4) != 0) {
    c.current = random_current(s, c);
    if (s.below(2) == 0) c.max_changes_per_layer = s.below(shape.slots + 1);
    if (s.below(2) == 0) c.max_changes = s.below(shape.layers * shape.slots + 1);
  }
  c.name = cases::to_string(shape) + (gpus.slots.empty() ? "" : " with slots of their own") +
           (gpus.speed.empty() ? "" : " and speeds") + (gpus.node.empty() ? "" : " and nodes") + ", " + kind.name +
           ", " + std::to_string(samples) + " samples, " + std::to_string(steps) + " search steps" +
           (c.current.empty() ? ""
                              : " from a placement, changes " + std::to_string(c.max_changes_per_layer) + " and " +
                                    std::to_string(c.max_changes));
  return c;
}

/// Any shape of about `size` slots with any rules and any kind of load. There is a plan for it.
inline plan_case random_case(cases::stream& s, int size, int candidates) {
  if (s.below(3) == 0) {
    plan_case c = random_search(s, size);
    if (answer_of_cpu(c).status != EPLB_SUCCESS) c.max_changes_per_layer = -1, c.max_changes = -1;
    return c;
  }
  const plan_shape shape = cases::random_shape(s, size);
  const auto rules = cases::all_rules(candidates);
  const auto& kind = random_kind(s);
  const auto& rule = rules[static_cast<std::size_t>(s.below(static_cast<int>(rules.size())))];
  const int samples = random_samples(s, kind);
  const std::uint64_t seed = s.bits();
  return {shape,
          rule.rules,
          samples,
          seed,
          random_loads(s, kind, shape, samples),
          cases::to_string(shape) + ", " + kind.name + ", " + rule.name + ", " + std::to_string(samples) + " samples"};
}

/// A search that starts from a plan for other loads, and has to share few changes out to all layers.
inline plan_case placed_case(const plan_shape& shape, int samples = 1) {
  cases::stream s(13);
  plan_case c = case_of(shape, {"search", {}}, 11);
  c.samples = samples;
  c.search_steps = 20;
  c.loads = random_loads(s, cases::load_kinds()[1], shape, samples);
  c.current = plan_on_cpu<std::int32_t>(c, c.loads).physical_to_logical;
  c.loads = random_loads(s, cases::load_kinds()[1], shape, samples);
  c.max_changes = 3 * shape.layers;
  return c;
}

/// A context of the CUDA backend for device memory, with loads, a placement to start from, maps and a stream of its
/// own.
template <class Load = float, class Index = std::int32_t>
struct session {
  plan_case c;
  context planner;
  device_array<Load> loads;
  device_array<Index> current;
  device_maps<std::int32_t> out;
  stream on;
  last_error error;

  explicit session(const plan_case& what) : session(what, cuda_options(what, EPLB_MEMORY_CUDA)) {}
  session(const plan_case& what, const eplb_options& options)
      : c(what),
        planner(make_context(shape_of(c), options)),
        loads(loads_as<Load>(c)),
        current(c.current.empty() ? std::vector<Index>{-1} : as<Index>(c.current)),
        out(c.shape) {}

  eplb_input input() const { return input_of(c, loads.data(), current.data(), EPLB_MEMORY_CUDA); }
  /// What another case plans from, onto the device.
  void put(const plan_case& from) {
    loads.write(loads_as<Load>(from));
    if (!from.current.empty()) current.write(as<Index>(from.current));
  }
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
