// SPDX-License-Identifier: MIT
// The gains of swaps.
#include <gtest/gtest.h>

#include "core/pack/swap.h"

namespace eplb {
namespace {

/// NaNs have one sign on one machine and the other on another.
TEST(Swap, NoGainIsNotANumber) {
  const float loads[] = {0, 1e-45f, 1, 3, 1e19f, 0x1p102f, FLT_MAX / 2, FLT_MAX};
  for (const float i : loads)
    for (const float j : loads)
      for (const float own : loads)
        for (const float other : loads)
          for (const std::int32_t gain : {peak_gain{}(i - j, own - other), square_gain{}(i - j, own - other),
                                          square_gain{}.bound(i - j, own - other)})
            EXPECT_EQ(bits_float(static_cast<std::uint32_t>(gain)), bits_float(static_cast<std::uint32_t>(gain)));
}

}  // namespace
}  // namespace eplb
