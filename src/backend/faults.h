// SPDX-License-Identifier: MIT
// What a backend throws, besides plan_fault: what kept it from its work. It knows of no status; the one place where
// calls end makes one of it (api/error.cpp).
#pragma once

#include <cstddef>

#include "core/fault.h"

namespace eplb {

/// The progress sink asked to stop.
struct cancelled {};
/// What was asked for is not in this build, or not on this machine.
struct unavailable {
  char why[256];
};
/// plan_spec::workspace, and what is wrong with it.
struct bad_workspace {
  const char* why;
};
struct out_of_cuda_memory {
  std::size_t bytes;
  int device;
};
struct cuda_error {
  const char *call, *name, *text;
};

}  // namespace eplb
