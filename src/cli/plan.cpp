// SPDX-License-Identifier: MIT
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "balance_report.h"
#include "commands.h"
#include "error.h"
#include "library.h"
#include "load_file.h"
#include "options.h"
#include "output.h"
#include "plan_file.h"
#include "table.h"

namespace eplb::cli {
namespace {

struct PlanCommand {
  std::string file;
  LoadMeaning meaning;
  std::string counts_of;
  eplb_shape shape = defaults(eplb_shape_init);
  Planning planning;
  std::string current;
  Output output;

  void run();

 private:
  PlanFile current_plan;

  void read_current(const Loads& loads);
  void print_json(std::ostream& out, const Loads& loads, const Plan& plan) const;
  void print_table(std::ostream& out, const Loads& loads, const Plan& plan) const;
};

void PlanCommand::run() {
  const EngineFormat* const engine = find_engine_format(output.format);
  output.check({file, counts_of, current}, engine && engine->is_npy);
  const Loads loads = read_loads(file, meaning, counts_of);
  shape.num_layers = loads.layers;
  shape.num_logical_experts = loads.experts;
  if (!current.empty()) read_current(loads);
  if (engine) check_can_hold(*engine, shape);
  const bool is_json = !output.is_table() && (output.format.empty() || output.format == "json");
  const Plan plan = make_plan(shape, planning, loads, is_json);

  output.write([&](std::ostream& out) {
    if (output.is_table()) {
      print_table(out, loads, plan);
    } else if (engine) {
      engine->write(out, shape, plan.placement, loads);
    } else {
      print_json(out, loads, plan);
    }
  });
}

void PlanCommand::read_current(const Loads& loads) {
  current_plan = read_plan(current, loads);
  check_experts(current_plan, loads);
  adopt_gpus(shape, current_plan);
  if (shape.num_gpus == 0) throw UsageError("--gpus is needed, as " + current + " does not say how many there are");
  if (current_plan.slots != shape.num_physical_experts)
    fail(current, "has " + count(current_plan.slots, "slot") + ", but there are to be " +
                      std::to_string(shape.num_physical_experts));
  check_slots(current_plan, shape);
  planning.current_name = current;
  planning.current = current_plan.placement.physical_to_logical;
}

void PlanCommand::print_json(std::ostream& out, const Loads& loads, const Plan& plan) const {
  const Placement& placement = plan.placement;
  const Balance& balance = plan.balance;
  JsonObject json(out);
  json.field("shape", as_json(shape, loads.samples));
  json.field("strategy", plan.strategy);
  json.field("policy", plan.policy);
  json.field("backend", plan.backend);
  json.field("seed", planning.seed);
  json.matrix("physical_to_logical", placement.physical_to_logical, shape.num_layers);
  json.matrix("replica_rank", placement.replica_rank, shape.num_layers);
  json.matrix("replica_count", placement.replica_count, shape.num_layers);
  json.matrix("logical_to_physical", placement.logical_to_physical, shape.num_layers, placement.max_replicas);
  nlohmann::ordered_json stats = as_json(balance);
  stats["plan_ms"] = plan.plan_ms;
  json.field("stats", stats);
}

void PlanCommand::print_table(std::ostream& out, const Loads& loads, const Plan& plan) const {
  out << loads.name << '\n' << as_text(shape);
  if (loads.samples > 1) out << ", " << count(loads.samples, "sample");
  out << '\n'
      << plan.strategy << ", " << plan.policy << ", on " << plan.backend << ", seed " << planning.seed << ": "
      << fixed(plan.plan_ms, 3) << " ms\n\n";
  const Balance before = score_experts_in_order(shape, loads);
  BalanceReport{.before = before,
                .after = plan.balance,
                .gpus = shape.num_gpus,
                .samples = loads.samples,
                .has_changes = !planning.current.empty()}
      .print(out);
}

}  // namespace

void add_plan(CLI::App& app) {
  const auto command = std::make_shared<PlanCommand>();
  CLI::App& plan = *app.add_subcommand("plan", "Plan a placement for a load");
  add_load_argument(plan, command->file);
  add_axes_option(plan, command->meaning);
  add_layer_options(plan, command->meaning);
  add_counts_option(plan, command->counts_of);
  add_shape_options(plan, command->shape);
  add_placing_options(plan, command->planning);
  add_strategy_option(plan, command->planning.options.strategy);
  add_packing_options(plan, command->planning);
  const std::string moving = "From a placement (strategy search)";
  plan.add_option("--current", command->current,
                  "the placement there is, in any format that plan writes, -1 for an empty slot: change what pays; "
                  "gpus and slots are as it says unless they are given")
      ->check(file_name())
      ->type_name("PLAN")
      ->group(moving);
  plan.add_option("--max-changes", command->planning.max_changes,
                  "most slots of a layer that may change; 0: keep the placement, and judge it; default: any number")
      ->check(not_negative())
      ->type_name("B")
      ->group(moving);
  plan.add_option("--max-changes-in-all", command->planning.max_changes_in_all,
                  "most slots of all layers that may change; default: any number")
      ->check(not_negative())
      ->type_name("B")
      ->group(moving);
  std::vector<std::string> formats = {"table", "json"};
  for (const EngineFormat& format : engine_formats()) formats.push_back(format.name);
  add_output_options(plan, command->output, formats);
  plan.footer(strategies_help() +
              "Loads are tokens of each expert, [layers][experts] or [samples][layers][experts].\n"
              "Examples:\n"
              "  eplb plan loads.npy --slots 288 --gpus 32 --nodes 4 --groups 8\n"
              "  eplb plan loads.npy --slots 288 --gpus 32 --strategy lpt-swap-any --output plan.json\n"
              "  eplb plan now.npy --slots 288 --gpus 32 --current plan.json --max-changes 32 --output next.json\n"
              "  eplb plan loads.npy --slots-per-gpu 9x31,0 --gpus 32 --speeds 1x16,0.5x16\n"
              "  eplb plan counts.json --slots 288 --gpus 32 --first-layer 3 --format sglang --output "
              "placement.json");
  plan.callback([command, &plan] {
    if (command->current.empty()) require_shape(plan, command->shape);
    command->run();
  });
}

}  // namespace eplb::cli
