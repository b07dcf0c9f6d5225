// SPDX-License-Identifier: MIT
// The one call that plans without a context of the caller's.
#include "api/plan.h"

#include "api/check.h"
#include "api/context.h"
#include "api/error.h"

namespace eplb {

void plan_once(const checked_options& options, const eplb_input& input, const maps_view& out, eplb_stats* stats) {
  if (options.spec.memory != memory_kind::host)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "options.memory is cuda, but this call works on host memory; create a context");
  // Before a context is made: how much memory that takes depends on what the input says.
  check_input(input, options.spec.shape, options.spec.max_samples, memory_kind::host);
  check_current(input, options.spec.shape);
  if (stats) check_stats(read_struct(stats, "stats"), options.spec.shape);
  const context_pointer context = make_context(options);
  submit(*context, input);
  get_maps(*context, out);
  if (stats) get_stats(*context, stats);
}

}  // namespace eplb

using namespace eplb;

eplb_status eplb_rebalance_experts(const eplb_shape* shape, const eplb_options* options, const eplb_input* input,
                                   const eplb_maps* maps, eplb_stats* stats, eplb_error* error) {
  return guarded(error, [&] {
    const eplb_input given = read_struct(input, "input");
    const checked_options checked = check_options(shape, options, &given);
    const maps_view out = check_maps(read_struct(maps, "maps"), checked.spec.shape, memory_kind::host);
    plan_once(checked, given, out, stats);
  });
}
