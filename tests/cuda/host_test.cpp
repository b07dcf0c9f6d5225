// SPDX-License-Identifier: MIT
// The host side of the CUDA backend, as only the stub of the runtime can show it: which CUDA calls are made, what each
// leaves behind when it fails, whose device is current, and what waits for what.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <thread>

#include "cuda/device.h"
#include "cuda/emulated_kernels.h"
#include "cuda/stub_runtime.h"

namespace eplb::cuda_tests {
namespace {

bool operator==(const stub_cuda::census& a, const stub_cuda::census& b) {
  return a.device_blocks == b.device_blocks && a.host_blocks == b.host_blocks && a.streams == b.streams &&
         a.events == b.events && a.graphs == b.graphs;
}

class Host : public testing::Test {
 protected:
  void SetUp() override { stub_cuda::reset(); }
  void TearDown() override {
    stub_cuda::fail_call(0, cudaSuccess);
    stub_cuda::fail_named(nullptr, cudaSuccess);
    EXPECT_EQ(stub_cuda::damaged_guards(), 0);
    EXPECT_TRUE(stub_cuda::alive() == stub_cuda::census{}) << "something was not given back";
    EXPECT_EQ(stub_cuda::contexts_retained(), 0);
  }
};

const plan_shape global_shape{3, 12, 16, 1, 1, 4}, groups_shape{3, 12, 16, 4, 2, 8};

plan_case small_case(const plan_shape& shape = groups_shape, std::uint64_t seed = 1) {
  return case_of(shape, cases::all_rules(3)[7], seed);
}

std::size_t workspace_bytes(const plan_case& c, const eplb_options& options) {
  const eplb_shape shape = shape_of(c);
  std::size_t host = 0, cuda = 0;
  EXPECT_EQ(eplb_memory_needed(&shape, &options, &host, &cuda, nullptr), EPLB_SUCCESS);
  return cuda;
}

/// A planner whose workspace is not its own: cudaFree, which waits for the device, is not called when it is destroyed.
struct guest {
  plan_case c;
  eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  device_array<char> workspace{workspace_bytes(c, options)};
  session<> s{c, (options.workspace = workspace.data(), options.workspace_bytes = workspace.size(), options)};
};

/// Runs in a thread of its own, which has not touched CUDA yet.
template <class Body>
void on_a_fresh_thread(Body body) {
  std::thread(body).join();
}

/// Every call about a planner on its own stream, good and bad ones. Each says what it must answer.
struct named_call {
  const char* name;
  eplb_status expected;
  std::function<eplb_status()> make;
};

std::vector<named_call> calls_of(session<>& s) {
  const eplb_maps good = s.out.maps();
  eplb_maps narrow = good, on_host = good;
  narrow.max_replicas = 1;
  static std::int32_t host_memory[64], most;
  on_host.replica_rank = host_memory;
  const auto stats = std::make_shared<host_stats>(s.c.shape);
  eplb_input bad = s.input();
  bad.loads = host_memory;
  return {
      {"submit_async", EPLB_SUCCESS, [&s] { return s.submit_async(); }},
      {"submit_async of host memory", EPLB_ERROR_INVALID_ARGUMENT,
       [&s, bad] { return eplb_submit_weights_async(s.planner.get(), &bad, s.on, s.error); }},
      {"get_async", EPLB_SUCCESS, [&s, good] { return s.get_async(good); }},
      {"get_async into host memory", EPLB_ERROR_INVALID_ARGUMENT, [&s, on_host] { return s.get_async(on_host); }},
      {"poll", EPLB_NOT_READY, [&s] { return s.poll(); }},
      {"submit", EPLB_SUCCESS, [&s] { return s.submit(); }},
      {"get", EPLB_SUCCESS, [&s, good] { return s.get(good); }},
      {"get, too narrow", EPLB_ERROR_BUFFER_TOO_SMALL, [&s, narrow] { return s.get(narrow); }},
      {"get_max_replica_count", EPLB_SUCCESS,
       [&s] { return eplb_get_max_replica_count(s.planner.get(), &most, s.error); }},
      {"get_stats", EPLB_SUCCESS, [&s, stats] { return s.get_stats(*stats); }},
      {"poll", EPLB_SUCCESS, [&s] { return s.poll(); }},
  };
}

/// A case whose plan has more than one replica of some expert.
plan_case replicating_case(const plan_shape& shape = groups_shape) {
  plan_case c = small_case(shape);
  c.loads = cases::make_loads(cases::load_kinds()[6], shape, 1);
  return c;
}

TEST_F(Host, TheCpuMakesNoCudaCall) {
  const plan_case c = small_case();
  const eplb_shape shape = shape_of(c);
  const eplb_options options = cpu_options(c), on_cuda = cuda_options(c, EPLB_MEMORY_CUDA);
  const eplb_input input = input_of(c);
  host_maps<std::int32_t> out(c.shape);
  const eplb_maps maps = out.maps();
  host_stats stats(c.shape);
  std::size_t host = 0, cuda = 0;
  std::int32_t most = 0;
  char text[100];
  const long before = stub_cuda::total_calls();
  {
    const context planner = make_context(shape, options);
    EXPECT_EQ(eplb_submit_weights(planner.get(), &input, nullptr), EPLB_SUCCESS);
    EXPECT_EQ(eplb_get_maps(planner.get(), &maps, nullptr), EPLB_SUCCESS);
    EXPECT_EQ(eplb_get_stats(planner.get(), &stats.stats, nullptr), EPLB_SUCCESS);
    EXPECT_EQ(eplb_get_max_replica_count(planner.get(), &most, nullptr), EPLB_SUCCESS);
    EXPECT_EQ(eplb_submit_weights_async(planner.get(), &input, nullptr, nullptr), EPLB_ERROR_INVALID_STATE);
    EXPECT_EQ(eplb_poll(planner.get(), nullptr), EPLB_ERROR_INVALID_STATE);
  }
  EXPECT_EQ(eplb_rebalance_experts(&shape, nullptr, &input, &maps, &stats.stats, nullptr), EPLB_SUCCESS);
  EXPECT_EQ(eplb_check_placement(&shape, &maps, 0, nullptr), EPLB_SUCCESS);
  EXPECT_EQ(eplb_score_placement(&shape, &input, &maps, &stats.stats, nullptr), EPLB_SUCCESS);
  EXPECT_EQ(eplb_replicate_experts(&shape, nullptr, &input, &maps, nullptr), EPLB_SUCCESS);
  for (const eplb_options& each : {options, on_cuda, cuda_options(c, EPLB_MEMORY_HOST)})
    EXPECT_EQ(eplb_memory_needed(&shape, &each, &host, &cuda, nullptr), EPLB_SUCCESS);
  EXPECT_EQ(eplb_backend_available(EPLB_BACKEND_CPU, nullptr), EPLB_SUCCESS);
  EXPECT_EQ(eplb_backend_available(EPLB_BACKEND_AUTO, nullptr), EPLB_SUCCESS);
  EXPECT_EQ(eplb_device_count(EPLB_BACKEND_CPU), 1);
  EXPECT_EQ(eplb_device_describe(EPLB_BACKEND_CPU, 0, text, sizeof text, nullptr), EPLB_SUCCESS);
  EXPECT_STREQ(eplb_backend_name(EPLB_BACKEND_CUDA), "cuda");
  EXPECT_NE(eplb_strategy_name(1), nullptr);
  EXPECT_NE(eplb_build_info(), nullptr);
  EXPECT_EQ(eplb_version(), EPLB_VERSION);
  // What is refused before a device is looked for.
  eplb_context* planner = nullptr;
  eplb_shape impossible = shape;
  impossible.num_gpus = 7;
  EXPECT_EQ(eplb_create(&impossible, &on_cuda, &planner, nullptr), EPLB_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(eplb_rebalance_experts(&shape, &on_cuda, &input, &maps, nullptr, nullptr), EPLB_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(stub_cuda::total_calls(), before);
}

TEST_F(Host, WithoutADriverOrADevice) {
  const plan_case c = small_case();
  const eplb_shape shape = shape_of(c);
  last_error error;
  for (const char* missing : {"driver", "device"}) {
    stub_cuda::reset(0);
    stub_cuda::set_no_driver(std::string(missing) == "driver");
    for (const std::int32_t memory : {EPLB_MEMORY_HOST, EPLB_MEMORY_CUDA}) {
      const eplb_options options = cuda_options(c, memory);
      eplb_context* planner = nullptr;
      EXPECT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_ERROR_UNAVAILABLE);
      EXPECT_NE(error.text().find(std::string("no CUDA ") + missing), std::string::npos) << error.text();
      EXPECT_EQ(planner, nullptr);
      std::size_t host = 0, cuda = 0;
      EXPECT_EQ(eplb_memory_needed(&shape, &options, &host, &cuda, error), EPLB_SUCCESS) << error.text();
      EXPECT_GT(cuda, 0u);
    }
    EXPECT_EQ(eplb_backend_available(EPLB_BACKEND_CUDA, error), EPLB_ERROR_UNAVAILABLE);
    EXPECT_NE(error.text().find(std::string("no CUDA ") + missing), std::string::npos) << error.text();
    EXPECT_EQ(eplb_device_count(EPLB_BACKEND_CUDA), 0);
    EXPECT_FALSE(plan_on_cpu<std::int32_t>(c, c.loads) == host_maps<std::int32_t>(c.shape));
  }
  stub_cuda::reset(2);
  eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  eplb_context* planner = nullptr;
  options.device = 5;
  EXPECT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_ERROR_UNAVAILABLE);
  EXPECT_NE(error.text().find("options.device is 5, but the number of CUDA devices is 2"), std::string::npos)
      << error.text();
}

TEST_F(Host, ADeviceThatThereIsNoCodeFor) {
  const plan_case c = small_case();
  const eplb_shape shape = shape_of(c);
  const eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  last_error error;
  eplb_context* planner = nullptr;
  for (const cudaError_t result : {cudaErrorNoKernelImageForDevice, cudaErrorInvalidDeviceFunction}) {
    set_load_result(result);
    EXPECT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_ERROR_UNAVAILABLE);
    EXPECT_NE(error.text().find("has no code for "), std::string::npos) << error.text();
    EXPECT_EQ(planner, nullptr);
  }
  set_load_result(cudaSuccess);
  ASSERT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_SUCCESS) << error.text();
  eplb_destroy(planner);
}

