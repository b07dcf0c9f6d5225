// SPDX-License-Identifier: MIT
#include "api/check.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <system_error>

#include "api/presets.h"
#include "core/loads.h"

namespace eplb {
namespace {

void write_error(eplb_error* error, eplb_status status, const char* message) {
  constexpr std::size_t head = offsetof(eplb_error, message);
  if (!error || error->struct_size < head) return;
  error->status = status;
  const std::size_t room = std::min(error->struct_size - head, sizeof error->message);
  std::snprintf(error->message, room, "%s", message);
}

constexpr int most_threads = 1024;

[[gnu::format(printf, 2, 0)]] failure formatted(eplb_status status, const char* format, std::va_list values) {
  failure out{status, {}};
  std::vsnprintf(out.message, sizeof out.message, format, values);
  return out;
}

[[gnu::format(printf, 2, 3)]] failure describe(eplb_status status, const char* format, ...) {
  std::va_list values;
  va_start(values, format);
  const failure out = formatted(status, format, values);
  va_end(values);
  return out;
}

/// The ending of a noun that stands behind a number.
template <class Count>
const char* plural(Count count) {
  return count == 1 ? "" : "s";
}

failure describe_current(const plan_fault& fault) {
  const int layer = static_cast<int>(fault.layer);
  const auto value = static_cast<long long>(fault.integer());
  const char* const ending = plural(value);
  switch (fault.why) {
    case current_fault::value:
      return describe(EPLB_ERROR_INVALID_PLACEMENT,
                      "input.current of layer %d, slot %u is %lld; it must be an expert, or -1 for none", layer,
                      fault.at, value);
    case current_fault::groups:
      return describe(EPLB_ERROR_INVALID_PLACEMENT,
                      "input.current of layer %d does not have each group on one node: to bring them there takes %lld "
                      "change%s, more than max_changes_per_layer; allow them, or plan with policy global",
                      layer, value, ending);
    case current_fault::changes:
    case current_fault::none:
      break;
  }
  return describe(EPLB_ERROR_INVALID_PLACEMENT,
                  "input.current of layer %d has slots to fill or experts without one: that takes %lld change%s, more "
                  "than max_changes_per_layer",
                  layer, value, ending);
}

failure describe_budget(const plan_fault& fault) {
  const auto slots = static_cast<long long>(fault.integer());
  const char* const ending = plural(slots);
  if (fault.why == current_fault::groups)
    return describe(EPLB_ERROR_INVALID_PLACEMENT,
                    "input.current does not have each group on one node: to bring them there takes %lld change%s over "
                    "all layers, more than max_changes; allow them, or plan with policy global",
                    slots, ending);
  return describe(EPLB_ERROR_INVALID_PLACEMENT,
                  "input.current has slots to fill or experts without one: that takes %lld change%s over all layers, "
                  "more than max_changes",
                  slots, ending);
}

failure describe_load(const plan_fault& fault) {
  if (fault.is_real ? is_load(fault.real()) : is_load(fault.integer()))
    return describe(EPLB_ERROR_INTERNAL, "what is planned from changed while it was read");
  char value[32];
  if (const double x = fault.real(); fault.is_real)
    std::snprintf(value, sizeof value, "%.9g", x == x ? x : __builtin_nan(""));  // its sign differs between machines
  else
    std::snprintf(value, sizeof value, "%lld", static_cast<long long>(fault.integer()));
  return describe(EPLB_ERROR_INVALID_LOAD,
                  "the load of sample %u, layer %u, expert %u is %s; it must be finite in float32 and not negative",
                  fault.sample, fault.layer, fault.at, value);
}

failure describe(const plan_fault& fault) {
  switch (fault.kind) {
    case fault_kind::none:
      break;
    case fault_kind::load:
      return describe_load(fault);
    case fault_kind::total:
      return describe(EPLB_ERROR_INVALID_LOAD,
                      "the loads of layer %u, over all samples, add up to more than float32 holds", fault.layer);
    case fault_kind::current:
      return describe_current(fault);
    case fault_kind::budget:
      return describe_budget(fault);
    case fault_kind::inverse:
      return describe(EPLB_ERROR_BUFFER_TOO_SMALL, "maps.max_replicas is %u; an expert of the plan has %lld replicas",
                      fault.at, static_cast<long long>(fault.integer()));
  }
  return describe(EPLB_ERROR_INTERNAL, "a fault without a kind");
}

failure describe(const unavailable& what) { return describe(EPLB_ERROR_UNAVAILABLE, "%s", what.why); }

failure describe(const bad_workspace& given) {
  return describe(EPLB_ERROR_INVALID_ARGUMENT, "workspace %s", given.why);
}

failure describe(const out_of_cuda_memory& wanted) {
  return describe(EPLB_ERROR_OUT_OF_MEMORY, "%zu bytes of memory of CUDA device %d could not be allocated",
                  wanted.bytes, wanted.device);
}

failure describe(const cuda_error& error) {
  return describe(EPLB_ERROR_CUDA, "%s: %s (%s)", error.call, error.text, error.name);
}

/// What the gpus of a node are together. One without slots is in use nowhere.
struct node_sum {
  int gpus, gpus_in_use, slots;
  double speed;  // of those in use

