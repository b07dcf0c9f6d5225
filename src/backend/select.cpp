// SPDX-License-Identifier: MIT
// Which backend a context gets.
#include "backend/backend.h"

namespace eplb {

const backend& select_backend(backend_id id, memory_kind memory) {
  if (id == backend_id::automatic) id = memory == memory_kind::cuda ? backend_id::cuda : backend_id::cpu;
  return id == backend_id::cuda ? cuda_backend : cpu_backend;
}

}  // namespace eplb
