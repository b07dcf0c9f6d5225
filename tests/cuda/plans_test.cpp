// SPDX-License-Identifier: MIT
// The CUDA backend plans as the CPU backend does, bit for bit: through every way in, on every kind of load,
// eagerly and in graphs. On the stub runtime the programs of the kernels are run by groups of emulated threads.
#include "cuda/device.h"

#if defined(EPLB_STUB_CUDA)
#include "cuda/emulated_kernels.h"
#endif

namespace eplb::cuda_tests {
namespace {

#if defined(EPLB_STUB_CUDA)
constexpr int group_sizes[] = {1, 2, 3, 5, 32, 128, 256};
#else
constexpr int group_sizes[] = {1};  // those of the kernels, which nothing can set
void set_emulated_threads(int) {}
#endif

/// One case on a stream: submit, get, statistics.
template <class Load, class Index>
void expect_cpu_plan(const plan_case& c) {
  SCOPED_TRACE(c.name + ", loads of type " + std::to_string(type_of<Load>));
  const std::vector<Load> loads = loads_as<Load>(c);
  host_stats expected_stats(c.shape), stats(c.shape);
  const host_maps<Index> expected = plan_on_cpu<Index>(c, loads, &expected_stats);

  const context planner = make_context(shape_of(c.shape), cuda_options(c, EPLB_MEMORY_CUDA));
  ASSERT_NE(planner, nullptr);
  const device_array<Load> device_loads(loads);
  device_maps<Index> out(c.shape);
  const stream s;
  const eplb_input input = input_of(device_loads.data(), loads.size(), c.samples, c.seed, EPLB_MEMORY_CUDA);
  const eplb_maps maps = out.maps();
  last_error error;
  ASSERT_EQ(eplb_submit_weights_async(planner.get(), &input, s, error), EPLB_SUCCESS) << error.text();
  ASSERT_EQ(eplb_get_maps_async(planner.get(), &maps, s, error), EPLB_SUCCESS) << error.text();
  s.wait();
  EXPECT_EQ(eplb_poll(planner.get(), error), EPLB_SUCCESS) << error.text();
  EXPECT_TRUE(out.read() == expected);
  ASSERT_EQ(eplb_get_stats(planner.get(), &stats.stats, error), EPLB_SUCCESS) << error.text();
  EXPECT_TRUE(stats == expected_stats);
}

class Plans : public DeviceTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    set_emulated_threads(GetParam());
  }
  void TearDown() override { set_emulated_threads(1); }
};

TEST_P(Plans, AreThoseOfTheCpuOnSmallProblems) {
  const int threads = GetParam();
  cases::stream s(static_cast<std::uint64_t>(threads));
  const int rounds = threads == 1 ? (sanitized ? 100 : 600) : threads <= 5 ? (sanitized ? 8 : 60) : sanitized ? 2 : 10;
  for (int i = 0; i < rounds && !HasFailure(); ++i) {
    const plan_case c = random_case(s, threads > 5 || sanitized ? 24 : 60, threads > 5 ? 3 : 6);
    switch (i % 4) {
      case 0:
        expect_cpu_plan<float, std::int32_t>(c);
        break;
      case 1:
        expect_cpu_plan<double, std::int64_t>(c);
        break;
      case 2:  // numbers that integers do not have become 0, also for the CPU
        if (c.loads.front() < 1e9f && *std::max_element(c.loads.begin(), c.loads.end()) < 1e9f)
          expect_cpu_plan<std::int32_t, std::int64_t>(c);
        break;
      default:
        if (*std::max_element(c.loads.begin(), c.loads.end()) < 1e18f) expect_cpu_plan<std::int64_t, std::int32_t>(c);
    }
  }
}

TEST_P(Plans, AreThoseOfTheCpuOnRealProblems) {
  if (sanitized) GTEST_SKIP() << "real sizes take too long under a sanitizer; small ones run";
  if (GetParam() > 128) GTEST_SKIP() << "small problems only, a barrier of so many threads is slow";
  const plan_shape shapes[] = {{1, 256, 288, 8, 4, 32}, {1, 256, 288, 1, 1, 32}, {1, 256, 288, 1, 1, 288}};
  for (const plan_shape& shape : shapes)
    for (const auto& rule : cases::all_rules(2))
      if (!HasFailure()) expect_cpu_plan<float, std::int32_t>(case_of(shape, rule, 5));
}

