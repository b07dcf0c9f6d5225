// SPDX-License-Identifier: MIT
// How far long work is, and Ctrl-C.
#include "progress.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

namespace eplb::cli {
namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): a signal handler gets nothing else
volatile std::sig_atomic_t interrupted = 0;
struct sigaction previous_action;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

}  // namespace

Progress::Progress(eplb_options& options, std::string what)
    : what_(std::move(what)),
      on_terminal_(isatty(STDERR_FILENO) != 0),
      next_draw_(Clock::now() + std::chrono::seconds(1)) {
  options.progress_fn = report;
  options.user = this;
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends the process whatever it is doing
  sigaction(SIGINT, nullptr, &previous_action);
  if (previous_action.sa_handler != SIG_IGN) sigaction(SIGINT, &action, nullptr);
}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  sigaction(SIGINT, &previous_action, nullptr);
  // A Ctrl-C that came after the library's last look at it must not be lost.
  if (interrupted && std::uncaught_exceptions() == 0) std::raise(SIGINT);
}

std::int32_t EPLB_CALL Progress::report(void* self, std::int64_t done, std::int64_t total) {
  auto& progress = *static_cast<Progress*>(self);
  if (progress.on_terminal_ && Clock::now() >= progress.next_draw_) progress.draw(done, total);
  return interrupted;
}

void Progress::draw(std::int64_t done, std::int64_t total) {
  std::fprintf(stderr, "\r%s: %d %%\033[K", what_.c_str(), total > 0 ? static_cast<int>(100 * done / total) : 0);
  std::fflush(stderr);
  drawn_ = true;
  next_draw_ = Clock::now() + std::chrono::milliseconds(100);
}

}  // namespace eplb::cli
