// SPDX-License-Identifier: MIT
#include "tool.h"

namespace {

/// That the four maps of a layer are one placement.
void expect_consistent(const Json& plan, std::size_t layer) {
  const Json& slots = plan["physical_to_logical"][layer];
  const Json& ranks = plan["replica_rank"][layer];
  const Json& counts = plan["replica_count"][layer];
  const Json& slots_of = plan["logical_to_physical"][layer];
  const std::size_t width = plan["stats"]["max_replica_count"];
  ASSERT_EQ(slots.size(), plan["shape"]["slots"].get<std::size_t>());
  ASSERT_EQ(ranks.size(), slots.size());
  ASSERT_EQ(counts.size(), plan["shape"]["experts"].get<std::size_t>());
  ASSERT_EQ(slots_of.size(), counts.size());
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    const std::size_t expert = slots[slot], rank = ranks[slot];
    ASSERT_LT(expert, counts.size());
    ASSERT_LT(rank, counts[expert].get<std::size_t>());
    EXPECT_EQ(slots_of[expert][rank], slot);
  }
  std::size_t sum = 0;
  for (std::size_t expert = 0; expert < counts.size(); ++expert) {
    const std::size_t count = counts[expert];
    ASSERT_GE(count, 1u);
    ASSERT_EQ(slots_of[expert].size(), width);
    for (std::size_t rank = count; rank < width; ++rank) EXPECT_EQ(slots_of[expert][rank], -1);
    sum += count;
  }
  EXPECT_EQ(sum, slots.size());
}

class Plan : public ToolTest {};

TEST_F(Plan, HasAllFieldsAndConsistentMaps) {
  const Json plan =
      run_json({"plan", "-", "--slots", "40", "--gpus", "8", "--nodes", "2", "--groups", "4", "--repeat", "3"},
               some_loads(5, 32).dump());
  EXPECT_EQ(
      plan["shape"],
      Json({{"layers", 5}, {"experts", 32}, {"slots", 40}, {"groups", 4}, {"nodes", 2}, {"gpus", 8}, {"samples", 1}}));
  EXPECT_NE(plan["strategy"], "auto");
  EXPECT_EQ(plan["backend"], "cpu");
  EXPECT_EQ(plan["seed"], 0);
  ASSERT_EQ(plan["physical_to_logical"].size(), 5u);
  for (std::size_t layer = 0; layer < 5; ++layer) expect_consistent(plan, layer);
  const Json& stats = plan["stats"];
  EXPECT_EQ(stats.size(), 12u);
  EXPECT_GT(stats["balancedness"], 0.5);
  EXPECT_LE(stats["balancedness"], stats["bound"]);
  EXPECT_LE(stats["bound"], 1);
  EXPECT_LE(stats["balancedness_min"], stats["balancedness"]);
  EXPECT_EQ(stats["empty_layers"], 0);
  EXPECT_GE(stats["duplicates"], 0);
  EXPECT_EQ(stats["changes"], 0);
  EXPECT_GT(stats["plan_ms"], 0);
}

TEST_F(Plan, OfDeepSeeksExampleIsDeepSeeks) {
  const Json plan =
      run_json({"plan", "-", "--slots", "16", "--gpus", "8", "--nodes", "2", "--groups", "4", "--strategy", "lpt"},
               "[[90,132,40,61,104,165,39,4,73,56,183,86],[20,107,104,64,19,197,187,157,172,86,16,27]]");
  EXPECT_EQ(plan["physical_to_logical"], Json::parse("[[5,6,5,7,8,4,3,4,10,9,10,2,0,1,11,1],"
                                                     "[7,10,6,8,6,11,8,9,2,4,5,1,5,0,3,1]]"));
  EXPECT_EQ(plan["strategy"], "lpt");
}

TEST_F(Plan, KeepsAMatrixRowOnALine) {
  const Outcome outcome = run({"plan", "-", "--slots", "8", "--gpus", "2"}, some_loads(3, 6).dump());
  // Four matrices of three rows between brackets, six more fields, the braces; and the statistics: two such
  // matrices, ten more fields, and their braces.
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 4 * 5 + 6 + 2 + 2 * 5 + 10 + 2);
}

