// SPDX-License-Identifier: MIT
// The calls that enqueue work on a CUDA stream, and the one that asks whether it is done.
#include "api/context.h"
#include "api/error.h"

namespace eplb {
namespace {

stream_planner& find_stream_planner(const eplb_context& context) {
  if (context.options.backend->id != backend_id::cuda)
    fail(EPLB_ERROR_INVALID_STATE, "the context plans on the cpu, which has no streams; use the blocking call");
  stream_planner* const planner = context.planner->on_streams();
  if (!planner)
    fail(EPLB_ERROR_INVALID_STATE,
         "the context was created for memory of kind host, which asynchronous calls cannot use; use the blocking call");
  return *planner;
}

/// The same, and whether it can work on this stream.
stream_planner& find_stream_planner(const eplb_context& context, void* stream) {
  stream_planner& planner = find_stream_planner(context);
  if (const char* why = planner.why_unusable_stream(stream)) fail(EPLB_ERROR_INVALID_ARGUMENT, "the stream %s", why);
  return planner;
}

}  // namespace
}  // namespace eplb

using namespace eplb;

eplb_status eplb_submit_weights_async(eplb_context* context, const eplb_input* input, void* stream, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    stream_planner& planner = find_stream_planner(*context, stream);
    planner.plan_async(check_input(read_struct(input, "input"), *context), stream);
  });
}

eplb_status eplb_get_maps_async(eplb_context* context, const eplb_maps* maps, void* stream, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    stream_planner& planner = find_stream_planner(*context, stream);
    check_has_plan(planner.has_work());
    planner.get_maps_async(check_maps(read_struct(maps, "maps"), *context), stream);
  });
}

eplb_status eplb_poll(eplb_context* context, eplb_error* error) {
  bool finished = false;
  const eplb_status status = guarded(error, [&] {
    check_own(context);
    const stream_planner& planner = find_stream_planner(*context);
    check_has_plan(planner.has_work());
    finished = planner.poll();
  });
  return status == EPLB_SUCCESS && !finished ? EPLB_NOT_READY : status;
}
