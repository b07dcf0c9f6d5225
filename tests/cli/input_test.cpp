// SPDX-License-Identifier: MIT
// What the tool reads: every kind of file gives the same plan, and what is wrong is named.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tool.h"

namespace {

const Arguments four_on_two = {"--slots", "4", "--gpus", "2"};

Arguments plan_arguments(const std::string& file, const Arguments& rest = four_on_two) {
  Arguments arguments = {"plan", file};
  arguments.insert(arguments.end(), rest.begin(), rest.end());
  return arguments;
}

class Input : public ToolTest {
 protected:
  Json maps_of(const std::string& file, const std::string& input = "", const Arguments& rest = {}) {
    Arguments arguments = plan_arguments(file);
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    Json plan = run_json(arguments, input);
    plan.erase("stats");
    return plan;
  }
};

TEST_F(Input, EveryKindOfFileGivesTheSamePlan) {
  const Json expected = maps_of("-", "[[5,1,9],[0,4,4]]");
  EXPECT_EQ(expected["shape"]["layers"], 2);
  EXPECT_EQ(expected["shape"]["experts"], 3);

  const std::vector<std::int64_t> values = {5, 1, 9, 0, 4, 4};
  const std::string int64 = bytes(values);
  write("v1.npy", Npy{.shape = "(2, 3)", .data = int64}.text());
  write("v2.npy", Npy{.shape = "(2, 3)", .data = int64, .version = 2}.text());
  write("v3.npy", Npy{.shape = "(1, 2, 3)", .data = int64, .version = 3}.text());
  write("int32.npy", Npy{.descr = "<i4", .shape = "(2,3)", .data = bytes<std::int32_t>({5, 1, 9, 0, 4, 4})}.text());
  write("float32.npy", Npy{.descr = "<f4", .shape = "(2, 3)", .data = bytes<float>({5, 1, 9, 0, 4, 4})}.text());
  write("float64.npy", Npy{.descr = "<f8", .shape = "(2, 3)", .data = bytes<double>({5, 1, 9, 0, 4, 4})}.text());
  std::string other_writer = Npy{.shape = "(2, 3)", .data = int64}.text();
  other_writer.replace(other_writer.find(", }"), 3, "  }");
  write("other_writer.npy", other_writer);
  write("lists.json", "[[5, 1, 9], [0, 4.0, 4]]");
  write("samples.json", "[[[5, 1, 9], [0, 4, 4]]]");
  write("sglang.json", R"({"rank": 0, "other": [[null, {"a": []}]], "logical_count": [[5, 1, 9], [0, 4, 4]]})");
  write("rows.csv", "5,1,9\n0,4,4\n");
  write("marked.csv", "\xef\xbb\xbf\x35,1,9\n0,4,4\n");
  write("marked_places.csv", "\xef\xbb\xbfsample,layer\n0,0,5,1,9\n0,1,0,4,4\n");
  write("marked.json", "\xef\xbb\xbf[[5, 1, 9], [0, 4, 4]]");
  write("spaced.csv", "\r\n 5 , 1,9\r\n0,4,4.0");
  write("places.csv", "sample,layer,expert0,expert1,expert2\n0,0,5,1,9\n0,1,0,4,4\n");
  for (const char* file : {"v1.npy", "v2.npy", "v3.npy", "int32.npy", "float32.npy", "float64.npy", "other_writer.npy",
                           "lists.json", "samples.json", "sglang.json", "rows.csv", "spaced.csv", "places.csv",
                           "marked.csv", "marked_places.csv", "marked.json"})
    EXPECT_EQ(maps_of(file), expected) << file;
}

TEST_F(Input, SamplesAreAddedUp) {
  Json expected = maps_of("-", "[[5,1,9],[0,4,4]]", {"--strategy", "lpt"});
  expected["shape"]["samples"] = 2;
  write("loads.npy",
        Npy{.shape = "(2, 2, 3)", .data = bytes<std::int64_t>({2, 1, 4, 0, 0, 4, 3, 0, 5, 0, 4, 0})}.text());
  write("loads.json", "[[[2,1,4],[0,0,4]],[[3,0,5],[0,4,0]]]");
  write("loads.csv", "sample,layer\n0,0,2,1,4\n0,1,0,0,4\n1,0,3,0,5\n1,1,0,4,0\n");
  for (const char* file : {"loads.npy", "loads.json", "loads.csv"}) {
    EXPECT_EQ(maps_of(file, "", {"--strategy", "lpt"}), expected) << file;
    EXPECT_EQ(maps_of(file, "", {"--strategy", "search", "--samples", "sum"})["strategy"], "search") << file;
    EXPECT_NE(maps_of(file, "", {"--strategy", "search"}),
              maps_of(file, "", {"--strategy", "search", "--samples", "sum"}))
        << file;
  }
}

TEST_F(Input, DenseLayersOfSglangAreEmptyLayers) {
  const Json plan = run_json(plan_arguments("-"), R"({"logical_count": [[0,0,0],[0,0,0],[5,1,9]]})");
  EXPECT_EQ(plan["stats"]["empty_layers"], 2);
  EXPECT_EQ(plan["physical_to_logical"].size(), 3u);
  const Json alone = run_json(plan_arguments("-"), "[[5,1,9]]");
  EXPECT_EQ(plan["physical_to_logical"][2], alone["physical_to_logical"][0]);
  EXPECT_EQ(plan["stats"]["balancedness"], alone["stats"]["balancedness"]);
}

TEST_F(Input, IntegersAreNotRoundedToDoubles) {
  // As float64 these two would be the same, and expert 0 would get the replica.
  const Json plan =
      run_json({"plan", "-", "--slots", "3", "--gpus", "1"}, "[[4611686293305294847,4611686293305294849]]");
  EXPECT_EQ(plan["replica_count"][0], Json({1, 2}));
}

struct Bad {
  const char* input;
  std::vector<std::string> words;
};

TEST_F(Input, BadJsonIsNamed) {
  const Bad bads[] = {
      {"[[1,2],[3]]", {"layer 1", "1 expert", "2"}},
      {"[[[1,2]],[[1,2],[1,2]]]", {"sample 1", "2 layers", "1"}},
      {"[[1,2],[3,null]]", {"layer 1", "expert 1", "null"}},
      {"[[1,\"many\"]]", {"layer 0", "expert 1", "a string"}},
      {"[[[1,2]],[[true,1]]]", {"sample 1", "layer 0", "expert 0", "true"}},
      {"[[1,{\"a\":1}]]", {"layer 0", "expert 1", "an object"}},
      {"[[1,2],3]", {"layer 1", "3", "not a list"}},
      {"[[],10]", {"layer 1", "10", "not a list"}},
      {"[[1,2],null]", {"layer 1", "null", "not a list"}},
      {"[[1,[2]]]", {"layer 0", "expert 1", "a list"}},
      {"[[[[1]]]]", {"a list, not a number"}},
      {"[1,2]", {"1 dimension"}},
      {"[]", {"dimension"}},
      {"[[]]", {"0 experts"}},
      {"null", {"line 1", "'null'"}},
      {"{\"loads\":[[1,2]]}", {"logical_count"}},
      {"{\"physical_count\":[[1,2]]}", {"'physical_count'", "--counts-of"}},
      {"{\"logical_count\":[[1,2]],\"logical_count\":[[1,2]]}", {"logical_count", "twice"}},
      {"", {"no loads"}},
      {"{", {"not JSON"}},
      {"[[1,2]", {"not JSON", "line 1"}},
      {"[[1,\n 2x]]", {"not JSON", "line 2"}},
      {"[[1 2]]", {"not JSON", "line 1"}},
      {"[[1,2],[NaN,4]]", {"layer 1, expert 0 is NaN; it must be finite"}},
      {"[[[1,2]],[[3,-Infinity]]]", {"sample 1, layer 0, expert 1 is -Infinity; it must be finite"}},
      {"{\"logical_count\":[[Infinity,2]]}", {"layer 0, expert 0 is Infinity; it must be finite"}},
      {"[[1,1e999]]", {"layer 0, expert 1 is 1e999; it must be finite"}},
      {"{\"rank\":NaN}", {"not JSON", "column 9"}},
      {"[[1,-2]]", {"layer 0", "expert 1", "-2"}},
      {"[[1,1e300]]", {"layer 0", "expert 1", "1e+300"}},
  };
  for (const Bad& bad : bads) {
    SCOPED_TRACE(bad.input);
    std::vector<std::string> words = bad.words;
    words.push_back("stdin: ");
    expect_error(1, words, plan_arguments("-"), bad.input);
  }
}

TEST_F(Input, DeepJsonIsRefusedQuietly) {
  constexpr std::size_t depth = 3'000'000;
  expect_error(1, {"a list, not a number"}, plan_arguments("-"), std::string(depth, '['));
  std::string objects;
  for (std::size_t i = 0; i < depth / 10; ++i) objects += "{\"a\":1,\"a\":";
  rusage before{}, after{};
  getrusage(RUSAGE_CHILDREN, &before);
  expect_error(1, {"not JSON"}, plan_arguments("-"), objects);
  getrusage(RUSAGE_CHILDREN, &after);
  EXPECT_LT(after.ru_utime.tv_sec - before.ru_utime.tv_sec, 30) << "time grows faster than the file";
}

TEST_F(Input, BadNpyIsNamed) {
  const std::string data = bytes<std::int64_t>({1, 2, 3, 4, 5, 6});
  const std::pair<Npy, std::vector<std::string>> bads[] = {
      {{.descr = "<c8", .shape = "(2, 3)", .data = data}, {"'<c8'"}},
      {{.descr = "<f16", .shape = "(1, 3)", .data = data}, {"'<f16'"}},
      {{.descr = "|O", .shape = "(2, 3)", .data = data}, {"'|O'"}},
      {{.descr = "i8", .shape = "(2, 3)", .data = data}, {"'i8'"}},
      {{.shape = "(2, 3)", .data = data, .version = 4}, {"version 4"}},
      {{.shape = "(2, 3)", .data = data.substr(1)}, {"47 bytes", "48"}},
      {{.shape = "(2, 3)", .data = data + "x"}, {"49 bytes", "48"}},
      {{.shape = "(2, 300)", .data = data}, {"48 bytes", "4800"}},
      {{.shape = "(1000000000, 1000000000)", .data = data}, {"48 bytes"}},
      {{.shape = "(4294967296, 4294967296)", .data = data}, {"48 bytes"}},
      {{.shape = "(2305843009213693953, 8)", .data = data}, {"48 bytes"}},
      {{.shape = "(99999999999999999999999, 8)", .data = data}, {"header"}},
      {{.shape = "(6,)", .data = data}, {"1 dimension"}},
      {{.shape = "(1, 1, 2, 3)", .data = data}, {"4 dimensions"}},
      {{.shape = "(0, 3)", .data = ""}, {"0 layers"}},
      {{.shape = "(2, 3", .data = data}, {"header"}},
      {{.shape = "[2, 3]", .data = data}, {"header"}},
      {{.shape = "(2, 3)", .data = data, .fortran_order = "Maybe"}, {"header"}},
      {{.descr = "<f4", .shape = "(1, 2)", .data = bytes<float>({1, NAN})}, {"layer 0", "expert 1", "nan"}},
      {{.descr = "<f8", .shape = "(1, 2)", .data = bytes<double>({HUGE_VAL, 1})}, {"layer 0", "expert 0", "inf"}},
      {{.descr = "<i4", .shape = "(2, 1)", .data = bytes<std::int32_t>({1, -7})}, {"layer 1", "expert 0", "-7"}},
  };
  for (const auto& [npy, words_of_file] : bads) {
    SCOPED_TRACE(npy.descr + " " + npy.shape);
    write("bad.npy", npy.text());
    std::vector<std::string> words = words_of_file;
    words.push_back("bad.npy: ");
    expect_error(1, words, plan_arguments("bad.npy"));
  }
  const std::string whole = Npy{.shape = "(2, 3)", .data = data}.text();
  std::string unknown_key = whole;
  unknown_key.replace(unknown_key.find("shape"), 5, "scale");
  write("bad.npy", unknown_key);
  expect_error(1, {"bad.npy: "}, plan_arguments("bad.npy"));
  for (const std::size_t size : {0, 5, 9, 11, 40}) {
    write("bad.npy", whole.substr(0, size));
    expect_error(1, {"bad.npy: "}, plan_arguments("bad.npy"));
  }
}

TEST_F(Input, BadCsvIsNamed) {
  const Bad bads[] = {
      {"1,2\n3,x\n", {"line 2", "expert 1", "'x'"}},
      {"1,,2\n", {"line 1", "expert 1", "''"}},
      {"1,2\n\n3\n", {"line 3", "1 expert", "2"}},
      {"1,2\n3,nan\n", {"layer 1", "expert 1", "nan"}},
      {"1,2\n3,-4\n", {"layer 1", "expert 1", "-4"}},
      {"1e400,2\n", {"line 1 has '1e400' for expert 0, not a number"}},
      {"+1,2\n", {"line 1 has '+1' for expert 0, not a number"}},
      {"0x10,2\n", {"line 1 has '0x10' for expert 0, not a number"}},
      {"layer,load\n1,2\n", {"line 1", "layer, expert and count"}},
      {"", {"no loads"}},
      {"sample,layer,e0\n", {"no loads"}},
      {"sample,layer,e0\n0,0,1\n1,0,1\n1,1,1\n", {"sample 0", "no layer 1"}},
      {"sample,layer,e0\n0,0,1\n0,1,1\n1,0,1\n", {"sample 1", "no layer 1"}},
      {"sample,layer,e0\n0\n", {"line 2", "1 field"}},
      {"sample,layer,e0\n0,0,1,2\n", {"line 2", "4 fields"}},
      {"sample,layer,e0\n0,x,1\n", {"line 2", "'x'", "a layer"}},
      {"layer,expert,count\n0,1,5\n0,-1,5\n", {"line 3", "'-1'", "an expert"}},
      {"layer,expert,count\n0,1,5\n0,65535,5\n", {"line 3", "'65535'", "an expert"}},
      {"layer,expert,count\n0,1,5\n0,0,6\n0,1,5\n", {"line 4", "layer 0, expert 1", "line 2"}},
      {"layer,expert,count\n0,1,many\n", {"line 2", "'many'", "a load"}},
      {"layer,expert,count\n0,1\n", {"line 2", "2 fields"}},
      {"layer,expert\n0,1\n", {"line 1", "layer, expert and count"}},
      {"expert,count\n0,1\n", {"line 1", "'layer'"}},
      {"layer,expert,count,gpu\n0,1,2,3\n", {"line 1", "'gpu'"}},
      {"layer,layer_id,e0\n0,1,2\n", {"line 1", "'layer_id'", "once more"}},
      {"layer,e0,e2\n0,1,2\n", {"line 1", "'e2'", "expert 1"}},
      {"e0,layer\n1,0\n", {"line 1", "'layer'", "behind"}},
      {",0,1\n0,1,2\n", {"line 1 has nothing in its first column", "index=False"}},
      {",layer,expert,count\n0,0,1,2\n", {"line 1 has nothing in its first column", "index=False"}},
      {"model: x\na, b\n", {"neither .npy nor JSON, nor CSV", "line 1, 'model: x',"}},
      {"# of TensorRT-LLM\ninitial_global_assignments: {0: [0, 1]}\n",
       {"is a placement as TensorRT-LLM has it", "--plan"}},
      {"initial_global_assignments: {0: [0, 1]}\n", {"is a placement as TensorRT-LLM has it", "--current"}},
  };
  for (const Bad& bad : bads) {
    SCOPED_TRACE(bad.input);
    write("bad.csv", bad.input);
    std::vector<std::string> words = bad.words;
    words.push_back("bad.csv: ");
    expect_error(1, words, plan_arguments("bad.csv"));
  }
}

/// One line may name an expert so large that the layers of all take much more memory than the file.
TEST_F(Input, LoadsThatMemoryCannotHoldAreNamed) {
  if (std::getenv("EPLB_BRIEF")) GTEST_SKIP() << "sanitizers need more memory than there is here";
  std::string csv = "sample,layer,expert,count\n0,0,65534,1\n";
  for (int layer = 1; layer < 9000; ++layer) csv += "0," + std::to_string(layer) + ",0,1\n";
  write("large.csv", csv);
  rlimit before{};
  getrlimit(RLIMIT_AS, &before);
  const rlimit less{1 << 30, before.rlim_max};
  setrlimit(RLIMIT_AS, &less);
  const Outcome outcome = run(plan_arguments("large.csv"));
  setrlimit(RLIMIT_AS, &before);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err,
            "eplb: large.csv: has 1 sample x 9000 layers x 65535 experts, for which there is not enough memory\n");
}

