// SPDX-License-Identifier: MIT
// Options that several subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "library.h"
#include "output.h"

namespace eplb::cli {

using Choices = std::vector<std::pair<std::string, std::int32_t>>;

/// All strategies by name.
Choices strategy_choices();
/// The value of a name; throws a UsageError that lists the names there are.
std::int32_t choose(const Choices& choices, const std::string& option, const std::string& name);
/// An option whose value is one of the names in @p choices.
CLI::Option* add_choice(CLI::App& command, const std::string& option, std::int32_t& value, Choices choices,
                        const std::string& help);

/// An option whose value is a number from @p least to @p most, in plain decimal. T is std::int32_t, std::int64_t,
/// std::uint64_t or float.
template <class T>
CLI::Option* add_number(CLI::App& command, const std::string& option, T& value, std::type_identity_t<T> least,
                        std::type_identity_t<T> most, const std::string& help);

/// Refuses an empty name, which would be taken for none.
CLI::Validator file_name();

/// The file of loads.
void add_load_argument(CLI::App& command, std::string& file);
/// --axes.
void add_axes_option(CLI::App& command, LoadMeaning& meaning);
/// --experts.
void add_experts_option(CLI::App& command, LoadMeaning& meaning);
/// --first-layer and --layers.
void add_layer_options(CLI::App& command, LoadMeaning& meaning);
/// --counts-of.
void add_counts_option(CLI::App& command, std::string& plan);
/// --strategy.
void add_strategy_option(CLI::App& command, std::int32_t& strategy);
/// --format, one of @p formats, and --output.
void add_output_options(CLI::App& command, Output& output, const std::vector<std::string>& formats);

/// --seed, --threads, --repeat and the five choices that a strategy of one's own is mixed from.
void add_packing_options(CLI::App& command, Planning& planning);
/// --policy and --backend.
void add_placing_options(CLI::App& command, Planning& planning);
/// --slots, --gpus, --nodes and --groups, and those of add_gpu_options().
void add_shape_options(CLI::App& command, eplb_shape& shape);
/// Slots and gpus are those of --slots-per-gpu where --slots and --gpus do not say how many.
void complete_slots(const CLI::App& command, eplb_shape& shape);
/// complete_slots(), and throws unless slots and gpus have been given.
void require_shape(const CLI::App& command, eplb_shape& shape);
/// --slots-per-gpu, --speeds and --node-of-gpu.
void add_gpu_options(CLI::App& command, eplb_shape& shape);

/// A line for each strategy, for the end of a help text.
std::string strategies_help();
/// What a file of loads may hold, for the end of a help text.
std::string loads_help();

}  // namespace eplb::cli
