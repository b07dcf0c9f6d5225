// SPDX-License-Identifier: MIT
// What a caller hands to the library, drawn from an input: mostly small and sensible, and then again not.
#pragma once

#include <eplb/eplb.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "target.h"

namespace eplb::fuzz {

/// A struct of eplb.h with its defaults: `defaults(eplb_shape_init)`.
template <class Struct>
Struct defaults(eplb_status(EPLB_CALL* init)(Struct*, std::size_t)) {
  Struct result{};
  PROMISE(init(&result, sizeof result) == EPLB_SUCCESS);
  return result;
}

/// Makes a call that takes an error last. If it fails there is one sentence, of the status that it returned.
template <class Call>
eplb_status checked(Call call) {
  eplb_error error = defaults(eplb_error_init);
  const eplb_status status = call(&error);
  PROMISE(status == error.status && status != EPLB_ERROR_INTERNAL);
  PROMISE((status == EPLB_SUCCESS) == (error.message[0] == 0));
  PROMISE(std::memchr(error.message, 0, sizeof error.message));
  return status;
}

/// A shape with its arrays.
struct drawn_shape {
  eplb_shape shape = defaults(eplb_shape_init);
  std::vector<std::int32_t> slots, node;
  std::vector<float> speed;

  explicit drawn_shape(input& in) {
    shape.num_layers = in.mostly<std::int32_t>(1, 3);
    shape.num_gpus = in.mostly<std::int32_t>(1, 12);
    shape.num_nodes = in.one_in(2) ? in.mostly<std::int32_t>(1, 4) : 1;
    shape.num_groups = in.one_in(2) ? in.mostly<std::int32_t>(1, 8) : 1;
    const int most = in.one_in(8) ? 72 : 24;
    shape.num_logical_experts = in.mostly<std::int32_t>(1, most);
    shape.num_physical_experts = in.mostly<std::int32_t>(1, most + 16);
    if (in.one_in(2)) make_regular();
    const std::size_t gpus = in.one_in(32) ? in.byte() : is_small() ? index(shape.num_gpus) : 0;
    if (in.one_in(2)) draw_slots(in, gpus);
    if (in.one_in(4))
      for (std::size_t g = 0; g < gpus; ++g)
        speed.push_back(in.one_in(32) ? in.raw<float>() : static_cast<float>(in.between(1, 64)) / 16);
    if (in.one_in(4))
      for (std::size_t g = 0; g < gpus; ++g)
        node.push_back(in.mostly<std::int32_t>(0, std::clamp(shape.num_nodes, 1, 4) - 1));
    const auto set = [](const auto& values, auto*& pointer, std::size_t& count) {
      if (values.empty()) return;
      pointer = values.data();
      count = values.size();
    };
    set(slots, shape.slots_per_gpu, shape.slots_per_gpu_count);
    set(speed, shape.speed_of_gpu, shape.speed_of_gpu_count);
    set(node, shape.node_of_gpu, shape.node_of_gpu_count);
  }
  drawn_shape(const drawn_shape&) = delete;
  drawn_shape& operator=(const drawn_shape&) = delete;

  /// Small enough to be planned in no time.
  bool is_small() const {
    const auto is = [](std::int32_t value, std::int32_t most) { return value >= 1 && value <= most; };
    return is(shape.num_layers, 3) && is(shape.num_gpus, 48) && is(shape.num_logical_experts, 256) &&
           is(shape.num_physical_experts, 512);
  }

  std::vector<std::int32_t> gpu_of_slot() const {
    const std::int32_t gpus = shape.num_gpus, room = shape.num_physical_experts / gpus;
    std::vector<std::int32_t> out;
    for (std::int32_t g = 0; g < gpus; ++g) {
      const bool has_more = g < shape.num_physical_experts % gpus;
      const std::int32_t count = slots.empty() ? room + (has_more ? 1 : 0) : slots[index(g)];
      out.insert(out.end(), index(count), g);
    }
    return out;
  }
  std::int32_t node_of(std::int32_t gpu) const {
    return node.empty() ? gpu / (shape.num_gpus / shape.num_nodes) : node[index(gpu)];
  }

