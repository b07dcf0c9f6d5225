// SPDX-License-Identifier: MIT
// The library's calls, as the tool's commands need them.
#include "library.h"

#include <functional>
#include <iterator>
#include <memory>
#include <numeric>
#include <set>

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

/// The struct for maps serves reading and writing, so its pointers are not const; these are only read.
eplb_maps as_const_maps(const Placement& placement) { return as_maps(const_cast<Placement&>(placement)); }

struct Destroy {
  void operator()(eplb_context* context) const { eplb_destroy(context); }
};
using Context = std::unique_ptr<eplb_context, Destroy>;

/// "strategy search" -> "strategy search, which auto is here,".
std::string say_what_auto_became(std::string message) {
  const std::string word = "strategy ";
  const std::size_t at = message.find(word);
  if (at != message.npos)
    message.insert(std::min(message.find_first_of(" ;,", at + word.size()), message.size()), ", which auto is here,");
  return message;
}

/// The loads of one sample.
eplb_input sample_of(const eplb_input& all, const Loads& loads, std::int32_t sample) {
  eplb_input one = all;
  const std::size_t values = product(loads.layers, loads.experts);
  std::visit([&](const auto& list) { one.loads = list.data() + static_cast<std::size_t>(sample) * values; },
             loads.values);
  one.loads_count = values;
  one.num_samples = 1;
  return one;
}

/// The statistics of the library's with their buffers.
Balance judge(const eplb_shape& shape, const eplb_input& input, const eplb_maps& maps, const std::string& subject) {
  Balance balance;
  balance.layer_balancedness.resize(product(shape.num_layers, 1));
  balance.layer_bound.resize(balance.layer_balancedness.size());
  balance.gpu_load.resize(product(shape.num_layers, shape.num_gpus));
  auto stats = defaults(eplb_stats_init);
  stats.layer_balancedness = balance.layer_balancedness.data();
  stats.layer_balancedness_count = balance.layer_balancedness.size();
  stats.layer_bound = balance.layer_bound.data();
  stats.layer_bound_count = balance.layer_bound.size();
  stats.gpu_load = balance.gpu_load.data();
  stats.gpu_load_count = balance.gpu_load.size();
  auto error = defaults(eplb_error_init);
  check(eplb_score_placement(&shape, &input, &maps, &stats, &error), error, subject);
  balance.balancedness = stats.balancedness;
  balance.balancedness_min = stats.balancedness_min;
  balance.empty_layers = stats.empty_layers;
  balance.duplicates = stats.duplicates;
  balance.max_replica_count = stats.max_replica_count;
  balance.bound = stats.bound;
  balance.changes = stats.changes;
  return balance;
}

/// What follows from the statistics of all samples and of each.
void add_what_follows(Balance& balance, const eplb_shape& shape) {
  const Burden burden(shape);
  double largest = 0, mean = 0;
  for (std::size_t sample = 0; sample < balance.samples.size(); ++sample) {
    const Balance& one = balance.samples[sample];
    if (one.balancedness < balance.samples[balance.worst_sample].balancedness) balance.worst_sample = sample;
    for (std::int32_t layer = 0; layer < shape.num_layers; ++layer) {
      largest += burden.of(one.gpu_loads(layer), burden.worst_gpu(one.gpu_loads(layer)));
      mean += burden.mean(one.gpu_loads(layer));
    }
  }
  if (mean > 0) balance.max_over_mean = largest / mean;
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer)
    if (burden.mean(balance.gpu_loads(layer)) > 0 &&
        (balance.worst_layer < 0 || balance.balancedness_of(layer) < balance.balancedness_of(balance.worst_layer)))
      balance.worst_layer = layer;
}

