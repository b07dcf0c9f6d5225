// SPDX-License-Identifier: MIT
// The C handles, buffers and errors of eplb.h as C++ values.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eplb/eplb.h"
#include "load_file.h"

namespace eplb::cli {

/// A struct of eplb.h with its defaults: `defaults(eplb_shape_init)`.
template <class Struct>
Struct defaults(eplb_status(EPLB_CALL* init)(Struct*, std::size_t)) {
  Struct result{};
  init(&result, sizeof result);
  return result;
}

/// Throws unless @p status is success. @p file is what the call was about, @p strategy the one that was asked for: of
/// auto a message says what it became.
void check(eplb_status status, const eplb_error& error, const std::string& file, std::int32_t strategy = -1);

/// Version of the library that was loaded, such as "0.1.0".
std::string library_version();

/// The loads as an input; valid as long as they are.
eplb_input as_input(const Loads& loads, std::uint64_t seed = 0);

/// Maps in the caller's memory. Those that are empty are not passed on.
struct Placement {
  std::vector<std::int32_t> physical_to_logical;  ///< [L][P]
  std::vector<std::int32_t> replica_rank;         ///< [L][P]
  std::vector<std::int32_t> replica_count;        ///< [L][E]
  std::vector<std::int32_t> logical_to_physical;  ///< [L][E][max_replicas]
  std::int32_t max_replicas = 0;
};

/// Slots of each gpu.
std::vector<std::int32_t> slots_of_gpus(const eplb_shape& shape);

/// What the gpus of a layer have to bear: their load / their speed.
class Burden {
 public:
  explicit Burden(const eplb_shape& shape);

  double of(std::span<const double> gpu_loads, std::size_t gpu) const;
  /// What each gpu that has slots would have to bear if all had to bear the same.
  double mean(std::span<const double> gpu_loads) const;
  /// The gpu that has to bear most, the first of them.
  std::size_t worst_gpu(std::span<const double> gpu_loads) const;

 private:
  std::vector<double> speed_;  // 0: it has no slots
  double total_speed_;
};

/// eplb_stats with its buffers, and what follows from them.
struct Balance {
  double balancedness = 1;
  double balancedness_min = 1;
  std::int64_t empty_layers = 0;
  std::int64_t duplicates = 0;
  std::int32_t max_replica_count = 0;
  double bound = 1;
  std::int64_t changes = 0;
  std::int64_t experts_without_slot = 0;   ///< Of all layers; their load is nobody's.
  std::vector<double> layer_balancedness;  ///< [L]
  std::vector<double> layer_bound;         ///< [L]
  std::vector<double> gpu_load;            ///< [L][G] mean over the samples.

  std::vector<Balance> samples;   ///< The same under each by itself.
  std::size_t worst_sample = 0;   ///< The one with the least balancedness.
  std::int32_t worst_layer = -1;  ///< The one with the least balancedness; -1: none has load.
  /// Sum over samples and layers of what the gpu that bears most bears / sum of the mean.
  double max_over_mean = 1;

  double balancedness_of(std::int32_t layer) const { return layer_balancedness[static_cast<std::size_t>(layer)]; }
  std::span<const double> gpu_loads(std::int32_t layer) const {
    const std::size_t gpus = gpu_load.size() / layer_balancedness.size();
    return std::span(gpu_load).subspan(static_cast<std::size_t>(layer) * gpus, gpus);
  }
};

/// Throws unless @p placement of @p subject, a file's name, is one of this shape and its maps agree.
void check_placement(const eplb_shape& shape, const Placement& placement, const std::string& subject);

/// Judges @p placement of @p subject, a file's name, under @p loads. Changes count from @p current, if it is not empty.
Balance score(const eplb_shape& shape, const Loads& loads, const Placement& placement, const std::string& subject,
              const std::vector<std::int32_t>& current = {});

/// Judges a placement of which slots may be empty, -1, and experts without one. Its bound is that of a placement
/// without replicas.
Balance score_incomplete(const eplb_shape& shape, const Loads& loads, const std::vector<std::int32_t>& expert_in_slot);

/// A model served without a balancer: the experts in order, as many on each gpu as there is room for, each once.
std::vector<std::int32_t> experts_in_order(const eplb_shape& shape);

/// How to plan, as a user says it.
struct Planning {
  eplb_options options = defaults(eplb_options_init);
  std::uint64_t seed = 0;
  int repeat = 1;
  std::vector<std::int32_t> current;  ///< [L][P] to start from; empty: from nothing.
  std::string current_name;
  std::int32_t max_changes = -1;  ///< Of a layer; -1: any number.
  std::int64_t max_changes_in_all = -1;

  std::vector<std::int32_t> empty_slots;  ///< [L] Of the current placement: filling them has to be, and does not count.

  /// Sets the current placement.
  void start_from(std::vector<std::int32_t> expert_in_slot, std::int32_t layers, const std::string& name);
};

struct Plan {
  Placement placement;  ///< Without logical_to_physical unless that was asked for.
  Balance balance;
  std::string strategy;  ///< What auto became.
  std::string policy;    ///< What auto became.
  std::string backend;   ///< What auto became.
  double plan_ms = 0;    ///< Median time of a submit and a get of the first three maps.
};

/// Plans on one context, planning.repeat times. Ctrl-C cancels it.
Plan make_plan(const eplb_shape& shape, const Planning& planning, const Loads& loads,
               bool with_logical_to_physical = false);

/// Median time of @p repeat runs in milliseconds, after one untimed run.
template <class Run>
double median_ms(int repeat, Run run) {
  run();
  std::vector<double> times;
  for (int i = 0; i < repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  const std::size_t half = times.size() / 2;
  return times.size() % 2 ? times[half] : (times[half - 1] + times[half]) / 2;
}

}  // namespace eplb::cli
