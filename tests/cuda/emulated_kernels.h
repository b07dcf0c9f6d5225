// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime_api.h>

namespace eplb {

/// Threads of the teams that run the programs of the kernels; 1 at first, which is quick.
__attribute__((visibility("default"))) void set_emulated_threads(int count);

/// What loading the kernels ends with from now on; cudaSuccess at first.
__attribute__((visibility("default"))) void set_load_result(cudaError_t result);

}  // namespace eplb