/// A placement, of which slots may be empty, slot by slot.
class SlotShares {
 public:
  SlotShares(const eplb_shape& shape, const std::vector<std::int32_t>& expert_in_slot)
      : slots_(product(shape.num_physical_experts, 1)), expert_(expert_in_slot) {
    const std::vector<std::int32_t> slots_of_gpu = slots_of_gpus(shape);
    for (auto slot = expert_.begin(); slot != expert_.end();) {
      std::vector<std::int32_t> replicas(product(shape.num_logical_experts, 1)), last_gpu(replicas.size(), -1);
      const auto row = slot;
      for (std::int32_t gpu = 0; gpu < shape.num_gpus; ++gpu)
        for (const auto end = slot + slots_of_gpu[static_cast<std::size_t>(gpu)]; slot != end; ++slot) {
          if (*slot < 0) continue;
          const auto expert = static_cast<std::size_t>(*slot);
          max_replica_count = std::max(max_replica_count, ++replicas[expert]);
          duplicates += last_gpu[expert] == gpu ? 1 : 0;
          last_gpu[expert] = gpu;
        }
      experts_without_slot += std::count(replicas.begin(), replicas.end(), 0);
      std::transform(row, slot, std::back_inserter(replicas_),
                     [&](std::int32_t expert) { return expert < 0 ? 0 : replicas[static_cast<std::size_t>(expert)]; });
    }
  }

  /// What each slot has of the loads, [S][L][P].
  std::vector<double> of(const Loads& loads) const {
    std::vector<double> out;
    const auto experts = static_cast<std::size_t>(loads.experts);
    std::visit(
        [&](const auto& values) {
          for (std::size_t row = 0; row < values.size(); row += experts)
            for (std::size_t slot = 0; slot < slots_; ++slot) {
              const std::size_t i = row / experts * slots_ % expert_.size() + slot;
              out.push_back(replicas_[i]
                                ? static_cast<double>(values[row + static_cast<std::size_t>(expert_[i])]) / replicas_[i]
                                : 0.0);
            }
        },
        loads.values);
    return out;
  }

  std::int64_t duplicates = 0, experts_without_slot = 0;
  std::int32_t max_replica_count = 0;

 private:
  std::size_t slots_;
  const std::vector<std::int32_t>& expert_;  // [L][P]
  std::vector<std::int32_t> replicas_;       // [L][P] of the expert in a slot; 0: it is empty
};

/// A placement to start from, and what may change, as the library takes it: the filling of empty slots is part of it.
struct Start {
  std::vector<std::int32_t> current;
  std::int32_t max_changes;
  std::int64_t max_changes_in_all;
};

/// Calls @p make, which leaves its plan in @p planned, so that each layer changes no more than the limit besides its
/// own empty slots. The library has one limit for all layers: it plans for each number of empty slots, the largest
/// first, and the layers that have so many keep that plan. They are full from then on, and fit into any limit.
template <class Make>
void plan_within_budget(const Planning& planning, const std::vector<std::int32_t>& planned, Make make) {
  const auto& empty_slots = planning.empty_slots;
  Start start{planning.current, planning.max_changes, planning.max_changes_in_all};
  if (start.max_changes_in_all >= 0) {
    const auto all = std::accumulate(empty_slots.begin(), empty_slots.end(), std::int64_t{0});
    start.max_changes_in_all = std::min(start.max_changes_in_all, INT64_MAX - all) + all;
  }
  if (start.max_changes < 0 || start.current.empty()) return make(start);

  const std::set<std::int32_t, std::greater<>> numbers(empty_slots.begin(), empty_slots.end());
  const std::size_t slots = start.current.size() / empty_slots.size();
  for (const std::int32_t number : numbers) {
    start.max_changes = std::min(planning.max_changes, INT32_MAX - number) + number;
    make(start);
    for (std::size_t layer = 0; layer < empty_slots.size(); ++layer)
      if (empty_slots[layer] == number) std::copy_n(&planned[layer * slots], slots, &start.current[layer * slots]);
  }
  if (numbers.size() == 1) return;
  start.max_changes = 0;
  make(start);
}

}  // namespace