TEST_F(Host, NothingIsMadeAfterCreate) {
  for (const plan_case& c : {replicating_case(global_shape), replicating_case(), placed_case(groups_shape)}) {
    session<> s(c);
    const stub_cuda::census before = stub_cuda::alive();
    const std::size_t bytes = stub_cuda::device_bytes();
    for (int i = 0; i < 20; ++i)
      for (const named_call& call : calls_of(s)) {
        EXPECT_EQ(call.make(), call.expected) << call.name << ": " << s.text();
        EXPECT_TRUE(stub_cuda::alive() == before) << call.name;
        EXPECT_EQ(stub_cuda::device_bytes(), bytes) << call.name;
      }
  }
}

TEST_F(Host, AsynchronousCallsMayBeCapturedFromTheFirst) {
  // With a plan of a submit that blocked, too.
  for (const bool planned_before : {false, true}) {
    session<> s(small_case());
    if (planned_before) {
      ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
    }
    const graph gets(s.on, [&] {
      if (planned_before) {
        EXPECT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
      }
      EXPECT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
      EXPECT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
      s.poll();
    });
    EXPECT_TRUE(s.out.is_unwritten());
    gets.launch(s.on);
    EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
    EXPECT_TRUE(s.out.read() == s.expected());
  }
}

TEST_F(Host, ARefusedCallLeavesACaptureAsItIs) {
  session<> s(small_case()), fresh(small_case());
  std::int32_t host_memory[64] = {};
  eplb_maps maps = s.out.maps();
  maps.replica_rank = host_memory;
  const graph empty(s.on, [&] {
    EXPECT_EQ(fresh.get_async(), EPLB_ERROR_INVALID_STATE) << fresh.text();
    EXPECT_EQ(fresh.poll(), EPLB_ERROR_INVALID_STATE) << fresh.text();
    EXPECT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
    EXPECT_EQ(s.get_async(maps), EPLB_ERROR_INVALID_ARGUMENT) << s.text();
  });
}

