// SPDX-License-Identifier: MIT
// A thread group of one: what the CPU backend runs the algorithms with.
//
// The algorithms are written once, for any thread group. A group has
//   thread_rank(), size()    who am I of how many; work is dealt out as i = rank, rank + size, ...
//   sync()                   all threads arrive; what was written before is visible after
//   min(value)               the least value of all threads, given to all; orders memory as sync()
//   sort(keys, spare, n)     n different keys into ascending order; orders memory as sync()
//   narrow(f)                f(lanes) on a smaller group whose exchanges are cheap, for chains of
//                            dependent steps; the other threads wait; orders memory as sync()
//   tournament               keeps the least of n keys while single keys change (see below)
// All threads of a group take part in each, in the same order.
#pragma once

#include <algorithm>

#include "core/problem.h"

namespace eplb {
namespace {

struct serial_group {
  static constexpr int thread_rank() { return 0; }
  static constexpr int size() { return 1; }
  static void sync() {}
  static std::uint64_t min(std::uint64_t value) { return value; }
  static void sort(std::uint64_t* keys, std::uint64_t*, int n) { std::sort(keys, keys + n); }
  template <class F>
  void narrow(F f) {
    f(*this);
  }

  /// A tree of winners: leaf i at n + i, the less of 2k and 2k + 1 at k, the least of all at 1.
  class tournament {
   public:
    /// 64-bit words of memory for n keys.
    static constexpr std::size_t words(int n) { return 2 * static_cast<std::size_t>(n); }

    template <class Key>
    tournament(serial_group&, std::uint64_t* memory, int n, Key key) : tree_(memory), n_(n) {
      for (int i = 0; i < n; ++i) tree_[n + i] = key(i);
      for (int k = n - 1; k >= 1; --k) tree_[k] = std::min(tree_[2 * k], tree_[2 * k + 1]);
    }
    std::uint64_t leader() const { return tree_[1]; }
    /// Called by the thread that owns key i: i % size() == thread_rank().
    void replace(int i, std::uint64_t key) {
      for (int k = n_ + i; k >= 1; k /= 2) {
        tree_[k] = key;
        key = std::min(key, tree_[k ^ 1]);
      }
    }

   private:
    std::uint64_t* tree_;
    int n_;
  };
};

}  // namespace
}  // namespace eplb
