// SPDX-License-Identifier: MIT
// The CUDA backend of a build that has none.
#include <cstdio>

#include "backend/backend.h"
#include "backend/faults.h"

namespace eplb {
namespace {

const char* why_unavailable() { return "this build of libeplb has no CUDA backend"; }

int device_count() { return 0; }

void describe_device(int, char*, std::size_t) {}

[[noreturn]] void refuse() {
  unavailable out{};
  std::snprintf(out.why, sizeof out.why, "%s", why_unavailable());
  throw out;
}

memory_size measure(const plan_spec&) { refuse(); }

planner* make(const plan_spec&, void*) { refuse(); }

}  // namespace

const backend cuda_backend{backend_id::cuda, why_unavailable, device_count, describe_device, measure, make};

}  // namespace eplb
