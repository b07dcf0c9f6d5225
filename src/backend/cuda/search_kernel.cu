// SPDX-License-Identifier: MIT
// The kernel of the search, which takes as long to compile as all others together.
#include "backend/cuda/launch.h"

namespace eplb {
namespace {

__global__ void __launch_bounds__(block_threads, 1) search_kernel(submit_job job, bool again, std::size_t scratch) {
  const int nodes = job.shape.nodes;
  run_block(job.shape.layers * nodes, job.memory.scratch, scratch, [&](block& team, int i, void* memory) {
    search_node_problem(team, job, i / nodes, i % nodes, again, memory);
  });
}

}  // namespace

cudaError_t load_search_kernel() { return load(search_kernel); }

cudaError_t launch_search(const submit_job& job, bool again, const launch_form& form, cudaStream_t stream) {
  return launch(search_kernel, form, stream, job, again, form.scratch);
}

}  // namespace eplb
