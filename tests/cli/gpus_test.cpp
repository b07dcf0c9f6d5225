// SPDX-License-Identifier: MIT
// Gpus that are not alike: how many slots each has, how fast it is, on which node.
#include <cctype>
#include <cstdlib>
#include <numeric>
#include <set>
#include <sstream>

#include "tool.h"

namespace {

/// The whole of what the tool says when it fails.
std::vector<std::string> sentence(const std::string& text) { return {"eplb: " + text + "\n"}; }

class Gpus : public ToolTest {
 protected:
  Gpus() { write("loads.json", some_loads(3, 12).dump()); }

  Json plan(const Arguments& options, const std::string& file = "loads.json") {
    return run_json(with({"plan", file}, options));
  }
  Json maps(const Arguments& options, const std::string& file = "loads.json") {
    return plan(options, file)["physical_to_logical"];
  }
  Json stats(const Arguments& arguments) {
    Json out = run_json(arguments)["stats"];
    out.erase("plan_ms");
    return out;
  }
  static Arguments with(Arguments first, const Arguments& more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
  }
};

TEST_F(Gpus, HaveTheSlotsOfAList) {
  const Json uneven = plan({"--slots-per-gpu", "4x3,0,3", "--gpus", "5"});
  EXPECT_EQ(uneven["shape"], Json({{"layers", 3},
                                   {"experts", 12},
                                   {"slots", 15},
                                   {"groups", 1},
                                   {"nodes", 1},
                                   {"gpus", 5},
                                   {"samples", 1},
                                   {"slots_per_gpu", {4, 4, 4, 0, 3}}}));
  EXPECT_EQ(uneven["strategy"], "search");
  EXPECT_EQ(uneven["stats"]["duplicates"], 0);
  for (const Json& row : uneven["physical_to_logical"]) {
    ASSERT_EQ(row.size(), 15u);
    std::size_t slot = 0;
    for (const std::size_t room : {4, 4, 4, 0, 3}) {
      std::set<int> experts;
      for (std::size_t i = 0; i < room; ++i) experts.insert(row[slot++].get<int>());
      EXPECT_EQ(experts.size(), room) << row;
    }
  }
  for (const std::vector<int> row : uneven["replica_count"]) EXPECT_EQ(std::accumulate(row.begin(), row.end(), 0), 15);
  // However the list is written, and with the sum said as well.
  for (const Arguments& same : {Arguments{"--slots-per-gpu", "4,4,4,0,3", "--gpus", "5"},
                                Arguments{"--slots-per-gpu", "4x1,4x2,0x1,3", "--gpus", "5"},
                                Arguments{"--slots", "15", "--slots-per-gpu", "4x3,0x1,3x1", "--gpus", "5"}})
    EXPECT_EQ(maps(same), uneven["physical_to_logical"]);
  EXPECT_NE(maps({"--slots", "15", "--gpus", "5"}), uneven["physical_to_logical"]);
}

TEST_F(Gpus, OfAnEvenListAreAlike) {
  EXPECT_EQ(maps({"--slots-per-gpu", "4x4", "--gpus", "4"}),
            maps({"--slots", "16", "--gpus", "4", "--strategy", "search"}));
  // Slots that are no multiple of the gpus: the first have one more.
  EXPECT_EQ(maps({"--slots", "15", "--gpus", "4"}), maps({"--slots-per-gpu", "4x3,3", "--gpus", "4"}));
}

TEST_F(Gpus, AreFasterOrSlower) {
  const Arguments gpus = {"--slots", "16", "--gpus", "4"};
  const Json fast = plan(with(gpus, {"--speeds", "1x2,0.5,3"}));
  EXPECT_EQ(fast["shape"]["speed_of_gpu"], Json({1.0, 1.0, 0.5, 3.0}));
  EXPECT_FALSE(fast["shape"].contains("slots_per_gpu"));
  EXPECT_FALSE(fast["shape"].contains("node_of_gpu"));
  write("fast.json", fast.dump());
  run(with({"plan", "loads.json", "--output", "alike.json"}, gpus));
  const Json alike = stats({"score", "loads.json", "--plan", "alike.json", "--speeds", "1x2,0.5,3"});
  EXPECT_GT(fast["stats"]["balancedness"], alike["balancedness"]);
  EXPECT_LE(fast["stats"]["balancedness"], fast["stats"]["bound"]);
  EXPECT_EQ(fast["stats"]["bound"], alike["bound"]) << "it is of the gpus, not of a placement";
  EXPECT_EQ(maps(with(gpus, {"--speeds", "1x4"})), maps(with(gpus, {"--strategy", "search"})));
}

TEST_F(Gpus, AreOnNodesOfTheirOwn) {
  const Json nodes = plan({"--slots-per-gpu", "3,4x2,3,2", "--gpus", "5", "--nodes", "2", "--groups", "2",
                           "--node-of-gpu", "0,1x2,0x2", "--policy", "hierarchical"});
  EXPECT_EQ(nodes["shape"]["node_of_gpu"], Json({0, 1, 1, 0, 0}));
  for (const Json& row : nodes["physical_to_logical"]) {
    const int group_of_node_0 = row[0].get<int>() / 6;
    for (std::size_t slot = 0; slot < 16; ++slot) {
      const bool is_on_node_1 = slot >= 3 && slot < 11;
      EXPECT_EQ(row[slot].get<int>() / 6, is_on_node_1 ? 1 - group_of_node_0 : group_of_node_0) << row;
    }
  }
}

TEST_F(Gpus, AreToldApartInTheTable) {
  const auto table = [&](const Arguments& options) {
    return run(with({"plan", "loads.json", "--format", "table"}, options)).out;
  };
  EXPECT_NE(table({"--slots-per-gpu", "4x3,0,3", "--gpus", "5", "--speeds", "1x4,2"})
                .find("3 layers x 12 experts -> 15 slots on 5 gpus, slots uneven, speeds differ\n"),
            std::string::npos);
  const std::string alike = table({"--slots", "16", "--gpus", "4"});
  EXPECT_NE(alike.find("3 layers x 12 experts -> 16 slots on 4 gpus\n"), std::string::npos) << alike;
  EXPECT_NE(alike.find("\nbalancedness at best (bound) "), std::string::npos) << alike;
  EXPECT_EQ(alike.find("slots changed"), std::string::npos) << alike;
}

TEST_F(Gpus, CostAsTheObjectiveSays) {
  write("samples.json", Json({some_loads(4, 48), some_loads(4, 48, 53), some_loads(4, 48, 29)}).dump());
  write("one.json", some_loads(4, 48).dump());
  const Arguments gpus = {"--slots", "64", "--gpus", "16", "--strategy", "search"};
  const auto by = [&](const char* objective, const char* file) {
    return maps(with(gpus, {"--objective", objective}), file);
  };
  EXPECT_EQ(maps(gpus, "samples.json"), by("power32", "samples.json"));
  EXPECT_NE(maps(gpus, "samples.json"), by("power4", "samples.json"));
  EXPECT_EQ(maps(gpus, "one.json"), by("power4", "one.json"));
  EXPECT_NE(maps(gpus, "one.json"), by("power32", "one.json"));
}

TEST_F(Gpus, OfAListThatIsNoneAreNamed) {
  const std::pair<const char*, const char*> bads[] = {
      {"4,x,3", "x"},   {"4,,3", ""},       {"4xx3", "4xx3"},       {"4x", "4x"}, {"x4", "x4"},
      {"4x-1", "4x-1"}, {"4x1.5", "4x1.5"}, {"1x65536", "1x65536"}, {"", ""},     {"3x60000,4x60000", "4x60000"}};
  for (const char* option : {"--slots-per-gpu", "--speeds", "--node-of-gpu"})
    for (const auto& [list, item] : bads)
      expect_error(2, {std::string("eplb: ") + option + ": '" + item + "' is neither a number nor of the form 9x31\n"},
                   {"plan", "loads.json", "--slots", "16", "--gpus", "4", option, list});
  expect_error(2, {"eplb: --slots-per-gpu: '3.5' is neither a number nor of the form 9x31\n"},
               {"plan", "loads.json", "--gpus", "4", "--slots-per-gpu", "4x3,3.5"});
}

TEST_F(Gpus, ThatCannotBeAreNamed) {
  const std::pair<Arguments, const char*> bads[] = {
      {{"--slots-per-gpu", "5x3", "--gpus", "4"},
       "--slots-per-gpu has 3 elements; it must have one for each of the 4 gpus"},
      {{"--slots", "16", "--speeds", "1x5", "--gpus", "4"},
       "--speeds has 5 elements; it must have one for each of the 4 gpus"},
      {{"--slots", "16", "--node-of-gpu", "0", "--gpus", "4"},
       "--node-of-gpu has 1 element; it must have one for each of the 4 gpus"},
      {{"--slots", "16", "--slots-per-gpu", "4x3,3", "--gpus", "4"},
       "--slots-per-gpu adds up to 15; it must be --slots, 16"},
      {{"--slots-per-gpu", "4x3,-1,5", "--gpus", "5"}, "--slots-per-gpu of gpu 3 is -1; it must be 0 to 65535"},
      {{"--slots-per-gpu", "4x2", "--gpus", "2"},
       "the sum of --slots-per-gpu is 8, less than the number of experts in loads.json, 12"},
      {{"--slots-per-gpu", "2147483647x2,16", "--gpus", "3"},
       "--slots-per-gpu of gpu 0 is 2147483647; it must be 0 to 65535"},
      {{"--slots-per-gpu", "65535x3", "--gpus", "3"}, "the sum of --slots-per-gpu is 196605; it must be 1 to 65535"},
      {{"--slots", "16", "--speeds", "1x3,0", "--gpus", "4"}, "--speeds of gpu 3 is 0; it must be 0.001 to 1000"},
      {{"--slots", "16", "--speeds", "nan,1x3", "--gpus", "4"}, "--speeds of gpu 0 is nan; it must be 0.001 to 1000"},
      {{"--slots", "16", "--gpus", "4", "--nodes", "2", "--groups", "2", "--node-of-gpu", "0,1,0,2"},
       "--node-of-gpu of gpu 3 is 2; with --nodes 2 it must be 0 to 1"},
      {{"--slots", "16", "--gpus", "4", "--node-of-gpu", "0,1,0,1"},
       "--node-of-gpu of gpu 1 is 1; with --nodes 1 it must be 0 to 0"},
      {{"--slots", "16", "--gpus", "4", "--nodes", "2", "--groups", "2", "--node-of-gpu", "0,1x3", "--policy",
        "hierarchical"},
       "node 0 has 4 slots, but a hierarchical plan has 6 experts on each; --policy global does not"},
      {{"--slots", "16", "--speeds", "1x4", "--gpus", "4", "--strategy", "lpt"},
       "--speeds is given, but to strategy lpt all gpus are alike; search can use it"},
      {{"--slots-per-gpu", "4x4", "--gpus", "4", "--strategy", "lpt-swap-any"},
       "--slots-per-gpu is given, but to strategy lpt-swap-any all gpus are alike; search can use it"},
      {{"--slots", "15", "--gpus", "4", "--strategy", "lpt"},
       "--slots is 15, which is not a multiple of --gpus, 4, as strategy lpt needs it; search does not"},
      {{"--slots", "16", "--gpus", "4", "--strategy", "lpt", "--objective", "power4"},
       "--objective is set, but strategy lpt does not search"},
  };
  for (const auto& [options, text] : bads) {
    SCOPED_TRACE(text);
    expect_error(2, sentence(text), with({"plan", "loads.json"}, options));
  }
}

/// Where the strategy was left to auto, a message about it says what became of that.
TEST_F(Gpus, DecideWhatAutoBecomesInMessages) {
  const Arguments few = {"plan", "loads.json", "--slots", "16", "--gpus", "4"},
                  many = {"plan", "loads.json", "--slots", "48", "--gpus", "4"};
  const std::pair<Arguments, const char*> bads[] = {
      {with(few, {"--candidates", "4"}),
       "--candidates is a packing choice, but strategy search, which auto is here, has none"},
      {with(few, {"--strategy", "auto", "--initial", "zigzag"}),
       "--initial is a packing choice, but strategy search, which auto is here, has none"},
      {with(few, {"--strategy", "search", "--swap-scope", "none"}),
       "--swap-scope is a packing choice, but strategy search has none"},
      {with(many, {"--steps", "4"}), "--steps is 4, but strategy lpt-swap-any, which auto is here, does not search"},
      {with(many, {"--samples", "each"}),
       "--samples is each, but strategy lpt-swap-any, which auto is here, adds them up; search keeps them apart"},
      {{"pack", "loads.json", "--packs", "6", "--candidates", "4"},
       "--candidates is 4, but --amplitude is not set and strategy lpt-swap-any, which auto is here, has none"},
  };
  for (const auto& [arguments, text] : bads) expect_error(2, sentence(text), arguments);
  const Json comparison = run_json({"compare", "loads.json", "--slots", "16", "--gpus", "4", "--max-swaps", "9"});
  EXPECT_EQ(comparison["left_out"]["auto"],
            "--max-swaps is a packing choice, but strategy search, which auto is here, has none");
  EXPECT_EQ(comparison["left_out"]["search"], "--max-swaps is a packing choice, but strategy search has none");
}

TEST_F(Gpus, NeedSlotsOneWayOrTheOther) {
  for (const char* command : {"plan", "compare"})
    expect_error(2, sentence("--slots or --slots-per-gpu is required"), {command, "loads.json", "--gpus", "5"});
  expect_error(2, sentence("--gpus is required"), {"plan", "loads.json", "--slots", "16"});
  expect_error(2, sentence("--objective: 'power5' is not one of power4, power32"),
               {"plan", "loads.json", "--slots", "16", "--gpus", "4", "--objective", "power5"});
}

TEST_F(Gpus, AreAsManyAsTheListHas) {
  EXPECT_EQ(maps({"--slots-per-gpu", "6,5,4"}), maps({"--slots-per-gpu", "6,5,4", "--gpus", "3"}));
  EXPECT_EQ(run_json({"compare", "loads.json", "--slots-per-gpu", "6,5,4"})["shape"]["gpus"], 3);
  write("map.json", Json({{"physical_to_logical", maps({"--slots-per-gpu", "6,5,4"})}}).dump());
  const Json scored = stats({"score", "loads.json", "--plan", "map.json", "--slots-per-gpu", "6,5,4"});
  EXPECT_EQ(scored, stats({"plan", "loads.json", "--slots-per-gpu", "6,5,4"}));
  EXPECT_EQ(maps({"--current", "map.json", "--slots-per-gpu", "6,5,4", "--max-changes", "0"}),
            maps({"--slots-per-gpu", "6,5,4"}));
  expect_error(2, sentence("--slots-per-gpu has 3 elements; it must have one for each of the 4 gpus"),
               {"score", "loads.json", "--plan", "map.json", "--slots-per-gpu", "6,5,4", "--gpus", "4"});
}

/// What plan does not write, score does not judge: the engine would cut the row elsewhere.
TEST_F(Gpus, AreNotUnequalInFormatsThatCannotSaySo) {
  const Json rows = maps({"--slots", "15", "--gpus", "5"});
  std::string yaml = "initial_global_assignments:\n";
  for (std::size_t layer = 0; layer < rows.size(); ++layer)
    yaml.append("  ").append(std::to_string(layer)).append(": ").append(rows[layer].dump()).append("\n");
  write("trt.yaml", yaml);
  write("vllm.json", rows.dump());
  write("sglang.json", Json({{"physical_to_logical_map", rows}}).dump());
  for (const std::string file : {"trt.yaml", "vllm.json", "sglang.json"}) {
    EXPECT_EQ(run({"score", "loads.json", "--plan", file, "--gpus", "5"}).status, 0);
    EXPECT_EQ(run({"score", "loads.json", "--plan", file, "--slots-per-gpu", "5x3"}).status, 0);
    const std::string why =
        file + " is in a format of gpus with as many slots each, not of gpus with unequal slots, such as ";
    for (const Arguments& command :
         {Arguments{"score", "loads.json", "--plan", file}, {"plan", "loads.json", "--current", file}}) {
      Arguments four = command, uneven = command;
      four.insert(four.end(), {"--gpus", "4"});
      uneven.insert(uneven.end(), {"--slots-per-gpu", "6,5,4"});
      expect_error(2, sentence(why + "4 and 3: its engine cuts the row evenly"), four);
      expect_error(2, sentence(why + "6 and 5: its engine cuts the row evenly"), uneven);
    }
  }
}

TEST_F(Gpus, AreComparedUnderSearch) {
  const Json comparison = run_json({"compare", "loads.json", "--slots-per-gpu", "4x3,0,3", "--gpus", "5", "--speeds",
                                    "1x4,2", "--strategy", "search"});
  ASSERT_EQ(comparison["results"].size(), 1u);
  const Json planned = plan({"--slots-per-gpu", "4x3,0,3", "--gpus", "5", "--speeds", "1x4,2"});
  EXPECT_EQ(comparison["results"][0]["balancedness"], planned["stats"]["balancedness"]);
}

TEST_F(Gpus, LeaveOutStrategiesThatCannotUseThem) {
  const Arguments arguments = {"compare", "loads.json", "--slots-per-gpu", "4x3,0,3", "--gpus", "5"};
  const Json comparison = run_json(arguments);
  ASSERT_EQ(comparison["results"].size(), 2u);
  EXPECT_EQ(comparison["results"][0]["strategy"], "auto");
  EXPECT_EQ(comparison["results"][1]["strategy"], "search");
  EXPECT_EQ(comparison["left_out"].size() + 2, run_json({"info"})["strategies"].size());
  const std::string why = "to strategy lpt all gpus are alike; search can use it";
  EXPECT_NE(comparison["left_out"]["lpt"].get<std::string>().find(why), std::string::npos);
  EXPECT_NE(run(with(arguments, {"--format", "table"})).out.find(why), std::string::npos);
  expect_error(2, {why}, with(arguments, {"--strategy", "lpt"}));
  expect_error(2, sentence("--slots is 2, less than the number of experts in loads.json, 12"),
               {"compare", "loads.json", "--slots", "2", "--gpus", "2"});
}

/// What the table says of a gpu: its number, what it bears before, and after.
std::vector<std::string> row_of_gpu(const std::string& table, int gpu) {
  std::istringstream lines(table.substr(table.find("\ngpu ")));
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream cells(line);
    std::string number, before, bar, after;
    if (cells >> number >> before && number == std::to_string(gpu)) {
      cells >> bar;
      return {before, std::isdigit(static_cast<unsigned char>(bar[0])) ? bar : (cells >> after, after)};
    }
  }
  return {};
}

