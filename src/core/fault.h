// SPDX-License-Identifier: MIT
// What may be wrong with the data of a call, and which fault is the first, whoever finds it.
#pragma once

#include <type_traits>

#include "core/shape.h"
#include "core/views.h"

namespace eplb {

enum class fault_kind : std::uint32_t {
  none,
  load,     // not finite in float32, or negative
  total,    // a layer's loads add up to more than float32 holds
  current,  // a layer of the current placement cannot be planned from
  budget,   // nor can all layers together
  inverse,  // an inverse map is too narrow for the plan
};

/// Why a current placement cannot be planned from.
enum class current_fault : std::uint32_t {
  none,
  value,    // a slot holds no expert
  groups,   // groups are on more than one node, and to bring them together takes too many changes
  changes,  // empty slots and lost experts take too many
};

/// A fault, its place and the value there. Words of 32 bits, as a device hands them to a host.
struct plan_fault {
  fault_kind kind;
  current_fault why;  // of a current placement or a budget
  std::uint32_t sample, layer;
  std::uint32_t at;       // expert of a load; slot of a current placement, if its value is wrong; an inverse's width
  std::uint32_t is_real;  // the value is a double, not an int64
  std::uint32_t value_low, value_high;

  EPLB_HOST_DEVICE void set_value(std::uint64_t bits) {
    value_low = static_cast<std::uint32_t>(bits);
    value_high = static_cast<std::uint32_t>(bits >> 32);
  }
  std::uint64_t bits() const { return std::uint64_t{value_high} << 32 | value_low; }
  /// Of a load or a slot; the changes or the width that are needed.
  std::int64_t integer() const { return static_cast<std::int64_t>(bits()); }
  double real() const { return __builtin_bit_cast(double, bits()); }
};

/// An inverse map of `width` where an expert has `needed` replicas.
EPLB_HOST_DEVICE inline plan_fault narrow_inverse(std::size_t width, std::size_t needed) {
  plan_fault out{};
  out.kind = fault_kind::inverse;
  out.at = static_cast<std::uint32_t>(width);
  out.set_value(needed);
  return out;
}

/// A fault as a number: the first has the least. Loads come by sample, layer and expert; then totals by layer; then
/// current placements by layer; last what all layers need.
using fault_key = std::uint64_t;
constexpr fault_key no_fault = ~fault_key{0};

EPLB_HOST_DEVICE inline fault_key load_fault(int sample, int layer, int expert) {
  return fault_key(sample) << 32 | fault_key(layer) << 16 | fault_key(expert);
}
EPLB_HOST_DEVICE inline fault_key total_fault(int layer) { return fault_key{1} << 62 | fault_key(layer); }
/// `at`: the slot with a wrong value, or the changes that are needed.
EPLB_HOST_DEVICE inline fault_key placement_fault(int layer, current_fault why, int at) {
  return fault_key{1} << 63 | fault_key(layer) << 18 | fault_key(why) << 16 | fault_key(at);
}
EPLB_HOST_DEVICE inline fault_key budget_fault() { return fault_key{3} << 62; }

/// What a key says, with the value from the input.
EPLB_HOST_DEVICE inline plan_fault read_fault(fault_key key, const plan_shape& shape, const plan_input& input) {
  plan_fault out{};
  if (key == no_fault) return out;
  if (key >= budget_fault()) {
    out.kind = fault_kind::budget;
  } else if (key >= placement_fault(0, {}, 0)) {
    out.kind = fault_kind::current;
    out.layer = static_cast<std::uint32_t>(key >> 18) & 0xffff;
    out.why = static_cast<current_fault>(key >> 16 & 3);
    out.at = static_cast<std::uint32_t>(key) & 0xffff;
    const std::size_t slot = out.layer * size_cast(shape.slots) + out.at;
    out.set_value(out.why == current_fault::value ? static_cast<std::uint64_t>(input.current[slot]) : out.at);
  } else if (key >= total_fault(0)) {
    out.kind = fault_kind::total;
    out.layer = static_cast<std::uint32_t>(key) & 0xffff;
  } else {
    out.kind = fault_kind::load;
    out.sample = static_cast<std::uint32_t>(key >> 32);
    out.layer = static_cast<std::uint32_t>(key >> 16) & 0xffff;
    out.at = static_cast<std::uint32_t>(key) & 0xffff;
    const std::size_t load = (out.sample * size_cast(shape.layers) + out.layer) * size_cast(shape.experts) + out.at;
    visit_loads(input.loads, [&](auto* in) {
      constexpr bool is_real = std::is_floating_point_v<std::remove_cvref_t<decltype(*in)>>;
      out.is_real = is_real;
      if constexpr (is_real)
        out.set_value(__builtin_bit_cast(std::uint64_t, static_cast<double>(in[load])));
      else
        out.set_value(static_cast<std::uint64_t>(in[load]));
    });
  }
  return out;
}

}  // namespace eplb
