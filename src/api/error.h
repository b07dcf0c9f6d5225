// SPDX-License-Identifier: MIT
// How a call ends. What is wrong is thrown, here and in the backends, and becomes a status and a sentence in one place.
#pragma once

#include <eplb/eplb.h>
#include <pthread.h>

#include "api/structs.h"

namespace eplb {

/// Ends the call that is running, with a message formatted as printf does.
[[noreturn, gnu::format(printf, 2, 3)]] void fail(eplb_status status, const char* format, ...);

/// The ending of a noun that stands behind a number.
template <class Count>
constexpr const char* plural(Count count) {
  return count == 1 ? "" : "s";
}

/// Called where something was caught: writes it to `error`, unless that is null, and answers its status.
eplb_status report_exception(eplb_error* error);

/// While it lives, the thread is not cancelled: unwinding must not pass through a call.
class uncancellable {
 public:
  uncancellable() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &saved_); }
  ~uncancellable() { pthread_setcancelstate(saved_, nullptr); }
  uncancellable(const uncancellable&) = delete;
  uncancellable& operator=(const uncancellable&) = delete;

 private:
  int saved_;
};

/// Runs the body of a call; whatever it throws becomes a status.
template <class Body>
eplb_status guarded(eplb_error* error, Body body) {
  if (error && !is_struct_size(error->struct_size)) return EPLB_ERROR_STRUCT_SIZE;
  const uncancellable thread;
  try {
    body();
    return EPLB_SUCCESS;
  } catch (...) {
    return report_exception(error);
  }
}

}  // namespace eplb
