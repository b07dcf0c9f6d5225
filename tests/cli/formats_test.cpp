// SPDX-License-Identifier: MIT
// What engines write and read: loads in their forms, placements in their formats, layers by the model's numbers.
#include <algorithm>
#include <numeric>

#include "tool.h"

namespace {

class Formats : public ToolTest {
 protected:
  Formats() {
    write("loads.json", some_loads(3, 8).dump());
    plan = run_json(with({"plan", "loads.json"}, gpus));
    maps = plan["physical_to_logical"];
  }

  static Arguments with(Arguments first, const Arguments& more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
  }
  /// The placement that a file has for the loads.
  Json read_maps(const std::string& file, const Arguments& options = {}) {
    return run_json(with({"plan", "loads.json", "--current", file, "--gpus", "4", "--max-changes", "0"},
                         options))["physical_to_logical"];
  }
  /// The plan that a file of loads gives.
  Json plan_of(const std::string& file, const Arguments& options = {}, const std::string& input = "") {
    Json planned = run_json(with(with({"plan", file}, gpus), options), input);
    for (const char* other : {"plan_ms", "worst_layer"}) planned["stats"].erase(other);  // a time, and a name
    planned.erase("layer_numbers");
    for (Json& layer : planned["stats"]["layers"]) layer.erase("layer");
    return planned;
  }
  void expect_refusal(const std::string& file, const std::vector<std::string>& words, const Arguments& options = {}) {
    SCOPED_TRACE(file);
    std::vector<std::string> all = words;
    all.push_back(file + ": ");
    expect_error(1, all, with({"plan", "loads.json", "--current", file, "--gpus", "4"}, options));
  }

