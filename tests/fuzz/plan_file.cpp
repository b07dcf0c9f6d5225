// SPDX-License-Identifier: MIT
// Files of placements, read as they are for `eplb score` and `eplb plan --current`.
#include "cli/plan_file.h"

#include <numeric>

#include "tool_file.h"

using namespace eplb;
using namespace eplb::fuzz;

namespace {

void check_plan(const cli::PlanFile& plan, const cli::Loads& loads) {
  const cli::Placement& maps = plan.placement;
  PROMISE(plan.layers == loads.layers && plan.slots > 0 && plan.experts >= 0);
  const std::vector<std::int32_t> slots = plan.gpus == 0 ? std::vector{plan.slots} : plan.slots_of_gpus();
  PROMISE(std::accumulate(slots.begin(), slots.end(), 0) == plan.slots);
  PROMISE(maps.physical_to_logical.size() == product(plan.layers, plan.slots));
  PROMISE(maps.replica_rank.empty() || maps.replica_rank.size() == maps.physical_to_logical.size());
  PROMISE(maps.replica_count.empty() || maps.replica_count.size() == product(plan.layers, plan.experts));
  if (!maps.replica_count.empty())
    PROMISE(maps.logical_to_physical.size() == product(plan.layers, plan.experts, maps.max_replicas));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const scratch folder;
  const std::string path = folder.write("plan", data, size);
  cli::Loads loads;
  for (loads.layers = 1; loads.layers <= 3; ++loads.layers)
    for (const std::int32_t first_layer : {0, 1, 3}) {
      loads.layer_numbers.resize(index(loads.layers));
      std::iota(loads.layer_numbers.begin(), loads.layer_numbers.end(), first_layer);
      cli::PlanFile plan;
      if (reads(path, [&] { plan = cli::read_plan(path, loads); })) check_plan(plan, loads);
    }
  return 0;
}
