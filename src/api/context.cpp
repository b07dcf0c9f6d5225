// SPDX-License-Identifier: MIT
// Contexts, and the one call that does without.
#include "api/context.h"

#include <unistd.h>

#include <cstdio>
#include <new>

#include "api/check.h"
#include "api/error.h"
#include "api/presets.h"
#include "core/fault.h"

namespace eplb {
namespace {

/// The planner's place in the block; alignment is on top, since an allocator promises less.
constexpr std::size_t planner_offset =
    (sizeof(eplb_context) + arena::alignment - 1) / arena::alignment * arena::alignment;

void check_own(const eplb_context* context) {
  if (!context) fail(EPLB_ERROR_INVALID_ARGUMENT, "context is NULL");
  if (context->process != getpid())
    fail(EPLB_ERROR_INVALID_STATE, "the context was created before a fork; create one in the child");
}

/// A call's hold on its context.
class hold {
 public:
  explicit hold(eplb_context* context) : context_(context) {
    check_own(context);
    if (context->in_use.exchange(true, std::memory_order_acquire))
      fail(EPLB_ERROR_INVALID_STATE, "the context is in use by another call");
  }
  ~hold() { context_->in_use.store(false, std::memory_order_release); }
  hold(const hold&) = delete;
  hold& operator=(const hold&) = delete;

 private:
  eplb_context* context_;
};

class progress_callback final : public progress_sink {
 public:
  explicit progress_callback(const checked_options& options) : options_(options) {}
  bool stop_after(std::int64_t done, std::int64_t total) override {
    return options_.progress_fn(options_.user, done, total) != 0;
  }

 private:
  const checked_options& options_;
};

bool logs(const checked_options& options, std::int32_t level) { return options.log_fn && level <= options.log_level; }

template <class... Values>
void log(const checked_options& options, std::int32_t level, const char* format, Values... values) {
  if (!logs(options, level)) return;
  char line[256];
  std::snprintf(line, sizeof line, format, values...);
  try {
    options.log_fn(options.user, level, line);
  } catch (...) {  // what the line is about has been done, whatever its reader makes of it
  }
}

const planner& planned(const eplb_context& context) {
  if (!context.planner->has_plan()) fail(EPLB_ERROR_INVALID_STATE, "the context has no plan yet; submit weights first");
  return *context.planner;
}

void check_usable(const eplb_context& context, const char* name, const void* buffer) {
  const char* const why = buffer ? context.planner->why_unusable(buffer) : nullptr;
  if (why) fail(EPLB_ERROR_INVALID_ARGUMENT, "%s, at %p, %s", name, buffer, why);
}

plan_input check_inputs(const eplb_context& context, const eplb_input& input) {
  const plan_spec& spec = context.options.spec;
  const load_view loads = check_input(input, spec.shape, spec.max_samples, spec.memory);
  check_usable(context, "input.loads", loads.data);
  const current_view current = check_current(input, spec.shape);
  if (current.expert && spec.search.steps == 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "input.current is given, but strategy %s plans from nothing; search can use it",
         presets[context.options.strategy].name);
  check_usable(context, "input.current", current.expert);
  return {loads, current, input.seed};
}

maps_view check_buffers(const eplb_context& context, const eplb_maps& maps) {
  const plan_spec& spec = context.options.spec;
  const maps_view out = check_maps(maps, spec.shape, spec.memory);
  check_usable(context, "maps.physical_to_logical", out.physical_to_logical);
  check_usable(context, "maps.replica_rank", out.replica_rank);
  check_usable(context, "maps.replica_count", out.replica_count);
  check_usable(context, "maps.logical_to_physical", out.logical_to_physical);
  return out;
}

void submit(eplb_context& context, const eplb_input& input) {
  const checked_options& options = context.options;
  const plan_input from = check_inputs(context, input);
  progress_callback progress(options);
  context.planner->plan(from, options.progress_fn ? &progress : nullptr);
  if (logs(options, EPLB_LOG_DEBUG))  // looking at all counts takes time
    log(options, EPLB_LOG_DEBUG, "planned from %d samples with seed %llu: at most %d replicas of an expert",
        from.loads.samples, static_cast<unsigned long long>(input.seed), context.planner->max_replica_count());
}

void get_maps(eplb_context& context, const maps_view& out) {
  const planner& plan = planned(context);
  if (out.logical_to_physical) {
    const auto needed = size_cast(plan.max_replica_count());
    if (out.max_replicas < needed) throw narrow_inverse(out.max_replicas, needed);
  }
  context.planner->get_maps(out);
}

void get_stats(eplb_context& context, eplb_stats* stats) {
  const eplb_stats given = read_struct(stats, "stats");
  placement_stats out = check_stats(given, context.options.spec.shape);
  planned(context);
  context.planner->get_stats(out);
  write_stats(stats, given, out);
}

/// What the asynchronous calls work with.
stream_planner& on_streams(const eplb_context& context) {
  if (context.options.backend->id != backend_id::cuda)
    fail(EPLB_ERROR_INVALID_STATE, "the context plans on the cpu, which has no streams; use the blocking call");
  stream_planner* const planner = context.planner->on_streams();
  if (!planner)
    fail(EPLB_ERROR_INVALID_STATE,
         "the context was created for memory of kind host, which asynchronous calls cannot use; use the blocking call");
  return *planner;
}

stream_planner& on_stream(const eplb_context& context, void* stream) {
  stream_planner& planner = on_streams(context);
  if (const char* why = planner.why_unusable_stream(stream)) fail(EPLB_ERROR_INVALID_ARGUMENT, "the stream %s", why);
  return planner;
}

}  // namespace

memory_size measure_context(const checked_options& options) {
  memory_size out = options.backend->measure(options.spec);
  out.host += planner_offset + arena::alignment;
  return out;
}

void context_destroyer::operator()(eplb_context* context) const {
  const host_allocator memory = context->options.memory;
  void* const block = context->block;
  if (context->planner && context->process == getpid()) context->planner->~planner();
  context->~eplb_context();
  memory.give_back(block);
}

context_pointer make_context(const checked_options& options) {
  const memory_size size = measure_context(options);
  if (options.spec.workspace && options.workspace_bytes < size.cuda)
    fail(EPLB_ERROR_BUFFER_TOO_SMALL, "workspace_bytes is %zu; it must be %zu", options.workspace_bytes, size.cuda);
  void* const block = options.memory.take(size.host);
  char* const aligned = static_cast<char*>(arena::align(block));
  context_pointer context(new (aligned) eplb_context{options, block, nullptr, getpid(), {false}});
  context->planner = options.backend->make(options.spec, aligned + planner_offset);
  context->options.spec.gpus = {};  // the caller's, who may free them now
  const plan_shape& shape = options.spec.shape;
  log(options, EPLB_LOG_INFO,
      "context for %d layers of %d experts in %d slots on %d gpus, %d groups on %d nodes: strategy %s, backend %s, "
      "%d threads, %zu bytes of host memory, %zu of CUDA memory",
      shape.layers, shape.experts, shape.slots, shape.gpus, shape.groups, shape.nodes, presets[options.strategy].name,
      eplb_backend_name(static_cast<std::int32_t>(options.backend->id)), options.spec.threads, size.host, size.cuda);
  if (options.idle_threads > 0)
    log(options, EPLB_LOG_WARNING, "num_threads is %d more than there are layers or candidates to share out",
        options.idle_threads);
  return context;
}

void plan_once(const checked_options& options, const eplb_input& input, const maps_view& out, eplb_stats* stats) {
  if (options.spec.memory != memory_kind::host)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "options.memory is cuda, but this call works on host memory; create a context");
  // Before memory is asked for by what it says.
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

eplb_status eplb_create(const eplb_shape* shape, const eplb_options* options, eplb_context** context,
                        eplb_error* error) {
  return guarded(error, [&] {
    if (!context) fail(EPLB_ERROR_INVALID_ARGUMENT, "context is NULL");
    *context = make_context(check_options(shape, options)).release();
  });
}

void eplb_destroy(eplb_context* context) {
  const uncancellable thread;
  if (context) context_destroyer()(context);
}

eplb_status eplb_memory_needed(const eplb_shape* shape, const eplb_options* options, size_t* host_bytes,
                               size_t* cuda_bytes, eplb_error* error) {
  return guarded(error, [&] {
    const memory_size size = measure_context(check_options(shape, options));
    if (host_bytes) *host_bytes = size.host;
    if (cuda_bytes) *cuda_bytes = size.cuda;
  });
}

int32_t eplb_context_strategy(const eplb_context* context) { return context ? context->options.strategy : -1; }

int32_t eplb_context_policy(const eplb_context* context) { return context ? context->options.policy : -1; }

int32_t eplb_context_backend(const eplb_context* context) {
  return context ? static_cast<int32_t>(context->options.backend->id) : -1;
}

eplb_status eplb_submit_weights(eplb_context* context, const eplb_input* input, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    submit(*context, read_struct(input, "input"));
  });
}

