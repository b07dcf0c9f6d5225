// SPDX-License-Identifier: MIT
// Plans that start from the placement there is.
#include <algorithm>
#include <set>
#include <sstream>

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
  void expect_usage(const std::string& text, const Arguments& what) { expect_sentence(2, text, what); }
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
  write("alone.json", Json({{"physical_to_logical", current["physical_to_logical"]}}).dump());
  for (const char* file : {"holes.json", "alone.json"}) {
    SCOPED_TRACE(file);
    const Json planned = plan({"--max-changes-in-all", "0"}, file);
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
  write("sglang.json", Json({{"physical_to_logical_map", current["physical_to_logical"]}}).dump());
  expect_sentence(
      1,
      "sglang.json: has 15 slots and does not say on how many gpus, but there are to be 16; as json or ascend "
      "it would say them, and can be moved to others",
      {"plan", "next.json", "--slots", "16", "--gpus", "4", "--current", "sglang.json"});
  write("four.json", some_loads(4, 12).dump());
  expect_sentence(1,
                  "plan.json: has no layer 3, which row 3 of four.json is; it has layers 0 to 2, and --first-layer or "
                  "--layers says which the rows are",
                  with({"plan", "four.json", "--current", "plan.json"}, gpus));
  expect_sentence(1, "next.json: layer 0, slot 1 is 531, but the experts of next.json are 0 to 11",
                  arguments({}, "next.json"));
  for (const char* text : {"num_slots: 3\n", "PK\x03\x04", "", "  \n"}) {
    write("other.yaml", text);
    expect_sentence(1,
                    "other.yaml: is in no format of placements: neither JSON, nor YAML with "
                    "initial_global_assignments, nor omni-infer's .npy",
                    arguments({}, "other.yaml"));
  }
  write("other.json", "{}");
  expect_sentence(1,
                  "other.json: is no placement: of physical_to_logical, physical_to_logical_map and layer_list it has "
                  "none, nor is it a list of slots; in YAML it would be initial_global_assignments",
                  arguments({}, "other.json"));
  expect_sentence(1, "none.json: No such file or directory", arguments({}, "none.json"));
}

/// A file's words, its own fault, and what to do.
TEST_F(Current, OfAnotherWidthIsNamed) {
  const std::pair<Json, std::string> bads[] = {
      {{{"physical_to_logical_map", {0, 1, 2}}}, "physical_to_logical_map is [3]; it must be [layers][slots]"},
      {{{"physical_to_logical_map", 7}}, "physical_to_logical_map is a number; it must be [layers][slots]"},
      {{{"physical_to_logical", Json::array()}}, "physical_to_logical is empty; it must be [layers][slots]"},
      {{{"physical_to_logical", {{0, 1}}}, {"replica_rank", {{0, 0, 0}}}}, "replica_rank is [1][3]; it must be [1][2]"},
      {{{"physical_to_logical", {{0, 1}}}, {"replica_count", {{1}, {1}}}},
       "replica_count is [2][1]; it must be [1][experts]"},
  };
  for (const auto& [file, text] : bads) {
    write("bad.json", file.dump());
    expect_sentence(1, "bad.json: " + text, arguments({}, "bad.json"));
  }
  write("few.json", R"({"physical_to_logical": [[0, 1], [0, 1], [0, 1]], "shape": {"gpus": 2}})");
  const std::string why = "few.json: has 2 slots, too few for 12 experts";
  expect_sentence(1, why, {"plan", "next.json", "--current", "few.json"});
  expect_sentence(1, why, {"score", "next.json", "--plan", "few.json"});
}

TEST_F(Current, IsForSearchAlone) {
  const Arguments even = {"--slots", "16", "--gpus", "4"};
  run(with({"plan", "loads.json", "--output", "even.json"}, even));
  for (const std::string strategy : {"lpt", "lpt-swap-any", "zigzag-swap-minmax"})
    expect_usage("--current is given, but strategy " + strategy + " plans from nothing; search can use it",
                 with({"plan", "next.json", "--current", "even.json", "--strategy", strategy}, even));
}

TEST_F(Current, HasToBeThereForChangesToBeCounted) {
  for (const char* option : {"--max-changes", "--max-changes-in-all"}) {
    expect_usage(std::string(option) + " is set, but --current, from which changes count, is not given",
                 with({"plan", "next.json", option, "3"}, gpus));
  }
}

