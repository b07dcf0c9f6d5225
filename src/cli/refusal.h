// SPDX-License-Identifier: MIT
// What the library refuses, told in the words of the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "error.h"

namespace eplb::cli {

struct RefusalInWords {
  std::string text;
  bool is_of_options;  ///< A mistake in the options of the command, not in the file.
};

/// With options of @p command in place of the fields that they set; a refusal of what no option says keeps its words.
RefusalInWords in_words_of(const CLI::App& command, const Refusal& refusal);

}  // namespace eplb::cli
