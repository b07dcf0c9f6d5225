// SPDX-License-Identifier: MIT
// The files the tool writes, and reads again.
#include <array>
#include <sstream>

#include "tool.h"

namespace {

class Score : public ToolTest {
 protected:
  Score() {
    write("loads.json", "[[5,1,9,2],[3,3,0,8]]");
    plan = run_json({"plan", "loads.json", "--slots", "6", "--gpus", "2"});
    stats = plan["stats"];
    stats.erase("plan_ms");
  }

  void write_plan(const Json& changed) { write("plan.json", changed.dump()); }
  Arguments score_arguments(const std::string& file = "plan.json") { return {"score", "loads.json", "--plan", file}; }

  Json plan, stats;
};

TEST_F(Score, OfAPlanIsItsStatsInEachFormat) {
  const std::pair<const char*, const char*> files[] = {{"json", "plan.json"},           {"sglang", "sglang.json"},
                                                       {"tensorrt-llm", "config.yaml"}, {"vllm", "vllm.json"},
                                                       {"ascend", "ascend.json"},       {"omni", "omni.npy"}};
  for (const auto& [format, file] : files) {
    SCOPED_TRACE(format);
    const Outcome outcome =
        run({"plan", "loads.json", "--slots", "6", "--gpus", "2", "--format", format, "--output", file});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(run_json({"score", "loads.json", "--plan", file, "--gpus", "2"}), Json({{"stats", stats}}));
  }
  for (const char* says_gpus : {"plan.json", "ascend.json", "omni.npy"})
    EXPECT_EQ(run_json(score_arguments(says_gpus))["stats"], stats);
  for (const char* does_not : {"sglang.json", "config.yaml", "vllm.json"})
    expect_error(2, {"--gpus", does_not}, score_arguments(does_not));
}

TEST_F(Score, ReadsThePlanFromStdin) { EXPECT_EQ(run_json(score_arguments("-"), plan.dump())["stats"], stats); }

TEST_F(Score, JudgesUnderAnotherLoad) {
  write_plan(plan);
  const Json other = run_json({"score", "-", "--plan", "plan.json"}, "[[0,0,0,0],[1,9,1,1]]");
  EXPECT_EQ(other["stats"]["empty_layers"], 1);
  EXPECT_LT(other["stats"]["balancedness"], 1);
  EXPECT_NE(
      run({"score", "-", "--plan", "plan.json", "--format", "table"}, "[[1,1,1,1],[1,1,1,1]]").out.find("in order"),
      std::string::npos);
}

TEST_F(Score, SglangFormatIsWhatSglangLoads) {
  run({"plan", "loads.json", "--slots", "6", "--gpus", "2", "--format", "sglang", "--first-layer", "2", "--output",
       "s.json"});
  // SGLang passes every key on as an argument, so there must be no other; and it has a row for each layer.
  const Json written = Json::parse(read("s.json"));
  EXPECT_EQ(written.size(), 1u);
  const Json& rows = written["physical_to_logical_map"];
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0], Json({0, 1, 2, 3, 0, 1}));
  EXPECT_EQ(rows[1], rows[0]);
  EXPECT_EQ(rows[2], plan["physical_to_logical"][0]);
  EXPECT_EQ(rows[3], plan["physical_to_logical"][1]);
  Json of_model = stats;
  of_model["worst_layer"] = stats["worst_layer"].get<int>() + 2;
  for (Json& layer : of_model["layers"]) layer["layer"] = layer["layer"].get<int>() + 2;
  EXPECT_EQ(run_json({"score", "loads.json", "--plan", "s.json", "--gpus", "2", "--first-layer", "2"})["stats"],
            of_model);
}

TEST_F(Score, TensorrtLlmFormatHasIntegerLayers) {
  const Outcome outcome =
      run({"plan", "loads.json", "--slots", "6", "--gpus", "2", "--format", "tensorrt-llm", "--first-layer", "3"});
  std::ostringstream expected;
  expected << "num_slots: 6\ninitial_global_assignments:\n";
  for (std::size_t layer = 0; layer < 2; ++layer) {
    expected << "  " << 3 + layer << ": ";
    for (std::size_t slot = 0; slot < 6; ++slot)
      expected << (slot ? ", " : "[") << plan["physical_to_logical"][layer][slot];
    expected << "]\n";
  }
  expected << "layer_updates_per_iter: 0\n";
  EXPECT_EQ(outcome.out, expected.str());
}