  bool is_like(const node_sum& other) const {
    return gpus_in_use == other.gpus_in_use && slots == other.slots && speed == other.speed;
  }
};

/// Calls f(node, its sum) for each node in turn.
template <class F>
void visit_nodes(const plan_shape& shape, const cluster_view& gpus, F f) {
  constexpr int at_once = 1024;  // nodes; nothing is to be allocated here
  for (int first = 0; first < shape.nodes; first += at_once) {
    node_sum sums[at_once] = {};
    const int count = std::min(shape.nodes - first, at_once);
    for (int gpu = 0; gpu < shape.gpus; ++gpu) {
      const int node = gpus.node_of(shape, gpu) - first, slots = gpus.slots_of(shape, gpu);
      if (node < 0 || node >= count) continue;
      node_sum& sum = sums[node];
      ++sum.gpus;
      sum.slots += slots;
      sum.gpus_in_use += slots > 0 ? 1 : 0;
      sum.speed += slots == 0 ? 0 : gpus.speed ? gpus.speed[gpu] : 1;
    }
    for (int node = 0; node < count; ++node) f(first + node, sums[node]);
  }
}

/// Whether auto is hierarchical: groups can be shared out evenly, and to nodes that can bear the same. Then each has
/// room for its experts too.
bool suits_hierarchy(const plan_shape& shape, const cluster_view& gpus) {
  if (shape.groups == 1 && shape.nodes == 1) return false;  // which is the same
  if (shape.groups % shape.nodes != 0 || (!gpus.node && shape.gpus % shape.nodes != 0)) return false;
  node_sum first{};
  bool are_alike = true;
  visit_nodes(shape, gpus, [&](int node, const node_sum& sum) {
    if (node == 0) first = sum;
    are_alike &= sum.is_like(first);
  });
  return are_alike;
}

/// A hierarchical plan shares out `value` evenly.
void check_shares(const char* name, int value, const char* of_name, int of) {
  if (value % of != 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT,
         "%s is %d, which is not a multiple of %s, %d, as a hierarchical plan needs it; policy global does not", name,
         value, of_name, of);
}

/// Groups and nodes as the policy sees them. Settles the policy.
plan_shape settle_shape(const eplb_shape& given, const plan_shape& flat, const cluster_view& gpus,
                        std::int32_t& policy) {
  if (policy == EPLB_POLICY_GLOBAL) return flat;
  check_range("num_groups", given.num_groups, 1, max_extent);
  check_range("num_nodes", given.num_nodes, 1, max_extent);
  plan_shape shape = flat;
  shape.groups = given.num_groups;
  shape.nodes = given.num_nodes;
  if (policy == EPLB_POLICY_AUTO) policy = suits_hierarchy(shape, gpus) ? EPLB_POLICY_HIERARCHICAL : EPLB_POLICY_GLOBAL;
  if (policy == EPLB_POLICY_GLOBAL) return flat;
  check_shares("num_logical_experts", shape.experts, "num_groups", shape.groups);
  check_shares("num_groups", shape.groups, "num_nodes", shape.nodes);
  if (!gpus.node) check_shares("num_gpus", shape.gpus, "num_nodes", shape.nodes);
  return shape;
}

/// The nodes of a plan, and whether the experts of each have room on it.
node_size settle_nodes(const plan_shape& shape, const cluster_view& gpus) {
  node_size largest{shape.experts / shape.nodes, 0, 0};
  visit_nodes(shape, gpus, [&](int node, const node_sum& sum) {
    if (sum.slots < largest.experts)
      fail(EPLB_ERROR_INVALID_ARGUMENT,
           "node %d has %d slot%s, but a hierarchical plan has %d expert%s on each; policy global does not", node,
           sum.slots, plural(sum.slots), largest.experts, plural(largest.experts));
    largest.slots = std::max(largest.slots, sum.slots);
    largest.gpus = std::max(largest.gpus, sum.gpus);
  });
  return largest;
}

/// What auto stands for; its description says so too. A search pays where samples differ, and where gpus have so
/// few slots that swaps with the heaviest gpu alone end early; only a search can start from a placement, or plan for
/// gpus that are not alike.
std::int32_t settle_strategy(std::int32_t given, const plan_shape& shape, bool needs_search, int max_samples) {
  if (given != EPLB_STRATEGY_AUTO) return given;
  const int room = shape.slots / shape.gpus;
  return needs_search || max_samples > 1 || (room > 2 && room <= 8) ? EPLB_STRATEGY_SEARCH : EPLB_STRATEGY_LPT_SWAP_ANY;
}

/// What a strategy that does not search asks of the gpus.
void check_alike(const plan_shape& shape, const cluster_view& gpus, std::int32_t strategy) {
  const char* const array = gpus.slots ? "slots_per_gpu" : gpus.speed ? "speed_of_gpu" : "node_of_gpu";
  if (!gpus.is_plain())
    fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.%s is given, but to strategy %s all gpus are alike; search can use it",
         array, presets[strategy].name);
  if (shape.slots < shape.gpus)
    fail(EPLB_ERROR_INVALID_ARGUMENT,
         "num_physical_experts is %d, less than num_gpus, %d; strategy %s cannot leave a gpu empty, search can",
         shape.slots, shape.gpus, presets[strategy].name);
  if (shape.slots % shape.gpus != 0)
    fail(
        EPLB_ERROR_INVALID_ARGUMENT,
        "num_physical_experts is %d, which is not a multiple of num_gpus, %d, as strategy %s needs it; search does not",
        shape.slots, shape.gpus, presets[strategy].name);
}

search_rules settle_search(const eplb_options& given, std::int32_t strategy, const node_size& node) {
  const bool one_sample = given.max_samples == 1 || given.samples == EPLB_SAMPLES_SUM;
  const int default_steps = std::min((one_sample ? 3 : 4) * node.gpus, max_extent);
  check_range("search_steps", given.search_steps, 0, max_extent);
  check_enum("samples", given.samples, EPLB_SAMPLES_SUM + 1);
  check_enum("duplicates", given.duplicates, EPLB_DUPLICATES_ALLOW + 1);
  check_enum("objective", given.objective, EPLB_OBJECTIVE_POWER32 + 1);
  if (strategy == EPLB_STRATEGY_SEARCH) {
    const bool is_fourth_power =
        given.objective == EPLB_OBJECTIVE_PRESET ? one_sample : given.objective == EPLB_OBJECTIVE_POWER4;
    return {given.search_steps ? given.search_steps : default_steps, given.duplicates == EPLB_DUPLICATES_ALLOW,
            given.samples == EPLB_SAMPLES_SUM, is_fourth_power ? 4 : 32};
  }
  const char* const name = presets[strategy].name;
  if (given.search_steps)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "search_steps is %d, but strategy %s does not search", given.search_steps, name);
  if (given.samples == EPLB_SAMPLES_EACH)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "samples is each, but strategy %s adds them up; search keeps them apart", name);
  if (given.objective) fail(EPLB_ERROR_INVALID_ARGUMENT, "objective is set, but strategy %s does not search", name);
  if (given.duplicates == EPLB_DUPLICATES_AVOID)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "duplicates is avoid, which strategy %s does not; search does", name);
  return {};
}