TEST_F(Host, OthersMayCaptureWhileWorkIsEnqueued) {
  session<> s(small_case());
  const stream other;
  const graph empty(other, [&] {
    ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
    ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
    EXPECT_EQ(s.poll(), EPLB_NOT_READY);
  });
  EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
  EXPECT_TRUE(s.out.read() == s.expected());
}

TEST_F(Host, NothingIsCreatedDuringACapture) {
  const plan_case c = small_case();
  const eplb_shape shape = shape_of(c);
  last_error error;
  for (const std::int32_t memory : {EPLB_MEMORY_HOST, EPLB_MEMORY_CUDA}) {
    const eplb_options options = cuda_options(c, memory);
    const stream s;
    const stub_cuda::census before = stub_cuda::alive();
    EXPECT_CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    eplb_context* planner = nullptr;
    EXPECT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_ERROR_CUDA);
    EXPECT_NE(error.text().find("capturing"), std::string::npos) << error.text();
    EXPECT_EQ(planner, nullptr);
    cudaGraph_t broken = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(s, &broken), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
    EXPECT_TRUE(stub_cuda::alive() == before);
  }
}

// Devices.

/// Expects a call to leave the thread's device, its contexts and its last error as they were.
template <class Call>
void expect_no_trace(const char* name, Call call) {
  const int depth = stub_cuda::context_depth();
  int before = -1, after = -1;
  EXPECT_CUDA(cudaGetDevice(&before));
  call();
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << name;
  EXPECT_CUDA(cudaGetDevice(&after));
  EXPECT_EQ(before, after) << name;
  EXPECT_EQ(stub_cuda::context_depth(), depth) << name;
}

TEST_F(Host, TheCurrentDeviceStays) {
  for (const int device : {0, 1})
    for (const int current : {0, 1}) {
      SCOPED_TRACE("context on " + std::to_string(device) + ", current " + std::to_string(current));
      plan_case c = replicating_case();
      eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
      options.device = device;
      EXPECT_CUDA(cudaSetDevice(device));
      session<> s(c, options);
      EXPECT_CUDA(cudaSetDevice(current));
      for (const named_call& call : calls_of(s))
        expect_no_trace(call.name, [&] { EXPECT_EQ(call.make(), call.expected) << call.name << ": " << s.text(); });
      expect_no_trace("create", [&] {
        const context another = make_context(shape_of(c), options);
        expect_no_trace("destroy", [&] { eplb_destroy(s.planner.release()); });
      });
      s.planner = nullptr;
      EXPECT_CUDA(cudaSetDevice(device));
    }
}

TEST_F(Host, AFreshThreadStaysFresh) {
  const plan_case c = replicating_case();
  eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  options.device = 1;
  std::unique_ptr<session<>> s;
  on_a_fresh_thread([&] {
    EXPECT_CUDA(cudaSetDevice(1));  // for the buffers
    s = std::make_unique<session<>>(c, options);
  });
  on_a_fresh_thread([&] {
    const auto with = [&](const char* name, auto call) {
      expect_no_trace(name, call);
      EXPECT_EQ(stub_cuda::context_depth(), 0) << name;
      EXPECT_FALSE(stub_cuda::primary_context_made(0)) << name;
    };
    for (const named_call& call : calls_of(*s))
      with(call.name, [&] { EXPECT_EQ(call.make(), call.expected) << call.name << ": " << s->text(); });
    for (const std::int32_t memory : {EPLB_MEMORY_HOST, EPLB_MEMORY_CUDA})
      with("create", [&] {
        eplb_options other = cuda_options(c, memory);
        other.device = 1;
        const context another = make_context(shape_of(c), other);
        if (memory == EPLB_MEMORY_CUDA) return;
        const eplb_input input = input_of(c);
        host_maps<std::int32_t> out(c.shape);
        const eplb_maps maps = out.maps();
        EXPECT_EQ(eplb_submit_weights(another.get(), &input, nullptr), EPLB_SUCCESS);
        EXPECT_EQ(eplb_get_maps(another.get(), &maps, nullptr), EPLB_SUCCESS);
      });
    with("backend_available", [] { EXPECT_EQ(eplb_backend_available(EPLB_BACKEND_CUDA, nullptr), EPLB_SUCCESS); });
    with("device_count", [] { EXPECT_EQ(eplb_device_count(EPLB_BACKEND_CUDA), 2); });
    with("describe", [] {
      char text[100];
      EXPECT_EQ(eplb_device_describe(EPLB_BACKEND_CUDA, 1, text, sizeof text, nullptr), EPLB_SUCCESS);
    });
    with("destroy", [&] { eplb_destroy(s->planner.release()); });
  });
  on_a_fresh_thread([&] {
    EXPECT_CUDA(cudaSetDevice(1));
    s = nullptr;
  });
}

