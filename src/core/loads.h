// SPDX-License-Identifier: MIT
// Loads as callers have them into float32, once, and whether they can be planned with.
#pragma once

#include "core/fault.h"
#include "core/keys.h"

namespace eplb {
namespace {

/// To nearest, and -0 as 0.
template <class In>
EPLB_HOST_DEVICE float to_load(In x) {
  return static_cast<float>(x) + 0.0f;
}

/// Finite in float32 and not negative.
template <class In>
EPLB_HOST_DEVICE bool is_load(In x) {
  return x >= In{0} && to_load(x) <= FLT_MAX;
}

/// Converts one sample of a layer. Returns the index of the first bad load, or `experts`.
template <class Team, class In>
EPLB_HOST_DEVICE int convert(Team& team, const In* in, int experts, float* out) {
  const int rank = team.rank(), size = team.size();
  bool good = true;
  for (int e = rank; e < experts; e += size) {
    good &= is_load(in[e]);
    out[e] = to_load(in[e]);
  }
  auto bad = static_cast<std::uint64_t>(experts);
  if (!good)
    for (int e = rank; e < experts && bad == static_cast<std::uint64_t>(experts); e += size)
      if (!is_load(in[e])) bad = static_cast<std::uint64_t>(e);
  return static_cast<int>(team.min(bad));
}

/// Whether the layer's total, added up in order, is finite. Adding up is a chain as long as the
/// layer, so it is spared where the largest load shows that no order can overflow.
template <class Team>
EPLB_HOST_DEVICE bool total_is_finite(Team& team, const float* load, int experts) {
  std::uint32_t largest = 0;
  for (int e = team.rank(); e < experts; e += team.size())
    largest = float_bits(load[e]) > largest ? float_bits(load[e]) : largest;
  const float peak = heaviest_key_load(team.min(heaviest_key(bits_float(largest), 0)));
  if (peak < FLT_MAX / 2 / static_cast<float>(experts)) return true;
  float total = 0;
  for (int e = 0; e < experts; ++e) total += load[e];
  return total <= FLT_MAX;
}

/// Reads a layer: each sample goes to `sample`, rows of experts `stride` apart, and their sum to `sum`, which is
/// another array. Returns the first fault.
template <class Team>
EPLB_HOST_DEVICE fault_key read_layer(Team& team, const plan_shape& shape, const load_view& from, int layer,
                                      float* sample, std::size_t stride, float* sum) {
  const int experts = shape.experts;
  for (int s = 0; s < from.samples; ++s) {
    const std::size_t at = (size_cast(s) * size_cast(shape.layers) + size_cast(layer)) * size_cast(experts);
    float* const out = sample + size_cast(s) * stride;
    const int bad = visit_loads(from, [&](auto* in) { return convert(team, in + at, experts, out); });
    if (bad < experts) return load_fault(s, layer, bad);
    for (int e = team.rank(); e < experts; e += team.size()) sum[e] = s == 0 ? out[e] : sum[e] + out[e];
  }
  team.sync();
  return total_is_finite(team, sum, experts) ? no_fault : total_fault(layer);
}

}  // namespace
}  // namespace eplb
