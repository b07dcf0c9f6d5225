// SPDX-License-Identifier: MIT
#include "tool.h"

namespace {

class Compare : public ToolTest {
 protected:
  Compare() {
    for (const char* seed : {"1", "2"})
      run({"generate", "--shape", "4x32", "--kind", "real", "--seed", seed, "--output", std::string(seed) + ".npy"});
  }
  Json compare(Arguments arguments) {
    arguments.insert(arguments.begin(), "compare");
    arguments.insert(arguments.end(), {"--slots", "40", "--gpus", "8"});
    return run_json(arguments);
  }
};

TEST_F(Compare, HasEveryStrategyWithItsPlansFigures) {
  const Json results = compare({"1.npy", "--repeat", "3"})["results"];
  const Json strategies = run_json({"info"})["strategies"];
  ASSERT_EQ(results.size(), strategies.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i]["strategy"], strategies[i]["name"]);
    const Json plan = run_json({"plan", "1.npy", "--slots", "40", "--gpus", "8", "--strategy", strategies[i]["name"]});
    EXPECT_EQ(results[i]["resolved"], plan["strategy"]);
    for (const char* figure : {"balancedness", "balancedness_min", "duplicates", "max_replica_count"})
      EXPECT_EQ(results[i][figure], plan["stats"][figure]) << figure;
    EXPECT_GT(results[i]["plan_ms"], 0);
  }
}

TEST_F(Compare, OfSomeStrategies) {
  const Json results = compare({"1.npy", "--strategy", "lpt-swap-l2", "--strategy", "lpt"})["results"];
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0]["strategy"], "lpt-swap-l2");
  EXPECT_EQ(results[1]["strategy"], "lpt");
}

TEST_F(Compare, OfSeveralFilesIsAMatrix) {
  const Json comparison = compare({"1.npy", "2.npy"});
  EXPECT_EQ(comparison["files"], Json({"1.npy", "2.npy"}));
  ASSERT_EQ(comparison["results"].size(), 1u);
  EXPECT_EQ(comparison["results"][0]["strategy"], "auto");
  const Json& matrix = comparison["results"][0]["balancedness"];
  for (std::size_t row = 0; row < 2; ++row) {
    const std::string planned_on = std::to_string(row + 1) + ".npy";
    run({"plan", planned_on, "--slots", "40", "--gpus", "8", "--output", "plan.json"});
    for (std::size_t column = 0; column < 2; ++column)
      EXPECT_EQ(matrix[row][column], run_json({"score", std::to_string(column + 1) + ".npy", "--plan",
                                               "plan.json"})["stats"]["balancedness"]);
  }
  EXPECT_GT(matrix[0][0], matrix[0][1]);
}

TEST_F(Compare, TablesHaveTheSame) {
  const Outcome one = run({"compare", "1.npy", "--slots", "40", "--gpus", "8", "--format", "table"});
  EXPECT_NE(one.out.find("\nlpt-restart64-any "), std::string::npos) << one.out;
  EXPECT_NE(one.out.find("\nauto = "), std::string::npos) << one.out;
  const Outcome two = run({"compare", "1.npy", "2.npy", "--slots", "40", "--gpus", "8", "--format", "table"});
  EXPECT_NE(two.out.find("  2  2.npy\n"), std::string::npos) << two.out;
}

TEST_F(Compare, FilesMustHaveOneShape) {
  expect_error(1, {"stdin: ", "1 layer x 2 experts", "1.npy", "4 x 32"},
               {"compare", "1.npy", "-", "--slots", "40", "--gpus", "8"}, "[[1,2]]");
}

}  // namespace
