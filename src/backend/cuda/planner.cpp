// SPDX-License-Identifier: MIT
// The CUDA backend, host side: memory, streams, errors. What is computed is in cuda_programs.h. The host
// never looks at the state of the plans, which lives on the device, so calls can be enqueued ahead of it.
#include <cuda.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <optional>

#include "backend/backend.h"
#include "backend/cpu/float_mode.h"
#include "backend/cpu/kernels.h"
#include "backend/cuda/kernels.h"
#include "backend/faults.h"

namespace eplb {
namespace {

void check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // it has been noticed; the caller's next look at CUDA's errors does not find it
  throw cuda_error{call, cudaGetErrorName(error), cudaGetErrorString(error)};
}

/// For calls that clean up, whose failure changes nothing any more.
bool worked(cudaError_t error) {
  if (error != cudaSuccess) cudaGetLastError();
  return error == cudaSuccess;
}

/// A resource of the runtime that is freed with its owner.
template <class T, auto destroy>
class owned {
 public:
  owned() = default;
  owned(const owned&) = delete;
  owned& operator=(const owned&) = delete;
  ~owned() {
    if (value_) worked(destroy(value_));
  }
  T* out() { return &value_; }
  void abandon() { value_ = {}; }
  operator T() const { return value_; }

 private:
  T value_{};
};

/// The context that the runtime uses for a device. Made current through the driver, because the runtime, asked
/// to go back to the device before, would create a context there if there was none.
class primary_context {
 public:
  explicit primary_context(int device) : device_(device) {
    find("cuDevicePrimaryCtxRetain", retain_);
    find("cuDevicePrimaryCtxRelease", release_);
    find("cuCtxPushCurrent", push_);
    find("cuCtxPopCurrent", pop_);
    if (retain_(&context_, device) != CUDA_SUCCESS)
      throw cuda_error{"cuDevicePrimaryCtxRetain", "it failed", "the device may be in use by another process alone"};
  }
  ~primary_context() { release_(device_); }
  primary_context(const primary_context&) = delete;
  primary_context& operator=(const primary_context&) = delete;

  int device() const { return device_; }

  /// While it lives, the device is the calling thread's current one.
  class scope {
   public:
    explicit scope(const primary_context& context) : scope(context, std::nothrow) {
      if (!is_current_) throw cuda_error{"cuCtxPushCurrent", "it failed", "the device's context is gone"};
    }
    /// If it is_current(): after a reset of the device, or when the process ends, it may not be.
    scope(const primary_context& context, std::nothrow_t)
        : context_(context), is_current_(context.push_(context.context_) == CUDA_SUCCESS) {}
    ~scope() {
      CUcontext popped = nullptr;
      if (is_current_) context_.pop_(&popped);
    }
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
    bool is_current() const { return is_current_; }

   private:
    const primary_context& context_;
    const bool is_current_;
  };

 private:
  template <class Function>
  static void find(const char* name, Function*& function) {
    void* address = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    check(cudaGetDriverEntryPointByVersion(name, &address, 12000, cudaEnableDefault, &result), name);
    if (result != cudaDriverEntryPointSuccess)
      throw cuda_error{name, "it was not found", "the driver does not have it"};
    function = reinterpret_cast<Function*>(address);
  }