  const Arguments gpus = {"--slots", "12", "--gpus", "4"};
  Json plan, maps;
};

class Layers : public Formats {
 protected:
  /// The rows of the plan under numbers, as TensorRT-LLM and as SGLang have them.
  void write_layers(const std::vector<int>& numbers) {
    std::string yaml = "num_slots: 12\ninitial_global_assignments:\n";
    const std::size_t last = static_cast<std::size_t>(numbers.back());
    Json rows = Json::array();
    for (std::size_t layer = 0; layer <= last; ++layer) rows.push_back({0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3});
    for (std::size_t row = 0; row < numbers.size(); ++row) {
      yaml += "  " + std::to_string(numbers[row]) + ": " + maps[row].dump() + "\n";
      rows[static_cast<std::size_t>(numbers[row])] = maps[row];
    }
    write("trt.yaml", yaml);
    write("sglang.json", Json({{"physical_to_logical_map", rows}}).dump());
  }
};

TEST_F(Layers, AreTakenByNumber) {
  write_layers({2, 3, 4});
  for (const char* file : {"trt.yaml", "sglang.json"})
    for (const Arguments& said : {Arguments{"--first-layer", "2"}, {"--layers", "2:1"}, {"--layers", "2,3,4"}})
      EXPECT_EQ(read_maps(file, said), maps) << file;
  write_layers({1, 3, 5});
  for (const char* file : {"trt.yaml", "sglang.json"})
    for (const Arguments& said : {Arguments{"--layers", "1:2"}, {"--layers", "1,3,5"}})
      EXPECT_EQ(read_maps(file, said), maps) << file;
  const Json turned = read_maps("trt.yaml", {"--layers", "5,3,1"});
  EXPECT_EQ(turned, Json({maps[2], maps[1], maps[0]}));
}

TEST_F(Layers, ThatTheLoadsDoNotHaveAreSkipped) {
  write_layers({2, 3, 4});
  write("loads.json", Json({some_loads(3, 8)[1]}).dump());
  for (const char* file : {"trt.yaml", "sglang.json"})
    EXPECT_EQ(read_maps(file, {"--first-layer", "3"}), Json({maps[1]})) << file;
}

TEST_F(Layers, ThatAreMissingAreNamed) {
  write_layers({2, 3, 4});
  for (const char* file : {"trt.yaml", "sglang.json"}) {
    expect_refusal(file, {"has no layer 5, which row 2 of loads.json is"}, {"--first-layer", "3"});
    expect_refusal(file, {"has no layer 9, which row 1 of loads.json is"}, {"--layers", "2,9,3"});
    expect_error(1, {file, "has no layer 6"},
                 {"score", "loads.json", "--plan", file, "--gpus", "4", "--layers", "2:2"});
  }
  expect_refusal("trt.yaml", {"has no layer 0", "it has layers 2 to 4", "--first-layer"});
}

/// The tool's own JSON says the layers' numbers, in the order of its rows.
TEST_F(Layers, OfOwnPlansKeepTheirNumbers) {
  const Arguments numbers = {"--layers", "5,1,3"};
  run(with(with({"plan", "loads.json", "--output", "own.json"}, gpus), numbers));
  const Json own = Json::parse(read("own.json"));
  EXPECT_EQ(own["layer_numbers"], Json({5, 1, 3}));
  EXPECT_EQ(plan["layer_numbers"], Json({0, 1, 2}));
  EXPECT_EQ(read_maps("own.json", numbers), maps);
  EXPECT_EQ(read_maps("own.json", {"--layers", "1:2"}), Json({maps[1], maps[2], maps[0]}));
  expect_refusal("own.json", {"has no layer 0, which row 0 of loads.json is; it has layers 1 to 5", "--first-layer"});
  // All its maps are taken by number.
  write("loads.json", Json({some_loads(3, 8)[2]}).dump());
  const Json one = run_json({"score", "loads.json", "--plan", "own.json", "--first-layer", "3"})["stats"];
  EXPECT_EQ(one["layers"][0]["layer"], 3);
  EXPECT_EQ(one["balancedness"], plan["stats"]["layers"][2]["balancedness"]);
  // Without numbers its rows are those of the loads.
  Json old = plan;
  old.erase("layer_numbers");
  write("own.json", old.dump());
  expect_refusal("own.json", {"has 3 layers, but loads.json has 1"}, {"--first-layer", "3"});
  write("loads.json", some_loads(3, 8).dump());
  EXPECT_EQ(read_maps("own.json", {"--first-layer", "3"}), maps);
  for (const auto& [bad, why] : {std::pair(Json({1, 1, 2}), "layer_numbers has layer 1 twice"),
                                 std::pair(Json({1, 2}), "layer_numbers is [2]; it must be [3]")}) {
    old["layer_numbers"] = bad;
    write("own.json", old.dump());
    expect_refusal("own.json", {why});
  }
}

TEST_F(Layers, AreWrittenByNumber) {
  write_layers({1, 3, 5});
  const auto written = [&](const std::string& format) {
    return run(with({"plan", "loads.json", "--layers", "1,3,5", "--format", format}, gpus)).out;
  };
  EXPECT_EQ(Json::parse(written("sglang")), Json::parse(read("sglang.json")));
  std::string yaml = written("tensorrt-llm");
  yaml.erase(std::remove(yaml.begin(), yaml.end(), ' '), yaml.end());
  EXPECT_EQ(yaml, "num_slots:12\ninitial_global_assignments:\n1:" + maps[0].dump() + "\n3:" + maps[1].dump() +
                      "\n5:" + maps[2].dump() + "\nlayer_updates_per_iter:0\n");
}

TEST_F(Layers, AreNumberedOneWayOnly) {
  const auto refuse = [&](const std::vector<std::string>& words, const Arguments& options) {
    expect_error(2, words, with(with({"plan", "loads.json"}, gpus), options));
  };
  refuse({"--layers", "--first-layer"}, {"--layers", "1:2", "--first-layer", "1"});
  for (const std::string bad : {"x", "-1", "01", "70000", "1,,2", "1,2,x", "1:", ":2", "1:2:3", "1:0", "3,4,3", ""})
    refuse({"--layers"}, {"--layers", bad});
  for (const char* bad : {"x", "-1", "01", "65535"})
    refuse({"--first-layer", bad, "0 to 65534"}, {"--first-layer", bad});
  expect_error(1, {"loads.json: has 3 layers, of which the last would have number 65535; the largest can be 65534"},
               with({"plan", "loads.json", "--first-layer", "65533"}, gpus));
  EXPECT_EQ(run(with({"plan", "loads.json", "--first-layer", "65532"}, gpus)).status, 0);
  expect_error(1, {"loads.json: has 3 layers, but --layers numbers 2"},
               with({"plan", "loads.json", "--layers", "1,2"}, gpus));
}

TEST_F(Layers, OfAFileThatSaysThem) {
  const Json rows = some_loads(3, 8);
  std::string csv = "layer_id,expert_id,count\n";
  for (const std::size_t row : {2, 0, 1})
    for (std::size_t expert = 0; expert < 8; ++expert)
      csv += std::to_string(2 + 2 * row) + "," + std::to_string(expert) + "," + rows[row][expert].dump() + "\n";
  write("loads.csv", csv);
  write_layers({2, 4, 6});
  for (const char* file : {"trt.yaml", "sglang.json"})
    for (const Arguments& said : {Arguments{}, {"--layers", "2:2"}})
      EXPECT_EQ(run_json(with({"plan", "loads.csv", "--current", file, "--gpus", "4", "--max-changes", "0"},
                              said))["physical_to_logical"],
                maps);
  expect_error(1, {"loads.csv: says itself that row 0 is layer 2, not 1"},
               with({"plan", "loads.csv", "--layers", "1:2"}, gpus));
}

TEST_F(Formats, OfYamlHaveManyStyles) {
  const auto list = [&](std::size_t row) { return maps[row].dump(); };
  std::string block;
  for (const Json& expert : maps[1]) block += "\n    - " + expert.dump();
  std::string wrapped = list(1);
  wrapped.replace(wrapped.find(",", 5), 1, ",  # goes on\n        ");
  const std::string key = "initial_global_assignments:";
  const std::string files[] = {
      key + "\n  0: " + list(0) + "\n  1: " + list(1) + "\n  2: " + list(2) + "\n",
      key + "\n  0: " + list(0) + "\n\n  # the second\n  1: " + wrapped + "\n# the last\n  2: " + list(2) + "\n",
      key + "\n  0: " + list(0) + "\n  1:" + block + "\n  2: " + list(2) + "\nnum_slots: 12\n",
      "{num_slots: 12, " + key + " {2: " + list(2) + ", 0: " + list(0) + ", 1: " + list(1) + "}}",
      R"({"initial_global_assignments": {"0": )" + list(0) + R"(, "1": )" + list(1) + R"(, "2": )" + list(2) + "}}",
      "---\nrow: &second " + list(1) + "\n" + key + "\n  0: " + list(0) + "\n  1: *second\n  2: " + list(2) + "\n...\n",
      "backend: pytorch\nmoe_config:\n  load_balancer:\n    " + key + "\n      0: " + list(0) +
          "\n      1: " + list(1) + "\n      2: " + list(2) + "\n",
      key + "\r\n  0: " + list(0) + "\r\n  1: " + list(1) + "\r\n  2: " + list(2) + "\r\n",
  };
  for (const std::string& text : files) {
    SCOPED_TRACE(text);
    write("config.yaml", text);
    EXPECT_EQ(read_maps("config.yaml"), maps);
  }
}

TEST_F(Formats, OfEveryEngineKeepThePlacement) {
  for (const std::string format : {"sglang", "tensorrt-llm", "vllm", "ascend", "omni"}) {
    SCOPED_TRACE(format);
    EXPECT_EQ(run(with({"plan", "loads.json", "--format", format, "--output", "engine"}, gpus)).status, 0);
    Json stayed = read_maps("engine");
    if (format == "omni") {  // which does not say the order in a gpu
      for (Json* all : {&stayed, &maps})
        for (Json& row : *all)
          for (auto slot = row.begin(); slot != row.end(); slot += 3) std::sort(slot, slot + 3);
    }
    EXPECT_EQ(stayed, maps);
    const std::string text = read("engine");
    EXPECT_EQ(run(with({"plan", "loads.json", "--format", format, "--output", "-"}, gpus)).out, text);
    EXPECT_EQ(run({"score", "loads.json", "--plan", "-", "--gpus", "4"}, text).status, 0);
  }
}

TEST_F(Formats, OfVllmAreListsOfSlots) {
  EXPECT_EQ(Json::parse(run(with({"plan", "loads.json", "--format", "vllm"}, gpus)).out), maps);
  write("one.json", maps[1].dump());
  EXPECT_EQ(read_maps("one.json"), Json({maps[1], maps[1], maps[1]}));
  write("two.json", Json({maps[0], maps[1]}).dump());
  expect_refusal("two.json", {"has 2 layers, but loads.json has 3"});
  write("none.json", "[]");
  expect_refusal("none.json", {"the list"});
}

TEST_F(Formats, OfAscendAreLayersOfDevices) {
  const Json written = Json::parse(run(with({"plan", "loads.json", "--format", "ascend"}, gpus)).out);
  EXPECT_EQ(written["moe_layer_count"], 3);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    const Json& entry = written["layer_list"][layer];
    EXPECT_EQ(entry["layer_id"], layer);
    EXPECT_EQ(entry["device_count"], 4);
    Json experts = Json::array();
    for (std::size_t gpu = 0; gpu < 4; ++gpu) {
      EXPECT_EQ(entry["device_list"][gpu]["device_id"], gpu);
      for (const Json& expert : entry["device_list"][gpu]["device_expert"]) experts.push_back(expert);
    }
    EXPECT_EQ(experts, maps[layer]);
  }
  const auto change = [&](const std::string& pointer, const Json& value) {
    Json changed = written;
    changed[Json::json_pointer(pointer)] = value;
    write("bad.json", changed.dump());
  };
  const std::tuple<const char*, Json, std::vector<std::string>> bads[] = {
      {"/moe_layer_count", 4, {"moe_layer_count is 4", "3 layers"}},
      {"/layer_list/1/layer_id", 0, {"layer_list[1].layer_id is 0, after 0"}},
      {"/layer_list/1/device_count", 5, {"layer_list[1].device_count is 5", "4 devices"}},
      {"/layer_list/1/device_list", Json::array(), {"layer_list[1].device_list", "empty"}},
      {"/layer_list/2/device_list/3/device_id", 1, {"layer_list[2].device_list[3].device_id is 1; it must be 3"}},
      {"/layer_list/0/device_list/3/device_id", 9, {"layer_list[0].device_list[3].device_id is 9; it must be 3"}},
      {"/layer_list/2/device_list/3/device_expert", {0, 1}, {"layer 2 has 2 slots on gpu 3, but layer 0 has 3"}},
      {"/layer_list/2/device_list/3/device_expert", 7, {"layer_list[2].device_list[3].device_expert", "no list"}},
      {"/layer_list/2/device_list/3/device_expert/1", 1.5, {"device_list[3].device_expert", "element 1 is 1.5"}},
      {"/layer_list/2/device_list/3/device_expert/1", "x", {"layer_list[2].device_list[3].device_expert", "a string"}},
      {"/layer_list/2/device_list/3/device_expert/1", 8, {"layer 2, slot 10 is 8"}},
      {"/layer_list", Json::array(), {"moe_layer_count is 3"}},
  };
  for (const auto& [pointer, value, words] : bads) {
    SCOPED_TRACE(pointer);
    change(pointer, value);
    expect_refusal("bad.json", words);
  }
}

