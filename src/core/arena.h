// SPDX-License-Identifier: MIT
// All memory of a plan is one block; this cuts it into pieces.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/host_device.h"

namespace eplb {

/// Hands out pieces of one block of memory. Without a block it only counts, so that one function
/// both measures and lays out.
class arena {
 public:
  EPLB_HOST_DEVICE explicit arena(void* block = nullptr) : begin_(static_cast<char*>(block)) {}

  template <class T>
  EPLB_HOST_DEVICE T* take(std::size_t count) {
    char* const piece = begin_ ? begin_ + used_ : nullptr;
    used_ += (count * sizeof(T) + alignment - 1) / alignment * alignment;
    return reinterpret_cast<T*>(piece);
  }
  EPLB_HOST_DEVICE std::size_t used() const { return used_; }
  /// Calls functions that lay out parts which are never needed at the same time: they lie on the same memory.
  template <class... LayOut>
  EPLB_HOST_DEVICE void overlay(LayOut... lay_out) {
    const std::size_t begin = used_;
    std::size_t end = begin;
    ((used_ = begin, lay_out(), end = used_ > end ? used_ : end), ...);
    used_ = end;
  }

  /// Of every piece, if the block has it; a cache line, so that threads do not share one.
  static constexpr std::size_t alignment = 64;
  /// The first place in a block, which has `alignment` bytes to spare, that is aligned.
  static void* align(void* block) {
    const std::size_t over = reinterpret_cast<std::uintptr_t>(block) % alignment;
    return static_cast<char*>(block) + (alignment - over) % alignment;
  }

 private:
  char* begin_;
  std::size_t used_ = 0;
};

/// Bytes of what lay_out(arena&) lays out.
template <class LayOut>
EPLB_HOST_DEVICE std::size_t bytes_of(LayOut lay_out) {
  arena counter;
  lay_out(counter);
  return counter.used();
}

}  // namespace eplb
