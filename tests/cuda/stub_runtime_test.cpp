// SPDX-License-Identifier: MIT
// That the stub of the CUDA runtime keeps its own rules, one by one.
#include "stub_runtime.h"

#include <cuda.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace {

using stub_cuda::launch;

class stub_runtime : public testing::Test {
 protected:
  void SetUp() override { stub_cuda::reset(); }

  cudaStream_t new_stream(unsigned flags = cudaStreamNonBlocking) {
    cudaStream_t stream = nullptr;
    EXPECT_EQ(cudaStreamCreateWithFlags(&stream, flags), cudaSuccess);
    return stream;
  }
  cudaEvent_t new_event() {
    cudaEvent_t event = nullptr;
    EXPECT_EQ(cudaEventCreate(&event), cudaSuccess);
    return event;
  }
  char* on_device(std::size_t size) {
    void* pointer = nullptr;
    EXPECT_EQ(cudaMalloc(&pointer, size), cudaSuccess);
    return static_cast<char*>(pointer);
  }
  char* pinned(std::size_t size) {
    void* pointer = nullptr;
    EXPECT_EQ(cudaHostAlloc(&pointer, size, cudaHostAllocDefault), cudaSuccess);
    return static_cast<char*>(pointer);
  }
  /// Puts a kernel on a stream that appends a letter to `ran`.
  void put(cudaStream_t stream, char letter) {
    EXPECT_EQ(launch(stream, [this, letter] { ran += letter; }), cudaSuccess);
  }
  template <class Function>
  Function* entry_point(const char* name) {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult status;
    EXPECT_EQ(cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &status), cudaSuccess);
    EXPECT_EQ(status, cudaDriverEntryPointSuccess);
    return reinterpret_cast<Function*>(function);
  }

  std::string ran;
};

int current_device() {
  int device = -1;
  EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
  return device;
}

cudaPointerAttributes attributes_of(const void* pointer) {
  cudaPointerAttributes attributes;
  EXPECT_EQ(cudaPointerGetAttributes(&attributes, pointer), cudaSuccess);
  return attributes;
}

// Devices, contexts and errors.

TEST_F(stub_runtime, there_are_two_devices_of_a_known_size) {
  int count = 0, shared = 0, multiprocessors = 0;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 2);
  EXPECT_EQ(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, 1), cudaSuccess);
  EXPECT_EQ(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 1), cudaSuccess);
  EXPECT_EQ(shared, 232448);
  EXPECT_EQ(multiprocessors, 132);
  cudaDeviceProp properties;
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_EQ(properties.sharedMemPerBlockOptin, 232448u);
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 2), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
}

TEST_F(stub_runtime, without_devices_all_calls_say_so) {
  stub_cuda::reset(0);
  int value;
  void* pointer;
  EXPECT_EQ(cudaGetDeviceCount(&value), cudaErrorNoDevice);
  EXPECT_EQ(cudaMalloc(&pointer, 1), cudaErrorNoDevice);
  EXPECT_EQ(cudaDriverGetVersion(&value), cudaSuccess);
  EXPECT_EQ(value, CUDART_VERSION);
}

TEST_F(stub_runtime, without_driver_all_calls_say_so) {
  stub_cuda::set_no_driver(true);
  int value;
  void* pointer;
  EXPECT_EQ(cudaGetDeviceCount(&value), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaMalloc(&pointer, 1), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaFree(nullptr), cudaErrorInsufficientDriver);
  EXPECT_EQ(launch(nullptr, [] {}), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaGetDriverEntryPointByVersion("cuCtxPopCurrent", &pointer, 12000, 0, nullptr),
            cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaDriverGetVersion(&value), cudaSuccess);
  EXPECT_EQ(value, 0);
  EXPECT_EQ(cudaRuntimeGetVersion(&value), cudaSuccess);
  EXPECT_EQ(value, CUDART_VERSION);
  stub_cuda::set_no_driver(false);
  EXPECT_EQ(cudaGetDeviceCount(&value), cudaSuccess);
}

TEST_F(stub_runtime, contexts_are_made_only_where_one_is_needed) {
  int value;
  cudaDeviceProp properties;
  cudaGetDeviceCount(&value);
  cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 1);
  cudaGetDeviceProperties(&properties, 1);
  attributes_of(&value);
  EXPECT_EQ(current_device(), 0);
  EXPECT_FALSE(stub_cuda::primary_context_made(0));
  EXPECT_FALSE(stub_cuda::primary_context_made(1));
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  new_stream();
  EXPECT_TRUE(stub_cuda::primary_context_made(1));
  EXPECT_FALSE(stub_cuda::primary_context_made(0));
  std::thread([] { cudaFree(nullptr); }).join();
  EXPECT_TRUE(stub_cuda::primary_context_made(0));
}