INSTANTIATE_TEST_SUITE_P(Threads, Plans, testing::ValuesIn(group_sizes),
                         [](const auto& threads) { return std::to_string(threads.param); });

class Device : public DeviceTest {};

TEST_F(Device, PlansRealProblemsWithManyCandidates) {
  const plan_shape shapes[] = {{58, 256, 288, 1, 1, 32}, {3, 256, 288, 8, 4, 32},    {3, 256, 288, 1, 1, 144},
                               {2, 384, 480, 1, 1, 96},  {1, 1024, 2048, 1, 1, 512}, {1, 1024, 1024, 16, 8, 512}};
  for (const plan_shape& shape : shapes)
    for (const auto& rule : cases::all_rules(64)) {
      const bool slow_here = shape.slots > 1000 || (shape.layers > 10 && rule.rules.candidates > 4);
      if (!HasFailure() && !(sanitized && (slow_here || rule.rules.scope == swap_scope::any_any)))
        expect_cpu_plan<float, std::int32_t>(case_of(shape, rule, 7));
    }
}

TEST_F(Device, PlansWhatIsTooLargeForSharedMemory) {
  // Both the candidates and what is before them; more candidates than there is scratch memory for at a time.
  for (const plan_shape& shape : {plan_shape{2, 3000, 6000, 1, 1, 100}, plan_shape{1, 6000, 8000, 200, 4, 16}})
    for (const auto& rule : cases::all_rules(3))
      if (!HasFailure() && rule.rules.scope != swap_scope::any_any && !sanitized)
        expect_cpu_plan<float, std::int32_t>(case_of(shape, rule, 8));
  expect_cpu_plan<float, std::int32_t>(case_of({1, 1, 65535, 1, 1, 65535}, cases::all_rules(1)[0], 8));
}

TEST_F(Device, PlansAtTheEdges) {
  for (const plan_shape& shape : cases::edge_shapes())
    if (shape.slots <= 300)
      for (const auto& rule : cases::all_rules(3))
        if (!HasFailure()) expect_cpu_plan<double, std::int32_t>(case_of(shape, rule, 6));
}

TEST_F(Device, PlansFromHostMemory) {
  cases::stream s(21);
  for (int i = 0; i < 40 && !HasFailure(); ++i) {
    const plan_case c = random_case(s, 60, 4);
    SCOPED_TRACE(c.name);
    host_stats expected_stats(c.shape), stats(c.shape);
    const auto expected = plan_on_cpu<std::int64_t>(c, c.loads, &expected_stats);
    const eplb_shape shape = shape_of(c.shape);
    const eplb_options options = cuda_options(c, EPLB_MEMORY_HOST);
    const eplb_input input = input_of(c.loads.data(), c.loads.size(), c.samples, c.seed);
    last_error error;
    // In one call, and in several.
    host_maps<std::int64_t> once(c.shape), out(c.shape);
    const eplb_maps once_maps = once.maps(), maps = out.maps();
    ASSERT_EQ(eplb_rebalance_experts(&shape, &options, &input, &once_maps, nullptr, error), EPLB_SUCCESS)
        << error.text();
    EXPECT_TRUE(once == expected);
    const context planner = make_context(shape, options);
    ASSERT_EQ(eplb_submit_weights(planner.get(), &input, error), EPLB_SUCCESS) << error.text();
    ASSERT_EQ(eplb_get_maps(planner.get(), &maps, error), EPLB_SUCCESS) << error.text();
    ASSERT_EQ(eplb_get_stats(planner.get(), &stats.stats, error), EPLB_SUCCESS) << error.text();
    EXPECT_TRUE(out == expected);
    EXPECT_TRUE(stats == expected_stats);
    std::int32_t most = 0;
    ASSERT_EQ(eplb_get_max_replica_count(planner.get(), &most, error), EPLB_SUCCESS) << error.text();
    EXPECT_EQ(most, expected_stats.stats.max_replica_count);
  }
}