 private:
  /// As any strategy takes it: experts in equal groups, and as many slots on each gpu.
  void make_regular() {
    if (!is_small()) return;
    const auto up = [](std::int32_t& value, std::int32_t of) {
      if (of > 0 && of <= 8) value = (value + of - 1) / of * of;
    };
    up(shape.num_groups, shape.num_nodes);
    up(shape.num_gpus, shape.num_nodes);
    if (shape.num_groups > 0 && shape.num_groups <= 32)
      shape.num_logical_experts = std::max(shape.num_logical_experts / shape.num_groups, 1) * shape.num_groups;
    shape.num_physical_experts = std::max(shape.num_physical_experts, shape.num_logical_experts);
    shape.num_physical_experts = (shape.num_physical_experts + shape.num_gpus - 1) / shape.num_gpus * shape.num_gpus;
  }

  /// Mostly as many as there are to be, in any division; now and then one too many.
  void draw_slots(input& in, std::size_t gpus) {
    std::int32_t left = is_small() ? shape.num_physical_experts : 0;
    for (std::size_t g = 0; g < gpus; ++g) {
      const std::int32_t wanted = g + 1 == gpus ? left : std::min(left, in.mostly<std::int32_t>(0, 15));
      slots.push_back(wanted);
      left = wanted < 0 ? left : left - wanted;
    }
    if (in.one_in(32) && gpus > 0) ++slots.back();
  }
};

inline eplb_options draw_options(input& in) {
  eplb_options options = defaults(eplb_options_init);
  options.strategy = in.mostly<std::int32_t>(0, eplb_strategy_count() - 1);
  if (in.one_in(3)) options.strategy = EPLB_STRATEGY_SEARCH;
  options.policy = in.mostly<std::int32_t>(0, EPLB_POLICY_GLOBAL);
  options.max_samples = in.mostly<std::int32_t>(1, 3);
  options.num_threads = in.mostly<std::int32_t>(1, 2);
  options.log_level = in.mostly<std::int32_t>(0, EPLB_LOG_DEBUG);
  if (in.one_in(4)) {  // a strategy of one's own
    options.initial = in.mostly<std::int32_t>(0, EPLB_INITIAL_ZIGZAG);
    options.candidates = in.mostly<std::int32_t>(0, 5);
    options.amplitude = in.one_in(32) ? in.raw<float>() : static_cast<float>(in.between(0, 16)) / 16;
    options.amplitude_form = in.mostly<std::int32_t>(0, EPLB_AMPLITUDE_LINEAR);
    options.swap_scope = in.mostly<std::int32_t>(0, EPLB_SWAP_ANY_ANY);
    options.max_swaps = in.mostly<std::int32_t>(0, 40);
    options.selection = in.mostly<std::int32_t>(0, EPLB_SELECTION_SPREAD);
  }
  if (in.one_in(2)) {  // of a search
    options.search_steps = in.mostly<std::int32_t>(0, 20);
    options.samples = in.mostly<std::int32_t>(0, EPLB_SAMPLES_SUM);
    options.duplicates = in.mostly<std::int32_t>(0, EPLB_DUPLICATES_ALLOW);
    options.objective = in.mostly<std::int32_t>(0, EPLB_OBJECTIVE_POWER32);
  }
  return options;
}

inline bool is_64_bits(std::int32_t type) { return type == EPLB_TYPE_FLOAT64 || type == EPLB_TYPE_INT64; }

/// A buffer of the caller's, on the heap and no longer than it says, so that AddressSanitizer sees what is beside it.
class buffer {
 public:
  /// For what a call needs.
  static buffer exact(std::size_t needed, std::int32_t type) { return buffer(needed, needed, type, 0); }
  static buffer null() { return buffer(0, 0, EPLB_TYPE_INT32, 0); }
  /// Mostly that; or NULL, too short, longer, or not aligned.
  static buffer drawn(input& in, std::size_t needed, std::int32_t type) {
    switch (in.between(0, 31)) {
      case 31:
        return null();
      case 30:
        return buffer(needed, needed - 1, type, 0);
      case 29:
        return buffer(needed, needed + 3, type, 0);
      case 28:
        return buffer(needed, needed, type, 1);
      default:
        return exact(needed, type);
    }
  }