  int device_;
  CUcontext context_ = nullptr;
  decltype(cuDevicePrimaryCtxRetain)* retain_;
  decltype(cuDevicePrimaryCtxRelease)* release_;
  decltype(cuCtxPushCurrent)* push_;
  decltype(cuCtxPopCurrent)* pop_;
};

/// Blocks that take turns where memory is too large to share: so many that theirs is not much.
launch_form form_in_scratch(int blocks, int warps, std::size_t bytes) {
  constexpr std::size_t budget = 64 << 20;
  const auto turns = static_cast<int>(std::max<std::size_t>(1, budget / bytes));
  return {std::min(blocks, turns), warps, 0, bytes};
}

/// One block for each layer, or node of a layer.
launch_form form_of_blocks(int blocks, std::size_t bytes) {
  constexpr int warps = block_threads / 32;
  return bytes <= most_shared ? launch_form{blocks, warps, bytes, 0} : form_in_scratch(blocks, warps, bytes);
}

/// One warp for each share of the candidates; blocks of warps with the same problem.
launch_form form_of_shares(int problems, const packing_step& step) {
  const std::size_t each = packing_bytes(step.items, step.packs);
  for (int warps = std::min(step.shares, most_warps); warps >= 1; --warps) {
    const std::size_t bytes = step.bytes + size_cast(warps) * each;
    if (bytes <= most_shared) return {problems * ((step.shares + warps - 1) / warps), warps, bytes, 0};
  }
  return form_in_scratch(problems * step.shares, 1, step.bytes + each);
}

/// Everything about a plan's launches that follows from its shape and rules.
struct launch_plan {
  int shares;
  packing_step place_groups, pack_replicas;
  launch_form prepare_groups, try_groups, prepare_nodes, try_replicas, search, judge;
};

launch_plan plan_launches(const plan_spec& spec) {
  constexpr int most_at_once = 8192;  // warps that large devices run at the same time, about
  const plan_shape& shape = spec.shape;
  const bool searches = spec.search.steps > 0;
  const int nodes = shape.layers * shape.nodes;
  launch_plan out{};
  out.shares = std::min(spec.rules.candidates, std::max(1, most_at_once / nodes));
  if (places_groups(shape)) {
    out.place_groups = {true, shape.groups, shape.nodes, 1, problem_bytes<group_problem>(shape), out.shares};
    out.prepare_groups = form_of_blocks(shape.layers, scratch_bytes<group_scratch>(shape));
    out.try_groups = form_of_shares(shape.layers, out.place_groups);
  }
  if (searches) {
    out.search = form_of_blocks(nodes, search_bytes(shape, spec.node, spec.max_samples));
  } else {
    const int items = shape.slots / shape.nodes, packs = shape.gpus / shape.nodes;
    out.pack_replicas = {
        false, items, packs, shape.nodes, problem_bytes<node_problem>(shape), items == packs ? 1 : out.shares};
    out.prepare_nodes = form_of_blocks(nodes, scratch_bytes<node_scratch>(shape));
    out.try_replicas = form_of_shares(nodes, out.pack_replicas);
  }
  out.judge = form_of_blocks(shape.layers, score_bytes(shape));
  return out;
}

/// Lays out the device's memory; nothing is read or written.
cuda_memory lay_out(arena& memory, const plan_spec& spec, const launch_plan& launches) {
  const plan_shape& shape = spec.shape;
  const std::size_t layers = size_cast(shape.layers), problems = layers * size_cast(shape.nodes);
  const std::size_t experts = layers * size_cast(shape.experts), slots = layers * size_cast(shape.slots);
  const auto shares = size_cast(launches.shares);
  const bool searches = spec.search.steps > 0;
  const bool groups = places_groups(shape);
  cuda_memory out{};
  out.state = memory.take<plan_state>(1);
  for (device_plan& plan : out.plans) {
    plan.load = memory.take<float>(size_cast(spec.max_samples) * experts);
    plan.maps = {memory.take<index_t>(slots), memory.take<index_t>(slots), memory.take<index_t>(experts)};
  }
  if (groups) {
    out.group_problem = memory.take<char>(layers * launches.place_groups.bytes);
    out.node_expert = memory.take<index_t>(experts);
  }
  out.gpus = cluster::lay_out(memory, shape);
  if (searches) {
    out.searched = memory.take<node_outcome>(problems);
    out.budget = memory.take<int>(problems);
  }
  if (groups || !searches) {
    const std::size_t items = std::max(searches ? 0 : slots, groups ? layers * size_cast(shape.groups) : 0);
    out.node_problem = memory.take<char>(problems * launches.pack_replicas.bytes);
    out.arrived = memory.take<std::uint32_t>(problems);
    out.share_key = memory.take<std::uint64_t>(problems * shares);
    out.share_member = memory.take<index_t>(shares * items);
  }
  out.score = memory.take<layer_score>(layers);
  out.gpu_load = memory.take<double>(layers * size_cast(shape.gpus));
  if (spec.memory == memory_kind::host)
    out.load = memory.take<double>(size_cast(spec.max_samples) * experts);  // of the largest type
  if (spec.memory == memory_kind::host && searches) out.current = memory.take<std::int64_t>(slots);
  std::size_t scratch = 0;
  for (const launch_form& form : {launches.prepare_groups, launches.try_groups, launches.prepare_nodes,
                                  launches.try_replicas, launches.search, launches.judge})
    scratch = std::max(scratch, size_cast(form.blocks) * form.scratch);
  out.scratch = memory.take<char>(scratch);
  return out;
}

/// What a planner owns on the host beside itself.
struct host_memory {
  layer_maps maps;     // of all layers, on their way to the caller; only for memory of the host
  layer_score* score;  // [layers]
  double* gpu_load;    // [layers][gpus], on its way to the caller
  cluster gpus;
};

host_memory lay_out_host(arena& memory, const plan_spec& spec) {
  const plan_shape& shape = spec.shape;
  const std::size_t layers = size_cast(shape.layers);
  const std::size_t slots = layers * size_cast(shape.slots), experts = layers * size_cast(shape.experts);
  host_memory out{};
  if (spec.memory == memory_kind::host)
    out.maps = {memory.take<index_t>(slots), memory.take<index_t>(slots), memory.take<index_t>(experts)};
  out.score = memory.take<layer_score>(layers);
  out.gpu_load = memory.take<double>(layers * size_cast(shape.gpus));
  out.gpus = cluster::lay_out(memory, shape);
  return out;
}

/// Null if this process can use a device; counts them.
const char* count_devices(int& count) {
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return nullptr;
  count = 0;
  cudaGetLastError();
  switch (error) {
    case cudaSuccess:
    case cudaErrorNoDevice:
      return "there is no CUDA device, or CUDA_VISIBLE_DEVICES hides it";
    case cudaErrorInsufficientDriver:
      return "there is no CUDA driver, or it is older than the CUDA runtime that libeplb was built with";
    default:
      return cudaGetErrorString(error);
  }
}

const char* why_unavailable() {
  int count = 0;
  return count_devices(count);
}

int device_count() {
  int count = 0;
  count_devices(count);
  return count;
}

void describe_device(int device, char* text, std::size_t size) {
  cudaDeviceProp about{};
  int driver = 0;
  check(cudaGetDeviceProperties(&about, device), "cudaGetDeviceProperties");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  std::snprintf(text, size, "%s, compute capability %d.%d, %d multiprocessors, %.1f GiB, driver for CUDA %d.%d",
                about.name, about.major, about.minor, about.multiProcessorCount,
                static_cast<double>(about.totalGlobalMem) / (1 << 30), driver / 1000, driver % 1000 / 10);
}

/// The device to plan on.
int choose_device(int wanted) {
  unavailable out{};
  int count = 0;
  if (const char* why = count_devices(count)) {
    std::snprintf(out.why, sizeof out.why, "%s", why);
    throw out;
  }
  int device = wanted;
  if (wanted < 0) check(cudaGetDevice(&device), "cudaGetDevice");
  if (device >= count) {
    std::snprintf(out.why, sizeof out.why, "options.device is %d, but the number of CUDA devices is %d", device, count);
    throw out;
  }
  return device;
}

class cuda_planner final : public planner, public stream_planner {
 public:
  cuda_planner(const plan_spec& spec, const host_memory& memory)
      : spec_(spec), launches_(plan_launches(spec)), host_(memory), context_(choose_device(spec.device)) {
    host_.gpus.describe(spec.shape, spec.gpus);
    spec_.gpus = {};
    const primary_context::scope current(context_);
    if (const char* why = spec.workspace ? why_unreachable(spec.workspace, cudaMemoryTypeDevice) : nullptr)
      throw bad_workspace{why};
    try {
      resources_.emplace(spec, context_.device());
      arena pieces(arena::align(spec.workspace ? spec.workspace : static_cast<void*>(resources_->workspace)));
      device_ = lay_out(pieces, spec, launches_);
      check(cudaMemsetAsync(device_.state, 0, pieces.used(), resources_->stream), "cudaMemsetAsync");
      check(cudaMemcpyAsync(device_.gpus.first_slot, host_.gpus.first_slot, cluster::bytes(spec.shape),
                            cudaMemcpyHostToDevice, resources_->stream),
            "cudaMemcpyAsync");
      std::memset(static_cast<void*>(resources_->report), 0, sizeof(plan_report));
      synchronize();
    } catch (...) {
      resources_.reset();  // while the device is current
      throw;
    }
  }

