// SPDX-License-Identifier: MIT
// Arithmetic that gives the same bits whatever the caller has done to its floating-point unit.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace eplb {

/// While it lives, this thread rounds to nearest, keeps subnormal numbers and does not trap.
class float_mode {
 public:
#if defined(__x86_64__)
  float_mode() : saved_(_mm_getcsr()) { _mm_setcsr(_MM_MASK_MASK); }
  ~float_mode() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  float_mode() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{0}) : "memory");
  }
  ~float_mode() { asm volatile("msr fpcr, %0" : : "r"(saved_) : "memory"); }

 private:
  std::uint64_t saved_;
#else
  float_mode() {
    std::feholdexcept(&saved_);
    std::fesetround(FE_TONEAREST);
  }
  ~float_mode() { std::fesetenv(&saved_); }

 private:
  std::fenv_t saved_;
#endif

 public:
  float_mode(const float_mode&) = delete;
  float_mode& operator=(const float_mode&) = delete;
};

}  // namespace eplb
