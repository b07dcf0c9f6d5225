// SPDX-License-Identifier: MIT
// Random numbers without state: a counter goes in, a number comes out, in any order on any thread.
#pragma once

#include "core/problem.h"

namespace eplb {
namespace {

struct philox_block {
  std::uint32_t word[4];
};

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011).
EPLB_CORE inline philox_block philox4x32(philox_block counter, std::uint64_t key) {
  constexpr std::uint64_t multiply0 = 0xD2511F53, multiply2 = 0xCD9E8D57;
  constexpr std::uint32_t bump0 = 0x9E3779B9, bump1 = 0xBB67AE85;
  auto key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
  auto& c = counter.word;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = multiply0 * c[0], b = multiply2 * c[2];
    c[0] = static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ key0;
    c[1] = static_cast<std::uint32_t>(b);
    c[2] = static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ key1;
    c[3] = static_cast<std::uint32_t>(a);
    key0 += bump0, key1 += bump1;
  }
  return counter;
}

/// Uniform in [0, 1), a multiple of 2^-24, for one item of one attempt at one packing problem.
EPLB_CORE inline float uniform(std::uint64_t seed, std::uint32_t layer, std::uint32_t problem,
                               std::uint32_t candidate, std::uint32_t item) {
  const std::uint32_t bits = philox4x32({{layer, problem, candidate, item}}, seed).word[0];
  return static_cast<float>(bits >> 8) * 0x1p-24f;
}

}  // namespace
}  // namespace eplb
