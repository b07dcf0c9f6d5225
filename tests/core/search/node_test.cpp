// SPDX-License-Identifier: MIT
// What a search promises of its placements, whatever the gpus, the loads, and what it starts from.
#include <gtest/gtest.h>

#include <map>
#include <numbers>
#include <numeric>
#include <set>
#include <sstream>

#include "core/team/serial.h"
#include "support/against_reference.h"
#include "support/layer_plan.h"

namespace eplb {
namespace {

using cases::deployment;
using placement = std::vector<std::int32_t>;

/// What a search may change, and of what; the default: it starts from nothing.
struct start {
  placement current{};
  int most_changes = any_number;

  current_view view() const { return {current.empty() ? nullptr : current.data(), false, most_changes, INT64_MAX}; }
};

/// A layer and the memory to plan it in.
class bench {
 public:
  bench(const deployment& d, const std::vector<float>& load, int samples)
      : deployment_(d), load_(load), samples_{load_.data(), size_cast(d.shape.experts), samples} {
    parts = layer_plan<serial_team>::in(block_, d, samples);
    sum_.resize(samples_.stride, 0.0f);
    for (std::size_t i = 0; i < load.size(); ++i) sum_[i % samples_.stride] += load[i];
  }

  /// As a backend does: nodes that together have made too many changes share the layer's budget in a second pass.
  layer_outcome search(const search_rules& rules, const start& from, const layer_maps& maps) {
    const plan_shape& shape = deployment_.shape;
    const layer_outcome first = parts(team_, rules, samples_, sum_.data(), from.view(), 0, maps);
    if (first.fault != current_fault::none || !is_budget_shared(shape, from.view())) return first;
    cut_budgets(parts.outcomes, size_cast(shape.nodes), from.most_changes, parts.budget);
    return parts.again(team_, rules, samples_, sum_.data(), from.view(), maps);
  }

  layer_score judge(const layer_maps& maps, double* gpu_load) {
    return score_layer(team_, deployment_.shape, parts.gpus, maps, load_.data(), samples_.samples, samples_.stride,
                       parts.score, gpu_load);
  }

  /// Of balancedness under the only sample, as it is before it is compared with what a placement has.
  double bound() {
    const layer_load of = load_of(deployment_.shape, parts.gpus, load_.data());
    return of.mean / least_peak(team_, deployment_.shape, parts.gpus, of, load_.data(), parts.score);
  }

  layer_plan<serial_team> parts{};

 private:
  const deployment deployment_;
  const std::vector<float> load_;
  const layer_samples samples_;
  std::vector<float> sum_;
  std::vector<char> block_;
  serial_team team_;
};

/// A layer planned by search, and judged.
struct searched {
  std::vector<index_t> expert, rank, count;
  std::vector<double> gpu_load;
  layer_outcome outcome{};
  double balancedness = 0;
  int duplicates = 0, needed = 0, changes = 0;

  searched(const deployment& d, const search_rules& rules, const std::vector<float>& load, int samples = 1,
           const start& from = {})
      : expert(size_cast(d.shape.slots)),
        rank(size_cast(d.shape.slots)),
        count(size_cast(d.shape.experts)),
        gpu_load(size_cast(d.shape.gpus)) {
    bench at(d, load, samples);
    const layer_maps maps{expert.data(), rank.data(), count.data()};
    outcome = at.search(rules, from, maps);
    for (int node = 0; node < d.shape.nodes; ++node) {
      needed += at.parts.outcomes[node].needed;
      changes += at.parts.outcomes[node].changes;
    }
    if (outcome.fault != current_fault::none) return;
    const layer_score judged = at.judge(maps, gpu_load.data());
    balancedness = judged.balancedness;
    duplicates = judged.duplicates;
  }
  searched(const plan_shape& shape, const search_rules& rules, const std::vector<float>& load, int samples = 1)
      : searched(deployment{shape, {}, {}, {}}, rules, load, samples) {}