/// What is wrong with the placement is said of its file, not of the loads.
TEST_F(Current, ThatCannotBeStartedFromIsNamed) {
  Json bad = {{"physical_to_logical", current["physical_to_logical"]}};
  const Json sound = bad;
  bad["physical_to_logical"][1][3] = 12;
  write("bad.json", bad.dump());
  expect_sentence(1, "bad.json: layer 1, slot 3 is 12, but the experts of next.json are 0 to 11",
                  arguments({}, "bad.json"));
  // Slots that are free to be filled do not help an expert that has none, where they are of another layer.
  bad = sound;
  Json& last = bad["physical_to_logical"][2];
  std::replace(last.begin(), last.end(), Json(0), Json(1));
  std::replace(last.begin(), last.end(), Json(2), Json(1));
  write("bad.json", bad.dump());
  expect_usage(
      "bad.json: the placement of layer 2 has slots to fill or experts without one: that takes 2 changes, more than "
      "--max-changes",
      arguments({"--max-changes", "1"}, "bad.json"));
  expect_usage(
      "bad.json: the placement has slots to fill or experts without one: that takes 2 changes over all layers, more "
      "than --max-changes-in-all",
      arguments({"--max-changes-in-all", "1"}, "bad.json"));
}

/// Maps that contradict the placement are not passed over, but where slots are empty there are none that could be true.
TEST_F(Current, ContradictsItselfIsNamed) {
  const std::tuple<const char*, Json, const char*> bads[] = {
      {"/replica_count/1/2", 7, "replica_count of layer 1, expert 2 is 7"},
      {"/replica_rank/0/3", 9, "replica_rank of layer 0, slot 3 is 9"},
      {"/logical_to_physical/2/5/0", 14, "logical_to_physical of layer 2, expert 5"},
      {"/physical_to_logical/1/3", 12, "physical_to_logical of layer 1, slot 3 is 12; it must be 0 to 11"},
      {"/shape/layers", 4, "shape.layers is 4, but there are 3 layers"},
      {"/shape/layers", "x", "shape.layers is a string, not a number"},
      {"/shape/experts", true, "shape.experts is true, not a number"},
      {"/shape/slots", Json::object(), "shape.slots is an object, not a number"},
      {"/replica_count", "none", "replica_count is a string, not a number"}};
  for (const auto& [pointer, value, why] : bads) {
    Json bad = current;
    bad[Json::json_pointer(pointer)] = value;
    write("bad.json", bad.dump());
    expect_error(1, {std::string("eplb: bad.json: ") + why}, arguments({}, "bad.json"));
    expect_error(1, {std::string("eplb: bad.json: ") + why}, {"score", "next.json", "--plan", "bad.json"});
  }
  current["shape"]["layers"] = nullptr;  // as if it were not there
  current["physical_to_logical"][1][4] = -1;
  write("holes.json", current.dump());
  EXPECT_EQ(run(arguments({}, "holes.json")).status, 0);
}

/// The world changes size: gpus are the same by number.
class World : public Current {
 protected:
  using Gpus = std::vector<std::vector<int>>;  // the experts in the slots of each

  static Gpus gpus_of(const Json& row, const std::vector<std::size_t>& slots_per_gpu) {
    Gpus gpus;
    std::size_t slot = 0;
    for (const std::size_t slots : slots_per_gpu) {
      gpus.emplace_back();
      for (std::size_t i = 0; i < slots; ++i) gpus.back().push_back(row[slot++]);
    }
    EXPECT_EQ(slot, row.size());
    return gpus;
  }

  /// From the placement on 4 gpus to others: only experts that have lost all their slots may take one that is in use.
  void expect_kept(const Arguments& now, const std::vector<std::size_t>& slots_now) {
    SCOPED_TRACE(testing::PrintToString(now));
    std::vector<std::size_t> in_use(3), homeless(3);
    std::vector<Gpus> left(3);
    for (std::size_t layer = 0; layer < 3; ++layer) {
      left[layer] = gpus_of(current["physical_to_logical"][layer], {4, 4, 4, 3});
      left[layer].resize(slots_now.size());
      std::set<int> experts;
      for (std::size_t gpu = 0; gpu < slots_now.size(); ++gpu) {
        left[layer][gpu].resize(std::min(left[layer][gpu].size(), slots_now[gpu]));
        experts.insert(left[layer][gpu].begin(), left[layer][gpu].end());
        in_use[layer] += left[layer][gpu].size();
      }
      homeless[layer] = 12 - experts.size();
    }
    const std::size_t most = *std::max_element(homeless.begin(), homeless.end());
    const Json planned =
        run_json(with({"plan", "next.json", "--current", "plan.json", "--max-changes", std::to_string(most)}, now));
    for (std::size_t layer = 0; layer < 3; ++layer) {
      const Gpus after = gpus_of(planned["physical_to_logical"][layer], slots_now);
      std::size_t kept = 0;
      for (std::size_t gpu = 0; gpu < after.size(); ++gpu)
        for (std::size_t slot = 0; slot < left[layer][gpu].size(); ++slot)
          kept += left[layer][gpu][slot] == after[gpu][slot];
      EXPECT_GE(kept + most, in_use[layer]);
    }
  }
};

