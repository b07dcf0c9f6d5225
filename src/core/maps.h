// SPDX-License-Identifier: MIT
// A placement, as it is kept and as callers get it: maps of 32 or 64 bits, and the inverse map.
#pragma once

#include "core/arena.h"
#include "core/shape.h"
#include "core/views.h"

namespace eplb {

/// A placement of one layer, or of all, one after the other.
struct layer_maps {
  index_t* physical_to_logical;  // [slots]
  index_t* replica_rank;         // [slots]
  index_t* replica_count;        // [experts]

  /// Of all layers.
  EPLB_HOST_DEVICE static layer_maps lay_out(arena& memory, const plan_shape& shape) {
    const std::size_t layers = size_cast(shape.layers), slots = layers * size_cast(shape.slots);
    return {memory.take<index_t>(slots), memory.take<index_t>(slots),
            memory.take<index_t>(layers * size_cast(shape.experts))};
  }
  /// Of a layer further on in arrays of all layers.
  EPLB_HOST_DEVICE layer_maps of(const plan_shape& shape, int layer) const {
    const std::size_t slots = size_cast(layer) * size_cast(shape.slots);
    return {physical_to_logical + slots, replica_rank + slots,
            replica_count + size_cast(layer) * size_cast(shape.experts)};
  }
};

namespace {

template <class Team, class Out>
EPLB_HOST_DEVICE void widen(Team& team, const index_t* from, std::size_t count, Out* to) {
  const auto size = size_cast(team.size());
  for (std::size_t i = size_cast(team.rank()); i < count; i += size) to[i] = static_cast<Out>(from[i]);
}

/// [experts][width]: the slots of each expert by replica rank, then -1. `width` reaches the largest
/// count.
template <class Team, class Out>
EPLB_HOST_DEVICE void invert(Team& team, const plan_shape& shape, const layer_maps& maps, std::size_t width, Out* out) {
  const auto rank = size_cast(team.rank()), size = size_cast(team.size());
  const std::size_t count = size_cast(shape.experts) * width;
  for (std::size_t i = rank; i < count; i += size) out[i] = -1;
  team.sync();
  const auto slots = size_cast(shape.slots);
  const index_t *const expert = maps.physical_to_logical, *const replica = maps.replica_rank;
  for (std::size_t slot = rank; slot < slots; slot += size)
    out[expert[slot] * width + replica[slot]] = static_cast<Out>(slot);
}

template <class Out, class Team>
EPLB_HOST_DEVICE void copy_maps_as(Team& team, const plan_shape& shape, const layer_maps& maps, int layer,
                                   const maps_view& out) {
  const auto slots = size_cast(shape.slots), experts = size_cast(shape.experts);
  const auto copy = [&](const index_t* from, std::size_t count, void* to) {
    if (to) widen(team, from, count, static_cast<Out*>(to) + size_cast(layer) * count);
  };
  copy(maps.physical_to_logical, slots, out.physical_to_logical);
  copy(maps.replica_rank, slots, out.replica_rank);
  copy(maps.replica_count, experts, out.replica_count);
  if (out.logical_to_physical)
    invert(team, shape, maps, out.max_replicas,
           static_cast<Out*>(out.logical_to_physical) + size_cast(layer) * experts * out.max_replicas);
}

/// One layer's maps to layer `layer` of a caller's buffers.
template <class Team>
EPLB_HOST_DEVICE void copy_maps(Team& team, const plan_shape& shape, const layer_maps& maps, int layer,
                                const maps_view& out) {
  if (out.type == scalar::int32)
    copy_maps_as<std::int32_t>(team, shape, maps, layer, out);
  else
    copy_maps_as<std::int64_t>(team, shape, maps, layer, out);
}

}  // namespace
}  // namespace eplb