TEST_F(Score, ReadsWhatAYamlLibraryWouldWrite) {
  const Json& rows = plan["physical_to_logical"];
  std::string wrapped = rows[1].dump();
  wrapped.replace(wrapped.find(','), 1, ",\n      ");
  write("config.yaml", "initial_global_assignments:\n  1: " + rows[0].dump() + "\n  12: " + wrapped +
                           "\nlayer_updates_per_iter: 0\nnum_slots: 6\n");
  Json of_model = stats;
  const std::array numbers{1, 12};
  of_model["worst_layer"] = numbers[stats["worst_layer"].get<std::size_t>()];
  for (std::size_t i = 0; i < 2; ++i) of_model["layers"][i]["layer"] = numbers[i];
  EXPECT_EQ(run_json({"score", "loads.json", "--plan", "config.yaml", "--gpus", "2", "--layers", "1,12"})["stats"],
            of_model);
}

TEST_F(Score, BadPlansAreNamed) {
  Json bad = plan;
  bad["physical_to_logical"][1][3] = 4;
  write_plan(bad);
  expect_error(1, {"plan.json: ", "layer 1", "slot 3", "4"}, score_arguments());

  bad = plan;
  bad["physical_to_logical"][0][2] = 1.5;
  write_plan(bad);
  expect_error(1, {"plan.json: ", "layer 0", "element 2", "1.5"}, score_arguments());

  bad = plan;
  bad["physical_to_logical"][1] = {0, 0, 0, 1, 1, 3};
  bad.erase("replica_rank");
  bad.erase("replica_count");
  bad.erase("logical_to_physical");
  write_plan(bad);
  expect_error(1, {"plan.json: ", "layer 1", "expert 2"}, score_arguments());

  bad = plan;
  bad["replica_count"][1][0] = 6;
  write_plan(bad);
  expect_error(1, {"plan.json: ", "layer 1", "expert 0", "6"}, score_arguments());

  bad = plan;
  bad["replica_rank"].erase(1);
  write_plan(bad);
  expect_error(1, {"plan.json: ", "replica_rank"}, score_arguments());

  bad = plan;
  bad["physical_to_logical"][1].erase(0);
  write_plan(bad);
  expect_error(1, {"plan.json: ", "layer 1", "5 slots", "6"}, score_arguments());

  write_plan(plan);
  expect_error(1, {"plan.json: ", "4 experts", "stdin", "3"}, {"score", "-", "--plan", "plan.json"},
               "[[1,2,3],[1,2,3]]");
  expect_error(1, {"plan.json: has no layer 2, which row 2 of stdin is"}, {"score", "-", "--plan", "plan.json"},
               "[[1,2,3,4],[1,2,3,4],[1,2,3,4]]");

  write("other.json", R"({"placement": [[0, 1]]})");
  expect_error(1, {"other.json: ", "physical_to_logical"}, score_arguments("other.json"));
  const std::pair<const char*, std::vector<std::string>> yamls[] = {
      {"initial_global_assignments:\n", {"initial_global_assignments"}},
      {"a: initial_global_assignments\n", {"has no initial_global_assignments"}},
      {"initial_global_assignments: []\n", {"line 1", "no map of layers"}},
      {"initial_global_assignments:\n  3: [0, 1\n", {"not YAML", "line 3"}},
      {"initial_global_assignments:\n  3: *there\n", {"not YAML", "line 2"}},
      {"initial_global_assignments:\n  3: [0, x]\n", {"line 2", "'x'", "layer 3", "slot 1"}},
      {"initial_global_assignments:\n  3: [0, 1.0]\n", {"'1.0'", "layer 3", "slot 1"}},
      {"initial_global_assignments:\n  3: [0, [1]]\n", {"layer 3", "slot 1", "a list"}},
      {"initial_global_assignments:\n  x: [0, 1]\n", {"line 2", "'x'", "layer"}},
      {"initial_global_assignments:\n  3: [0, 1]\n  4: [0]\n", {"line 3", "layer 4", "1 slot", "2"}},
      {"initial_global_assignments:\n  3: [0, 1]\n  3: [0, 1]\n", {"line 3", "layer 3", "twice"}},
      {"initial_global_assignments:\n  3: [0, ~]\n", {"line 2: there is nothing in layer 3, slot 1, not a number"}},
      {"initial_global_assignments:\n  3: [0, 010]\n", {"line 2: '010' in layer 3, slot 1 is no number", "decimal"}},
      {"initial_global_assignments:\n  03: [0, 1]\n", {"line 2: '03' for a layer"}},
      {"num_slots: 012\ninitial_global_assignments:\n  3: [0, 1]\n", {"line 1: '012' for num_slots"}},
      {"num_slots: 2\nnum_slots: 3\ninitial_global_assignments:\n  3: [0, 1]\n", {"line 2: num_slots is there twice"}},
      {"initial_global_assignments:\n  3: [0, 1]\ninitial_global_assignments:\n  3: [1, 0]\n",
       {"line 3: initial_global_assignments is there twice"}},
      {"initial_global_assignments:\n\ninitial_global_assignments:\n  3: [1, 0]\n",
       {"line 3: initial_global_assignments is there twice"}},
      {"moe_config:\n  load_balancer:\n    num_slots: 2\n  load_balancer:\n"
       "    initial_global_assignments: {3: [0, 1]}\n",
       {"line 4: load_balancer is there twice"}},
      {"base: &base {num_slots: 3}\n<<: *base\ninitial_global_assignments: {3: [0, 1]}\n", {"line 2", "merge key <<"}},
      {"initial_global_assignments: {3: [0, 1]}\nmoe_config:\n  load_balancer:\n"
       "    initial_global_assignments: {3: [1, 0]}\n",
       {"both at the top and in moe_config.load_balancer"}},
      {"initial_global_assignments:\n  3: 5\n", {"line 2", "layer 3", "no list"}},
      {"initial_global_assignments:\n  3: []\n", {"line 2", "layer 3", "no list"}},
      {"num_slots: 3\ninitial_global_assignments:\n  3: [0, 1]\n", {"line 1", "num_slots is 3", "2"}},
      {"initial_global_assignments:\n  3: [0, 1]\n---\n4: 5\n", {"several YAML documents"}},
      {"# initial_global_assignments\n", {"no YAML document"}},
      {",initial_global_assignments: {3: [0, 1]}", {"several YAML documents"}},  // endlessly many, says yaml-cpp
  };
  for (const auto& [yaml, words_of_file] : yamls) {
    SCOPED_TRACE(yaml);
    write("bad.yaml", yaml);
    std::vector<std::string> words = words_of_file;
    words.push_back("bad.yaml: ");
    expect_error(1, words, {"score", "loads.json", "--plan", "bad.yaml", "--gpus", "2"});
  }
}

