// SPDX-License-Identifier: MIT
#include "balance_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <ostream>

#include "table.h"

namespace eplb::cli {
namespace {

constexpr int bar_width = 22;
constexpr std::size_t most_bars = 40;     // a screenful
constexpr std::size_t extreme_bars = 16;  // at either end, when there are more gpus than that

/// Loads of the gpus relative to the mean gpu of their layer, over the layers that have load.
struct RelativeLoad {
  std::vector<double> mean;  ///< [G] mean over the layers.
  double largest = 0;        ///< Mean over the layers of the largest gpu's.

  RelativeLoad(const Balance& balance, std::size_t gpus) : mean(gpus, 0.0) {
    std::size_t layers = 0;
    for (std::size_t row = 0; row < balance.gpu_load.size(); row += gpus) {
      const auto begin = balance.gpu_load.begin() + static_cast<std::ptrdiff_t>(row);
      const auto end = begin + static_cast<std::ptrdiff_t>(gpus);
      const double layer_mean = std::accumulate(begin, end, 0.0) / static_cast<double>(gpus);
      if (layer_mean <= 0) continue;
      ++layers;
      for (std::size_t g = 0; g < gpus; ++g) mean[g] += balance.gpu_load[row + g] / layer_mean;
      largest += *std::max_element(begin, end) / layer_mean;
    }
    if (layers == 0) return;
    for (double& load : mean) load /= static_cast<double>(layers);
    largest /= static_cast<double>(layers);
  }
};

void print_figures(std::ostream& out, const BalanceReport& report, const RelativeLoad& before,
                   const RelativeLoad& after) {
  Table table("lrr");
  table.row({"", report.before_name, report.after_name});
  const auto figure = [&](const std::string& name, auto value_before, auto value_after, auto text) {
    table.row({name, text(value_before), text(value_after)});
  };
  const auto real = [](double value) { return fixed(value, 4); };
  const auto whole = [](auto value) { return std::to_string(value); };
  figure("balancedness, mean of " + report.layer_name + "s", report.before.balancedness, report.after.balancedness,
         real);
  figure("balancedness, worst " + report.layer_name, report.before.balancedness_min, report.after.balancedness_min,
         real);
  const std::string of_sum = report.samples > 1 ? ", sum of samples" : "";
  figure("largest / mean " + report.gpu_name + " load" + of_sum, before.largest, after.largest, real);
  if (report.has_replicas) {
    figure("balancedness at best (bound)", report.before.bound, report.after.bound, real);
    figure("duplicates on a " + report.gpu_name, report.before.duplicates, report.after.duplicates, whole);
    figure("most replicas of an expert", report.before.max_replica_count, report.after.max_replica_count, whole);
  }
  if (report.has_changes) table.row({"slots changed", "", std::to_string(report.after.changes)});
  table.print(out);
  if (report.after.empty_layers > 0)
    out << count(report.after.empty_layers, report.layer_name) << " without load left out of all figures\n";
}

void print_bars(std::ostream& out, const BalanceReport& report, const RelativeLoad& before, const RelativeLoad& after) {
  std::vector<std::size_t> gpus(before.mean.size());
  std::iota(gpus.begin(), gpus.end(), 0);
  const bool all = gpus.size() <= most_bars;
  if (!all) std::stable_sort(gpus.begin(), gpus.end(), [&](auto a, auto b) { return before.mean[a] > before.mean[b]; });

  const double full = std::max(*std::max_element(before.mean.begin(), before.mean.end()),
                               *std::max_element(after.mean.begin(), after.mean.end()));
  Table table("rrlrl");
  table.row({report.gpu_name, report.before_name, "", report.after_name, ""});
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    if (!all && i == extreme_bars) {
      table.row({"..", "..", "", "..", ""});
      i = gpus.size() - extreme_bars;
    }
    const std::size_t gpu = gpus[i];
    table.row({std::to_string(gpu), fixed(before.mean[gpu], 3), bar(before.mean[gpu], full, bar_width),
               fixed(after.mean[gpu], 3), bar(after.mean[gpu], full, bar_width)});
  }
  out << "\nload of each " << report.gpu_name << " relative to the mean of its " << report.layer_name
      << ", mean over the " << report.layer_name << "s";
  if (!all)
    out << ";\nthe " << extreme_bars << " heaviest and the " << extreme_bars << " lightest of " << gpus.size()
        << " by the column '" << report.before_name << "'";
  out << '\n';
  table.print(out);
}

}  // namespace

nlohmann::ordered_json as_json(const Balance& balance) {
  return {{"balancedness", balance.balancedness},
          {"balancedness_min", balance.balancedness_min},
          {"bound", balance.bound},
          {"empty_layers", balance.empty_layers},
          {"duplicates", balance.duplicates},
          {"max_replica_count", balance.max_replica_count},
          {"changes", balance.changes}};
}

void BalanceReport::print(std::ostream& out) const {
  const RelativeLoad relative_before(before, static_cast<std::size_t>(gpus));
  const RelativeLoad relative_after(after, static_cast<std::size_t>(gpus));
  print_figures(out, *this, relative_before, relative_after);
  print_bars(out, *this, relative_before, relative_after);
}

}  // namespace eplb::cli
