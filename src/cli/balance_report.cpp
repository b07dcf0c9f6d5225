// SPDX-License-Identifier: MIT
// Bars and a table of what each gpu bears, before and after.
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

/// What each gpu has to bear relative to the mean of its layer, mean over the layers that have load.
std::vector<double> relative_burdens(const Balance& balance, const eplb_shape& shape) {
  const Burden burden(shape);
  std::vector<double> out(static_cast<std::size_t>(shape.num_gpus), 0.0);
  int layers = 0;
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer) {
    const auto loads = balance.gpu_loads(layer);
    const double mean = burden.mean(loads);
    if (mean <= 0) continue;
    ++layers;
    for (std::size_t gpu = 0; gpu < out.size(); ++gpu) out[gpu] += burden.of(loads, gpu) / mean;
  }
  for (double& load : out) load /= std::max(layers, 1);
  return out;
}

void print_figures(std::ostream& out, const BalanceReport& report) {
  const Balance &before = report.before, &after = report.after;
  Table table("lrr");
  table.row({"", report.before_name, report.after_name});
  const auto figure = [&](const std::string& name, auto value_before, auto value_after, auto text) {
    table.row({name, text(value_before), text(value_after)});
  };
  const auto real = [](double value) { return fixed(value, 4); };
  const auto whole = [](auto value) { return std::to_string(value); };
  const auto layer = [&](std::int32_t row) {
    return row < 0 ? "" : std::to_string(report.layer_numbers[static_cast<std::size_t>(row)]);
  };
  figure("balancedness, mean of " + report.layer_name + "s", before.balancedness, after.balancedness, real);
  figure("balancedness, worst " + report.layer_name, before.balancedness_min, after.balancedness_min, real);
  figure("number of the worst " + report.layer_name, before.worst_layer, after.worst_layer, layer);
  figure("largest / mean " + report.gpu_name + " load", before.max_over_mean, after.max_over_mean, real);
  if (report.has_replicas) {
    table.row({"balancedness at best (bound)", "", real(after.bound)});
    figure("duplicates on a " + report.gpu_name, before.duplicates, after.duplicates, whole);
    figure("most replicas of an expert", before.max_replica_count, after.max_replica_count, whole);
  }
  if (before.experts_without_slot > 0)
    figure("experts without a slot", before.experts_without_slot, after.experts_without_slot, whole);
  if (report.has_changes) table.row({"slots changed", "", whole(after.changes)});
  table.print(out);
  if (after.empty_layers > 0)
    out << count(after.empty_layers, report.layer_name) << " without load left out of all figures\n";
}

/// Of the sample under which the balance after is worst: in a sum of samples hot spots would cancel out.
void print_bars(std::ostream& out, const BalanceReport& report) {
  const std::size_t sample = report.after.worst_sample, samples = report.after.samples.size();
  const auto before = relative_burdens(report.before.samples[sample], report.shape);
  const auto after = relative_burdens(report.after.samples[sample], report.shape);
  std::vector<std::size_t> gpus(before.size());
  std::iota(gpus.begin(), gpus.end(), 0);
  const bool all = gpus.size() <= most_bars;
  if (!all) std::stable_sort(gpus.begin(), gpus.end(), [&](auto a, auto b) { return before[a] > before[b]; });

  const double full =
      std::max(*std::max_element(before.begin(), before.end()), *std::max_element(after.begin(), after.end()));
  Table table("rrlrl");
  table.row({report.gpu_name, report.before_name, "", report.after_name, ""});
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    if (!all && i == extreme_bars) {
      table.row({"..", "..", "", "..", ""});
      i = gpus.size() - extreme_bars;
    }
    const std::size_t gpu = gpus[i];
    table.row({std::to_string(gpu), fixed(before[gpu], 3), bar(before[gpu], full, bar_width), fixed(after[gpu], 3),
               bar(after[gpu], full, bar_width)});
  }
  out << "\nload of each " << report.gpu_name << (report.shape.speed_of_gpu ? " / its speed," : "")
      << " relative to the mean of its " << report.layer_name << ", mean over the " << report.layer_name << "s";
  if (samples > 1) out << ",\nin sample " << sample << ", the worst of " << samples;
  if (!all)
    out << ";\nthe " << extreme_bars << " heaviest and the " << extreme_bars << " lightest of " << gpus.size()
        << " by the column '" << report.before_name << "'";
  out << '\n';
  table.print(out);
}

}  // namespace

nlohmann::ordered_json as_json(const Balance& balance, const eplb_shape& shape,
                               const std::vector<std::int32_t>& layer_numbers) {
  const Burden burden(shape);
  auto layers = nlohmann::ordered_json::array(), gpu_load = nlohmann::ordered_json::array();
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer) {
    const auto loads = balance.gpu_loads(layer);
    layers.push_back({{"layer", layer_numbers[static_cast<std::size_t>(layer)]},
                      {"balancedness", balance.balancedness_of(layer)},
                      {"bound", balance.layer_bound[static_cast<std::size_t>(layer)]},
                      {"worst_gpu", nullptr}});
    if (burden.mean(loads) > 0) layers.back()["worst_gpu"] = burden.worst_gpu(loads);
    gpu_load.push_back(loads);
  }
  nlohmann::ordered_json json = {{"balancedness", balance.balancedness},
                                 {"balancedness_min", balance.balancedness_min},
                                 {"bound", balance.bound},
                                 {"max_over_mean", balance.max_over_mean},
                                 {"worst_layer", nullptr},
                                 {"empty_layers", balance.empty_layers},
                                 {"duplicates", balance.duplicates},
                                 {"max_replica_count", balance.max_replica_count},
                                 {"changes", balance.changes},
                                 {"layers", layers},
                                 {"gpu_load", gpu_load}};
  if (balance.worst_layer >= 0) json["worst_layer"] = layer_numbers[static_cast<std::size_t>(balance.worst_layer)];
  return json;
}

void BalanceReport::print(std::ostream& out) const {
  print_figures(out, *this);
  print_bars(out, *this);
}

}  // namespace eplb::cli
