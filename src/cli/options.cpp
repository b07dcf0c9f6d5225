// SPDX-License-Identifier: MIT
// Options that commands share, read and checked in the user's words.
#include "options.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <numeric>

#include "error.h"

namespace eplb::cli {
namespace {

std::string joined(const Choices& choices, const std::string& separator) {
  std::string text;
  for (const auto& choice : choices) text += (text.empty() ? "" : separator) + choice.first;
  return text;
}

/// Checks without a say in the help text, where the option's description has it.
CLI::Validator silent(CLI::Validator validator) { return validator.description(""); }

template <class T>
std::string in_decimal(T value) {
  char digits[64];
  if constexpr (std::is_integral_v<T>)
    return {digits, std::to_chars(digits, std::end(digits), value).ptr};
  else
    return {digits, std::to_chars(digits, std::end(digits), value, std::chars_format::fixed).ptr};
}

/// Reads a number as people write it: 010, which C takes for 8, is an invalid argument, as are +1, 0x10 and 1e2.
template <class T>
std::errc read_number(const std::string& text, T& value) {
  const char* const end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, value);
  if constexpr (std::is_integral_v<T>) {
    const std::size_t first = text.starts_with('-') ? 1 : 0;
    if (text.size() == first || text.find_first_not_of("0123456789", first) != text.npos ||
        (text[first] == '0' && text.size() > 1))
      return std::errc::invalid_argument;
    return status == std::errc() ? status : std::errc::result_out_of_range;  // -1, where T has no sign
  }
  return stop == end ? status : std::errc::invalid_argument;
}

/// Of @p what, such as "--slots".
template <class T>
void check_range(const std::string& what, const std::string& text, std::errc status, T value, T least, T most) {
  if (status != std::errc() || !(value >= least && value <= most))
    throw UsageError(what + " is " + text + "; it must be " + in_decimal(least) + " to " + in_decimal(most));
}

/// A value for each gpu out of a list such as 9x31,8.
template <class T>
std::vector<T> read_list(const std::string& option, const std::string& text, T least, T most) {
  std::vector<T> list;
  for (const std::string& item : CLI::detail::split(text, ',')) {
    const std::size_t x = item.find('x'), room = largest_extent - std::min<std::size_t>(list.size(), largest_extent);
    T value{};
    std::size_t times = 1;
    const std::errc status = read_number(item.substr(0, x), value);
    if (status == std::errc::invalid_argument ||
        (x != item.npos && read_number(item.substr(x + 1), times) != std::errc()) || times > room)
      throw CLI::ValidationError(option, "'" + item + "' is neither a number nor of the form 9x31");
    check_range(option + " of gpu " + std::to_string(list.size()), item.substr(0, x), status, value, least, most);
    list.insert(list.end(), times, value);
  }
  return list;
}

/// An option whose value is such a list, with values from least to most. It keeps the list that it gives to `use`.
template <class T, class Use>
CLI::Option* add_list(CLI::App& command, const std::string& name, T least, T most, const std::string& help,
                      const std::string& type, Use use) {
  const auto list = std::make_shared<std::vector<T>>();
  return command
      .add_option_function<std::string>(
          name,
          [=](const std::string& text) {
            *list = read_list<T>(name, text, least, most);
            use(*list);
          },
          help)
      ->type_name(type);
}

/// A number of a layer in plain decimal.
std::int32_t read_layer(const std::string& option, const std::string& text) {
  constexpr std::int32_t most = largest_extent - 1;
  std::int32_t layer = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), layer);
  if (status != std::errc() || end != text.data() + text.size() || layer < 0 || layer > most ||
      text != std::to_string(layer))
    throw CLI::ValidationError(option, "'" + text + "' is no number of a layer, 0 to " + std::to_string(most));
  return layer;
}

Choices backend_choices() {
  Choices choices;
  for (std::int32_t backend = 0; backend < eplb_backend_count(); ++backend)
    choices.emplace_back(eplb_backend_name(backend), backend);
  return choices;
}

}  // namespace

Choices strategy_choices() {
  Choices choices;
  for (std::int32_t strategy = 0; strategy < eplb_strategy_count(); ++strategy)
    choices.emplace_back(eplb_strategy_name(strategy), strategy);
  return choices;
}

std::int32_t choose(const Choices& choices, const std::string& option, const std::string& name) {
  for (const auto& choice : choices)
    if (choice.first == name) return choice.second;
  throw UsageError(option + ": '" + name + "' is not one of " + joined(choices, ", "));
}

