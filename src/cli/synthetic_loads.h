// SPDX-License-Identifier: MIT
// Loads made of random numbers. The same request gives the same loads: nothing here depends on the C++
// library's distributions, only on the last bits of its exp, log and cos.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load_file.h"
#include "shapes.h"

namespace eplb::cli {

struct LoadRequest {
  ModelShape shape;
  std::string kind;
  std::int32_t samples = 1;
  std::int64_t tokens = 131072;  ///< Each goes to topk experts of a layer.
  std::uint64_t seed = 0;
};

/// Throws UsageError for a kind that is unknown.
Loads synthetic_loads(const LoadRequest& request);

/// The kinds there are, and a line about each.
std::vector<std::pair<std::string, std::string>> known_kinds();

// ------------------------------------------------------------------------------- parts of the above

using Load = std::vector<std::int64_t>;  ///< Of the experts of one layer.

/// SplitMix64: the n-th number is a mix of the seed and n.
class Random {
 public:
  /// Each purpose has numbers of its own.
  Random(std::uint64_t seed, std::string_view purpose, std::uint64_t index = 0);

  std::uint64_t bits() { return mix(state_ += 0x9e3779b97f4a7c15u); }
  /// Between 0 and 1, neither of them.
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  /// 0 to @p end - 1.
  std::uint64_t below(std::uint64_t end) { return bits() % end; }

 private:
  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }

  std::uint64_t state_;
};

template <class T>
void shuffle(std::vector<T>& items, Random& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

/// Whole numbers in proportion to @p weights, none above @p most, of exactly that total.
Load apportion(std::vector<double> weights, std::int64_t total, std::int64_t most);

/// Replaces each mean by a random count with a variance of @p dispersion times its mean.
void add_noise(std::vector<double>& means, double dispersion, Random& random);

/// One layer of a kind other than real and adv.
std::vector<double> statistical_weights(const std::string& kind, std::size_t experts, Random& random);

/// All samples and layers of real:DRIFT. @p dispersion as in add_noise().
std::vector<Load> realistic_loads(const LoadRequest& request, const std::string& drift, double dispersion);
/// The names of the drifts, and a line about each.
std::vector<std::pair<std::string, std::string>> known_drifts();

/// All samples and layers of adv:NAME.
std::vector<Load> adversarial_loads(const LoadRequest& request, const std::string& name);
/// The names of the adversarial kinds, and a line about each.
std::vector<std::pair<std::string, std::string>> known_adversaries();

}  // namespace eplb::cli
