// SPDX-License-Identifier: MIT
// How far long work is, on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "eplb/eplb.h"

namespace eplb::cli {

/// While one exists, Ctrl-C cancels what the library is doing instead of ending the process, and work that
/// takes longer than a second shows how far it is: one line on stderr, redrawn, if that is a terminal.
class Progress {
 public:
  /// Sets the callback in @p options; @p what names the work.
  Progress(eplb_options& options, std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  static std::int32_t EPLB_CALL report(void* self, std::int64_t done, std::int64_t total);
  void draw(std::int64_t done, std::int64_t total);

  std::string what_;
  bool on_terminal_;
  bool drawn_ = false;
  Clock::time_point next_draw_;
};

}  // namespace eplb::cli
