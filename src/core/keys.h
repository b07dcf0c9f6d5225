// SPDX-License-Identifier: MIT
// Loads as integers. A load is never negative, so its bits order as it does; with an index below
// them, one comparison of 64-bit keys settles the load and, on ties, the lowest index.
#pragma once

#include <cfloat>

#include "core/shape.h"

namespace eplb {
namespace {

EPLB_HOST_DEVICE inline std::uint32_t float_bits(float x) { return __builtin_bit_cast(std::uint32_t, x); }
EPLB_HOST_DEVICE inline float bits_float(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

/// A layer's total is finite when it is added up in index order. In another order its sums might be
/// rounded up to infinity, with which nothing can be compared; they stop at the largest number instead.
EPLB_HOST_DEVICE inline float add_loads(float a, float b) {
  const float sum = a + b;
  return sum < FLT_MAX ? sum : FLT_MAX;
}

/// The least key is the lightest, lowest index first.
EPLB_HOST_DEVICE inline std::uint64_t lightest_key(float load, std::uint32_t index) {
  return std::uint64_t{float_bits(load)} << 32 | index;
}
/// The least key is the heaviest, lowest index first.
EPLB_HOST_DEVICE inline std::uint64_t heaviest_key(float load, std::uint32_t index) {
  return std::uint64_t{~float_bits(load)} << 32 | index;
}
/// Comes after every other key.
constexpr std::uint64_t last_key = ~std::uint64_t{0};

EPLB_HOST_DEVICE inline std::uint32_t key_index(std::uint64_t key) { return static_cast<std::uint32_t>(key); }
EPLB_HOST_DEVICE inline float lightest_key_load(std::uint64_t key) {
  return bits_float(static_cast<std::uint32_t>(key >> 32));
}
EPLB_HOST_DEVICE inline float heaviest_key_load(std::uint64_t key) {
  return bits_float(~static_cast<std::uint32_t>(key >> 32));
}

/// Two indices as one, and back.
struct index_pair {
  int i, j;

  EPLB_HOST_DEVICE static std::uint32_t key(int i, int j, int count_of_j) {
    return static_cast<std::uint32_t>(i) * static_cast<std::uint32_t>(count_of_j) + static_cast<std::uint32_t>(j);
  }
  EPLB_HOST_DEVICE index_pair(std::uint64_t key, int count_of_j)
      : i(static_cast<int>(key_index(key) / static_cast<std::uint32_t>(count_of_j))),
        j(static_cast<int>(key_index(key) % static_cast<std::uint32_t>(count_of_j))) {}
};

}  // namespace
}  // namespace eplb