eplb_status eplb_get_max_replica_count(eplb_context* context, int32_t* count, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    if (!count) fail(EPLB_ERROR_INVALID_ARGUMENT, "count is NULL");
    *count = planned(*context).max_replica_count();
  });
}

eplb_status eplb_get_maps(eplb_context* context, const eplb_maps* maps, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    get_maps(*context, check_buffers(*context, read_struct(maps, "maps")));
  });
}

eplb_status eplb_get_stats(eplb_context* context, eplb_stats* stats, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    get_stats(*context, stats);
  });
}

eplb_status eplb_submit_weights_async(eplb_context* context, const eplb_input* input, void* stream, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    stream_planner& planner = on_stream(*context, stream);
    const eplb_input given = read_struct(input, "input");
    planner.plan_async(check_inputs(*context, given), stream);
  });
}

eplb_status eplb_get_maps_async(eplb_context* context, const eplb_maps* maps, void* stream, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    stream_planner& planner = on_stream(*context, stream);
    if (!planner.has_work()) fail(EPLB_ERROR_INVALID_STATE, "the context has no plan yet; submit weights first");
    planner.get_maps_async(check_buffers(*context, read_struct(maps, "maps")), stream);
  });
}

eplb_status eplb_poll(eplb_context* context, eplb_error* error) {
  bool finished = false;
  const eplb_status status = guarded(error, [&] {
    check_own(context);
    const stream_planner& planner = on_streams(*context);
    if (!planner.has_work()) fail(EPLB_ERROR_INVALID_STATE, "the context has no plan yet; submit weights first");
    finished = planner.poll();
  });
  return status == EPLB_SUCCESS && !finished ? EPLB_NOT_READY : status;
}

eplb_status eplb_rebalance_experts(const eplb_shape* shape, const eplb_options* options, const eplb_input* input,
                                   const eplb_maps* maps, eplb_stats* stats, eplb_error* error) {
  return guarded(error, [&] {
    const eplb_input given = read_struct(input, "input");
    const checked_options checked = check_options(shape, options, &given);
    const maps_view out = check_maps(read_struct(maps, "maps"), checked.spec.shape, memory_kind::host);
    plan_once(checked, given, out, stats);
  });
}
