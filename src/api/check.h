// SPDX-License-Identifier: MIT
// Is it valid? Checks of what the caller hands over, which read it into what the library works with.
#pragma once

#include <eplb/eplb.h>

#include "backend/backend.h"

namespace eplb {

void check_range(const char* name, std::int64_t value, std::int64_t least, std::int64_t most);

/// A value in [0, count) of an enumeration.
void check_enum(const char* name, std::int32_t value, std::int32_t count);
scalar check_map_type(const char* name, std::int32_t type);
void check_memory(const char* name, std::int32_t given, memory_kind expected);

/// A buffer with `needed` elements or more. One that is NULL is not wanted, and must have no elements.
void check_buffer(const char* name, const void* data, std::size_t count, std::size_t needed, std::size_t element_size);

/// A field that says something of an array stays at its default while the array is NULL: if it `is_set`, the pointer
/// was forgotten.
void check_forgotten(const char* name, const char* pointer, bool is_set);

std::size_t size_of(scalar type);

/// Layers, experts, slots and gpus, without groups or nodes: all that checks and scores of placements look at.
plan_shape check_extents(const eplb_shape& shape);
/// Slots and speeds of the gpus; the numbers of their nodes are left to the policy.
cluster_view check_gpus(const eplb_shape& shape);

load_view check_input(const eplb_input& input, const plan_shape& shape, int max_samples, memory_kind memory);
current_view check_current(const eplb_input& input, const plan_shape& shape);
maps_view check_maps(const eplb_maps& maps, const plan_shape& shape, memory_kind memory);
/// The caller's buffers; numbers are 0 until there is something to say.
placement_stats check_stats(const eplb_stats& stats, const plan_shape& shape);
/// Writes the numbers of `from` to `to`, which was read as `given`. Arrays are in the caller's buffers already.
void write_stats(eplb_stats* to, eplb_stats given, const placement_stats& from);

}  // namespace eplb
