// SPDX-License-Identifier: MIT
// The CUDA backend plans as the CPU backend does, bit for bit: through every way in, on every kind of load,
// eagerly and in graphs. On the stub runtime the programs of the kernels are run by teams of emulated threads.
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

/// One case on a stream: submit, get, statistics. The placement it starts from, if any, is of the maps' type.
template <class Load, class Index>
void expect_cpu_plan(const plan_case& c) {
  SCOPED_TRACE(c.name + ", loads of type " + std::to_string(type_of<Load>));
  const plan_answer<Index> expected = answer_of_cpu<Index>(c, loads_as<Load>(c), c.current);
  ASSERT_EQ(expected.status, EPLB_SUCCESS) << expected.text;

  session<Load, Index> s(c);
  ASSERT_NE(s.planner, nullptr);
  device_maps<Index> out(c.shape);
  host_stats stats(c.shape);
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  ASSERT_EQ(s.get_async(out.maps()), EPLB_SUCCESS) << s.text();
  EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
  EXPECT_TRUE(out.read() == expected.maps);
  ASSERT_EQ(s.get_stats(stats), EPLB_SUCCESS) << s.text();
  EXPECT_TRUE(stats == expected.stats);
}

/// A search in every way: on a stream with what it starts from of either type, in calls that block, and from host
/// memory. It may have to be refused, always with the same sentence.
template <class Current>
void expect_cpu_answer(const plan_case& c) {
  SCOPED_TRACE(c.name + ", current placement of type " + std::to_string(type_of<Current>));
  const plan_answer<std::int32_t> expected = answer_of_cpu(c);
  const auto expect_same = [&](eplb_status status, const std::string& text, const host_maps<std::int32_t>& maps,
                               const char* way) {
    EXPECT_EQ(status, expected.status) << way << ": " << text << expected.text;
    if (expected.status != EPLB_SUCCESS) {
      EXPECT_EQ(text, expected.text) << way;
    }
    EXPECT_TRUE(maps == expected.maps) << way;
  };

  session<float, Current> s(c);
  host_stats stats(c.shape);
  ASSERT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
  ASSERT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
  const eplb_status polled = s.wait_and_poll();
  expect_same(polled, s.text(), s.out.read(), "on a stream");
  EXPECT_EQ(s.get_stats(stats), expected.status) << s.text();
  EXPECT_TRUE(stats == expected.stats);

  session<float, Current> blocking(c);
  const eplb_status submitted = blocking.submit();
  const std::string text = blocking.text();
  EXPECT_EQ(blocking.get(), expected.status == EPLB_SUCCESS ? EPLB_SUCCESS : EPLB_ERROR_INVALID_STATE);
  expect_same(submitted, text, blocking.out.read(), "in calls that block");

  const eplb_shape shape = shape_of(c);
  const eplb_options options = cuda_options(c, EPLB_MEMORY_HOST);
  const std::vector<Current> current = as<Current>(c.current);
  const eplb_input input = input_of(c, c.loads.data(), current.data());
  host_maps<std::int32_t> out(c.shape);
  host_stats host(c.shape);
  const eplb_maps maps = out.maps();
  last_error error;
  const eplb_status once = eplb_rebalance_experts(&shape, &options, &input, &maps, &host.stats, error);
  expect_same(once, error.text(), out, "from host memory");
  EXPECT_TRUE(host == expected.stats);
}

/// A search on gpus of which one has a slot less and some are slow, from a plan for other loads.
plan_case uneven_case(plan_shape shape, int steps) {
  cases::deployment gpus{shape, std::vector<std::int32_t>(static_cast<std::size_t>(shape.gpus)), {}, {}};
  for (int gpu = 0; gpu < shape.gpus; ++gpu) {
    gpus.slots[static_cast<std::size_t>(gpu)] = shape.slots / shape.gpus - (gpu == 1 ? 1 : 0);
    gpus.speed.push_back(gpu % 4 == 3 ? 0.5f : 1.0f);
  }
  --shape.slots;
  plan_case c = case_of(shape, {"search", {}}, 7);
  c.gpus = gpus;
  c.search_steps = steps;
  c.current = plan_on_cpu<std::int32_t>(c, cases::make_loads(cases::load_kinds()[0], shape, 8)).physical_to_logical;
  c.max_changes_per_layer = 2 * shape.gpus;
  c.max_changes = std::int64_t{shape.layers} * shape.gpus;
  return c;
}

