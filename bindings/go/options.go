// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// AllThreads as Options.NumThreads is as many threads as the process may run on cores.
const AllThreads = -1

// CurrentDevice as Options.Device is the CUDA device that is current on the calling thread. It is for goroutines that
// called runtime.LockOSThread; others change threads as they go.
const CurrentDevice = -1

// Options is how to plan; the zero value and a nil pointer are the defaults. Callbacks run on the goroutine that made
// the call. They must not use the same Context, and must not end the goroutine (runtime.Goexit, testing.T.FailNow). If
// one panics, the call ends as soon as it can and then panics with the same value.
type Options struct {
	Strategy   Strategy
	Policy     Policy
	Backend    Backend
	Memory     Memory // Of the buffers that a context will be given.
	Device     int    // CUDA device number, or CurrentDevice. Unused on the CPU.
	NumThreads int    // Threads of the CPU backend, the caller's included, or AllThreads; 0: 1.
	MaxSamples int    // Largest number of samples in one submit; 0: 1.

	// The next seven mix a strategy of your own: 0 keeps what the preset has.
	Initial       Initial
	Candidates    int     // Attempts at each packing problem; more than 1 draws random numbers.
	Amplitude     float32 // Largest relative perturbation of the sort keys, > 0.
	AmplitudeForm AmplitudeForm
	SwapScope     SwapScope
	MaxSwaps      int // Most swaps in one attempt.
	Selection     Selection

	SearchSteps int // Most steps of a search in each layer, or in each node of a layer; 0: by the number of gpus.
	Samples     Samples
	Duplicates  Duplicates
	Objective   Objective

	LogLevel LogLevel // The most that is sent to Log; LogNone: LogInfo. For no log leave Log nil.
	Log      func(level LogLevel, message string)
	// Progress is told how many units of work are finished. An error ends the call, which leaves its outputs and the
	// previous plan as they were and returns ErrCancelled with that error as its cause.
	Progress func(done, total int64) error

	// Alloc and Free, given together, replace malloc and free for the memory of contexts. The memory must not be Go's;
	// Alloc returns nil when there is none.
	Alloc func(size uintptr) unsafe.Pointer
	Free  func(pointer unsafe.Pointer)

	// Workspace is memory of the CUDA device for the context to work in until it is closed; nil: the context allocates
	// it.
	Workspace      unsafe.Pointer
	WorkspaceBytes uint64 // At least what MemoryNeeded says.
}

func (call *call) setOptions(o *Options) {
	options := &call.c.arguments.options
	options.strategy = C.int32_t(o.Strategy)
	options.policy = C.int32_t(o.Policy)
	options.backend = C.int32_t(o.Backend)
	options.memory = C.int32_t(o.Memory)
	options.device = number(o.Device)
	if o.NumThreads == AllThreads {
		options.num_threads = 0
	} else {
		set(&options.num_threads, o.NumThreads)
	}
	set(&options.max_samples, o.MaxSamples)
	options.initial = C.int32_t(o.Initial)
	options.candidates = number(o.Candidates)
	options.amplitude = C.float(o.Amplitude)
	options.amplitude_form = C.int32_t(o.AmplitudeForm)
	options.swap_scope = C.int32_t(o.SwapScope)
	options.max_swaps = number(o.MaxSwaps)
	options.selection = C.int32_t(o.Selection)
	options.search_steps = number(o.SearchSteps)
	options.samples = C.int32_t(o.Samples)
	options.duplicates = C.int32_t(o.Duplicates)
	options.objective = C.int32_t(o.Objective)
	if o.LogLevel != LogNone {
		options.log_level = C.int32_t(o.LogLevel)
	}
	if o.Log != nil {
		options.log_fn = C.eplb_go_log_fn
	}
	if o.Progress != nil {
		options.progress_fn = C.eplb_go_progress_fn
	} else if o.Backend != BackendCUDA && o.Memory != MemoryCUDA { // there it would cost time and cancel nothing
		options.progress_fn = C.eplb_go_cancel_fn
	}
	if o.Alloc != nil {
		options.alloc_fn = C.eplb_go_alloc_fn
	}
	if o.Free != nil {
		options.free_fn = C.eplb_go_free_fn
	}
	options.user = unsafe.Pointer(call.c)
	options.workspace = o.Workspace
	options.workspace_bytes = C.size_t(o.WorkspaceBytes)
	if o.Log != nil || o.Progress != nil || o.Alloc != nil || o.Free != nil {
		call.c.listener = C.uintptr_t(cgo.NewHandle(call.listener))
	}
}
