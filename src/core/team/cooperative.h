// SPDX-License-Identifier: MIT
// What teams of several threads have in common: a sort and a tournament, made from sync() and min().
#pragma once

#include "core/shape.h"

namespace eplb {
namespace {

/// Sorts n different keys. Runs of sorted keys are merged in pairs, each pair by all threads: a key's
/// place is its place in its own run and the number of lesser keys in the other.
template <class Team>
EPLB_HOST_DEVICE void merge_sort(Team& team, std::uint64_t* keys, std::uint64_t* spare, int n) {
  constexpr int first_run = 16;
  const int rank = team.rank(), size = team.size();
  team.sync();
  for (int i = rank; i < n; i += size) {
    const std::uint64_t key = keys[i];
    const int begin = i / first_run * first_run;
    int place = begin;
    for (int j = begin; j < begin + first_run; ++j) place += j < n && keys[j] < key;
    spare[place] = key;
  }
  team.sync();
  std::uint64_t *from = spare, *to = keys;
  for (int run = first_run; run < n; run *= 2) {
    for (int i = rank; i < n; i += size) {
      const std::uint64_t key = from[i];
      const int own = i & -run, other = own ^ run;
      int lesser = 0;
      for (int step = run; step > 0; step /= 2)
        if (lesser + step <= run && other + lesser + step <= n && from[other + lesser + step - 1] < key) lesser += step;
      to[(own & other) + (i - own) + lesser] = key;
    }
    team.sync();
    std::uint64_t* const swapped = from;
    from = to;
    to = swapped;
  }
  if (from == keys) return;
  for (int i = rank; i < n; i += size) keys[i] = from[i];
  team.sync();
}

/// The tournament of a team whose threads look after the keys i with i % size() == rank() and
/// ask each other for the leader.
template <class Team>
class shared_tournament {
 public:
  /// 64-bit words of memory for n keys.
  EPLB_HOST_DEVICE static constexpr std::size_t words(int n) { return size_cast(n); }

  template <class Key>
  EPLB_HOST_DEVICE shared_tournament(Team& team, std::uint64_t* memory, int n, Key key)
      : team_(team), keys_(memory), n_(n) {
    for (int i = team.rank(); i < n; i += team.size()) {
      keys_[i] = key(i);
      mine_ = keys_[i] < mine_ ? keys_[i] : mine_;
    }
  }
  EPLB_HOST_DEVICE std::uint64_t leader() const { return team_.min(mine_); }
  EPLB_HOST_DEVICE void replace(int i, std::uint64_t key) {
    keys_[i] = mine_ = key;
    for (int j = team_.rank(); j < n_; j += team_.size())
      if (j != i && keys_[j] < mine_) mine_ = keys_[j];
  }

 private:
  Team& team_;
  std::uint64_t* keys_;
  std::uint64_t mine_ = ~std::uint64_t{0};  // the least of this thread's
  int n_;
};

/// Lays out memory as all teams of several threads have it, whichever it is.
struct cooperative_layout {
  static constexpr int vector_width = 1;
  static constexpr bool has_little_memory = true;
  using tournament = shared_tournament<cooperative_layout>;
};

}  // namespace
}  // namespace eplb
