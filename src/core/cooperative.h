// SPDX-License-Identifier: MIT
// What thread groups of several threads are made with: any group that can sync and find the least key.
#pragma once

#include "core/problem.h"

namespace eplb {
namespace {

/// Sorts n different keys. Runs of sorted keys are merged in pairs, each pair by all threads: a key's
/// place is its place in its own run and the number of lesser keys in the other.
template <class Group>
EPLB_CORE void merge_sort(Group& group, std::uint64_t* keys, std::uint64_t* spare, int n) {
  constexpr int first_run = 16;
  const int rank = group.thread_rank(), size = group.size();
  group.sync();
  for (int i = rank; i < n; i += size) {
    const std::uint64_t key = keys[i];
    const int begin = i / first_run * first_run;
    int place = begin;
    for (int j = begin; j < begin + first_run; ++j) place += j < n && keys[j] < key;
    spare[place] = key;
  }
  group.sync();
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
    group.sync();
    std::uint64_t* const swapped = from;
    from = to;
    to = swapped;
  }
  if (from == keys) return;
  for (int i = rank; i < n; i += size) keys[i] = from[i];
  group.sync();
}

/// The tournament of a group whose threads look after the keys i with i % size() == thread_rank() and
/// ask each other for the leader.
template <class Group>
class shared_tournament {
 public:
  /// 64-bit words of memory for n keys.
  EPLB_CORE static constexpr std::size_t words(int n) { return extent(n); }

  template <class Key>
  EPLB_CORE shared_tournament(Group& group, std::uint64_t* memory, int n, Key key)
      : group_(group), keys_(memory), n_(n) {
    for (int i = group.thread_rank(); i < n; i += group.size()) {
      keys_[i] = key(i);
      mine_ = keys_[i] < mine_ ? keys_[i] : mine_;
    }
  }
  EPLB_CORE std::uint64_t leader() const { return group_.min(mine_); }
  EPLB_CORE void replace(int i, std::uint64_t key) {
    keys_[i] = mine_ = key;
    for (int j = group_.thread_rank(); j < n_; j += group_.size())
      if (j != i && keys_[j] < mine_) mine_ = keys_[j];
  }

 private:
  Group& group_;
  std::uint64_t* keys_;
  std::uint64_t mine_ = ~std::uint64_t{0};  // the least of this thread's
  int n_;
};

/// Lays out memory as all groups of several threads have it, whichever it is.
struct cooperative_layout {
  static constexpr int vector_width = 1;
  static constexpr bool frugal = true;
  using tournament = shared_tournament<cooperative_layout>;
};

}  // namespace
}  // namespace eplb
