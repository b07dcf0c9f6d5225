// SPDX-License-Identifier: MIT
// What the .cu files share: a block's work and memory, and how a kernel is loaded and started. They are several so that
// they compile side by side.
#pragma once

#include "backend/cuda/kernels.h"
#include "backend/cuda/programs.h"
#include "backend/cuda/team.h"

namespace eplb {

/// Loads the kernel of search_kernel.cu, for load_kernels().
cudaError_t load_search_kernel();

namespace {

using block = block_team<block_threads>;

/// A program's memory: shared by the block, or scratch memory of its own.
__device__ void* block_memory(char* scratch, std::size_t bytes) {
  extern __shared__ __align__(arena::alignment) char shared[];
  return bytes == 0 ? shared : scratch + blockIdx.x * bytes;
}

/// Runs program(team, i, memory) for this block's share of the work.
template <class Program>
__device__ void run_block(int work, char* scratch, std::size_t bytes, Program program) {
  __shared__ block::memory shared;
  block team(shared);
  for (int i = blockIdx.x; i < work; i += gridDim.x) {
    program(team, i, block_memory(scratch, bytes));
    team.sync();
  }
}

template <class... Arguments>
cudaError_t load(void (*kernel)(Arguments...)) {
  const void* const function = reinterpret_cast<const void*>(kernel);
  cudaFuncAttributes attributes;
  if (const cudaError_t error = cudaFuncGetAttributes(&attributes, function)) return error;
  return cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most_shared));
}

template <class... Arguments>
cudaError_t launch(void (*kernel)(Arguments...), const launch_form& form, cudaStream_t stream,
                   std::type_identity_t<Arguments>... arguments) {
  void* pointers[] = {&arguments...};
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(form.blocks), dim3(form.warps * 32), pointers,
                          form.shared, stream);
}

}  // namespace
}  // namespace eplb