TEST_F(World, Grows) {
  expect_kept({"--slots", "23", "--gpus", "6"}, {4, 4, 4, 4, 4, 3});
  expect_kept({"--slots-per-gpu", "4x3,3,0,2", "--gpus", "6"}, {4, 4, 4, 3, 0, 2});
  expect_kept({"--slots", "16", "--gpus", "4"}, {4, 4, 4, 4});
  expect_kept({"--slots-per-gpu", "6,4,4,5", "--gpus", "4"}, {6, 4, 4, 5});
}

TEST_F(World, Shrinks) {
  expect_kept({"--slots", "12", "--gpus", "3"}, {4, 4, 4});
  expect_kept({"--slots-per-gpu", "4,0,5,4", "--gpus", "4"}, {4, 0, 5, 4});
  expect_kept({"--slots-per-gpu", "3,4,4,2", "--gpus", "4"}, {3, 4, 4, 2});
  expect_kept({"--slots-per-gpu", "0,4,4,3,4", "--gpus", "5"}, {0, 4, 4, 3, 4});
}

TEST_F(World, IsThatOfTheCommandWhereTheFileDoesNotSay) {
  write("map.json", Json({{"physical_to_logical", current["physical_to_logical"]}}).dump());
  const auto maps = [&](const char* file, const Arguments& now) {
    return run_json(with({"plan", "next.json", "--current", file, "--max-changes", "0"}, now))["physical_to_logical"];
  };
  EXPECT_EQ(maps("map.json", {"--slots-per-gpu", "8,7", "--gpus", "2"}), current["physical_to_logical"]);
  EXPECT_EQ(maps("plan.json", gpus), current["physical_to_logical"]);
  // The same slots on other gpus: those of gpus 2 and 3 are gone, and as many new ones are to be filled.
  EXPECT_NE(run_json({"plan", "next.json", "--current", "plan.json", "--slots-per-gpu", "8,7", "--gpus",
                      "2"})["stats"]["changes"],
            0);
}

/// The slots of other gpus are not those there were.
TEST_F(World, OfOtherGpusHasItsSlotsSaid) {
  const std::string why = "plan.json has 15 slots on 4 gpus, but --gpus is ";
  for (const char* others : {"3", "5"})
    expect_usage(why + others + "; give --slots or --slots-per-gpu as well",
                 {"plan", "next.json", "--current", "plan.json", "--gpus", others});
  EXPECT_EQ(run_json({"plan", "next.json", "--current", "plan.json", "--gpus", "4"})["shape"], current["shape"]);
  EXPECT_EQ(run_json({"plan", "next.json", "--current", "plan.json", "--slots-per-gpu", "5x3"})["shape"]["gpus"], 3);
}

TEST_F(World, ThatAFileContradictsIsNamed) {
  const std::pair<Json, std::string> bads[] = {
      {{{"gpus", -1}}, "is of -1 gpus; there can be 1 to 65535"},
      {{{"gpus", 2147483647}}, "is of 2147483647 gpus; there can be 1 to 65535"},
      {{{"gpus", 2}, {"slots_per_gpu", {5, 5, 5}}},
       "has 15 slots on 2 gpus, but its slots_per_gpu is of 15 slots on 3"},
      {{{"gpus", 2}, {"slots_per_gpu", {5, 5}}}, "has 15 slots on 2 gpus, but its slots_per_gpu is of 10 slots on 2"},
      {{{"gpus", 2}, {"slots_per_gpu", {-1, 16}}},
       "has a gpu with -1 slots in its slots_per_gpu; there must be 0 or more"},
  };
  for (const auto& [shape, text] : bads) {
    Json bad = current;
    bad["shape"] = shape;
    write("bad.json", bad.dump());
    expect_sentence(1, "bad.json: " + text, arguments({}, "bad.json"));
  }
}

/// Filling has to be, so a budget is for what changes besides.
TEST_F(World, FillsBesidesTheBudget) {
  for (const int most : {0, 1, 3}) {
    const Arguments now = {"plan", "next.json", "--current", "plan.json", "--slots", "23", "--gpus", "6"};
    const Json of_layer = run_json(with(now, {"--max-changes", std::to_string(most)}));
    const Json in_all = run_json(with(now, {"--max-changes-in-all", std::to_string(most)}));
    EXPECT_LE(of_layer["stats"]["changes"], 3 * (8 + most));
    EXPECT_LE(in_all["stats"]["changes"], 3 * 8 + most);
    EXPECT_GE(in_all["stats"]["changes"], 3 * 8);
  }
  const std::string help = run({"plan", "--help"}).out;
  EXPECT_NE(help.find("besides those of it that are empty, which have to be filled"), std::string::npos);
}

