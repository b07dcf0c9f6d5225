// SPDX-License-Identifier: MIT
// The kernels: each deals out its blocks or warps to one of the programs.
#include "backend/cuda_groups.h"
#include "backend/cuda_kernels.h"

namespace eplb {
namespace {

using block = block_group<block_threads>;

/// A program's memory: shared by the block, or scratch memory of its own.
__device__ void* block_memory(char* scratch, std::size_t bytes) {
  extern __shared__ __align__(arena::alignment) char shared[];
  return bytes == 0 ? shared : scratch + blockIdx.x * bytes;
}

/// Runs program(group, i, memory) for this block's share of the work.
template <class Program>
__device__ void run_block(int work, char* scratch, std::size_t bytes, Program program) {
  __shared__ block::memory shared;
  block group(shared);
  for (int i = blockIdx.x; i < work; i += gridDim.x) {
    program(group, i, block_memory(scratch, bytes));
    group.sync();
  }
}

__global__ void __launch_bounds__(block_threads, 1) prepare_groups_kernel(submit_job job, std::size_t scratch) {
  run_block(job.shape.layers, job.memory.scratch, scratch,
            [&](block& group, int layer, void* memory) { prepare_group_problem(group, job, layer, memory); });
}

__global__ void __launch_bounds__(block_threads, 1) prepare_nodes_kernel(submit_job job, std::size_t scratch) {
  const int nodes = job.shape.nodes;
  run_block(job.shape.layers * nodes, job.memory.scratch, scratch,
            [&](block& group, int i, void* memory) { prepare_node_problem(group, job, i / nodes, i % nodes, memory); });
}

/// Block b tries the shares [b % n * warps, ...) of problem b / n, where n blocks do for a problem.
__device__ void try_blocks(const submit_job& job, const packing_step& step, char* memory) {
  const int threads = static_cast<int>(blockDim.x), warps = threads / 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int blocks = (step.shares + warps - 1) / warps;
  const int work = job.shape.layers * step.problems_in_layer * blocks;
  char* const own = memory + step.bytes + extent(warp) * packing_scratch(step.items, step.packs);
  warp_group group;
  for (int b = blockIdx.x; b < work; b += gridDim.x) {
    const int problem = b / blocks, share = b % blocks * warps + warp;
    const char* const prepared = step.of_groups ? job.memory.group_problem : job.memory.node_problem;
    copy_problem(threadIdx.x, threads, prepared + extent(problem) * step.bytes, memory, step.bytes);
    __syncthreads();
    if (share < step.shares) try_share(group, job, step, problem, share, memory, own);
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

__global__ void __launch_bounds__(block_threads, 1) search_kernel(submit_job job, bool again, std::size_t scratch) {
  const int nodes = job.shape.nodes;
  run_block(job.shape.layers * nodes, job.memory.scratch, scratch, [&](block& group, int i, void* memory) {
    search_node_problem(group, job, i / nodes, i % nodes, again, memory);
  });
}

__global__ void __launch_bounds__(block_threads, 1) get_kernel(get_job job) {
  run_block(job.shape.layers, nullptr, 0, [&](block& group, int layer, void*) { get_layer(group, job, layer); });
}

__global__ void __launch_bounds__(block_threads, 1) judge_kernel(stats_job job, std::size_t scratch) {
  run_block(job.shape.layers, job.memory.scratch, scratch,
            [&](block& group, int layer, void* memory) { judge_layer(group, job, layer, memory); });
}

template <class... Arguments>
cudaError_t launch(void (*kernel)(Arguments...), const launch_form& form, cudaStream_t stream,
                   std::type_identity_t<Arguments>... arguments) {
  void* pointers[] = {&arguments...};
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(form.blocks), dim3(form.warps * 32), pointers,
                          form.shared, stream);
}

}  // namespace

cudaError_t load_kernels() {
  const void* const kernels[] = {reinterpret_cast<const void*>(prepare_groups_kernel),
                                 reinterpret_cast<const void*>(prepare_nodes_kernel),
                                 reinterpret_cast<const void*>(try_kernel),
                                 reinterpret_cast<const void*>(try_in_scratch_kernel),
                                 reinterpret_cast<const void*>(search_kernel),
                                 reinterpret_cast<const void*>(get_kernel),
                                 reinterpret_cast<const void*>(judge_kernel)};
  for (const void* kernel : kernels) {
    cudaFuncAttributes attributes;
    if (const cudaError_t error = cudaFuncGetAttributes(&attributes, kernel)) return error;
    if (const cudaError_t error =
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most_shared)))
      return error;
  }
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

cudaError_t launch_search(const submit_job& job, bool again, const launch_form& form, cudaStream_t stream) {
  return launch(search_kernel, form, stream, job, again, form.scratch);
}

cudaError_t launch_get(const get_job& job, cudaStream_t stream) {
  return launch(get_kernel, {job.shape.layers, block_threads / 32, 0, 0}, stream, job);
}

cudaError_t launch_judge(const stats_job& job, const launch_form& form, cudaStream_t stream) {
  return launch(judge_kernel, form, stream, job, form.scratch);
}

}  // namespace eplb