TEST_F(Device, PlansFromDeviceMemoryInCallsThatBlock) {
  cases::stream s(22);
  for (int i = 0; i < 20 && !HasFailure(); ++i) {
    const plan_case c = random_case(s, 60, 4);
    SCOPED_TRACE(c.name);
    const context planner = make_context(shape_of(c.shape), cuda_options(c, EPLB_MEMORY_CUDA));
    const device_array<float> loads(c.loads);
    device_maps<std::int32_t> out(c.shape);
    const eplb_input input = input_of(loads.data(), loads.size(), c.samples, c.seed, EPLB_MEMORY_CUDA);
    const eplb_maps maps = out.maps();
    last_error error;
    ASSERT_EQ(eplb_submit_weights(planner.get(), &input, error), EPLB_SUCCESS) << error.text();
    ASSERT_EQ(eplb_get_maps(planner.get(), &maps, error), EPLB_SUCCESS) << error.text();
    EXPECT_TRUE(out.read() == plan_on_cpu<std::int32_t>(c, c.loads));
  }
}

TEST_F(Device, PacksAndReplicates) {
  std::vector<float> loads(3 * 48);
  cases::stream s(23);
  for (float& load : loads) load = static_cast<float>(s.below(1000));
  last_error error;
  for (std::int32_t strategy = EPLB_STRATEGY_LPT; strategy < eplb_strategy_count(); ++strategy) {
    std::vector<std::int32_t> pack[2], rank[2], experts[2], counts[2];
    for (const int on_cuda : {0, 1}) {
      eplb_options options = made(eplb_options_init);
      options.strategy = strategy;
      options.backend = on_cuda ? EPLB_BACKEND_CUDA : EPLB_BACKEND_CPU;
      const eplb_input input = input_of(loads.data(), loads.size(), 1, 9);
      pack[on_cuda].resize(loads.size());
      rank[on_cuda].resize(loads.size());
      eplb_packing packing = made(eplb_packing_init);
      packing.num_rows = 3;
      packing.num_items = 48;
      packing.num_packs = 8;
      packing.pack_index = pack[on_cuda].data();
      packing.rank_in_pack = rank[on_cuda].data();
      packing.pack_index_count = packing.rank_in_pack_count = loads.size();
      ASSERT_EQ(eplb_balanced_packing(&options, &input, &packing, error), EPLB_SUCCESS) << error.text();
      const plan_shape shape{3, 48, 61, 1, 1, 61};
      const eplb_shape given = shape_of(shape);
      experts[on_cuda].resize(3 * 61);
      counts[on_cuda].resize(loads.size());
      eplb_maps maps = made(eplb_maps_init);
      maps.physical_to_logical = experts[on_cuda].data();
      maps.physical_to_logical_count = experts[on_cuda].size();
      maps.replica_count = counts[on_cuda].data();
      maps.replica_count_count = counts[on_cuda].size();
      ASSERT_EQ(eplb_replicate_experts(&given, &options, &input, &maps, error), EPLB_SUCCESS) << error.text();
    }
    EXPECT_EQ(pack[0], pack[1]) << eplb_strategy_name(strategy);
    EXPECT_EQ(rank[0], rank[1]) << eplb_strategy_name(strategy);
    EXPECT_EQ(experts[0], experts[1]);
    EXPECT_EQ(counts[0], counts[1]);
  }
}