TEST_F(stub_runtime, a_stream_knows_its_device_without_any_context) {
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  const cudaStream_t stream = new_stream();
  int device = -1;
  std::thread([&] { EXPECT_EQ(cudaStreamGetDevice(stream, &device), cudaSuccess); }).join();
  EXPECT_EQ(device, 1);
  EXPECT_FALSE(stub_cuda::primary_context_made(0));
  std::thread([&] { EXPECT_EQ(cudaStreamGetDevice(nullptr, &device), cudaSuccess); }).join();
  EXPECT_EQ(device, 0);
  EXPECT_TRUE(stub_cuda::primary_context_made(0));
}

TEST_F(stub_runtime, contexts_are_a_stack_of_each_thread) {
  auto* const retain = entry_point<decltype(cuDevicePrimaryCtxRetain)>("cuDevicePrimaryCtxRetain");
  auto* const release = entry_point<decltype(cuDevicePrimaryCtxRelease)>("cuDevicePrimaryCtxRelease");
  auto* const push = entry_point<decltype(cuCtxPushCurrent)>("cuCtxPushCurrent");
  auto* const pop = entry_point<decltype(cuCtxPopCurrent)>("cuCtxPopCurrent");
  CUcontext context = nullptr, popped = nullptr;
  EXPECT_EQ(pop(&popped), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(retain(&context, 2), CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(retain(&context, 1), CUDA_SUCCESS);
  EXPECT_EQ(stub_cuda::contexts_retained(), 1);
  EXPECT_TRUE(stub_cuda::primary_context_made(1));
  EXPECT_EQ(push(context), CUDA_SUCCESS);
  EXPECT_EQ(current_device(), 1);
  EXPECT_EQ(stub_cuda::context_depth(), 1);
  std::thread([] { EXPECT_EQ(current_device(), 0); }).join();
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(current_device(), 0);
  EXPECT_EQ(push(context), CUDA_SUCCESS);
  EXPECT_EQ(pop(&popped), CUDA_SUCCESS);
  EXPECT_EQ(popped, context);
  EXPECT_EQ(current_device(), 0);
  EXPECT_EQ(pop(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(stub_cuda::context_depth(), 0);
  EXPECT_EQ(release(1), CUDA_SUCCESS);
  EXPECT_EQ(release(1), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(push(context), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(push(nullptr), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(stub_runtime, entry_points_are_known_by_name_and_version) {
  void* function = this;
  cudaDriverEntryPointQueryResult status;
  EXPECT_EQ(cudaGetDriverEntryPointByVersion("cuNothing", &function, 12000, 0, &status), cudaSuccess);
  EXPECT_EQ(status, cudaDriverEntryPointSymbolNotFound);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(cudaGetDriverEntryPointByVersion("cuCtxPopCurrent", &function, 99000, 0, &status), cudaSuccess);
  EXPECT_EQ(status, cudaDriverEntryPointVersionNotSufficent);
  EXPECT_EQ(function, nullptr);
}

TEST_F(stub_runtime, the_last_error_is_kept_by_thread_until_it_is_read) {
  EXPECT_EQ(cudaMalloc(nullptr, 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  std::thread([] { EXPECT_EQ(cudaGetLastError(), cudaSuccess); }).join();
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  put(new_stream(), 'a');
  EXPECT_EQ(cudaStreamQuery(nullptr), cudaSuccess);
  EXPECT_STREQ(cudaGetErrorName(cudaErrorInvalidValue), "cudaErrorInvalidValue");
  EXPECT_STREQ(cudaGetErrorString(cudaErrorInvalidValue), "invalid argument");
  EXPECT_STREQ(cudaGetErrorString(static_cast<cudaError_t>(998)), "unrecognized error code");
}

TEST_F(stub_runtime, what_is_not_alive_is_an_error) {
  const cudaStream_t stream = new_stream();
  const cudaEvent_t event = new_event();
  char* const memory = on_device(1);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(launch(stream, [] {}), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaStreamDestroy(nullptr), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventRecord(event, nullptr), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaStreamWaitEvent(nullptr, event, 0), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventSynchronize(nullptr), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventDestroy(event), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaFree(memory), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(memory, 0, 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGraphDestroy(nullptr), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGraphExecDestroy(nullptr), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGraphLaunch(nullptr, nullptr), cudaErrorInvalidValue);
}

// Memory.

TEST_F(stub_runtime, memory_starts_dirty_and_is_counted) {
  const char* const memory = on_device(3);
  EXPECT_EQ(static_cast<unsigned char>(memory[0]), 0xCD);
  EXPECT_EQ(static_cast<unsigned char>(memory[2]), 0xCD);
  void* managed = nullptr;
  EXPECT_EQ(cudaMallocManaged(&managed, 5, cudaMemAttachGlobal), cudaSuccess);
  pinned(100);
  EXPECT_EQ(stub_cuda::device_bytes(), 8u);
  EXPECT_EQ(stub_cuda::alive().device_blocks, 2);
  EXPECT_EQ(stub_cuda::alive().host_blocks, 1);
  EXPECT_EQ(cudaFree(managed), cudaSuccess);
  EXPECT_EQ(stub_cuda::device_bytes(), 3u);
}

TEST_F(stub_runtime, no_memory_is_no_block) {
  void* pointer = this;
  EXPECT_EQ(cudaMalloc(&pointer, 0), cudaSuccess);
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(cudaMalloc(&pointer, ~std::size_t{0}), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
  EXPECT_EQ(stub_cuda::alive().device_blocks, 0);
}

TEST_F(stub_runtime, each_kind_of_memory_has_its_own_free) {
  char* const memory = on_device(8);
  char* const host = pinned(8);
  EXPECT_EQ(cudaFreeHost(memory), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(host), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(memory + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
}

TEST_F(stub_runtime, damage_outside_a_block_is_seen_before_and_after_it_is_freed) {
  char* const before = on_device(5);
  char* const after = on_device(5);
  EXPECT_EQ(stub_cuda::damaged_guards(), 0);
  before[-1] = 0;
  after[5] = 0;
  EXPECT_EQ(stub_cuda::damaged_guards(), 2);
  EXPECT_EQ(cudaFree(before), cudaSuccess);
  EXPECT_EQ(cudaFree(after), cudaSuccess);
  EXPECT_EQ(stub_cuda::damaged_guards(), 2);
}

TEST_F(stub_runtime, pointers_tell_what_they_point_to) {
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  char* const memory = on_device(8);
  char* const host = pinned(8);
  void* managed = nullptr;
  EXPECT_EQ(cudaMallocManaged(&managed, 8, cudaMemAttachGlobal), cudaSuccess);
  EXPECT_EQ(attributes_of(memory + 7).type, cudaMemoryTypeDevice);
  EXPECT_EQ(attributes_of(memory + 7).devicePointer, memory + 7);
  EXPECT_EQ(attributes_of(memory + 7).hostPointer, nullptr);
  EXPECT_EQ(attributes_of(memory + 7).device, 1);
  EXPECT_EQ(attributes_of(memory + 8).type, cudaMemoryTypeUnregistered);
  EXPECT_EQ(attributes_of(host).type, cudaMemoryTypeHost);
  EXPECT_EQ(attributes_of(host).devicePointer, host);
  EXPECT_EQ(attributes_of(managed).type, cudaMemoryTypeManaged);
  EXPECT_EQ(attributes_of(this).type, cudaMemoryTypeUnregistered);
  EXPECT_EQ(attributes_of(this).devicePointer, nullptr);
}

TEST_F(stub_runtime, copies_are_checked) {
  char* const memory = on_device(8);
  char host[16] = {};
  EXPECT_EQ(cudaMemcpy(memory, host, 9, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(memory + 1, host, 8, cudaMemcpyDefault), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, memory, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, memory, 8, cudaMemcpyHostToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(memory, nullptr, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(memory, host, 8, static_cast<cudaMemcpyKind>(7)), cudaErrorInvalidMemcpyDirection);
  EXPECT_EQ(cudaMemcpy(memory, host, 8, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(cudaMemset(memory, 0, 9), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(host, 0, 1), cudaErrorInvalidValue);
}

TEST_F(stub_runtime, a_copy_from_pageable_memory_takes_it_as_it_is_now) {
  const cudaStream_t stream = new_stream();
  char* const memory = on_device(1);
  char host = 1;
  EXPECT_EQ(cudaMemcpyAsync(memory, &host, 1, cudaMemcpyHostToDevice, stream), cudaSuccess);
  host = 2;
  EXPECT_NE(*memory, 1);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(*memory, 1);
}

TEST_F(stub_runtime, a_copy_from_pinned_memory_reads_it_when_it_runs) {
  const cudaStream_t stream = new_stream();
  char* const memory = on_device(1);
  char* const host = pinned(1);
  *host = 1;
  EXPECT_EQ(cudaMemcpyAsync(memory, host, 1, cudaMemcpyHostToDevice, stream), cudaSuccess);
  *host = 2;
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(*memory, 2);
}

TEST_F(stub_runtime, a_copy_to_pageable_memory_waits_and_one_to_pinned_memory_does_not) {
  const cudaStream_t stream = new_stream();
  char* const memory = on_device(1);
  char* const host = pinned(1);
  *host = 0;
  EXPECT_EQ(cudaMemsetAsync(memory, 1, 1, stream), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(host, memory, 1, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_EQ(*host, 0);
  char pageable = 0;
  EXPECT_EQ(cudaMemcpyAsync(&pageable, memory, 1, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_EQ(pageable, 1);
  EXPECT_EQ(*host, 1);
}

TEST_F(stub_runtime, a_blocking_copy_waits_and_a_blocking_set_does_not) {
  char* const memory = on_device(1);
  *memory = 0;
  EXPECT_EQ(cudaMemset(memory, 1, 1), cudaSuccess);
  EXPECT_EQ(*memory, 0);
  char host = 0;
  EXPECT_EQ(cudaMemcpy(&host, memory, 1, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(host, 1);
}

TEST_F(stub_runtime, freeing_device_memory_waits_for_its_device) {
  char* const memory = on_device(1);
  char* const host = pinned(1);
  put(new_stream(), 'a');
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  put(new_stream(), 'b');
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
  EXPECT_EQ(ran, "");
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(ran, "a");
}

// Streams and events.

TEST_F(stub_runtime, nothing_runs_until_something_waits) {
  const cudaStream_t stream = new_stream(), other = new_stream();
  put(stream, 'a');
  put(stream, 'b');
  put(other, 'c');
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(ran, "");
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(ran, "ab");
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(other), cudaErrorNotReady);
}

TEST_F(stub_runtime, a_device_is_waited_for_alone) {
  put(new_stream(), 'a');
  put(new_stream(cudaStreamDefault), 'b');
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  put(new_stream(), 'c');
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(ran, "c");
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(ran, "cab");
}

TEST_F(stub_runtime, a_destroyed_stream_runs_what_is_left) {
  const cudaStream_t stream = new_stream();
  put(stream, 'a');
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(ran, "a");
}

TEST_F(stub_runtime, a_kernel_needs_the_device_of_its_stream) {
  const cudaStream_t stream = new_stream();
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(launch(stream, [] {}), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(launch(nullptr, [] {}), cudaSuccess);
}

TEST_F(stub_runtime, an_event_is_a_place_in_its_stream) {
  const cudaStream_t stream = new_stream();
  const cudaEvent_t event = new_event();
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  put(stream, 'a');
  EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  put(stream, 'b');
  EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(ran, "");
  EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess);
  EXPECT_EQ(ran, "a");
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
}

TEST_F(stub_runtime, a_waiting_stream_runs_the_other_up_to_the_event_as_it_was) {
  const cudaStream_t stream = new_stream(), waiting = new_stream();
  const cudaEvent_t event = new_event();
  put(stream, 'a');
  EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  put(waiting, 'x');
  EXPECT_EQ(cudaStreamWaitEvent(waiting, event, 0), cudaSuccess);
  put(waiting, 'y');
  put(stream, 'b');
  EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(waiting), cudaSuccess);
  EXPECT_EQ(ran, "xay");
}

TEST_F(stub_runtime, events_wait_across_devices_but_are_recorded_on_their_own) {
  const cudaStream_t stream = new_stream();
  const cudaEvent_t event = new_event();
  put(stream, 'a');
  EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  const cudaStream_t other = new_stream();
  EXPECT_EQ(cudaStreamWaitEvent(other, event, 0), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event, other), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
  EXPECT_EQ(ran, "a");
}

TEST_F(stub_runtime, time_passes_between_events_that_were_reached) {
  const cudaStream_t stream = new_stream();
  const cudaEvent_t start = new_event(), end = new_event();
  float time = -1;
  EXPECT_EQ(cudaEventElapsedTime(&time, start, end), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventRecord(start, stream), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(end, stream), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&time, start, end), cudaErrorNotReady);
  EXPECT_EQ(cudaEventSynchronize(end), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&time, start, end), cudaSuccess);
  EXPECT_GE(time, 0);
  cudaEvent_t untimed = nullptr;
  EXPECT_EQ(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(untimed, stream), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(untimed), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&time, start, untimed), cudaErrorInvalidResourceHandle);
}

TEST_F(stub_runtime, the_legacy_stream_waits_for_blocking_streams_and_they_for_it) {
  cudaStream_t blocking = nullptr;
  EXPECT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  const cudaStream_t other = new_stream(cudaStreamDefault), free = new_stream();
  put(free, 'x');
  put(other, 'a');
  put(nullptr, 'b');
  put(cudaStreamLegacy, 'c');
  put(blocking, 'd');
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaSuccess);
  EXPECT_EQ(ran, "abcd");
  EXPECT_EQ(cudaStreamQuery(free), cudaErrorNotReady);
}

TEST_F(stub_runtime, a_non_blocking_stream_does_not_wait_for_the_legacy_stream) {
  const cudaStream_t free = new_stream();
  put(nullptr, 'a');
  put(free, 'b');
  EXPECT_EQ(cudaStreamSynchronize(free), cudaSuccess);
  EXPECT_EQ(ran, "b");
}

TEST_F(stub_runtime, each_device_has_a_legacy_stream) {
  put(nullptr, 'a');
  put(new_stream(cudaStreamDefault), 'x');
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  put(nullptr, 'b');
  EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
  EXPECT_EQ(ran, "b");
}

TEST_F(stub_runtime, threads_may_share_it) {
  int sum = 0;
  const cudaStream_t shared = new_stream();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      const cudaStream_t own = new_stream();
      const cudaEvent_t event = new_event();
      for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(launch(i % 2 ? shared : own, [&sum] { ++sum; }), cudaSuccess);
        EXPECT_EQ(cudaEventRecord(event, own), cudaSuccess);
        EXPECT_EQ(cudaStreamWaitEvent(shared, event, 0), cudaSuccess);
        EXPECT_EQ(cudaStreamSynchronize(i % 10 ? own : shared), cudaSuccess);
        EXPECT_EQ(cudaMalloc(nullptr, 1), cudaErrorInvalidValue);
        EXPECT_EQ(cudaFree(on_device(16)), cudaSuccess);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(sum, 200);
}

// Captures and graphs.

class stub_capture : public stub_runtime {
 protected:
  void SetUp() override {
    stub_runtime::SetUp();
    stream = new_stream(cudaStreamDefault);
    event = new_event();
    memory = on_device(8);
    host = pinned(8);
  }

  void begin() { ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess); }

  cudaGraphExec_t end() {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    EXPECT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    return executable;
  }

  cudaStreamCaptureStatus status() {
    cudaStreamCaptureStatus found;
    EXPECT_EQ(cudaStreamIsCapturing(stream, &found), cudaSuccess);
    return found;
  }

  /// Makes the call while `stream` is captured, expects this error of it, and that it broke the capture.
  template <class Call>
  void expect_breaks(cudaError_t error, Call call) {
    begin();
    EXPECT_EQ(call(), error);
    EXPECT_EQ(status(), cudaStreamCaptureStatusInvalidated);
    EXPECT_EQ(launch(stream, [] {}), cudaErrorStreamCaptureInvalidated);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(status(), cudaStreamCaptureStatusNone);
  }

  cudaStream_t stream;
  cudaEvent_t event;
  char* memory;
  char* host;
};

TEST_F(stub_capture, a_graph_runs_what_was_captured_as_often_as_it_is_launched) {
  put(stream, 'x');
  begin();
  EXPECT_EQ(status(), cudaStreamCaptureStatusActive);
  put(stream, 'a');
  put(stream, 'b');
  EXPECT_EQ(cudaMemsetAsync(memory, 1, 1, stream), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(host, memory, 1, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  const cudaGraphExec_t graph = end();
  *host = 0;
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(ran, "x");
  const cudaStream_t other = new_stream();
  EXPECT_EQ(cudaGraphLaunch(graph, other), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(graph, other), cudaSuccess);
  EXPECT_EQ(ran, "x");
  EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
  EXPECT_EQ(ran, "xabab");
  EXPECT_EQ(*host, 1);
  EXPECT_EQ(cudaGraphExecDestroy(graph), cudaSuccess);
}

TEST_F(stub_capture, a_graph_is_ordered_behind_its_last_launch) {
  begin();
  put(stream, 'a');
  const cudaGraphExec_t graph = end();
  const cudaStream_t first = new_stream(), second = new_stream();
  put(first, 'x');
  EXPECT_EQ(cudaGraphLaunch(graph, first), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(graph, second), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(second), cudaSuccess);
  EXPECT_EQ(ran, "xaa");
}

TEST_F(stub_capture, a_graph_can_be_captured_into_another) {
  begin();
  put(stream, 'a');
  const cudaGraphExec_t inner = end();
  begin();
  EXPECT_EQ(cudaGraphLaunch(inner, stream), cudaSuccess);
  put(stream, 'b');
  EXPECT_EQ(cudaGraphLaunch(end(), stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(ran, "ab");
}

TEST_F(stub_capture, runs_nothing_that_was_there_before) {
  put(stream, 'a');
  begin();
  EXPECT_EQ(cudaMemcpyAsync(host, host + 1, 1, cudaMemcpyHostToHost, stream), cudaSuccess);
  EXPECT_EQ(ran, "");
}

TEST_F(stub_capture, other_streams_go_on) {
  const cudaStream_t other = new_stream();
  put(other, 'a');
  begin();
  put(other, 'b');
  EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
  EXPECT_EQ(ran, "ab");
  EXPECT_EQ(status(), cudaStreamCaptureStatusActive);
}

TEST_F(stub_capture, unsafe_calls_break_it) {
  void* pointer = nullptr;
  const cudaError_t unsupported = cudaErrorStreamCaptureUnsupported;
  expect_breaks(unsupported, [&] { return cudaMalloc(&pointer, 1); });
  expect_breaks(unsupported, [&] { return cudaMallocManaged(&pointer, 1, cudaMemAttachGlobal); });
  expect_breaks(unsupported, [&] { return cudaHostAlloc(&pointer, 1, cudaHostAllocDefault); });
  expect_breaks(unsupported, [&] { return cudaFree(memory); });
  expect_breaks(unsupported, [&] { return cudaFreeHost(host); });
  expect_breaks(unsupported, [&] { return cudaDeviceSynchronize(); });
  expect_breaks(unsupported, [&] { return cudaEventSynchronize(event); });
  expect_breaks(unsupported, [&] { return cudaEventQuery(event); });
  expect_breaks(unsupported, [&] { return cudaMemcpy(host, memory, 1, cudaMemcpyDeviceToHost); });
  expect_breaks(unsupported, [&] { return cudaStreamSynchronize(stream); });
  expect_breaks(unsupported, [&] { return cudaStreamQuery(stream); });
  expect_breaks(unsupported, [&] { return cudaStreamDestroy(stream); });
  int device = -1;
  expect_breaks(unsupported, [&] { return cudaStreamGetDevice(stream, &device); });
  EXPECT_EQ(device, -1);
  EXPECT_EQ(stub_cuda::alive().device_blocks, 1);
  EXPECT_EQ(stub_cuda::alive().host_blocks, 1);
  EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
}

TEST_F(stub_capture, modes_say_whom_it_keeps_from_unsafe_calls) {
  constexpr cudaStreamCaptureMode global = cudaStreamCaptureModeGlobal, local = cudaStreamCaptureModeThreadLocal,
                                  relaxed = cudaStreamCaptureModeRelaxed;
  const struct {
    cudaStreamCaptureMode of_capture, of_thread;
    bool own_refused, other_refused;
  } cases[] = {{global, global, true, true},    {global, local, true, false},   {global, relaxed, false, false},
               {local, global, true, false},    {local, local, true, false},    {local, relaxed, false, false},
               {relaxed, global, false, false}, {relaxed, local, false, false}, {relaxed, relaxed, false, false}};
  for (const auto& c : cases)
    for (const bool own : {true, false}) {
      SCOPED_TRACE(testing::Message() << "capture " << c.of_capture << ", thread " << c.of_thread << ", own " << own);
      const bool refused = own ? c.own_refused : c.other_refused;
      const auto allocate = [&] {
        cudaStreamCaptureMode mode = c.of_thread;
        void* pointer = nullptr;
        EXPECT_EQ(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
        EXPECT_EQ(mode, global);
        EXPECT_EQ(cudaMalloc(&pointer, 1), refused ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
        EXPECT_EQ(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
        EXPECT_EQ(mode, c.of_thread);
      };
      ASSERT_EQ(cudaStreamBeginCapture(stream, c.of_capture), cudaSuccess);
      own ? allocate() : std::thread(allocate).join();
      cudaGraph_t graph = nullptr;
      EXPECT_EQ(cudaStreamEndCapture(stream, &graph), refused ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
    }
}

TEST_F(stub_capture, ends_where_it_began_unless_it_is_relaxed) {
  cudaGraph_t graph = nullptr;
  for (const cudaStreamCaptureMode mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal}) {
    ASSERT_EQ(cudaStreamBeginCapture(stream, mode), cudaSuccess);
    std::thread([&] { EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureWrongThread); }).join();
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  }
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess);
  std::thread([&] { EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess); }).join();
}

TEST_F(stub_capture, copies_of_pageable_memory_break_it) {
  char pageable[8];
  expect_breaks(cudaErrorStreamCaptureUnsupported,
                [&] { return cudaMemcpyAsync(memory, pageable, 1, cudaMemcpyHostToDevice, stream); });
  expect_breaks(cudaErrorStreamCaptureUnsupported,
                [&] { return cudaMemcpyAsync(pageable, memory, 1, cudaMemcpyDeviceToHost, stream); });
}

TEST_F(stub_capture, work_on_the_legacy_stream_breaks_it) {
  expect_breaks(cudaErrorStreamCaptureImplicit, [&] { return launch(nullptr, [] {}); });
  expect_breaks(cudaErrorStreamCaptureImplicit, [&] { return cudaMemset(memory, 0, 1); });
  expect_breaks(cudaErrorStreamCaptureImplicit, [&] { return cudaEventRecord(event, nullptr); });
  expect_breaks(cudaErrorStreamCaptureImplicit, [&] { return cudaStreamSynchronize(nullptr); });
}

TEST_F(stub_capture, the_legacy_stream_has_no_state_but_asking_breaks_nothing) {
  cudaStreamCaptureStatus found;
  begin();
  EXPECT_EQ(cudaStreamIsCapturing(nullptr, &found), cudaErrorStreamCaptureImplicit);
  EXPECT_EQ(status(), cudaStreamCaptureStatusActive);
}

TEST_F(stub_capture, of_a_non_blocking_stream_leaves_the_legacy_stream_alone) {
  stream = new_stream(cudaStreamNonBlocking);
  cudaStreamCaptureStatus found;
  begin();
  EXPECT_EQ(cudaStreamIsCapturing(nullptr, &found), cudaSuccess);
  EXPECT_EQ(found, cudaStreamCaptureStatusNone);
  EXPECT_EQ(launch(nullptr, [] {}), cudaSuccess);
  EXPECT_EQ(status(), cudaStreamCaptureStatusActive);
}

TEST_F(stub_capture, cannot_wait_for_an_event_from_outside) {
  EXPECT_EQ(cudaEventRecord(event, new_stream()), cudaSuccess);
  expect_breaks(cudaErrorStreamCaptureIsolation, [&] { return cudaStreamWaitEvent(stream, event, 0); });
}

TEST_F(stub_capture, an_event_from_inside_stays_inside) {
  const cudaStream_t other = new_stream();
  begin();
  EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(stream, event, 0), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(other, event, 0), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(cudaGraphExecDestroy(end()), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(other, event, 0), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(cudaEventQuery(event), cudaErrorCapturedEvent);
  EXPECT_EQ(cudaEventSynchronize(event), cudaErrorCapturedEvent);
  expect_breaks(cudaErrorStreamCaptureIsolation, [&] { return cudaStreamWaitEvent(stream, event, 0); });
  EXPECT_EQ(cudaEventRecord(event, other), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess);
}

TEST_F(stub_capture, begins_once_and_ends_once) {
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
  begin();
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaErrorIllegalState);
  EXPECT_EQ(cudaGraphExecDestroy(end()), cudaSuccess);
}

// Control.

TEST_F(stub_runtime, what_is_alive_is_counted) {
  const cudaStream_t stream = new_stream();
  const cudaEvent_t event = new_event();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  stub_cuda::census alive = stub_cuda::alive();
  EXPECT_EQ(alive.streams, 1);
  EXPECT_EQ(alive.events, 1);
  EXPECT_EQ(alive.graphs, 2);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  alive = stub_cuda::alive();
  EXPECT_EQ(alive.streams + alive.events + alive.graphs, 0);
}

TEST_F(stub_runtime, reset_forgets_all_but_the_number_of_calls) {
  const cudaStream_t stream = new_stream(), other = new_stream();
  const cudaEvent_t event = new_event();
  put(stream, 'a');
  EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(other, event, 0), cudaSuccess);
  on_device(1)[1] = 0;
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(cudaMalloc(nullptr, 1), cudaErrorInvalidValue);
  const long calls = stub_cuda::total_calls();
  stub_cuda::reset(1);
  EXPECT_EQ(stub_cuda::total_calls(), calls);
  EXPECT_EQ(ran, "");
  EXPECT_EQ(stub_cuda::calls(), 0);
  EXPECT_EQ(stub_cuda::damaged_guards(), 0);
  EXPECT_EQ(stub_cuda::alive().streams, 0);
  EXPECT_FALSE(stub_cuda::primary_context_made(0));
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(current_device(), 0);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(stub_cuda::total_calls(), calls + 4);
}

/// Something that makes several calls, each of which may fail.
cudaError_t make_and_free(cudaStream_t stream) {
  void* memory = nullptr;
  cudaError_t error = cudaMalloc(&memory, 1);
  if (error == cudaSuccess) error = launch(stream, [] {});
  if (error == cudaSuccess) error = cudaStreamSynchronize(stream);
  const cudaError_t freed = memory ? cudaFree(memory) : cudaSuccess;
  return error != cudaSuccess ? error : freed;
}

TEST_F(stub_runtime, each_call_can_be_made_to_fail_in_turn) {
  const cudaStream_t stream = new_stream();
  stub_cuda::fail_call(0, cudaSuccess);
  EXPECT_EQ(make_and_free(stream), cudaSuccess);
  EXPECT_EQ(stub_cuda::calls(), 4);
  EXPECT_EQ(stub_cuda::failed_call(), nullptr);
  const char* const names[] = {"cudaMalloc", "launch", "cudaStreamSynchronize", "cudaFree"};
  for (int nth = 1; nth <= 4; ++nth) {
    stub_cuda::fail_call(nth, cudaErrorUnknown);
    EXPECT_EQ(make_and_free(stream), cudaErrorUnknown);
    EXPECT_STREQ(stub_cuda::failed_call(), names[nth - 1]);
    EXPECT_EQ(cudaGetLastError(), cudaErrorUnknown);
    EXPECT_EQ(stub_cuda::alive().device_blocks, 0);
  }
  EXPECT_EQ(make_and_free(stream), cudaSuccess);
}

TEST_F(stub_runtime, all_calls_from_one_on_can_be_made_to_fail) {
  const cudaStream_t stream = new_stream();
  stub_cuda::fail_from(2, cudaErrorUnknown);
  EXPECT_EQ(make_and_free(stream), cudaErrorUnknown);
  EXPECT_STREQ(stub_cuda::failed_call(), "cudaFree");
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorUnknown);
  stub_cuda::fail_call(0, cudaSuccess);
  EXPECT_EQ(make_and_free(stream), cudaSuccess);
}

TEST_F(stub_runtime, a_failing_call_does_nothing_unless_it_gives_something_back) {
  const cudaStream_t stream = new_stream();
  stub_cuda::fail_call(1, cudaErrorUnknown);
  EXPECT_EQ(launch(stream, [this] { ran += 'a'; }), cudaErrorUnknown);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(ran, "");
  stub_cuda::fail_call(1, cudaErrorUnknown);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaErrorUnknown);
  EXPECT_EQ(stub_cuda::alive().streams, 0);
}

TEST_F(stub_runtime, one_call_can_be_made_to_fail_by_name) {
  stub_cuda::fail_named("cudaMalloc", cudaErrorMemoryAllocation);
  void* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, 1), cudaErrorMemoryAllocation);
  EXPECT_STREQ(stub_cuda::failed_call(), "cudaMalloc");
  EXPECT_EQ(cudaMalloc(&pointer, 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
  stub_cuda::fail_named(nullptr, cudaSuccess);
  EXPECT_EQ(cudaMalloc(&pointer, 1), cudaSuccess);
}

TEST_F(stub_runtime, driver_functions_can_be_made_to_fail_too) {
  auto* const retain = entry_point<decltype(cuDevicePrimaryCtxRetain)>("cuDevicePrimaryCtxRetain");
  CUcontext context = nullptr;
  stub_cuda::fail_call(1, cudaErrorMemoryAllocation);
  EXPECT_EQ(retain(&context, 0), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_STREQ(stub_cuda::failed_call(), "cuDevicePrimaryCtxRetain");
  EXPECT_FALSE(stub_cuda::primary_context_made(0));
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

}  // namespace
