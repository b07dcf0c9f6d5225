// SPDX-License-Identifier: MIT
#include "stub_runtime.h"

#include <cuda.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace stub_cuda {
namespace {

using work = std::function<void()>;

struct stream;
using stream_ref = const std::shared_ptr<stream>&;

/// A place in a stream: behind its first `position` operations. Before everything if there is no stream.
struct point {
  std::shared_ptr<stream> on;
  long position = 0;
};

/// Runs when what is before it in its stream has run and these points have been reached.
struct operation {
  work run;
  std::vector<point> after;
};

struct capture {
  cudaStreamCaptureMode mode;
  std::thread::id begun_by = std::this_thread::get_id();
  bool valid = true;
  std::vector<work> operations = {};
};

struct stream {
  int device;
  bool blocking;  // ordered with the legacy stream of its device
  bool legacy;
  std::deque<operation> queue{};
  long enqueued = 0, completed = 0;
  std::shared_ptr<capture> capturing{};
};

/// What an event was last recorded as: a point, or something in a capture.
struct moment {
  point reached{};
  std::shared_ptr<capture> captured{};
  std::chrono::steady_clock::time_point time{};
};

struct event {
  int device;
  bool timed;
  std::shared_ptr<moment> last{};
};

struct executable {
  std::vector<work> operations;
  point last{};
};

struct block {
  std::size_t size;
  cudaMemoryType type;
  int device;
};

struct device {
  std::shared_ptr<stream> legacy;
  bool made = false;    // its primary context, ever
  bool in_use = false;  // by the runtime, which never releases it
  int retained = 0;
};

struct thread_state {
  long era = 0;
  std::vector<int> contexts{};
  cudaError_t last = cudaSuccess;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
};

constexpr std::size_t guard = 512;  // on either side of a block; also its alignment
constexpr int guard_byte = 0xA5, fresh_byte = 0xCD;
constexpr int multiprocessors = 132, shared_memory_optin = 232448;
constexpr std::size_t memory_limit = std::size_t{2} << 30;
constexpr std::uintptr_t handle_step = 16, first_context = 0xC0DE0000;

struct {
  cudaDeviceAttr attribute;
  int value;
} constexpr device_attributes[] = {{cudaDevAttrComputeCapabilityMajor, 9},
                                   {cudaDevAttrComputeCapabilityMinor, 0},
                                   {cudaDevAttrWarpSize, 32},
                                   {cudaDevAttrMaxThreadsPerBlock, 1024},
                                   {cudaDevAttrMultiProcessorCount, multiprocessors},
                                   {cudaDevAttrMaxSharedMemoryPerBlock, 48 * 1024},
                                   {cudaDevAttrMaxSharedMemoryPerBlockOptin, shared_memory_optin},
                                   {cudaDevAttrUnifiedAddressing, 1},
                                   {cudaDevAttrManagedMemory, 1},
                                   {cudaDevAttrConcurrentManagedAccess, 1}};

#define STUB_CUDA_ERROR(name, text) \
  { name, #name, text }
struct error_text {
  cudaError_t error;
  const char* name;
  const char* text;
} constexpr error_texts[] = {
    STUB_CUDA_ERROR(cudaSuccess, "no error"),
    STUB_CUDA_ERROR(cudaErrorInvalidValue, "invalid argument"),
    STUB_CUDA_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    STUB_CUDA_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    STUB_CUDA_ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    STUB_CUDA_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    STUB_CUDA_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    STUB_CUDA_ERROR(cudaErrorDeviceUninitialized, "invalid device context"),
    STUB_CUDA_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    STUB_CUDA_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    STUB_CUDA_ERROR(cudaErrorNotReady, "device not ready"),
    STUB_CUDA_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    STUB_CUDA_ERROR(cudaErrorNotSupported, "operation not supported"),
    STUB_CUDA_ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    STUB_CUDA_ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    STUB_CUDA_ERROR(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream"),
    STUB_CUDA_ERROR(cudaErrorStreamCaptureImplicit,
                    "operation would make the legacy stream depend on a capturing blocking stream"),
    STUB_CUDA_ERROR(cudaErrorStreamCaptureWrongThread,
                    "attempt to terminate a thread-local capture sequence from another thread"),
    STUB_CUDA_ERROR(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream"),
    STUB_CUDA_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef STUB_CUDA_ERROR

template <class T>
cudaError_t put(T* to, T value) {
  if (!to) return cudaErrorInvalidValue;
  *to = value;
  return cudaSuccess;
}

point end_of(stream_ref s) { return {s, s->enqueued}; }
bool is_reached(const point& p) { return !p.on || p.on->completed >= p.position; }

cudaError_t run_to(const point& end) {
  while (!is_reached(end)) {
    const operation next = std::move(end.on->queue.front());
    end.on->queue.pop_front();
    for (const point& before : next.after) run_to(before);
    next.run();
    ++end.on->completed;
  }
  return cudaSuccess;
}

bool is_damaged(const std::pair<unsigned char* const, block>& memory) {
  const auto& [begin, b] = memory;
  const auto intact = [](unsigned char byte) { return byte == guard_byte; };
  return !std::all_of(begin - guard, begin, intact) || !std::all_of(begin + b.size, begin + b.size + guard, intact);
}

bool is_pinned(const std::pair<unsigned char* const, block>& memory) {
  return memory.second.type == cudaMemoryTypeHost;
}

CUcontext context_of(int device) {
  return reinterpret_cast<CUcontext>(first_context + handle_step * static_cast<std::uintptr_t>(device));
}

/// Everything there is, and what the calls do to it. Members are for calls under the lock.
class world {
 public:
  std::recursive_mutex mutex;
  long total_calls = 0;
  bool no_driver = false;
  std::vector<device> devices;
  std::map<unsigned char*, block> blocks;
  std::map<cudaStream_t, std::shared_ptr<stream>> streams;
  std::map<cudaEvent_t, event> events;
  std::map<cudaGraph_t, std::vector<work>> graphs;
  std::map<cudaGraphExec_t, executable> executables;
  int damaged = 0;  // of the blocks that were freed
  int calls = 0, fail_at = 0, fail_until = 0;
  cudaError_t failure_of_nth = cudaSuccess, failure_of_named = cudaSuccess;
  std::string named;
  const char* failed = nullptr;

  world() { reset(2); }

  void reset(int count) {
    for (auto& [handle, s] : streams) s->queue.clear();  // operations hold streams, which may hold each other
    for (device& d : devices) d.legacy->queue.clear();
    for (auto& [begin, b] : blocks) std::free(begin - guard);
    streams.clear(), events.clear(), graphs.clear(), executables.clear(), blocks.clear(), devices.clear();
    for (int d = 0; d < count; ++d) devices.push_back({std::make_shared<stream>(stream{d, false, true})});
    ++era_;
    damaged = calls = fail_at = fail_until = 0;
    failed = nullptr;
    named.clear();
    no_driver = false;
  }

  thread_state& thread() {
    thread_local thread_state state;
    if (state.era != era_) state = {era_};
    return state;
  }

  cudaError_t startup_error() const {
    return no_driver ? cudaErrorInsufficientDriver : devices.empty() ? cudaErrorNoDevice : cudaSuccess;
  }

  /// The failure that was asked for.
  cudaError_t failure(const char* name) {
    ++calls;
    const bool is_nth = calls >= fail_at && calls <= fail_until;
    const cudaError_t error = is_nth ? failure_of_nth : named == name ? failure_of_named : cudaSuccess;
    if (error != cudaSuccess) failed = name;
    return error;
  }

  // Devices and contexts.

  bool has_device(int d) const { return d >= 0 && d < static_cast<int>(devices.size()); }
  device& at(int d) { return devices[static_cast<std::size_t>(d)]; }
  int current_device() { return thread().contexts.empty() ? 0 : thread().contexts.back(); }

  /// The runtime makes a context current where a call needs one and there is none.
  void need_context() {
    if (thread().contexts.empty()) set_device(0);
  }

  cudaError_t count_devices(int* count) { return put(count, static_cast<int>(devices.size())); }
  cudaError_t get_device(int* d) { return put(d, current_device()); }

  cudaError_t set_device(int d) {
    if (!has_device(d)) return cudaErrorInvalidDevice;
    std::vector<int>& contexts = thread().contexts;
    if (contexts.empty()) contexts.push_back(d);
    contexts.back() = d;
    at(d).made = at(d).in_use = true;
    return cudaSuccess;
  }

  cudaError_t get_attribute(int* value, cudaDeviceAttr attribute, int d) {
    if (!has_device(d)) return cudaErrorInvalidDevice;
    for (const auto& each : device_attributes)
      if (each.attribute == attribute) return put(value, each.value);
    return cudaErrorInvalidValue;
  }

  cudaError_t get_properties(cudaDeviceProp* properties, int d) {
    if (!has_device(d)) return cudaErrorInvalidDevice;
    if (!properties) return cudaErrorInvalidValue;
    *properties = {};
    std::strcpy(properties->name, "stub");
    properties->totalGlobalMem = memory_limit;
    properties->sharedMemPerBlock = 48 * 1024;
    properties->sharedMemPerBlockOptin = shared_memory_optin;
    properties->major = 9;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->multiProcessorCount = multiprocessors;
    return cudaSuccess;
  }

  cudaError_t get_driver_version(int* version) { return put(version, no_driver ? 0 : CUDART_VERSION); }
  cudaError_t get_runtime_version(int* version) { return put(version, CUDART_VERSION); }
  cudaError_t get_entry_point(const char* symbol, void** function, unsigned version,
                              cudaDriverEntryPointQueryResult* status);

  cudaError_t synchronize_current_device() {
    if (const cudaError_t error = refuse_in_captures()) return error;
    return synchronize_device(current_device());
  }

  // The values of the driver's errors are those of the runtime's.

  cudaError_t retain(CUcontext* primary, CUdevice d) {
    if (!has_device(d)) return cudaErrorInvalidDevice;
    if (!primary) return cudaErrorInvalidValue;
    at(d).made = true;
    ++at(d).retained;
    return put(primary, context_of(d));
  }

  cudaError_t release(CUdevice d) {
    if (!has_device(d)) return cudaErrorInvalidDevice;
    if (at(d).retained == 0) return cudaErrorDeviceUninitialized;
    --at(d).retained;
    return cudaSuccess;
  }

  cudaError_t push(CUcontext pushed) {
    for (const device& d : devices) {
      if (pushed != context_of(d.legacy->device) || (d.retained == 0 && !d.in_use)) continue;
      thread().contexts.push_back(d.legacy->device);
      return cudaSuccess;
    }
    return cudaErrorDeviceUninitialized;
  }

  cudaError_t pop(CUcontext* popped) {
    if (thread().contexts.empty()) return cudaErrorDeviceUninitialized;
    if (popped) *popped = context_of(current_device());
    thread().contexts.pop_back();
    return cudaSuccess;
  }

  // Memory.

  std::map<unsigned char*, block>::iterator block_with(const void* address) {
    auto* const wanted = static_cast<unsigned char*>(const_cast<void*>(address));
    const auto next = blocks.upper_bound(wanted);
    if (next == blocks.begin()) return blocks.end();
    const auto found = std::prev(next);
    return wanted < found->first + found->second.size ? found : blocks.end();
  }

  cudaMemoryType type_at(const void* address) {
    const auto found = block_with(address);
    return found == blocks.end() ? cudaMemoryTypeUnregistered : found->second.type;
  }

  /// Whether all these bytes are in the block in which they begin, if that is one of ours.
  bool in_bounds(const void* address, std::size_t size) {
    const auto found = block_with(address);
    if (found == blocks.end()) return address != nullptr;
    const auto offset = static_cast<const unsigned char*>(address) - found->first;
    return size <= found->second.size - static_cast<std::size_t>(offset);
  }

  std::size_t bytes(bool pinned) const {
    std::size_t sum = 0;
    for (const auto& memory : blocks)
      if (is_pinned(memory) == pinned) sum += memory.second.size;
    return sum;
  }

  cudaError_t allocate(void** pointer, std::size_t size, cudaMemoryType type, bool known_flags) {
    if (!pointer || !known_flags) return cudaErrorInvalidValue;
    if (const cudaError_t error = refuse_in_captures()) return error;
    if (size == 0) return put<void*>(pointer, nullptr);
    if (size > memory_limit - bytes(type == cudaMemoryTypeHost)) return cudaErrorMemoryAllocation;
    void* const memory = std::aligned_alloc(guard, (size + 3 * guard - 1) / guard * guard);
    if (!memory) return cudaErrorMemoryAllocation;
    unsigned char* const begin = static_cast<unsigned char*>(memory) + guard;
    std::memset(begin - guard, guard_byte, guard);
    std::memset(begin, fresh_byte, size);
    std::memset(begin + size, guard_byte, guard);
    blocks[begin] = {size, type, current_device()};
    return put<void*>(pointer, begin);
  }

  /// Waits for the device, but not when memory is pinned: nothing says that the real one does.
  cudaError_t free(void* pointer, bool pinned) {
    if (const cudaError_t error = refuse_in_captures()) return error;
    if (!pointer) return cudaSuccess;
    const auto found = blocks.find(static_cast<unsigned char*>(pointer));
    if (found == blocks.end() || is_pinned(*found) != pinned) return cudaErrorInvalidValue;
    if (!pinned) synchronize_device(found->second.device);
    damaged += is_damaged(*found);
    std::free(found->first - guard);
    blocks.erase(found);
    return cudaSuccess;
  }

  cudaError_t get_pointer_attributes(cudaPointerAttributes* attributes, const void* pointer) {
    cudaPointerAttributes answer{};
    answer.type = type_at(pointer);
    answer.device =
        answer.type == cudaMemoryTypeUnregistered ? cudaInvalidDeviceId : block_with(pointer)->second.device;
    if (answer.type != cudaMemoryTypeUnregistered) answer.devicePointer = const_cast<void*>(pointer);
    if (answer.type != cudaMemoryTypeDevice) answer.hostPointer = answer.devicePointer;
    return put(attributes, answer);
  }

  cudaError_t copy(stream_ref s, void* to, const void* from, std::size_t size, cudaMemcpyKind kind, bool blocking) {
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
    if (size == 0) return cudaSuccess;
    const cudaMemoryType target = type_at(to), source = type_at(from);
    const bool to_pageable = target == cudaMemoryTypeUnregistered, from_pageable = source == cudaMemoryTypeUnregistered;
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    const bool kind_fits = (to_device ? !to_pageable : target != cudaMemoryTypeDevice) &&
                           (from_device ? !from_pageable : source != cudaMemoryTypeDevice);
    if (kind != cudaMemcpyDefault && !kind_fits) return cudaErrorInvalidValue;
    if (!in_bounds(to, size) || !in_bounds(from, size)) return cudaErrorInvalidValue;
    if (blocking)
      if (const cudaError_t error = refuse_in_captures()) return error;
    if (to_pageable || from_pageable)
      if (const cudaError_t error = refuse_in_capture_of(s)) return error;

    const auto on_host = [](cudaMemoryType t) { return t == cudaMemoryTypeUnregistered || t == cudaMemoryTypeHost; };
    const bool waits = blocking || to_pageable || (on_host(target) && on_host(source));
    work run = [to, from, size] { std::memmove(to, from, size); };
    if (from_pageable && !waits) {
      const auto* const begin = static_cast<const unsigned char*>(from);
      run = [to, staged = std::vector(begin, begin + size)] { std::memcpy(to, staged.data(), staged.size()); };
    }
    if (const cudaError_t error = enqueue(s, std::move(run))) return error;
    return waits && !s->capturing ? run_to(end_of(s)) : cudaSuccess;
  }

  cudaError_t set(stream_ref s, void* to, int value, std::size_t size, bool blocking) {
    if (size == 0) return cudaSuccess;
    const cudaMemoryType type = type_at(to);
    if (type == cudaMemoryTypeUnregistered || !in_bounds(to, size)) return cudaErrorInvalidValue;
    if (const cudaError_t error = enqueue(s, [to, value, size] { std::memset(to, value, size); })) return error;
    return blocking && type == cudaMemoryTypeHost ? run_to(end_of(s)) : cudaSuccess;
  }

  // Streams.

  std::shared_ptr<stream> find(cudaStream_t handle) {
    if (handle == nullptr || handle == cudaStreamLegacy) return at(current_device()).legacy;
    const auto found = streams.find(handle);
    return found == streams.end() ? nullptr : found->second;
  }

  cudaError_t create_stream(cudaStream_t* handle, unsigned flags) {
    if (!handle || (flags != cudaStreamDefault && flags != cudaStreamNonBlocking)) return cudaErrorInvalidValue;
    *handle = new_handle<cudaStream_t>();
    streams[*handle] = std::make_shared<stream>(stream{current_device(), flags == cudaStreamDefault, false});
    return cudaSuccess;
  }

  /// Runs what is left.
  cudaError_t destroy_stream(stream_ref s, cudaStream_t handle) {
    if (s->legacy) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t error = refuse_in_capture_of(s)) return error;
    run_to(end_of(s));
    streams.erase(handle);
    return cudaSuccess;
  }

  cudaError_t synchronize(stream_ref s) {
    const cudaError_t error = refuse_in_capture_of(s);
    return error != cudaSuccess ? error : run_to(end_of(s));
  }

  cudaError_t query(stream_ref s) {
    if (const cudaError_t error = refuse_in_capture_of(s)) return error;
    return is_reached(end_of(s)) ? cudaSuccess : cudaErrorNotReady;
  }

  /// The real one refuses it on a captured stream, and breaks the capture. That others do not bear it either is ours.
  cudaError_t get_stream_device(stream_ref s, int* d) {
    if (const cudaError_t error = refuse_in_capture_of(s)) return error;
    if (const cudaError_t error = refuse_in_captures()) return error;
    return put(d, s->device);
  }

  cudaError_t launch(stream_ref s, work& kernel) {
    if (!kernel) return cudaErrorInvalidValue;
    return s->device == current_device() ? enqueue(s, std::move(kernel)) : cudaErrorInvalidResourceHandle;
  }

  // Events.

  event* find(cudaEvent_t handle) {
    const auto found = events.find(handle);
    return found == events.end() ? nullptr : &found->second;
  }

  cudaError_t create_event(cudaEvent_t* handle, unsigned flags) {
    if (!handle || flags > (cudaEventBlockingSync | cudaEventDisableTiming)) return cudaErrorInvalidValue;
    *handle = new_handle<cudaEvent_t>();
    events[*handle] = {current_device(), !(flags & cudaEventDisableTiming)};
    return cudaSuccess;
  }

  cudaError_t destroy_event(cudaEvent_t handle) {
    return events.erase(handle) ? cudaSuccess : cudaErrorInvalidResourceHandle;
  }

  cudaError_t record(stream_ref s, cudaEvent_t handle) {
    event* const e = find(handle);
    if (!e || e->device != s->device) return cudaErrorInvalidResourceHandle;
    const auto now = std::make_shared<moment>();
    if (s->capturing && !s->capturing->valid) return cudaErrorStreamCaptureInvalidated;
    if (s->capturing) {
      now->captured = s->capturing;
    } else {
      if (const cudaError_t error = enqueue(s, [now] { now->time = std::chrono::steady_clock::now(); })) return error;
      now->reached = end_of(s);
    }
    e->last = now;
    return cudaSuccess;
  }

  cudaError_t wait(stream_ref s, cudaEvent_t handle, unsigned flags) {
    event* const e = find(handle);
    if (!e) return cudaErrorInvalidResourceHandle;
    if (flags != cudaEventWaitDefault) return cudaErrorInvalidValue;
    if (!e->last) return cudaSuccess;
    if (s->capturing && (e->last->captured != s->capturing || !s->capturing->valid))
      return refuse_in_capture_of(s, cudaErrorStreamCaptureIsolation);
    if (s->capturing) return cudaSuccess;
    return e->last->captured ? cudaErrorStreamCaptureIsolation : enqueue(s, [] {}, {e->last->reached});
  }

  cudaError_t query_event(event* e) {
    if (const cudaError_t error = refuse_in_captures()) return error;
    if (!e->last) return cudaSuccess;
    if (e->last->captured) return cudaErrorCapturedEvent;
    return is_reached(e->last->reached) ? cudaSuccess : cudaErrorNotReady;
  }

  cudaError_t synchronize_event(event* e) {
    const cudaError_t state = query_event(e);
    return state == cudaErrorNotReady ? run_to(e->last->reached) : state;
  }

  cudaError_t get_time(event* start, float* milliseconds, cudaEvent_t end) {
    const event* const stop = find(end);
    if (!stop || stop->device != start->device) return cudaErrorInvalidResourceHandle;
    for (const event* e : {static_cast<const event*>(start), stop}) {
      if (!e->timed || !e->last) return cudaErrorInvalidResourceHandle;
      if (e->last->captured) return cudaErrorCapturedEvent;
      if (!is_reached(e->last->reached)) return cudaErrorNotReady;
    }
    return put(milliseconds, std::chrono::duration<float, std::milli>(stop->last->time - start->last->time).count());
  }

  // Captures and graphs.

  cudaError_t get_capture_status(stream_ref s, cudaStreamCaptureStatus* status) {
    if (legacy_is_unusable(s)) return cudaErrorStreamCaptureImplicit;
    return put(status, !s->capturing         ? cudaStreamCaptureStatusNone
                       : s->capturing->valid ? cudaStreamCaptureStatusActive
                                             : cudaStreamCaptureStatusInvalidated);
  }

  cudaError_t begin_capture(stream_ref s, cudaStreamCaptureMode mode) {
    if (mode < cudaStreamCaptureModeGlobal || mode > cudaStreamCaptureModeRelaxed) return cudaErrorInvalidValue;
    if (s->legacy) return cudaErrorStreamCaptureUnsupported;
    if (s->capturing) return cudaErrorIllegalState;
    s->capturing = std::make_shared<capture>(capture{mode});
    return cudaSuccess;
  }

  cudaError_t end_capture(stream_ref s, cudaGraph_t* graph) {
    if (!graph) return cudaErrorInvalidValue;
    if (!s->capturing) return cudaErrorIllegalState;
    if (s->capturing->mode != cudaStreamCaptureModeRelaxed && !is_own(*s->capturing))
      return cudaErrorStreamCaptureWrongThread;
    const std::shared_ptr<capture> ended = std::exchange(s->capturing, nullptr);
    *graph = nullptr;
    if (!ended->valid) return cudaErrorStreamCaptureInvalidated;
    *graph = new_handle<cudaGraph_t>();
    graphs[*graph] = std::move(ended->operations);
    return cudaSuccess;
  }

  cudaError_t exchange_capture_mode(cudaStreamCaptureMode* mode) {
    if (!mode || *mode < cudaStreamCaptureModeGlobal || *mode > cudaStreamCaptureModeRelaxed)
      return cudaErrorInvalidValue;
    std::swap(thread().mode, *mode);
    return cudaSuccess;
  }

  cudaError_t instantiate(cudaGraphExec_t* handle, cudaGraph_t graph) {
    const auto found = graphs.find(graph);
    if (!handle || found == graphs.end()) return cudaErrorInvalidValue;
    *handle = new_handle<cudaGraphExec_t>();
    executables[*handle] = {found->second};
    return cudaSuccess;
  }

  /// Ordered behind the graph's last launch too, on whatever stream that was.
  cudaError_t launch_graph(stream_ref s, cudaGraphExec_t handle) {
    const auto found = executables.find(handle);
    if (found == executables.end()) return cudaErrorInvalidValue;
    executable& graph = found->second;
    for (const work& run : graph.operations)
      if (const cudaError_t error = enqueue(s, run, {graph.last})) return error;
    if (!s->capturing) graph.last = end_of(s);
    return cudaSuccess;
  }

  cudaError_t destroy_graph(cudaGraph_t handle) { return graphs.erase(handle) ? cudaSuccess : cudaErrorInvalidValue; }
  cudaError_t destroy_executable(cudaGraphExec_t handle) {
    return executables.erase(handle) ? cudaSuccess : cudaErrorInvalidValue;
  }

 private:
  template <class Handle>
  Handle new_handle() {
    return reinterpret_cast<Handle>(handles_ += handle_step);
  }

  cudaError_t synchronize_device(int d) {
    run_to(end_of(at(d).legacy));
    for (auto& [handle, s] : streams)
      if (s->device == d) run_to(end_of(s));
    return cudaSuccess;
  }

  cudaError_t enqueue(stream_ref s, work run, std::vector<point> after = {}) {
    if (s->capturing) {
      if (!s->capturing->valid) return cudaErrorStreamCaptureInvalidated;
      s->capturing->operations.push_back(std::move(run));
      return cudaSuccess;
    }
    if (const cudaError_t error = refuse_in_capture_of(s)) return error;
    if (s->blocking) after.push_back(end_of(at(s->device).legacy));
    for (auto& [handle, other] : streams)
      if (waits_for(s, other)) after.push_back(end_of(other));
    s->queue.push_back({std::move(run), std::move(after)});
    ++s->enqueued;
    return cudaSuccess;
  }

  /// Whether work on s, as it is the legacy stream, waits for all that is on the other.
  static bool waits_for(stream_ref s, stream_ref other) {
    return s->legacy && other->blocking && other->device == s->device;
  }

  bool legacy_is_unusable(stream_ref s) const {
    return std::any_of(streams.begin(), streams.end(), [&](const auto& other) {
      return waits_for(s, other.second) && other.second->capturing && other.second->capturing->valid;
    });
  }

  static bool is_own(const capture& c) { return c.begun_by == std::this_thread::get_id(); }

  /// Whether a capture keeps this thread from calls that may be unsafe, by its mode and that of the capture.
  bool is_guarded(const capture& c) {
    if (is_own(c)) return thread().mode != cudaStreamCaptureModeRelaxed && c.mode != cudaStreamCaptureModeRelaxed;
    return thread().mode == cudaStreamCaptureModeGlobal && c.mode == cudaStreamCaptureModeGlobal;
  }

  /// For calls that may be unsafe while something is captured, and break what is.
  cudaError_t refuse_in_captures() {
    bool any = false;
    for (auto& [handle, s] : streams)
      if (s->capturing && is_guarded(*s->capturing)) any |= std::exchange(s->capturing->valid, false);
    return any ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
  }

  /// For calls that are not allowed on a stream that is captured, or on the legacy stream if it waits for such a one.
  cudaError_t refuse_in_capture_of(stream_ref s, cudaError_t error = cudaErrorStreamCaptureUnsupported) {
    if (legacy_is_unusable(s)) {
      for (auto& [handle, other] : streams)
        if (waits_for(s, other) && other->capturing) other->capturing->valid = false;
      return cudaErrorStreamCaptureImplicit;
    }
    if (!s->capturing) return cudaSuccess;
    return std::exchange(s->capturing->valid, false) ? error : cudaErrorStreamCaptureInvalidated;
  }

  long era_ = 0;
  std::uintptr_t handles_ = 0x1000;
};

/// The one world, for as long as this lives. Never destroyed, so that calls at the end of the process are safe.
class locked_world {
 public:
  world& operator*() const { return get(); }
  world* operator->() const { return &get(); }

 private:
  static world& get() {
    static world& all = *new world;
    return all;
  }
  const std::lock_guard<std::recursive_mutex> lock_{get().mutex};
};

// What a call needs, and whether it gives something back.
constexpr unsigned nothing = 0, driver = 1, context = 2, returns = 4;

template <class Body>
cudaError_t answer(world& w, const char* name, unsigned traits, Body body) {
  ++w.total_calls;
  if (traits & (driver | context))
    if (const cudaError_t error = w.startup_error()) return error;
  const cudaError_t failure = w.failure(name);
  if (failure != cudaSuccess && !(traits & returns)) return failure;
  if (traits & context) w.need_context();
  const cudaError_t error = body();
  return failure != cudaSuccess ? failure : error;
}

/// A function of the driver, which does not tell the runtime of an error.
template <class Method, class... Arguments>
CUresult driver_call(const char* name, unsigned traits, Method method, Arguments... arguments) {
  const locked_world w;
  return static_cast<CUresult>(answer(*w, name, traits, [&] { return ((*w).*method)(arguments...); }));
}

cudaError_t remember(world& w, cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) w.thread().last = error;
  return error;
}

template <class Method, class... Arguments>
cudaError_t call(const char* name, unsigned traits, Method method, Arguments... arguments) {
  const locked_world w;
  return remember(*w, answer(*w, name, traits, [&] { return ((*w).*method)(arguments...); }));
}

/// A call about a stream or an event, which is the method's first argument.
template <class Handle, class Method, class... Arguments>
cudaError_t call_on(Handle handle, const char* name, unsigned traits, Method method, Arguments... arguments) {
  const locked_world w;
  return remember(*w, answer(*w, name, traits, [&] {
    const auto object = w->find(handle);
    return object ? ((*w).*method)(object, arguments...) : cudaErrorInvalidResourceHandle;
  }));
}

cudaError_t last_error(bool forget) {
  const locked_world w;
  ++w->total_calls;
  if (const cudaError_t error = w->startup_error()) return error;
  return forget ? std::exchange(w->thread().last, cudaSuccess) : w->thread().last;
}

const char* text_of(cudaError_t error, const char* error_text::*which) {
  ++locked_world()->total_calls;
  for (const error_text& each : error_texts)
    if (each.error == error) return each.*which;
  return "unrecognized error code";
}

CUresult retain_primary(CUcontext* primary, CUdevice d) {
  return driver_call("cuDevicePrimaryCtxRetain", driver, &world::retain, primary, d);
}
CUresult release_primary(CUdevice d) {
  return driver_call("cuDevicePrimaryCtxRelease", driver | returns, &world::release, d);
}
CUresult push_context(CUcontext pushed) { return driver_call("cuCtxPushCurrent", driver, &world::push, pushed); }
CUresult pop_context(CUcontext* popped) {
  return driver_call("cuCtxPopCurrent", driver | returns, &world::pop, popped);
}
static_assert(std::is_same_v<decltype(&retain_primary), decltype(&cuDevicePrimaryCtxRetain)>);
static_assert(std::is_same_v<decltype(&release_primary), decltype(&cuDevicePrimaryCtxRelease)>);
static_assert(std::is_same_v<decltype(&push_context), decltype(&cuCtxPushCurrent)>);
static_assert(std::is_same_v<decltype(&pop_context), decltype(&cuCtxPopCurrent)>);

}  // namespace

cudaError_t world::get_entry_point(const char* symbol, void** function, unsigned version,
                                   cudaDriverEntryPointQueryResult* status) {
  static const struct {
    std::string_view name;
    unsigned since;
    void* function;
  } known[] = {
      {"cuDevicePrimaryCtxRetain", 7000, reinterpret_cast<void*>(retain_primary)},
      {"cuDevicePrimaryCtxRelease", 7000, reinterpret_cast<void*>(release_primary)},
      {"cuCtxPushCurrent", 4000, reinterpret_cast<void*>(push_context)},
      {"cuCtxPopCurrent", 4000, reinterpret_cast<void*>(pop_context)},
  };
  if (!symbol || !function) return cudaErrorInvalidValue;
  *function = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  for (const auto& each : known) {
    if (each.name != symbol) continue;
    const bool sufficient = version >= each.since && version <= CUDART_VERSION;
    result = sufficient ? cudaDriverEntryPointSuccess : cudaDriverEntryPointVersionNotSufficent;
    if (sufficient) *function = each.function;
  }
  if (status) *status = result;
  return cudaSuccess;
}

cudaError_t launch(cudaStream_t stream, std::function<void()> kernel) {
  return call_on(stream, "launch", context, &world::launch, std::move(kernel));
}

void reset(int devices) { locked_world()->reset(devices); }
void set_no_driver(bool none) { locked_world()->no_driver = none; }

static void fail_calls(int first, int last, cudaError_t error) {
  const locked_world w;
  w->calls = 0;
  w->failed = nullptr;
  w->fail_at = first;
  w->fail_until = last;
  w->failure_of_nth = error;
}

void fail_call(int nth, cudaError_t error) { fail_calls(nth, nth, error); }
void fail_from(int nth, cudaError_t error) { fail_calls(nth, std::numeric_limits<int>::max(), error); }

void fail_named(const char* name, cudaError_t error) {
  const locked_world w;
  w->named = name ? name : "";
  w->failure_of_named = error;
}

int calls() { return locked_world()->calls; }
const char* failed_call() { return locked_world()->failed; }
long total_calls() { return locked_world()->total_calls; }
std::size_t device_bytes() { return locked_world()->bytes(false); }
bool primary_context_made(int d) { return locked_world()->has_device(d) && locked_world()->at(d).made; }
int context_depth() { return static_cast<int>(locked_world()->thread().contexts.size()); }

census alive() {
  const locked_world w;
  const auto pinned = std::count_if(w->blocks.begin(), w->blocks.end(), is_pinned);
  const auto count = [](auto n) { return static_cast<int>(n); };
  return {count(w->blocks.size()) - count(pinned), count(pinned), count(w->streams.size()), count(w->events.size()),
          count(w->graphs.size() + w->executables.size())};
}

int damaged_guards() {
  const locked_world w;
  return w->damaged + static_cast<int>(std::count_if(w->blocks.begin(), w->blocks.end(), is_damaged));
}

int contexts_retained() {
  const locked_world w;
  int sum = 0;
  for (const device& d : w->devices) sum += d.retained;
  return sum;
}

}  // namespace stub_cuda

using namespace stub_cuda;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) { return call(__func__, driver, &world::count_devices, count); }
cudaError_t cudaGetDevice(int* device) { return call(__func__, driver, &world::get_device, device); }
cudaError_t cudaSetDevice(int device) { return call(__func__, driver, &world::set_device, device); }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call(__func__, driver, &world::get_properties, properties, device);
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call(__func__, driver, &world::get_attribute, value, attribute, device);
}
cudaError_t cudaDriverGetVersion(int* version) { return call(__func__, nothing, &world::get_driver_version, version); }
cudaError_t cudaRuntimeGetVersion(int* version) {
  return call(__func__, nothing, &world::get_runtime_version, version);
}
cudaError_t cudaDeviceSynchronize() { return call(__func__, context, &world::synchronize_current_device); }
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned version, unsigned long long,
                                             cudaDriverEntryPointQueryResult* status) {
  return call(__func__, driver, &world::get_entry_point, symbol, function, version, status);
}

