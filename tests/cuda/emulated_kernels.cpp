// SPDX-License-Identifier: MIT
// The launches of the CUDA backend without a device: the same programs, run by teams of host threads when
// the stub runtime gets to them, block after block.
#include "cuda/emulated_kernels.h"

#include <atomic>
#include <cstring>

#include "backend/cuda/kernels.h"
#include "backend/cuda/programs.h"
#include "cuda/stub_runtime.h"
#include "support/emulated_team.h"

namespace eplb {
namespace {

std::atomic<int> threads{1};
std::atomic<cudaError_t> load_result{cudaSuccess};

/// Runs body(block, memory) for each block, with as much memory as it was launched with and no more.
template <class Body>
void run_blocks(const launch_form& form, char* scratch, int work, Body body) {
  struct alignas(arena::alignment) line {
    char bytes[arena::alignment];
  };
  std::vector<line> shared(form.shared / sizeof(line));
  for (int first = 0; first < form.blocks; ++first) {
    char* const memory =
        form.scratch == 0 ? shared.data()->bytes : scratch + static_cast<std::size_t>(first) * form.scratch;
    for (int block = first; block < work; block += form.blocks) {
      std::memset(memory, 0xCD, form.shared + form.scratch);
      body(block, memory);
    }
  }
}

template <class Program>
void run_team(Program program) {
  emulated_team::run(threads, program);
}

}  // namespace

void set_emulated_threads(int count) { threads = count; }

void set_load_result(cudaError_t result) { load_result = result; }

cudaError_t load_kernels() { return load_result; }

cudaError_t launch_prepare_groups(const submit_job& job, const launch_form& form, cudaStream_t stream) {
  return stub_cuda::launch(stream, [job, form] {
    run_blocks(form, job.memory.scratch, job.shape.layers, [&](int layer, char* memory) {
      run_team([&](emulated_team& team) { prepare_group_problem(team, job, layer, memory); });
    });
  });
}

cudaError_t launch_prepare_nodes(const submit_job& job, const launch_form& form, cudaStream_t stream) {
  return stub_cuda::launch(stream, [job, form] {
    const int nodes = job.shape.nodes;
    run_blocks(form, job.memory.scratch, job.shape.layers * nodes, [&](int block, char* memory) {
      run_team([&](emulated_team& team) { prepare_node_problem(team, job, block / nodes, block % nodes, memory); });
    });
  });
}

cudaError_t launch_try(const submit_job& job, const packing_step& step, const launch_form& form, cudaStream_t stream) {
  return stub_cuda::launch(stream, [job, step, form] {
    const int blocks = (step.shares + form.warps - 1) / form.warps;
    const char* const prepared = step.of_groups ? job.memory.group_problem : job.memory.node_problem;
    const std::size_t own = packing_bytes(step.items, step.packs);
    run_blocks(form, job.memory.scratch, job.shape.layers * step.problems_in_layer * blocks,
               [&](int block, char* memory) {
                 const int problem = block / blocks;
                 copy_problem(0, 1, prepared + size_cast(problem) * step.bytes, memory, step.bytes);
                 for (int warp = 0; warp < form.warps; ++warp) {
                   const int share = block % blocks * form.warps + warp;
                   if (share >= step.shares) break;
                   run_team([&](emulated_team& team) {
                     try_share(team, job, step, problem, share, memory, memory + step.bytes + size_cast(warp) * own);
                   });
                 }
               });
  });
}

cudaError_t launch_search(const submit_job& job, bool again, const launch_form& form, cudaStream_t stream) {
  return stub_cuda::launch(stream, [job, again, form] {
    const int nodes = job.shape.nodes;
    run_blocks(form, job.memory.scratch, job.shape.layers * nodes, [&](int block, char* memory) {
      run_team(
          [&](emulated_team& team) { search_node_problem(team, job, block / nodes, block % nodes, again, memory); });
    });
  });
}

cudaError_t launch_get(const get_job& job, cudaStream_t stream) {
  return stub_cuda::launch(stream, [job] {
    for (int layer = 0; layer < job.shape.layers; ++layer)
      run_team([&](emulated_team& team) { get_layer(team, job, layer); });
  });
}

cudaError_t launch_judge(const stats_job& job, const launch_form& form, cudaStream_t stream) {
  return stub_cuda::launch(stream, [job, form] {
    run_blocks(form, job.memory.scratch, job.shape.layers, [&](int layer, char* memory) {
      run_team([&](emulated_team& team) { judge_layer(team, job, layer, memory); });
    });
  });
}

}  // namespace eplb
