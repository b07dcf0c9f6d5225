// SPDX-License-Identifier: MIT
// Teams of a device: a warp, and a block of warps.
#pragma once

#include <cub/block/block_reduce.cuh>
#include <cuda/functional>

#include "core/team/cooperative.h"

namespace eplb {
namespace {

/// The calling thread's warp, all 32 threads.
class warp_team {
 public:
  static constexpr int vector_width = 1;
  static constexpr bool has_little_memory = true;
  static constexpr unsigned all = 0xffffffff;
  using tournament = shared_tournament<warp_team>;

  __device__ int rank() const { return static_cast<int>(threadIdx.x % 32); }
  __device__ static constexpr int size() { return 32; }
  __device__ void sync() const { __syncwarp(); }

  /// The upper halves first; the lower ones of those that tie.
  __device__ std::uint64_t min(std::uint64_t value) const {
    __syncwarp();
    const auto upper = static_cast<unsigned>(value >> 32);
    const unsigned least = __reduce_min_sync(all, upper);
    const unsigned lower = __reduce_min_sync(all, upper == least ? static_cast<unsigned>(value) : all);
    return std::uint64_t{least} << 32 | lower;
  }
  __device__ std::int32_t max(std::int32_t value) const {
    __syncwarp();
    return __reduce_max_sync(all, value);
  }
  __device__ int sum(int value) const {
    __syncwarp();
    return __reduce_add_sync(all, value);
  }
  __device__ void sort(std::uint64_t* keys, std::uint64_t* spare, int n) { merge_sort(*this, keys, spare, n); }
  template <class F>
  __device__ void subteam(F f) {
    __syncwarp();
    f(*this);
    __syncwarp();
  }
};

/// The calling thread's block, which has `threads` threads.
template <int threads>
class block_team {
  using reduce = cub::BlockReduce<std::uint64_t, threads>;

 public:
  static constexpr int vector_width = 1;
  static constexpr bool has_little_memory = true;
  using tournament = shared_tournament<block_team>;

  /// In shared memory.
  struct memory {
    typename reduce::TempStorage reduce;
    std::uint64_t result;
  };
  __device__ explicit block_team(memory& shared) : shared_(shared) {}

  __device__ int rank() const { return static_cast<int>(threadIdx.x); }
  __device__ static constexpr int size() { return threads; }
  __device__ void sync() const { __syncthreads(); }

  __device__ std::uint64_t min(std::uint64_t value) { return reduced(shared_, value, cuda::minimum<>{}); }
  __device__ std::int32_t max(std::int32_t value) {
    return static_cast<std::int32_t>(
        reduced(shared_, static_cast<std::uint64_t>(std::int64_t{value}) + bias, cuda::maximum<>{}) - bias);
  }
  __device__ int sum(int value) {
    return static_cast<int>(reduced(shared_, static_cast<std::uint64_t>(std::int64_t{value}), cuda::std::plus<>{}));
  }
  __device__ void sort(std::uint64_t* keys, std::uint64_t* spare, int n) { sort_shared(shared_, keys, spare, n); }
  template <class F>
  __device__ void subteam(F f) {
    sync();
    if (threadIdx.x < 32) {
      warp_team warp;
      f(warp);
    }
    sync();
  }

 private:
  /// Makes numbers that may be negative order as unsigned ones.
  static constexpr std::uint64_t bias = std::uint64_t{1} << 32;

  // Called, not copied, wherever they are used: a kernel has dozens of these places, and a call is short beside what
  // the threads wait for each other.
  template <class Op>
  __device__ __noinline__ static std::uint64_t reduced(memory& shared, std::uint64_t value, Op op) {
    const std::uint64_t result = reduce(shared.reduce).Reduce(value, op);
    if (threadIdx.x == 0) shared.result = result;
    __syncthreads();
    const std::uint64_t out = shared.result;
    __syncthreads();
    return out;
  }
  __device__ __noinline__ static void sort_shared(memory& shared, std::uint64_t* keys, std::uint64_t* spare, int n) {
    block_team team(shared);
    merge_sort(team, keys, spare, n);
  }

  memory& shared_;
};

}  // namespace
}  // namespace eplb