TEST_F(Input, FilesThatCannotBeReadAreNamed) {
  expect_error(1, {"none.npy: No such file"}, plan_arguments("none.npy"));
  std::filesystem::create_directory(directory / "folder.json");
  expect_error(1, {"folder.json: Is a directory"}, plan_arguments("folder.json"));
  for (const char* name : {"plan.pt", "arrays.npz"}) write(name, std::string("PK\x03\x04 and more"));
  write("old.pt", "\x80\x02}q");
  write("loads.safetensors", std::string("\x40\0\0\0\0\0\0\0{\"a\":", 13));
  for (const std::string name : {"plan.pt", "arrays.npz", "old.pt", "loads.safetensors"})
    expect_error(1, {name + ": ", "python -m eplb convert"}, plan_arguments(name));
}

TEST_F(Input, ImpossibleShapesAreNamed) {
  const std::pair<Arguments, std::vector<std::string>> bads[] = {
      {{"--slots", "2", "--gpus", "2"}, {"eplb: --slots is 2, less than the number of experts in stdin, 3\n"}},
      {{"--slots", "5", "--gpus", "2", "--strategy", "lpt"},
       {"eplb: --slots is 5, which is not a multiple of --gpus, 2, as strategy lpt needs it; search does not\n"}},
      {{"--slots", "4", "--gpus", "2", "--nodes", "2", "--groups", "2", "--policy", "hierarchical"},
       {"eplb: the number of experts in stdin is 3, which is not a multiple of --groups, 2, as a hierarchical plan "
        "needs it; --policy global does not\n"}},
  };
  for (const auto& [arguments, words] : bads) expect_error(2, words, plan_arguments("-", arguments), "[[1,2,3]]");
}

