// SPDX-License-Identifier: MIT
// malloc() and free(), or what the caller has instead.
#include "api/memory.h"

#include <cstdlib>

#include "api/error.h"

namespace eplb {

void* host_allocator::take(std::size_t size) const {
  void* const block = alloc ? alloc(user, size) : std::malloc(size);
  if (!block) fail(EPLB_ERROR_OUT_OF_MEMORY, "%zu bytes of host memory could not be allocated", size);
  return block;
}

void host_allocator::give_back(void* block) const {
  if (!free) return std::free(block);
  try {
    free(user, block);
  } catch (...) {  // the block is the caller's again, whatever becomes of it
  }
}

}  // namespace eplb
