// SPDX-License-Identifier: MIT
// A team of host threads and barriers: runs the cooperative code paths, those of a device,
// where there is no device, and where the thread sanitizer can watch.
#pragma once

#include <algorithm>
#include <barrier>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include "core/team/cooperative.h"

namespace eplb {

class emulated_team {
 public:
  /// What the threads of one team share.
  class members {
   public:
    explicit members(int size) : size_(size), barrier_(size), values_{values(size), values(size)} {}

   private:
    friend emulated_team;
    using values = std::vector<std::uint64_t>;
    int size_;
    std::barrier<> barrier_;
    values values_[2];
  };

  static constexpr int vector_width = 1;
  static constexpr bool has_little_memory = true;

  emulated_team(members& all, members& lanes, int rank) : team_(all), lanes_(lanes), rank_(rank) {}

  int rank() const { return rank_; }
  int size() const { return team_.size_; }
  void sync() { team_.barrier_.arrive_and_wait(); }

  std::uint64_t min(std::uint64_t value) {
    const std::vector<std::uint64_t>& values = exchange(value);
    return *std::min_element(values.begin(), values.end());
  }
  std::int32_t max(std::int32_t value) {
    return static_cast<std::int32_t>(~min(~std::uint64_t{static_cast<std::uint32_t>(value) ^ 0x80000000u}) ^
                                     0x80000000u);
  }
  int sum(int value) {
    const std::vector<std::uint64_t>& values = exchange(static_cast<std::uint64_t>(value));
    return static_cast<int>(std::accumulate(values.begin(), values.end(), std::uint64_t{0}));
  }

  void sort(std::uint64_t* keys, std::uint64_t* spare, int n) { merge_sort(*this, keys, spare, n); }

  template <class F>
  void subteam(F f) {
    sync();
    if (rank_ < lanes_.size_) {
      emulated_team lanes(lanes_, lanes_, rank_);
      lanes.turn_ = lanes_turn_;
      f(lanes);
      lanes_turn_ = lanes.turn_;
    }
    sync();
  }

  using tournament = shared_tournament<emulated_team>;

  /// Runs body(team) on `size` threads.
  template <class Body>
  static void run(int size, Body body) {
    members all(size), lanes(std::min(size, 32));
    if (size == 1) {
      emulated_team team(all, lanes, 0);
      return body(team);
    }
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(size));
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        emulated_team team(all, lanes, rank);
        body(team);
      });
    for (std::thread& thread : threads) thread.join();
  }

 private:
  /// All threads' values. Two arrays in turn, so that one barrier will do: nobody is two calls ahead of anybody.
  const std::vector<std::uint64_t>& exchange(std::uint64_t value) {
    std::vector<std::uint64_t>& values = team_.values_[turn_ ^= 1];
    values[static_cast<std::size_t>(rank_)] = value;
    sync();
    return values;
  }

  members& team_;
  members& lanes_;
  const int rank_;
  unsigned turn_ = 0, lanes_turn_ = 0;
};

}  // namespace eplb
