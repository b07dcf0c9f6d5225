// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>

#include "api/spec.h"

/// Lives at the front of the one block of memory that it owns; the planner follows.
struct eplb_context {
  eplb::checked_options options;
  void* block;
  eplb::planner* planner;
  pid_t process;
  std::atomic<bool> in_use;
};

namespace eplb {

/// Bytes of the block, and of device memory.
memory_size measure_context(const checked_options& options);

struct context_destroyer {
  void operator()(eplb_context* context) const;
};
using context_pointer = std::unique_ptr<eplb_context, context_destroyer>;

context_pointer make_context(const checked_options& options);

/// A context's life in one go; stats may be null.
void plan_once(const checked_options& options, const eplb_input& input, const maps_view& out, eplb_stats* stats);

}  // namespace eplb
