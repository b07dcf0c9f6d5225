// SPDX-License-Identifier: MIT
// eplb score: a placement judged under loads.
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
  LoadMeaning meaning;
  std::string counts_of;
  std::string plan_file;
  eplb_shape shape = defaults(eplb_shape_init);
  Output output;

  void run();

 private:
  void complete_shape(const Loads& loads, const PlanFile& plan);
};

/// What the command line does not say, the files do.
void ScoreCommand::complete_shape(const Loads& loads, const PlanFile& plan) {
  check_experts(plan, loads);
  shape.num_layers = loads.layers;
  shape.num_logical_experts = loads.experts;
  adopt_gpus(shape, plan);
  if (shape.num_gpus == 0) shape.num_gpus = static_cast<std::int32_t>(shape.slots_per_gpu_count);
  if (shape.num_gpus == 0) throw UsageError("--gpus is needed, as " + plan_file + " does not say how many there are");
  check_cut(plan, shape);
  check_slots(plan, shape);
}

void ScoreCommand::run() {
  output.check({file, counts_of, plan_file});
  const Loads loads = read_loads(file, meaning, counts_of);
  const PlanFile plan = read_plan(plan_file, loads);
  complete_shape(loads, plan);
  const Balance balance = score(shape, loads, plan.placement, plan_file);

  output.write([&](std::ostream& out) {
    if (output.is_table()) {
      out << plan_file << " under " << loads.name << '\n' << as_text(shape) << "\n\n";
      const Balance before = score_incomplete(shape, loads, experts_in_order(shape));
      BalanceReport{.before = before,
                    .after = balance,
                    .shape = shape,
                    .layer_numbers = loads.layer_numbers,
                    .before_name = "in order",
                    .after_name = "plan"}
          .print(out);
    } else {
      JsonObject(out).field("stats", as_json(balance, shape, loads.layer_numbers));
    }
  });
}

}  // namespace

void add_score(CLI::App& app) {
  const auto command = std::make_shared<ScoreCommand>();
  CLI::App& score = *app.add_subcommand("score", "Check a placement and judge it under a load");
  add_load_argument(score, command->file);
  add_axes_option(score, command->meaning);
  add_experts_option(score, command->meaning);
  add_layer_options(score, command->meaning);
  add_counts_option(score, command->counts_of);
  score.add_option("--plan", command->plan_file, "placement, in any format that plan writes")
      ->required()
      ->check(file_name())
      ->type_name("PLAN");
  add_number(score, "--gpus", command->shape.num_gpus, 1, largest_extent,
             "gpus over all nodes; default: as the placement says, if it does")
      ->type_name("G");
  add_gpu_options(score, command->shape);
  add_output_options(score, command->output, {"table", "json"});
  score.footer(loads_help() +
               "The load may be another than the placement was made for.\n"
               "Examples:\n"
               "  eplb score tomorrow.npy --plan plan.json\n"
               "  eplb score tomorrow.npy --plan moe_load_balancer.yaml --gpus 32");
  score.callback([command] { command->run(); });
}

}  // namespace eplb::cli
