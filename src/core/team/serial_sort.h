// SPDX-License-Identifier: MIT
// Sorting a few hundred to a few thousand different 64-bit keys on one thread.
#pragma once

#include "core/shape.h"

namespace eplb {
namespace {

/// Stable, and quick where little is out of place.
inline void insertion_sort(std::uint64_t* keys, int n) {
  for (int i = 1; i < n; ++i) {
    const std::uint64_t key = keys[i];
    int to = i;
    for (; to > 0 && keys[to - 1] > key; --to) keys[to] = keys[to - 1];
    keys[to] = key;
  }
}

/// Whatever the keys: n log n steps.
inline void merge_sort(std::uint64_t* keys, std::uint64_t* spare, int n) {
  constexpr int run = 16;
  for (int begin = 0; begin < n; begin += run) insertion_sort(keys + begin, n - begin < run ? n - begin : run);
  std::uint64_t *from = keys, *to = spare;
  for (int width = run; width < n; width *= 2) {
    for (int begin = 0; begin < n; begin += 2 * width) {
      const int middle = n - begin < width ? n : begin + width;
      const int end = n - begin < 2 * width ? n : begin + 2 * width;
      for (int i = begin, j = middle, k = begin; k < end; ++k)
        to[k] = j == end || (i < middle && from[i] < from[j]) ? from[i++] : from[j++];
    }
    std::uint64_t* const swapped = from;
    from = to;
    to = swapped;
  }
  if (from != keys)
    for (int i = 0; i < n; ++i) keys[i] = from[i];
}

/// Deals the keys into buckets by the leading bits of their upper half, which for loads are spread
/// well, and then mends the order inside them: about n steps. Loads that crowd into few buckets are
/// merged instead. Bucket b is counter [b % rows][b / rows], so that the counters of `lanes` stretches
/// of buckets are added up side by side.
template <int rows>
void bucket_sort(std::uint64_t* keys, std::uint64_t* spare, int n) {
  constexpr std::uint32_t lanes = 32, buckets = rows * lanes;
  constexpr index_t crowded = 32;
  std::uint32_t least = ~std::uint32_t{0}, most = 0;
  for (int i = 0; i < n; ++i) {
    const auto upper = static_cast<std::uint32_t>(keys[i] >> 32);
    least = upper < least ? upper : least;
    most = upper > most ? upper : most;
  }
  int shift = 0;
  while ((most - least) >> shift >= buckets) ++shift;
  const auto counter = [=](std::uint64_t key) {
    const std::uint32_t b = (static_cast<std::uint32_t>(key >> 32) - least) >> shift;
    return b % rows * lanes + b / rows;
  };

  index_t start[rows * lanes] = {}, below[lanes] = {}, fullest[lanes] = {};
  for (int i = 0; i < n; ++i) ++start[counter(keys[i])];
  for (std::uint32_t row = 0; row < rows; ++row)
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
      index_t& s = start[row * lanes + lane];
      const index_t count = s;
      s = below[lane];
      below[lane] = static_cast<index_t>(below[lane] + count);
      fullest[lane] = count > fullest[lane] ? count : fullest[lane];
    }
  index_t sum = 0, most_in_one = 0;
  for (std::uint32_t lane = 0; lane < lanes; ++lane) {
    const index_t count = below[lane];
    below[lane] = sum;
    sum = static_cast<index_t>(sum + count);
    most_in_one = fullest[lane] > most_in_one ? fullest[lane] : most_in_one;
  }
  if (most_in_one > crowded) return merge_sort(keys, spare, n);
  for (std::uint32_t row = 0; row < rows; ++row)
    for (std::uint32_t lane = 0; lane < lanes; ++lane)
      start[row * lanes + lane] = static_cast<index_t>(start[row * lanes + lane] + below[lane]);

  for (int i = 0; i < n; ++i) spare[start[counter(keys[i])]++] = keys[i];
  insertion_sort(spare, n);
  for (int i = 0; i < n; ++i) keys[i] = spare[i];
}

inline void sort_keys(std::uint64_t* keys, std::uint64_t* spare, int n) {
  if (n <= 32) return insertion_sort(keys, n);
  if (n <= 160) return bucket_sort<32>(keys, spare, n);
  if (n <= 1024) return bucket_sort<64>(keys, spare, n);
  bucket_sort<256>(keys, spare, n);
}

}  // namespace
}  // namespace eplb
