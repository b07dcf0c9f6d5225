// SPDX-License-Identifier: MIT
// Policy, strategy and their rules, chosen and checked in the order in which their faults are named.
#include "api/spec.h"

#include <algorithm>
#include <cmath>

#include "api/check.h"
#include "api/error.h"
#include "api/presets.h"

namespace eplb {
namespace {

constexpr int most_threads = 1024;

/// The caller's options; those that can be checked without a shape are.
eplb_options read_options(const eplb_options* options) {
  const eplb_options given = options ? read_struct(options, "options") : defaults<eplb_options>();
  check_enum("strategy", given.strategy, preset_count);
  check_enum("policy", given.policy, EPLB_POLICY_GLOBAL + 1);
  check_enum("backend", given.backend, EPLB_BACKEND_CUDA + 1);
  check_enum("memory", given.memory, EPLB_MEMORY_CUDA + 1);
  check_enum("log_level", given.log_level, EPLB_LOG_DEBUG + 1);
  check_range("device", given.device, -1, INT32_MAX);
  check_range("num_threads", given.num_threads, 0, most_threads);
  check_range("max_samples", given.max_samples, 1, max_extent);
  if (!given.alloc_fn != !given.free_fn)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "alloc_fn and free_fn must be set together, or neither");
  if (given.backend == EPLB_BACKEND_CPU && given.memory == EPLB_MEMORY_CUDA)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "backend is cpu, which cannot read memory of kind cuda");
  return given;
}

/// The shape with the caller's groups and nodes, of which a global plan has one each.
plan_shape check_groups(const eplb_shape& given, const plan_shape& flat) {
  check_range("num_groups", given.num_groups, 1, max_extent);
  check_range("num_nodes", given.num_nodes, 1, max_extent);
  plan_shape out = flat;
  out.groups = given.num_groups;
  out.nodes = given.num_nodes;
  return out;
}

/// What the gpus of a node have together. A gpu without slots is not in use.
struct node_sum {
  int gpus, gpus_in_use, slots;
  double speed;  // of the gpus in use

  bool is_like(const node_sum& other) const {
    return gpus_in_use == other.gpus_in_use && slots == other.slots && speed == other.speed;
  }
};

/// Calls f(node, its sum) for each node in turn.
template <class F>
void visit_nodes(const plan_shape& shape, const cluster_view& gpus, F f) {
  constexpr int at_once = 1024;  // nodes, whose sums fit on the stack: no allocator is known yet
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

/// Whether every node can have as many groups as the others, and the nodes are alike. Each then has room for its
/// experts, too.
bool suits_hierarchy(const plan_shape& shape, const cluster_view& gpus) {
  if (shape.groups == 1 && shape.nodes == 1) return false;  // both policies make the same plan
  if (shape.groups % shape.nodes != 0 || (!gpus.node && shape.gpus % shape.nodes != 0)) return false;
  node_sum first{};
  bool are_alike = true;
  visit_nodes(shape, gpus, [&](int node, const node_sum& sum) {
    if (node == 0) first = sum;
    are_alike &= sum.is_like(first);
  });
  return are_alike;
}

std::int32_t choose_policy(std::int32_t given, const plan_shape& grouped, const cluster_view& gpus) {
  if (given != EPLB_POLICY_AUTO) return given;
  return suits_hierarchy(grouped, gpus) ? EPLB_POLICY_HIERARCHICAL : EPLB_POLICY_GLOBAL;
}

/// A hierarchical plan shares out `value` evenly over `of`.
void check_shares(const char* name, int value, const char* of_name, int of) {
  if (value % of != 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT,
         "%s is %d, which is not a multiple of %s, %d, as a hierarchical plan needs it; policy global does not", name,
         value, of_name, of);
}

void check_hierarchy(const plan_shape& shape, const cluster_view& gpus) {
  check_shares("num_logical_experts", shape.experts, "num_groups", shape.groups);
  check_shares("num_groups", shape.groups, "num_nodes", shape.nodes);
  if (!gpus.node) check_shares("num_gpus", shape.gpus, "num_nodes", shape.nodes);
}

/// Experts of each node, and the most slots and gpus of any. Fails if a node has no room for its experts.
node_size find_node_size(const plan_shape& shape, const cluster_view& gpus) {
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

/// Auto, as its description in presets.h says. A search pays where samples differ, and where gpus have so few slots
/// that swaps with the heaviest gpu alone end early; nothing else can start from a placement, or plan for gpus that are
/// not alike.
std::int32_t choose_strategy(const eplb_options& given, const plan_shape& shape, const cluster_view& gpus,
                             bool has_current) {
  if (given.strategy != EPLB_STRATEGY_AUTO) return given.strategy;
  const bool needs_search = !gpus.is_plain() || shape.slots % shape.gpus != 0 || has_current;
  const int slots = shape.slots / shape.gpus;
  const bool gains_by_search = given.max_samples > 1 || (slots > 2 && slots <= 8);
  return needs_search || gains_by_search ? EPLB_STRATEGY_SEARCH : EPLB_STRATEGY_LPT_SWAP_ANY;
}

/// To a strategy that does not search all gpus are alike, and have as many slots each.
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

/// Whether what is set goes together, and does something.
void check_packing_choices(const eplb_options& given, const packing_rules& rules, std::int32_t strategy) {
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
}

/// The choices of the strategy, but for those that the caller has made.
packing_rules make_packing_rules(const eplb_options& given, std::int32_t strategy) {
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
  check_packing_choices(given, rules, strategy);
  return rules;
}

/// A strategy that does not search has no use for the choices of a search.
void refuse_search_choices(const eplb_options& given, std::int32_t strategy) {
  const char* const name = presets[strategy].name;
  if (given.search_steps)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "search_steps is %d, but strategy %s does not search", given.search_steps, name);
  if (given.samples == EPLB_SAMPLES_EACH)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "samples is each, but strategy %s adds them up; search keeps them apart", name);
  if (given.objective) fail(EPLB_ERROR_INVALID_ARGUMENT, "objective is set, but strategy %s does not search", name);
  if (given.duplicates == EPLB_DUPLICATES_AVOID)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "duplicates is avoid, which strategy %s does not; search does", name);
}

