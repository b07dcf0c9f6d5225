// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tool.h"

namespace {

class Generate : public ToolTest {
 protected:
  Json loads_of(const std::string& shape, const std::string& kind, Arguments more = {}) {
    Arguments arguments = {"generate", "--shape", shape, "--kind", kind};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_json(arguments)["logical_count"];
  }
};

using Row = std::vector<std::int64_t>;

std::int64_t total(const Row& row) { return std::accumulate(row.begin(), row.end(), std::int64_t{0}); }

double mean(const Row& row) { return static_cast<double>(total(row)) / static_cast<double>(row.size()); }

double largest_over_mean(const Row& row) {
  return static_cast<double>(*std::max_element(row.begin(), row.end())) / mean(row);
}

TEST_F(Generate, EveryKindMakesWholeNonNegativeLoads) {
  const Json list = run_json({"generate", "--list"});
  EXPECT_EQ(list["shapes"].size(), 28u);
  for (const Json& known : list["kinds"]) {
    std::string kind = known["name"];
    SCOPED_TRACE(kind);
    EXPECT_FALSE(known["description"].get<std::string>().empty());
    const bool is_adversarial = kind.starts_with("adv:");
    if (!is_adversarial && !kind.starts_with("real:")) kind = kind.substr(0, kind.find(':'));
    for (const int samples : {1, 3}) {
      Json all = loads_of("tiny", kind, {"--samples", std::to_string(samples), "--tokens", "1001"});
      if (samples == 1) all = Json::array({all});
      ASSERT_EQ(all.size(), static_cast<std::size_t>(samples));
      for (const Json& sample : all) {
        ASSERT_EQ(sample.size(), 2u);
        for (const Json& layer : sample) {
          ASSERT_EQ(layer.size(), 12u);
          for (const Json& load : layer) {
            EXPECT_TRUE(load.is_number_unsigned());
            EXPECT_LE(load, is_adversarial ? INT64_MAX : 1001);
          }
          if (is_adversarial) continue;
          EXPECT_EQ(total(layer), 2 * 1001);
        }
      }
    }
  }
}

TEST_F(Generate, ParametersChangeTheSkew) {
  EXPECT_LT(largest_over_mean(loads_of("1x64", "zipf:0.5")[0]), largest_over_mean(loads_of("1x64", "zipf")[0]));
  EXPECT_LT(largest_over_mean(loads_of("1x64", "lognormal:0.2")[0]),
            largest_over_mean(loads_of("1x64", "lognormal:1.5")[0]));
  EXPECT_LT(largest_over_mean(loads_of("1x64", "powerlaw:0.1")[0]),
            largest_over_mean(loads_of("1x64", "powerlaw:2.5")[0]));
}

TEST_F(Generate, IsTheSameForTheSameSeed) {
  for (const char* kind : {"multinomial", "lognormal", "real:switch", "adv:powers"}) {
    SCOPED_TRACE(kind);
    const Json loads = loads_of("4x32", kind, {"--samples", "6"});
    EXPECT_EQ(loads, loads_of("4x32", kind, {"--samples", "6", "--seed", "0"}));
    EXPECT_NE(loads, loads_of("4x32", kind, {"--samples", "6", "--seed", "1"}));
  }
  // Nothing but integers, so this platform's libm alone decides; adversarial kinds do not even need that.
  EXPECT_EQ(loads_of("1x4", "adv:ascending"), Json::parse("[[1,2,3,4]]"));
}

TEST_F(Generate, WritesTheSameLoadsToEachFile) {
  const auto planned = [&](const std::string& file) {
    Json plan = run_json({"plan", file, "--slots", "16", "--gpus", "8", "--nodes", "2", "--groups", "4"});
    plan["stats"].erase("plan_ms");
    return plan;
  };
  for (const char* samples : {"1", "3"}) {
    for (const char* file : {"loads.npy", "loads.json", "loads.csv"})
      EXPECT_EQ(run({"generate", "--shape", "tiny", "--kind", "real", "--samples", samples, "--output", file}).status,
                0);
    EXPECT_EQ(planned("loads.npy"), planned("loads.json"));
    EXPECT_EQ(planned("loads.npy"), planned("loads.csv"));
  }
  EXPECT_EQ(read("loads.csv").substr(0, 21), "sample,layer,expert0,");
  EXPECT_EQ(read("loads.npy").size() % 64, 3u * 2 * 12 * 8 % 64);
  expect_error(1, {"loads.txt: "}, {"generate", "--shape", "tiny", "--kind", "real", "--output", "loads.txt"});
  EXPECT_FALSE(exists("loads.txt"));
}

TEST_F(Generate, ShapesCanBeChanged) {
  EXPECT_EQ(total(loads_of("1x16", "uniform", {"--tokens", "10"})[0]), 80);
  EXPECT_EQ(total(loads_of("1x4", "uniform", {"--tokens", "10"})[0]), 40);
  EXPECT_EQ(total(loads_of("1x16", "uniform", {"--tokens", "10", "--topk", "3"})[0]), 30);
  EXPECT_EQ(total(loads_of("tiny", "uniform", {"--tokens", "10", "--topk", "12"})[0]), 120);
  const Json hot = loads_of("1x16", "adv:group_hot", {"--groups", "8"});
  EXPECT_EQ(std::count(hot[0].begin(), hot[0].end(), 1000), 2);
}

TEST_F(Generate, RealLoadsResembleRecordedOnes) {
  // Of DeepSeek-V3: the hottest expert has 5 to 8 times the mean, the hottest of eight groups 1.5 to 2.1
  // times.
  const Json loads = loads_of("deepseek-v3", "real");
  double hottest_expert = 0, hottest_group = 0;
  for (const Row layer : loads) {
    hottest_expert += largest_over_mean(layer);
    Row groups;
    for (auto group = layer.begin(); group != layer.end(); group += 32)
      groups.push_back(std::accumulate(group, group + 32, std::int64_t{0}));
    hottest_group += largest_over_mean(groups);
  }
  EXPECT_GT(hottest_expert / 58, 4.5);
  EXPECT_LT(hottest_expert / 58, 10);
  EXPECT_GT(hottest_group / 58, 1.4);
  EXPECT_LT(hottest_group / 58, 2.2);
}

double correlation(const Row& a, const Row& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]) - mean(a), y = static_cast<double>(b[i]) - mean(b);
    ab += x * y, aa += x * x, bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

TEST_F(Generate, DriftsDiffer) {
  const auto of_samples = [&](const char* kind, std::size_t first, std::size_t second) {
    const Json loads = loads_of("1x256", kind, {"--samples", "6"});
    return correlation(loads[first][0], loads[second][0]);
  };
  EXPECT_GT(of_samples("real:still", 0, 5), 0.98);
  EXPECT_GT(of_samples("real:calm", 0, 5), of_samples("real:mixed", 0, 5));
  EXPECT_GT(of_samples("real:switch", 2, 3), 0.9);
  EXPECT_LT(of_samples("real:switch", 3, 4), 0.8);
}

TEST_F(Generate, ListsItsShapesInATable) {
  const Outcome outcome = run({"generate", "--list", "--format", "table"});
  for (const char* word : {"deepseek-v3", "288/32/4", "zipf:S", "adv:lpt_worst"})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word;
}

}  // namespace