class Plans : public DeviceTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (brief() && GetParam() > 128) GTEST_SKIP() << "a team of so many threads does what one of 128 does";
    set_emulated_threads(GetParam());
  }
  void TearDown() override { set_emulated_threads(1); }
};

TEST_P(Plans, AreThoseOfTheCpuOnSmallProblems) {
  const int threads = GetParam();
  cases::stream s(static_cast<std::uint64_t>(threads));
  const int rounds = threads == 1 ? (brief() ? 100 : 600) : threads <= 5 ? (brief() ? 8 : 60) : brief() ? 2 : 10;
  for (int i = 0; i < rounds && !HasFailure(); ++i) {
    const plan_case c = random_case(s, threads > 5 || brief() ? 24 : 60, threads > 5 ? 3 : 6);
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

TEST_P(Plans, FromAPlacementAreThoseOfTheCpu) {
  const int threads = GetParam();
  cases::stream s(static_cast<std::uint64_t>(100 + threads));
  const int rounds = threads == 1 ? (brief() ? 40 : 400) : threads <= 5 ? (brief() ? 4 : 40) : brief() ? 2 : 5;
  int made = 0, refused = 0, shared = 0;
  for (int i = 0; i < rounds && !HasFailure(); ++i) {
    plan_case c = random_search(s, threads > 5 || brief() ? 24 : 60);
    if (c.current.empty()) c.current = random_current(s, c);
    ++(answer_of_cpu(c).status == EPLB_SUCCESS ? made : refused);
    shared += c.max_changes >= 0 ? 1 : 0;
    if (i % 2 == 0)
      expect_cpu_answer<std::int32_t>(c);
    else
      expect_cpu_answer<std::int64_t>(c);
  }
  if (rounds >= 40) {
    EXPECT_GT(made, rounds / 4);
    EXPECT_GT(refused, 0);
    EXPECT_GT(shared, rounds / 4);
  }
}

TEST_P(Plans, AreThoseOfTheCpuOnRealProblems) {
  if (brief()) GTEST_SKIP() << "real sizes take too long under a sanitizer; small ones run";
  if (GetParam() > 128) GTEST_SKIP() << "small problems only, a barrier of so many threads is slow";
  const plan_shape shapes[] = {{1, 256, 288, 8, 4, 32}, {1, 256, 288, 1, 1, 32}, {1, 256, 288, 1, 1, 288}};
  for (const plan_shape& shape : shapes)
    for (const auto& rule : cases::all_rules(2))
      if (!HasFailure()) expect_cpu_plan<float, std::int32_t>(case_of(shape, rule, 5));
  for (const plan_shape& shape : {plan_shape{2, 256, 288, 1, 1, 32}, plan_shape{1, 256, 288, 8, 4, 32}})
    if (GetParam() <= 32 && !HasFailure())
      expect_cpu_plan<float, std::int32_t>(uneven_case(shape, GetParam() > 5 ? 5 : 60));
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
      if (!HasFailure() && !(brief() && (slow_here || rule.rules.scope == swap_scope::any_any)))
        expect_cpu_plan<float, std::int32_t>(case_of(shape, rule, 7));
    }
  for (const plan_shape& shape : {plan_shape{58, 256, 288, 1, 1, 32}, plan_shape{3, 256, 288, 8, 4, 32}})
    if (!HasFailure() && !brief()) expect_cpu_plan<float, std::int32_t>(uneven_case(shape, 96));
}

TEST_F(Device, PlansWhatIsTooLargeForSharedMemory) {
  // Both the candidates and what is before them; more candidates than there is scratch memory for at a time.
  for (const plan_shape& shape : {plan_shape{2, 3000, 6000, 1, 1, 100}, plan_shape{1, 6000, 8000, 200, 4, 16}})
    for (const auto& rule : cases::all_rules(3))
      if (!HasFailure() && rule.rules.scope != swap_scope::any_any && !brief())
        expect_cpu_plan<float, std::int32_t>(case_of(shape, rule, 8));
  if (!brief()) expect_cpu_plan<float, std::int32_t>(uneven_case({2, 2000, 3000, 1, 1, 100}, 3));
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
    host_stats stats(c.shape);
    const auto expected = answer_of_cpu<std::int64_t>(c, c.loads, c.current);
    ASSERT_EQ(expected.status, EPLB_SUCCESS) << expected.text;
    const eplb_shape shape = shape_of(c);
    const eplb_options options = cuda_options(c, EPLB_MEMORY_HOST);
    const eplb_input input = input_of(c);
    last_error error;
    // In one call, and in several.
    host_maps<std::int64_t> once(c.shape), out(c.shape);
    const eplb_maps once_maps = once.maps(), maps = out.maps();
    ASSERT_EQ(eplb_rebalance_experts(&shape, &options, &input, &once_maps, nullptr, error), EPLB_SUCCESS)
        << error.text();
    EXPECT_TRUE(once == expected.maps);
    const context planner = make_context(shape, options);
    ASSERT_EQ(eplb_submit_weights(planner.get(), &input, error), EPLB_SUCCESS) << error.text();
    ASSERT_EQ(eplb_get_maps(planner.get(), &maps, error), EPLB_SUCCESS) << error.text();
    ASSERT_EQ(eplb_get_stats(planner.get(), &stats.stats, error), EPLB_SUCCESS) << error.text();
    EXPECT_TRUE(out == expected.maps);
    EXPECT_TRUE(stats == expected.stats);
    std::int32_t most = 0;
    ASSERT_EQ(eplb_get_max_replica_count(planner.get(), &most, error), EPLB_SUCCESS) << error.text();
    EXPECT_EQ(most, expected.stats.stats.max_replica_count);
  }
}

