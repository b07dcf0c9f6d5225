// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
	"unsafe"
)

// Context is a planner for one shape with all the memory that planning needs. It serves one call at a time; a second
// one that comes meanwhile, also from a callback, gets ErrInvalidState. Poll, Strategy, Policy and Backend work at
// any time. It is not usable in the child of a fork.
type Context struct {
	busy sync.Mutex   // Held by each call but Poll.
	life sync.RWMutex // Held by Poll, against Close.
	call *call        // Nil once it is closed.

	strategy Strategy
	policy   Policy
	backend  Backend
}

// NewContext allocates all memory that planning will ever use, and starts NumThreads - 1 threads, or as many as find
// work. Which shapes can be planned is said at eplb_create in eplb.h. Close the context when it is not needed any more;
// the garbage collector closes one that nobody can reach, but does not know how much memory that frees.
func NewContext(shape Shape, options *Options) (*Context, error) {
	call, err := newCall(options)
	if err != nil {
		return nil, err
	}
	created := false
	defer func() {
		if !created { // or Log panicked
			call.free()
		}
	}()
	if err := call.do(context.Background(), C.EPLB_GO_CREATE, arguments{shape: shape}); err != nil {
		return nil, err
	}
	created = true
	c := &Context{
		call:     call,
		strategy: Strategy(C.eplb_context_strategy(call.c.arguments.context)),
		policy:   Policy(C.eplb_context_policy(call.c.arguments.context)),
		backend:  Backend(C.eplb_context_backend(call.c.arguments.context)),
	}
	runtime.SetFinalizer(c, (*Context).Close)
	return c, nil
}

// Close frees the context, after work it has on a stream. It answers ErrInvalidState while a call uses the context.
// Closing once more does nothing.
func (c *Context) Close() error {
	if !c.busy.TryLock() {
		return inUse()
	}
	defer c.busy.Unlock()
	c.life.Lock()
	call := c.call
	c.call = nil
	c.life.Unlock()
	if call != nil {
		runtime.SetFinalizer(c, nil)
		call.free()
	}
	return nil
}

// Strategy is the strategy that plans: what auto became.
func (c *Context) Strategy() Strategy { return c.strategy }

// Policy is hierarchical or global: what auto became.
func (c *Context) Policy() Policy { return c.policy }

// Backend is the backend that plans: what auto became.
func (c *Context) Backend() Backend { return c.backend }

// SubmitWeights submits loads and plans. The plan is complete when it returns; a call that fails leaves the previous
// plan readable. When ctx is done the plan ends with the layers that are being planned, and a plan on a CUDA device is
// not begun any more.
func (c *Context) SubmitWeights(ctx context.Context, input Input) error {
	return c.do(ctx, C.EPLB_GO_SUBMIT_WEIGHTS, arguments{input: input})
}

// MaxReplicaCount is the largest number of slots that one expert has in the plan: the least Maps.MaxReplicas.
func (c *Context) MaxReplicaCount() (int, error) {
	call, err := c.use()
	if err != nil {
		return 0, err
	}
	defer c.busy.Unlock()
	err = call.do(context.Background(), C.EPLB_GO_GET_MAX_REPLICA_COUNT, arguments{})
	return int(call.c.arguments.count), err
}

// GetMaps writes the plan into the caller's buffers.
func (c *Context) GetMaps(maps Maps) error {
	return c.do(context.Background(), C.EPLB_GO_GET_MAPS, arguments{maps: maps})
}

// GetStats judges the plan under the loads it was made for.
func (c *Context) GetStats(stats *Stats) error {
	return c.do(context.Background(), C.EPLB_GO_GET_STATS, arguments{stats: stats})
}

// SubmitWeightsAsync enqueues a submit on stream, a cudaStream_t or CUstream, nil for the default stream. The context
// has to work on CUDA memory. The buffers are used when the stream gets there.
func (c *Context) SubmitWeightsAsync(input Input, stream unsafe.Pointer) error {
	return c.doOnStream(C.EPLB_GO_SUBMIT_WEIGHTS_ASYNC, arguments{input: input}, stream)
}

// GetMapsAsync enqueues GetMaps on stream.
func (c *Context) GetMapsAsync(maps Maps, stream unsafe.Pointer) error {
	return c.doOnStream(C.EPLB_GO_GET_MAPS_ASYNC, arguments{maps: maps}, stream)
}

// Poll tells whether the last asynchronous submit and the gets after it have finished, or the error found on the
// device. It does not block.
func (c *Context) Poll() (done bool, err error) {
	c.life.RLock()
	defer c.life.RUnlock()
	if c.call == nil {
		return false, closed()
	}
	failed := newError()
	switch C.eplb_poll(c.call.c.arguments.context, failed) {
	case C.EPLB_SUCCESS:
		return true, nil
	case C.EPLB_NOT_READY:
		return false, nil
	}
	return false, errorFrom(failed)
}

func (c *Context) do(ctx context.Context, function C.eplb_go_function, a arguments) error {
	call, err := c.use()
	if err != nil {
		return err
	}
	defer c.busy.Unlock() // which also keeps the finalizer away until the call is over
	return call.do(ctx, function, a)
}

func (c *Context) doOnStream(function C.eplb_go_function, a arguments, stream unsafe.Pointer) error {
	call, err := c.use()
	if err != nil {
		return err
	}
	defer c.busy.Unlock()
	call.c.arguments.stream = stream
	return call.do(context.Background(), function, a)
}

// use is followed by busy.Unlock, if it succeeds.
func (c *Context) use() (*call, error) {
	if !c.busy.TryLock() {
		return nil, inUse()
	}
	if c.call == nil {
		c.busy.Unlock()
		return nil, closed()
	}
	return c.call, nil
}

func inUse() error { return failure(ErrInvalidState, "the context is in use by another call") }

func closed() error { return failure(ErrInvalidState, "the context is closed, or not from NewContext") }
