// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

/// What a run of the tool left.
struct Outcome {
  int status;  ///< Exit status; -1: ended by a signal.
  std::string out;
  std::string err;
};

/// Runs the tool in @p directory, with its stdout on @p device if one is given.
Outcome run_tool(const std::filesystem::path& directory, const Arguments& arguments, const std::string& input = "",
                 const std::filesystem::path& device = "");

/// Not every container has pseudo-terminals.
bool can_open_terminal();

/// Runs the tool with a terminal as stdin, stdout and stderr; all that it shows is in Outcome::out. As soon
/// as that holds @p awaited, Ctrl-C is pressed, unless @p awaited is empty.
Outcome run_tool_on_terminal(const std::filesystem::path& directory, const Arguments& arguments,
                             const std::string& awaited = "");

/// Has a directory of its own, in which the tool runs.
class ToolTest : public testing::Test {
 protected:
  ToolTest();
  ~ToolTest() override;

  Outcome run(const Arguments& arguments, const std::string& input = "") {
    return run_tool(directory, arguments, input);
  }
  /// The JSON that a run which must succeed prints.
  Json run_json(const Arguments& arguments, const std::string& input = "");
  /// A run that must fail with @p status and one sentence that holds each of @p words.
  void expect_error(int status, const std::vector<std::string>& words, const Arguments& arguments,
                    const std::string& input = "");

  void write(const std::string& name, const std::string& contents) const;
  std::string read(const std::string& name) const;
  bool exists(const std::string& name) const { return std::filesystem::exists(directory / name); }

  std::filesystem::path directory;
};

/// [layers][experts] of unequal loads, others for another @p step.
Json some_loads(int layers, int experts, int step = 37);

/// An .npy file. Whatever is not to be as numpy writes it can be set.
struct Npy {
  std::string descr = "<i8";
  std::string shape;
  std::string data;
  std::string fortran_order = "False";
  int version = 1;

  std::string text() const;
};

/// The bytes of values, as an .npy file holds them.
template <class T>
std::string bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
