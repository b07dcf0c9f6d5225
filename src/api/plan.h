// SPDX-License-Identifier: MIT
// A plan in one go.
#pragma once

#include "api/spec.h"

namespace eplb {

/// Makes a context, plans from the only input there is, hands out the plan, and gives everything back. `stats` may be
/// null.
void plan_once(const checked_options& options, const eplb_input& input, const maps_view& out, eplb_stats* stats);

}  // namespace eplb
