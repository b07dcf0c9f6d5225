// SPDX-License-Identifier: MIT
// What every target has: an entry for libFuzzer or the replay of a corpus, a reader of its input, and promises.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace eplb::fuzz {

/// Ends the program if what the library or the tool promises is not so.
#define PROMISE(what)                                                                 \
  do {                                                                                \
    if (!(what)) {                                                                    \
      std::fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #what); \
      std::abort();                                                                   \
    }                                                                                 \
  } while (false)

/// An extent or a number as an index.
inline std::size_t index(std::int64_t number) { return static_cast<std::size_t>(number); }

/// Elements of an array with these extents.
inline std::size_t product(std::int32_t a, std::int32_t b, std::int32_t c = 1) {
  return index(a) * index(b) * index(c);
}

/// Draws values from the bytes of an input; zeros when they have run out.
class input {
 public:
  input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}

  bool empty() const { return at_ == end_; }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : *at_++; }
  /// Any bits at all.
  template <class T>
  T raw() {
    T value{};
    const std::size_t count = std::min(sizeof value, static_cast<std::size_t>(end_ - at_));
    std::copy_n(at_, count, reinterpret_cast<std::uint8_t*>(&value));
    at_ += count;
    return value;
  }
  /// From least to most, of which there are at most 256.
  int between(int least, int most) { return least + byte() % (most - least + 1); }
  /// One time in n; not when the input has run out.
  bool one_in(int n) { return byte() % n == n - 1; }
  /// Mostly what makes sense, from least to most, and sometimes any bits.
  template <class T>
  T mostly(int least, int most) {
    return one_in(32) ? raw<T>() : static_cast<T>(between(least, most));
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace eplb::fuzz