TEST_F(Plan, TellsEveryLayerAndGpu) {
  const std::string loads = "[[[5,1,9,2],[0,0,0,0],[3,3,0,8]],[[1,7,2,2],[0,0,0,0],[4,4,4,4]]]";
  const Json plan =
      run_json({"plan", "-", "--slots", "6", "--gpus", "2", "--speeds", "1,2", "--first-layer", "3"}, loads);
  const Json& stats = plan["stats"];
  ASSERT_EQ(stats["layers"].size(), 3u);
  double sum = 0, largest = 0, mean = 0;
  for (std::size_t layer = 0; layer < 3; ++layer) {
    const Json& told = stats["layers"][layer];
    EXPECT_EQ(told.size(), 4u);
    EXPECT_EQ(told["layer"], 3 + layer);
    EXPECT_LE(told["balancedness"], told["bound"]);
    const Json& experts = plan["physical_to_logical"][layer];
    std::vector<double> mean_load(2);
    for (const Json& sample : Json::parse(loads)) {
      std::vector<double> load(2);
      for (std::size_t slot = 0; slot < 6; ++slot) {
        const std::size_t expert = experts[slot];
        load[slot / 3] += sample[layer][expert].get<double>() / plan["replica_count"][layer][expert].get<double>();
      }
      largest += std::max(load[0], load[1] / 2);
      mean += (load[0] + load[1]) / 3;
      for (const std::size_t gpu : {0, 1}) mean_load[gpu] += load[gpu] / 2;
    }
    for (const std::size_t gpu : {0, 1}) EXPECT_NEAR(stats["gpu_load"][layer][gpu].get<double>(), mean_load[gpu], 1e-9);
    if (layer == 1)
      EXPECT_EQ(told, Json({{"layer", 4}, {"balancedness", 1.0}, {"bound", 1.0}, {"worst_gpu", nullptr}}));
    else
      EXPECT_EQ(told["worst_gpu"], mean_load[1] / 2 > mean_load[0] ? 1 : 0);
    sum += layer == 1 ? 0 : told["balancedness"].get<double>();
  }
  EXPECT_NEAR(stats["balancedness"].get<double>(), sum / 2, 1e-9);
  EXPECT_NEAR(stats["max_over_mean"].get<double>(), largest / mean, 1e-9);
  const Json& worst = stats["layers"][stats["worst_layer"].get<std::size_t>() - 3];
  EXPECT_EQ(worst["balancedness"], stats["balancedness_min"]);
  EXPECT_EQ(run_json({"plan", "-", "--slots", "2", "--gpus", "2"}, "[[0,0]]")["stats"]["worst_layer"], nullptr);
}

TEST_F(Plan, NamesTheWorstLayerByItsNumberInTheModel) {
  const Arguments arguments = {"plan", "loads.json", "--slots", "8", "--gpus", "4", "--first-layer", "3"};
  write("loads.json", "[[1,1,1,1],[1,1,9,1],[2,2,2,2]]");
  const Json stats = run_json(arguments)["stats"];
  EXPECT_EQ(stats["worst_layer"], 4);
  Arguments table = arguments;
  table.insert(table.end(), {"--format", "table"});
  EXPECT_NE(run(table).out.find("\nnumber of the worst layer          4       4\n"), std::string::npos)
      << run(table).out;
  Arguments compare = {"compare", "loads.json", "--slots", "8", "--gpus", "4", "--strategy", "lpt"};
  EXPECT_EQ(run_json(compare)["results"][0]["worst_layer"], 1);
  compare.insert(compare.end(), {"--layers", "5:20"});
  EXPECT_EQ(run_json(compare)["results"][0]["worst_layer"], 25);
  compare.insert(compare.end(), {"--format", "table"});
  EXPECT_NE(run(compare).out.find("  25  "), std::string::npos) << run(compare).out;
}

/// What the groups cost is said, in each format, where it is much.
TEST_F(Plan, SaysWhatAGlobalPlanWouldReach) {
  const auto outcome = [&](const Arguments& more, const std::string& groups = "4") {
    Arguments arguments = {"plan", "loads.json", "--slots", "24", "--gpus", "4", "--nodes", "2", "--groups", groups};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  // One group has nearly all the load.
  write("loads.json", "[[90,80,70,60,5,5,5,5,5,5,5,5,5,5,5,5]]");
  const Json json = Json::parse(outcome({}).out), global = Json::parse(outcome({"--policy", "global"}).out);
  EXPECT_EQ(json["policy"], "hierarchical");
  const double hierarchical = json["stats"]["balancedness"];
  ASSERT_LT(hierarchical, 0.9);
  EXPECT_EQ(json["balancedness_by_policy"],
            Json({{"hierarchical", hierarchical}, {"global", global["stats"]["balancedness"]}}));
  EXPECT_FALSE(global.contains("balancedness_by_policy"));
  const auto text = [](double value) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%.3f", value);
    return std::string(digits + (digits[0] == '0' ? 1 : 0));
  };
  const std::string words = "hierarchical " + text(hierarchical) + ", global " + text(global["stats"]["balancedness"]);
  EXPECT_NE(outcome({"--format", "table"}).out.find("\nbalancedness: " + words + "\n"), std::string::npos);
  EXPECT_EQ(outcome({"--format", "sglang"}).err, "eplb: " + words + "\n");
  EXPECT_EQ(outcome({"--output", "plan.json"}).err, "eplb: " + words + "\n");
  EXPECT_EQ(outcome({"--policy", "global", "--format", "sglang"}).err, "");
  write("loads.json", "[[5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5]]");
  EXPECT_FALSE(Json::parse(outcome({}).out).contains("balancedness_by_policy"));
  EXPECT_EQ(outcome({"--format", "sglang"}).err, "");
}

