// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

import "fmt"

// String returns the status as the C header names it, such as "EPLB_ERROR_CUDA".
func (s Status) String() string { return C.GoString(C.eplb_status_name(C.eplb_status(s))) }

// Error returns one sentence about the status.
func (s Status) Error() string { return "eplb: " + C.GoString(C.eplb_status_string(C.eplb_status(s))) }

// Error is what a call that failed returns. errors.Is finds its Status and what its Cause is.
type Error struct {
	Status  Status
	Message string // One sentence naming the value and its place.
	Cause   error  // Of ErrCancelled: what Options.Progress returned, or the Err of the context.Context. Else nil.
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return "eplb: " + e.Message + ": " + e.Cause.Error()
	}
	return "eplb: " + e.Message
}

// Is tells whether target is the Status of the error.
func (e *Error) Is(target error) bool { return target == error(e.Status) }

// Unwrap returns the Cause.
func (e *Error) Unwrap() error { return e.Cause }

func failure(status Status, format string, values ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, values...)}
}

// newError gives a C struct to calls that are not made by way of call.do.
func newError() *C.eplb_error {
	failed := new(C.eplb_error)
	C.eplb_error_init(failed, C.sizeof_eplb_error)
	return failed
}

// errorFrom reads what the library has written.
func errorFrom(error *C.eplb_error) *Error {
	return &Error{Status: Status(error.status), Message: C.GoString(&error.message[0])}
}
