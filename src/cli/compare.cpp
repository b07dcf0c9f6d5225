// SPDX-License-Identifier: MIT
// eplb compare: every strategy on the same loads.
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "commands.h"
#include "error.h"
#include "library.h"
#include "load_file.h"
#include "options.h"
#include "output.h"
#include "plan_file.h"
#include "refusal.h"
#include "table.h"

namespace eplb::cli {
namespace {

struct CompareCommand {
  std::vector<std::string> files;
  LoadMeaning meaning;
  std::string counts_of;
  std::vector<std::string> strategies;
  bool are_named = false;  // the strategies; otherwise they are all there are
  eplb_shape shape = defaults(eplb_shape_init);
  Planning planning;
  Output output;
  const CLI::App* app = nullptr;

  void run();

 private:
  /// A strategy that cannot plan this.
  struct LeftOut {
    std::string name;
    Refusal why;
  };

  std::vector<Loads> read_all();
  Plan plan(const Loads& loads, const std::string& strategy);
  void compare_strategies(const Loads& loads);
  void compare_files(const std::vector<Loads>& loads);
};

std::vector<Loads> CompareCommand::read_all() {
  std::vector<std::string> inputs = files;
  inputs.push_back(counts_of);
  output.check(inputs);
  std::vector<Loads> all;
  for (const std::string& file : files) {
    all.push_back(read_loads(file, meaning, counts_of));
    const Loads &first = all.front(), &last = all.back();
    if (last.layers != first.layers || last.experts != first.experts)
      fail(last.name, "has " + count(last.layers, "layer") + " x " + count(last.experts, "expert") + ", but " +
                          first.name + " has " + std::to_string(first.layers) + " x " + std::to_string(first.experts));
  }
  return all;
}

void CompareCommand::run() {
  const std::vector<Loads> loads = read_all();
  shape.num_layers = loads.front().layers;
  shape.num_logical_experts = loads.front().experts;
  if (strategies.empty() && loads.size() > 1) strategies = {"auto"};
  are_named = !strategies.empty();
  if (!are_named)
    for (const auto& choice : strategy_choices()) strategies.push_back(choice.first);
  if (loads.size() == 1)
    compare_strategies(loads.front());
  else
    compare_files(loads);
}

Plan CompareCommand::plan(const Loads& loads, const std::string& strategy) {
  planning.options.strategy = choose(strategy_choices(), "--strategy", strategy);
  return make_plan(shape, planning, loads);
}

/// The plan of a strategy under the name it was asked for, such as auto.
struct Entry {
  std::string name;
  Plan plan;
};

/// What the model calls the worst layer of a plan that has one.
std::int32_t number_of_worst(const Plan& plan, const Loads& loads) {
  return loads.layer_numbers[static_cast<std::size_t>(plan.balance.worst_layer)];
}

void print_table(std::ostream& out, const std::vector<Entry>& entries, const Loads& loads) {
  Table table("lrrrrrr");
  table.row({"strategy", "balancedness", "worst layer", "its number", "duplicates", "most replicas", "ms"});
  for (const auto& [name, plan] : entries)
    table.row({name == plan.strategy ? name : name + " = " + plan.strategy, fixed(plan.balance.balancedness, 4),
               fixed(plan.balance.balancedness_min, 4),
               plan.balance.worst_layer < 0 ? "" : std::to_string(number_of_worst(plan, loads)),
               std::to_string(plan.balance.duplicates), std::to_string(plan.balance.max_replica_count),
               fixed(plan.plan_ms, 3)});
  table.print(out);
}

nlohmann::ordered_json results_of(const std::vector<Entry>& entries, const Loads& loads) {
  auto results = nlohmann::ordered_json::array();
  for (const auto& [name, plan] : entries) {
    results.push_back({{"strategy", name},
                       {"resolved", plan.strategy},
                       {"balancedness", plan.balance.balancedness},
                       {"balancedness_min", plan.balance.balancedness_min},
                       {"worst_layer", nullptr},
                       {"duplicates", plan.balance.duplicates},
                       {"max_replica_count", plan.balance.max_replica_count},
                       {"plan_ms", plan.plan_ms}});
    if (plan.balance.worst_layer >= 0) results.back()["worst_layer"] = number_of_worst(plan, loads);
  }
  return results;
}

void CompareCommand::compare_strategies(const Loads& loads) {
  std::vector<Entry> entries;
  std::vector<LeftOut> left_out;
  for (const std::string& name : strategies) {
    try {
      entries.push_back({name, plan(loads, name)});
    } catch (const Refusal& refusal) {
      if (are_named) throw;
      left_out.push_back({name, refusal});
    }
  }
  if (entries.empty()) throw Refusal(left_out.front().why);
  output.write([&](std::ostream& out) {
    if (output.is_table()) {
      out << loads.name << '\n' << as_text(shape) << "\n\n";
      print_table(out, entries, loads);
      if (!left_out.empty()) out << "\nleft out, as they cannot plan this:\n";
      for (const auto& [name, why] : left_out) out << "  " << name << ": " << in_words_of(*app, why).text << '\n';
    } else {
      auto others = nlohmann::ordered_json::object();
      for (const auto& [name, why] : left_out) others[name] = in_words_of(*app, why).text;
      JsonObject json(out);
      json.field("shape", as_json(shape, loads.samples));
      json.field("file", loads.name);
      json.field("seed", planning.seed);
      json.field("results", results_of(entries, loads));
      json.field("left_out", others);
    }
  });
}

/// Balancedness of the plans made for each of the files (rows) under the loads of each (columns).
struct Matrix {
  std::string strategy;
  std::vector<std::vector<double>> balancedness;
};

void print_table(std::ostream& out, const Matrix& matrix) {
  const std::size_t size = matrix.balancedness.size();
  Table table(std::string(size + 1, 'r'));
  std::vector<std::string> header = {""};
  for (std::size_t i = 1; i <= size; ++i) header.push_back(std::to_string(i));
  table.row(header);
  for (std::size_t i = 0; i < size; ++i) {
    std::vector<std::string> cells = {std::to_string(i + 1)};
    for (const double value : matrix.balancedness[i]) cells.push_back(fixed(value, 4));
    table.row(cells);
  }
  out << '\n' << matrix.strategy << '\n';
  table.print(out);
}

void CompareCommand::compare_files(const std::vector<Loads>& loads) {
  std::vector<Matrix> matrices;
  for (const std::string& strategy : strategies) {
    auto& rows = matrices.emplace_back(Matrix{strategy, {}}).balancedness;
    for (const Loads& planned_on : loads) {
      const Placement placement = plan(planned_on, strategy).placement;
      rows.emplace_back();
      for (const Loads& scored_on : loads)
        rows.back().push_back(score(shape, scored_on, placement, scored_on.name).balancedness);
    }
  }
  output.write([&](std::ostream& out) {
    if (output.is_table()) {
      out << as_text(shape) << "\nbalancedness of the plan for the load of the row, under that of the column:\n";
      for (std::size_t i = 0; i < loads.size(); ++i) out << "  " << i + 1 << "  " << loads[i].name << '\n';
      for (const Matrix& matrix : matrices) print_table(out, matrix);
    } else {
      auto results = nlohmann::ordered_json::array();
      for (const Matrix& matrix : matrices)
        results.push_back({{"strategy", matrix.strategy}, {"balancedness", matrix.balancedness}});
      JsonObject json(out);
      json.field("shape", as_json(shape));
      json.field("files", files);
      json.field("seed", planning.seed);
      json.field("results", results);
    }
  });
}

}  // namespace

void add_compare(CLI::App& app) {
  const auto command = std::make_shared<CompareCommand>();
  CLI::App& compare = *app.add_subcommand("compare", "Compare strategies on a load, or a plan on several loads");
  command->app = &compare;
  compare
      .add_option("files", command->files, "loads; with several, a placement is planned for each and judged under all")
      ->required()
      ->check(file_name())
      ->type_name("FILE");
  add_axes_option(compare, command->meaning);
  add_experts_option(compare, command->meaning);
  add_layer_options(compare, command->meaning);
  add_counts_option(compare, command->counts_of);
  add_shape_options(compare, command->shape);
  add_placing_options(compare, command->planning);
  compare
      .add_option("--strategy", command->strategies,
                  "one or more, see below; default: all that can plan this, or auto with several files")
      ->check([](const std::string& name) {
        choose(strategy_choices(), "--strategy", name);
        return std::string();
      })
      ->type_name("NAME");
  add_packing_options(compare, command->planning);
  add_output_options(compare, command->output, {"table", "json"});
  compare.footer(strategies_help() + loads_help() +
                 "Examples:\n"
                 "  eplb compare loads.npy --slots 288 --gpus 32 --repeat 9\n"
                 "  eplb compare monday.npy tuesday.npy --slots 288 --gpus 32 --strategy lpt --strategy lpt-swap-l2");
  compare.callback([command, &compare] {
    require_shape(compare, command->shape);
    command->run();
  });
}

}  // namespace eplb::cli