CLI::Option* add_choice(CLI::App& command, const std::string& option, std::int32_t& value, Choices choices,
                        const std::string& help) {
  const std::string names = joined(choices, "|");
  return command
      .add_option_function<std::string>(
          option,
          [&value, option, choices = std::move(choices)](const std::string& name) {
            value = choose(choices, option, name);
          },
          help)
      ->type_name(names);
}

template <class T>
CLI::Option* add_number(CLI::App& command, const std::string& option, T& value, std::type_identity_t<T> least,
                        std::type_identity_t<T> most, const std::string& help) {
  return command.add_option_function<std::string>(
      option,
      [=, &value](const std::string& text) {
        const std::errc status = read_number(text, value);
        if (status == std::errc::invalid_argument)
          throw UsageError(option + ": '" + text + "' is not a " + (std::is_integral_v<T> ? "whole " : "") +
                           "number in plain decimal");
        check_range(option, text, status, value, least, most);
      },
      help);
}

void add_load_argument(CLI::App& command, std::string& file) {
  command.add_option("file", file, "loads as .npy, JSON or CSV, whatever its name, or - for stdin")
      ->required()
      ->check(file_name())
      ->type_name("FILE");
}

CLI::Validator file_name() {
  return CLI::Validator(
      [](const std::string& name) { return name.empty() ? "the name of a file is empty" : std::string(); }, "");
}

void add_axes_option(CLI::App& command, LoadMeaning& meaning) {
  command
      .add_option_function<std::string>(
          "--axes",
          [&meaning](const std::string& text) {
            const std::string letters = "sle";
            std::string given;
            for (const std::string& item : CLI::detail::split(text, ',')) given += item.size() == 1 ? item : "?";
            if (!std::is_permutation(given.begin(), given.end(), letters.begin(), letters.end()))
              throw CLI::ValidationError("--axes",
                                         "'" + text + "' is no permutation of s,l,e; without samples s comes first");
            for (std::size_t i = 0; i < letters.size(); ++i)
              meaning.axes[i] = static_cast<LoadMeaning::Axis>(letters.find(given[i]));
          },
          "what the axes of an array are, the outermost first: s samples, l layers, e experts; without samples s is to "
          "be first; default s,l,e")
      ->type_name("A,A,A");
}

void add_experts_option(CLI::App& command, LoadMeaning& meaning) {
  add_number(
      command, "--experts", meaning.experts, 1, largest_extent,
      "experts of a layer: a CSV file with a line for each load need not name the last ones; default: as many as "
      "the file has")
      ->type_name("N");
}

void add_layer_options(CLI::App& command, LoadMeaning& meaning) {
  CLI::Option* first = command
                           .add_option_function<std::string>(
                               "--first-layer",
                               [&meaning](const std::string& text) {
                                 meaning.first_layer = read_layer("--first-layer", text);
                                 meaning.are_layers_numbered = true;
                               },
                               "the model's number of the first layer of the loads; the others follow; default 0")
                           ->type_name("N");
  command
      .add_option_function<std::string>(
          "--layers",
          [&meaning](const std::string& text) {
            meaning.are_layers_numbered = true;
            if (const std::size_t colon = text.find(':'); colon != text.npos) {
              meaning.first_layer = read_layer("--layers", text.substr(0, colon));
              meaning.layer_step = read_layer("--layers", text.substr(colon + 1));
              if (meaning.layer_step == 0)
                throw CLI::ValidationError("--layers", "a step of 0 leads to no other layer");
              return;
            }
            auto& numbers = meaning.layer_numbers;
            for (const std::string& item : CLI::detail::split(text, ',')) {
              numbers.push_back(read_layer("--layers", item));
              if (std::count(numbers.begin(), numbers.end(), numbers.back()) > 1)
                throw CLI::ValidationError("--layers", "layer " + item + " is there twice");
            }
          },
          "the same where they do not follow: FIRST:STEP, or the number of each")
      ->excludes(first)
      ->type_name("N,..");
}

void add_counts_option(CLI::App& command, std::string& plan) {
  command
      .add_option(
          "--counts-of", plan,
          "the file counts the slots of this placement: its loads are what the slots of each expert have in all")
      ->check(file_name())
      ->type_name("PLAN");
}

void add_strategy_option(CLI::App& command, std::int32_t& strategy) {
  add_choice(command, "--strategy", strategy, strategy_choices(), "how to plan, see below; default auto")
      ->type_name("NAME");
}

