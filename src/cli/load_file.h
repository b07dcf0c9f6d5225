// SPDX-License-Identifier: MIT
// Files of loads: .npy, .json and .csv.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <variant>
#include <vector>

namespace eplb::cli {

/// Tokens of each expert: [samples][layers][experts].
struct Loads {
  std::string name;  ///< Of the file, for messages.
  std::int32_t samples = 1;
  std::int32_t layers = 0;
  std::int32_t experts = 0;
  std::variant<std::vector<std::int64_t>, std::vector<std::int32_t>, std::vector<float>, std::vector<double>> values;
};

/// The whole of a file, or of stdin for "-", without a byte order mark.
std::string read_text(const std::string& path);

/// Reads loads from a file, whose name says what it holds, or JSON from stdin for "-".
Loads read_loads(const std::string& path);

enum class LoadFormat { npy, json, csv };

/// What a file's name says it holds; throws Error if it does not say.
LoadFormat load_format(const std::string& path);

/// Writes loads that are int64.
void write_loads(std::ostream& out, const Loads& loads, LoadFormat format);

}  // namespace eplb::cli