/// The preset's five choices with the caller's own in their place.
packing_rules settle_rules(const eplb_options& given, std::int32_t strategy) {
  check_enum("initial", given.initial, EPLB_INITIAL_ZIGZAG + 1);
  check_range("candidates", given.candidates, 0, max_extent);
  check_enum("amplitude_form", given.amplitude_form, EPLB_AMPLITUDE_LINEAR + 1);
  check_enum("swap_scope", given.swap_scope, EPLB_SWAP_ANY_ANY + 1);
  check_range("max_swaps", given.max_swaps, 0, max_extent);
  check_enum("selection", given.selection, EPLB_SELECTION_SPREAD + 1);
  if (!(given.amplitude >= 0) || !std::isfinite(given.amplitude))
    fail(EPLB_ERROR_INVALID_ARGUMENT, "amplitude is %g; it must be finite and not negative",
         static_cast<double>(given.amplitude));

  packing_rules rules = presets[strategy].rules;
  if (given.initial) rules.initial = static_cast<initial_packing>(given.initial - 1);
  if (given.candidates) rules.candidates = given.candidates;
  if (given.amplitude > 0) rules.amplitude = given.amplitude;
  if (given.amplitude_form) rules.form = static_cast<amplitude_form>(given.amplitude_form - 1);
  if (given.swap_scope) rules.scope = static_cast<swap_scope>(given.swap_scope - 1);
  if (given.max_swaps) rules.max_swaps = given.max_swaps;
  if (given.selection) rules.choice = static_cast<candidate_choice>(given.selection - 1);

  const char* const name = presets[strategy].name;
  const char* const choice = given.initial          ? "initial"
                             : given.candidates     ? "candidates"
                             : given.amplitude > 0  ? "amplitude"
                             : given.amplitude_form ? "amplitude_form"
                             : given.swap_scope     ? "swap_scope"
                             : given.max_swaps      ? "max_swaps"
                             : given.selection      ? "selection"
                                                    : nullptr;
  if (strategy == EPLB_STRATEGY_SEARCH && choice)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is a packing choice, but strategy %s has none", choice, name);
  if (rules.candidates > 1 && rules.amplitude == 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "candidates is %d, but amplitude is not set and strategy %s has none",
         rules.candidates, name);
  if (rules.scope != swap_scope::none && rules.max_swaps == 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "swap_scope is set, but max_swaps is not and strategy %s has none", name);
  if (rules.scope == swap_scope::none && given.max_swaps)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "max_swaps is %d, but there is no swap_scope and strategy %s has none",
         given.max_swaps, name);
  if (rules.candidates == 1 && (given.amplitude > 0 || given.amplitude_form || given.selection))
    fail(EPLB_ERROR_INVALID_ARGUMENT,
         "amplitude, amplitude_form or selection is set, but candidates is not and strategy %s has 1", name);
  return rules;
}

}  // namespace

