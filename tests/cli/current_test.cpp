// SPDX-License-Identifier: MIT
// Plans that start from the placement there is.
#include "tool.h"

namespace {

class Current : public ToolTest {
 protected:
  const Arguments gpus = {"--slots", "15", "--gpus", "4"};

  Current() {
    write("loads.json", some_loads(3, 12).dump());
    write("next.json", some_loads(3, 12, 53).dump());
    run(with({"plan", "loads.json", "--output", "plan.json"}, gpus));
    current = Json::parse(read("plan.json"));
  }

  /// Of the next loads, from the placement in a file.
  Json plan(const Arguments& options, const std::string& file = "plan.json") {
    return run_json(arguments(options, file));
  }
  Arguments arguments(const Arguments& options, const std::string& file = "plan.json") const {
    return with(with({"plan", "next.json", "--current", file}, gpus), options);
  }
  static Arguments with(Arguments first, const Arguments& more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
  }
  /// The whole of what the tool says when it fails.
  void expect_sentence(int status, const std::string& text, const Arguments& what) {
    SCOPED_TRACE(text);
    expect_error(status, {"eplb: " + text + "\n"}, what);
  }
  /// Slots of a layer that hold another expert than in the placement there was.
  int changes(const Json& planned, std::size_t layer) const {
    int out = 0;
    for (std::size_t slot = 0; slot < 15; ++slot)
      out += planned["physical_to_logical"][layer][slot] != current["physical_to_logical"][layer][slot];
    return out;
  }

  Json current;
};

TEST_F(Current, WithoutChangesIsThePlanInEachFormat) {
  const Arguments uneven = {"--slots-per-gpu", "5,0,4,6", "--gpus", "4", "--speeds", "1,1,0.5,2"};
  const std::pair<Arguments, Arguments> all[] = {{gpus, {"--gpus", "4"}}, {uneven, uneven}};
  for (const auto& [to_plan, to_score] : all)
    for (const char* format : {"json", "ascend"}) {
      SCOPED_TRACE(to_plan[0] + ", " + format);
      const Json before = run_json(with({"plan", "loads.json"}, to_plan));
      run(with({"plan", "loads.json", "--format", format, "--output", "now"}, to_plan));
      Json after = run_json(with({"plan", "next.json", "--current", "now", "--max-changes", "0"}, to_plan));
      for (const char* map : {"physical_to_logical", "replica_rank", "replica_count", "logical_to_physical"})
        EXPECT_EQ(after[map], before[map]) << map;
      EXPECT_EQ(after["strategy"], "search");
      EXPECT_EQ(after["stats"]["changes"], 0);
      after["stats"].erase("plan_ms");
      EXPECT_EQ(run_json(with({"score", "next.json", "--plan", "now"}, to_score))["stats"], after["stats"]);
    }
}

TEST_F(Current, ChangesNoMoreThanIsAllowed) {
  const double without = plan({"--max-changes", "0"})["stats"]["balancedness"];
  for (const int most : {1, 2, 4, 8, 15}) {
    SCOPED_TRACE(most);
    const Json planned = plan({"--max-changes", std::to_string(most)});
    int all = 0;
    for (std::size_t layer = 0; layer < 3; ++layer) {
      EXPECT_LE(changes(planned, layer), most);
      all += changes(planned, layer);
    }
    EXPECT_EQ(planned["stats"]["changes"], all);
    EXPECT_GT(planned["stats"]["balancedness"], without);
  }
  EXPECT_EQ(plan({})["physical_to_logical"], plan({"--max-changes", "15"})["physical_to_logical"]);
}

TEST_F(Current, ChangesNoMoreThanIsAllowedInAll) {
  for (const int most : {0, 1, 5, 11}) {
    SCOPED_TRACE(most);
    const Json planned = plan({"--max-changes-in-all", std::to_string(most)});
    EXPECT_LE(planned["stats"]["changes"], most);
    EXPECT_EQ(planned["stats"]["changes"], changes(planned, 0) + changes(planned, 1) + changes(planned, 2));
  }
  EXPECT_GT(plan({"--max-changes-in-all", "11"})["stats"]["changes"], 5);
  const Json both = plan({"--max-changes-in-all", "7", "--max-changes", "3"});
  EXPECT_LE(both["stats"]["changes"], 7);
  for (std::size_t layer = 0; layer < 3; ++layer) EXPECT_LE(changes(both, layer), 3);
}

TEST_F(Current, FillsEmptySlots) {
  const int lost = current["physical_to_logical"][1][4];
  current["physical_to_logical"][1][4] = -1;
  write("holes.json", current.dump());
  std::string yaml = "initial_global_assignments:\n";
  for (std::size_t layer = 0; layer < 3; ++layer)
    yaml += "  " + std::to_string(layer) + ": " + current["physical_to_logical"][layer].dump() + "\n";
  write("holes.yaml", yaml);
  for (const char* file : {"holes.json", "holes.yaml"}) {
    SCOPED_TRACE(file);
    const Json planned = plan({"--max-changes-in-all", "1"}, file);
    EXPECT_EQ(planned["stats"]["changes"], 1);
    EXPECT_EQ(changes(planned, 1), 1);
    EXPECT_NE(planned["physical_to_logical"][1][4], -1);
    EXPECT_TRUE(planned["physical_to_logical"][1][4] == lost || planned["replica_count"][1][lost] > 0);
  }
}

TEST_F(Current, IsCountedInTheTable) {
  const std::string table = run(arguments({"--max-changes-in-all", "5", "--format", "table"})).out;
  const Json planned = plan({"--max-changes-in-all", "5"});
  ASSERT_GT(planned["stats"]["changes"], 0);
  const std::size_t row = table.find("\nslots changed ");
  ASSERT_NE(row, std::string::npos) << table;
  const std::string line = table.substr(row + 1, table.find('\n', row + 1) - row - 1);
  EXPECT_EQ(line.substr(line.rfind(' ') + 1), planned["stats"]["changes"].dump()) << line;
  EXPECT_EQ(run(with({"plan", "next.json", "--format", "table"}, gpus)).out.find("slots changed"), std::string::npos);
}

TEST_F(Current, StartsFromTheLayersOfAnEngine) {
  const Arguments even = {"--slots", "16", "--gpus", "4", "--first-layer", "2"};
  const Json before = run_json(with({"plan", "loads.json"}, even));
  run(with({"plan", "loads.json", "--format", "sglang", "--output", "engine.json"}, even));
  const Arguments stay = with({"plan", "next.json", "--current", "engine.json", "--max-changes", "0"}, even);
  EXPECT_EQ(run_json(stay)["physical_to_logical"], before["physical_to_logical"]);
  const Outcome again = run(with(stay, {"--format", "sglang", "--output", "again.json"}));
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read("again.json"), read("engine.json"));
}

