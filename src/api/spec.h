// SPDX-License-Identifier: MIT
// From shape and options to the plan_spec of a planner: every auto becomes a choice, and what does not go together is
// refused.
#pragma once

#include <eplb/eplb.h>

#include "api/memory.h"
#include "backend/backend.h"

namespace eplb {

/// Shape and options, checked, with nothing left to choose.
struct checked_options {
  plan_spec spec;
  std::int32_t strategy, policy;  // never auto
  const eplb::backend* backend;
  int idle_threads;  // asked for, but without work
  std::size_t workspace_bytes;
  host_allocator memory;
  eplb_log_fn log_fn;
  std::int32_t log_level;
  eplb_progress_fn progress_fn;
  void* user;  // of the callbacks
};

/// `only_input`: what the one plan will be made from; null: not known yet.
checked_options check_options(const eplb_shape* shape, const eplb_options* options,
                              const eplb_input* only_input = nullptr);

}  // namespace eplb
