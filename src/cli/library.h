// SPDX-License-Identifier: MIT
// The C handles, buffers and errors of eplb.h as C++ values.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
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

/// Throws unless @p status is success. @p subject, the file the call was about, is put before a message that
/// concerns its contents.
void check(eplb_status status, const eplb_error& error, const std::string& subject);

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

/// eplb_stats with its buffer for the gpus.
struct Balance {
  double balancedness = 1;
  double balancedness_min = 1;
  std::int64_t empty_layers = 0;
  std::int64_t duplicates = 0;
  std::int32_t max_replica_count = 0;
  double bound = 1;
  std::int64_t changes = 0;
  std::vector<double> gpu_load;  ///< [L][G]
};

/// Judges @p placement of @p subject, a file's name, under @p loads.
Balance score(const eplb_shape& shape, const Loads& loads, const Placement& placement, const std::string& subject);

/// The balance of a model served without a balancer: slot i holds expert i, no replicas.
Balance score_experts_in_order(eplb_shape shape, const Loads& loads);

/// How to plan, as a user says it.
struct Planning {
  eplb_options options = defaults(eplb_options_init);
  std::uint64_t seed = 0;
  int repeat = 1;
  std::vector<std::int32_t> current;  ///< [L][P] to start from; empty: from nothing.
  std::string current_name;
  std::int32_t max_changes = -1;  ///< Of a layer; -1: any number.
  std::int64_t max_changes_in_all = -1;
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
