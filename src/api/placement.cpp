// SPDX-License-Identifier: MIT
// Any placement, checked, and scored under any load.
#include <algorithm>

#include "api/check.h"
#include "api/error.h"
#include "api/memory.h"
#include "backend/cpu/float_mode.h"
#include "core/fault.h"
#include "core/loads.h"
#include "core/score.h"
#include "core/team/serial.h"

namespace eplb {
namespace {

constexpr host_allocator plain_memory{nullptr, nullptr, nullptr};

/// Memory that lives as long as the call.
class call_memory {
 public:
  explicit call_memory(std::size_t size) : block_(plain_memory.take(size + arena::alignment)) {}
  ~call_memory() { plain_memory.give_back(block_); }
  call_memory(const call_memory&) = delete;
  call_memory& operator=(const call_memory&) = delete;

  arena pieces() const { return arena(arena::align(block_)); }

 private:
  void* block_;
};

/// What checking and scoring a placement works with.
struct placement_memory {
  layer_maps maps;         // of all layers
  index_t* met;            // [slots] what the checks of a layer have met so far
  index_t* first_replica;  // [experts] where in `met` its replicas begin, by rank
  cluster gpus;
  score_memory score;
  float* load;  // [samples][layers][experts]

  static placement_memory lay_out(arena& memory, const plan_shape& shape, int samples) {
    const std::size_t layers = size_cast(shape.layers), slots = size_cast(shape.slots),
                      experts = size_cast(shape.experts);
    placement_memory out;
    out.maps = layer_maps::lay_out(memory, shape);
    out.met = memory.take<index_t>(slots);
    out.first_replica = memory.take<index_t>(experts);
    out.gpus = cluster::lay_out(memory, shape);
    out.score = score_memory::lay_out<serial_team>(memory, shape);
    out.load = memory.take<float>(size_cast(samples) * layers * experts);
    return out;
  }
  static std::size_t size(const plan_shape& shape, int samples) {
    return bytes_of([&](arena& memory) { lay_out(memory, shape, samples); });
  }
};

std::int64_t entry_of(const maps_view& maps, const void* map, std::size_t i) {
  return maps.type == scalar::int32 ? static_cast<const std::int32_t*>(map)[i]
                                    : static_cast<const std::int64_t*>(map)[i];
}

template <class... Values>
[[noreturn]] void reject(const char* format, Values... values) {
  fail(EPLB_ERROR_INVALID_PLACEMENT, format, values...);
}

/// The checks of one layer of a placement, in the order in which their faults are named.
class layer_check {
 public:
  layer_check(const plan_shape& shape, const maps_view& given, int layer, const placement_memory& memory)
      : shape_(shape), given_(given), layer_(layer), memory_(memory), maps_(memory.maps.of(shape, layer)) {}

  /// Every slot holds an expert and every expert has a slot.
  void read_experts() {
    std::fill_n(maps_.replica_count, shape_.experts, index_t{0});
    for (int slot = 0; slot < shape_.slots; ++slot) {
      const std::int64_t e = at_slot(given_.physical_to_logical, slot);
      if (e < 0 || e >= shape_.experts)
        reject("physical_to_logical of layer %d, slot %d is %lld; it must be 0 to %d", layer_, slot,
               static_cast<long long>(e), shape_.experts - 1);
      maps_.physical_to_logical[slot] = static_cast<index_t>(e);
      ++maps_.replica_count[e];
    }
    for (int e = 0; e < shape_.experts; ++e)
      if (maps_.replica_count[e] == 0) reject("layer %d, expert %d has no slot", layer_, e);
  }

  void compare_counts() {
    if (!given_.replica_count) return;
    for (int e = 0; e < shape_.experts; ++e) {
      const std::int64_t count = at_expert(given_.replica_count, e);
      if (count != maps_.replica_count[e])
        reject("replica_count of layer %d, expert %d is %lld, but it has %d slots", layer_, e,
               static_cast<long long>(count), maps_.replica_count[e]);
    }
  }