search_rules make_search_rules(const eplb_options& given, std::int32_t strategy, const node_size& node) {
  check_range("search_steps", given.search_steps, 0, max_extent);
  check_enum("samples", given.samples, EPLB_SAMPLES_SUM + 1);
  check_enum("duplicates", given.duplicates, EPLB_DUPLICATES_ALLOW + 1);
  check_enum("objective", given.objective, EPLB_OBJECTIVE_POWER32 + 1);
  if (strategy != EPLB_STRATEGY_SEARCH) {
    refuse_search_choices(given, strategy);
    return {};
  }
  const bool one_sample = given.max_samples == 1 || given.samples == EPLB_SAMPLES_SUM;
  const int default_steps = std::min((one_sample ? 3 : 4) * node.gpus, max_extent);
  const bool is_fourth_power =
      given.objective == EPLB_OBJECTIVE_PRESET ? one_sample : given.objective == EPLB_OBJECTIVE_POWER4;
  return {given.search_steps ? given.search_steps : default_steps, given.duplicates == EPLB_DUPLICATES_ALLOW,
          given.samples == EPLB_SAMPLES_SUM, is_fourth_power ? 4 : 32};
}

/// CUDA counts the nodes of all layers, each of which has a block of threads, in 32 bits.
void check_blocks(const plan_shape& shape) {
  constexpr std::int64_t most_blocks = 1 << 30;
  const std::int64_t blocks = std::int64_t{shape.layers} * shape.nodes;
  if (blocks > most_blocks)
    fail(EPLB_ERROR_INVALID_ARGUMENT,
         "num_layers * num_nodes is %lld, but with CUDA a hierarchical plan has at most %lld; policy global does not",
         static_cast<long long>(blocks), static_cast<long long>(most_blocks));
}

/// Of those asked for, or of all that there are, as many as there are layers or candidates to share out.
int choose_threads(int asked, const plan_spec& spec) {
  const int threads = asked ? asked : std::min(allowed_threads(), most_threads);
  return std::min(threads, std::max(spec.shape.layers, spec.rules.candidates));
}

void check_workspace(const eplb_options& given, backend_id where) {
  check_forgotten("workspace_bytes", "workspace", !given.workspace && given.workspace_bytes != 0);
  if (given.workspace && where == backend_id::cpu)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "workspace is set, but the backend is cpu, which has no use for it");
}

/// What is planned, and by which rules: the spec, but for threads, and the policy and strategy that it has.
void make_spec(const eplb_shape& shape, const eplb_options& given, bool has_current, checked_options& out) {
  plan_spec& spec = out.spec;
  const plan_shape flat = check_extents(shape);
  spec.gpus = check_gpus(shape);
  const plan_shape grouped = given.policy == EPLB_POLICY_GLOBAL ? flat : check_groups(shape, flat);
  out.policy = choose_policy(given.policy, grouped, spec.gpus);
  spec.shape = out.policy == EPLB_POLICY_GLOBAL ? flat : grouped;
  if (out.policy == EPLB_POLICY_HIERARCHICAL) check_hierarchy(spec.shape, spec.gpus);
  out.strategy = choose_strategy(given, spec.shape, spec.gpus, has_current);
  if (out.strategy != EPLB_STRATEGY_SEARCH) check_alike(spec.shape, spec.gpus, out.strategy);
  spec.node = find_node_size(spec.shape, spec.gpus);
  spec.rules = make_packing_rules(given, out.strategy);
  spec.search = make_search_rules(given, out.strategy, spec.node);
  spec.first_problem = 1;
  spec.max_samples = given.max_samples;
  spec.memory = static_cast<memory_kind>(given.memory);
  spec.device = given.device;
  spec.workspace = given.workspace;
}

}  // namespace

checked_options check_options(const eplb_shape* shape, const eplb_options* options, const eplb_input* only_input) {
  const eplb_shape given_shape = read_struct(shape, "shape");
  eplb_options given = read_options(options);
  if (only_input) given.max_samples = std::clamp(only_input->num_samples, given.max_samples, max_extent);

  checked_options out{};
  make_spec(given_shape, given, only_input && only_input->current, out);
  out.backend = &select_backend(static_cast<backend_id>(given.backend), out.spec.memory);
  if (out.backend->id == backend_id::cuda) check_blocks(out.spec.shape);
  out.spec.threads = 1;
  if (out.backend->id == backend_id::cpu) {
    out.spec.threads = choose_threads(given.num_threads, out.spec);
    out.idle_threads = given.num_threads - out.spec.threads;
  }
  check_workspace(given, out.backend->id);
  out.workspace_bytes = given.workspace_bytes;
  out.memory = {given.alloc_fn, given.free_fn, given.user};
  out.log_fn = given.log_fn;
  out.log_level = given.log_level;
  out.progress_fn = given.progress_fn;
  out.user = given.user;
  return out;
}

}  // namespace eplb