  ~cuda_planner() override {
    const primary_context::scope current(context_, std::nothrow);
    if (current.is_current())
      wait_for_all();
    else
      resources_->abandon();
    resources_.reset();
  }
  cuda_planner(const cuda_planner&) = delete;
  cuda_planner& operator=(const cuda_planner&) = delete;

  const char* why_unusable(const void* pointer) const override {
    if (spec_.memory == memory_kind::host) return nullptr;
    const primary_context::scope current(context_);
    return why_unreachable(pointer, cudaMemoryTypeHost);
  }

  stream_planner* on_streams() override { return spec_.memory == memory_kind::cuda ? this : nullptr; }

  void plan(const plan_input& input, progress_sink* progress) override {
    const int layers = spec_.shape.layers;
    if (progress && progress->stop_after(0, layers)) throw cancelled{};
    const std::uint32_t ticket = take_ticket();
    plan_outcome outcome;
    bool stop = false;
    try {
      submit_and_wait(input, ticket);
      outcome = read_state().outcome;
      // Told last of all, and not with our device current: whatever the callback does, the plan before is still there.
      stop = outcome.fault.kind == fault_kind::none && progress && progress->stop_after(layers, layers);
    } catch (...) {
      take_back(resources_->stream, ticket);
      throw;
    }
    throw_fault(outcome);
    if (stop) {
      take_back(resources_->stream, ticket);
      throw cancelled{};
    }
    has_work_ = true;
  }