TEST_F(Host, WhatIsOfTheOtherDeviceIsRefusedByName) {
  session<> s(placed_case(groups_shape));  // on device 0
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  EXPECT_CUDA(cudaSetDevice(1));
  {
    const stream elsewhere;
    const device_array<std::int32_t> memory(1000);
    const auto expect_refusal = [&](const char* words, eplb_status status) {
      EXPECT_EQ(status, EPLB_ERROR_INVALID_ARGUMENT) << words;
      EXPECT_NE(s.text().find(words), std::string::npos) << s.text();
      EXPECT_NE(s.text().find("another CUDA device"), std::string::npos) << s.text();
      s.error = {};
    };
    eplb_input input = s.input();
    expect_refusal("stream", eplb_submit_weights_async(s.planner.get(), &input, elsewhere, s.error));
    eplb_maps maps = s.out.maps();
    expect_refusal("stream", eplb_get_maps_async(s.planner.get(), &maps, elsewhere, s.error));
    input.loads = memory.data();
    expect_refusal("input.loads", eplb_submit_weights(s.planner.get(), &input, s.error));
    expect_refusal("input.loads", eplb_submit_weights_async(s.planner.get(), &input, s.on, s.error));
    input = s.input();
    input.current = memory.data();
    expect_refusal("input.current", eplb_submit_weights(s.planner.get(), &input, s.error));
    expect_refusal("input.current", eplb_submit_weights_async(s.planner.get(), &input, s.on, s.error));
    const struct {
      const char* name;
      void* eplb_maps::*field;
    } fields[] = {{"maps.physical_to_logical", &eplb_maps::physical_to_logical},
                  {"maps.replica_rank", &eplb_maps::replica_rank},
                  {"maps.replica_count", &eplb_maps::replica_count},
                  {"maps.logical_to_physical", &eplb_maps::logical_to_physical}};
    for (const auto& [name, field] : fields) {
      maps = s.out.maps();
      maps.*field = memory.data();
      expect_refusal(name, s.get(maps));
      expect_refusal(name, s.get_async(maps));
    }
  }
  EXPECT_CUDA(cudaSetDevice(0));
  EXPECT_TRUE(s.out.is_unwritten());
  s.expect_plan();
}

TEST_F(Host, AWorkspaceElsewhereIsRefusedByName) {
  const plan_case c = small_case();
  const eplb_shape shape = shape_of(c);
  eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  const std::size_t bytes = workspace_bytes(c, options);
  last_error error;
  std::vector<char> on_host(bytes);
  EXPECT_CUDA(cudaSetDevice(1));
  const device_array<char> elsewhere(bytes);
  options.device = 0;
  options.workspace_bytes = bytes;
  for (void* const workspace : {static_cast<void*>(on_host.data()), static_cast<void*>(elsewhere.data())}) {
    options.workspace = workspace;
    eplb_context* planner = nullptr;
    EXPECT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(error.text().find("workspace"), std::string::npos) << error.text();
    eplb_destroy(planner);
  }
}

// Failures.

bool gives_back(const char* call) { return call && std::string(call) == "cuCtxPopCurrent"; }

/// What a CUDA call that fails may become, and whether the message names it.
void expect_answer(eplb_status status, const std::string& text) {
  const char* const failed = stub_cuda::failed_call();
  ASSERT_NE(failed, nullptr);
  if (gives_back(failed)) return;  // which changes nothing
  EXPECT_TRUE(status == EPLB_ERROR_CUDA || status == EPLB_ERROR_UNAVAILABLE || status == EPLB_ERROR_OUT_OF_MEMORY)
      << status << ": " << text;
  // Functions of the driver are looked for by name.
  const std::string name = std::string(failed) == "cudaGetDriverEntryPointByVersion" ? "cuCtx" : failed;
  if (status == EPLB_ERROR_CUDA) {
    EXPECT_TRUE(text.find(name) != std::string::npos || text.find("cuDevicePrimaryCtx") != std::string::npos)
        << failed << ": " << text;
  }
}