TEST_F(Formats, OfOmniArePatterns) {
  run(with({"plan", "loads.json", "--format", "omni", "--output", "pattern.npy"}, gpus));
  std::vector<std::int32_t> pattern(4 * 3 * 8);
  for (std::size_t layer = 0; layer < 3; ++layer)
    for (std::size_t slot = 0; slot < 12; ++slot)
      pattern[(slot / 3 * 3 + layer) * 8 + maps[layer][slot].get<std::size_t>()] = 1;
  const Npy expected{.descr = "<i4", .shape = "(4, 3, 8)", .data = bytes(pattern)};
  EXPECT_EQ(read("pattern.npy"), expected.text());
  EXPECT_EQ(run_json({"score", "loads.json", "--plan", "pattern.npy"})["stats"]["balancedness"],
            plan["stats"]["balancedness"]);

  // It is not taken for loads; what looks like one can be.
  expect_error(1, {"pattern.npy: is a placement", "omni", "if these are loads, convert them to float32"},
               with({"plan", "pattern.npy"}, gpus));
  const std::vector<float> same(pattern.begin(), pattern.end());
  write("loads.npy", Npy{.descr = "<f4", .shape = "(4, 3, 8)", .data = bytes(same)}.text());
  EXPECT_EQ(plan_of("loads.npy")["shape"]["samples"], 4);

  write("wide.json", some_loads(3, 9).dump());
  expect_error(1, {"pattern.npy: has 8 experts, but wide.json has 9"},
               {"plan", "wide.json", "--current", "pattern.npy"});
  const auto refuse = [&](const Npy& npy, const std::vector<std::string>& words) {
    write("bad.npy", npy.text());
    expect_refusal("bad.npy", words);
  };
  Npy bad = expected;
  pattern[7] = 2;
  bad.data = bytes(pattern);
  refuse(bad, {"gpu 0, layer 0, expert 7 is 2"});
  std::fill(pattern.begin(), pattern.begin() + 8, 1);
  bad.data = bytes(pattern);
  refuse(bad, {"layer 1 has 3 slots on gpu 0, but layer 0 has 8"});
  bad.shape = "(12, 8)";
  refuse(bad, {"[gpus][layers][experts]"});
}

