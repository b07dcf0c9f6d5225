// SPDX-License-Identifier: MIT
// Loads as callers have them into float32, once, and whether they can be planned with.
#pragma once

#include "core/keys.h"

namespace eplb {
namespace {

/// To nearest, and -0 as 0.
template <class In>
EPLB_CORE float to_load(In x) {
  return static_cast<float>(x) + 0.0f;
}

/// Finite in float32 and not negative.
template <class In>
EPLB_CORE bool is_load(In x) {
  return x >= In{0} && to_load(x) <= FLT_MAX;
}

/// Converts one sample of a layer, and adds it to (first: makes it) the layer's sum. Returns the
/// index of the first bad load, or `experts`.
template <class Group, class In>
EPLB_CORE int read_loads(Group& group, const In* in, int experts, bool first, float* out, float* sum) {
  const int rank = group.thread_rank(), size = group.size();
  bool good = true;
  for (int e = rank; e < experts; e += size) {
    good &= is_load(in[e]);
    out[e] = to_load(in[e]);
  }
  if (sum != out)
    for (int e = rank; e < experts; e += size) sum[e] = first ? out[e] : sum[e] + out[e];
  auto bad = static_cast<std::uint64_t>(experts);
  if (!good)
    for (int e = rank; e < experts && bad == static_cast<std::uint64_t>(experts); e += size)
      if (!is_load(in[e])) bad = static_cast<std::uint64_t>(e);
  return static_cast<int>(group.min(bad));
}

/// Whether the layer's total, added up in order, is finite. Adding up is a chain as long as the
/// layer, so it is spared where the largest load shows that no order can overflow.
template <class Group>
EPLB_CORE bool total_is_finite(Group& group, const float* load, int experts) {
  std::uint32_t largest = 0;
  for (int e = group.thread_rank(); e < experts; e += group.size())
    largest = float_bits(load[e]) > largest ? float_bits(load[e]) : largest;
  const float peak = heaviest_key_load(group.min(heaviest_key(bits_float(largest), 0)));
  if (peak < FLT_MAX / 2 / static_cast<float>(experts)) return true;
  float total = 0;
  for (int e = 0; e < experts; ++e) total += load[e];
  return total <= FLT_MAX;
}

}  // namespace
}  // namespace eplb