cudaError_t cudaGetLastError() { return last_error(true); }
cudaError_t cudaPeekAtLastError() { return last_error(false); }
const char* cudaGetErrorString(cudaError_t error) { return text_of(error, &error_text::text); }
const char* cudaGetErrorName(cudaError_t error) { return text_of(error, &error_text::name); }

cudaError_t cudaMalloc(void** pointer, std::size_t size) {
  return call(__func__, context, &world::allocate, pointer, size, cudaMemoryTypeDevice, true);
}
cudaError_t cudaMallocManaged(void** pointer, std::size_t size, unsigned flags) {
  const bool known = flags == cudaMemAttachGlobal || flags == cudaMemAttachHost;
  return call(__func__, context, &world::allocate, pointer, size, cudaMemoryTypeManaged, known);
}
cudaError_t cudaHostAlloc(void** pointer, std::size_t size, unsigned flags) {
  const bool known = flags <= (cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined);
  return call(__func__, context, &world::allocate, pointer, size, cudaMemoryTypeHost, known);
}
cudaError_t cudaFree(void* pointer) { return call(__func__, context | returns, &world::free, pointer, false); }
cudaError_t cudaFreeHost(void* pointer) { return call(__func__, context | returns, &world::free, pointer, true); }
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call(__func__, driver, &world::get_pointer_attributes, attributes, pointer);
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t size, cudaMemcpyKind kind) {
  return call_on(cudaStreamLegacy, __func__, context, &world::copy, to, from, size, kind, true);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind kind, cudaStream_t on) {
  return call_on(on, __func__, context, &world::copy, to, from, size, kind, false);
}
cudaError_t cudaMemset(void* to, int value, std::size_t size) {
  return call_on(cudaStreamLegacy, __func__, context, &world::set, to, value, size, true);
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t size, cudaStream_t on) {
  return call_on(on, __func__, context, &world::set, to, value, size, false);
}

