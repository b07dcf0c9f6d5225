// SPDX-License-Identifier: MIT
// Contexts made and destroyed, and the blocking calls on one.
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

/// Where in the block the planner begins, once the block is aligned. The block has arena::alignment bytes to spare for
/// that, since the caller's allocator promises less.
constexpr std::size_t planner_offset =
    (sizeof(eplb_context) + arena::alignment - 1) / arena::alignment * arena::alignment;

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
  } catch (...) {  // what the line tells has been done, whether it could be logged or not
  }
}

void check_usable(const eplb_context& context, const char* name, const void* buffer) {
  const char* const why = buffer ? context.planner->why_unusable(buffer) : nullptr;
  if (why) fail(EPLB_ERROR_INVALID_ARGUMENT, "%s, at %p, %s", name, buffer, why);
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

void check_own(const eplb_context* context) {
  if (!context) fail(EPLB_ERROR_INVALID_ARGUMENT, "context is NULL");
  if (context->process != getpid())
    fail(EPLB_ERROR_INVALID_STATE, "the context was created before a fork; create one in the child");
}

hold::hold(eplb_context* context) : context_(context) {
  check_own(context);
  if (context->in_use.exchange(true, std::memory_order_acquire))
    fail(EPLB_ERROR_INVALID_STATE, "the context is in use by another call");
}

plan_input check_input(const eplb_input& input, const eplb_context& context) {
  const plan_spec& spec = context.options.spec;
  const load_view loads = check_input(input, spec.shape, spec.max_samples, spec.memory);
  check_usable(context, "input.loads", loads.data);
  const current_view current = check_current(input, spec.shape);
  if (current.expert && !spec.searches())
    fail(EPLB_ERROR_INVALID_ARGUMENT, "input.current is given, but strategy %s plans from nothing; search can use it",
         presets[context.options.strategy].name);
  check_usable(context, "input.current", current.expert);
  return {loads, current, input.seed};
}

maps_view check_maps(const eplb_maps& maps, const eplb_context& context) {
  const plan_spec& spec = context.options.spec;
  const maps_view out = check_maps(maps, spec.shape, spec.memory);
  check_usable(context, "maps.physical_to_logical", out.physical_to_logical);
  check_usable(context, "maps.replica_rank", out.replica_rank);
  check_usable(context, "maps.replica_count", out.replica_count);
  check_usable(context, "maps.logical_to_physical", out.logical_to_physical);
  return out;
}

void check_has_plan(bool has_plan) {
  if (!has_plan) fail(EPLB_ERROR_INVALID_STATE, "the context has no plan yet; submit weights first");
}

void submit(eplb_context& context, const eplb_input& input) {
  const checked_options& options = context.options;
  const plan_input from = check_input(input, context);
  progress_callback progress(options);
  context.planner->plan(from, options.progress_fn ? &progress : nullptr);
  if (logs(options, EPLB_LOG_DEBUG))  // the count is not free
    log(options, EPLB_LOG_DEBUG, "planned from %d samples with seed %llu: at most %d replicas of an expert",
        from.loads.samples, static_cast<unsigned long long>(input.seed), context.planner->max_replica_count());
}

void get_maps(eplb_context& context, const maps_view& out) {
  check_has_plan(context.planner->has_plan());
  if (out.logical_to_physical) {
    const auto needed = size_cast(context.planner->max_replica_count());
    if (out.max_replicas < needed) throw narrow_inverse(out.max_replicas, needed);
  }
  context.planner->get_maps(out);
}

void get_stats(eplb_context& context, eplb_stats* stats) {
  const eplb_stats given = read_struct(stats, "stats");
  placement_stats out = check_stats(given, context.options.spec.shape);
  check_has_plan(context.planner->has_plan());
  context.planner->get_stats(out);
  write_stats(stats, given, out);
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
    check_has_plan(context->planner->has_plan());
    *count = context->planner->max_replica_count();
  });
}

eplb_status eplb_get_maps(eplb_context* context, const eplb_maps* maps, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    get_maps(*context, check_maps(read_struct(maps, "maps"), *context));
  });
}

eplb_status eplb_get_stats(eplb_context* context, eplb_stats* stats, eplb_error* error) {
  return guarded(error, [&] {
    const hold held(context);
    get_stats(*context, stats);
  });
}