void check(eplb_status status, const eplb_error& error, const std::string& file, std::int32_t strategy) {
  if (status == EPLB_SUCCESS) return;
  if (status == EPLB_ERROR_CANCELLED) throw Cancelled();
  std::string message = error.message[0] ? error.message : eplb_status_string(status);
  if (strategy == EPLB_STRATEGY_AUTO) message = say_what_auto_became(std::move(message));
  if (status == EPLB_ERROR_INVALID_ARGUMENT || status == EPLB_ERROR_INVALID_PLACEMENT)
    throw Refusal(status, file, message);
  if (status == EPLB_ERROR_INVALID_LOAD) fail(file, message);
  throw Error(message);
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
  std::vector<std::int32_t> slots(product(shape.num_gpus, 1), shape.num_physical_experts / shape.num_gpus);
  for (std::int32_t gpu = 0; gpu < shape.num_physical_experts % shape.num_gpus; ++gpu)
    ++slots[static_cast<std::size_t>(gpu)];
  return slots;
}

Burden::Burden(const eplb_shape& shape) {
  const std::vector<std::int32_t> slots = slots_of_gpus(shape);
  for (std::size_t gpu = 0; gpu < slots.size(); ++gpu)
    speed_.push_back(slots[gpu] == 0 ? 0.0 : shape.speed_of_gpu ? static_cast<double>(shape.speed_of_gpu[gpu]) : 1.0);
  total_speed_ = std::accumulate(speed_.begin(), speed_.end(), 0.0);
}

double Burden::of(std::span<const double> gpu_load, std::size_t gpu) const {
  return speed_[gpu] > 0 ? gpu_load[gpu] / speed_[gpu] : 0;
}

double Burden::mean(std::span<const double> gpu_load) const {
  return std::accumulate(gpu_load.begin(), gpu_load.end(), 0.0) / total_speed_;
}

std::size_t Burden::worst_gpu(std::span<const double> gpu_load) const {
  std::size_t worst = 0;
  for (std::size_t gpu = 1; gpu < speed_.size(); ++gpu)
    if (of(gpu_load, gpu) > of(gpu_load, worst)) worst = gpu;
  return worst;
}

void check_placement(const eplb_shape& shape, const Placement& placement, const std::string& subject) {
  const eplb_maps maps = as_const_maps(placement);
  auto error = defaults(eplb_error_init);
  check(eplb_check_placement(&shape, &maps, 0, &error), error, subject);
}

Balance score(const eplb_shape& shape, const Loads& loads, const Placement& placement, const std::string& subject,
              const std::vector<std::int32_t>& current) {
  eplb_input input = as_input(loads);
  input.current = current.empty() ? nullptr : current.data();
  input.current_count = current.size();
  const eplb_maps maps = as_const_maps(placement);
  Balance balance = judge(shape, input, maps, subject);

  for (std::int32_t sample = 0; sample < loads.samples; ++sample)
    balance.samples.push_back(judge(shape, sample_of(input, loads, sample), maps, subject));
  add_what_follows(balance, shape);
  return balance;
}

Balance score_incomplete(const eplb_shape& shape, const Loads& loads, const std::vector<std::int32_t>& expert_in_slot) {
  const SlotShares shares(shape, expert_in_slot);
  // To the library each slot is an expert of its own, with its share of the load.
  eplb_shape of_slots = shape;
  of_slots.num_logical_experts = shape.num_physical_experts;
  Loads slot_loads{loads.name, loads.samples, loads.layers, shape.num_physical_experts, {}, loads.layer_numbers};
  slot_loads.values = shares.of(loads);
  Placement each_in_its_slot;
  each_in_its_slot.physical_to_logical = experts_in_order(of_slots);
  Balance balance = score(of_slots, slot_loads, each_in_its_slot, loads.name);
  balance.duplicates = shares.duplicates;
  balance.max_replica_count = shares.max_replica_count;
  balance.experts_without_slot = shares.experts_without_slot;
  return balance;
}