  placement as_current() const { return {expert.begin(), expert.end()}; }
};

constexpr search_rules steps(int n) { return {n, false, false, 4}; }

/// One layer on any gpus, at times with a number of slots that gpus cannot share evenly.
deployment any_deployment(cases::stream& s) {
  deployment d = cases::random_deployment(s, 60);
  d.shape.layers = 1;
  if (d.slots.empty() && d.shape.nodes == 1 && s.below(2) == 0)
    d.shape.slots = d.shape.experts + s.below(2 * d.shape.gpus);
  return d;
}

search_rules any_rules(cases::stream& s) { return {1 + s.below(40), false, false, s.below(2) == 0 ? 4 : 32}; }

std::vector<float> any_loads(cases::stream& s, const plan_shape& shape, int kind) {
  const auto& kinds = cases::load_kinds();
  return cases::make_loads(kinds[size_cast(kind) % kinds.size()], shape, s.bits());
}

/// Slots, one after the other, with the gpu and the node that they are on.
struct place {
  int slot, gpu, node;
};
std::vector<place> places(const deployment& d) {
  std::vector<place> out;
  for (int gpu = 0; gpu < d.shape.gpus; ++gpu)
    for (int i = 0; i < d.view().slots_of(d.shape, gpu); ++i)
      out.push_back({static_cast<int>(out.size()), gpu, d.view().node_of(d.shape, gpu)});
  return out;
}

std::string describe(const deployment& d, const placement& experts) {
  std::ostringstream out;
  out << cases::to_string(d.shape);
  for (const place& p : places(d)) {
    if (p.slot == 0 || places(d)[size_cast(p.slot - 1)].gpu != p.gpu)
      out << " | gpu " << p.gpu << " of node " << p.node << ":";
    out << ' ';
    if (experts.empty())
      out << '.';
    else
      out << experts[size_cast(p.slot)];
  }
  return out.str();
}

void expect_valid(const plan_shape& shape, const searched& plan) {
  ASSERT_EQ(plan.outcome.fault, current_fault::none);
  std::vector<std::set<int>> ranks(size_cast(shape.experts));
  for (std::size_t slot = 0; slot < plan.expert.size(); ++slot) {
    ASSERT_LT(plan.expert[slot], shape.experts);
    EXPECT_TRUE(ranks[plan.expert[slot]].insert(plan.rank[slot]).second);
  }
  for (std::size_t e = 0; e < ranks.size(); ++e) {
    ASSERT_EQ(ranks[e].size(), plan.count[e]);
    ASSERT_GE(plan.count[e], 1);
    EXPECT_EQ(*ranks[e].rbegin() + 1, plan.count[e]);
  }
}

/// Each group is on one node, and each node has as many of them as the others.
void expect_groups_on_nodes(const deployment& d, const searched& plan) {
  const int width = d.shape.experts / d.shape.groups;
  std::map<int, int> node_of;
  std::vector<int> groups(size_cast(d.shape.nodes));
  for (const place& p : places(d)) {
    const auto [team, is_new] = node_of.insert({plan.expert[size_cast(p.slot)] / width, p.node});
    EXPECT_EQ(team->second, p.node) << "group " << team->first;
    groups[size_cast(p.node)] += is_new ? 1 : 0;
  }
  for (const int n : groups) EXPECT_EQ(n, d.shape.groups / d.shape.nodes);
}

/// Slots that no placement can fill without a replica that its gpu has already.
int forced_duplicates(const deployment& d) {
  int forced = 0;
  for (int gpu = 0; gpu < d.shape.gpus; ++gpu)
    forced += std::max(0, d.view().slots_of(d.shape, gpu) - d.shape.experts / d.shape.nodes);
  return forced;
}

int slots_that_differ(const placement& before, const searched& plan) {
  int n = 0;
  for (std::size_t slot = 0; slot < before.size(); ++slot) n += before[slot] != plan.expert[slot] ? 1 : 0;
  return n;
}

/// What stays on a gpu stays in its slot: as many slots are as before as gpu and plan have experts in common.
void expect_kept_seats(const deployment& d, const placement& before, const searched& plan) {
  std::map<std::pair<int, int>, int> spare;  // of gpu and expert, slots before
  for (const place& p : places(d))
    if (before[size_cast(p.slot)] >= 0) ++spare[{p.gpu, before[size_cast(p.slot)]}];
  int common = 0;
  for (const place& p : places(d))
    if (int& left = spare[{p.gpu, plan.expert[size_cast(p.slot)]}]; left > 0) --left, ++common;
  EXPECT_EQ(slots_that_differ(before, plan), d.shape.slots - common);
}

/// Whether each group is on one node, and no node has more of them than belong there.
bool is_hierarchical(const deployment& d, const placement& current) {
  std::map<int, int> node_of;
  for (const place& p : places(d)) {
    const int e = current[size_cast(p.slot)], team = e * d.shape.groups / d.shape.experts;
    if (e >= 0 && node_of.insert({team, p.node}).first->second != p.node) return false;
  }
  std::vector<int> groups(size_cast(d.shape.nodes));
  for (const auto& [team, node] : node_of)
    if (++groups[size_cast(node)] > d.shape.groups / d.shape.nodes) return false;
  return true;
}

/// The experts on each node.
std::vector<std::set<int>> experts_of_nodes(const deployment& d, const searched& plan) {
  std::vector<std::set<int>> out(size_cast(d.shape.nodes));
  for (const place& p : places(d)) out[size_cast(p.node)].insert(plan.expert[size_cast(p.slot)]);
  return out;
}

/// Changes that have to be: on each node empty slots, and those of experts that belong to other nodes, are filled, and
/// experts that are nowhere get a slot.
int changes_that_must_be(const deployment& d, const placement& before, const searched& plan) {
  std::vector<int> empty(size_cast(d.shape.nodes));
  std::vector<std::set<int>> had(size_cast(d.shape.nodes));
  const std::vector<std::set<int>> has = experts_of_nodes(d, plan);
  for (const place& p : places(d)) {
    const auto node = size_cast(p.node);
    const int e = before[size_cast(p.slot)];
    if (has[node].contains(e))
      had[node].insert(e);
    else
      ++empty[node];
  }
  int needed = 0;
  for (std::size_t node = 0; node < empty.size(); ++node)
    needed += std::max(empty[node], static_cast<int>(has[node].size() - had[node].size()));
  return needed;
}

/// A normal number.
double normal(cases::stream& s) {
  const double radius = std::sqrt(-2 * std::log(1 - s.unit()));
  return radius * std::cos(2 * std::numbers::pi * s.unit());
}

/// Loads as they are recorded: lognormal.
std::vector<float> lognormal(cases::stream& s, int experts, double sigma) {
  std::vector<float> out;
  for (int e = 0; e < experts; ++e) out.push_back(static_cast<float>(1000 * std::exp(sigma * normal(s))));
  return out;
}

constexpr plan_shape deployed{1, 256, 288, 1, 1, 32};

TEST(Search, PlacesEveryExpertAndPartsReplicas) {
  cases::stream s(31);
  int with_duplicates = 0, with_nodes = 0;
  for (int i = 0; i < (brief() ? 300 : 4000) && !testing::Test::HasFailure(); ++i) {
    const deployment d = any_deployment(s);
    const searched plan(d, any_rules(s), any_loads(s, d.shape, i));
    SCOPED_TRACE(describe(d, plan.as_current()));
    ASSERT_NO_FATAL_FAILURE(expect_valid(d.shape, plan));
    expect_groups_on_nodes(d, plan);
    EXPECT_EQ(plan.duplicates, forced_duplicates(d));
    EXPECT_EQ(plan.changes, 0);
    with_duplicates += plan.duplicates > 0 ? 1 : 0;
    with_nodes += d.shape.nodes > 1 ? 1 : 0;
  }
  EXPECT_GT(with_duplicates, 10);
  EXPECT_GT(with_nodes, 100);
}

TEST(Search, GetsBetterWithSteps) {
  const plan_shape shape{1, 256, 288, 1, 1, 72};
  const std::vector<float> load = cases::make_loads(cases::load_kinds()[0], shape, 3);
  for (const int power : {4, 32}) {
    double before = 0;
    for (const int n : {1, 20, 150, 600}) {
      const double now = searched(shape, {n, false, false, power}, load).balancedness;
      EXPECT_GE(now, before) << n;
      before = now;
    }
    EXPECT_GT(before, power == 4 ? 0.9965 : 0.9985);
  }
}

TEST(Search, StopsAtTheLowerBound) {
  // All experts alike and a slot each: the start is perfect.
  const plan_shape shape{1, 64, 64, 1, 1, 8};
  const std::vector<float> load(64, 5.0f);
  EXPECT_EQ(searched(shape, steps(1000), load).balancedness, 1);
  // The hottest expert, on all gpus already, is the bound.
  const plan_shape hot{1, 8, 16, 1, 1, 4};
  EXPECT_EQ(searched(hot, steps(1000), {1000, 0, 0, 0, 0, 0, 0, 0}).balancedness, 1);
}

/// Experts that are hot together in one sample must not share a gpu, though their sum is as good as any other's.
TEST(Search, KeepsSamplesApart) {
  const plan_shape shape{1, 4, 4, 1, 1, 2};
  const std::vector<float> load = {10, 10, 1, 1, 1, 1, 10, 10};
  EXPECT_EQ(searched(shape, steps(20), load, 2).balancedness, 1);
}

TEST(Search, ScalesSamples) {
  const plan_shape shape{1, 64, 80, 1, 1, 8};
  std::vector<float> load = cases::make_loads(cases::load_kinds()[0], {2, 64, 80, 1, 1, 8}, 4);
  const searched before(shape, steps(40), load, 2);
  for (std::size_t i = 64; i < 128; ++i) load[i] *= 1024;
  const searched after(shape, steps(40), load, 2);
  EXPECT_EQ(before.expert, after.expert);
}

TEST(UnevenGpus, SlowOnesBearLess) {
  cases::stream s(41);
  deployment d{deployed, {}, {}, std::vector<float>(32, 1.0f)};
  d.speed[5] = 0.5f;
  d.speed[20] = 0.75f;
  const searched plan(d, steps(96), lognormal(s, 256, 1));
  const double mean = std::accumulate(plan.gpu_load.begin(), plan.gpu_load.end(), 0.0) / 31.25;
  EXPECT_GT(plan.balancedness, 0.99);
  EXPECT_LE(plan.gpu_load[5] / mean, 0.5 / plan.balancedness);
  EXPECT_GT(plan.gpu_load[5] / mean, 0.3);
  EXPECT_LE(plan.gpu_load[20] / mean, 0.75 / plan.balancedness);
  EXPECT_GT(plan.gpu_load[20] / mean, 0.6);
  EXPECT_GT(plan.gpu_load[0] / mean, 0.95);
}

/// A dead gpu, one with less memory, one with more.
TEST(UnevenGpus, AreFilledAsTheyAre) {
  cases::stream s(42);
  deployment d{deployed, std::vector<std::int32_t>(32, 9), {}, {}};
  d.slots[3] = 0;
  d.slots[4] = 7;
  d.slots[5] = 20;
  const searched plan(d, steps(96), lognormal(s, 256, 1));
  expect_valid(d.shape, plan);
  EXPECT_EQ(plan.duplicates, 0);
  EXPECT_EQ(plan.gpu_load[3], 0);
  EXPECT_GT(plan.balancedness, 0.99);
}

TEST(FromCurrent, MakesTheChangesThatMustBeAndNoMoreThanAreAllowed) {
  cases::stream s(51);
  int refused = 0, shared = 0, at_the_limit = 0;
  for (int i = 0; i < (brief() ? 300 : 4000) && !testing::Test::HasFailure(); ++i) {
    const deployment d = any_deployment(s);
    start from{cases::random_placement(s, d)};
    const search_rules rules = any_rules(s);
    const std::vector<float> load = any_loads(s, d.shape, i);
    const searched free(d, rules, load, 1, from);
    SCOPED_TRACE(describe(d, from.current));
    ASSERT_NO_FATAL_FAILURE(expect_valid(d.shape, free));
    const int needed = changes_that_must_be(d, from.current, free);
    EXPECT_EQ(free.needed, needed);
    for (const int more : {-1, 0, 1, s.below(d.shape.slots), d.shape.slots}) {
      SCOPED_TRACE(more);
      from.most_changes = needed + more;
      if (from.most_changes < 0) continue;
      const searched plan(d, rules, load, 1, from);
      if (more < 0) {
        ASSERT_EQ(plan.outcome.fault,
                  is_hierarchical(d, from.current) ? current_fault::changes : current_fault::groups);
        EXPECT_EQ(plan.outcome.at, needed);
        ++refused;
        continue;
      }
      ASSERT_NO_FATAL_FAILURE(expect_valid(d.shape, plan));
      expect_groups_on_nodes(d, plan);
      expect_kept_seats(d, from.current, plan);
      EXPECT_EQ(plan.needed, needed);
      EXPECT_EQ(plan.changes, slots_that_differ(from.current, plan));
      EXPECT_GE(plan.changes, needed);
      EXPECT_LE(plan.changes, from.most_changes);
      shared += d.shape.nodes > 1 && plan.changes < free.changes ? 1 : 0;
      at_the_limit += more > 0 && plan.changes == from.most_changes ? 1 : 0;
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(shared, 20);
  EXPECT_GT(at_the_limit, 50);
}

/// Groups go to nodes as from nothing where they are not on nodes, or there are none, and otherwise stay.
TEST(FromCurrent, BringsGroupsTogether) {
  cases::stream s(57);
  int kept = 0, packed = 0;
  for (int i = 0; i < (brief() ? 400 : 3000) && !testing::Test::HasFailure(); ++i) {
    const deployment d = any_deployment(s);
    const placement current = s.below(5) == 0 ? placement(size_cast(d.shape.slots), -1) : cases::random_placement(s, d);
    const bool is_empty = *std::max_element(current.begin(), current.end()) < 0;
    const std::vector<float> load = any_loads(s, d.shape, i);
    const searched plan(d, any_rules(s), load, 1, {current});
    SCOPED_TRACE(describe(d, current));
    ASSERT_NO_FATAL_FAILURE(expect_valid(d.shape, plan));
    expect_groups_on_nodes(d, plan);
    std::vector<std::set<int>> now = experts_of_nodes(d, plan);
    if (is_hierarchical(d, current) && !is_empty) {
      for (const place& p : places(d))
        EXPECT_TRUE(current[size_cast(p.slot)] < 0 || now[size_cast(p.node)].contains(current[size_cast(p.slot)]));
      ++kept;
    } else {
      std::vector<std::set<int>> fresh = experts_of_nodes(d, searched(d, any_rules(s), load));
      std::sort(now.begin(), now.end());
      std::sort(fresh.begin(), fresh.end());
      EXPECT_EQ(now, fresh);
      packed += d.shape.groups > d.shape.nodes && d.shape.nodes > 1 ? 1 : 0;
    }
  }
  EXPECT_GT(kept, 50);
  EXPECT_GT(packed, 50);
}

/// Groups that come together do so where most of them is: of a plan of which the nodes have changed places, and one
/// slot holds a stranger, that slot alone has to change.
TEST(FromCurrent, NamesNodesByWhatTheyHave) {
  cases::stream s(58);
  const deployment d{{1, 64, 80, 8, 4, 16}, {}, {}, {}};
  const std::vector<float> load = lognormal(s, 64, 1);
  placement current = searched(d, steps(48), load).as_current();
  std::rotate(current.begin(), current.begin() + 20, current.end());
  const std::set<int> last(current.begin() + 60, current.end());
  for (std::size_t slot = 0; slot < 60; ++slot) {
    placement with_stranger = current;
    with_stranger[slot] = *last.begin();
    const bool is_missed = std::count(current.begin(), current.end(), current[slot]) == 1;
    const searched plan(d, steps(48), load, 1, {with_stranger, 1});
    ASSERT_NO_FATAL_FAILURE(expect_valid(d.shape, plan));
    EXPECT_EQ(slots_that_differ(with_stranger, plan), 1);
    EXPECT_TRUE(!is_missed || plan.expert[slot] == current[slot]);
  }
}

/// As a DeepSeek model begins in vLLM: experts in order, then copies of the first ones. As good as from nothing.
TEST(FromCurrent, LeavesOrderedExpertsBehind) {
  cases::stream s(59);
  for (const int nodes : {2, 4}) {
    const deployment d{{1, 256, 288, 8, nodes, 32}, {}, {}, {}};
    const std::vector<float> load = lognormal(s, 256, 1);
    placement current;
    for (int slot = 0; slot < 288; ++slot) current.push_back(slot % 256);
    const searched fresh(d, steps(96), load), plan(d, steps(96), load, 1, {current});
    ASSERT_NO_FATAL_FAILURE(expect_valid(d.shape, plan));
    expect_groups_on_nodes(d, plan);
    expect_kept_seats(d, current, plan);
    EXPECT_GT(plan.balancedness, 0.99 * fresh.balancedness);
    EXPECT_LT(plan.changes, 288 - 288 / nodes / 2);
    EXPECT_EQ(plan.duplicates, 0);
  }
}

/// A placement of another load, as it may have been made elsewhere: with duplicates, or without.
placement complete_placement(cases::stream& s, const deployment& d, bool with_duplicates) {
  search_rules rules = any_rules(s);
  rules.allow_duplicates = with_duplicates;
  return searched(d, rules, any_loads(s, d.shape, s.below(100))).as_current();
}

TEST(FromCurrent, StaysWhereNothingMayChange) {
  cases::stream s(52);
  for (int i = 0; i < (brief() ? 200 : 2000) && !testing::Test::HasFailure(); ++i) {
    const deployment d = any_deployment(s);
    const start from{complete_placement(s, d, s.below(2) == 0), 0};
    const searched plan(d, any_rules(s), any_loads(s, d.shape, i), 1, from);
    SCOPED_TRACE(describe(d, from.current));
    ASSERT_NO_FATAL_FAILURE(expect_valid(d.shape, plan));
    EXPECT_EQ(plan.as_current(), from.current);
    EXPECT_EQ(plan.changes, 0);
  }
}

/// With whatever budget; more of it need not be better, as a search does not look at all there is.
TEST(FromCurrent, NeverGetsWorse) {
  cases::stream s(53);
  int better = 0;
  for (int i = 0; i < (brief() ? 200 : 2000) && !testing::Test::HasFailure(); ++i) {
    const deployment d = any_deployment(s);
    start from{complete_placement(s, d, true), 0};
    search_rules rules = any_rules(s);
    rules.allow_duplicates = true;  // to part them may cost balance
    const std::vector<float> load = any_loads(s, d.shape, i);
    const double before = searched(d, rules, load, 1, from).balancedness;
    from.most_changes = 1 + s.below(d.shape.slots);
    const searched plan(d, rules, load, 1, from);
    SCOPED_TRACE(describe(d, from.current));
    EXPECT_GE(plan.balancedness, before * (1 - 1e-5));
    better += plan.balancedness > before * 1.001 ? 1 : 0;
  }
  EXPECT_GT(better, 50);
}

/// No new duplicates, and those that were there are parted as the budget allows.
TEST(FromCurrent, PartsReplicas) {
  cases::stream s(54);
  int parted = 0;
  for (int i = 0; i < (brief() ? 200 : 2000) && !testing::Test::HasFailure(); ++i) {
    const deployment d = any_deployment(s);
    start from{complete_placement(s, d, true), 0};
    const search_rules rules = any_rules(s);
    const std::vector<float> load = any_loads(s, d.shape, i);
    const int before = searched(d, rules, load, 1, from).duplicates;
    from.most_changes = s.below(d.shape.slots);
    const searched plan(d, rules, load, 1, from);
    SCOPED_TRACE(describe(d, from.current));
    EXPECT_LE(plan.duplicates, before);
    EXPECT_GE(plan.duplicates, forced_duplicates(d));
    parted += plan.duplicates < before ? 1 : 0;
  }
  EXPECT_GT(parted, 50);
}

TEST(FromCurrent, FollowsADriftWithFewChanges) {
  cases::stream s(55);
  for (int i = 0; i < (brief() ? 1 : 5); ++i) {
    std::vector<float> load = lognormal(s, 256, 1);
    const searched before(deployed, steps(96), load);
    for (float& x : load) x *= static_cast<float>(std::exp(0.25 * normal(s)));
    const deployment d{deployed, {}, {}, {}};
    EXPECT_LT(searched(d, steps(96), load, 1, {before.as_current(), 0}).balancedness, 0.85);
    const searched after(d, steps(96), load, 1, {before.as_current(), 45});
    EXPECT_LE(after.changes, 45);
    EXPECT_GT(after.balancedness, 0.994);
  }
}

/// The gpus that are left take over with as few changes as there are experts that have lost their only slot.
TEST(FromCurrent, SurvivesTheLossOfAGpu) {
  cases::stream s(56);
  const std::vector<float> load = lognormal(s, 256, 1);
  const searched before(deployed, steps(96), load);
  deployment d{deployed, std::vector<std::int32_t>(32, 9), {}, {}};
  d.slots[7] = 0;
  d.shape.slots = 279;
  placement left = before.as_current();
  left.erase(left.begin() + 7 * 9, left.begin() + 8 * 9);
  const auto lost = 256 - static_cast<int>(std::set(left.begin(), left.end()).size());
  ASSERT_GT(lost, 3);
  const searched plan(d, steps(96), load, 1, {left, lost});
  expect_valid(d.shape, plan);
  EXPECT_EQ(plan.changes, lost);
  EXPECT_EQ(searched(d, steps(96), load, 1, {left, lost - 1}).outcome.at, lost);
  EXPECT_GT(searched(d, steps(96), load, 1, {left, lost + 40}).balancedness, 0.97);
}

TEST(FromCurrent, NamesWhatIsWrong) {
  const deployment d{{1, 4, 6, 2, 2, 2}, {}, {}, {}};
  const std::vector<float> load = {4, 3, 2, 1};
  const auto outcome_of = [&](const placement& current) { return searched(d, steps(10), load, 1, {current}).outcome; };
  EXPECT_EQ(outcome_of({3, 2, -1, 0, 1, 1}).fault, current_fault::none);
  EXPECT_EQ(outcome_of({3, 2, 4, 0, -2, 1}).fault, current_fault::value);
  EXPECT_EQ(outcome_of({3, 2, 4, 0, -2, 1}).at, 2);
  EXPECT_EQ(outcome_of({3, 2, -1, 0, -2, 1}).at, 4);
  const auto expect_short = [&](const placement& current, current_fault fault, int needed) {
    const layer_outcome outcome = searched(d, steps(10), load, 1, {current, needed - 1}).outcome;
    EXPECT_EQ(outcome.fault, fault);
    EXPECT_EQ(outcome.at, needed);
    EXPECT_EQ(searched(d, steps(10), load, 1, {current, needed}).outcome.fault, current_fault::none);
  };
  expect_short({3, 2, -1, 0, 1, -1}, current_fault::changes, 2);
  expect_short({3, 3, 3, 0, 1, 1}, current_fault::changes, 1);
  expect_short({0, 3, 2, 0, 1, 1}, current_fault::groups, 1);  // group 1 stays on node 0
  expect_short({0, 1, 2, 3, 3, 3}, current_fault::groups, 2);
  expect_short({0, 1, 2, 2, -1, -1}, current_fault::groups, 3);
  expect_short({0, 1, 2, -1, -1, -1}, current_fault::groups, 4);  // two groups where one belongs
}

/// Where plans and placements as they come are judged, with some room for sums that are rounded differently.
TEST(Bound, HoldsForEveryPlacement) {
  cases::stream s(61);
  const auto rules = cases::all_rules(3);
  for (int i = 0; i < (brief() ? 300 : 3000) && !testing::Test::HasFailure(); ++i) {
    const deployment d = any_deployment(s);
    const std::vector<float> load = any_loads(s, d.shape, i);
    bench at(d, load, 1);
    std::vector<index_t> expert(size_cast(d.shape.slots)), rank(expert), count(size_cast(d.shape.experts));
    const layer_maps maps{expert.data(), rank.data(), count.data()};
    const auto expect_within = [&](const char* who) {
      const layer_score judged = at.judge(maps, nullptr);
      if (judged.balancedness == 0) return;
      EXPECT_LE(judged.balancedness, at.bound() * (1 + 1e-6)) << who;
      EXPECT_LE(judged.balancedness, judged.bound) << who;
      EXPECT_LE(judged.bound, 1) << who;
    };
    SCOPED_TRACE(describe(d, {}));
    search_rules search = any_rules(s);
    search.allow_duplicates = s.below(2) == 0;
    at.search(search, {}, maps);
    expect_within("search");
    if (d.view().is_plain() && d.shape.slots % d.shape.gpus == 0) {
      const plan by_packing = plan_layer(d.shape, rules[size_cast(i) % rules.size()].rules, load.data(), 1, 0);
      std::copy(by_packing.physical_to_logical.begin(), by_packing.physical_to_logical.end(), expert.begin());
      std::copy(by_packing.replica_count.begin(), by_packing.replica_count.end(), count.begin());
      expect_within("packing");
    }
    std::iota(expert.begin(), expert.begin() + d.shape.experts, index_t{0});
    for (auto e = expert.begin() + d.shape.experts; e != expert.end(); ++e)
      *e = static_cast<index_t>(s.below(d.shape.experts));
    for (std::size_t n = expert.size(); n > 1; --n)
      std::swap(expert[n - 1], expert[size_cast(s.below(static_cast<int>(n)))]);
    std::fill(count.begin(), count.end(), index_t{0});
    for (const index_t e : expert) ++count[e];
    expect_within("chance");
  }
}

struct bounded {
  const char* name;
  deployment gpus;
  std::vector<float> load;
  double bound;
};

/// Worked out by hand; a search reaches each of them.
TEST(Bound, IsReachedWhereItCanBe) {
  const bounded all[] = {
      {"one hot expert, on every gpu", {{1, 8, 16, 1, 1, 4}, {}, {}, {}}, {1000, 0, 0, 0, 0, 0, 0, 0}, 1},
      {"two replicas of 50 each, mean 32.5", {{1, 4, 5, 1, 1, 4}, {}, {}, {}}, {100, 10, 10, 10}, 0.65},
      {"a slot a gpu", {{1, 4, 4, 1, 1, 4}, {}, {}, {}}, {4, 2, 1, 1}, 0.5},
      {"one slot takes 1 of 5, so that 4 are left", {{1, 5, 5, 1, 1, 2}, {1, 4}, {}, {}}, {1, 1, 1, 1, 1}, 0.625},
      {"the same, and a gpu without slots", {{1, 5, 5, 1, 1, 3}, {1, 0, 4}, {}, {}}, {1, 1, 1, 1, 1}, 0.625},
      {"single slots take 3 each of 12", {{1, 6, 6, 1, 1, 3}, {1, 4, 1}, {}, {}}, {3, 2, 1, 3, 2, 1}, 2.0 / 3.0},
      {"a gpu three times as fast", {{1, 4, 4, 1, 1, 2}, {3, 1}, {}, {3, 1}}, {1, 1, 1, 1}, 1},
      {"the hot expert on the fast gpu", {{1, 2, 2, 1, 1, 2}, {}, {}, {1, 4}}, {8, 1}, 0.9},
      {"a fast gpu with a single slot bears 1, not 6",
       {{1, 8, 8, 1, 1, 2}, {1, 7}, {}, {3, 1}},
       {1, 1, 1, 1, 1, 1, 1, 1},
       2.0 / 7.0},
      {"a fast gpu without slots does not count", {{1, 2, 2, 1, 1, 2}, {0, 2}, {}, {100, 1}}, {8, 1}, 1},
  };
  for (const bounded& b : all) {
    SCOPED_TRACE(b.name);
    EXPECT_NEAR(bench(b.gpus, b.load, 1).bound(), b.bound, 1e-12);
    EXPECT_NEAR(searched(b.gpus, steps(100), b.load).balancedness, b.bound, 1e-12);
  }
}

}  // namespace
}  // namespace eplb
