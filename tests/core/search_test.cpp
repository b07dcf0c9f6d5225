// SPDX-License-Identifier: MIT
// What a search promises of its placements, whatever the shape and the loads.
#include <gtest/gtest.h>

#include <set>

#include "core/score.h"
#include "core/search.h"
#include "core/serial_group.h"
#include "support/cases.h"

namespace eplb {
namespace {

/// A layer planned by search, and judged.
struct searched {
  std::vector<index_t> expert, rank, count;
  double balancedness = 0;
  int duplicates = 0;

  searched(const plan_shape& shape, const search_rules& rules, const std::vector<float>& load, int samples = 1)
      : expert(extent(shape.slots)), rank(extent(shape.slots)), count(extent(shape.experts)) {
    arena counter;
    lay_out(counter, shape, samples);
    std::vector<char> block(counter.used() + arena::alignment);
    arena pieces(arena::align(block.data()));
    lay_out(pieces, shape, samples);
    const auto experts = extent(shape.experts);
    std::vector<float> sum(experts, 0.0f);
    for (std::size_t i = 0; i < load.size(); ++i) sum[i % experts] += load[i];
    serial_group group;
    const layer_maps maps{expert.data(), rank.data(), count.data()};
    search_layer(group, shape, rules, sum.data(), {load.data(), experts, samples}, layer, node, maps);
    const layer_score judged = score_layer(group, shape, maps, load.data(), samples, experts, score, nullptr);
    balancedness = judged.balancedness;
    duplicates = judged.duplicates;
  }

 private:
  void lay_out(arena& memory, const plan_shape& shape, int samples) {
    layer = layer_memory::lay_out<serial_group>(memory, shape);
    node = node_search::lay_out<serial_group>(memory, shape, samples);
    score = score_memory::lay_out(memory, shape);
  }

  layer_memory layer;
  node_search node;
  score_memory score;
};

void expect_valid(const plan_shape& shape, const searched& plan) {
  std::vector<std::set<int>> ranks(extent(shape.experts));
  for (std::size_t slot = 0; slot < plan.expert.size(); ++slot) {
    ASSERT_LT(plan.expert[slot], shape.experts);
    EXPECT_TRUE(ranks[plan.expert[slot]].insert(plan.rank[slot]).second);
  }
  for (std::size_t e = 0; e < ranks.size(); ++e) {
    EXPECT_EQ(ranks[e].size(), plan.count[e]);
    EXPECT_GE(plan.count[e], 1);
    EXPECT_EQ(*ranks[e].rbegin() + 1, plan.count[e]);
  }
}

/// Whether each node has gpus enough for its slots without two replicas of an expert on one of them.
bool can_part(const plan_shape& shape) {
  return shape.slots / shape.nodes <= shape.experts / shape.nodes * (shape.gpus / shape.nodes);
}

TEST(Search, PlacesEveryExpertAndPartsReplicas) {
  cases::stream s(31);
  for (int i = 0; i < (sanitized ? 300 : 3000) && !testing::Test::HasFailure(); ++i) {
    plan_shape shape = cases::random_shape(s, 60);
    shape.layers = 1;
    const auto& kind = cases::load_kinds()[extent(i) % cases::load_kinds().size()];
    SCOPED_TRACE(cases::to_string(shape) + ", " + kind.name);
    const searched plan(shape, {1 + s.below(60), false, false}, cases::make_loads(kind, shape, s.bits()));
    expect_valid(shape, plan);
    if (can_part(shape)) {
      EXPECT_EQ(plan.duplicates, 0);
    }
  }
}

TEST(Search, GetsBetterWithSteps) {
  const plan_shape shape{1, 256, 288, 1, 1, 72};
  const std::vector<float> load = cases::make_loads(cases::load_kinds()[0], shape, 3);
  double before = 0;
  for (const int steps : {1, 20, 150, 600}) {
    const double now = searched(shape, {steps, false, false}, load).balancedness;
    EXPECT_GE(now, before) << steps;
    before = now;
  }
  EXPECT_GT(before, 0.9985);
}

TEST(Search, StopsAtTheLowerBound) {
  // All experts alike and a slot each: the start is perfect.
  const plan_shape shape{1, 64, 64, 1, 1, 8};
  const std::vector<float> load(64, 5.0f);
  EXPECT_EQ(searched(shape, {1000, false, false}, load).balancedness, 1);
  // The hottest expert, on all gpus already, is the bound.
  const plan_shape hot{1, 8, 16, 1, 1, 4};
  EXPECT_EQ(searched(hot, {1000, false, false}, {1000, 0, 0, 0, 0, 0, 0, 0}).balancedness, 1);
}

/// Experts that are hot together in one sample must not share a gpu, though their sum is as good as any other's.
TEST(Search, KeepsSamplesApart) {
  const plan_shape shape{1, 4, 4, 1, 1, 2};
  const std::vector<float> load = {10, 10, 1, 1, 1, 1, 10, 10};
  EXPECT_EQ(searched(shape, {20, false, false}, load, 2).balancedness, 1);
}

TEST(Search, ScalesSamples) {
  const plan_shape shape{1, 64, 80, 1, 1, 8};
  std::vector<float> load = cases::make_loads(cases::load_kinds()[0], {2, 64, 80, 1, 1, 8}, 4);
  const searched before(shape, {40, false, false}, load, 2);
  for (std::size_t i = 64; i < 128; ++i) load[i] *= 1024;
  const searched after(shape, {40, false, false}, load, 2);
  EXPECT_EQ(before.expert, after.expert);
}

}  // namespace
}  // namespace eplb
