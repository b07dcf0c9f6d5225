// SPDX-License-Identifier: MIT
// Loads to time with, and what many timings amount to.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

namespace bench {

/// Loads in turn, so that no branch predictor learns the one it is timed with. Lognormal with the
/// deviation that recorded loads of DeepSeek-V3 have; whole tokens.
inline std::vector<std::vector<float>> make_loads(std::size_t count) {
  constexpr int sets = 16;
  std::vector<std::vector<float>> loads(sets, std::vector<float>(count));
  std::mt19937_64 random(1);
  std::lognormal_distribution<float> draw(std::log(1000.0f), 0.65f);
  for (auto& set : loads)
    for (float& load : set) load = std::round(draw(random));
  return loads;
}

template <class F>
double seconds(F&& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The median for part = 0.5. Other work on the machine disturbs a mean more than a median.
inline double quantile(std::vector<double> times, double part) {
  const auto at = times.begin() + std::lround(part * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

}  // namespace bench