std::vector<std::int32_t> experts_in_order(const eplb_shape& shape) {
  const std::vector<std::int32_t> slots = slots_of_gpus(shape);
  std::vector<std::int32_t> held(slots.size(), 0);
  for (std::int32_t left = shape.num_logical_experts; left > 0;)
    for (std::size_t gpu = 0; gpu < slots.size() && left > 0; ++gpu)
      if (held[gpu] < slots[gpu]) ++held[gpu], --left;
  std::vector<std::int32_t> out;
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer) {
    std::int32_t next = 0;
    for (std::size_t gpu = 0; gpu < slots.size(); ++gpu)
      for (std::int32_t slot = 0; slot < slots[gpu]; ++slot) out.push_back(slot < held[gpu] ? next++ : -1);
  }
  return out;
}

void Planning::start_from(std::vector<std::int32_t> expert_in_slot, std::int32_t layers, const std::string& name) {
  current = std::move(expert_in_slot);
  current_name = name;
  const auto slots = static_cast<std::ptrdiff_t>(current.size()) / layers;
  for (auto row = current.begin(); row != current.end(); row += slots)
    empty_slots.push_back(static_cast<std::int32_t>(std::count(row, row + slots, -1)));
  const bool are_alike =
      std::adjacent_find(empty_slots.begin(), empty_slots.end(), std::not_equal_to()) == empty_slots.end();
  if (max_changes >= 0 && max_changes_in_all >= 0 && !are_alike)
    throw UsageError("--max-changes and --max-changes-in-all need layers with as many empty slots each, but those of " +
                     name + " differ; give one of the two");
}

Plan make_plan(const eplb_shape& shape, const Planning& planning, const Loads& loads, bool with_logical_to_physical) {
  eplb_options options = planning.options;
  options.max_samples = loads.samples;
  if (!planning.current.empty() && options.strategy == EPLB_STRATEGY_AUTO) options.strategy = EPLB_STRATEGY_SEARCH;
  const Progress progress(options, std::string("planning, ") + eplb_strategy_name(options.strategy));
  auto error = defaults(eplb_error_init);
  eplb_context* created = nullptr;
  check(eplb_create(&shape, &options, &created, &error), error, loads.name, planning.options.strategy);
  const Context context(created);
  eplb_input input = as_input(loads, planning.seed);

  Plan plan;
  Placement& placement = plan.placement;
  placement.physical_to_logical.resize(product(shape.num_layers, shape.num_physical_experts));
  placement.replica_rank.resize(product(shape.num_layers, shape.num_physical_experts));
  placement.replica_count.resize(product(shape.num_layers, shape.num_logical_experts));
  const eplb_maps maps = as_maps(placement);
  plan.plan_ms = median_ms(planning.repeat, [&] {
    plan_within_budget(planning, placement.physical_to_logical, [&](const Start& start) {
      input.current = start.current.empty() ? nullptr : start.current.data();
      input.current_count = start.current.size();
      input.max_changes_per_layer = start.max_changes;
      input.max_changes = start.max_changes_in_all;
      const eplb_status status = eplb_submit_weights(context.get(), &input, &error);
      check(status, error, status == EPLB_ERROR_INVALID_PLACEMENT ? planning.current_name : loads.name,
            planning.options.strategy);
      check(eplb_get_maps(context.get(), &maps, &error), error, loads.name);
    });
  });

  if (with_logical_to_physical) {
    check(eplb_get_max_replica_count(context.get(), &placement.max_replicas, &error), error, loads.name);
    placement.logical_to_physical.resize(placement.replica_count.size() *
                                         static_cast<std::size_t>(placement.max_replicas));
    const eplb_maps all_maps = as_maps(placement);
    check(eplb_get_maps(context.get(), &all_maps, &error), error, loads.name);
  }
  plan.balance = score(shape, loads, placement, loads.name, planning.current);
  plan.strategy = eplb_strategy_name(eplb_context_strategy(context.get()));
  plan.policy = eplb_context_policy(context.get()) == EPLB_POLICY_GLOBAL ? "global" : "hierarchical";
  plan.backend = eplb_backend_name(eplb_context_backend(context.get()));
  return plan;
}

}  // namespace eplb::cli
