// SPDX-License-Identifier: MIT
// The kernels, but for that of the search: each deals out its blocks or warps to one of the programs.
#include "backend/cuda/launch.h"

namespace eplb {
namespace {

__global__ void __launch_bounds__(block_threads, 1) prepare_groups_kernel(submit_job job, std::size_t scratch) {
  run_block(job.shape.layers, job.memory.scratch, scratch,
            [&](block& team, int layer, void* memory) { prepare_group_problem(team, job, layer, memory); });
}

__global__ void __launch_bounds__(block_threads, 1) prepare_nodes_kernel(submit_job job, std::size_t scratch) {
  const int nodes = job.shape.nodes;
  run_block(job.shape.layers * nodes, job.memory.scratch, scratch,
            [&](block& team, int i, void* memory) { prepare_node_problem(team, job, i / nodes, i % nodes, memory); });
}

/// Block b tries the shares [b % n * warps, ...) of problem b / n, where n blocks do for a problem.
__device__ void try_blocks(const submit_job& job, const packing_step& step, char* memory) {
  const int threads = static_cast<int>(blockDim.x), warps = threads / 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int blocks = (step.shares + warps - 1) / warps;
  const int work = job.shape.layers * step.problems_in_layer * blocks;
  char* const own = memory + step.bytes + size_cast(warp) * packing_bytes(step.items, step.packs);
  warp_team team;
  for (int b = blockIdx.x; b < work; b += gridDim.x) {
    const int problem = b / blocks, share = b % blocks * warps + warp;
    const char* const prepared = step.of_groups ? job.memory.group_problem : job.memory.node_problem;
    copy_problem(threadIdx.x, threads, prepared + size_cast(problem) * step.bytes, memory, step.bytes);
    __syncthreads();
    if (share < step.shares) try_share(team, job, step, problem, share, memory, own);
    __syncthreads();
  }
}

__global__ void __launch_bounds__(most_warps * 32, 3) try_kernel(submit_job job, packing_step step) {
  extern __shared__ __align__(arena::alignment) char shared[];
  try_blocks(job, step, shared);
}

__global__ void __launch_bounds__(32, 1) try_in_scratch_kernel(submit_job job, packing_step step, std::size_t scratch) {
  try_blocks(job, step, job.memory.scratch + blockIdx.x * scratch);
}

__global__ void __launch_bounds__(block_threads, 1) get_kernel(get_job job) {
  run_block(job.shape.layers, nullptr, 0, [&](block& team, int layer, void*) { get_layer(team, job, layer); });
}

__global__ void __launch_bounds__(block_threads, 1) judge_kernel(stats_job job, std::size_t scratch) {
  run_block(job.shape.layers, job.memory.scratch, scratch,
            [&](block& team, int layer, void* memory) { judge_layer(team, job, layer, memory); });
}

}  // namespace

cudaError_t load_kernels() {
  for (const cudaError_t error :
       {load(prepare_groups_kernel), load(prepare_nodes_kernel), load(try_kernel), load(try_in_scratch_kernel),
        load_search_kernel(), load(get_kernel), load(judge_kernel)})
    if (error != cudaSuccess) return error;
  return cudaSuccess;
}

cudaError_t launch_prepare_groups(const submit_job& job, const launch_form& form, cudaStream_t stream) {
  return launch(prepare_groups_kernel, form, stream, job, form.scratch);
}

cudaError_t launch_prepare_nodes(const submit_job& job, const launch_form& form, cudaStream_t stream) {
  return launch(prepare_nodes_kernel, form, stream, job, form.scratch);
}

cudaError_t launch_try(const submit_job& job, const packing_step& step, const launch_form& form, cudaStream_t stream) {
  return form.scratch == 0 ? launch(try_kernel, form, stream, job, step)
                           : launch(try_in_scratch_kernel, form, stream, job, step, form.scratch);
}

cudaError_t launch_get(const get_job& job, cudaStream_t stream) {
  return launch(get_kernel, {job.shape.layers, block_threads / 32, 0, 0}, stream, job);
}

cudaError_t launch_judge(const stats_job& job, const launch_form& form, cudaStream_t stream) {
  return launch(judge_kernel, form, stream, job, form.scratch);
}

}  // namespace eplb