TEST_F(Host, CreateSurvivesEveryCallThatFails) {
  const plan_case c = small_case();
  const eplb_shape shape = shape_of(c);
  on_a_fresh_thread([&] {
    for (const std::int32_t memory : {EPLB_MEMORY_HOST, EPLB_MEMORY_CUDA}) {
      eplb_options options = cuda_options(c, memory);
      options.device = 1;
      int allocations = 0;
      options.user = &allocations;
      options.alloc_fn = [](void* user, std::size_t size) {
        ++*static_cast<int*>(user);
        return std::malloc(size);
      };
      options.free_fn = [](void* user, void* block) {
        --*static_cast<int*>(user);
        std::free(block);
      };
      stub_cuda::fail_call(0, cudaSuccess);
      context working = make_context(shape, options);
      const int calls = stub_cuda::calls();
      ASSERT_GT(calls, 10);
      working = nullptr;
      for (const cudaError_t reason : {cudaErrorUnknown, cudaErrorMemoryAllocation})
        for (int nth = 1; nth <= calls; ++nth) {
          SCOPED_TRACE("call " + std::to_string(nth) + " of eplb_create, error " + std::to_string(reason));
          last_error error;
          eplb_context* planner = nullptr;
          stub_cuda::reset();
          stub_cuda::fail_call(nth, reason);
          const eplb_status status = eplb_create(&shape, &options, &planner, error);
          SCOPED_TRACE(stub_cuda::failed_call() ? stub_cuda::failed_call() : "none");
          expect_answer(status, error.text());
          stub_cuda::fail_call(0, cudaSuccess);
          EXPECT_EQ(planner == nullptr, status != EPLB_SUCCESS);
          EXPECT_EQ(cudaGetLastError(), cudaSuccess);
          eplb_destroy(planner);
          EXPECT_EQ(stub_cuda::contexts_retained(), 0);
          EXPECT_EQ(stub_cuda::context_depth(), 0);
          EXPECT_FALSE(stub_cuda::primary_context_made(0));
          EXPECT_TRUE(stub_cuda::alive() == stub_cuda::census{});
          EXPECT_EQ(allocations, 0);
        }
    }
  });
}