void fail(eplb_status status, const char* format, ...) {
  std::va_list values;
  va_start(values, format);
  const failure out = formatted(status, format, values);
  va_end(values);
  throw out;
}

eplb_status report_exception(eplb_error* error) {
  failure out{EPLB_ERROR_INTERNAL, "an exception of unknown type, perhaps from a callback"};
  try {
    throw;
  } catch (const failure& known) {
    out = known;
  } catch (const plan_fault& fault) {
    out = describe(fault);
  } catch (const unavailable& what) {
    out = describe(what);
  } catch (const bad_workspace& given) {
    out = describe(given);
  } catch (const out_of_cuda_memory& wanted) {
    out = describe(wanted);
  } catch (const cuda_error& error_of_cuda) {
    out = describe(error_of_cuda);
  } catch (const cancelled&) {
    out = {EPLB_ERROR_CANCELLED, "the progress callback asked to stop"};
  } catch (const std::bad_alloc&) {
    out = {EPLB_ERROR_OUT_OF_MEMORY, "memory could not be allocated"};
  } catch (const std::system_error& no_thread) {
    out = describe(EPLB_ERROR_OUT_OF_MEMORY, "a thread could not be started: %s", no_thread.what());
  } catch (const std::exception& other) {
    out = describe(EPLB_ERROR_INTERNAL, "%s", other.what());
  } catch (...) {
  }
  write_error(error, out.status, out.message);
  return out.status;
}