TEST_F(Input, WrongUsageIsNamed) {
  const std::pair<Arguments, std::vector<std::string>> bads[] = {
      {{}, {"subcommand"}},
      {{"plot"}, {}},
      {{"plan"}, {"file"}},
      {{"plan", "-", "--gpus", "2"}, {"--slots"}},
      {{"plan", "-", "--slots", "four", "--gpus", "2"}, {"--slots", "four"}},
      {{"plan", "-", "--slots", "4", "--gpus", "2", "--colour"}, {"--colour"}},
      {{"plan", "-", "--slots", "4", "--gpus", "2", "--strategy", "best"},
       {"eplb: --strategy: 'best' is not one of auto, lpt", "lpt-swap-any"}},
      {{"plan", "-", "--slots", "4", "--gpus", "2", "--policy", "none"}, {"--policy", "hierarchical"}},
      {{"plan", "-", "--slots", "4", "--gpus", "2", "--backend", "tpu"}, {"--backend", "cuda"}},
      {{"plan", "-", "--slots", "4", "--gpus", "2", "--format", "xml"}, {"--format", "sglang"}},
      {{"plan", "-", "--slots", "4", "--gpus", "2", "--repeat", "0"}, {"--repeat"}},
      {{"plan", "-", "--slots", "4", "--gpus", "2", "--max-swaps", "0"}, {"--max-swaps"}},
      {{"compare", "-", "--slots", "4", "--gpus", "2", "--strategy", "best"},
       {"eplb: --strategy: 'best' is not one of auto, lpt"}},
      {{"generate"}, {"--shape"}},
      {{"generate", "--shape", "58by256", "--kind", "real"}, {"--shape", "58by256"}},
      {{"generate", "--shape", "0x4", "--kind", "real"}, {"--shape is 0x4; layers and experts must be 1 to 65535"}},
      {{"generate", "--shape", "65536x4", "--kind", "real"}, {"--shape is 65536x4;"}},
      {{"generate", "--shape", "4x65536", "--kind", "real"}, {"--shape is 4x65536;"}},
      {{"generate", "--shape", "4x99999999999", "--kind", "real"}, {"--shape is 4x99999999999;"}},
      {{"generate", "--shape", "4x16", "--kind", "normal"}, {"--kind", "normal"}},
      {{"generate", "--shape", "4x16", "--kind", "real:often"}, {"--kind", "often"}},
      {{"generate", "--shape", "4x16", "--kind", "adv:evil"}, {"--kind", "evil"}},
      {{"generate", "--shape", "4x16", "--kind", "zipf:-1"}, {"--kind", "-1"}},
      {{"generate", "--shape", "4x16", "--kind", "real", "--topk", "17"}, {"--topk", "17", "16"}},
      {{"generate", "--shape", "4x16", "--kind", "real", "--groups", "3"}, {"--groups", "16", "3"}},
  };
  for (const auto& [arguments, words] : bads) {
    SCOPED_TRACE(testing::PrintToString(arguments));
    expect_error(2, words, arguments, "[[1,2,3]]");
  }
}

