/* SPDX-License-Identifier: MIT */
/* How Go calls the library. Go may give C a pointer to an array, but not a struct in C memory that holds such a
 * pointer. So the structs live in C memory without their pointers to arrays; eplb_go_do() puts the two together for as
 * long as a call lasts. */
#ifndef EPLB_GO_CALL_H
#define EPLB_GO_CALL_H

#include "raw.h"

/* All that calls work with, and the `user` of the callbacks. */
typedef struct eplb_go_call {
  eplb_go_arguments arguments;
  int32_t cancelled;  /* Set from another thread to end a plan. */
  uintptr_t listener; /* A runtime/cgo.Handle; 0: none. */
} eplb_go_call;

/* A call with all structs at their defaults; NULL when there is no memory. Give it to eplb_go_delete(). */
eplb_go_call* eplb_go_new(void);
/* Destroys the context too, if there is one. */
void eplb_go_delete(eplb_go_call* call);

/* Callbacks that are written in Go. */
extern const eplb_log_fn eplb_go_log_fn;
extern const eplb_progress_fn eplb_go_progress_fn;
extern const eplb_alloc_fn eplb_go_alloc_fn;
extern const eplb_free_fn eplb_go_free_fn;
/* One that only looks whether the call is cancelled, without the way through Go. */
extern const eplb_progress_fn eplb_go_cancel_fn;

typedef const char* eplb_go_text; /* Go has no const, but may use this name. */

#endif /* EPLB_GO_CALL_H */