void add_output_options(CLI::App& command, Output& output, const std::vector<std::string>& formats) {
  std::string names;
  for (const std::string& format : formats) names += (names.empty() ? "" : "|") + format;
  command.add_option("--format", output.format, "default: table on a terminal, json otherwise")
      ->check(silent(CLI::IsMember(formats)))
      ->type_name(names);
  command.add_option("--output", output.path, "write to this file, completely or not at all; default, or -: stdout")
      ->check(file_name())
      ->type_name("FILE");
}

void add_packing_options(CLI::App& command, Planning& planning) {
  eplb_options& options = planning.options;
  options.num_threads = 0;
  add_number<std::uint64_t>(command, "--seed", planning.seed, 0, UINT64_MAX,
                            "of strategies that draw random numbers; default 0")
      ->type_name("S");
  add_number(command, "--threads", options.num_threads, 0, 1024,
             "of the cpu backend; default 0: all this process may use")
      ->type_name("T");
  add_number(command, "--repeat", planning.repeat, 1, 1000000, "timed runs, of which the median is told; default 1")
      ->type_name("R");

  const std::string search = "Of strategy search";
  add_number(command, "--steps", options.search_steps, 1, largest_extent,
             "most steps in each layer; default 3 for each gpu, 4 with several samples")
      ->type_name("N")
      ->group(search);
  add_choice(command, "--samples", options.samples, {{"each", EPLB_SAMPLES_EACH}, {"sum", EPLB_SAMPLES_SUM}},
             "plan for each sample of the loads, or for their sum; default each")
      ->group(search);
  add_choice(command, "--objective", options.objective,
             {{"power4", EPLB_OBJECTIVE_POWER4}, {"power32", EPLB_OBJECTIVE_POWER32}},
             "power of a gpu's load that counts; default power4 for one sample, power32 for several")
      ->group(search);
  command
      .add_flag_callback(
          "--allow-duplicates", [&options] { options.duplicates = EPLB_DUPLICATES_ALLOW; },
          "two replicas of an expert may be on one gpu")
      ->group(search);

  const std::string own = "A strategy of your own (replaces what the strategy has)";
  add_choice(command, "--initial", options.initial, {{"lpt", EPLB_INITIAL_LPT}, {"zigzag", EPLB_INITIAL_ZIGZAG}},
             "first packing")
      ->group(own);
  add_number(command, "--candidates", options.candidates, 1, largest_extent,
             "attempts at each packing problem, at most 65535")
      ->type_name("C")
      ->group(own);
  add_number(command, "--amplitude", options.amplitude, 0.000001f, 1000000.0f,
             "largest relative perturbation of a candidate, above 0")
      ->type_name("A")
      ->group(own);
  add_choice(command, "--amplitude-form", options.amplitude_form,
             {{"constant", EPLB_AMPLITUDE_CONSTANT}, {"linear", EPLB_AMPLITUDE_LINEAR}},
             "same for all candidates, or growing")
      ->group(own);
  add_choice(command, "--swap-scope", options.swap_scope,
             {{"none", EPLB_SWAP_NONE},
              {"heaviest-lightest", EPLB_SWAP_HEAVIEST_LIGHTEST},
              {"heaviest-any", EPLB_SWAP_HEAVIEST_ANY},
              {"any-any", EPLB_SWAP_ANY_ANY}},
             "packs (gpus) between which two items (replicas) may change places")
      ->group(own);
  add_number(command, "--max-swaps", options.max_swaps, 1, largest_extent, "most swaps in one attempt")
      ->type_name("N")
      ->group(own);
  add_choice(command, "--selection", options.selection,
             {{"max-load", EPLB_SELECTION_MAX_LOAD}, {"spread", EPLB_SELECTION_SPREAD}},
             "best candidate: lowest peak, or least difference of heaviest and lightest")
      ->group(own);
}

void add_placing_options(CLI::App& command, Planning& planning) {
  add_choice(command, "--policy", planning.options.policy,
             {{"auto", EPLB_POLICY_AUTO}, {"hierarchical", EPLB_POLICY_HIERARCHICAL}, {"global", EPLB_POLICY_GLOBAL}},
             "whether groups stay on nodes; default auto: if groups divide by nodes");
  add_choice(command, "--backend", planning.options.backend, backend_choices(), "where to compute; default auto: cpu");
  add_number(command, "--device", planning.options.device, 0, INT32_MAX,
             "CUDA device, as `eplb info` lists them; default the first")
      ->type_name("N");
}

