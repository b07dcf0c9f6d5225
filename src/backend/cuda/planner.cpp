// SPDX-License-Identifier: MIT
// The CUDA backend as the host runs it: streams, the order of calls, errors. What is computed is in programs.h. The
// state of the plans lives on the device: asynchronous calls enqueue work without a look at it, blocking ones copy it.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <optional>

#include "backend/cpu/float_mode.h"
#include "backend/cpu/kernels.h"
#include "backend/cuda/devices.h"
#include "backend/cuda/launch_plan.h"
#include "backend/cuda/runtime.h"

namespace eplb {
namespace {

class cuda_planner final : public planner, public stream_planner {
 public:
  cuda_planner(const plan_spec& spec, const host_memory& memory)
      : spec_(spec), launches_(plan_launches(spec)), host_(memory), context_(choose_device(spec.device)) {
    host_.gpus.describe(spec.shape, spec.gpus);
    spec_.gpus = {};
    const primary_context::scope current(context_);
    if (const char* why = spec.workspace ? why_no_workspace(spec.workspace) : nullptr) throw bad_workspace{why};
    try {
      resources_.emplace(spec, context_.device());
      arena pieces(arena::align(spec.workspace ? spec.workspace : static_cast<void*>(resources_->workspace)));
      device_ = lay_out_device(pieces, spec, launches_);
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
    return why_unreachable(pointer);
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
      // Asked last, with the caller's device current again: the callback may throw, or use CUDA, and the plan is taken
      // back.
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

  /// CUDA refuses to say the device of a stream that is being captured, and the capture is broken. Captures of other
  /// streams may forbid such calls to this thread; in relaxed mode they do not.
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
        describe_cuda_device(device, about, sizeof about);
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

  /// Null if the device can read and write there, otherwise what is wrong with it.
  const char* why_unreachable(const void* pointer) const {
    cudaPointerAttributes about{};
    check(cudaPointerGetAttributes(&about, pointer), "cudaPointerGetAttributes");
    if (about.type == cudaMemoryTypeUnregistered || !about.devicePointer)
      return "is host memory, which the CUDA device cannot reach";
    if (about.type == cudaMemoryTypeDevice && about.device != context_.device())
      return "is memory of another CUDA device than the context's";
    return nullptr;
  }
  /// The same for memory that a context keeps its plans in.
  const char* why_no_workspace(const void* pointer) const {
    cudaPointerAttributes about{};
    check(cudaPointerGetAttributes(&about, pointer), "cudaPointerGetAttributes");
    if (about.type == cudaMemoryTypeHost) return "is pinned host memory; it must be memory of the device";
    return why_unreachable(pointer);
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
    if (spec_.searches()) {
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
  lay_out_device(device, spec, plan_launches(spec));
  return {host.used(), device.used() + arena::alignment};
}

planner* make(const plan_spec& spec, void* block) {
  arena memory(block);
  auto* const at = memory.take<cuda_planner>(1);
  return new (at) cuda_planner(spec, lay_out_host(memory, spec));
}

}  // namespace

const backend cuda_backend{backend_id::cuda, why_no_device, count_devices, describe_cuda_device, measure, make};

}  // namespace eplb
