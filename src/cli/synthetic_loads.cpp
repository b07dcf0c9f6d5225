// SPDX-License-Identifier: MIT
// Loads that are made up: which kinds there are.
#include "synthetic_loads.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "error.h"

namespace eplb::cli {
namespace {

/// What follows the colon of a kind as a number.
double parameter(const std::string& kind, const std::string& text, double otherwise) {
  if (text.empty()) return otherwise;
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || !(value > 0 && value <= 10))
    throw UsageError("--kind: '" + text + "' in '" + kind + "' is not a number above 0 and at most 10");
  return value;
}

std::pair<std::string, std::string> split(const std::string& kind) {
  const std::size_t colon = kind.find(':');
  return {kind.substr(0, colon), colon == kind.npos ? "" : kind.substr(colon + 1)};
}

std::vector<double> zipf_weights(double exponent, std::size_t experts, Random& random) {
  std::vector<double> weights(experts);
  for (std::size_t rank = 0; rank < experts; ++rank) weights[rank] = std::pow(static_cast<double>(rank + 1), -exponent);
  shuffle(weights, random);
  return weights;
}

/// A draw from the density x^-exponent between 1 and 100, by inverting its distribution.
double power_law(double exponent, double uniform) {
  const double slope = 1 - exponent, largest = 100;
  if (std::abs(slope) < 1e-9) return std::pow(largest, uniform);
  return std::pow(1 + uniform * (std::pow(largest, slope) - 1), 1 / slope);
}

std::vector<Load> statistical_loads(const LoadRequest& request) {
  const auto experts = static_cast<std::size_t>(request.shape.experts);
  const std::int64_t total = request.tokens * request.shape.topk;
  // The samples of a layer have one distribution, and differ by as much as independent tokens make them.
  const bool is_noisy = request.kind == "multinomial" || (request.samples > 1 && request.kind != "uniform");
  std::vector<Load> loads;
  for (std::int32_t sample = 0; sample < request.samples; ++sample)
    for (std::int32_t layer = 0; layer < request.shape.layers; ++layer) {
      Random shares(request.seed, request.kind, static_cast<std::uint64_t>(layer));
      std::vector<double> means = statistical_weights(request.kind, experts, shares);
      const double scale = static_cast<double>(total) / std::accumulate(means.begin(), means.end(), 0.0);
      for (double& mean : means) mean *= scale;
      Random noise(request.seed, "noise of " + request.kind, loads.size());
      if (is_noisy) add_noise(means, 1, noise);
      loads.push_back(apportion(std::move(means), total, request.tokens));
    }
  return loads;
}

/// Scales @p weights to that total, with none above @p most: what is above is shared out among the rest,
/// which may lift others above it.
void share_out(std::vector<double>& weights, double total, double most) {
  std::vector<std::size_t> open(weights.size());
  std::iota(open.begin(), open.end(), 0);
  for (bool is_done = false; !is_done && !open.empty();) {
    double sum = 0;
    for (const std::size_t i : open) sum += weights[i];
    for (const std::size_t i : open)
      weights[i] = sum > 0 ? weights[i] * (total / sum) : total / static_cast<double>(open.size());
    is_done = std::erase_if(open, [&](std::size_t i) {
                if (weights[i] < most) return false;
                weights[i] = most;
                total -= most;
                return true;
              }) == 0;
  }
}

}  // namespace

Random::Random(std::uint64_t seed, std::string_view purpose, std::uint64_t index) : state_(mix(seed)) {
  for (const char c : purpose) state_ = mix(state_ + static_cast<unsigned char>(c));
  state_ = mix(state_ + index);
}

Load apportion(std::vector<double> weights, std::int64_t total, std::int64_t most) {
  share_out(weights, static_cast<double>(total), static_cast<double>(most));
  Load load(weights.begin(), weights.end());  // rounded down
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return weights[a] - std::floor(weights[a]) > weights[b] - std::floor(weights[b]);
  });
  // What is missing goes to the largest remainders.
  std::int64_t missing = total - std::accumulate(load.begin(), load.end(), std::int64_t{0});
  while (missing > 0)
    for (const std::size_t i : order)
      if (missing > 0 && load[i] < most) ++load[i], --missing;
  return load;
}

void add_noise(std::vector<double>& means, double dispersion, Random& random) {
  for (double& mean : means) {
    const double shape = mean / dispersion;
    if (shape < 0.3) {  // so few tokens that they come all together or not at all
      mean = random.uniform() < shape ? dispersion : 0;
    } else {  // a gamma distribution, whose cube root is nearly normal (Wilson and Hilferty)
      const double root = 1 - 1 / (9 * shape) + random.normal() / (3 * std::sqrt(shape));
      mean *= std::pow(std::max(root, 0.0), 3);
    }
  }
}

std::vector<double> statistical_weights(const std::string& kind, std::size_t experts, Random& random) {
  const auto [name, text] = split(kind);
  std::vector<double> weights(experts, 1.0);
  if (name == "zipf") {
    weights = zipf_weights(parameter(kind, text, 1), experts, random);
  } else if (name == "lognormal") {
    const double sigma = parameter(kind, text, 1);
    for (double& weight : weights) weight = std::exp(sigma * random.normal());
  } else if (name == "powerlaw") {
    const double exponent = parameter(kind, text, 1.2);
    for (double& weight : weights) weight = power_law(exponent, random.uniform());
  } else if (kind != "uniform" && kind != "multinomial") {
    throw UsageError("--kind: '" + kind + "' is none that 'eplb generate --list' shows");
  }
  return weights;
}

std::vector<std::pair<std::string, std::string>> known_kinds() {
  std::vector<std::pair<std::string, std::string>> kinds = {
      {"uniform", "every expert the same, up to rounding"},
      {"multinomial", "every expert the same, up to chance"},
      {"zipf:S", "falls with rank as rank^-S; default 1"},
      {"lognormal:SIGMA", "the logarithm is normal with deviation SIGMA; default 1"},
      {"powerlaw:ALPHA", "density x^-ALPHA between 1 and 100; default 1.2"}};
  for (const auto& [name, what] : known_drifts()) kinds.emplace_back("real:" + name, what);
  for (const auto& [name, what] : known_adversaries()) kinds.emplace_back("adv:" + name, what);
  return kinds;
}

Loads synthetic_loads(const LoadRequest& request) {
  const auto [name, rest] = split(request.kind);
  // Of counts in recorded loads: the tokens of one text resemble each other.
  constexpr double recorded_dispersion = 3;
  const std::vector<Load> rows = name == "real"  ? realistic_loads(request, rest, recorded_dispersion)
                                 : name == "adv" ? adversarial_loads(request, rest)
                                                 : statistical_loads(request);
  std::vector<std::int64_t> values;
  values.reserve(rows.size() * static_cast<std::size_t>(request.shape.experts));
  for (const Load& row : rows) values.insert(values.end(), row.begin(), row.end());
  return {"", request.samples, request.shape.layers, request.shape.experts, std::move(values), {}};
}

}  // namespace eplb::cli