TEST_F(Formats, OfOmniHaveNoDuplicates) {
  write("few.json", "[[9,1]]");
  expect_error(1, {"omni", "gpu 0 holds expert 0 twice", "row 0"},
               {"plan", "few.json", "--slots", "4", "--gpus", "1", "--format", "omni"});
}

TEST_F(Formats, OfLoadsAreSeenFromTheContents) {
  const Json expected = plan_of("loads.json");
  const Json rows = some_loads(3, 8);
  std::vector<std::int64_t> values;
  for (const Json& row : rows)
    for (const Json& value : row) values.push_back(value);
  std::string by_row, by_load = "layer,expert,count\n", by_name = "Layer";
  for (int expert = 0; expert < 8; ++expert) by_name += ",\"expert_" + std::to_string(expert) + "\"";
  by_name += "\n";
  for (std::size_t row = 0; row < 3; ++row) {
    std::string line = rows[row].dump().substr(1);
    line.back() = '\n';
    by_row += line;
    by_name.append(std::to_string(row)).append(",").append(line);
    for (std::size_t expert = 8; expert-- > 0;)
      by_load += std::to_string(row) + "," + std::to_string(expert) + "," + rows[row][expert].dump() + "\n";
  }
  const std::string npy = Npy{.shape = "(3, 8)", .data = bytes(values)}.text();
  for (const std::string& text : {npy, by_row, by_load, by_name, rows.dump(),
                                  Json({{"load_history", {{{"step", 1}, {"logical_expert_load", rows}}}}}).dump()}) {
    SCOPED_TRACE(text.substr(0, 40));
    EXPECT_EQ(plan_of("-", {}, text), expected);
    for (const char* name : {"any.json", "any.npy", "any.csv", "any"}) {
      write(name, text);
      EXPECT_EQ(plan_of(name), expected) << name;
    }
  }
}

/// The values as a type of another size or byte order.
template <class T>
std::string stored(const std::vector<std::int64_t>& values, bool big_endian) {
  std::string out;
  for (const std::int64_t value : values) {
    std::string one = bytes(std::vector<T>{static_cast<T>(value)});
    if (big_endian) std::reverse(one.begin(), one.end());
    out += one;
  }
  return out;
}