  bool has_plan() const override { return readable_state().outcome.has_plan != 0; }

  int max_replica_count() const override { return static_cast<int>(readable_state().outcome.max_replica_count); }

  void get_maps(const maps_view& out) override {
    const primary_context::scope current(context_);
    if (spec_.memory == memory_kind::cuda) {
      check(launch_get({spec_.shape, device_, resources_->report, out, 0}, begin_blocking()), "launching get_maps");
      synchronize();
      return;
    }
    const layer_maps& from = device_.plans[read_state().current].maps;
    const cudaStream_t stream = begin_blocking();
    const std::size_t layers = size_cast(spec_.shape.layers);
    const auto fetch = [&](const index_t* source, index_t* target, int extent_of_layer) {
      check(cudaMemcpyAsync(target, source, layers * size_cast(extent_of_layer) * sizeof(index_t),
                            cudaMemcpyDeviceToHost, stream),
            "cudaMemcpyAsync");
    };
    fetch(from.physical_to_logical, host_.maps.physical_to_logical, spec_.shape.slots);
    fetch(from.replica_rank, host_.maps.replica_rank, spec_.shape.slots);
    fetch(from.replica_count, host_.maps.replica_count, spec_.shape.experts);
    synchronize();
    for (int layer = 0; layer < spec_.shape.layers; ++layer)
      baseline_kernels.copy_maps(spec_.shape, host_.maps.of(spec_.shape, layer), layer, out);
  }

  void get_stats(placement_stats& out) override {
    const float_mode exact;
    const primary_context::scope current(context_);
    const plan_state state = read_state();
    const cudaStream_t stream = begin_blocking();
    const std::size_t layers = size_cast(spec_.shape.layers);
    const std::size_t gpus = layers * size_cast(spec_.shape.gpus);
    check(launch_judge({spec_.shape, device_}, launches_.judge, stream), "launching get_stats");
    check(cudaMemcpyAsync(host_.score, device_.score, layers * sizeof(layer_score), cudaMemcpyDeviceToHost, stream),
          "cudaMemcpyAsync");
    if (out.gpu_load)
      check(cudaMemcpyAsync(host_.gpu_load, device_.gpu_load, gpus * sizeof(double), cudaMemcpyDeviceToHost, stream),
            "cudaMemcpyAsync");
    synchronize();
    if (out.gpu_load) std::copy_n(host_.gpu_load, gpus, out.gpu_load);
    score_sum sum(out);
    for (std::size_t layer = 0; layer < layers; ++layer) sum.add(host_.score[layer]);
    out.changes = static_cast<std::int64_t>(state.changes[state.current]);
  }