TEST_F(Plan, DependsOnTheSeedOnlyWhereRandomNumbersAreDrawn) {
  const std::string loads = some_loads(4, 32).dump();
  const auto maps = [&](const std::string& strategy, const std::string& seed, const std::string& threads) {
    return run_json(
        {"plan", "-", "--slots", "40", "--gpus", "8", "--strategy", strategy, "--seed", seed, "--threads", threads},
        loads)["physical_to_logical"];
  };
  EXPECT_EQ(maps("lpt", "0", "1"), maps("lpt", "1", "1"));
  EXPECT_EQ(maps("lpt-restart4", "7", "1"), maps("lpt-restart4", "7", "2"));
  EXPECT_NE(maps("lpt-restart4", "7", "1"), maps("lpt-restart4", "8", "1"));
}

TEST_F(Plan, AStrategyOfOnesOwnCanBeAPreset) {
  const std::string loads = some_loads(4, 32).dump();
  const auto maps = [&](Arguments choices) {
    Arguments arguments = {"plan", "-", "--slots", "40", "--gpus", "8"};
    arguments.insert(arguments.end(), choices.begin(), choices.end());
    return run_json(arguments, loads)["physical_to_logical"];
  };
  EXPECT_EQ(maps({"--strategy", "lpt", "--swap-scope", "heaviest-any", "--max-swaps", "50"}),
            maps({"--strategy", "lpt-swap-any"}));
  EXPECT_EQ(maps({"--strategy", "lpt-swap-minmax", "--initial", "zigzag"}), maps({"--strategy", "zigzag-swap-minmax"}));
  EXPECT_EQ(maps({"--strategy", "lpt-swap-minmax", "--candidates", "64", "--amplitude", "0.2", "--amplitude-form",
                  "linear", "--selection", "max-load"}),
            maps({"--strategy", "lpt-restart64-minmax"}));
}

TEST_F(Plan, FollowsThePolicy) {
  const std::string loads = some_loads(2, 32).dump();
  const auto maps = [&](const std::string& policy, const std::string& nodes) {
    return run_json(
        {"plan", "-", "--slots", "40", "--gpus", "8", "--nodes", nodes, "--groups", "4", "--policy", policy},
        loads)["physical_to_logical"];
  };
  EXPECT_EQ(maps("auto", "2"), maps("hierarchical", "2"));
  EXPECT_NE(maps("auto", "2"), maps("global", "2"));
  EXPECT_EQ(maps("auto", "8"), maps("global", "2"));
}

TEST_F(Plan, IsATableOnATerminal) {
  if (!can_open_terminal()) GTEST_SKIP() << "no pseudo-terminal can be opened here";
  write("loads.json", some_loads(5, 30).dump());
  const Outcome outcome = run_tool_on_terminal(directory, {"plan", "loads.json", "--slots", "40", "--gpus", "8"});
  EXPECT_EQ(outcome.status, 0);
  for (const char* word : {"5 layers x 30 experts -> 40 slots on 8 gpus", "before", "after", "balancedness",
                           "balancedness at best (bound)", "ms", "\r\n  7 "})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word << " in " << outcome.out;
}

TEST_F(Plan, TableOfManyGpusShowsTheExtremes) {
  const Outcome outcome =
      run({"plan", "-", "--slots", "128", "--gpus", "128", "--format", "table"}, some_loads(2, 128).dump());
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find("of 128"), std::string::npos) << outcome.out;
  EXPECT_LT(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 60);
}

TEST_F(Plan, TableHoldsOnlyAsciiWithoutAUtf8Locale) {
  setenv("LC_ALL", "C", 1);
  const Outcome plain = run({"plan", "-", "--slots", "8", "--gpus", "2", "--format", "table"}, some_loads(2, 8).dump());
  setenv("LC_ALL", "C.UTF-8", 1);
  const Outcome utf8 = run({"plan", "-", "--slots", "8", "--gpus", "2", "--format", "table"}, some_loads(2, 8).dump());
  unsetenv("LC_ALL");
  EXPECT_NE(plain.out.find("##"), std::string::npos);
  EXPECT_TRUE(
      std::all_of(plain.out.begin(), plain.out.end(), [](char c) { return static_cast<unsigned char>(c) < 128; }));
  EXPECT_NE(utf8.out.find("█"), std::string::npos) << "is there a locale C.UTF-8?";
}

