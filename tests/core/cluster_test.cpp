// SPDX-License-Identifier: MIT
// The gpus as a plan sees them.
#include <gtest/gtest.h>

#include <vector>

#include "core/cluster.h"

namespace eplb {
namespace {

/// A cluster, and the memory that it is in.
struct described {
  explicit described(const plan_shape& shape, const cluster_view& view = {})
      : block(cluster::bytes(shape) + arena::alignment), gpus(lay_out(shape)) {
    gpus.describe(shape, view);
  }

  std::vector<char> block;
  cluster gpus;

 private:
  cluster lay_out(const plan_shape& shape) {
    arena pieces(arena::align(block.data()));
    return cluster::lay_out(pieces, shape);
  }
};

TEST(Cluster, FirstGpusHaveOneSlotMore) {
  const described four({1, 8, 10, 1, 1, 4}), five({1, 3, 3, 1, 1, 5});
  const int want[] = {0, 3, 6, 8, 10};
  for (int gpu = 0; gpu <= 4; ++gpu) EXPECT_EQ(four.gpus.first_slot[gpu], want[gpu]);
  EXPECT_EQ(five.gpus.first_slot[2], 2);
  EXPECT_EQ(five.gpus.first_slot[4], 3);
}

TEST(Cluster, ListsTheGpusOfEachNode) {
  const std::int32_t node[] = {2, 0, 2, 1, 0}, slots[] = {0, 3, 1, 4, 2};
  const described uneven({1, 9, 10, 3, 3, 5}, {slots, nullptr, node});
  const int gpu[] = {1, 4, 3, 0, 2}, first_gpu[] = {0, 2, 3, 5}, first_slot[] = {0, 0, 3, 4, 8, 10};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(uneven.gpus.gpu[i], gpu[i]);
  for (int i = 0; i <= 3; ++i) EXPECT_EQ(uneven.gpus.first_gpu[i], first_gpu[i]);
  for (int i = 0; i <= 5; ++i) EXPECT_EQ(uneven.gpus.first_slot[i], first_slot[i]);
}

}  // namespace
}  // namespace eplb