/// The two figures of a row of the table.
std::vector<double> figures(const std::string& table, const std::string& row) {
  std::istringstream cells(table.substr(table.find("\n" + row) + 1 + row.size()));
  std::vector<double> out(2);
  cells >> out[0] >> out[1];
  return out;
}

TEST_F(Gpus, ThatAreDeadBearNothing) {
  setenv("LC_ALL", "C", 1);
  for (const Arguments& more : {Arguments{}, Arguments{"--speeds", "1x2,4,0.5,1,2"}}) {
    const Arguments gpus = with({"--slots-per-gpu", "6,0,6,6,0,6", "--gpus", "6"}, more);
    const std::string table = run(with({"plan", "loads.json", "--format", "table"}, gpus)).out;
    for (const int dead : {1, 4}) EXPECT_EQ(row_of_gpu(table, dead), (std::vector<std::string>{"0.000", "0.000"}));
    for (const int alive : {0, 2, 3, 5}) EXPECT_GT(std::stod(row_of_gpu(table, alive)[0]), 0.3) << table;
  }
  unsetenv("LC_ALL");
}

/// Balancedness and largest / mean are of the same gpus and speeds: of one layer one is 1 / the other.
TEST_F(Gpus, AreTheSameInAllFigures) {
  write("one.json", some_loads(1, 12).dump());
  const Arguments all[] = {{"--slots", "16", "--gpus", "4"},
                           {"--slots-per-gpu", "6,0,6,6,0,6", "--gpus", "6"},
                           {"--slots", "16", "--gpus", "4", "--speeds", "1,0.5,2,1"},
                           {"--slots-per-gpu", "6,0,6,6,0,6", "--gpus", "6", "--speeds", "1,9,2,0.5,7,1"},
                           {"--slots", "20", "--gpus", "16"}};
  for (const Arguments& gpus : all) {
    SCOPED_TRACE(testing::PrintToString(gpus));
    const Json stats = plan(gpus, "one.json")["stats"];
    EXPECT_NEAR(stats["balancedness"].get<double>() * stats["max_over_mean"].get<double>(), 1, 1e-9);
    const std::string table = run(with({"plan", "one.json", "--format", "table"}, gpus)).out;
    const auto balancedness = figures(table, "balancedness, mean of layers"),
               largest = figures(table, "largest / mean gpu load");
    for (const std::size_t column : {0, 1}) {
      EXPECT_NEAR(balancedness[column] * largest[column], 1, 0.001);
      double most = 0;
      for (int gpu = 0; gpu < std::stoi(gpus[3]); ++gpu)
        most = std::max(most, std::stod(row_of_gpu(table, gpu)[column]));
      EXPECT_NEAR(most, largest[column], 0.001);
    }
  }
}

