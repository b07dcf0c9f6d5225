// SPDX-License-Identifier: MIT
// eplb plan: a placement for loads.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
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
  std::optional<double> other_balancedness_if_global(const Loads& loads, const Plan& plan) const;
  void print_json(std::ostream& out, const Loads& loads, const Plan& plan, std::optional<double> global) const;
  void print_table(std::ostream& out, const Loads& loads, const Plan& plan, std::optional<double> global) const;
};

/// "hierarchical .850, global .992".
std::string both_policies(const Plan& hierarchical, double global) {
  const auto text = [](double value) { return value < 0.9995 ? fixed(value, 3).substr(1) : fixed(value, 3); };
  return "hierarchical " + text(hierarchical.balance.balancedness) + ", global " + text(global);
}

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
  const std::optional<double> global = other_balancedness_if_global(loads, plan);

  output.write([&](std::ostream& out) {
    if (output.is_table()) {
      print_table(out, loads, plan, global);
    } else if (engine) {
      engine->write(out, shape, plan.placement, loads);
    } else {
      print_json(out, loads, plan, global);
    }
  });
  if (global && !output.is_table() && !(is_json && output.path.empty()))
    std::cerr << "eplb: " << both_policies(plan, *global) << '\n';
}

/// A placement on other gpus, which are the same by number: a gpu keeps its first slots, as many as it has now, and
/// further ones are empty.
std::vector<std::int32_t> move_to_gpus(const std::vector<std::int32_t>& expert_in_slot,
                                       const std::vector<std::int32_t>& slots_before,
                                       const std::vector<std::int32_t>& slots_now) {
  std::vector<std::int32_t> out;
  for (auto slot = expert_in_slot.begin(); slot != expert_in_slot.end();)
    for (std::size_t gpu = 0; gpu < std::max(slots_before.size(), slots_now.size()); ++gpu) {
      const std::int32_t before = gpu < slots_before.size() ? slots_before[gpu] : 0;
      const std::int32_t now = gpu < slots_now.size() ? slots_now[gpu] : 0;
      out.insert(out.end(), slot, slot + std::min(before, now));
      out.insert(out.end(), static_cast<std::size_t>(std::max(now - before, 0)), -1);
      slot += before;
    }
  return out;
}

void PlanCommand::read_current(const Loads& loads) {
  current_plan = read_plan(current, loads);
  check_experts(current_plan, loads);
  if (shape.num_gpus != 0 && current_plan.gpus != 0 && shape.num_gpus != current_plan.gpus &&
      shape.num_physical_experts == 0)
    throw UsageError(current + " has " + count(current_plan.slots, "slot") + " on " + count(current_plan.gpus, "gpu") +
                     ", but --gpus is " + std::to_string(shape.num_gpus) + "; give --slots or --slots-per-gpu as well");
  adopt_gpus(shape, current_plan);
  if (shape.num_gpus == 0) throw UsageError("--gpus is needed, as " + current + " does not say how many there are");
  auto error = defaults(eplb_error_init);  // whether these gpus can be, before a placement is moved to them
  check(eplb_memory_needed(&shape, &planning.options, nullptr, nullptr, &error), error, loads.name,
        planning.options.strategy);
  check_cut(current_plan, shape);
  if (current_plan.gpus == 0 && current_plan.slots != shape.num_physical_experts)
    fail(current, "has " + count(current_plan.slots, "slot") +
                      " and does not say on how many gpus, but there are to be " +
                      std::to_string(shape.num_physical_experts) +
                      "; as json or ascend it would say them, and can be moved to others");
  const std::vector<std::int32_t> now = slots_of_gpus(shape);
  planning.start_from(move_to_gpus(current_plan.placement.physical_to_logical,
                                   current_plan.gpus == 0 ? now : current_plan.slots_of_gpus(), now),
                      loads.layers, current);
}

/// Balancedness of a global plan in place of a hierarchical one, if that is another.
std::optional<double> PlanCommand::other_balancedness_if_global(const Loads& loads, const Plan& plan) const {
  if (plan.policy != "hierarchical") return {};
  Planning global = planning;
  global.options.policy = EPLB_POLICY_GLOBAL;
  global.repeat = 1;
  const double balancedness = make_plan(shape, global, loads).balance.balancedness;
  return std::abs(balancedness - plan.balance.balancedness) > 0.01 ? std::optional(balancedness) : std::nullopt;
}