TEST_F(Formats, OfNpyAreOfEveryType) {
  const std::vector<std::int64_t> values = {5, 1, 90, 0, 44, 4};
  std::vector<std::int64_t> halves;  // the same as bits of float16
  for (const std::int64_t value : values) {
    int exponent = 0;
    while (value >> exponent > 1) ++exponent;
    halves.push_back(value ? (exponent + 15) << 10 | ((value << 10 >> exponent) & 0x3ff) : 0);
  }
  const Json expected = plan_of("-", {}, "[[5,1,90],[0,44,4]]")["physical_to_logical"];
  const auto check = [&](const std::string& descr, const std::string& data) {
    write("loads.npy", Npy{.descr = descr, .shape = "(2, 3)", .data = data}.text());
    EXPECT_EQ(plan_of("loads.npy")["physical_to_logical"], expected) << descr;
  };
  for (const bool big : {false, true}) {
    const std::string order = big ? ">" : "<";
    check(big ? "|i1" : "=i1", stored<std::int8_t>(values, big));
    check("|u1", stored<std::uint8_t>(values, big));
    check(order + "i2", stored<std::int16_t>(values, big));
    check(order + "u2", stored<std::uint16_t>(values, big));
    check(order + "i4", stored<std::int32_t>(values, big));
    check(order + "u4", stored<std::uint32_t>(values, big));
    check(order + "i8", stored<std::int64_t>(values, big));
    check(order + "u8", stored<std::uint64_t>(values, big));
    check(order + "f2", stored<std::uint16_t>(halves, big));
    check(order + "f4", stored<float>(values, big));
    check(order + "f8", stored<double>(values, big));
  }
  write("loads.npy", Npy{.descr = "|b1", .shape = "(1, 3)", .data = std::string("\0\1\1", 3)}.text());
  EXPECT_EQ(plan_of("loads.npy")["physical_to_logical"], plan_of("-", {}, "[[0,1,1]]")["physical_to_logical"]);
  // Beyond int64, and a half that is no number.
  const std::vector<std::uint64_t> large = {UINT64_MAX, 1, 1};
  write("loads.npy", Npy{.descr = "<u8", .shape = "(1, 3)", .data = bytes(large)}.text());
  EXPECT_EQ(plan_of("loads.npy")["physical_to_logical"],
            plan_of("-", {}, "[[18446744073709551615,1,1]]")["physical_to_logical"]);
  write("loads.npy", Npy{.descr = "<f2", .shape = "(1, 2)", .data = std::string("\0\x3c\1\x7e", 4)}.text());
  expect_error(1, {"loads.npy: ", "expert 1", "nan"}, {"plan", "loads.npy", "--slots", "4", "--gpus", "2"});
  write("loads.npy", Npy{.descr = "<f2", .shape = "(1, 2)", .data = std::string("\1\0\0\x80", 4)}.text());
  EXPECT_EQ(run({"plan", "loads.npy", "--slots", "4", "--gpus", "2"}).status, 0);  // subnormal, and -0
}

TEST_F(Formats, OfArraysHaveTheirAxesSaid) {
  // 2 samples, 3 layers, 4 experts: the value tells its place.
  constexpr std::size_t extents[] = {2, 3, 4};
  const auto value = [](std::size_t s, std::size_t l, std::size_t e) {
    return static_cast<std::int64_t>((e * 7 + l * 3 + s * 5) % 11 * 100 + s * 12 + l * 4 + e);
  };
  const std::string letters = "sle";
  const Arguments four = {"--slots", "6", "--gpus", "2"};
  Json expected;
  std::string order = "sle";
  do {
    std::size_t axis[3];  // of each letter
    for (std::size_t i = 0; i < 3; ++i) axis[i] = letters.find(order[i]);
    std::vector<std::int64_t> c_order, fortran_order;
    Json lists = Json::array();
    std::size_t at[3];
    for (at[0] = 0; at[0] < extents[axis[0]]; ++at[0])
      for (at[1] = 0; at[1] < extents[axis[1]]; ++at[1])
        for (at[2] = 0; at[2] < extents[axis[2]]; ++at[2]) {
          std::size_t place[3];
          for (std::size_t i = 0; i < 3; ++i) place[axis[i]] = at[i];
          c_order.push_back(value(place[0], place[1], place[2]));
          lists[at[0]][at[1]][at[2]] = c_order.back();
        }
    for (at[2] = 0; at[2] < extents[axis[2]]; ++at[2])
      for (at[1] = 0; at[1] < extents[axis[1]]; ++at[1])
        for (at[0] = 0; at[0] < extents[axis[0]]; ++at[0]) {
          std::size_t place[3];
          for (std::size_t i = 0; i < 3; ++i) place[axis[i]] = at[i];
          fortran_order.push_back(value(place[0], place[1], place[2]));
        }
    std::string shape = "(", axes;
    for (std::size_t i = 0; i < 3; ++i) {
      shape += std::to_string(extents[axis[i]]) + (i < 2 ? ", " : ")");
      if (i) axes += ',';
      axes += order[i];
    }
    write("c.npy", Npy{.shape = shape, .data = bytes(c_order)}.text());
    write("f.npy", Npy{.shape = shape, .data = bytes(fortran_order), .fortran_order = "True"}.text());
    write("l.json", lists.dump());
    for (const char* file : {"c.npy", "f.npy", "l.json"}) {
      SCOPED_TRACE(axes + " " + file);
      Json planned = run_json(with({"plan", file, "--axes", axes}, four));
      planned["stats"].erase("plan_ms");
      if (expected.is_null()) expected = planned;
      EXPECT_EQ(planned, expected);
    }
  } while (std::next_permutation(order.begin(), order.end(), [](char a, char b) { return a > b; }) || order != "sle");
  EXPECT_EQ(expected["shape"]["samples"], 2);
  EXPECT_EQ(expected["shape"]["experts"], 4);
}

