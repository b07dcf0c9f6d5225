// SPDX-License-Identifier: MIT
// The kernels of the CUDA backend as the host sees them: what a launch is made of, and how it is started.
// No launch allocates or waits; each may be captured into a graph.
#pragma once

#include <cuda_runtime_api.h>

#include "backend/cuda/state.h"

namespace eplb {

/// Shared memory that every supported device can give to a block: 99 KiB, of which kernels keep some.
constexpr std::size_t most_shared = 98 << 10;

/// How a kernel is started. Where a block needs more memory than blocks can share, fewer blocks than there
/// is work take turns, each with scratch memory of its own.
struct launch_form {
  int blocks;
  int warps;            // in a block
  std::size_t shared;   // bytes; 0: scratch memory instead
  std::size_t scratch;  // bytes of each block; 0: shared memory instead
};

/// Threads of a block that has a layer, or a node of a layer, to itself.
constexpr int block_threads = 256;
/// Warps of a block that shares out a problem's candidates.
constexpr int most_warps = 8;

/// Loads the kernels onto the current device, so that no launch has to.
cudaError_t load_kernels();

cudaError_t launch_prepare_groups(const submit_job& job, const launch_form& form, cudaStream_t stream);
cudaError_t launch_prepare_nodes(const submit_job& job, const launch_form& form, cudaStream_t stream);
cudaError_t launch_try(const submit_job& job, const packing_step& step, const launch_form& form, cudaStream_t stream);
cudaError_t launch_search(const submit_job& job, bool again, const launch_form& form, cudaStream_t stream);
cudaError_t launch_get(const get_job& job, cudaStream_t stream);
cudaError_t launch_judge(const stats_job& job, const launch_form& form, cudaStream_t stream);

}  // namespace eplb