  /// The replicas of each expert have the ranks 0, 1, ... in some order.
  void compare_ranks() {
    if (!given_.replica_rank) return;
    int next = 0;
    for (int e = 0; e < shape_.experts; ++e) {
      memory_.first_replica[e] = static_cast<index_t>(next);
      next += maps_.replica_count[e];
    }
    index_t* const slot_of_replica = memory_.met;
    std::fill_n(slot_of_replica, shape_.slots, no_slot);
    for (int slot = 0; slot < shape_.slots; ++slot) {
      const int e = maps_.physical_to_logical[slot];
      const std::int64_t rank = at_slot(given_.replica_rank, slot);
      if (rank < 0 || rank >= maps_.replica_count[e])
        reject("replica_rank of layer %d, slot %d is %lld, but its expert %d has %d slots", layer_, slot,
               static_cast<long long>(rank), e, maps_.replica_count[e]);
      index_t& taken = slot_of_replica[memory_.first_replica[e] + rank];
      if (taken != no_slot)
        reject("replica_rank of layer %d, slot %d is %lld, which slot %d of expert %d has too", layer_, slot,
               static_cast<long long>(rank), static_cast<int>(taken), e);
      taken = static_cast<index_t>(slot);
      maps_.replica_rank[slot] = static_cast<index_t>(rank);
    }
  }

  /// Each expert lists its slots, once each and by rank where ranks are given, and then -1.
  void compare_inverse() {
    if (!given_.logical_to_physical) return;
    const std::size_t width = given_.max_replicas;
    std::fill_n(memory_.met, shape_.slots, no_expert);
    for (int e = 0; e < shape_.experts; ++e) {
      const auto count = size_cast(maps_.replica_count[e]);
      if (count > width) reject("layer %d, expert %d has %zu slots, but max_replicas is %zu", layer_, e, count, width);
      for (std::size_t r = 0; r < width; ++r) compare_inverse_entry(e, r, r < count);
    }
  }

  void reject_duplicates() {
    serial_team serial;
    find_duplicates(serial, shape_, memory_.gpus, maps_.physical_to_logical, memory_.score.last_gpu,
                    [&](int slot, int gpu) {
                      reject("layer %d, slot %d holds expert %d, which gpu %d has in an earlier slot", layer_, slot,
                             static_cast<int>(maps_.physical_to_logical[slot]), gpu);
                    });
  }

 private:
  static constexpr index_t no_slot = max_extent;

  std::int64_t at_slot(const void* map, int slot) const {
    return entry_of(given_, map, size_cast(layer_) * size_cast(shape_.slots) + size_cast(slot));
  }
  std::int64_t at_expert(const void* map, int e) const {
    return entry_of(given_, map, size_cast(layer_) * size_cast(shape_.experts) + size_cast(e));
  }

  void compare_inverse_entry(int e, std::size_t r, bool has_slot) {
    const std::size_t row = size_cast(layer_) * size_cast(shape_.experts) + size_cast(e);
    const std::int64_t slot = entry_of(given_, given_.logical_to_physical, row * given_.max_replicas + r);
    const auto say = [&](const char* what) {
      reject("logical_to_physical of layer %d, expert %d, replica %zu is %lld, %s", layer_, e, r,
             static_cast<long long>(slot), what);
    };
    if (!has_slot) {
      if (slot != -1) say("but the expert has no more slots, so it must be -1");
      return;
    }
    if (slot < 0 || slot >= shape_.slots || maps_.physical_to_logical[slot] != e) say("not a slot of this expert");
    if (memory_.met[slot] != no_expert) say("a slot named before");
    if (given_.replica_rank && maps_.replica_rank[slot] != r) say("a slot of another rank");
    memory_.met[slot] = static_cast<index_t>(e);
  }

