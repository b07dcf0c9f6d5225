// SPDX-License-Identifier: MIT
// The serial team is the measure. The CPU backend with any number of threads, and the cooperative
// code paths in teams of emulated threads, must give its plans bit for bit. Teams of 2, 3 and 5
// show what larger ones hide: ties inside one thread's share.
#include <gtest/gtest.h>

#include <memory>
#include <tuple>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "core/loads.h"
#include "core/maps.h"
#include "core/plan.h"
#include "core/team/serial.h"
#include "support/cases.h"
#include "support/emulated_team.h"
#include "support/layer_plan.h"

namespace eplb {
namespace {

struct result {
  std::vector<index_t> physical_to_logical, replica_rank, replica_count;
  std::vector<std::int32_t> inverse;
  std::vector<double> gpu_load;
  std::int64_t duplicates = 0, changes = 0;
  double bound = 0;

  explicit result(const plan_shape& s)
      : physical_to_logical(size(s.layers, s.slots)),
        replica_rank(size(s.layers, s.slots)),
        replica_count(size(s.layers, s.experts)),
        inverse(size(s.layers, s.experts * width(s))),
        gpu_load(size(s.layers, s.gpus)) {}
  bool operator==(const result&) const = default;

  layer_maps maps() { return {physical_to_logical.data(), replica_rank.data(), replica_count.data()}; }
  static std::size_t size(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }
  static int width(const plan_shape& s) { return s.slots - s.experts + 1; }
};

struct problem {
  plan_shape shape;
  packing_rules rules;
  std::vector<float> loads;
  std::uint64_t seed;
  std::string name;
  search_rules search{};  // with steps: it searches
  cases::deployment gpus{shape, {}, {}, {}};
  std::vector<std::int32_t> current{};  // empty: none
  int most_changes = any_number;

  current_view from() const { return {current.empty() ? nullptr : current.data(), false, most_changes, INT64_MAX}; }
};

/// Everything the core does with a layer, by one team: loads in, plan, inverse map, statistics.
template <class Team>
class core_run {
 public:
  explicit core_run(const problem& p) : problem_(p), out(p.shape), load_(p.loads.size()) {
    parts_ = layer_plan<Team>::in(block_, p.gpus, 1);
  }

  void operator()(Team& team) {
    const plan_shape& shape = problem_.shape;
    for (int layer = 0; layer < shape.layers; ++layer) {
      const std::size_t at = result::size(layer, shape.experts);
      float* const load = load_.data() + at;
      const load_view given{scalar::float32, problem_.loads.data(), 1};
      const fault_key fault = read_layer(team, shape, given, layer, parts_.sample, 0, load);
      if (team.rank() == 0) {
        EXPECT_EQ(fault, no_fault);
      }
      const layer_maps maps = out.maps().of(shape, layer);
      if (problem_.search.steps > 0) {
        const layer_outcome outcome = parts_(team, problem_.search, {load, 0, 1}, load, problem_.from(), layer, maps);
        EXPECT_EQ(outcome.fault, current_fault::none);
        for (int node = 0; team.rank() == 0 && node < shape.nodes; ++node) out.changes += parts_.outcomes[node].changes;
      } else {
        parts_.pack(team, problem_.rules, load, problem_.seed, layer, maps);
      }
      invert(team, shape, maps, static_cast<std::size_t>(result::width(shape)),
             out.inverse.data() + result::size(layer, shape.experts * result::width(shape)));
      const layer_score score = score_layer(team, shape, parts_.gpus, maps, load, 1, 0, parts_.score,
                                            out.gpu_load.data() + result::size(layer, shape.gpus));
      if (team.rank() != 0) continue;
      out.duplicates += score.duplicates;
      scores_.add(score);
      out.bound = stats_.bound;
    }
  }

 private:
  const problem& problem_;

 public:
  result out;

