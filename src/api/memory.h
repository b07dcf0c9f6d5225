// SPDX-License-Identifier: MIT
// The host memory that a context or a call lives in.
#pragma once

#include <eplb/eplb.h>

#include <cstddef>

namespace eplb {

/// The caller's allocator, or malloc() and free() where it has none.
struct host_allocator {
  eplb_alloc_fn alloc;
  eplb_free_fn free;
  void* user;

  void* take(std::size_t size) const;
  void give_back(void* block) const;
};

}  // namespace eplb
