// SPDX-License-Identifier: MIT
#include "library.h"

#include <memory>
#include <numeric>

#include "error.h"
#include "progress.h"

namespace eplb::cli {
namespace {

template <class T>
constexpr std::int32_t type_of = -1;
template <>
constexpr std::int32_t type_of<float> = EPLB_TYPE_FLOAT32;
template <>
constexpr std::int32_t type_of<double> = EPLB_TYPE_FLOAT64;
template <>
constexpr std::int32_t type_of<std::int32_t> = EPLB_TYPE_INT32;
template <>
constexpr std::int32_t type_of<std::int64_t> = EPLB_TYPE_INT64;

std::size_t product(std::int32_t a, std::int32_t b) {
  return static_cast<std::size_t>(std::max(a, 0)) * static_cast<std::size_t>(std::max(b, 0));
}

eplb_maps as_maps(Placement& placement) {
  const auto data = [](std::vector<std::int32_t>& map) { return map.empty() ? nullptr : map.data(); };
  auto maps = defaults(eplb_maps_init);
  maps.max_replicas = placement.max_replicas;
  maps.physical_to_logical = data(placement.physical_to_logical);
  maps.physical_to_logical_count = placement.physical_to_logical.size();
  maps.replica_rank = data(placement.replica_rank);
  maps.replica_rank_count = placement.replica_rank.size();
  maps.replica_count = data(placement.replica_count);
  maps.replica_count_count = placement.replica_count.size();
  maps.logical_to_physical = data(placement.logical_to_physical);
  maps.logical_to_physical_count = placement.logical_to_physical.size();
  return maps;
}

/// Calls @p judge with an eplb_stats that has a buffer for the gpus, and takes over what it wrote.
template <class Judge>
Balance balance_from(const eplb_shape& shape, const std::string& subject, Judge judge) {
  Balance balance;
  balance.gpu_load.resize(product(shape.num_layers, shape.num_gpus));
  auto stats = defaults(eplb_stats_init);
  stats.gpu_load = balance.gpu_load.data();
  stats.gpu_load_count = balance.gpu_load.size();
  auto error = defaults(eplb_error_init);
  check(judge(&stats, &error), error, subject);
  balance.balancedness = stats.balancedness;
  balance.balancedness_min = stats.balancedness_min;
  balance.empty_layers = stats.empty_layers;
  balance.duplicates = stats.duplicates;
  balance.max_replica_count = stats.max_replica_count;
  balance.bound = stats.bound;
  balance.changes = stats.changes;
  return balance;
}

struct Destroy {
  void operator()(eplb_context* context) const { eplb_destroy(context); }
};
using Context = std::unique_ptr<eplb_context, Destroy>;

Context create(const eplb_shape& shape, const eplb_options& options, const std::string& subject) {
  eplb_context* context = nullptr;
  auto error = defaults(eplb_error_init);
  check(eplb_create(&shape, &options, &context, &error), error, subject);
  return Context(context);
}

}  // namespace

void check(eplb_status status, const eplb_error& error, const std::string& subject) {
  if (status == EPLB_SUCCESS) return;
  if (status == EPLB_ERROR_CANCELLED) throw Cancelled();
  const std::string message = error.message[0] ? error.message : eplb_status_string(status);
  const bool about_contents = status == EPLB_ERROR_INVALID_ARGUMENT || status == EPLB_ERROR_INVALID_LOAD ||
                              status == EPLB_ERROR_INVALID_PLACEMENT;
  throw Error(about_contents ? subject + ": " + message : message);
}

std::string library_version() {
  const std::int32_t version = eplb_version();
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

eplb_input as_input(const Loads& loads, std::uint64_t seed) {
  auto input = defaults(eplb_input_init);
  input.num_samples = loads.samples;
  input.seed = seed;
  std::visit(
      [&](const auto& values) {
        input.type = type_of<typename std::decay_t<decltype(values)>::value_type>;
        input.loads = values.data();
        input.loads_count = values.size();
      },
      loads.values);
  return input;
}

std::vector<std::int32_t> slots_of_gpus(const eplb_shape& shape) {
  if (shape.slots_per_gpu) return {shape.slots_per_gpu, shape.slots_per_gpu + shape.slots_per_gpu_count};
  std::vector<std::int32_t> slots;
  for (std::int32_t gpu = 0; gpu < shape.num_gpus; ++gpu)
    slots.push_back(shape.num_physical_experts / shape.num_gpus +
                    (gpu < shape.num_physical_experts % shape.num_gpus ? 1 : 0));
  return slots;
}

Balance score(const eplb_shape& shape, const Loads& loads, const Placement& placement, const std::string& subject) {
  const eplb_input input = as_input(loads);
  // The struct for maps serves reading and writing, so its pointers are not const; here they are only read.
  const eplb_maps maps = as_maps(const_cast<Placement&>(placement));
  return balance_from(shape, subject, [&](eplb_stats* stats, eplb_error* error) {
    return eplb_score_placement(&shape, &input, &maps, stats, error);
  });
}

Balance score_experts_in_order(eplb_shape shape, const Loads& loads) {
  shape.num_physical_experts = shape.num_logical_experts;
  shape.slots_per_gpu = nullptr;
  shape.slots_per_gpu_count = 0;
  const auto experts = static_cast<std::ptrdiff_t>(shape.num_logical_experts);
  Placement placement;
  placement.physical_to_logical.resize(product(shape.num_layers, shape.num_logical_experts));
  for (auto row = placement.physical_to_logical.begin(); row != placement.physical_to_logical.end(); row += experts)
    std::iota(row, row + experts, 0);
  return score(shape, loads, placement, loads.name);
}

Plan make_plan(const eplb_shape& shape, const Planning& planning, const Loads& loads, bool with_logical_to_physical) {
  eplb_options options = planning.options;
  options.max_samples = loads.samples;
  if (!planning.current.empty() && options.strategy == EPLB_STRATEGY_AUTO) options.strategy = EPLB_STRATEGY_SEARCH;
  const Progress progress(options, std::string("planning, ") + eplb_strategy_name(options.strategy));
  const Context context = create(shape, options, loads.name);
  eplb_input input = as_input(loads, planning.seed);
  input.current = planning.current.empty() ? nullptr : planning.current.data();
  input.current_count = planning.current.size();
  input.max_changes_per_layer = planning.max_changes;
  input.max_changes = planning.max_changes_in_all;
  auto error = defaults(eplb_error_init);

  Plan plan;
  Placement& placement = plan.placement;
  placement.physical_to_logical.resize(product(shape.num_layers, shape.num_physical_experts));
  placement.replica_rank.resize(product(shape.num_layers, shape.num_physical_experts));
  placement.replica_count.resize(product(shape.num_layers, shape.num_logical_experts));
  const eplb_maps maps = as_maps(placement);
  plan.plan_ms = median_ms(planning.repeat, [&] {
    const eplb_status status = eplb_submit_weights(context.get(), &input, &error);
    check(status, error, status == EPLB_ERROR_INVALID_PLACEMENT ? planning.current_name : loads.name);
    check(eplb_get_maps(context.get(), &maps, &error), error, loads.name);
  });

  if (with_logical_to_physical) {
    check(eplb_get_max_replica_count(context.get(), &placement.max_replicas, &error), error, loads.name);
    placement.logical_to_physical.resize(placement.replica_count.size() *
                                         static_cast<std::size_t>(placement.max_replicas));
    const eplb_maps all_maps = as_maps(placement);
    check(eplb_get_maps(context.get(), &all_maps, &error), error, loads.name);
  }
  plan.balance = balance_from(
      shape, loads.name, [&](eplb_stats* stats, eplb_error* why) { return eplb_get_stats(context.get(), stats, why); });
  plan.strategy = eplb_strategy_name(eplb_context_strategy(context.get()));
  plan.policy = eplb_context_policy(context.get()) == EPLB_POLICY_GLOBAL ? "global" : "hierarchical";
  plan.backend = eplb_backend_name(eplb_context_backend(context.get()));
  return plan;
}

}  // namespace eplb::cli