  /// A stream that is captured cannot be asked: CUDA refuses the question, and the capture is broken. Nobody says that
  /// those of other streams bear it, so meanwhile they do not concern this thread.
  const char* why_unusable_stream(void* stream) override {
    auto* const given = static_cast<cudaStream_t>(stream);
    if (!given || given == cudaStreamLegacy || given == cudaStreamPerThread) return nullptr;
    const primary_context::scope current(context_);
    if (is_captured(given)) return nullptr;
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    int device = -1;
    check(cudaThreadExchangeStreamCaptureMode(&mode), "cudaThreadExchangeStreamCaptureMode");
    const cudaError_t known = cudaStreamGetDevice(given, &device);
    check(cudaThreadExchangeStreamCaptureMode(&mode), "cudaThreadExchangeStreamCaptureMode");
    if (known == cudaErrorCallRequiresNewerDriver) {  // then a launch on a wrong stream fails by itself
      cudaGetLastError();
      return nullptr;
    }
    check(known, "cudaStreamGetDevice");
    return device == context_.device() ? nullptr : "belongs to another CUDA device than the context's";
  }

  void plan_async(const plan_input& input, void* stream) override {
    run_async(stream, [&](cudaStream_t on, std::uint32_t ticket) { enqueue_plan(input, on, ticket, true); });
    has_work_ = true;
  }

  void get_maps_async(const maps_view& out, void* stream) override {
    run_async(stream, [&](cudaStream_t on, std::uint32_t ticket) {
      check(launch_get({spec_.shape, device_, resources_->report, out, ticket}, on), "launching get_maps");
    });
  }

  bool has_work() const override { return has_work_; }

  bool poll() const override {
    if (to_take_back_ != 0)
      throw cuda_error{"the last call", "no outcome", "it failed, and CUDA did not even let it be taken back"};
    const std::uint32_t expected = ticket_.load(std::memory_order_acquire);
    const std::optional<plan_outcome> outcome = read_outcome(expected);
    if (outcome) throw_fault(*outcome);
    return outcome.has_value();
  }

 private:
  struct resources {
    owned<cudaStream_t, cudaStreamDestroy>
        stream;  // of blocking calls; waits for the default stream, as cudaMemcpy does
    owned<cudaEvent_t, cudaEventDestroy> last_use;  // end of the last call that was enqueued on any stream
    owned<void*, cudaFree> workspace;
    owned<plan_report*, cudaFreeHost> report;

    /// Where the runtime is gone, there is nothing to be freed.
    void abandon() {
      stream.abandon();
      last_use.abandon();
      workspace.abandon();
      report.abandon();
    }

