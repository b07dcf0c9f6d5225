// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>

namespace eplb::cli {

/// Input that cannot be used: one sentence on stderr, exit status 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws an Error about the contents of @p file.
[[noreturn]] inline void fail(const std::string& file, const std::string& what) { throw Error(file + ": " + what); }

/// A command line that makes no sense: a sentence and a hint at --help, exit status 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The user pressed Ctrl-C while the library was planning: exit status 130.
struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("cancelled") {}
};

}  // namespace eplb::cli