/// Layers with more empty slots give the others no budget.
TEST_F(Current, FillsTheEmptySlotsOfEachLayerBesidesItsBudget) {
  const Json full = current["physical_to_logical"];
  const auto is_spare = [&](std::size_t layer, std::size_t slot) {
    return std::count(full[layer].begin(), full[layer].end(), full[layer][slot]) > 1;
  };
  std::vector<int> empty = {2, 0, 1};
  for (std::size_t layer = 0; layer < 3; ++layer) {
    Json& row = current["physical_to_logical"][layer];
    for (std::size_t slot = 0, left = static_cast<std::size_t>(empty[layer]); left > 0; ++slot) {
      ASSERT_LT(slot, 15u);
      if (!is_spare(layer, slot) || std::count(row.begin(), row.end(), full[layer][slot]) == 1) continue;
      row[slot] = -1;
      --left;
    }
  }
  write("holes.json", current.dump());
  for (const int most : {0, 1, 3}) {
    SCOPED_TRACE(most);
    const Json planned = plan({"--max-changes", std::to_string(most)}, "holes.json");
    for (std::size_t layer = 0; layer < 3; ++layer) {
      EXPECT_GE(changes(planned, layer), empty[layer]);
      EXPECT_LE(changes(planned, layer), empty[layer] + most);
    }
    EXPECT_EQ(planned["stats"]["changes"], changes(planned, 0) + changes(planned, 1) + changes(planned, 2));
    // A layer gets what it would get by itself.
    for (std::size_t layer = 0; layer < 3; ++layer) {
      write("one.json", Json({some_loads(3, 12, 53)[layer]}).dump());
      write("one_current.json", Json({{"physical_to_logical", {current["physical_to_logical"][layer]}}}).dump());
      const Json alone = run_json(
          with({"plan", "one.json", "--current", "one_current.json", "--max-changes", std::to_string(most)}, gpus));
      for (const char* map : {"physical_to_logical", "replica_rank", "replica_count"})
        EXPECT_EQ(planned[map][layer], alone[map][0]) << map << " of layer " << layer;
    }
  }
  expect_usage(
      "--max-changes and --max-changes-in-all need layers with as many empty slots each, but those of holes.json "
      "differ; give one of the two",
      arguments({"--max-changes", "1", "--max-changes-in-all", "2"}, "holes.json"));
}

/// What is before a plan is the placement in force, on the gpus there are now.
TEST_F(Current, IsBeforeInTheTable) {
  const auto figures = [](const std::string& table, const std::string& row) {
    const std::size_t at = table.find("\n" + row);
    std::istringstream cells(table.substr(at + 1 + row.size()));
    std::string before;
    cells >> before;
    return at == table.npos ? "" : before;
  };
  const Json stats = run_json({"score", "next.json", "--plan", "plan.json"})["stats"];
  const std::string table = run(arguments({"--format", "table"})).out;
  char text[16];
  for (const auto& [row, figure] : {std::pair("balancedness, mean of layers", "balancedness"),
                                    std::pair("balancedness, worst layer", "balancedness_min"),
                                    std::pair("largest / mean gpu load", "max_over_mean")}) {
    std::snprintf(text, sizeof text, "%.4f", stats[figure].get<double>());
    EXPECT_EQ(figures(table, row), text) << table;
  }
  EXPECT_EQ(figures(table, "number of the worst layer"), stats["worst_layer"].dump());
  EXPECT_EQ(figures(table, "duplicates on a gpu"), stats["duplicates"].dump());
  EXPECT_EQ(figures(table, "most replicas of an expert"), stats["max_replica_count"].dump());
  // On twice the gpus, of which half are empty, it is half as good.
  const std::string grown = run({"plan", "next.json", "--current", "plan.json", "--slots-per-gpu", "4x3,3,4x4",
                                 "--gpus", "8", "--format", "table"})
                                .out;
  std::snprintf(text, sizeof text, "%.4f", stats["balancedness"].get<double>() / 2);
  EXPECT_EQ(figures(grown, "balancedness, mean of layers"), text) << grown;
  EXPECT_EQ(grown.find("experts without a slot"), std::string::npos);
  const std::string lost =
      run({"plan", "next.json", "--current", "plan.json", "--slots", "12", "--gpus", "3", "--format", "table"}).out;
  EXPECT_NE(lost.find("\nexperts without a slot"), std::string::npos) << lost;
}

}  // namespace
