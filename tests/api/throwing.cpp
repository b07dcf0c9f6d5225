// SPDX-License-Identifier: MIT
// A callback of a C++ program that throws: a status for the caller, and the context lives on.
#include <stdexcept>

#include "check.h"
#include "fixture.h"

namespace {

bool throws = true;

int32_t EPLB_CALL on_progress(void*, int64_t, int64_t) {
  if (throws) throw std::runtime_error("from a callback");
  return 0;
}

}  // namespace

int main() {
  const float loads[] = {4, 3, 2, 1};
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  for (const int threads : {1, 3}) {
    eplb_options options = make_options(EPLB_STRATEGY_LPT);
    options.num_threads = threads;
    options.progress_fn = on_progress;
    eplb_context* context = context_of(&shape, &options);
    plan p = plan_new(&shape, EPLB_TYPE_INT32);
    throws = true;
    CHECK_FAILS(EPLB_ERROR_INTERNAL, "callback", eplb_submit_weights(context, &input, &check_error));
    CHECK_FAILS(EPLB_ERROR_INTERNAL, "callback",
                eplb_rebalance_experts(&shape, &options, &input, &p.maps, nullptr, &check_error));
    CHECK(plan_unwritten(&p));
    throws = false;
    CHECK_OK(eplb_submit_weights(context, &input, &check_error));
    CHECK_OK(eplb_get_maps(context, &p.maps, &check_error));
    eplb_destroy(context);
    plan_free(&p);
  }
  return check_report();
}