TEST_F(Formats, OfArraysWithoutSamplesHaveAxesToo) {
  EXPECT_EQ(plan_of("-", {"--axes", "s,e,l"}, "[[5,0],[1,4],[9,4]]"), plan_of("-", {}, "[[5,1,9],[0,4,4]]"));
  EXPECT_EQ(run_json({"pack", "-", "--packs", "2", "--axes", "s,e,l"}, "[[5,0],[1,4],[9,4],[1,1]]")["pack_index"],
            run_json({"pack", "-", "--packs", "2"}, "[[5,1,9,1],[0,4,4,1]]")["pack_index"]);
  expect_error(1, {"stdin: has 2 dimensions", "not l"}, with({"plan", "-", "--axes", "l,s,e"}, gpus), "[[5,1,9]]");
  expect_error(1, {"layer 1, sample 0, expert 1"}, with({"plan", "-", "--axes", "l,s,e"}, gpus),
               "[[[5,1]],[[2,\"x\"]]]");
  for (const char* bad : {"s,l", "s,l,e,s", "s,l,l", "sle", "x,l,e", ""})
    expect_error(2, {"--axes", bad, "without samples s comes first"},
                 with({"plan", "loads.json", "--axes", bad}, gpus));
  write("named.csv", "layer,expert,count\n0,0,5\n");
  expect_error(1, {"named.csv: says itself", "--axes"}, with({"plan", "named.csv", "--axes", "s,e,l"}, gpus));
}

TEST_F(Formats, OfHistoriesHaveASampleForEachStep) {
  const Json first = some_loads(2, 8, 29), second = some_loads(2, 8, 53);
  const Json history = {{"load_history",
                         {{{"logical_expert_load", first}, {"physical", {1, 2}}, {"note", "x"}},
                          {{"note", nullptr}, {"logical_expert_load", second}}}},
                        {"more", {{"a", {{{"b", 1}}}}}}};
  EXPECT_EQ(plan_of("-", {}, history.dump()), plan_of("-", {}, Json({first, second}).dump()));
  const std::pair<std::string, std::vector<std::string>> bads[] = {
      {R"({"load_history": []})", {"load_history is empty"}},
      {R"({"load_history": [{"logical_expert_load": [[1]]}, {}]})", {"load_history[1].logical_expert_load is missing"}},
      {R"({"load_history": [{"logical_expert_load": [[1]]}, null]})",
       {"load_history[1].logical_expert_load is missing"}},
      {R"({"load_history": [{"logical_expert_load": [[1]]}, {"logical_expert_load": [[1], [2]]}]})",
       {"load_history[1].logical_expert_load has 2 layers where the first has 1"}},
      {R"({"load_history": [{"logical_expert_load": [[1]]}, {"logical_expert_load": [[1, 2]]}]})",
       {"load_history[1].logical_expert_load has 2 experts where the first has 1"}},
      {R"({"load_history": [{"logical_expert_load": [1]}]})", {"load_history[0].logical_expert_load"}},
      {R"({"load_history": [{"logical_expert_load": 1}]})", {"load_history[0].logical_expert_load"}},
      {R"({"load_history": [{"logical_expert_load": [[1, "x"]]}]})",
       {"load_history[0].logical_expert_load, layer 0, expert 1 is a string"}},
      {R"({"load_history": [{"logical_expert_load": [[1]], "logical_expert_load": [[1]]}]})", {"twice"}},
      {R"({"load_history": [{"logical_expert_load": [[1]]}], "load_history": []})", {"'load_history' is there twice"}},
  };
  for (const auto& [text, words] : bads) {
    SCOPED_TRACE(text);
    std::vector<std::string> all = words;
    all.push_back("stdin: ");
    expect_error(1, all, with({"plan", "-"}, gpus), text);
  }
}

TEST_F(Formats, OfCsvHaveEachLoadAtItsPlace) {
  // Experts that are not named have no load; columns and lines have any order; samples and layers any numbers.
  const std::string csv =
      "count,Expert_ID,layer_idx,step\n4,2,7,30\n5,0,5,10\n1.5,1,5,30\n9,2,5,10\n4,1,7,30\n2,2,7,10\n";
  const Json lists = {{{5, 0, 9}, {0, 0, 2}}, {{0, 1.5, 0}, {0, 4, 4}}};
  EXPECT_EQ(plan_of("-", {}, csv), plan_of("-", {}, lists.dump()));
  const std::string wide = "step,layer,e0,e1,e2\n1,5,0,1.5,0\n0,5,5,0,9\n1,3,0,4,4\n0,3,0,0,2\n";
  const Json by_layer = {{{0, 0, 2}, {5, 0, 9}}, {{0, 4, 4}, {0, 1.5, 0}}};
  EXPECT_EQ(plan_of("-", {}, wide), plan_of("-", {}, by_layer.dump()));
}