    resources(const plan_spec& spec, int device) {
      const cudaError_t loaded = load_kernels();
      if (loaded == cudaErrorNoKernelImageForDevice || loaded == cudaErrorInvalidDeviceFunction) {
        cudaGetLastError();
        unavailable out{};
        char about[200] = "?";
        describe_device(device, about, sizeof about);
        std::snprintf(out.why, sizeof out.why, "this build of libeplb has no code for %s", about);
        throw out;
      }
      check(loaded, "loading the kernels");
      if (!spec.workspace) {
        const std::size_t bytes = cuda_backend.measure(spec).cuda;
        const cudaError_t allocated = cudaMalloc(workspace.out(), bytes);
        if (allocated == cudaErrorMemoryAllocation) {
          cudaGetLastError();
          throw out_of_cuda_memory{bytes, device};
        }
        check(allocated, "cudaMalloc");
      }
      check(cudaHostAlloc(reinterpret_cast<void**>(report.out()), sizeof(plan_report), cudaHostAllocMapped),
            "cudaHostAlloc");
      check(cudaStreamCreateWithFlags(stream.out(), cudaStreamDefault), "cudaStreamCreateWithFlags");
      check(cudaEventCreateWithFlags(last_use.out(), cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
  };

  /// Null if the device can read and write there, or what is wrong with it. The last kind of memory that counts
  /// as reachable depends on the use.
  const char* why_unreachable(const void* pointer, cudaMemoryType pinned) const {
    cudaPointerAttributes about{};
    check(cudaPointerGetAttributes(&about, pointer), "cudaPointerGetAttributes");
    if (about.type == cudaMemoryTypeUnregistered || !about.devicePointer ||
        (about.type == cudaMemoryTypeHost && about.type != pinned))
      return "is host memory, which the CUDA device cannot reach";
    if (about.type == cudaMemoryTypeDevice && about.device != context_.device())
      return "is memory of another CUDA device than the context's";
    return nullptr;
  }

  /// The context's own stream, after all that was enqueued on others.
  cudaStream_t begin_blocking() const {
    finish_taking_back();
    check(cudaStreamWaitEvent(resources_->stream, resources_->last_use, 0), "cudaStreamWaitEvent");
    return resources_->stream;
  }

  static bool is_captured(cudaStream_t stream) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
    return status != cudaStreamCaptureStatusNone;
  }

  void synchronize() const { check(cudaStreamSynchronize(resources_->stream), "cudaStreamSynchronize"); }

  /// Calls of a context run in the order in which they were made, whatever their streams. In a graph the
  /// order is the graph's.
  template <class Enqueue>
  void run_async(void* where, Enqueue enqueue) {
    const primary_context::scope current(context_);
    auto* const stream = static_cast<cudaStream_t>(where);
    if (is_captured(stream)) return enqueue(stream, 0);
    finish_taking_back();
    check(cudaStreamWaitEvent(stream, resources_->last_use, 0), "cudaStreamWaitEvent");
    const std::uint32_t ticket = take_ticket();
    try {
      enqueue(stream, ticket);
      check(cudaEventRecord(resources_->last_use, stream), "cudaEventRecord");
    } catch (...) {
      take_back(stream, ticket);
      throw;
    }
    ticket_.store(ticket, std::memory_order_release);
  }

  std::uint32_t take_ticket() { return next_ticket_ = next_ticket_ + 1 == 0 ? 1 : next_ticket_ + 1; }

  /// Of all calls, whatever becomes of the waiting.
  void wait_for_all() {
    if (to_take_back_ != 0) worked(cudaDeviceSynchronize());
    worked(cudaEventSynchronize(resources_->last_use));
    worked(cudaStreamSynchronize(resources_->stream));
  }

  /// After a call that failed, perhaps with some or all of its work enqueued: waits for that, and makes the plan before
  /// the current one again. Where CUDA does not even let it do so, the next call begins with it, and fails if it
  /// cannot.
  void take_back(cudaStream_t stream, std::uint32_t ticket) {
    if (to_take_back_ != 0) return;  // the call failed at that, and has enqueued nothing
    try {
      const primary_context::scope current(context_);
      check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
      restore(ticket);
    } catch (const cuda_error&) {
      to_take_back_ = ticket;
    }
  }

  /// The stream of the call that failed may be gone by now.
  void finish_taking_back() const {
    if (to_take_back_ == 0) return;
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    restore(to_take_back_);
    to_take_back_ = 0;
  }

  void restore(std::uint32_t ticket) const {
    plan_state state;
    const auto copy = [&](void* to, const void* from, cudaMemcpyKind kind) {
      check(cudaMemcpyAsync(to, from, sizeof state, kind, resources_->stream), "cudaMemcpyAsync");
      synchronize();
    };
    copy(&state, device_.state, cudaMemcpyDeviceToHost);
    state.fault_inverted = 0;
    state.most_replicas = state.arrived = 0;
    if (state.last_submit == ticket) {  // it was finished, and no graph has planned since
      state.current = state.current_before;
      state.outcome = state.outcome_before;
    }
    publish(*resources_->report, state, 0);
    copy(device_.state, &state, cudaMemcpyHostToDevice);
  }

  /// Plans on the context's own stream.
  void submit_and_wait(const plan_input& input, std::uint32_t ticket) {
    const primary_context::scope current(context_);
    const cudaStream_t stream = begin_blocking();
    plan_input on_device = input;
    if (spec_.memory == memory_kind::host) {
      const std::size_t layers = size_cast(spec_.shape.layers);
      const auto upload = [&](void* to, const void* from, std::size_t bytes) {
        check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
      };
      upload(device_.load, input.loads.data,
             size_cast(input.loads.samples) * layers * size_cast(spec_.shape.experts) *
                 visit_loads(input.loads, [](auto* in) { return sizeof *in; }));
      on_device.loads.data = device_.load;
      if (input.current.expert) {
        upload(device_.current, input.current.expert,
               layers * size_cast(spec_.shape.slots) *
                   (input.current.is_int64 ? sizeof(std::int64_t) : sizeof(std::int32_t)));
        on_device.current.expert = device_.current;
      }
    }
    enqueue_plan(on_device, stream, ticket, false);
    synchronize();
  }

  void enqueue_plan(const plan_input& input, cudaStream_t stream, std::uint32_t ticket, bool fails_gets) {
    const submit_job job{spec_.shape, spec_.node,         spec_.rules, spec_.search, spec_.first_problem,
                         device_,     resources_->report, input,       ticket,       fails_gets};
    if (places_groups(spec_.shape)) {
      check(launch_prepare_groups(job, launches_.prepare_groups, stream), "launching prepare_groups");
      check(launch_try(job, launches_.place_groups, launches_.try_groups, stream), "launching place_groups");
    }
    if (spec_.search.steps > 0) {
      check(launch_search(job, false, launches_.search, stream), "launching search");
      if (is_budget_shared(spec_.shape, input.current))
        check(launch_search(job, true, launches_.search, stream), "launching search");
      return;
    }
    check(launch_prepare_nodes(job, launches_.prepare_nodes, stream), "launching prepare_nodes");
    check(launch_try(job, launches_.pack_replicas, launches_.try_replicas, stream), "launching pack_replicas");
  }

  /// Null while a call is running on the device, or has yet to begin.
  std::optional<plan_outcome> read_outcome(std::uint32_t expected) const {
    plan_report& report = *resources_->report;
    std::uint32_t words[plan_report::words];
    const std::uint32_t before = shared_with_host(report.sequence).load(cuda::memory_order_acquire);
    const std::uint32_t ticket = shared_with_host(report.ticket).load(cuda::memory_order_relaxed);
    for (int i = 0; i < plan_report::words; ++i)
      words[i] = shared_with_host(report.outcome[i]).load(cuda::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint32_t after = shared_with_host(report.sequence).load(cuda::memory_order_relaxed);
    if (before != after || before % 2 != 0 || before == 0 || static_cast<std::int32_t>(ticket - expected) < 0)
      return std::nullopt;
    plan_outcome out;
    std::memcpy(&out, words, sizeof out);
    return out;
  }

  /// When all that was enqueued has been done, on the default stream too.
  plan_state read_state() const {
    const primary_context::scope current(context_);
    plan_state out;
    check(cudaMemcpyAsync(&out, device_.state, sizeof out, cudaMemcpyDeviceToHost, begin_blocking()),
          "cudaMemcpyAsync");
    synchronize();
    return out;
  }

  /// Throws what keeps gets from reading the plan.
  plan_state readable_state() const {
    const plan_state out = read_state();
    if (out.outcome.failed) throw_fault(out.outcome);
    return out;
  }

  static void throw_fault(const plan_outcome& outcome) {
    if (outcome.fault.kind != fault_kind::none) throw outcome.fault;
  }

  plan_spec spec_;
  const launch_plan launches_;
  host_memory host_;
  const primary_context context_;
  std::optional<resources> resources_;
  cuda_memory device_{};
  std::uint32_t next_ticket_ = 0;
  std::atomic<std::uint32_t> ticket_{0};                // of the last call that was enqueued
  mutable std::atomic<std::uint32_t> to_take_back_{0};  // ticket of a call that failed; 0: none
  std::atomic<bool> has_work_{false};
};

memory_size measure(const plan_spec& spec) {
  arena host, device;
  host.take<cuda_planner>(1);
  lay_out_host(host, spec);
  lay_out(device, spec, plan_launches(spec));
  return {host.used(), device.used() + arena::alignment};
}

planner* make(const plan_spec& spec, void* block) {
  arena memory(block);
  auto* const at = memory.take<cuda_planner>(1);
  return new (at) cuda_planner(spec, lay_out_host(memory, spec));
}

}  // namespace

const backend cuda_backend{backend_id::cuda, why_unavailable, device_count, describe_device, measure, make};

}  // namespace eplb
