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

struct ScoreCommand {
  std::string file;
  std::string plan_file;
  eplb_shape shape = defaults(eplb_shape_init);
  std::int32_t first_layer = 0;
  Output output;

  void run();

 private:
  void complete_shape(const Loads& loads, const PlanFile& plan);
};

/// What the command line does not say, the files do.
void ScoreCommand::complete_shape(const Loads& loads, const PlanFile& plan) {
  if (plan.layers != loads.layers)
    fail(plan_file,
         "has " + count(plan.layers, "layer") + ", but " + loads.name + " has " + std::to_string(loads.layers));
  if (plan.experts != 0 && plan.experts != loads.experts)
    fail(plan_file,
         "has " + count(plan.experts, "expert") + ", but " + loads.name + " has " + std::to_string(loads.experts));
  if (shape.num_gpus == 0 && plan.gpus == 0)
    throw UsageError("--gpus is needed, as " + plan_file + " does not say how many there are");
  shape.num_layers = loads.layers;
  shape.num_logical_experts = loads.experts;
  shape.num_physical_experts = plan.slots;
  if (shape.num_gpus == 0) shape.num_gpus = plan.gpus;
  if (shape.num_gpus == plan.gpus) {
    if (!shape.slots_per_gpu && !plan.slots_per_gpu.empty()) {
      shape.slots_per_gpu = plan.slots_per_gpu.data();
      shape.slots_per_gpu_count = plan.slots_per_gpu.size();
    }
    if (!shape.speed_of_gpu && !plan.speed_of_gpu.empty()) {
      shape.speed_of_gpu = plan.speed_of_gpu.data();
      shape.speed_of_gpu_count = plan.speed_of_gpu.size();
    }
  }
}

void ScoreCommand::run() {
  const Loads loads = read_loads(file);
  const PlanFile plan = read_plan(plan_file, first_layer);
  complete_shape(loads, plan);
  const Balance balance = score(shape, loads, plan.placement, plan_file);

  output.write([&](std::ostream& out) {
    if (output.is_table()) {
      out << plan_file << " under " << loads.name << '\n' << as_text(shape) << "\n\n";
      const Balance before = score_incomplete(shape, loads, experts_in_order(shape));
      BalanceReport{.before = before,
                    .after = balance,
                    .shape = shape,
                    .first_layer = first_layer,
                    .before_name = "in order",
                    .after_name = "plan"}
          .print(out);
    } else {
      JsonObject(out).field("stats", as_json(balance, shape, first_layer));
    }
  });
}

}  // namespace

void add_score(CLI::App& app) {
  const auto command = std::make_shared<ScoreCommand>();
  CLI::App& score = *app.add_subcommand("score", "Check a placement and judge it under a load");
  add_load_argument(score, command->file);
  score.add_option("--plan", command->plan_file, "placement, in any format that plan writes")
      ->required()
      ->type_name("PLAN");
  add_number(score, "--gpus", command->shape.num_gpus, 1, largest_extent,
             "gpus over all nodes; default: as the placement says, if it does")
      ->type_name("G");
  add_gpu_options(score, command->shape);
  add_number(score, "--first-layer", command->first_layer, 0, largest_extent,
             "layers of the model before the first of the load, which an SGLang placement has rows for; default 0")
      ->type_name("N");
  add_output_options(score, command->output, {"table", "json"});
  score.footer(loads_help() +
               "The load may be another than the placement was made for.\n"
               "Examples:\n"
               "  eplb score tomorrow.npy --plan plan.json\n"
               "  eplb score tomorrow.npy --plan moe_load_balancer.yaml --gpus 32");
  score.callback([command] { command->run(); });
}

}  // namespace eplb::cli
