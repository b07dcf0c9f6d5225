// SPDX-License-Identifier: MIT
#include "options.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <numeric>

namespace eplb::cli {
namespace {

std::string joined(const Choices& choices, const std::string& separator) {
  std::string text;
  for (const auto& choice : choices) text += (text.empty() ? "" : separator) + choice.first;
  return text;
}

/// Checks without a say in the help text, where the option's description has it.
CLI::Validator silent(CLI::Validator validator) { return validator.description(""); }

/// An option whose value is a list, such as 9x31,8. The option keeps the list that it gives to `use`.
template <class T, class Use>
CLI::Option* add_list(CLI::App& command, const std::string& name, const std::string& help, const std::string& type,
                      Use use) {
  const auto list = std::make_shared<std::vector<T>>();
  return command
      .add_option_function<std::string>(
          name,
          [name, list, use](const std::string& text) {
            constexpr std::size_t most = 65535;
            list->clear();
            for (const std::string& item : CLI::detail::split(text, ',')) {
              const std::size_t x = item.find('x');
              T value{};
              std::size_t times = 1;
              if (!CLI::detail::lexical_cast(item.substr(0, x), value) ||
                  (x != item.npos && !CLI::detail::lexical_cast(item.substr(x + 1), times)) ||
                  times > most - std::min(most, list->size()))
                throw CLI::ValidationError(name, "'" + item + "' is neither a number nor of the form 9x31");
              list->insert(list->end(), times, value);
            }
            use(*list);
          },
          help)
      ->type_name(type);
}

/// A number of a layer in plain decimal.
std::int32_t read_layer(const std::string& option, const std::string& text) {
  constexpr std::int32_t most = 65535;
  std::int32_t layer = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), layer);
  if (status != std::errc() || end != text.data() + text.size() || layer < 0 || layer > most ||
      text != std::to_string(layer))
    throw CLI::ValidationError(option, "'" + text + "' is no number of a layer, 0 to 65535");
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
  throw CLI::ValidationError(option, "'" + name + "' is not one of " + joined(choices, ", "));
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

CLI::Validator not_negative() {
  return CLI::Validator(
      [](const std::string& text) { return text[0] == '-' ? text + " is less than 0" : std::string(); }, "");
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
              throw CLI::ValidationError("--axes", "'" + text + "' is no permutation of s,l,e");
            for (std::size_t i = 0; i < letters.size(); ++i)
              meaning.axes[i] = static_cast<LoadMeaning::Axis>(letters.find(given[i]));
          },
          "what the axes of an array are, the outermost first: s samples, l layers, e experts; without samples s is to "
          "be first; default s,l,e")
      ->type_name("A,A,A");
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
  command.add_option("--seed", planning.seed, "of strategies that draw random numbers; default 0")->type_name("S");
  command.add_option("--threads", options.num_threads, "of the cpu backend; default 0: all this process may use")
      ->type_name("T");
  command.add_option("--repeat", planning.repeat, "timed runs, of which the median is told; default 1")
      ->check(silent(CLI::PositiveNumber))
      ->type_name("R");

  const std::string search = "Of strategy search";
  command
      .add_option("--steps", options.search_steps,
                  "most steps in each layer; default 3 for each gpu, 4 with several samples")
      ->check(silent(CLI::PositiveNumber))
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
  command.add_option("--candidates", options.candidates, "attempts at each packing problem, at most 65535")
      ->check(silent(CLI::PositiveNumber))
      ->type_name("C")
      ->group(own);
  command.add_option("--amplitude", options.amplitude, "largest relative perturbation of a candidate, above 0")
      ->check(silent(CLI::PositiveNumber))
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
  command.add_option("--max-swaps", options.max_swaps, "most swaps in one attempt")
      ->check(silent(CLI::PositiveNumber))
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
  command.add_option("--device", planning.options.device, "CUDA device, as `eplb info` lists them; default the first")
      ->type_name("N")
      ->check(not_negative());
}

void add_shape_options(CLI::App& command, eplb_shape& shape) {
  command
      .add_option("--slots", shape.num_physical_experts,
                  "slots of a layer over all gpus, replicas included; default: those of --slots-per-gpu")
      ->type_name("P");
  command.add_option("--gpus", shape.num_gpus, "gpus over all nodes")->type_name("G");
  command.add_option("--nodes", shape.num_nodes, "nodes, within which gpus have fast links; default 1")->type_name("N");
  command.add_option("--groups", shape.num_groups, "router groups of consecutive experts; default 1")->type_name("K");
  add_gpu_options(command, shape);
}

void require_shape(const CLI::App& command, const eplb_shape& shape) {
  const std::string& name = command.get_name();
  if (shape.num_physical_experts == 0) throw CLI::RequiredError(name + ": --slots or --slots-per-gpu");
  if (command.get_option("--gpus")->count() == 0) throw CLI::RequiredError(name + ": --gpus");
}

void add_gpu_options(CLI::App& command, eplb_shape& shape) {
  const std::string gpus =
      "Gpus that are not alike (strategy search): a value for each, 9x31,8 for 31 times 9 and an 8";
  add_list<std::int32_t>(command, "--slots-per-gpu", "slots of each gpu, 0 for one that is dead or leaving", "P,..",
                         [&shape](const std::vector<std::int32_t>& slots) {
                           shape.slots_per_gpu = slots.data();
                           shape.slots_per_gpu_count = slots.size();
                           if (shape.num_physical_experts == 0)
                             shape.num_physical_experts = static_cast<std::int32_t>(std::min<std::int64_t>(
                                 std::accumulate(slots.begin(), slots.end(), std::int64_t{0}), INT32_MAX));
                         })
      ->group(gpus);
  add_list<float>(command, "--speeds", "relative speed of each gpu", "V,..",
                  [&shape](const std::vector<float>& speeds) {
                    shape.speed_of_gpu = speeds.data();
                    shape.speed_of_gpu_count = speeds.size();
                  })
      ->group(gpus);
  add_list<std::int32_t>(command, "--node-of-gpu", "node of each gpu, from 0", "N,..",
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

}  // namespace eplb::cli
