// SPDX-License-Identifier: MIT
#pragma once

namespace eplb {

/// Threads of the groups that run the programs of the kernels; 1 at first, which is quick.
__attribute__((visibility("default"))) void set_emulated_threads(int count);

}  // namespace eplb