TEST_F(Device, ReplaysAGraphWithNewLoads) {
  cases::stream random(24);
  for (const auto& rule : cases::all_rules(8)) {
    for (const plan_shape& shape : {plan_shape{4, 64, 80, 1, 1, 16}, plan_shape{2, 64, 80, 8, 2, 16}}) {
      SCOPED_TRACE(cases::to_string(shape) + ", " + rule.name);
      plan_case c = case_of(shape, rule, 0);
      device_array<float> loads(c.loads);
      device_maps<std::int32_t> out(c.shape);
      // The first submit of a context is the one that is captured.
      const context planner = make_context(shape_of(c.shape), cuda_options(c, EPLB_MEMORY_CUDA));
      const eplb_input input = input_of(loads.data(), loads.size(), 1, 0, EPLB_MEMORY_CUDA);
      const eplb_maps maps = out.maps();
      last_error error;
      const stream s;
      const graph plan(s, [&] {
        EXPECT_EQ(eplb_submit_weights_async(planner.get(), &input, s, error), EPLB_SUCCESS) << error.text();
        EXPECT_EQ(eplb_get_maps_async(planner.get(), &maps, s, error), EPLB_SUCCESS) << error.text();
        EXPECT_EQ(eplb_poll(planner.get(), error), EPLB_NOT_READY);
      });
      EXPECT_TRUE(out.is_unwritten());
      for (int replay = 0; replay < 4; ++replay) {
        const auto& kind = cases::load_kinds()[static_cast<std::size_t>(replay)];
        c.loads = cases::make_loads(kind, c.shape, random.bits());
        loads.write(c.loads);
        plan.launch(s);
        s.wait();
        EXPECT_EQ(eplb_poll(planner.get(), error), EPLB_SUCCESS) << error.text();
        EXPECT_TRUE(out.read() == plan_on_cpu<std::int32_t>(c, c.loads)) << kind.name;
      }
      // A bad load leaves the maps as they were; the next launch is none the worse for it.
      c.loads[3] = -1;
      loads.write(c.loads);
      const auto before = out.read();
      plan.launch(s);
      s.wait();
      EXPECT_EQ(eplb_poll(planner.get(), error), EPLB_ERROR_INVALID_LOAD);
      EXPECT_NE(error.text().find("layer 0, expert 3 is -1"), std::string::npos) << error.text();
      EXPECT_TRUE(out.read() == before);
      c.loads[3] = 5;
      loads.write(c.loads);
      plan.launch(s);
      s.wait();
      EXPECT_EQ(eplb_poll(planner.get(), error), EPLB_SUCCESS) << error.text();
      EXPECT_TRUE(out.read() == plan_on_cpu<std::int32_t>(c, c.loads));
    }
  }
}

TEST_F(Device, RunsContextsOnStreamsAtOnce) {
  constexpr int many = 4;
  cases::stream random(25);
  std::vector<plan_case> plans;
  std::vector<context> planners;
  std::vector<std::unique_ptr<device_array<float>>> loads;
  std::vector<std::unique_ptr<device_maps<std::int32_t>>> out;
  std::vector<std::unique_ptr<stream>> streams;
  for (int i = 0; i < many; ++i) {
    plans.push_back(random_case(random, 60, 8));
    planners.push_back(make_context(shape_of(plans[i].shape), cuda_options(plans[i], EPLB_MEMORY_CUDA)));
    loads.push_back(std::make_unique<device_array<float>>(plans[i].loads));
    out.push_back(std::make_unique<device_maps<std::int32_t>>(plans[i].shape));
    streams.push_back(std::make_unique<stream>());
  }
  last_error error;
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < many; ++i) {
      const eplb_input input =
          input_of(loads[i]->data(), loads[i]->size(), plans[i].samples, plans[i].seed, EPLB_MEMORY_CUDA);
      const eplb_maps maps = out[i]->maps();
      ASSERT_EQ(eplb_submit_weights_async(planners[i].get(), &input, *streams[i], error), EPLB_SUCCESS) << error.text();
      // The get goes to another stream than the submit, and yet comes after it.
      ASSERT_EQ(eplb_get_maps_async(planners[i].get(), &maps, *streams[(i + round) % many], error), EPLB_SUCCESS)
          << error.text();
    }
  for (const auto& s : streams) s->wait();
  for (int i = 0; i < many; ++i) {
    EXPECT_EQ(eplb_poll(planners[i].get(), error), EPLB_SUCCESS) << error.text();
    EXPECT_TRUE(out[i]->read() == plan_on_cpu<std::int32_t>(plans[i], plans[i].loads)) << plans[i].name;
  }
}

}  // namespace
}  // namespace eplb::cuda_tests