class OutputFile : public ToolTest {
 protected:
  std::size_t files() const {
    const auto all = std::filesystem::directory_iterator(directory);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
  Arguments plan_to(const std::string& file) { return {"plan", "-", "--slots", "4", "--gpus", "2", "--output", file}; }
};

TEST_F(OutputFile, IsCompleteOrAbsent) {
  expect_error(1, {"layer 0"}, plan_to("plan.json"), "[[1,-1]]");
  EXPECT_EQ(files(), 0u);

  write("plan.json", "as before");
  expect_error(1, {"layer 0"}, plan_to("plan.json"), "[[1,-1]]");
  EXPECT_EQ(read("plan.json"), "as before");

  const Outcome outcome = run(plan_to("plan.json"), "[[1,2]]");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(Json::parse(read("plan.json"))["shape"]["slots"], 4);
  EXPECT_EQ(files(), 1u);
}

TEST_F(OutputFile, ThatCannotBeWrittenIsNamed) {
  expect_error(1, {"none/plan.json: No such file"}, plan_to("none/plan.json"), "[[1,2]]");
  expect_error(1, {"/dev/full: No space"}, plan_to("/dev/full"), "[[1,2]]");
  std::filesystem::create_directory(directory / "folder");
  expect_error(1, {"folder: Is a directory"}, plan_to("folder"), "[[1,2]]");
}

TEST_F(OutputFile, IsNeverAnInput) {
  const std::string loads = "[[5,1,9,2],[3,3,0,8]]";
  write("loads.json", loads);
  run({"plan", "loads.json", "--slots", "6", "--gpus", "2", "--output", "plan.json"});
  const std::string plan = read("plan.json");
  std::filesystem::create_symlink("plan.json", directory / "link.json");
  const Arguments plan_from = {"plan", "loads.json", "--current", "plan.json", "--output"};
  for (const std::string name : {"loads.json", "plan.json", "./plan.json", "link.json"}) {
    Arguments arguments = plan_from;
    arguments.push_back(name);
    expect_error(2, {"--output", "'" + name + "'"}, arguments);
  }
  expect_error(2, {"--output"}, {"score", "loads.json", "--plan", "plan.json", "--output", "plan.json"});
  expect_error(2, {"--output"}, {"pack", "loads.json", "--packs", "2", "--output", "loads.json"});
  expect_error(2, {"--output"},
               {"compare", "loads.json", "loads.json", "--slots", "6", "--gpus", "2", "--output", "loads.json"});
  expect_error(2, {"--output"}, {"pack", "loads.json", "--packs", "2", "--output", "loads.json"});
  EXPECT_EQ(read("loads.json"), loads);
  EXPECT_EQ(read("plan.json"), plan);
  expect_error(2, {"stdin"}, {"plan", "-", "--current", "-"}, plan);
  expect_error(2, {"--output: '/dev/stdin' is read as well"}, plan_to("/dev/stdin"), loads);  // which is a file here
}

TEST_F(OutputFile, HasANameThatFits) {
  const Outcome piped = run(plan_to("-"), "[[1,2]]");
  EXPECT_EQ(Json::parse(piped.out)["shape"]["slots"], 4);
  EXPECT_EQ(files(), 0u);
  EXPECT_NE(run({"generate", "--shape", "2x4", "--kind", "real", "--output", "-"}).out, "");
  for (const Arguments& empty : {plan_to(""), Arguments{"plan", ""}, Arguments{"plan", "-", "--current", ""},
                                 Arguments{"score", "-", "--plan", ""}, Arguments{"plan", "-", "--counts-of", ""}})
    expect_error(2, {"empty"}, empty);
  write("loads.npy", "as before");
  expect_error(2, {"'loads.npy'", ".npy"}, plan_to("loads.npy"), "[[1,2]]");
  expect_error(2, {"'loads.npy'", ".npy"}, {"pack", "-", "--packs", "2", "--output", "loads.npy"}, "[[1,2]]");
  expect_error(2, {"'loads.npy'", ".npy"}, {"generate", "--list", "--output", "loads.npy"});
  EXPECT_EQ(read("loads.npy"), "as before");
  Arguments omni = plan_to("plan.json");
  omni.insert(omni.end(), {"--format", "omni"});
  expect_error(2, {"'plan.json'", ".npy"}, omni, "[[1,2]]");
}

TEST_F(OutputFile, LeavesLinksAndDevicesAsTheyAre) {
  write("target.json", "");
  std::filesystem::permissions(directory / "target.json",
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::create_symlink("target.json", directory / "link.json");
  EXPECT_EQ(run(plan_to("link.json"), "[[1,2]]").status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link.json"));
  EXPECT_NE(read("target.json"), "");
  EXPECT_EQ(std::filesystem::status(directory / "target.json").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::create_symlink("new.json", directory / "to_nothing.json");
  EXPECT_EQ(run(plan_to("to_nothing.json"), "[[1,2]]").status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "to_nothing.json"));
  EXPECT_NE(read("new.json"), "");
  EXPECT_EQ(run(plan_to("/dev/null"), "[[1,2]]").status, 0);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  std::filesystem::create_symlink("round.json", directory / "again.json");
  std::filesystem::create_symlink("again.json", directory / "round.json");
  expect_error(1, {"round.json: Too many levels of symbolic links"}, plan_to("round.json"), "[[1,2]]");
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "round.json"));
}

}  // namespace