/// In such a file nobody sees how many experts there are.
TEST_F(Formats, OfCsvMayLeaveOutTheLastExperts) {
  write("short.csv", "layer,expert,count\n0,2,9\n0,0,5\n1,1,4\n");
  EXPECT_EQ(plan_of("short.csv")["shape"]["experts"], 3);
  EXPECT_EQ(plan_of("short.csv", {"--experts", "3"}), plan_of("short.csv"));
  const std::string all = "[[5,0,9,0,0],[0,4,0,0,0]]";
  EXPECT_EQ(plan_of("short.csv", {"--experts", "5"}), plan_of("-", {}, all));
  EXPECT_EQ(plan_of("-", {"--experts", "5"}, all), plan_of("-", {}, all));
  EXPECT_EQ(run_json({"pack", "short.csv", "--packs", "2", "--experts", "4"})["pack_index"],
            run_json({"pack", "-", "--packs", "2"}, "[[5,0,9,0],[0,4,0,0]]")["pack_index"]);
  run(with({"plan", "short.csv", "--experts", "5", "--output", "five.json"}, gpus));
  const Json scored = run_json({"score", "short.csv", "--experts", "5", "--plan", "five.json"});
  EXPECT_EQ(scored["stats"]["layers"], Json::parse(read("five.json"))["stats"]["layers"]);
  EXPECT_EQ(run_json(with({"compare", "short.csv", "--experts", "5", "--strategy", "lpt"}, gpus))["shape"]["experts"],
            5);

  write("rows.csv", "5,0,9\n");
  write("wide.csv", "layer,e0,e1,e2\n0,5,0,9\n");
  write("lists.json", "[[5,0,9]]");
  write("array.npy", Npy{.shape = "(1, 3)", .data = bytes<std::int64_t>({5, 0, 9})}.text());
  for (const std::string file : {"rows.csv", "wide.csv", "lists.json", "array.npy"})
    for (const char* other : {"2", "4"})
      expect_error(1, {"eplb: " + file + ": has 3 experts, but --experts is " + other + "\n"},
                   with({"plan", file, "--experts", other}, gpus));
  expect_error(1, {"short.csv: has 3 experts, but --experts is 2"},
               with({"plan", "short.csv", "--experts", "2"}, gpus));
}

class Counts : public Formats {
 protected:
  /// Counts of the slots of the plan: what an expert has is split over its slots, the first has the rest.
  Counts() {
    const Json loads = some_loads(3, 8);
    Json counts = Json::array();
    for (std::size_t layer = 0; layer < 3; ++layer) {
      Json row(std::vector<int>(12, 0));
      for (std::size_t expert = 0; expert < 8; ++expert) {
        const int replicas = plan["replica_count"][layer][expert], load = loads[layer][expert];
        int nth = 0;
        for (std::size_t slot = 0; slot < 12; ++slot)
          if (maps[layer][slot] == expert) row[slot] = load / replicas + (nth++ == 0 ? load % replicas : 0);
      }
      counts.push_back(row);
    }
    write("counts.json", counts.dump());
    write("plan.json", plan.dump());
  }
};

TEST_F(Counts, OfSlotsAreFolded) {
  const Arguments fold = {"--counts-of", "plan.json"};
  const Json expected = plan_of("loads.json");
  EXPECT_EQ(plan_of("counts.json", fold), expected);
  for (const std::string format : {"sglang", "tensorrt-llm", "vllm"}) {
    run(with({"plan", "loads.json", "--format", format, "--first-layer", "1", "--output", format}, gpus));
    EXPECT_EQ(plan_of("counts.json", {"--counts-of", format, "--first-layer", "1"}), expected) << format;
  }
  const Json scored = run_json({"score", "counts.json", "--plan", "plan.json", "--counts-of", "plan.json"});
  EXPECT_EQ(scored["stats"]["balancedness"], plan["stats"]["balancedness"]);
  const auto compare = [&](const Arguments& files) {
    Json all = run_json(with(with(files, gpus), {"--strategy", "lpt"}))["results"];
    all[0].erase("plan_ms");
    return all;
  };
  EXPECT_EQ(compare({"compare", "counts.json", "--counts-of", "plan.json"}), compare({"compare", "loads.json"}));

  // Samples are folded one by one, and numbers that are not whole stay so.
  const Json counts = Json::parse(read("counts.json")), loads = some_loads(3, 8);
  Json halves = counts, load_halves = loads;
  for (Json* all : {&halves, &load_halves})
    for (Json& row : *all)
      for (Json& value : row) value = value.get<double>() / 2;
  EXPECT_EQ(plan_of("-", fold, Json({counts, halves}).dump()), plan_of("-", {}, Json({loads, load_halves}).dump()));
}

TEST_F(Counts, AreFoundByTheirName) {
  const Json counts = Json::parse(read("counts.json"));
  const Json named = {{"logical_count", some_loads(3, 8)}, {"physical_count", counts}, {"rank", 0}};
  EXPECT_EQ(plan_of("-", {"--counts-of", "plan.json"}, named.dump()), plan_of("loads.json"));
  EXPECT_EQ(plan_of("-", {}, named.dump()), plan_of("loads.json"));
}

TEST_F(Counts, AreOfTheExpertsThatThePlacementHas) {
  write("vllm.json", maps.dump());
  const Arguments fold = {"--counts-of", "vllm.json", "--experts"};
  EXPECT_EQ(plan_of("counts.json", with(fold, {"8"})), plan_of("loads.json"));
  EXPECT_EQ(plan_of("counts.json", with(fold, {"9"}))["shape"]["experts"], 9);
  expect_error(1, {"vllm.json: has 8 experts, but --experts is 7"},
               with(with({"plan", "counts.json"}, gpus), with(fold, {"7"})));
  expect_error(1, {"plan.json: has 8 experts, but --experts is 9"},
               with({"plan", "counts.json", "--counts-of", "plan.json", "--experts", "9"}, gpus));
}