TEST_F(Current, MakesAutoASearch) {
  const Arguments few = {"--slots", "16", "--gpus", "8"};
  EXPECT_EQ(run_json(with({"plan", "loads.json"}, few))["strategy"], "lpt-swap-any");
  run(with({"plan", "loads.json", "--output", "few.json"}, few));
  EXPECT_EQ(run_json(with({"plan", "next.json", "--current", "few.json"}, few))["strategy"], "search");
}

TEST_F(Current, ThatDoesNotFitIsNamed) {
  expect_sentence(1, "plan.json: has 15 slots, but there are to be 16",
                  {"plan", "next.json", "--slots", "16", "--gpus", "4", "--current", "plan.json"});
  write("one.json", some_loads(1, 12).dump());
  expect_sentence(1, "plan.json: has 3 layers, but one.json has 1",
                  with({"plan", "one.json", "--current", "plan.json"}, gpus));
  expect_sentence(1, "next.json: has 12 slots, but there are to be 15", arguments({}, "next.json"));
  write("other.json", "{}");
  expect_sentence(1,
                  "other.json: is no placement: of physical_to_logical, physical_to_logical_map and layer_list it has "
                  "none, nor is it a list of slots; in YAML it would be initial_global_assignments",
                  arguments({}, "other.json"));
  expect_sentence(1, "none.json: No such file or directory", arguments({}, "none.json"));
}

TEST_F(Current, IsForSearchAlone) {
  const Arguments even = {"--slots", "16", "--gpus", "4"};
  run(with({"plan", "loads.json", "--output", "even.json"}, even));
  for (const std::string strategy : {"lpt", "lpt-swap-any", "zigzag-swap-minmax"})
    expect_sentence(
        1, "next.json: input.current is given, but strategy " + strategy + " plans from nothing; search can use it",
        with({"plan", "next.json", "--current", "even.json", "--strategy", strategy}, even));
}

TEST_F(Current, HasToBeThereForChangesToBeCounted) {
  const std::pair<const char*, const char*> limits[] = {{"--max-changes", "max_changes_per_layer"},
                                                        {"--max-changes-in-all", "max_changes"}};
  for (const auto& [option, field] : limits) {
    expect_sentence(
        1, std::string("next.json: input.") + field + " is set, but input.current, from which changes count, is NULL",
        with({"plan", "next.json", option, "3"}, gpus));
    expect_error(2, {std::string(option) + ": -1 is less than 0"}, arguments({option, "-1"}));
    expect_error(2, {option, "many"}, arguments({option, "many"}));
  }
}

/// What is wrong with the placement is said of its file, not of the loads.
TEST_F(Current, ThatCannotBeStartedFromIsNamed) {
  Json bad = current;
  bad["physical_to_logical"][1][3] = 12;
  write("bad.json", bad.dump());
  expect_sentence(1, "bad.json: input.current of layer 1, slot 3 is 12; it must be an expert, or -1 for none",
                  arguments({}, "bad.json"));
  bad = current;
  bad["physical_to_logical"][2][0] = bad["physical_to_logical"][2][9] = -1;
  write("bad.json", bad.dump());
  expect_sentence(1,
                  "bad.json: input.current of layer 2 has slots to fill or experts without one: that takes 2 changes, "
                  "more than max_changes_per_layer",
                  arguments({"--max-changes", "1"}, "bad.json"));
  expect_sentence(1,
                  "bad.json: input.current has slots to fill or experts without one: that takes 2 changes over all "
                  "layers, more than max_changes",
                  arguments({"--max-changes-in-all", "1"}, "bad.json"));
}

}  // namespace
