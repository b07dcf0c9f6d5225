// SPDX-License-Identifier: MIT
// The commands of the tool.
#pragma once

#include <CLI/CLI.hpp>

namespace eplb::cli {

// Each adds a subcommand: its options, its help, and what it does.
void add_plan(CLI::App& app);
void add_pack(CLI::App& app);
void add_score(CLI::App& app);
void add_compare(CLI::App& app);
void add_generate(CLI::App& app);
void add_info(CLI::App& app);

}  // namespace eplb::cli