TEST_F(Device, PlansFromDeviceMemoryInCallsThatBlock) {
  cases::stream s(22);
  for (int i = 0; i < 20 && !HasFailure(); ++i) {
    const plan_case c = random_case(s, 60, 4);
    SCOPED_TRACE(c.name);
    session<> planner(c);
    ASSERT_EQ(planner.submit(), EPLB_SUCCESS) << planner.text();
    planner.expect_plan();
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
      const context planner = make_context(shape_of(c), cuda_options(c, EPLB_MEMORY_CUDA));
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

TEST_F(Device, ReplaysAGraphWithAnotherPlacement) {
  cases::stream random(26);
  int made = 0, refused = 0;
  for (int i = 0; i < 16 && !HasFailure(); ++i) {
    plan_case c = random_search(random, 40);
    c.loads = random_loads(random, cases::load_kinds()[0], c.shape, c.samples);
    c.current = random_current(random, c);
    // Of a layer, over all layers, both, or without a limit.
    const int most = c.shape.slots / 2;
    c.max_changes_per_layer = i % 4 < 2 ? -1 : most;
    c.max_changes = i % 2 == 0 ? -1 : std::int64_t{most} * c.shape.layers;
    SCOPED_TRACE(c.name);
    session<> s(c);
    const graph plan(s.on, [&] {
      EXPECT_EQ(s.submit_async(), EPLB_SUCCESS) << s.text();
      EXPECT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
    });
    EXPECT_TRUE(s.out.is_unwritten());
    for (int replay = 0; replay < 6; ++replay) {
      const auto before = s.out.read();
      s.c.loads = random_loads(random, cases::load_kinds()[0], c.shape, c.samples);
      s.c.current = random_current(random, s.c);
      s.put(s.c);
      s.error = {};
      plan.launch(s.on);
      const plan_answer<std::int32_t> expected = answer_of_cpu(s.c);
      EXPECT_EQ(s.wait_and_poll(), expected.status) << s.text() << expected.text;
      EXPECT_EQ(s.text(), expected.text);
      EXPECT_TRUE(s.out.read() == (expected.status == EPLB_SUCCESS ? expected.maps : before));
      ++(expected.status == EPLB_SUCCESS ? made : refused);
    }
  }
  EXPECT_GT(made, 3 * refused);
  EXPECT_GT(refused, 0);
}

TEST_F(Device, ReplaysAGraphThatStartsWhereItEnded) {
  // What serving does: the plan of one launch is the placement that the next one starts from.
  cases::stream random(27);
  for (const plan_shape& shape : {plan_shape{3, 32, 48, 1, 1, 8}, plan_shape{3, 32, 48, 4, 2, 8}}) {
    plan_case c = case_of(shape, cases::all_rules(1)[0], 5);
    c.search_steps = 40;
    c.current = plan_on_cpu<std::int32_t>(c, c.loads).physical_to_logical;
    c.max_changes_per_layer = 8;
    c.max_changes = 15;
    session<> s(c);
    eplb_input input = s.input();
    input.current = s.out.physical_to_logical.data();
    s.out.physical_to_logical.write(c.current);
    const graph plan(s.on, [&] {
      EXPECT_EQ(eplb_submit_weights_async(s.planner.get(), &input, s.on, s.error), EPLB_SUCCESS) << s.text();
      EXPECT_EQ(s.get_async(), EPLB_SUCCESS) << s.text();
    });
    std::int64_t changes = 0;
    for (int replay = 0; replay < 6; ++replay) {
      s.c.loads = random_loads(random, cases::load_kinds()[0], shape, 1);
      s.loads.write(s.c.loads);
      plan.launch(s.on);
      EXPECT_EQ(s.wait_and_poll(), EPLB_SUCCESS) << s.text();
      const plan_answer<std::int32_t> expected = answer_of_cpu(s.c);
      EXPECT_EQ(expected.status, EPLB_SUCCESS) << expected.text;
      EXPECT_LE(expected.stats.stats.changes, 15);
      EXPECT_TRUE(s.out.read() == expected.maps);
      host_stats stats(shape);
      EXPECT_EQ(s.get_stats(stats), EPLB_SUCCESS) << s.text();
      EXPECT_TRUE(stats == expected.stats);
      changes += stats.stats.changes;
      s.c.current = expected.maps.physical_to_logical;
    }
    EXPECT_GT(changes, 15);
  }
}

TEST_F(Device, RunsContextsOnStreamsAtOnce) {
  constexpr int many = 4;
  cases::stream random(25);
  std::vector<plan_case> plans;
  std::vector<context> planners;
  std::vector<std::unique_ptr<device_array<float>>> loads;
  std::vector<std::unique_ptr<device_array<std::int32_t>>> current;
  std::vector<std::unique_ptr<device_maps<std::int32_t>>> out;
  std::vector<std::unique_ptr<stream>> streams;
  for (int i = 0; i < many; ++i) {
    plans.push_back(random_case(random, 60, 8));
    planners.push_back(make_context(shape_of(plans[i]), cuda_options(plans[i], EPLB_MEMORY_CUDA)));
    loads.push_back(std::make_unique<device_array<float>>(plans[i].loads));
    current.push_back(std::make_unique<device_array<std::int32_t>>(
        plans[i].current.empty() ? std::vector<std::int32_t>{-1} : plans[i].current));
    out.push_back(std::make_unique<device_maps<std::int32_t>>(plans[i].shape));
    streams.push_back(std::make_unique<stream>());
  }
  last_error error;
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < many; ++i) {
      const eplb_input input = input_of(plans[i], loads[i]->data(), current[i]->data(), EPLB_MEMORY_CUDA);
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