void PlanCommand::print_json(std::ostream& out, const Loads& loads, const Plan& plan,
                             std::optional<double> global) const {
  const Placement& placement = plan.placement;
  const Balance& balance = plan.balance;
  JsonObject json(out);
  json.field("shape", as_json(shape, loads.samples));
  json.field("strategy", plan.strategy);
  json.field("policy", plan.policy);
  if (global) json.field("balancedness_by_policy", {{"hierarchical", plan.balance.balancedness}, {"global", *global}});
  json.field("backend", plan.backend);
  json.field("seed", planning.seed);
  json.field("layer_numbers", loads.layer_numbers);
  json.matrix("physical_to_logical", placement.physical_to_logical, shape.num_layers);
  json.matrix("replica_rank", placement.replica_rank, shape.num_layers);
  json.matrix("replica_count", placement.replica_count, shape.num_layers);
  json.matrix("logical_to_physical", placement.logical_to_physical, shape.num_layers, placement.max_replicas);
  nlohmann::ordered_json stats = as_json(balance, shape, loads.layer_numbers);
  stats["plan_ms"] = plan.plan_ms;
  json.field("stats", stats);
}

void PlanCommand::print_table(std::ostream& out, const Loads& loads, const Plan& plan,
                              std::optional<double> global) const {
  out << loads.name << '\n' << as_text(shape);
  if (loads.samples > 1) out << ", " << count(loads.samples, "sample");
  out << '\n'
      << plan.strategy << ", " << plan.policy << ", on " << plan.backend << ", seed " << planning.seed << ": "
      << fixed(plan.plan_ms, 3) << " ms\n";
  if (global) out << "balancedness: " << both_policies(plan, *global) << '\n';
  out << '\n';
  const Balance before =
      score_incomplete(shape, loads, planning.current.empty() ? experts_in_order(shape) : planning.current);
  BalanceReport{.before = before,
                .after = plan.balance,
                .shape = shape,
                .layer_numbers = loads.layer_numbers,
                .has_changes = !planning.current.empty()}
      .print(out);
}

}  // namespace

void add_plan(CLI::App& app) {
  const auto command = std::make_shared<PlanCommand>();
  CLI::App& plan = *app.add_subcommand("plan", "Plan a placement for a load");
  add_load_argument(plan, command->file);
  add_axes_option(plan, command->meaning);
  add_experts_option(plan, command->meaning);
  add_layer_options(plan, command->meaning);
  add_counts_option(plan, command->counts_of);
  add_shape_options(plan, command->shape);
  add_placing_options(plan, command->planning);
  add_strategy_option(plan, command->planning.options.strategy);
  add_packing_options(plan, command->planning);
  const std::string moving = "From a placement (strategy search)";
  plan.add_option(
          "--current", command->current,
          "the placement there is, in any format that plan writes, -1 for an empty slot: change what pays. Gpus and "
          "slots are as it says unless they are given; gpus are the same by number: new ones come empty, what was on "
          "others is lost")
      ->check(file_name())
      ->type_name("PLAN")
      ->group(moving);
  add_number(
      plan, "--max-changes", command->planning.max_changes, 0, INT32_MAX,
      "most slots of a layer that may change, besides those of it that are empty, which have to be filled; 0: keep "
      "the placement, but fill it, and judge it; default: any number")
      ->type_name("B")
      ->group(moving);
  add_number(plan, "--max-changes-in-all", command->planning.max_changes_in_all, 0, INT64_MAX,
             "the same over all layers; not both where layers differ in their number of empty slots")
      ->type_name("B")
      ->group(moving);
  std::vector<std::string> formats = {"table", "json"};
  for (const EngineFormat& format : engine_formats()) formats.push_back(format.name);
  add_output_options(plan, command->output, formats);
  plan.footer(strategies_help() + loads_help() +
              "Examples:\n"
              "  eplb plan loads.npy --slots 288 --gpus 32 --nodes 4 --groups 8\n"
              "  eplb plan loads.npy --slots 288 --gpus 32 --strategy lpt-swap-any --output plan.json\n"
              "  eplb plan now.npy --slots 288 --gpus 32 --current plan.json --max-changes 32 --output next.json\n"
              "  eplb plan loads.npy --slots-per-gpu 9x31,0 --gpus 32 --speeds 1x16,0.5x16\n"
              "  eplb plan counts.json --slots 288 --gpus 32 --first-layer 3 --format sglang --output "
              "placement.json");
  plan.callback([command, &plan] {
    command->current.empty() ? require_shape(plan, command->shape) : complete_slots(plan, command->shape);
    command->run();
  });
}

}  // namespace eplb::cli
