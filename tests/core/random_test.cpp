// SPDX-License-Identifier: MIT
// The random numbers are the published ones.
#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"

namespace eplb {
namespace {

/// The generator's published known answers.
TEST(Philox, KnownAnswers) {
  struct answer {
    philox_block counter;
    std::uint64_t key;
    philox_block want;
  };
  const answer answers[] = {{{0, 0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
                            {{~0u, ~0u, ~0u, ~0u}, ~0ull, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
                            {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                             0x299f31d0a4093822,
                             {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (const answer& answer : answers) {
    const philox_block got = philox4x32(answer.counter, answer.key);
    EXPECT_EQ(got.a, answer.want.a);
    EXPECT_EQ(got.b, answer.want.b);
    EXPECT_EQ(got.c, answer.want.c);
    EXPECT_EQ(got.d, answer.want.d);
  }
}

TEST(Philox, UniformIsAMultipleOfTwoToTheMinus24BelowOne) {
  double sum = 0;
  for (std::uint32_t i = 0; i < 10000; ++i) {
    const float u = uniform(7, 1, 2, 3, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    ASSERT_EQ(u * 0x1p24f, std::floor(u * 0x1p24f));
    sum += static_cast<double>(u);
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

}  // namespace
}  // namespace eplb
