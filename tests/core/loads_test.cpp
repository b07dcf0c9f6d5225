// SPDX-License-Identifier: MIT
// What counts as a load.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/loads.h"
#include "core/team/serial.h"

namespace eplb {
namespace {

TEST(Loads, AreFiniteAndNotNegative) {
  for (const float bad : {std::nanf(""), -std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), -1.0f, -1e-45f})
    EXPECT_FALSE(is_load(bad));
  for (const double bad : {1e39, -1e-300, -0x1p-1074}) EXPECT_FALSE(is_load(bad));
  EXPECT_FALSE(is_load(std::int64_t{-1}));
  EXPECT_FALSE(is_load(std::int32_t{-1}));
  EXPECT_TRUE(is_load(std::numeric_limits<std::int64_t>::max()));
  EXPECT_TRUE(is_load(FLT_MAX));
  EXPECT_EQ(float_bits(to_load(-0.0f)), 0u);
  EXPECT_EQ(to_load(std::int64_t{16777217}), 16777216.0f);  // to nearest, even on ties
  EXPECT_EQ(to_load(std::int64_t{16777219}), 16777220.0f);
}

TEST(Loads, TotalIsCheckedInOrder) {
  serial_team team;
  std::vector<float> load(100, FLT_MAX / 50);
  EXPECT_FALSE(total_is_finite(team, load.data(), 100));
  EXPECT_TRUE(total_is_finite(team, load.data(), 49));
  EXPECT_TRUE(total_is_finite(team, load.data(), 1));
}

}  // namespace
}  // namespace eplb