class ScoreOfGpus : public Gpus {
 protected:
  const Arguments gpus = {"--slots-per-gpu", "4x3,0,3", "--gpus", "5", "--speeds", "1x3,0.5,2"};
  const Arguments score_of_plan = {"score", "loads.json", "--plan", "plan.json"};

  ScoreOfGpus() { run(with({"plan", "loads.json", "--output", "plan.json"}, gpus)); }
};

TEST_F(ScoreOfGpus, ReadsThemFromThePlan) {
  const Json planned = stats(with({"plan", "loads.json"}, gpus));
  EXPECT_LT(planned["balancedness"], planned["bound"]);
  EXPECT_EQ(stats(score_of_plan), planned);
  EXPECT_NE(run(with(score_of_plan, {"--format", "table"})).out.find("15 slots on 5 gpus, slots uneven, speeds differ"),
            std::string::npos);
  // These two formats say the slots, but not the speeds; the others cannot say that gpus are not alike.
  for (const char* format : {"ascend", "omni"}) {
    SCOPED_TRACE(format);
    run(with({"plan", "loads.json", "--format", format, "--output", "other"}, gpus));
    EXPECT_EQ(stats(with({"score", "loads.json", "--plan", "other"}, gpus)), planned);
    EXPECT_EQ(stats({"score", "loads.json", "--plan", "other", "--speeds", "1x3,0.5,2"}), planned);
    EXPECT_NE(stats({"score", "loads.json", "--plan", "other", "--gpus", "5"}), planned);
  }
  for (const char* format : {"sglang", "tensorrt-llm", "vllm"}) {
    SCOPED_TRACE(format);
    expect_error(2, {format, "unequal slots", "4 and 0"}, with({"plan", "loads.json", "--format", format}, gpus));
    expect_error(2, {format, "unequal slots", "4 and 3"},
                 {"plan", "loads.json", "--format", format, "--slots", "15", "--gpus", "4"});
    expect_error(2, {format, "unequal slots", "4 and 0"},
                 {"plan", "loads.json", "--format", format, "--current", "plan.json"});
    EXPECT_EQ(run({"plan", "loads.json", "--format", format, "--slots-per-gpu", "4x4", "--gpus", "4"}).status, 0);
  }
}

