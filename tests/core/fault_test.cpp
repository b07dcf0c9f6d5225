// SPDX-License-Identifier: MIT
// Which fault is the first, and what is said of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "core/fault.h"

namespace eplb {
namespace {

TEST(Faults, ComeInTheOrderOfTheirKeys) {
  const fault_key keys[] = {load_fault(0, 65534, 65534),
                            load_fault(1, 0, 1),
                            load_fault(1, 1, 0),
                            load_fault(65534, 65534, 65534),
                            total_fault(0),
                            total_fault(65534),
                            placement_fault(0, current_fault::value, 65534),
                            placement_fault(0, current_fault::changes, 1),
                            placement_fault(1, current_fault::value, 0),
                            placement_fault(65534, current_fault::changes, 65535),
                            budget_fault(),
                            no_fault};
  EXPECT_TRUE(std::is_sorted(std::begin(keys), std::end(keys)));
}

TEST(Faults, SayTheirPlaceAndValue) {
  const plan_shape shape{2, 3, 4, 1, 1, 2};
  const double loads[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -11.5};
  const std::int64_t slots[] = {0, 1, 2, 3, 4, 5, 6, -7};
  const plan_input input{{scalar::float64, loads, 2}, {slots, true, any_number, INT64_MAX}, 0};
  const plan_fault load = read_fault(load_fault(1, 1, 2), shape, input);
  EXPECT_EQ(load.kind, fault_kind::load);
  EXPECT_EQ(load.sample, 1u);
  EXPECT_EQ(load.layer, 1u);
  EXPECT_EQ(load.at, 2u);
  EXPECT_TRUE(load.is_real);
  EXPECT_EQ(load.real(), -11.5);
  EXPECT_EQ(read_fault(total_fault(1), shape, input).layer, 1u);
  const plan_fault slot = read_fault(placement_fault(1, current_fault::value, 3), shape, input);
  EXPECT_EQ(slot.layer, 1u);
  EXPECT_EQ(slot.at, 3u);
  EXPECT_EQ(slot.integer(), -7);
  EXPECT_EQ(read_fault(placement_fault(1, current_fault::groups, 4), shape, input).integer(), 4);
  EXPECT_EQ(read_fault(no_fault, shape, input).kind, fault_kind::none);
}

}  // namespace
}  // namespace eplb