TEST_F(Input, UnknownArgumentsAreNamedBeforeWhatFollowsFromThem) {
  const std::pair<Arguments, std::string> bads[] = {
      {{"frob"}, "there is no command 'frob'"},
      {{"--frob"}, "there is no option --frob"},
      {{"plan", "-", "--slots", "4", "--gpu", "2"}, "there is no option --gpu"},
      {{"plan", "-", "--slots", "0", "--gpu=2", "--frob"}, "there is no option --gpu"},
      {{"plan", "-", "--slots", "4", "--gpus", "2", "-x"}, "there is no option -x"},
      {{"plan", "-", "frob", "--slots", "4", "--gpus", "2"}, "'frob' is one argument too many"},
      {{"info", "frob"}, "'frob' is one argument too many"},
      {{"score", "-", "--plans", "plan.json"}, "there is no option --plans"},
  };
  for (const auto& [arguments, sentence] : bads) expect_error(2, {"eplb: " + sentence + "\n"}, arguments, "[[1,2,3]]");
}

TEST_F(Input, IsRequiredOnlyWhereItIsMissing) {
  const std::pair<Arguments, std::string> bads[] = {
      {{"plan", "-", "--gpus", "2"}, "--slots or --slots-per-gpu is required"},
      {{"plan", "-", "--gpus", "2", "--slots", "0"}, "--slots is 0; it must be 1 to 65535"},
      {{"plan", "-", "--gpus", "2", "--slots", ""}, "--slots: '' is not a whole number in plain decimal"},
      {{"plan", "-", "--gpus", "2", "--slots-per-gpu", "0x2"},
       "the sum of --slots-per-gpu is 0; it must be 1 to 65535"},
      {{"plan", "-", "--slots", "4", "--gpus"}, "--gpus is given without a value"},
      {{"plan", "-", "--slots", "4", "--slots", "5", "--gpus", "2"}, "--slots is given more than once"},
      {{"generate", "--shape", "4x16"}, "--kind is required, or --list"},
      {{"generate", "--kind", "real"}, "--shape is required, or --list"},
  };
  for (const auto& [arguments, sentence] : bads) expect_error(2, {"eplb: " + sentence + "\n"}, arguments, "[[1,2,3]]");
}