void add_shape_options(CLI::App& command, eplb_shape& shape) {
  add_number(command, "--slots", shape.num_physical_experts, 1, largest_extent,
             "slots of a layer over all gpus, replicas included; default: those of --slots-per-gpu")
      ->type_name("P");
  add_number(command, "--gpus", shape.num_gpus, 1, largest_extent,
             "gpus over all nodes; default: those of --slots-per-gpu")
      ->type_name("G");
  add_number(command, "--nodes", shape.num_nodes, 1, largest_extent,
             "nodes, within which gpus have fast links; default 1")
      ->type_name("N");
  add_number(command, "--groups", shape.num_groups, 1, largest_extent,
             "router groups of consecutive experts; default 1")
      ->type_name("K");
  add_gpu_options(command, shape);
}

void complete_slots(const CLI::App& command, eplb_shape& shape) {
  if (command.count("--gpus") == 0) shape.num_gpus = static_cast<std::int32_t>(shape.slots_per_gpu_count);
  if (command.count("--slots") > 0 || command.count("--slots-per-gpu") == 0) return;
  shape.num_physical_experts = static_cast<std::int32_t>(
      std::min(std::accumulate(shape.slots_per_gpu, shape.slots_per_gpu + shape.slots_per_gpu_count, std::int64_t{0}),
               std::int64_t{INT32_MAX}));
}

void require_shape(const CLI::App& command, eplb_shape& shape) {
  complete_slots(command, shape);
  if (command.count("--slots") == 0 && command.count("--slots-per-gpu") == 0)
    throw UsageError("--slots or --slots-per-gpu is required");
  if (shape.num_gpus == 0) throw UsageError("--gpus is required");
}

void add_gpu_options(CLI::App& command, eplb_shape& shape) {
  const std::string gpus =
      "Gpus that are not alike (strategy search): a value for each, 9x31,8 for 31 times 9 and an 8";
  add_list<std::int32_t>(command, "--slots-per-gpu", 0, largest_extent,
                         "slots of each gpu, 0 for one that is dead or leaving", "P,..",
                         [&shape](const std::vector<std::int32_t>& slots) {
                           shape.slots_per_gpu = slots.data();
                           shape.slots_per_gpu_count = slots.size();
                         })
      ->group(gpus);
  add_list<float>(command, "--speeds", 0.001f, 1000.0f, "relative speed of each gpu", "V,..",
                  [&shape](const std::vector<float>& speeds) {
                    shape.speed_of_gpu = speeds.data();
                    shape.speed_of_gpu_count = speeds.size();
                  })
      ->group(gpus);
  add_list<std::int32_t>(command, "--node-of-gpu", 0, largest_extent - 1, "node of each gpu, from 0", "N,..",
                         [&shape](const std::vector<std::int32_t>& nodes) {
                           shape.node_of_gpu = nodes.data();
                           shape.node_of_gpu_count = nodes.size();
                         })
      ->group(gpus);
}

std::string strategies_help() {
  std::string text = "Strategies:\n";
  for (const auto& [name, value] : strategy_choices()) {
    const std::string padding(name.size() < 22 ? 22 - name.size() : 1, ' ');
    text.append("  ").append(name).append(padding).append(eplb_strategy_description(value)).append("\n");
  }
  return text + "\n";
}

std::string loads_help() {
  return "Loads are tokens of each expert, [layers][experts] or [samples][layers][experts]. A file of them is\n"
         "  .npy   an array\n"
         "  .json  such lists, or an object with one as \"logical_count\", as SGLang records it, or with a\n"
         "         \"load_history\"; with --counts-of also one with \"physical_count\"\n"
         "  .csv   a line of numbers for each layer: 5,1,9; or, below a line of names, the same behind its layer, and\n"
         "         sample if there are several: layer,expert0,expert1; or a line for each load: layer,expert,count\n";
}

template CLI::Option* add_number(CLI::App&, const std::string&, std::int32_t&, std::int32_t, std::int32_t,
                                 const std::string&);
template CLI::Option* add_number(CLI::App&, const std::string&, std::int64_t&, std::int64_t, std::int64_t,
                                 const std::string&);
template CLI::Option* add_number(CLI::App&, const std::string&, std::uint64_t&, std::uint64_t, std::uint64_t,
                                 const std::string&);
template CLI::Option* add_number(CLI::App&, const std::string&, float&, float, float, const std::string&);

}  // namespace eplb::cli