template <>
eplb_error defaults<eplb_error>() {
  return {};
}
template <>
eplb_shape defaults<eplb_shape>() {
  eplb_shape out{};
  out.num_groups = out.num_nodes = 1;
  return out;
}
template <>
eplb_options defaults<eplb_options>() {
  eplb_options out{};
  out.device = -1;
  out.num_threads = out.max_samples = 1;
  out.log_level = EPLB_LOG_INFO;
  return out;
}
template <>
eplb_input defaults<eplb_input>() {
  eplb_input out{};
  out.num_samples = 1;
  out.current_type = EPLB_TYPE_INT32;
  out.max_changes_per_layer = -1;
  out.max_changes = -1;
  return out;
}
template <>
eplb_maps defaults<eplb_maps>() {
  eplb_maps out{};
  out.type = EPLB_TYPE_INT32;
  return out;
}
template <>
eplb_stats defaults<eplb_stats>() {
  return {};
}
template <>
eplb_packing defaults<eplb_packing>() {
  eplb_packing out{};
  out.type = EPLB_TYPE_INT32;
  return out;
}

void check_range(const char* name, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %lld; it must be %lld to %lld", name, static_cast<long long>(value),
         static_cast<long long>(least), static_cast<long long>(most));
}

void check_multiple(const char* name, int value, const char* of_name, int of) {
  if (value % of != 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %d, which is not a multiple of %s, %d", name, value, of_name, of);
}

void check_enum(const char* name, std::int32_t value, std::int32_t count) {
  if (value < 0 || value >= count)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %d, which this library does not know; it must be 0 to %d", name, value,
         count - 1);
}

std::size_t size_of(scalar type) { return type == scalar::float64 || type == scalar::int64 ? 8 : 4; }

/// What belongs to a pointer that is NULL is not set: else the pointer was forgotten.
void check_forgotten(const char* name, const char* pointer, bool is_set) {
  if (is_set)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is set, but %s is NULL; set both, or leave %s at its default", name, pointer,
         name);
}

void check_buffer(const char* name, const void* data, std::size_t count, std::size_t needed, std::size_t element_size) {
  if (!data) {
    if (count != 0)
      fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is NULL, but %s_count is %zu; set both, or leave the count 0", name, name,
           count);
    return;
  }
  if (count < needed)
    fail(EPLB_ERROR_BUFFER_TOO_SMALL, "%s has %zu element%s; it must have %zu", name, count, plural(count), needed);
  if (reinterpret_cast<std::uintptr_t>(data) % element_size != 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is at %p, which is not aligned to its elements of %zu bytes", name, data,
         element_size);
}

void* host_allocator::take(std::size_t size) const {
  void* const block = alloc ? alloc(user, size) : std::malloc(size);
  if (!block) fail(EPLB_ERROR_OUT_OF_MEMORY, "%zu bytes of host memory could not be allocated", size);
  return block;
}

void host_allocator::give_back(void* block) const {
  if (!free) return std::free(block);
  try {
    free(user, block);
  } catch (...) {  // the block is the caller's again, whatever becomes of it
  }
}