TEST_F(Host, MemoryOfTheHostThatCannotBeHad) {
  const plan_case c = small_case();
  const eplb_shape shape = shape_of(c);
  const eplb_input input = input_of(c);
  host_maps<std::int32_t> out(c.shape);
  const eplb_maps maps = out.maps();
  for (const bool throws : {false, true}) {
    eplb_options options = cuda_options(c, EPLB_MEMORY_HOST);
    options.alloc_fn = throws ? [](void*, std::size_t) -> void* { throw std::bad_alloc(); }
                              : [](void*, std::size_t) -> void* { return nullptr; };
    options.free_fn = [](void*, void*) { FAIL() << "nothing was given"; };
    eplb_context* planner = nullptr;
    const long before = stub_cuda::total_calls();
    EXPECT_EQ(eplb_create(&shape, &options, &planner, nullptr), EPLB_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(eplb_rebalance_experts(&shape, &options, &input, &maps, nullptr, nullptr), EPLB_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(stub_cuda::total_calls(), before);
    EXPECT_EQ(planner, nullptr);
    EXPECT_TRUE(out == host_maps<std::int32_t>(c.shape));
  }
}

TEST_F(Host, MemoryOfTheDeviceThatCannotBeHad) {
  const plan_case c = small_case();
  const eplb_shape shape = shape_of(c);
  const eplb_options options = cuda_options(c, EPLB_MEMORY_CUDA);
  eplb_context* planner = nullptr;
  last_error error;
  stub_cuda::fail_named("cudaMalloc", cudaErrorMemoryAllocation);
  EXPECT_EQ(eplb_create(&shape, &options, &planner, error), EPLB_ERROR_OUT_OF_MEMORY);
  const std::string bytes = std::to_string(workspace_bytes(c, options));
  EXPECT_NE(error.text().find(bytes + " bytes of memory of CUDA device 0"), std::string::npos) << error.text();
}

void keep_loads(session<>&) {}
void spoil_loads(session<>& s) {
  std::vector<float> loads = s.c.loads;
  loads[7] = -1;
  s.loads.write(loads);
}

/// The same problem with other loads, and from another placement if from any, which makes another plan.
plan_case swapped(const plan_case& c) {
  plan_case other = c;
  std::reverse(other.loads.begin(), other.loads.end());
  if (!c.current.empty())
    std::rotate(other.current.begin(), other.current.begin() + other.shape.slots, other.current.end());
  const plan_answer<std::int32_t> answer = answer_of_cpu(other);
  EXPECT_EQ(answer.status, EPLB_SUCCESS) << answer.text;
  EXPECT_FALSE(answer.maps == answer_of_cpu(c).maps);
  return other;
}
void swap_experts(session<>& s) { s.put(swapped(s.c)); }

/// Too many slots to fill.
void empty_slots(session<>& s) {
  plan_case bad = s.c;
  std::fill_n(bad.current.begin(), bad.max_changes + 1, -1);
  EXPECT_EQ(answer_of_cpu(bad).status, EPLB_ERROR_INVALID_PLACEMENT);
  s.put(bad);
}

/// Fails each CUDA call of each call in turn, by itself and with all after it, and expects the plan to be what it was
/// and the next submit to work.
void fail_in_turn(
    const char* name, const plan_case& c, void (*prepare)(session<>&),
    const std::function<eplb_status(session<>&)>& call,
    const std::function<bool(session<>&, const std::string& failed)>& is_untouched =
        [](session<>&, const std::string&) { return true; }) {
  int calls = 1;
  eplb_status unharmed = EPLB_SUCCESS;
  for (const bool lost : {false, true})
    for (int nth = lost ? 1 : 0; nth <= calls && !testing::Test::HasFailure(); ++nth) {
      session<> s(c);
      ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
      EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
      prepare(s);
      const stub_cuda::census before = stub_cuda::alive();
      lost ? stub_cuda::fail_from(nth, cudaErrorUnknown) : stub_cuda::fail_call(nth, cudaErrorUnknown);
      const eplb_status status = call(s);
      const std::string failed = stub_cuda::failed_call() ? stub_cuda::failed_call() : "none";
      SCOPED_TRACE(std::string(name) + ", call " + std::to_string(nth) + (lost ? " to " : ", ") + failed);
      if (nth == 0) {
        calls = stub_cuda::calls();
        unharmed = status;
        continue;
      }
      if (!lost) expect_answer(status, s.text());
      if (lost && status != unharmed) {
        EXPECT_EQ(status, EPLB_ERROR_CUDA) << s.text();
        EXPECT_EQ(s.get(), EPLB_ERROR_CUDA) << s.text();
      }
      stub_cuda::fail_call(0, cudaSuccess);
      EXPECT_EQ(cudaGetLastError(), cudaSuccess);
      EXPECT_TRUE(stub_cuda::alive() == before);
      EXPECT_EQ(stub_cuda::context_depth(), 1);
      EXPECT_CUDA(cudaDeviceSynchronize());  // whatever was enqueued all the same
      if (status != EPLB_SUCCESS) {
        EXPECT_TRUE(lost || is_untouched(s, failed));
        EXPECT_NE(s.poll(), EPLB_NOT_READY) << "for ever";
        s.expect_plan();
      }
      s.put(s.c);
      ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
      ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
      EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
      EXPECT_TRUE(s.out.read() == s.expected());
      ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
      s.expect_plan();
    }
}

TEST_F(Host, SubmitsSurviveEveryCallThatFails) {
  for (const plan_case& c : {replicating_case(global_shape), replicating_case()})
    for (const auto prepare : {swap_experts, spoil_loads}) {
      fail_in_turn("submit_async", c, prepare, [](session<>& s) { return s.submit_async(); });
      fail_in_turn("submit", c, prepare, [](session<>& s) { return s.submit(); });
    }
}

TEST_F(Host, SearchesSurviveEveryCallThatFails) {
  struct {
    plan_case c;
    int launches;  // of the search, once more where a budget is shared, and two before it where groups are placed
  } all[] = {{placed_case(global_shape), 2}, {placed_case(groups_shape), 4}, {placed_case(global_shape), 1}};
  all[2].c.max_changes = -1;
  all[2].c.max_changes_per_layer = 6;
  for (const auto& [c, launches] : all)
    for (const auto prepare : {swap_experts, spoil_loads, empty_slots}) {
      if (prepare == empty_slots && c.max_changes < 0) continue;
      for (const bool async : {true, false}) {
        int failed_launches = 0;
        const auto submit = [&](session<>& s) {
          const eplb_status status = async ? s.submit_async() : s.submit();
          const char* const failed = stub_cuda::failed_call();
          failed_launches += failed && std::string(failed) == "launch" ? 1 : 0;
          return status;
        };
        fail_in_turn(async ? "submit_async" : "submit", c, prepare, submit);
        if (!HasFailure()) {
          EXPECT_EQ(failed_launches, launches);
        }
      }
    }
}

TEST_F(Host, GetsSurviveEveryCallThatFails) {
  // What fails after the launch cannot take it back.
  const auto unwritten = [](session<>& s, const std::string& failed) {
    return s.out.is_unwritten() || failed == "cudaEventRecord" || failed == "cudaStreamSynchronize";
  };
  fail_in_turn(
      "get_async", replicating_case(global_shape), keep_loads, [](session<>& s) { return s.get_async(); }, unwritten);
  fail_in_turn(
      "get", replicating_case(global_shape), keep_loads, [](session<>& s) { return s.get(); }, unwritten);
  std::int32_t most = 0;
  fail_in_turn(
      "get_max_replica_count", replicating_case(global_shape), keep_loads,
      [&](session<>& s) { return eplb_get_max_replica_count(s.planner.get(), &(most = -7), s.error); },
      [&](session<>&, const std::string&) { return most == -7; });
  host_stats stats(global_shape);
  fail_in_turn(
      "get_stats", replicating_case(global_shape), keep_loads,
      [&](session<>& s) { return s.get_stats(stats = host_stats(global_shape)); },
      [&](session<>&, const std::string&) { return stats == host_stats(global_shape); });
}

void expect_host_memory_to_survive(const plan_case& c) {
  const plan_case other = swapped(c);
  const host_maps<std::int32_t> expected = answer_of_cpu(c).maps, unwritten(c.shape);
  const eplb_input input = input_of(c), later = input_of(other);
  for (const bool get : {false, true}) {
    int calls = 1;
    for (int nth = 0; nth <= calls && !testing::Test::HasFailure(); ++nth) {
      const context planner = make_context(shape_of(c), cuda_options(c, EPLB_MEMORY_HOST));
      host_maps<std::int32_t> out(c.shape);
      const eplb_maps maps = out.maps();
      last_error error;
      ASSERT_EQ(eplb_submit_weights(planner.get(), &input, error), EPLB_SUCCESS) << error.text();
      stub_cuda::fail_call(nth, cudaErrorUnknown);
      const eplb_status status =
          get ? eplb_get_maps(planner.get(), &maps, error) : eplb_submit_weights(planner.get(), &later, error);
      SCOPED_TRACE((get ? "get, call " : "submit, call ") + std::to_string(nth) + " " +
                   (stub_cuda::failed_call() ? stub_cuda::failed_call() : "none"));
      if (nth == 0) {
        calls = stub_cuda::calls();
        continue;
      }
      expect_answer(status, error.text());
      stub_cuda::fail_call(0, cudaSuccess);
      if (status != EPLB_SUCCESS) {
        EXPECT_TRUE(out == unwritten);
      }
      EXPECT_EQ(eplb_get_maps(planner.get(), &maps, error), EPLB_SUCCESS) << error.text();
      EXPECT_TRUE(out == (get || status != EPLB_SUCCESS ? expected : answer_of_cpu(other).maps));
      EXPECT_EQ(eplb_submit_weights(planner.get(), &input, error), EPLB_SUCCESS) << error.text();
    }
  }
}

TEST_F(Host, HostMemorySurvivesEveryCallThatFails) {
  expect_host_memory_to_survive(replicating_case());
  expect_host_memory_to_survive(placed_case(groups_shape));
}

/// What remains enqueued of a call that failed halfway must not outlive the context either.
void expect_destroy_to_come_after(const plan_case& c) {
  for (const bool async : {true, false}) {
    int calls = 1;
    for (int nth = 0; nth <= calls; ++nth) {
      guest g{c};
      stub_cuda::fail_call(nth, cudaErrorUnknown);
      const eplb_status status = async ? g.s.submit_async() : g.s.submit();
      if (nth == 0) calls = stub_cuda::calls();
      SCOPED_TRACE("call " + std::to_string(nth) + " " +
                   (stub_cuda::failed_call() ? stub_cuda::failed_call() : "none"));
      EXPECT_EQ(status != EPLB_SUCCESS, nth != 0 && !gives_back(stub_cuda::failed_call())) << g.s.text();
      stub_cuda::fail_call(0, cudaSuccess);
      g.s.planner = nullptr;
      EXPECT_CUDA(cudaStreamQuery(g.s.on));
    }
  }
}

TEST_F(Host, DestroyAfterEveryCallThatFails) {
  expect_destroy_to_come_after(small_case());
  expect_destroy_to_come_after(placed_case(groups_shape));
}

TEST_F(Host, DestroySurvivesEveryCallThatFails) {
  int calls = 1;
  for (int nth = 0; nth <= calls; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth) + " of eplb_destroy");
    const auto destroy = [nth] {
      session<> s(small_case());
      EXPECT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
      if (nth > 0) s.on.wait();  // nothing runs on a device that is lost
      stub_cuda::fail_call(nth, cudaErrorUnknown);
      s.planner = nullptr;
      const int made = stub_cuda::calls();
      stub_cuda::fail_call(0, cudaSuccess);
      return made;
    };
    if (nth == 0) calls = destroy();
    // As when the driver has shut down before: nothing can be given back, but the process must go on.
    EXPECT_EXIT((destroy(), std::_Exit(3)), testing::ExitedWithCode(3), "");
  }
}