TEST_F(ScoreOfGpus, ReadsThemFromThePlanIfItsNumberIsSaidToo) {
  EXPECT_EQ(stats(with(score_of_plan, {"--gpus", "5"})), stats(score_of_plan));
}

TEST_F(ScoreOfGpus, PrefersTheSpeedsThatAreSaid) {
  const Json of_plan = stats(score_of_plan);
  EXPECT_EQ(stats(with(score_of_plan, gpus)), of_plan);
  // Slower gpus, with the slots of the plan.
  EXPECT_EQ(stats(with(score_of_plan, {"--speeds", "1x5"})),
            stats(with(score_of_plan, {"--gpus", "5", "--slots-per-gpu", "4x3,0,3", "--speeds", "1x5"})));
  EXPECT_NE(stats(with(score_of_plan, {"--speeds", "1x5"})), of_plan);
}

TEST_F(ScoreOfGpus, RefusesOthersThanThoseOfThePlan) {
  expect_error(1, sentence("plan.json: has 4 slots on gpu 0, but there are to be 3"),
               with(score_of_plan, {"--slots-per-gpu", "3x5"}));
  expect_error(1, sentence("plan.json: is of 5 gpus, but there are to be 3"), with(score_of_plan, {"--gpus", "3"}));
  expect_error(2, sentence("--slots-per-gpu has 3 elements; it must have one for each of the 5 gpus"),
               with(score_of_plan, {"--slots-per-gpu", "4x3"}));
  const std::pair<const char*, std::string> bads[] = {
      {"gpus", "plan.json: has 15 slots on 4 gpus, but its slots_per_gpu is of 15 slots on 5"},
      {"slots", "plan.json: shape.slots is 4, but there are 15 slots"},
      {"experts", "plan.json: shape.experts is 4, but there are 12 experts"},
      {"slots_per_gpu", "plan.json: has 15 slots on 5 gpus, but its slots_per_gpu is of 4 slots on 1"},
      {"speed_of_gpu", "plan.json: has 5 gpus, but its speed_of_gpu is of 1"}};
  const Json plan = Json::parse(read("plan.json"));
  for (const auto& [word, text] : bads) {
    Json bad = plan;
    if (bad["shape"][word].is_array())
      bad["shape"][word] = {4};
    else
      bad["shape"][word] = 4;
    write("plan.json", bad.dump());
    expect_error(1, sentence(text), score_of_plan);
  }
}