plan_shape check_extents(const eplb_shape& shape) {
  check_range("num_layers", shape.num_layers, 1, max_extent);
  check_range("num_logical_experts", shape.num_logical_experts, 1, max_extent);
  check_range("num_physical_experts", shape.num_physical_experts, 1, max_extent);
  check_range("num_gpus", shape.num_gpus, 1, max_extent);
  if (shape.reserved != 0) fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.reserved is %d; it must be 0", shape.reserved);
  if (shape.num_physical_experts < shape.num_logical_experts)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "num_physical_experts is %d, less than num_logical_experts, %d",
         shape.num_physical_experts, shape.num_logical_experts);
  return {shape.num_layers, shape.num_logical_experts, shape.num_physical_experts, 1, 1, shape.num_gpus};
}

cluster_view check_gpus(const eplb_shape& shape) {
  const auto check_count = [&](const char* name, const void* data, std::size_t count) {
    check_buffer(name, data, count, 0, 1);
    if (data && count != size_cast(shape.num_gpus))
      fail(EPLB_ERROR_INVALID_ARGUMENT, "%s has %zu element%s; it must have one for each of the %d gpus", name, count,
           plural(count), shape.num_gpus);
  };
  check_count("shape.slots_per_gpu", shape.slots_per_gpu, shape.slots_per_gpu_count);
  check_count("shape.speed_of_gpu", shape.speed_of_gpu, shape.speed_of_gpu_count);
  check_count("shape.node_of_gpu", shape.node_of_gpu, shape.node_of_gpu_count);
  std::int64_t slots = 0;
  for (int gpu = 0; shape.slots_per_gpu && gpu < shape.num_gpus; ++gpu) {
    const std::int32_t room = shape.slots_per_gpu[gpu];
    if (room < 0)
      fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.slots_per_gpu of gpu %d is %d; it must be 0 or more", gpu, room);
    slots += room;
  }
  if (shape.slots_per_gpu && slots != shape.num_physical_experts)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.slots_per_gpu adds up to %lld; it must be num_physical_experts, %d",
         static_cast<long long>(slots), shape.num_physical_experts);
  for (int gpu = 0; shape.speed_of_gpu && gpu < shape.num_gpus; ++gpu) {
    const float speed = shape.speed_of_gpu[gpu];
    if (!(speed >= 0.001f && speed <= 1000))
      fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.speed_of_gpu of gpu %d is %g; it must be 0.001 to 1000", gpu,
           static_cast<double>(speed));
  }
  if (shape.node_of_gpu) check_range("num_nodes", shape.num_nodes, 1, max_extent);
  for (int gpu = 0; shape.node_of_gpu && gpu < shape.num_gpus; ++gpu) {
    const std::int32_t node = shape.node_of_gpu[gpu];
    if (node < 0 || node >= shape.num_nodes)
      fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.node_of_gpu of gpu %d is %d; with num_nodes %d it must be 0 to %d", gpu,
           node, shape.num_nodes, shape.num_nodes - 1);
  }
  return {shape.slots_per_gpu, shape.speed_of_gpu, shape.node_of_gpu};
}