/// Every option that is a number: what is none, and what is out of its range, in plain decimal.
TEST_F(Input, NumbersAreReadAsPeopleWriteThem) {
  const std::string most = "65535", int32 = std::to_string(INT32_MAX), int64 = std::to_string(INT64_MAX),
                    uint64 = std::to_string(UINT64_MAX);
  const Arguments plan = plan_arguments("none.npy"), pack = {"pack", "none.npy"},
                  generate = {"generate", "--shape", "none", "--kind", "real"};
  struct Number {
    Arguments command;
    std::string option, least, most;
  };
  const Number numbers[] = {
      {{"plan", "none.npy", "--gpus", "2"}, "--slots", "1", most},
      {{"plan", "none.npy", "--slots", "4"}, "--gpus", "1", most},
      {plan, "--experts", "1", most},
      {plan, "--nodes", "1", most},
      {plan, "--groups", "1", most},
      {plan, "--threads", "0", "1024"},
      {plan, "--seed", "0", uint64},
      {plan, "--repeat", "1", "1000000"},
      {plan, "--device", "0", int32},
      {plan, "--steps", "1", most},
      {plan, "--candidates", "1", most},
      {plan, "--max-swaps", "1", most},
      {plan, "--max-changes", "0", int32},
      {plan, "--max-changes-in-all", "0", int64},
      {pack, "--packs", "1", most},
      {{"score", "none.npy", "--plan", "none.json"}, "--gpus", "1", most},
      {generate, "--samples", "1", most},
      {generate, "--tokens", "1", "4294967296"},
      {generate, "--topk", "1", most},
      {generate, "--groups", "1", most},
      {generate, "--seed", "0", uint64},
  };
  const auto with = [](Arguments arguments, const std::string& option, const std::string& value) {
    arguments.insert(arguments.end(), {option, value});
    return arguments;
  };
  for (const auto& [command, option, least, largest] : numbers) {
    SCOPED_TRACE(command[0] + " " + option);
    for (const char* bad : {"010", "+1", "0x10", "1e2", "1.5", " 1", "", "-", "many"})
      expect_error(2, {"eplb: " + option + ": '" + bad + "' is not a whole number in plain decimal\n"},
                   with(command, option, bad));
    for (const std::string& bad : {std::string("-1"), std::string("99999999999999999999"), largest + "0"})
      expect_error(2, {"eplb: " + option + " is " + bad + "; it must be " + least + " to " + largest + "\n"},
                   with(command, option, bad));
    for (const std::string& good : {least, largest})
      EXPECT_NE(run(with(command, option, good)).err.find("none"), std::string::npos) << "what is wrong comes later";
  }
  for (const char* bad : {"0", "-0.5", "nan", "inf", "1e39"})
    expect_error(2, {std::string("eplb: --amplitude is ") + bad + "; it must be 0.000001 to 1000000\n"},
                 with(plan, "--amplitude", bad));
  expect_error(2, {"eplb: --amplitude: '0,5' is not a number in plain decimal\n"}, with(plan, "--amplitude", "0,5"));
}

