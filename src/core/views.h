// SPDX-License-Identifier: MIT
// What a caller hands over and gets back, in the types that it has.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/host_device.h"

namespace eplb {

enum class scalar { float32, float64, int32, int64 };

/// [samples][layers][experts].
struct load_view {
  scalar type;
  const void* data;
  int samples;
};

/// Calls f with the loads as a pointer to their type.
template <class F>
EPLB_HOST_DEVICE auto visit_loads(const load_view& loads, F f) {
  switch (loads.type) {
    case scalar::float32:
      return f(static_cast<const float*>(loads.data));
    case scalar::float64:
      return f(static_cast<const double*>(loads.data));
    case scalar::int32:
      return f(static_cast<const std::int32_t*>(loads.data));
    case scalar::int64:
      break;
  }
  return f(static_cast<const std::int64_t*>(loads.data));
}

/// Changes, where any number will do.
constexpr int any_number = 0x7fffffff;

/// What a search starts from.
struct current_view {
  const void* expert;  // [layers][slots], -1: none; null: it starts from nothing
  bool is_int64;
  int most_changes;  // slots of a layer that may hold another expert
  std::int64_t most_changes_in_all;

  EPLB_HOST_DEVICE std::int64_t operator[](std::size_t i) const {
    return is_int64 ? static_cast<const std::int64_t*>(expert)[i] : static_cast<const std::int32_t*>(expert)[i];
  }
};

/// What a plan is made from.
struct plan_input {
  load_view loads;
  current_view current;
  std::uint64_t seed;
};

/// Buffers for the maps of all layers; any may be null.
struct maps_view {
  scalar type;  // int32 or int64
  void* physical_to_logical;
  void* replica_rank;
  void* replica_count;
  void* logical_to_physical;
  std::size_t max_replicas;
};

}  // namespace eplb