  void* data() { return bytes_.empty() ? nullptr : bytes_.data() + over_; }
  const void* data() const { return bytes_.empty() ? nullptr : bytes_.data() + over_; }
  std::size_t count() const { return count_; }
  std::size_t needed() const { return needed_; }
  /// A call must not complain of it; it may be NULL.
  bool is_fine() const { return bytes_.empty() || (count_ >= needed_ && over_ == 0); }
  bool is_untouched() const { return is_untouched_from(0); }
  /// Nothing was written behind what was needed.
  bool is_rest_untouched() const { return is_untouched_from(needed_ * size_); }

  std::int64_t operator[](std::size_t i) const { return size_ == 8 ? at<std::int64_t>(i) : at<std::int32_t>(i); }
  void set(std::size_t i, std::int64_t value) {
    if (size_ == 8)
      put(i, value);
    else
      put(i, static_cast<std::int32_t>(value));
  }
  template <class T>
  T at(std::size_t i) const {
    T value;
    std::memcpy(&value, bytes_.data() + over_ + i * sizeof value, sizeof value);
    return value;
  }
  template <class T>
  void put(std::size_t i, T value) {
    std::memcpy(bytes_.data() + over_ + i * sizeof value, &value, sizeof value);
  }

 private:
  static constexpr unsigned char unwritten = 0xA5;

  buffer(std::size_t needed, std::size_t count, std::int32_t type, std::size_t over)
      : needed_(needed), count_(count), size_(is_64_bits(type) ? 8 : 4), over_(over) {
    bytes_.assign(count * size_ + over, unwritten);
  }
  bool is_untouched_from(std::size_t byte) const {
    return std::all_of(bytes_.begin() + static_cast<std::ptrdiff_t>(std::min(byte, bytes_.size())), bytes_.end(),
                       [](unsigned char b) { return b == unwritten; });
  }

  std::size_t needed_, count_, size_, over_;
  std::vector<unsigned char> bytes_;
};

/// Loads, with the struct that names them.
struct drawn_loads {
  eplb_input given = defaults(eplb_input_init);
  buffer values;
  bool are_good;              ///< A call must not complain of them,
  bool may_overflow = false;  ///< unless of their sum.

  drawn_loads(input& in, std::int32_t layers, std::int32_t experts)
      : drawn_loads(in, layers, experts, in.between(EPLB_TYPE_FLOAT32, EPLB_TYPE_INT64), in.between(1, 3)) {}

 private:
  drawn_loads(input& in, std::int32_t layers, std::int32_t experts, std::int32_t type, std::int32_t samples)
      : values(buffer::drawn(in, product(samples, layers, experts), type)),
        are_good(values.is_fine() && values.data()) {
    given.type = type;
    given.num_samples = samples;
    given.loads = values.data();
    given.loads_count = values.count();
    given.seed = in.byte();
    const int kind = in.between(0, 4), shift = in.between(0, 40);
    for (std::size_t i = 0; i < values.count(); ++i) {
      switch (type) {
        case EPLB_TYPE_FLOAT32:
          set(i, kind == 4 ? in.raw<float>() : static_cast<float>(make(in, kind, shift - 20)));
          break;
        case EPLB_TYPE_FLOAT64:
          set(i, kind == 4 ? in.raw<double>() : make(in, kind, shift - 20));
          break;
        case EPLB_TYPE_INT32:
          set(i, kind == 4 ? in.raw<std::int32_t>() : static_cast<std::int32_t>(make(in, kind, shift / 2)));
          break;
        default:
          set(i, kind == 4 ? in.raw<std::int64_t>() : static_cast<std::int64_t>(make(in, kind, shift)));
      }
    }
    if (in.one_in(32)) {
      given.type = in.one_in(2) ? EPLB_TYPE_INT64 + 1 : -1;
      are_good = false;
    }
    if (in.one_in(32)) {
      given.num_samples = in.one_in(2) ? std::numeric_limits<std::int32_t>::max() : in.between(-1, 0);
      are_good = false;
    }
  }