settled_options settle(const eplb_shape* shape, const eplb_options* options, const eplb_input* once) {
  const eplb_shape dimensions = read_struct(shape, "shape");
  eplb_options given = options ? read_struct(options, "options") : defaults<eplb_options>();
  check_enum("strategy", given.strategy, preset_count);
  check_enum("policy", given.policy, EPLB_POLICY_GLOBAL + 1);
  check_enum("backend", given.backend, EPLB_BACKEND_CUDA + 1);
  check_enum("memory", given.memory, EPLB_MEMORY_CUDA + 1);
  check_enum("log_level", given.log_level, EPLB_LOG_DEBUG + 1);
  check_range("device", given.device, -1, INT32_MAX);
  check_range("num_threads", given.num_threads, 0, most_threads);
  check_range("max_samples", given.max_samples, 1, max_extent);
  if (once) given.max_samples = std::clamp(once->num_samples, given.max_samples, max_extent);
  if (!given.alloc_fn != !given.free_fn)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "alloc_fn and free_fn must be set together, or neither");
  if (given.backend == EPLB_BACKEND_CPU && given.memory == EPLB_MEMORY_CUDA)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "backend is cpu, which cannot read memory of kind cuda");

  settled_options out{};
  out.policy = given.policy;
  const plan_shape flat = check_extents(dimensions);
  out.spec.gpus = check_gpus(dimensions);
  out.spec.shape = settle_shape(dimensions, flat, out.spec.gpus, out.policy);
  const plan_shape& extents = out.spec.shape;
  const bool needs_search = !out.spec.gpus.is_plain() || extents.slots % extents.gpus != 0 || (once && once->current);
  out.strategy = settle_strategy(given.strategy, extents, needs_search, given.max_samples);
  if (out.strategy != EPLB_STRATEGY_SEARCH) check_alike(extents, out.spec.gpus, out.strategy);
  out.spec.node = settle_nodes(extents, out.spec.gpus);
  out.spec.rules = settle_rules(given, out.strategy);
  out.spec.search = settle_search(given, out.strategy, out.spec.node);
  out.spec.first_problem = 1;
  out.spec.max_samples = given.max_samples;
  out.spec.memory = static_cast<memory_kind>(given.memory);
  out.spec.device = given.device;
  out.where = &select_backend(static_cast<backend_id>(given.backend), out.spec.memory);
  constexpr std::int64_t most_blocks = 1 << 30;  // of threads, which CUDA counts in 32 bits
  const std::int64_t blocks = std::int64_t{extents.layers} * extents.nodes;
  if (out.where->id == backend_id::cuda && blocks > most_blocks)
    fail(EPLB_ERROR_INVALID_ARGUMENT,
         "num_layers * num_nodes is %lld, but with CUDA a hierarchical plan has at most %lld; policy global does not",
         static_cast<long long>(blocks), static_cast<long long>(most_blocks));
  out.spec.threads = 1;
  if (out.where->id == backend_id::cpu) {
    const int threads = given.num_threads ? given.num_threads : std::min(allowed_threads(), most_threads);
    out.spec.threads = std::min(threads, std::max(out.spec.shape.layers, out.spec.rules.candidates));
    out.idle_threads = given.num_threads - out.spec.threads;
  }
  check_forgotten("workspace_bytes", "workspace", !given.workspace && given.workspace_bytes != 0);
  if (given.workspace && out.where->id == backend_id::cpu)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "workspace is set, but the backend is cpu, which has no use for it");
  out.spec.workspace = given.workspace;
  out.workspace_bytes = given.workspace_bytes;
  out.memory = {given.alloc_fn, given.free_fn, given.user};
  out.log_fn = given.log_fn;
  out.log_level = given.log_level;
  out.progress_fn = given.progress_fn;
  out.user = given.user;
  return out;
}

scalar check_map_type(const char* name, std::int32_t type) {
  if (type != EPLB_TYPE_INT32 && type != EPLB_TYPE_INT64)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %d; it must be EPLB_TYPE_INT32 or EPLB_TYPE_INT64", name, type);
  return static_cast<scalar>(type);
}

void check_memory(const char* name, std::int32_t given, memory_kind expected) {
  check_enum(name, given, EPLB_MEMORY_CUDA + 1);
  if (static_cast<memory_kind>(given) != expected)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %s, but this call works on %s memory", name,
         given == EPLB_MEMORY_CUDA ? "cuda" : "host", expected == memory_kind::cuda ? "cuda" : "host");
}

load_view check_input(const eplb_input& input, const plan_shape& shape, int max_samples, memory_kind memory) {
  check_enum("input.type", input.type, EPLB_TYPE_INT64 + 1);
  check_memory("input.memory", input.memory, memory);
  check_range("input.num_samples", input.num_samples, 1, max_extent);
  if (input.num_samples > max_samples)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "input.num_samples is %d, more than the max_samples of the context, %d",
         input.num_samples, max_samples);
  const auto type = static_cast<scalar>(input.type);
  if (!input.loads) fail(EPLB_ERROR_INVALID_ARGUMENT, "input.loads is NULL");
  check_buffer("input.loads", input.loads, input.loads_count,
               size_cast(input.num_samples) * size_cast(shape.layers) * size_cast(shape.experts), size_of(type));
  return {type, input.loads, input.num_samples};
}