 private:
  std::vector<float> load_;
  std::vector<char> block_;
  layer_plan<Team> parts_;
  placement_stats stats_{};
  score_sum scores_{stats_};
};

result run_serial(const problem& p) {
  core_run<serial_team> run(p);
  serial_team team;
  run(team);
  return run.out;
}

result run_emulated(const problem& p, int threads) {
  core_run<emulated_team> run(p);
  emulated_team::run(threads, [&](emulated_team& team) { run(team); });
  return run.out;
}

struct destroy {
  void operator()(planner* p) const { p->~planner(); }
};

result run_cpu_backend(const problem& p, int threads, const cpu_kernels& kernels) {
  plan_spec spec{
      p.shape, p.gpus.largest_node(), p.gpus.view(), p.rules, p.search, 1, threads, 1, memory_kind::host, -1, nullptr,
      &kernels};
  std::vector<char> block(cpu_backend.measure(spec).host + arena::alignment);
  std::size_t space = block.size();
  void* front = block.data();
  std::align(arena::alignment, space - arena::alignment, front, space);
  const std::unique_ptr<planner, destroy> planner(cpu_backend.make(spec, front));
  planner->plan({{scalar::float32, p.loads.data(), 1}, p.from(), p.seed}, nullptr);

  const plan_shape& s = p.shape;
  std::vector<std::int64_t> slots(result::size(s.layers, s.slots)), ranks(slots),
      counts(result::size(s.layers, s.experts));
  result out(s);
  planner->get_maps({scalar::int64, slots.data(), ranks.data(), counts.data(), nullptr, 0});
  planner->get_maps(
      {scalar::int32, nullptr, nullptr, nullptr, out.inverse.data(), static_cast<std::size_t>(result::width(s))});
  out.physical_to_logical.assign(slots.begin(), slots.end());
  out.replica_rank.assign(ranks.begin(), ranks.end());
  out.replica_count.assign(counts.begin(), counts.end());
  placement_stats stats{};
  stats.gpu_load = out.gpu_load.data();
  planner->get_stats(stats);
  out.duplicates = stats.duplicates;
  out.changes = stats.changes;
  out.bound = stats.bound;
  return out;
}

/// Small problems of every kind: a barrier of many threads is slow.
std::vector<problem> small_problems(int count, int size, int candidates, std::uint64_t seed) {
  cases::stream s(seed);
  std::vector<problem> out;
  const auto& kinds = cases::load_kinds();
  const auto rules = cases::all_rules(candidates);
  for (int i = 0; i < count; ++i) {
    const bool searches = s.below(3) == 0;
    const cases::deployment gpus =
        searches ? cases::random_deployment(s, size) : cases::deployment{cases::random_shape(s, size), {}, {}, {}};
    const plan_shape shape = gpus.shape;
    const auto& kind = kinds[static_cast<std::size_t>(i) % kinds.size()];
    const auto& rule = rules[static_cast<std::size_t>(s.below(static_cast<int>(rules.size())))];
    const std::uint64_t loads_seed = s.bits(), plan_seed = s.bits();
    const search_rules search{searches ? 1 + s.below(20) : 0, s.below(2) == 0, false, s.below(2) == 0 ? 4 : 32};
    std::vector<std::int32_t> current;
    if (searches && s.below(2) == 0) current = cases::random_placement(s, gpus);
    // What has to change is random too, so only one node may be short of changes, and then only with room for it.
    const bool is_short = shape.nodes == 1 && s.below(2) == 0;
    out.push_back({shape, searches ? layer_plan<serial_team>::groups_of_search : rule.rules,
                   cases::make_loads(kind, shape, loads_seed), plan_seed,
                   cases::to_string(shape) + ", " + kind.name + ", " + rule.name + ", " + std::to_string(search.steps) +
                       " search steps" + (current.empty() ? "" : " from a placement"),
                   search, gpus, current, is_short ? shape.slots / 2 + shape.slots / 4 : any_number});
  }
  return out;
}

/// Shapes as deployed, one layer each.
std::vector<problem> real_problems(int candidates) {
  const plan_shape shapes[] = {{1, 256, 288, 8, 4, 32}, {1, 256, 288, 1, 1, 32}, {1, 256, 288, 1, 1, 144}};
  std::vector<problem> out;
  for (const plan_shape& shape : shapes)
    for (const auto& rule : cases::all_rules(candidates))
      out.push_back({shape, rule.rules, cases::make_loads(cases::load_kinds()[0], shape, 5), 5,
                     cases::to_string(shape) + ", " + rule.name});
  return out;
}

class Emulated : public testing::TestWithParam<int> {};

TEST_P(Emulated, EqualsSerialOnSmallProblems) {
  const int threads = GetParam();
  if (brief() && threads > 128) GTEST_SKIP() << "a team of so many threads does what one of 128 does";
  const int count = brief() ? (threads > 5 ? 10 : 40) : (threads > 5 ? 60 : 300) / (threads > 128 ? 3 : 1);
  for (const problem& p : small_problems(count, brief() || threads > 128 ? 24 : 60, 3, 11))
    ASSERT_TRUE(run_emulated(p, threads) == run_serial(p)) << p.name;
}

TEST_P(Emulated, EqualsSerialOnRealProblems) {
  if (brief() || GetParam() > 128) GTEST_SKIP() << "real sizes take too long here; small ones run";
  for (const problem& p : real_problems(2)) ASSERT_TRUE(run_emulated(p, GetParam()) == run_serial(p)) << p.name;
}

INSTANTIATE_TEST_SUITE_P(Threads, Emulated, testing::Values(2, 3, 5, 32, 128, 256),
                         [](const auto& size) { return std::to_string(size.param); });

using kernels_and_threads = std::tuple<const cpu_kernels*, int>;

class CpuBackend : public testing::TestWithParam<kernels_and_threads> {
 protected:
  void expect_serial(const problem& p) {
    const auto [kernels, threads] = GetParam();
    ASSERT_TRUE(run_cpu_backend(p, threads, *kernels) == run_serial(p)) << p.name;
  }
  void SetUp() override {
    const cpu_kernels& kernels = *std::get<0>(GetParam());
    if (!kernels.usable()) GTEST_SKIP() << "this machine does not run " << kernels.name << " instructions";
  }
};

TEST_P(CpuBackend, EqualsSerialOnSmallProblems) {
  for (const problem& p : small_problems(brief() ? 100 : 500, 60, 6, 12)) expect_serial(p);
}

TEST_P(CpuBackend, EqualsSerialOnRealProblems) {
  for (const problem& p : real_problems(64)) expect_serial(p);
}

TEST_P(CpuBackend, EqualsSerialAtTheEdges) {
  for (const plan_shape& shape : cases::edge_shapes()) {
    if (brief() && shape.slots > 500) continue;  // minutes under a sanitizer
    for (const auto& rule : cases::all_rules(4))
      expect_serial({shape, rule.rules, cases::make_loads(cases::load_kinds()[0], shape, 6), 6,
                     cases::to_string(shape) + ", " + rule.name});
  }
}

const cpu_kernels* const all_kernels[] = {&baseline_kernels,
#if defined(__x86_64__)
                                          &avx2_kernels
#endif
};

INSTANTIATE_TEST_SUITE_P(KernelsAndThreads, CpuBackend,
                         testing::Combine(testing::ValuesIn(all_kernels), testing::Values(1, 2, 8)),
                         [](const auto& way) {
                           return std::string(std::get<0>(way.param)->name) + "_" +
                                  std::to_string(std::get<1>(way.param));
                         });

}  // namespace
}  // namespace eplb
