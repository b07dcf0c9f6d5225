// SPDX-License-Identifier: MIT
// A plan as callers see it: maps of 32 or 64 bits, and the inverse map.
#pragma once

#include "core/problem.h"

namespace eplb {
namespace {

template <class Team, class Out>
EPLB_HOST_DEVICE void widen(Team& team, const index_t* from, std::size_t count, Out* to) {
  const auto rank = static_cast<std::size_t>(team.rank());
  for (std::size_t i = rank; i < count; i += static_cast<std::size_t>(team.size())) to[i] = static_cast<Out>(from[i]);
}

/// [experts][width]: the slots of each expert by replica rank, then -1. `width` reaches the largest
/// count.
template <class Team, class Out>
EPLB_HOST_DEVICE void invert(Team& team, const plan_shape& shape, const layer_maps& maps, std::size_t width, Out* out) {
  const auto rank = static_cast<std::size_t>(team.rank());
  const auto size = static_cast<std::size_t>(team.size());
  const std::size_t count = size_cast(shape.experts) * width;
  for (std::size_t i = rank; i < count; i += size) out[i] = -1;
  team.sync();
  const auto slots = size_cast(shape.slots);
  const index_t *const expert = maps.physical_to_logical, *const replica = maps.replica_rank;
  for (std::size_t slot = rank; slot < slots; slot += size)
    out[expert[slot] * width + replica[slot]] = static_cast<Out>(slot);
}

}  // namespace
}  // namespace eplb