current_view check_current(const eplb_input& input, const plan_shape& shape) {
  check_range("input.max_changes_per_layer", input.max_changes_per_layer, -1, INT32_MAX);
  check_range("input.max_changes", input.max_changes, -1, INT64_MAX);
  const scalar type = check_map_type("input.current_type", input.current_type);
  if (!input.current) {
    if (input.max_changes_per_layer >= 0 || input.max_changes >= 0)
      fail(EPLB_ERROR_INVALID_ARGUMENT, "input.%s is set, but input.current, from which changes count, is NULL",
           input.max_changes >= 0 ? "max_changes" : "max_changes_per_layer");
    check_forgotten("input.current_type", "input.current", input.current_type != defaults<eplb_input>().current_type);
  }
  check_buffer("input.current", input.current, input.current_count, size_cast(shape.layers) * size_cast(shape.slots),
               size_of(type));
  if (!input.current) return {};
  return {input.current, type == scalar::int64,
          input.max_changes_per_layer >= 0 ? input.max_changes_per_layer : INT32_MAX,
          input.max_changes >= 0 ? input.max_changes : INT64_MAX};
}

maps_view check_maps(const eplb_maps& maps, const plan_shape& shape, memory_kind memory) {
  const scalar type = check_map_type("maps.type", maps.type);
  check_memory("maps.memory", maps.memory, memory);
  const std::size_t slots = size_cast(shape.layers) * size_cast(shape.slots);
  const std::size_t experts = size_cast(shape.layers) * size_cast(shape.experts), size = size_of(type);
  check_buffer("maps.physical_to_logical", maps.physical_to_logical, maps.physical_to_logical_count, slots, size);
  check_buffer("maps.replica_rank", maps.replica_rank, maps.replica_rank_count, slots, size);
  check_buffer("maps.replica_count", maps.replica_count, maps.replica_count_count, experts, size);
  if (maps.logical_to_physical)
    check_range("maps.max_replicas", maps.max_replicas, 1, INT32_MAX);
  else
    check_forgotten("maps.max_replicas", "maps.logical_to_physical", maps.max_replicas != 0);
  check_buffer("maps.logical_to_physical", maps.logical_to_physical, maps.logical_to_physical_count,
               experts * size_cast(maps.max_replicas), size);
  return {type,
          maps.physical_to_logical,
          maps.replica_rank,
          maps.replica_count,
          maps.logical_to_physical,
          maps.logical_to_physical ? size_cast(maps.max_replicas) : 0};
}

placement_stats check_stats(const eplb_stats& stats, const plan_shape& shape) {
  check_buffer("stats.layer_balancedness", stats.layer_balancedness, stats.layer_balancedness_count,
               size_cast(shape.layers), sizeof(double));
  check_buffer("stats.gpu_load", stats.gpu_load, stats.gpu_load_count, size_cast(shape.layers) * size_cast(shape.gpus),
               sizeof(double));
  check_buffer("stats.layer_bound", stats.layer_bound, stats.layer_bound_count, size_cast(shape.layers),
               sizeof(double));
  placement_stats out{};
  out.layer_bound = stats.layer_bound;
  out.layer_balancedness = stats.layer_balancedness;
  out.gpu_load = stats.gpu_load;
  return out;
}

void write_stats(eplb_stats* to, eplb_stats given, const placement_stats& from) {
  given.max_replica_count = from.max_replica_count;
  given.balancedness = from.balancedness;
  given.balancedness_min = from.balancedness_min;
  given.empty_layers = from.empty_layers;
  given.duplicates = from.duplicates;
  given.bound = from.bound;
  given.changes = from.changes;
  write_struct(to, given);
}

}  // namespace eplb