// Order.

TEST_F(Host, PollWaitsForNothing) {
  session<> s(small_case());
  EXPECT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  EXPECT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
  const long before = stub_cuda::total_calls();
  EXPECT_EQ(s.poll(), EPLB_NOT_READY);
  on_a_fresh_thread([&] { EXPECT_EQ(s.poll(), EPLB_NOT_READY); });
  EXPECT_EQ(stub_cuda::total_calls(), before);
  EXPECT_TRUE(s.out.is_unwritten());
  s.on.wait();
  const long after = stub_cuda::total_calls();
  EXPECT_EQ(s.poll(), EPLB_SUCCESS);
  on_a_fresh_thread([&] { EXPECT_EQ(s.poll(), EPLB_SUCCESS); });
  EXPECT_EQ(stub_cuda::total_calls(), after);
  EXPECT_TRUE(s.out.read() == s.expected());
  EXPECT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  EXPECT_EQ(s.poll(), EPLB_NOT_READY) << "the next submit makes the outcome of the last one an old one";
  s.on.wait();
}

TEST_F(Host, CallsOfAContextKeepTheirOrderOnAnyStreams) {
  session<> s(small_case());
  const stream other, unrelated;
  session<> bystander(small_case());
  EXPECT_EQ(bystander.submit_async(), EPLB_SUCCESS);
  const eplb_maps maps = s.out.maps();
  for (int round = 0; round < 3; ++round) {
    const cudaStream_t second = round == 1 ? cudaStream_t{} : cudaStream_t{other};
    s.c = small_case(groups_shape, static_cast<std::uint64_t>(round));
    s.loads.write(s.c.loads);
    s.out.clear();
    ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
    ASSERT_EQ(eplb_get_maps_async(s.planner.get(), &maps, second, s.error), EPLB_SUCCESS);
    unrelated.wait();
    EXPECT_EQ(s.poll(), EPLB_NOT_READY);
    EXPECT_CUDA(cudaStreamSynchronize(second));
    EXPECT_EQ(s.poll(), EPLB_SUCCESS) << s.text();
    EXPECT_TRUE(s.out.read() == s.expected());
  }
  // A call that blocks comes after what is enqueued.
  s.c = small_case(groups_shape, 77);
  s.loads.write(s.c.loads);
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  s.expect_plan();
  EXPECT_EQ(s.poll(), EPLB_SUCCESS);
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  s.c = small_case(groups_shape, 78);
  const device_array<float> later(s.c.loads);
  eplb_input input = s.input();
  input.loads = later.data();
  ASSERT_EQ(eplb_submit_weights(s.planner.get(), &input, s.error), EPLB_SUCCESS) << s.text();
  s.expect_plan();
  EXPECT_EQ(bystander.poll(), EPLB_NOT_READY) << "contexts do not wait for each other";
  bystander.on.wait();
}

TEST_F(Host, DestroyComesAfterTheWork) {
  guest g{small_case()};
  session<>& s = g.s;
  EXPECT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  EXPECT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
  s.planner = nullptr;
  EXPECT_CUDA(cudaStreamQuery(s.on));
  EXPECT_TRUE(s.out.read() == s.expected());
}