cudaError_t cudaStreamCreate(cudaStream_t* created) {
  return call(__func__, context, &world::create_stream, created, cudaStreamDefault);
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* created, unsigned flags) {
  return call(__func__, context, &world::create_stream, created, flags);
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  return call_on(s, __func__, context | returns, &world::destroy_stream, s);
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) { return call_on(s, __func__, context, &world::synchronize); }
cudaError_t cudaStreamQuery(cudaStream_t s) { return call_on(s, __func__, context, &world::query); }
cudaError_t cudaStreamGetDevice(cudaStream_t s, int* device) {
  const bool asks_context = s == nullptr || s == cudaStreamLegacy;
  return call_on(s, __func__, asks_context ? context : driver, &world::get_stream_device, device);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t event, unsigned flags) {
  return call_on(s, __func__, context, &world::wait, event, flags);
}
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  return call_on(s, __func__, context, &world::get_capture_status, status);
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return call(__func__, nothing, &world::exchange_capture_mode, mode);
}
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
  return call_on(s, __func__, context, &world::begin_capture, mode);
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  return call_on(s, __func__, context, &world::end_capture, graph);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* created, cudaGraph_t graph, unsigned long long) {
  return call(__func__, context, &world::instantiate, created, graph);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t on) {
  return call_on(on, __func__, context, &world::launch_graph, graph);
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call(__func__, context | returns, &world::destroy_graph, graph);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  return call(__func__, context | returns, &world::destroy_executable, graph);
}

cudaError_t cudaEventCreate(cudaEvent_t* created) {
  return call(__func__, context, &world::create_event, created, cudaEventDefault);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* created, unsigned flags) {
  return call(__func__, context, &world::create_event, created, flags);
}
cudaError_t cudaEventDestroy(cudaEvent_t e) { return call(__func__, context | returns, &world::destroy_event, e); }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t on) {
  return call_on(on, __func__, context, &world::record, e);
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) { return call_on(e, __func__, driver, &world::synchronize_event); }
cudaError_t cudaEventQuery(cudaEvent_t e) { return call_on(e, __func__, driver, &world::query_event); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call_on(start, __func__, driver, &world::get_time, milliseconds, end);
}

}  // extern "C"
