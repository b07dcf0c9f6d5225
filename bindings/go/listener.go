// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

import (
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

// listener takes the callbacks of a call. What they fail with waits here until the call has returned, because a panic
// must not go through C. It knows nothing of the Context, which could not be collected otherwise.
type listener struct {
	options  Options
	cause    error // What Progress returned.
	panicked bool
	value    any // What a callback panicked with.
}

// raise panics with what a callback panicked with.
func (l *listener) raise() {
	if l.panicked {
		l.panicked = false
		panic(l.value)
	}
}

// guard is deferred by callbacks. One that panics with nil has not returned either.
func (l *listener) guard(returned *bool) {
	if *returned {
		return
	}
	if value := recover(); !l.panicked {
		l.panicked, l.value = true, value
	}
}

func listenerOf(user unsafe.Pointer) *listener {
	return cgo.Handle((*C.eplb_go_call)(user).listener).Value().(*listener)
}

//export eplb_go_log
func eplb_go_log(user unsafe.Pointer, level C.int32_t, message C.eplb_go_text) {
	l, returned := listenerOf(user), false
	defer l.guard(&returned)
	l.options.Log(LogLevel(level), C.GoString(message))
	returned = true
}

//export eplb_go_progress
func eplb_go_progress(user unsafe.Pointer, done, total C.int64_t) (stop C.int32_t) {
	l, returned := listenerOf(user), false
	stop = 1 // also if Progress panics
	if l.panicked || atomic.LoadInt32((*int32)(&(*C.eplb_go_call)(user).cancelled)) != 0 {
		return stop
	}
	defer l.guard(&returned)
	if l.cause = l.options.Progress(int64(done), int64(total)); l.cause == nil {
		stop = 0
	}
	returned = true
	return stop
}

//export eplb_go_alloc
func eplb_go_alloc(user unsafe.Pointer, size C.size_t) (memory unsafe.Pointer) {
	l, returned := listenerOf(user), false
	defer l.guard(&returned)
	memory = l.options.Alloc(uintptr(size))
	returned = true
	return memory
}

//export eplb_go_free
func eplb_go_free(user unsafe.Pointer, pointer unsafe.Pointer) {
	l, returned := listenerOf(user), false
	defer l.guard(&returned)
	l.options.Free(pointer)
	returned = true
}
