// SPDX-License-Identifier: MIT

package eplb_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"eplb"
	"eplb/internal/cloop"
)

// panicOf tells what f panics with.
func panicOf(f func()) (value any, panicked bool) {
	panicked = true
	defer func() { value = recover() }()
	f()
	return nil, false
}

func panicsWith(t *testing.T, want any, f func()) {
	t.Helper()
	if value, panicked := panicOf(f); !panicked || value != want {
		t.Errorf("panics with %v (%t), want %v", value, panicked, want)
	}
}

func TestLog(t *testing.T) {
	for level, want := range map[eplb.LogLevel]int{
		eplb.LogNone: 1, eplb.LogWarning: 0, eplb.LogInfo: 1, eplb.LogDebug: 2,
	} {
		var lines []string
		c := newContext(t, small, &eplb.Options{LogLevel: level, Log: func(level eplb.LogLevel, message string) {
			lines = append(lines, message)
		}})
		succeed(t, c.SubmitWeights(background, eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}))
		if len(lines) != want || want > 0 && !strings.Contains(lines[0], "6 layers of 16 experts") {
			t.Error(level, lines)
		}
	}
}

// A call that Progress ends leaves the plan before, and the next call plans.
func TestProgressCancels(t *testing.T) {
	enough := errors.New("that was enough")
	stopAt, last := int64(-1), int64(0)
	c := newContext(t, small, &eplb.Options{Progress: func(done, total int64) error {
		if total != 6 || done < 0 || done > 6 {
			t.Error(done, total)
		}
		if last = done; done == stopAt {
			return enough
		}
		return nil
	}})
	first := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
	second := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 2))}
	before, maps := newPlan(small)
	after, afterMaps := newPlan(small)
	succeed(t, c.SubmitWeights(background, first))
	succeed(t, c.GetMaps(maps))
	if last != 6 {
		t.Error(last)
	}
	stopAt = 3
	err := c.SubmitWeights(background, second)
	fails(t, err, eplb.ErrCancelled, "")
	if !errors.Is(err, enough) || last != 3 || !strings.HasSuffix(err.Error(), ": that was enough") {
		t.Error(err, last)
	}
	succeed(t, c.GetMaps(afterMaps))
	if !reflect.DeepEqual(before, after) {
		t.Error("the plan before is not there any more")
	}
	stopAt = -1
	succeed(t, c.SubmitWeights(background, second))
	succeed(t, c.GetMaps(afterMaps))
	if reflect.DeepEqual(before, after) {
		t.Error("the plan before is still there")
	}
}

func TestPanicsInCallbacksComeOutOfTheCall(t *testing.T) {
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
	failing := false
	fail := func(value any) {
		if failing {
			panic(value)
		}
	}
	c := newContext(t, small, &eplb.Options{
		LogLevel: eplb.LogDebug,
		Log:      func(eplb.LogLevel, string) { fail("log") },
	})
	failing = true
	panicsWith(t, "log", func() { c.SubmitWeights(background, input) })
	panicsWith(t, "log", func() { c.SubmitWeights(background, input) })
	failing = false
	succeed(t, c.SubmitWeights(background, input)) // the context is free again

	calls := 0
	progress := &eplb.Options{Progress: func(done, total int64) error {
		calls++
		panic(nil)
	}}
	_, maps := newPlan(small)
	panicsWith(t, nil, func() { eplb.RebalanceExperts(background, small, progress, input, maps, nil) })
	if calls != 1 {
		t.Error("the call went on:", calls)
	}
}

func TestPanicsInAllocatorsComeOutOfTheCall(t *testing.T) {
	var taken, freed int
	options := &eplb.Options{
		Alloc: func(size uintptr) unsafe.Pointer { taken++; return cloop.Alloc(size) },
		Free:  func(pointer unsafe.Pointer) { freed++; cloop.Free(pointer) },
	}
	options.Log = func(eplb.LogLevel, string) { panic("log") } // after the context was created
	panicsWith(t, "log", func() { eplb.NewContext(small, options) })
	options.Log = nil
	free := options.Free
	options.Free = func(pointer unsafe.Pointer) { free(pointer); panic("free") }
	c, err := eplb.NewContext(small, options)
	succeed(t, err)
	panicsWith(t, "free", func() { c.Close() })
	succeed(t, c.Close())
	if taken != 2 || freed != 2 {
		t.Error(taken, "taken,", freed, "freed")
	}
	options.Alloc = func(size uintptr) unsafe.Pointer { panic("alloc") }
	panicsWith(t, "alloc", func() { eplb.NewContext(small, options) })
	options.Alloc = func(size uintptr) unsafe.Pointer { return nil }
	_, err = eplb.NewContext(small, options)
	fails(t, err, eplb.ErrOutOfMemory, "")
	options.Alloc = nil
	_, err = eplb.NewContext(small, options)
	fails(t, err, eplb.ErrInvalidArgument, "free_fn")
}

func TestCallsFromCallbacks(t *testing.T) {
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
	var same *eplb.Context
	other := newContext(t, small, nil)
	same = newContext(t, small, &eplb.Options{Progress: func(done, total int64) error {
		for _, err := range everyCall(same) {
			fails(t, err, eplb.ErrInvalidState, "")
		}
		fails(t, same.Close(), eplb.ErrInvalidState, "in use")
		return other.SubmitWeights(background, input)
	}})
	succeed(t, same.SubmitWeights(background, input))
}

// long is a shape that takes much longer to plan than a test may.
var long = eplb.Shape{NumLayers: 10000, NumLogicalExperts: 64, NumPhysicalExperts: 128, NumGPUs: 32}

func TestContextCancels(t *testing.T) {
	loads := loadsFor(long, 1, 1)
	input := eplb.Input{Loads: eplb.LoadsOf(loads)}
	slots := make([]int32, long.NumLayers*long.NumPhysicalExperts)
	maps := eplb.Maps{PhysicalToLogical: eplb.MapOf(slots)}
	options := eplb.Options{Strategy: eplb.StrategySearch, SearchSteps: 1000}
	listening := options
	listening.Progress = func(done, total int64) error { return nil }
	for _, options := range []*eplb.Options{&options, &listening} {
		ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
		err := eplb.RebalanceExperts(ctx, long, options, input, maps, nil)
		cancel()
		fails(t, err, eplb.ErrCancelled, "")
		if !errors.Is(err, context.DeadlineExceeded) || slots[1] != 0 {
			t.Error(err, slots[1])
		}
	}

	c := newContext(t, small, nil)
	ctx, cancel := context.WithCancel(background)
	input.Loads = eplb.LoadsOf(loadsFor(small, 1, 1))
	succeed(t, c.SubmitWeights(ctx, input))
	cancel()
	err := c.SubmitWeights(ctx, input)
	fails(t, err, eplb.ErrCancelled, "not begun")
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	succeed(t, c.SubmitWeights(background, input))
}
