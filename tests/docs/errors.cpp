// SPDX-License-Identifier: MIT
// Provokes the errors of docs/errors.md and prints each as its status, a tab and its sentence. What only the other kind
// of build can say, with CUDA or without, is printed as it stands on the page.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <vector>

#include "../api/fixture.h"
#ifdef EPLB_STUB_CUDA
#include "../cuda/stub_runtime.h"
#endif

namespace {

enum { layers = 2, experts = 8, slots = 12, gpus = 4 };

eplb_error error;

void say(eplb_status status) {
  std::printf("%s\t%s\n", eplb_status_name(status), status == error.status ? error.message : "");
  std::fflush(stdout);  // before a fork
  eplb_error_init(&error, sizeof error);
}

void elsewhere(eplb_status status, const char* sentence) {
  std::printf("%s\t%s\n", eplb_status_name(status), sentence);
}

struct problem {
  std::vector<float> loads = std::vector<float>(layers * experts, 1.0f);
  std::vector<int32_t> expert_of_slot = std::vector<int32_t>(layers * slots);
  eplb_shape shape = make_shape(layers, experts, slots, 1, 1, gpus);
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads.data(), loads.size());
  eplb_maps maps{};
  eplb_context* context = nullptr;

  problem() {
    eplb_maps_init(&maps, sizeof maps);
    maps.physical_to_logical = expert_of_slot.data();
    maps.physical_to_logical_count = expert_of_slot.size();
    for (int slot = 0; slot < layers * slots; ++slot) expert_of_slot[slot] = slot % slots % experts;
  }
  ~problem() { eplb_destroy(context); }
  problem(const problem&) = delete;
  problem& operator=(const problem&) = delete;

  eplb_status plan() { return eplb_rebalance_experts(&shape, &options, &input, &maps, nullptr, &error); }
  eplb_status create() { return eplb_create(&shape, &options, &context, &error); }
  eplb_status submit() { return eplb_submit_weights(context, &input, &error); }
  eplb_status get() { return eplb_get_maps(context, &maps, &error); }
};

void arguments() {
  problem less, uneven, parted, lost, none;
  less.shape.num_physical_experts = 4;
  say(less.plan());
  uneven.shape.num_physical_experts = 13;
  say(uneven.plan());
  parted.shape.num_nodes = 2;
  parted.options.policy = EPLB_POLICY_HIERARCHICAL;
  say(parted.plan());
  const int32_t left[] = {5, 4, 3, 0};
  lost.shape.num_groups = lost.shape.num_nodes = 2;
  lost.shape.slots_per_gpu = left;
  lost.shape.slots_per_gpu_count = gpus;
  lost.options = make_options(EPLB_STRATEGY_SEARCH);
  lost.options.policy = EPLB_POLICY_HIERARCHICAL;
  say(lost.plan());
  none.input.loads = nullptr;
  say(none.plan());
}

void loads() {
  problem nan, huge;
  nan.loads[experts + 3] = NAN;
  say(nan.plan());
  huge.loads[0] = huge.loads[1] = 3e38f;
  say(huge.plan());
}

void placements() {
  problem unknown, missing, empty, ordered;
  unknown.expert_of_slot[5] = 9;
  say(eplb_check_placement(&unknown.shape, &unknown.maps, 0, &error));
  missing.expert_of_slot[slots + 7] = 0;
  say(eplb_check_placement(&missing.shape, &missing.maps, 0, &error));
  std::vector<int32_t> current = empty.expert_of_slot;
  current[0] = current[8] = -1;
  empty.options.strategy = EPLB_STRATEGY_SEARCH;
  empty.input.current = current.data();
  empty.input.current_count = current.size();
  empty.input.max_changes_per_layer = 1;
  say(empty.plan());
  current = ordered.expert_of_slot;
  ordered.shape.num_groups = ordered.shape.num_nodes = 2;
  ordered.options.strategy = EPLB_STRATEGY_SEARCH;
  ordered.input.current = current.data();
  ordered.input.current_count = current.size();
  ordered.input.max_changes_per_layer = 1;
  say(ordered.plan());
}

void states() {
  problem p, busy;
  p.create();
  say(p.get());
  say(eplb_submit_weights_async(p.context, &p.input, nullptr, &error));
  busy.options.user = &busy;
  busy.options.progress_fn = [](void* user, int64_t, int64_t) -> int32_t {
    static bool said = false;
    if (!said) say(static_cast<problem*>(user)->get());
    said = true;
    return 0;
  };
  busy.create();
  busy.submit();
  const pid_t child = fork();
  if (child == 0) {
    say(p.submit());
    _exit(0);
  }
  waitpid(child, nullptr, 0);
}

void structs() {
  problem empty;
  empty.shape.struct_size = 0;
  say(empty.plan());
  struct {
    eplb_shape shape;
    int64_t field;
  } newer{make_shape(layers, experts, slots, 1, 1, gpus), 1};
  newer.shape.struct_size = sizeof newer;
  problem p;
  say(eplb_rebalance_experts(&newer.shape, &p.options, &p.input, &p.maps, nullptr, &error));
}

void buffers() {
  problem shorter, narrow;
  shorter.maps.physical_to_logical_count = 20;
  say(shorter.plan());
  std::vector<int32_t> slots_of_expert(layers * experts);
  narrow.loads[2] = 100;
  narrow.maps.logical_to_physical = slots_of_expert.data();
  narrow.maps.logical_to_physical_count = slots_of_expert.size();
  narrow.maps.max_replicas = 1;
  say(narrow.plan());
}

void memory() {
  problem p;
  p.options.alloc_fn = [](void*, size_t) -> void* { return nullptr; };
  p.options.free_fn = [](void*, void*) {};
  say(p.create());
}

void callbacks() {
  problem stopped, throwing;
  stopped.options.progress_fn = [](void*, int64_t, int64_t) -> int32_t { return 1; };
  say(stopped.plan());
  throwing.options.progress_fn = [](void*, int64_t, int64_t) -> int32_t {
    throw std::runtime_error("out of patience");
  };
  say(throwing.plan());
}

void cuda() {
#ifdef EPLB_STUB_CUDA
  elsewhere(EPLB_ERROR_UNAVAILABLE, "this build of libeplb has no CUDA backend");
  stub_cuda::set_no_driver(true);
  say(eplb_backend_available(EPLB_BACKEND_CUDA, &error));
  stub_cuda::reset();
  problem p;
  p.options.backend = EPLB_BACKEND_CUDA;
  p.create();
  stub_cuda::fail_named("cudaStreamSynchronize", cudaErrorLaunchFailure);
  say(p.submit());
  stub_cuda::fail_named(nullptr, cudaSuccess);
#else
  say(eplb_backend_available(EPLB_BACKEND_CUDA, &error));
  elsewhere(EPLB_ERROR_UNAVAILABLE,
            "there is no CUDA driver, or it is older than the CUDA runtime that libeplb was built with");
  elsewhere(EPLB_ERROR_CUDA, "cudaStreamSynchronize: unspecified launch failure (cudaErrorLaunchFailure)");
#endif
}

}  // namespace

int main() {
  eplb_error_init(&error, sizeof error);
  arguments();
  loads();
  placements();
  states();
  structs();
  buffers();
  memory();
  callbacks();
  cuda();
  std::printf("\n");  // and what it says of each status there is
  for (eplb_status status = 0; status <= EPLB_ERROR_INTERNAL; ++status) {
    std::printf("%s\t%s\n", eplb_status_name(status), eplb_status_string(status));
  }
  return 0;
}