TEST_F(Host, DestroyGivesEverythingBack) {
  session<> s(small_case());
  const graph plan(s.on, [&] { EXPECT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text(); });
  plan.launch(s.on);
  s.on.wait();  // which is the caller's to see to
  const stub_cuda::census before = stub_cuda::alive();
  const int retained = stub_cuda::contexts_retained();
  s.planner = nullptr;
  const stub_cuda::census after = stub_cuda::alive();
  EXPECT_EQ(before.device_blocks - after.device_blocks, 1);
  EXPECT_EQ(before.host_blocks - after.host_blocks, 1);
  EXPECT_EQ(before.streams - after.streams, 1);
  EXPECT_EQ(before.events - after.events, 1);
  EXPECT_EQ(retained - stub_cuda::contexts_retained(), 1);
}

TEST_F(Host, PollsWhileAnotherThreadPlans) {
  std::int32_t calls = 0;  // every third one cancels
  eplb_options options = cuda_options(small_case(), EPLB_MEMORY_CUDA);
  options.user = &calls;
  options.progress_fn = [](void* user, std::int64_t, std::int64_t) -> std::int32_t {
    return ++*static_cast<std::int32_t*>(user) % 3 == 0;
  };
  session<> s(small_case(), options);
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  std::atomic<bool> stop{false};
  std::thread poller([&] {
    last_error error;
    while (!stop) {
      const eplb_status status = eplb_poll(s.planner.get(), error);
      EXPECT_TRUE(status == EPLB_SUCCESS || status == EPLB_NOT_READY || status == EPLB_ERROR_INVALID_LOAD)
          << error.text();
      if (status == EPLB_ERROR_INVALID_LOAD) {
        EXPECT_NE(error.text().find("layer 0, expert 7 is -1;"), std::string::npos) << error.text();
      }
    }
  });
  for (int i = 0; i < 60; ++i) {
    if (i % 4 == 2)
      spoil_loads(s);
    else
      s.loads.write(s.c.loads);
    const eplb_status status = s.submit();
    EXPECT_TRUE(status == EPLB_SUCCESS || status == EPLB_ERROR_CANCELLED || status == EPLB_ERROR_INVALID_LOAD);
    ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
    ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
    s.on.wait();
  }
  stop = true;
  poller.join();
}

TEST_F(Host, ThreadsWithContextsOfTheirOwnAndOneInCommon) {
  session<> common(small_case());
  ASSERT_EQ(common.submit(), EPLB_SUCCESS) << common.text();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&common, t] {
      const eplb_input input = common.input();
      for (int round = 0; round < 10; ++round) {
        session<> own(t % 2 == 0 ? placed_case(groups_shape) : small_case(groups_shape, static_cast<std::uint64_t>(t)));
        ASSERT_EQ(round % 2 == 0 ? own.submit_async() : own.submit(), EPLB_SUCCESS) << own.text();
        own.expect_plan();
        const eplb_status status = eplb_submit_weights(common.planner.get(), &input, own.error);
        EXPECT_TRUE(status == EPLB_SUCCESS || status == EPLB_ERROR_INVALID_STATE) << own.text();
      }
    });
  for (std::thread& thread : threads) thread.join();
  common.expect_plan();
}

TEST_F(Host, ACallbackMayUseAnyContextButItsOwn) {
  struct visit {
    eplb_context* own;
    session<>* other;
    int calls;
  } seen{nullptr, nullptr, 0};
  eplb_options options = cuda_options(small_case(), EPLB_MEMORY_CUDA);
  options.user = &seen;
  options.progress_fn = [](void* user, std::int64_t, std::int64_t) -> std::int32_t {
    auto& [own, other, calls] = *static_cast<visit*>(user);
    std::int32_t most = 0;
    ++calls;
    EXPECT_EQ(eplb_get_max_replica_count(own, &most, nullptr), EPLB_ERROR_INVALID_STATE);
    EXPECT_EQ(other->submit(), EPLB_SUCCESS) << other->text();
    other->expect_plan();
    const session<> another(small_case());
    return 0;
  };
  session<> s(small_case(), options), other(replicating_case());
  seen.own = s.planner.get();
  seen.other = &other;
  ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
  EXPECT_EQ(seen.calls, 2);
  s.expect_plan();
}

TEST_F(Host, ThousandsOfSubmits) {
  session<> s(case_of({1, 4, 6, 1, 1, 2}, cases::all_rules(1)[0], 3));
  for (int i = 1; i <= 5000; ++i) {
    ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
    ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
    EXPECT_EQ(s.poll(), EPLB_NOT_READY);
    if (i % 100 == 0) {
      EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
    }
  }
  EXPECT_TRUE(s.out.read() == s.expected());
}

TEST_F(Host, AChildOfAForkMayOnlyDestroy) {
  static int blocks = 0;
  eplb_options options = cuda_options(replicating_case(), EPLB_MEMORY_CUDA);
  options.alloc_fn = [](void*, std::size_t size) {
    ++blocks;
    return std::malloc(size);
  };
  options.free_fn = [](void*, void* block) {
    --blocks;
    std::free(block);
  };
  session<> s(replicating_case(), options);
  ASSERT_EQ(s.submit(), EPLB_SUCCESS) << s.text();
  ASSERT_EQ(blocks, 1);
  const std::vector<named_call> calls = calls_of(s);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool good = true;
    const long before = stub_cuda::total_calls();
    for (const named_call& call : calls)
      good = good && call.make() == EPLB_ERROR_INVALID_STATE && s.text().find("fork") != std::string::npos;
    eplb_destroy(s.planner.release());
    _exit(good && blocks == 0 && stub_cuda::total_calls() == before ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  s.expect_plan();
}

}  // namespace
}  // namespace eplb::cuda_tests
