/* SPDX-License-Identifier: MIT */
#include "call.h"

#include <stdlib.h>

#include "_cgo_export.h"

/* What Go exports has to be what the header asks for. */
#pragma GCC diagnostic error "-Wincompatible-pointer-types"

static int32_t is_cancelled(void* user, int64_t done, int64_t total) {
  const eplb_go_call* const call = user;
  (void)done, (void)total;
  return __atomic_load_n(&call->cancelled, __ATOMIC_RELAXED);
}

const eplb_log_fn eplb_go_log_fn = eplb_go_log;
const eplb_progress_fn eplb_go_progress_fn = eplb_go_progress;
const eplb_alloc_fn eplb_go_alloc_fn = eplb_go_alloc;
const eplb_free_fn eplb_go_free_fn = eplb_go_free;
const eplb_progress_fn eplb_go_cancel_fn = is_cancelled;

eplb_go_call* eplb_go_new(void) {
  eplb_go_call* call = calloc(1, sizeof *call);
  if (call != NULL) eplb_go_init(&call->arguments);
  return call;
}

void eplb_go_delete(eplb_go_call* call) {
  eplb_destroy(call->arguments.context);
  free(call);
}