TEST_F(Plan, CtrlCCancels) {
  if (!can_open_terminal()) GTEST_SKIP() << "no pseudo-terminal can be opened here";
  // Many small layers: it takes seconds anywhere, and the library looks up often.
  write("loads.json", some_loads(4000, 32).dump());
  const Outcome outcome =
      run_tool_on_terminal(directory,
                           {"plan", "loads.json", "--slots", "40", "--gpus", "8", "--strategy", "lpt-restart64-any",
                            "--candidates", "8000", "--threads", "1", "--output", "plan.json"},
                           " %");
  EXPECT_EQ(outcome.status, 130);
  EXPECT_NE(outcome.out.find("cancelled"), std::string::npos) << outcome.out;
  EXPECT_FALSE(exists("plan.json"));
}

TEST_F(Plan, HelpAndVersion) {
  for (const char* command : {"plan", "pack", "score", "compare", "generate", "info"}) {
    const Outcome outcome = run({command, "--help"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_NE(outcome.out.find("Example"), std::string::npos) << command;
    EXPECT_NE(outcome.out.find("--format"), std::string::npos) << command;
  }
  EXPECT_EQ(run({"--help"}).status, 0);
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out.rfind("eplb ", 0), 0u);
}

TEST_F(Plan, HelpThatCannotBeWrittenIsAnError) {
  for (const Arguments& arguments : {Arguments{"--help"}, Arguments{"plan", "--help"}, Arguments{"--version"}}) {
    const Outcome outcome = run_tool(directory, arguments, "", "/dev/full");
    EXPECT_EQ(outcome.status, 1) << arguments.back();
    EXPECT_EQ(outcome.err, "eplb: stdout: No space left on device\n") << arguments.back();
  }
}

TEST_F(Plan, HelpHasTheFormsOfFiles) {
  for (const char* command : {"plan", "pack", "score", "compare"})
    for (const char* words :
         {".csv   a line of numbers for each layer: 5,1,9", "layer,expert0,expert1", "layer,expert,count"})
      EXPECT_NE(run({command, "--help"}).out.find(words), std::string::npos) << command;
}

class Pack : public ToolTest {};

TEST_F(Pack, FillsPacksEqually) {
  const Json packing = run_json({"pack", "-", "--packs", "2", "--strategy", "lpt"}, "[[90,132,40,61],[0,0,0,0]]");
  // 132 to pack 0, then 90 and 61 to pack 1, which is full, then 40.
  EXPECT_EQ(packing["pack_index"][0], Json({1, 0, 0, 1}));
  EXPECT_EQ(packing["rank_in_pack"][0], Json({0, 0, 1, 1}));
  EXPECT_EQ(packing["stats"].size(), 3u);
  EXPECT_DOUBLE_EQ(packing["stats"]["balancedness"], (132 + 40 + 90 + 61) / 2.0 / 172);
  EXPECT_EQ(packing["stats"]["balancedness"], packing["stats"]["balancedness_min"]);
  EXPECT_GT(packing["stats"]["pack_ms"], 0);
  const std::string table = run({"pack", "-", "--packs", "2", "--format", "table"}, "[[90,132,40,61],[0,0,0,0]]").out;
  for (const char* words : {"2 rows of 4 items into 2 packs", "pack load", "1 row without load left out"})
    EXPECT_NE(table.find(words), std::string::npos) << words << " is not in\n" << table;
  expect_error(2, {"eplb: the number of items in stdin is 4, which is not a multiple of --packs, 3\n"},
               {"pack", "-", "--packs", "3"}, "[[90,132,40,61]]");
}

class Info : public ToolTest {};

TEST_F(Info, ListsBackendsAndStrategies) {
  const Json info = run_json({"info"});
  EXPECT_FALSE(info["version"].get<std::string>().empty());
  EXPECT_FALSE(info["build"].get<std::string>().empty());
  EXPECT_EQ(info["backends"][1]["name"], "cpu");
  EXPECT_EQ(info["backends"][1]["available"], true);
  EXPECT_EQ(info["strategies"][0]["name"], "auto");
  for (const Json& strategy : info["strategies"]) EXPECT_FALSE(strategy["description"].get<std::string>().empty());
  EXPECT_NE(run({"info", "--format", "table"}).out.find("lpt-swap-any"), std::string::npos);
}

}  // namespace
