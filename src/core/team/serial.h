// SPDX-License-Identifier: MIT
// A team of one thread: what the CPU backend runs the algorithms with.
//
// The algorithms are written once, for any team of threads. A team has
//   rank(), size()           who am I of how many; work is dealt out as i = rank, rank + size, ...
//   sync()                   all threads arrive; what was written before is visible after
//   min(value)               the least value of all threads, given to all; orders memory as sync()
//   max(value), sum(value)   the largest, and the sum, likewise
//   sort(keys, spare, n)     n different keys into ascending order; orders memory as sync()
//   subteam(f)               f(lanes) on a smaller team whose exchanges are cheap, for chains of
//                            dependent steps; the other threads wait; orders memory as sync()
//   vector_width             how many neighbouring items a thread takes at once, where that helps
//   has_little_memory        whether arrays that are never needed together had better share it
//   tournament               keeps the least of n keys while single keys change: leader(), replace(i, key)
// All threads of a team take part in each, in the same order.
#pragma once

#include "core/team/serial_sort.h"

namespace eplb {
namespace {

struct serial_team {
  static constexpr int vector_width = 32;
  static constexpr bool has_little_memory = false;
  static constexpr int rank() { return 0; }
  static constexpr int size() { return 1; }
  static void sync() {}
  static std::uint64_t min(std::uint64_t value) { return value; }
  static std::int32_t max(std::int32_t value) { return value; }
  static int sum(int value) { return value; }
  static void sort(std::uint64_t* keys, std::uint64_t* spare, int n) { sort_keys(keys, spare, n); }
  template <class F>
  void subteam(F f) {
    f(*this);
  }

  /// A tree of winners: leaf i at leaves + i, the less of 2k and 2k + 1 at k, the least of all at 1.
  class tournament {
   public:
    /// 64-bit words of memory for n keys.
    static constexpr std::size_t words(int n) { return 2 * size_cast(leaves_for(n)); }

    template <class Key>
    tournament(serial_team&, std::uint64_t* memory, int n, Key key) : tree_(memory), leaves_(leaves_for(n)) {
      for (int i = 0; i < n; ++i) tree_[leaves_ + i] = key(i);
      for (int i = n; i < leaves_; ++i) tree_[leaves_ + i] = ~std::uint64_t{0};
      for (std::size_t k = size_cast(leaves_) - 1; k >= 1; --k) tree_[k] = lesser(tree_[2 * k], tree_[2 * k + 1]);
      leader_ = tree_[1];
    }
    std::uint64_t leader() const { return leader_; }
    /// Called by the thread that owns key i: i % size() == rank(). The least of the others does
    /// not wait for the key, which is the end of a chain of arithmetic; nor does anyone wait for the
    /// tree. Every leaf is as deep as every other, so that the loop ends where it is expected to.
    void replace(int i, std::uint64_t key) {
      // Two levels at a time: which is the lesser of two of the others does not wait for the others so far.
      std::size_t k = size_cast(leaves_ + i);
      std::uint64_t others = ~std::uint64_t{0};
      for (; k > 3; k /= 4) {
        const std::uint64_t sibling = tree_[k ^ 1], uncle = tree_[k / 2 ^ 1], both = lesser(sibling, uncle);
        tree_[k] = lesser(key, others);
        tree_[k / 2] = lesser(key, lesser(others, sibling));
        others = lesser(others, both);
      }
      if (k > 1) {
        tree_[k] = lesser(key, others);
        others = lesser(others, tree_[k ^ 1]);
      }
      leader_ = lesser(key, others);
    }

   private:
    static constexpr int leaves_for(int n) {
      int leaves = 1;
      while (leaves < n) leaves *= 2;
      return leaves;
    }
    static std::uint64_t lesser(std::uint64_t a, std::uint64_t b) { return a < b ? a : b; }

    std::uint64_t* tree_;
    int leaves_;
    std::uint64_t leader_;
  };
};

}  // namespace
}  // namespace eplb
