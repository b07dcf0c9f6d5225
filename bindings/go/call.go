// SPDX-License-Identifier: MIT

package eplb

// #cgo pkg-config: eplb
// #include "call.h"
import "C"

import (
	"context"
	"math"
	"runtime/cgo"
	"sync/atomic"
)

// call is what one call after another works with; it serves one at a time.
type call struct {
	c        *C.eplb_go_call
	listener *listener
}

// arguments are those of the C functions that are made by way of call.do; each function looks at some of them.
type arguments struct {
	shape   Shape
	input   Input
	maps    Maps
	stats   *Stats
	packing Packing
}

// newCall is released by free.
func newCall(options *Options) (*call, error) {
	if errTooOld != nil {
		return nil, errTooOld
	}
	c := C.eplb_go_new()
	if c == nil {
		return nil, failure(ErrOutOfMemory, "no memory for the structs of a call")
	}
	if options == nil {
		options = &Options{}
	}
	call := &call{c, &listener{options: *options}}
	call.setOptions(options)
	return call, nil
}

// free destroys the context too, if there is one.
func (call *call) free() {
	handle := cgo.Handle(call.c.listener)
	C.eplb_go_delete(call.c)
	if handle != 0 {
		handle.Delete()
	}
	call.listener.raise()
}

// do makes one call. The caller's arrays are handed over by value: in the structs, which C keeps, Go may not have them.
func (call *call) do(ctx context.Context, function C.eplb_go_function, a arguments) error {
	arrays, err := call.setArguments(&a)
	if err != nil {
		return err
	}
	stop, err := call.cancelWith(ctx)
	if err != nil {
		return err
	}
	call.listener.cause = nil
	status := C.eplb_go_do(&call.c.arguments, function, arrays)
	stop()
	call.listener.raise()
	if status != C.EPLB_SUCCESS {
		err := errorFrom(&call.c.arguments.error)
		if err.Status == ErrCancelled {
			if err.Cause = call.listener.cause; err.Cause == nil {
				err.Cause = ctx.Err()
			}
		}
		return err
	}
	if a.stats != nil {
		call.getStats(a.stats)
	}
	return nil
}

// cancelWith cancels the call that comes next when ctx is done. The function it returns is called after that.
func (call *call) cancelWith(ctx context.Context) (stop func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Status: ErrCancelled, Message: "the call was not begun", Cause: err}
	}
	if ctx.Done() == nil {
		return func() {}, nil
	}
	cancelled := (*int32)(&call.c.cancelled)
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-ctx.Done():
			atomic.StoreInt32(cancelled, 1)
		case <-over:
		}
	}()
	return func() {
		close(over)
		<-gone
		atomic.StoreInt32(cancelled, 0)
	}, nil
}

func (call *call) setArguments(a *arguments) (arrays C.eplb_go_arrays, err error) {
	call.setShape(&a.shape, &arrays)
	call.setStats(a.stats, &arrays)
	if err = call.setInput(&a.input, &arrays); err != nil {
		return arrays, err
	}
	if err = call.setMaps(&a.maps, &arrays); err != nil {
		return arrays, err
	}
	return arrays, call.setPacking(&a.packing, &arrays)
}

// defaults are all structs as the library makes them.
var defaults = func() (a C.eplb_go_arguments) {
	C.eplb_go_init(&a)
	return a
}()

// set leaves the default where n is 0.
func set(to *C.int32_t, n int) {
	if n != 0 {
		*to = number(n)
	}
}

// number keeps what does not fit out of range, for the library to refuse.
func number(n int) C.int32_t {
	if n > math.MaxInt32 {
		return math.MaxInt32
	}
	if n < math.MinInt32 {
		return math.MinInt32
	}
	return C.int32_t(n)
}
