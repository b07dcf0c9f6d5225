// SPDX-License-Identifier: MIT
// Files of loads: what they hold is seen from their contents.
#pragma once

#include <array>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "file_array.h"

namespace eplb::cli {

/// Tokens of each expert: [samples][layers][experts].
struct Loads {
  std::string name;  ///< Of the file, for messages.
  std::int32_t samples = 1;
  std::int32_t layers = 0;
  std::int32_t experts = 0;
  Values values;
  std::vector<std::int32_t> layer_numbers;  ///< [layers] What the model calls them.
};

/// What a file does not say itself.
struct LoadMeaning {
  enum Axis : std::size_t { sample, layer, expert };
  std::array<Axis, 3> axes = {sample, layer, expert};  ///< The outermost first.
  std::int32_t experts = 0;                            ///< 0: those of the file.
  bool is_of_slots = false;                            ///< They are counts of a placement's slots, not yet loads.

  bool are_layers_numbered = false;
  std::int32_t first_layer = 0;             ///< The model's number of the first layer.
  std::int32_t layer_step = 1;              ///< From one to the next.
  std::vector<std::int32_t> layer_numbers;  ///< Instead of these two, unless it is empty.
};

/// The whole of a file, or of stdin for "-", without a byte order mark.
std::string read_text(const std::string& path);

/// Reads loads from a file, or from stdin for "-".
Loads read_loads(const std::string& path, const LoadMeaning& meaning = {});

enum class LoadFormat { npy, json, csv };

/// The format of a file to be written, by its name; throws Error if it does not say.
LoadFormat load_format(const std::string& path);

/// Writes loads that are int64.
void write_loads(std::ostream& out, const Loads& loads, LoadFormat format);

}  // namespace eplb::cli