TEST_F(ScoreOfGpus, OfSamplesIsTheMeanOfEach) {
  const Json first = some_loads(3, 12, 53), second = some_loads(3, 12, 29);
  write("first.json", first.dump());
  write("second.json", second.dump());
  write("both.json", Json({first, second}).dump());
  const auto score = [&](const char* file) { return stats({"score", file, "--plan", "plan.json"}); };
  const Json both = score("both.json"), one = score("first.json"), other = score("second.json");
  for (const char* figure : {"balancedness", "bound"})
    EXPECT_NEAR(both[figure].get<double>(), (one[figure].get<double>() + other[figure].get<double>()) / 2, 1e-12);
  EXPECT_GT(std::abs(one["balancedness"].get<double>() - other["balancedness"].get<double>()), 0.01);
}

TEST_F(ScoreOfGpus, ShowsTheWorstSample) {
  const Json better = some_loads(3, 12), worse = some_loads(3, 12, 53);  // it was planned for the first
  write("better.json", better.dump());
  write("worse.json", worse.dump());
  write("better_first.json", Json({better, worse}).dump());
  write("worse_first.json", Json({worse, better}).dump());
  const auto table = [&](const char* file) {
    return run({"score", file, "--plan", "plan.json", "--format", "table"}).out;
  };
  const auto bars = [&](const char* file) { return table(file).substr(table(file).find("\ngpu ")); };
  EXPECT_EQ(bars("better_first.json"), bars("worse.json"));
  EXPECT_EQ(bars("worse_first.json"), bars("worse.json"));
  EXPECT_NE(bars("better.json"), bars("worse.json"));
  EXPECT_NE(table("better_first.json").find(",\nin sample 1, the worst of 2\n"), std::string::npos);
  EXPECT_NE(table("worse_first.json").find(",\nin sample 0, the worst of 2\n"), std::string::npos);
  EXPECT_EQ(table("better.json").find("sample"), std::string::npos);
}

}  // namespace