  const plan_shape& shape_;
  const maps_view& given_;
  const int layer_;
  const placement_memory& memory_;
  const layer_maps maps_;
};

/// Reads a placement into memory, unless something is wrong with it.
void check_placement(const plan_shape& shape, const maps_view& given, bool duplicates_are_wrong,
                     const placement_memory& memory) {
  for (int layer = 0; layer < shape.layers; ++layer) {
    layer_check check(shape, given, layer, memory);
    check.read_experts();
    check.compare_counts();
    check.compare_ranks();
    check.compare_inverse();
    if (duplicates_are_wrong) check.reject_duplicates();
  }
}

maps_view read_maps(const eplb_maps* maps, const plan_shape& shape) {
  const maps_view out = check_maps(read_struct(maps, "maps"), shape, memory_kind::host);
  if (!out.physical_to_logical) fail(EPLB_ERROR_INVALID_ARGUMENT, "maps.physical_to_logical is NULL");
  return out;
}

/// All loads as float32, one after the other.
void convert_loads(const plan_shape& shape, const plan_input& input, float* out) {
  serial_team team;
  const std::size_t experts = size_cast(shape.experts);
  for (int s = 0; s < input.loads.samples; ++s)
    for (int layer = 0; layer < shape.layers; ++layer) {
      const std::size_t at = (size_cast(s) * size_cast(shape.layers) + size_cast(layer)) * experts;
      const int e = visit_loads(input.loads, [&](auto* in) { return convert(team, in + at, shape.experts, out + at); });
      if (e < shape.experts) throw read_fault(load_fault(s, layer, e), shape, input);
    }
}

/// Slots that hold another expert than in the current placement.
std::int64_t count_changes(const plan_shape& shape, const plan_input& input, const layer_maps& maps) {
  std::int64_t changes = 0;
  const std::size_t slots = size_cast(shape.slots);
  for (std::size_t i = 0; i < size_cast(shape.layers) * slots; ++i) {
    const std::int64_t e = input.current[i];
    if (e < -1 || e >= shape.experts)
      throw read_fault(placement_fault(static_cast<int>(i / slots), current_fault::value, static_cast<int>(i % slots)),
                       shape, input);
    changes += e != maps.physical_to_logical[i] ? 1 : 0;
  }
  return changes;
}

}  // namespace
}  // namespace eplb

using namespace eplb;

eplb_status eplb_check_placement(const eplb_shape* shape, const eplb_maps* maps, uint32_t flags, eplb_error* error) {
  return guarded(error, [&] {
    const eplb_shape dimensions = read_struct(shape, "shape");
    const plan_shape extents = check_extents(dimensions);
    const cluster_view gpus = check_gpus(dimensions);
    const maps_view given = read_maps(maps, extents);
    if (flags & ~std::uint32_t{EPLB_CHECK_DUPLICATES})
      fail(EPLB_ERROR_INVALID_ARGUMENT, "flags is %u, which has bits that this library does not know", flags);
    const call_memory memory(placement_memory::size(extents, 0));
    arena pieces = memory.pieces();
    placement_memory parts = placement_memory::lay_out(pieces, extents, 0);
    parts.gpus.describe(extents, gpus);
    check_placement(extents, given, flags & EPLB_CHECK_DUPLICATES, parts);
  });
}

eplb_status eplb_score_placement(const eplb_shape* shape, const eplb_input* input, const eplb_maps* maps,
                                 eplb_stats* stats, eplb_error* error) {
  return guarded(error, [&] {
    const eplb_shape dimensions = read_struct(shape, "shape");
    const plan_shape extents = check_extents(dimensions);
    const cluster_view gpus = check_gpus(dimensions);
    const eplb_input given_input = read_struct(input, "input");
    const load_view loads = check_input(given_input, extents, max_extent, memory_kind::host);
    const plan_input from{loads, check_current(given_input, extents), 0};
    const maps_view given = read_maps(maps, extents);
    const eplb_stats asked = read_struct(stats, "stats");
    placement_stats out = check_stats(asked, extents);
    const call_memory memory(placement_memory::size(extents, loads.samples));
    arena pieces = memory.pieces();
    placement_memory parts = placement_memory::lay_out(pieces, extents, loads.samples);
    parts.gpus.describe(extents, gpus);
    const float_mode exact;
    check_placement(extents, given, false, parts);
    out.changes = from.current.expert ? count_changes(extents, from, parts.maps) : 0;
    convert_loads(extents, from, parts.load);
    serial_team team;
    score(team, extents, parts.gpus, parts.maps, parts.load, loads.samples, parts.score, out);
    write_stats(stats, asked, out);
  });
}
