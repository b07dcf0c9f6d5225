// SPDX-License-Identifier: MIT
// Random numbers without state: a counter goes in, a number comes out, in any order on any thread.
#pragma once

#include "core/shape.h"

namespace eplb {
namespace {

struct philox_block {
  std::uint32_t a, b, c, d;
};

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011).
/// Scalars and a full unroll, so that a loop over counters vectorises; on a device, where it would keep
/// twenty round keys in registers, none.
EPLB_HOST_DEVICE inline philox_block philox4x32(philox_block x, std::uint64_t key) {
  constexpr std::uint64_t multiply_a = 0xD2511F53, multiply_c = 0xCD9E8D57;
  constexpr std::uint32_t bump_low = 0x9E3779B9, bump_high = 0xBB67AE85;
  auto low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
#if defined(__CUDACC__)
#pragma unroll 1
#else
#pragma GCC unroll 10
#endif
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = multiply_a * x.a, c = multiply_c * x.c;
    x = {static_cast<std::uint32_t>(c >> 32) ^ x.b ^ low, static_cast<std::uint32_t>(c),
         static_cast<std::uint32_t>(a >> 32) ^ x.d ^ high, static_cast<std::uint32_t>(a)};
    low += bump_low;
    high += bump_high;
  }
  return x;
}

/// Uniform in [0, 1), a multiple of 2^-24, for one item of one attempt at one packing problem.
EPLB_HOST_DEVICE inline float uniform(std::uint64_t seed, std::uint32_t layer, std::uint32_t problem,
                                      std::uint32_t candidate, std::uint32_t item) {
  const std::uint32_t bits = philox4x32({layer, problem, candidate, item}, seed).a;
  return static_cast<float>(bits >> 8) * 0x1p-24f;
}

}  // namespace
}  // namespace eplb
