// SPDX-License-Identifier: MIT
// Files of placements, read as they are for `eplb score` and `eplb plan --current`.
#include "cli/plan_file.h"

#include "tool_file.h"

using namespace eplb;
using namespace eplb::fuzz;

namespace {

void check_plan(const cli::PlanFile& plan) {
  const cli::Placement& maps = plan.placement;
  PROMISE(plan.layers > 0 && plan.slots > 0 && plan.experts >= 0);
  PROMISE(maps.physical_to_logical.size() == product(plan.layers, plan.slots));
  PROMISE(maps.replica_rank.empty() || maps.replica_rank.size() == maps.physical_to_logical.size());
  PROMISE(maps.replica_count.size() == product(plan.layers, plan.experts));
  if (plan.experts > 0 || maps.logical_to_physical.empty())
    PROMISE(maps.logical_to_physical.size() == product(plan.layers, plan.experts, maps.max_replicas));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const scratch folder;
  const std::string path = folder.write("plan", data, size);
  for (const std::int32_t first_layer : {0, 1})
    if (cli::PlanFile plan; reads(path, [&] { plan = cli::read_plan(path, first_layer); })) check_plan(plan);
  return 0;
}