TEST_F(Input, WhatIsQuotedIsTextAndShort) {
  const auto quoted = [&](const std::string& name, const std::string& contents) {
    write(name, contents);
    const Outcome outcome = run(plan_arguments(name));
    EXPECT_EQ(outcome.status, 1);
    EXPECT_LT(outcome.err.size(), 1000u);
    EXPECT_TRUE(std::all_of(outcome.err.begin(), outcome.err.end() - 1, [](unsigned char c) { return c >= ' '; }));
    return outcome.err;
  };
  std::string sequences;
  for (int i = 0; i < 100000; ++i) sequences += "\x1b[2J";
  EXPECT_NE(quoted("bad.csv", "1,2\n3,a" + sequences).find("line 2 has 'a\\x1b[2J"), std::string::npos);
  EXPECT_NE(quoted("bad.csv", "1,2\n3,a" + sequences).find("for expert 1, not a number"), std::string::npos);
  EXPECT_NE(quoted("bad.csv", "1,x\x9b\xc2\x9b\xff\u00e9\x7f").find("'x\\x9b\\xc2\\x9b\\xff\u00e9\\x7f'"),
            std::string::npos);
  const auto with_nul = [](const char* text) {
    std::string out = text;
    std::replace(out.begin(), out.end(), '0', '\0');
    return out;
  };
  EXPECT_NE(quoted("bad.csv", with_nul("0,1\n")).find("has the column '\\x00', which"), std::string::npos);
  EXPECT_NE(quoted("bad.csv", with_nul("5,10\n")).find("has '1\\x00' for expert 1, not a number"), std::string::npos);
  EXPECT_NE(quoted("bad.csv", "\xff\xfe" + with_nul("l0a0y0")).find("'\\xff\\xfel\\x00a\\x00"), std::string::npos);
  EXPECT_NE(
      quoted("bad.npy", Npy{.descr = with_nul("<i80x"), .shape = "(2, 3)", .data = ""}.text()).find("'<i8\\x00x', not"),
      std::string::npos);
  quoted("bad.json", "[[1," + std::string(1000000, '9') + "e9]]");
  quoted("bad.json", "{\"" + std::string(1000000, 'a') + "\": " + sequences);
  quoted("bad.npy", Npy{.descr = sequences, .shape = "(2, 3)", .data = "", .version = 2}.text());
  for (const std::string argument : {"\x1b[2J", "--\x1b[2J"})
    EXPECT_NE(run({argument}).err.find("\\x1b[2J"), std::string::npos);
}

TEST_F(Input, AnUnavailableBackendIsAnError) {
  const Json info = run_json({"info"});
  for (const Json& backend : info["backends"])
    if (!backend["available"].get<bool>())
      expect_error(1, {backend["reason"]}, {"plan", "-", "--slots", "4", "--gpus", "2", "--backend", backend["name"]},
                   "[[1,2,3]]");
}

}  // namespace