  static double make(input& in, int kind, int shift) {
    return kind == 0 ? 7 : kind == 1 ? in.byte() : std::ldexp(in.byte(), shift);
  }
  template <class T>
  void set(std::size_t i, T value) {
    values.put(i, value);
    if (i >= values.needed()) return;
    // The limit is half a step above the largest float; from there on a double is rounded to infinity.
    are_good = are_good && value >= T{0} && static_cast<double>(value) < 0x1.ffffffp127;
    may_overflow = may_overflow || static_cast<double>(value) > 1e30;
  }
};

/// The four maps, with the struct that names them.
struct four_maps {
  eplb_maps maps = defaults(eplb_maps_init);
  buffer physical_to_logical, replica_rank, replica_count, logical_to_physical;

  template <class Make>
  four_maps(const eplb_shape& shape, std::int32_t type, std::int32_t max_replicas, Make make)
      : physical_to_logical(make(product(shape.num_layers, shape.num_physical_experts), type)),
        replica_rank(make(product(shape.num_layers, shape.num_physical_experts), type)),
        replica_count(make(product(shape.num_layers, shape.num_logical_experts), type)),
        logical_to_physical(make(product(shape.num_layers, shape.num_logical_experts, max_replicas), type)) {
    maps.type = type;
    maps.max_replicas = max_replicas;
    name(physical_to_logical, maps.physical_to_logical, maps.physical_to_logical_count);
    name(replica_rank, maps.replica_rank, maps.replica_rank_count);
    name(replica_count, maps.replica_count, maps.replica_count_count);
    name(logical_to_physical, maps.logical_to_physical, maps.logical_to_physical_count);
  }
  four_maps(const four_maps&) = delete;
  four_maps& operator=(const four_maps&) = delete;

  template <class Is>
  bool all(Is is) const {
    return is(physical_to_logical) && is(replica_rank) && is(replica_count) && is(logical_to_physical);
  }

 private:
  static void name(buffer& from, void*& data, std::size_t& count) {
    data = from.data();
    count = from.count();
  }
};

/// Room for everything there can be to write.
struct whole_maps : four_maps {
  explicit whole_maps(const eplb_shape& shape, std::int32_t type = EPLB_TYPE_INT32)
      : four_maps(shape, type, shape.num_physical_experts - shape.num_logical_experts + 1, buffer::exact) {}
};

/// Any buffers.
struct drawn_maps : four_maps {
  drawn_maps(input& in, const eplb_shape& shape)
      : four_maps(shape, in.one_in(2) ? EPLB_TYPE_INT64 : EPLB_TYPE_INT32, in.between(1, 12),
                  [&in](std::size_t needed, std::int32_t type) { return buffer::drawn(in, needed, type); }) {
    if (in.one_in(64)) maps.type = EPLB_TYPE_FLOAT32;
    if (in.one_in(64)) maps.max_replicas = in.raw<std::int32_t>();
    if (in.one_in(64)) maps.memory = EPLB_MEMORY_CUDA;
  }
};

/// Whether two plans are the same, in all their maps.
inline bool are_same(const four_maps& a, const four_maps& b) {
  const auto same = [](const buffer& left, const buffer& right) {
    if (left.count() != right.count()) return false;
    for (std::size_t i = 0; i < left.count(); ++i)
      if (left[i] != right[i]) return false;
    return true;
  };
  return same(a.physical_to_logical, b.physical_to_logical) && same(a.replica_rank, b.replica_rank) &&
         same(a.replica_count, b.replica_count) && same(a.logical_to_physical, b.logical_to_physical);
}

}  // namespace eplb::fuzz
