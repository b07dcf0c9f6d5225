// SPDX-License-Identifier: MIT
// How a command fails.
#pragma once

#include <stdexcept>
#include <string>

#include "eplb/eplb.h"

namespace eplb::cli {

/// What a message quotes of a file may hold a NUL, at which what() would end: it is written as \x00.
inline std::string without_nul(const std::string& text) {
  std::string out;
  for (const char c : text) out += c ? std::string(1, c) : "\\x00";
  return out;
}

/// Input that cannot be used: one sentence on stderr, exit status 1.
struct Error : std::runtime_error {
  explicit Error(const std::string& what) : std::runtime_error(without_nul(what)) {}
};

/// Throws an Error about the contents of @p file.
[[noreturn]] inline void fail(const std::string& file, const std::string& what) { throw Error(file + ": " + what); }

/// A command line that makes no sense: a sentence and a hint at --help, exit status 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The library's refusal of an argument or a placement, which names the fields of eplb.h.
struct Refusal : Error {
  Refusal(eplb_status what_for, const std::string& about, const std::string& message)
      : Error(about + ": " + message), status(what_for), file(about), sentence(message) {}

  eplb_status status;
  std::string file;  ///< That the call was about.
  std::string sentence;
};

/// The user pressed Ctrl-C while the library was planning: exit status 130.
struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("cancelled") {}
};

}  // namespace eplb::cli
