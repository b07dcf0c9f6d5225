// SPDX-License-Identifier: MIT
// eplb pack: one packing problem by itself.
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "balance_report.h"
#include "commands.h"
#include "library.h"
#include "load_file.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "table.h"

namespace eplb::cli {
namespace {

struct PackCommand {
  std::string file;
  LoadMeaning meaning;
  std::int32_t packs = 0;
  Planning planning;
  Output output;

  void run();

 private:
  struct Packing {
    std::vector<std::int32_t> pack_index;    // [rows][items]
    std::vector<std::int32_t> rank_in_pack;  // [rows][items]
    double pack_ms = 0;
  };

  Packing pack(const Loads& loads) const;
};

PackCommand::Packing PackCommand::pack(const Loads& loads) const {
  Packing result;
  const std::size_t size = static_cast<std::size_t>(loads.layers) * static_cast<std::size_t>(loads.experts);
  result.pack_index.resize(size);
  result.rank_in_pack.resize(size);
  auto packing = defaults(eplb_packing_init);
  packing.num_rows = loads.layers;
  packing.num_items = loads.experts;
  packing.num_packs = packs;
  packing.pack_index = result.pack_index.data();
  packing.pack_index_count = size;
  packing.rank_in_pack = result.rank_in_pack.data();
  packing.rank_in_pack_count = size;

  const eplb_input input = as_input(loads, planning.seed);
  eplb_options options = planning.options;
  options.max_samples = loads.samples;
  const Progress progress(options, std::string("packing, ") + eplb_strategy_name(options.strategy));
  auto error = defaults(eplb_error_init);
  result.pack_ms = median_ms(planning.repeat, [&] {
    check(eplb_balanced_packing(&options, &input, &packing, &error), error, loads.name, options.strategy);
  });
  return result;
}

void PackCommand::run() {
  output.check({file});
  const Loads loads = read_loads(file, meaning);
  const Packing packing = pack(loads);

  // Items in packs are experts on gpus without replicas, and are judged as such.
  auto shape = defaults(eplb_shape_init);
  shape.num_layers = loads.layers;
  shape.num_logical_experts = shape.num_physical_experts = loads.experts;
  shape.num_gpus = packs;
  Placement placement;
  placement.physical_to_logical.resize(packing.pack_index.size());
  const std::int32_t items_per_pack = loads.experts / packs;
  for (std::size_t i = 0; i < packing.pack_index.size(); ++i) {
    const auto experts = static_cast<std::size_t>(loads.experts);
    const std::int32_t slot = packing.pack_index[i] * items_per_pack + packing.rank_in_pack[i];
    placement.physical_to_logical[i / experts * experts + static_cast<std::size_t>(slot)] =
        static_cast<std::int32_t>(i % experts);
  }
  const Balance balance = score(shape, loads, placement, loads.name);

  output.write([&](std::ostream& out) {
    if (output.is_table()) {
      out << loads.name << '\n'
          << count(loads.layers, "row") << " of " << count(loads.experts, "item") << " into " << count(packs, "pack")
          << "\nseed " << planning.seed << ": " << fixed(packing.pack_ms, 3) << " ms\n\n";
      const Balance before = score_incomplete(shape, loads, experts_in_order(shape));
      BalanceReport{.before = before,
                    .after = balance,
                    .shape = shape,
                    .layer_numbers = loads.layer_numbers,
                    .has_replicas = false,
                    .layer_name = "row",
                    .gpu_name = "pack"}
          .print(out);
    } else {
      JsonObject json(out);
      json.matrix("pack_index", packing.pack_index, loads.layers);
      json.matrix("rank_in_pack", packing.rank_in_pack, loads.layers);
      json.field("stats", {{"balancedness", balance.balancedness},
                           {"balancedness_min", balance.balancedness_min},
                           {"pack_ms", packing.pack_ms}});
    }
  });
}

}  // namespace

void add_pack(CLI::App& app) {
  const auto command = std::make_shared<PackCommand>();
  CLI::App& pack = *app.add_subcommand("pack", "Pack items into packs of equal size and, nearly, equal load");
  add_load_argument(pack, command->file);
  add_axes_option(pack, command->meaning);
  add_experts_option(pack, command->meaning);
  add_number(pack, "--packs", command->packs, 1, largest_extent, "packs of each row; must divide the number of items")
      ->required()
      ->type_name("M");
  add_strategy_option(pack, command->planning.options.strategy);
  add_packing_options(pack, command->planning);
  add_output_options(pack, command->output, {"table", "json"});
  pack.footer(strategies_help() + loads_help() +
              "Each layer of the file is a packing problem of its own, a row; its experts are the items.\n"
              "Examples:\n"
              "  eplb pack loads.npy --packs 32\n"
              "  echo '[[90, 132, 40, 61]]' | eplb pack - --packs 2");
  pack.callback([command] { command->run(); });
}

}  // namespace eplb::cli