/// What an expert without a slot has was not counted.
TEST_F(Counts, AreOfAllExperts) {
  Json rows = maps;
  for (Json& expert : rows[1])
    if (expert == 2) expert = 3;
  write("lacks.json", rows.dump());
  expect_error(1,
               {"lacks.json: layer 1 has no slot for expert 2, whose tokens cannot have been counted", "--experts 8"},
               with({"plan", "counts.json", "--counts-of", "lacks.json"}, gpus));
  Json numbered = {{"physical_to_logical", rows}, {"layer_numbers", {1, 3, 5}}};
  write("lacks.json", numbered.dump());
  expect_error(1, {"lacks.json: layer 3 has no slot for expert 2"},
               with({"plan", "counts.json", "--counts-of", "lacks.json", "--layers", "1:2"}, gpus));
  EXPECT_EQ(
      plan_of("counts.json", {"--counts-of", "lacks.json", "--layers", "1:2", "--experts", "8"})["shape"]["experts"],
      8);
}

/// A pattern does not say which of a gpu's slots an expert is in.
TEST_F(Counts, OfAPatternAreRefused) {
  run(with({"plan", "loads.json", "--format", "omni", "--output", "pattern.npy"}, gpus));
  expect_error(1, {"pattern.npy: is a pattern of omni-infer's", "which does not say in which slot", "another format"},
               with({"plan", "counts.json", "--counts-of", "pattern.npy"}, gpus));
}

TEST_F(Counts, ThatAreNoneAreNamed) {
  expect_error(1, {"plan.json: has 8 experts, but counts.json has 12", "--counts-of"},
               {"plan", "counts.json", "--current", "plan.json"});
  expect_error(1, {"loads.json: counts 8 slots, but plan.json has 12"},
               with({"plan", "loads.json", "--counts-of", "plan.json"}, gpus));
  Json holes = plan;
  holes["physical_to_logical"][1][4] = -1;
  write("holes.json", holes.dump());
  expect_error(1, {"holes.json: layer 1, slot 4 is empty, but counts.json has counts of it"},
               with({"plan", "counts.json", "--counts-of", "holes.json"}, gpus));
  holes["physical_to_logical"][1][4] = 8;
  for (const char* other : {"replica_rank", "replica_count", "logical_to_physical"}) holes.erase(other);
  write("holes.json", holes.dump());
  expect_error(1, {"holes.json: layer 1, slot 4 is 8, which is no expert"},
               with({"plan", "counts.json", "--counts-of", "holes.json"}, gpus));
  write("large.json", "[[9223372036854775807, 1]]");
  write("one.json", "[[0, 0]]");
  expect_error(1, {"layer 0, slot 1 has a count that is too large"},
               with({"plan", "large.json", "--counts-of", "one.json"}, gpus));
  write("empty.json", "[[-1, -1]]");
  write("zero.json", "[[0, 0]]");
  expect_error(1, {"empty.json: ", "no expert"}, with({"plan", "zero.json", "--counts-of", "empty.json"}, gpus));
}

TEST_F(Formats, OfPlansSayTheirGpus) {
  // What the command does not say, the current placement does; what it contradicts is an error.
  write("uneven.json", run(with({"plan", "loads.json", "--slots-per-gpu", "5,4,3"}, {"--gpus", "3"})).out);
  const Json before = Json::parse(read("uneven.json"));
  for (const Arguments& said : {Arguments{}, {"--gpus", "3"}, {"--slots", "12", "--gpus", "3"}}) {
    const Json kept = run_json(with({"plan", "loads.json", "--current", "uneven.json", "--max-changes", "0"}, said));
    EXPECT_EQ(kept["shape"], before["shape"]);
    EXPECT_EQ(kept["physical_to_logical"], before["physical_to_logical"]);
    EXPECT_EQ(kept["stats"]["balancedness"], before["stats"]["balancedness"]);
  }
  Json without_gpus = before;
  without_gpus["shape"].erase("gpus");
  write("list.json", without_gpus.dump());
  EXPECT_EQ(run_json({"plan", "loads.json", "--current", "list.json"})["shape"], before["shape"]);
  write("wide.json", some_loads(3, 12).dump());
  expect_error(1, {"uneven.json: has 8 experts, but wide.json has 12"},
               {"plan", "wide.json", "--current", "uneven.json"});
  write("fast.json", run(with({"plan", "loads.json", "--speeds", "1,1,1,3"}, gpus)).out);
  EXPECT_EQ(run_json({"plan", "loads.json", "--current", "fast.json"})["shape"]["speed_of_gpu"],
            Json({1.0, 1.0, 1.0, 3.0}));
  EXPECT_EQ(run_json({"plan", "loads.json", "--current", "fast.json", "--speeds", "1,1,3,1"})["shape"]["speed_of_gpu"],
            Json({1.0, 1.0, 3.0, 1.0}));
  write("vllm.json", maps.dump());
  expect_error(2, {"--gpus", "vllm.json"}, {"plan", "loads.json", "--current", "vllm.json"});
  // Slots that do not divide are said as well.
  EXPECT_EQ(run_json({"plan", "loads.json", "--slots", "10", "--gpus", "4"})["shape"]["slots_per_gpu"],
            Json({3, 3, 2, 2}));
  EXPECT_FALSE(plan["shape"].contains("slots_per_gpu"));
}

}  // namespace
