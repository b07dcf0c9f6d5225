// SPDX-License-Identifier: MIT

package eplb_test

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"eplb"
	"eplb/internal/cloop"
)

// Each of these is refused with one sentence, and leaves the outputs as they were.
func TestBadArguments(t *testing.T) {
	for name, bad := range map[string]struct {
		spoil  func(shape *eplb.Shape, options *eplb.Options, input *eplb.Input, maps *eplb.Maps)
		status eplb.Status
		text   string
	}{
		"no shape": {func(shape *eplb.Shape, _ *eplb.Options, _ *eplb.Input, _ *eplb.Maps) {
			*shape = eplb.Shape{}
		}, eplb.ErrInvalidArgument, "num_layers"},
		"number beyond int32": {func(shape *eplb.Shape, _ *eplb.Options, _ *eplb.Input, _ *eplb.Maps) {
			shape.NumLayers = 1<<32 + 6
		}, eplb.ErrInvalidArgument, "num_layers"},
		"unknown strategy": {func(_ *eplb.Shape, options *eplb.Options, _ *eplb.Input, _ *eplb.Maps) {
			options.Strategy = 77
		}, eplb.ErrInvalidArgument, "strategy"},
		"negative threads": {func(_ *eplb.Shape, options *eplb.Options, _ *eplb.Input, _ *eplb.Maps) {
			options.NumThreads = -2
		}, eplb.ErrInvalidArgument, "num_threads"},
		"no loads": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			*input = eplb.Input{}
		}, eplb.ErrInvalidArgument, "loads"},
		"nil loads": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			input.Loads = eplb.LoadsOf[float32](nil)
		}, eplb.ErrInvalidArgument, "loads"},
		"empty loads": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			input.Loads = eplb.LoadsOf([]int32{})
		}, eplb.ErrBufferTooSmall, "loads"},
		"short loads": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			input.Loads = eplb.LoadsOf(make([]float64, 6*16-1))
		}, eplb.ErrBufferTooSmall, "loads"},
		"NaN": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			loads := loadsFor(small, 1, 1)
			loads[3*16+7] = float32(math.NaN())
			input.Loads = eplb.LoadsOf(loads)
		}, eplb.ErrInvalidLoad, "layer 3, expert 7 is"},
		"negative load": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			loads := make([]int64, 6*16)
			loads[0] = -1
			input.Loads = eplb.LoadsOf(loads)
		}, eplb.ErrInvalidLoad, "layer 0, expert 0 is -1"},
		"loads on a device": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			input.Loads = eplb.CUDALoads(unsafe.Pointer(&[6 * 16]float32{}), 6*16, eplb.TypeFloat32)
		}, eplb.ErrInvalidArgument, "memory"},
		"current elsewhere than loads": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			input.Current = eplb.CUDAMap(unsafe.Pointer(&[6 * 24]int32{}), 6*24, eplb.TypeInt32)
		}, eplb.ErrInvalidArgument, "Current"},
		"negative limit": {func(_ *eplb.Shape, _ *eplb.Options, input *eplb.Input, _ *eplb.Maps) {
			input.MaxChanges = eplb.AtMost(-1)
		}, eplb.ErrInvalidArgument, "limit"},
		"empty map": {func(_ *eplb.Shape, _ *eplb.Options, _ *eplb.Input, maps *eplb.Maps) {
			maps.ReplicaCount = eplb.MapOf([]int32{})
		}, eplb.ErrBufferTooSmall, "replica_count"},
		"short map": {func(_ *eplb.Shape, _ *eplb.Options, _ *eplb.Input, maps *eplb.Maps) {
			maps.ReplicaRank = eplb.MapOf(make([]int32, 6*24-1))
		}, eplb.ErrBufferTooSmall, "replica_rank"},
		"maps of two types": {func(_ *eplb.Shape, _ *eplb.Options, _ *eplb.Input, maps *eplb.Maps) {
			maps.ReplicaRank = eplb.MapOf(make([]int64, 6*24))
		}, eplb.ErrInvalidArgument, "differ in type"},
		"map of floats": {func(_ *eplb.Shape, _ *eplb.Options, _ *eplb.Input, maps *eplb.Maps) {
			*maps = eplb.Maps{ReplicaRank: eplb.CUDAMap(unsafe.Pointer(&[1]float32{}), 1, eplb.TypeFloat32)}
		}, eplb.ErrInvalidArgument, "type"},
	} {
		t.Run(name, func(t *testing.T) {
			shape, options := small, eplb.Options{Strategy: eplb.StrategySearch}
			input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
			out, maps := newPlan(small)
			bad.spoil(&shape, &options, &input, &maps)
			stats := eplb.Stats{Changes: -7}
			err := eplb.RebalanceExperts(background, shape, &options, input, maps, &stats)
			fails(t, err, bad.status, bad.text)
			if out.physicalToLogical[1]|out.physicalToLogical[24]|out.replicaCount[0] != 0 || stats.Changes != -7 {
				t.Error("something was written", out, stats)
			}
		})
	}
}

func TestBadPlacement(t *testing.T) {
	slots := make([]int32, 6*24)
	maps := eplb.Maps{PhysicalToLogical: eplb.MapOf(slots)}
	fails(t, eplb.CheckPlacement(small, maps, 0), eplb.ErrInvalidPlacement, "layer 0")
	var stats eplb.Stats
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
	fails(t, eplb.ScorePlacement(small, input, maps, &stats), eplb.ErrInvalidPlacement, "layer 0")
	fails(t, eplb.ScorePlacement(small, input, maps, nil), eplb.ErrInvalidArgument, "stats")
	for i := range slots {
		slots[i] = int32(i % 24 % 16)
	}
	succeed(t, eplb.CheckPlacement(small, maps, eplb.CheckDuplicates))
	slots[1], slots[16] = 0, 1
	succeed(t, eplb.CheckPlacement(small, maps, 0))
	fails(t, eplb.CheckPlacement(small, maps, eplb.CheckDuplicates), eplb.ErrInvalidPlacement, "gpu 0")
	fails(t, eplb.CheckPlacement(small, maps, 1<<31), eplb.ErrInvalidArgument, "flags")
}

func TestErrors(t *testing.T) {
	_, err := eplb.NewContext(eplb.Shape{}, nil)
	if errors.Is(err, eplb.ErrInvalidLoad) || !strings.HasPrefix(err.Error(), "eplb: ") {
		t.Error(err)
	}
	status := eplb.ErrInvalidLoad
	if status.String() != "EPLB_ERROR_INVALID_LOAD" || !strings.Contains(status.Error(), "NaN") {
		t.Error(status.String(), status)
	}
	if eplb.Status(99).String() == "" || eplb.Status(-1).Error() == "" {
		t.Error("an unknown status has no name")
	}
}

// everyCall makes each call that a context has.
func everyCall(c *eplb.Context) map[string]error {
	input := eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))}
	_, maps := newPlan(small)
	_, most := c.MaxReplicaCount()
	_, poll := c.Poll()
	return map[string]error{
		"MaxReplicaCount":    most,
		"Poll":               poll,
		"SubmitWeights":      c.SubmitWeights(background, input),
		"GetMaps":            c.GetMaps(maps),
		"GetStats":           c.GetStats(new(eplb.Stats)),
		"SubmitWeightsAsync": c.SubmitWeightsAsync(input, nil),
		"GetMapsAsync":       c.GetMapsAsync(maps, nil),
	}
}

func TestClosedContext(t *testing.T) {
	c := newContext(t, small, nil)
	succeed(t, c.Close())
	succeed(t, c.Close())
	for name, err := range everyCall(c) {
		t.Log(name)
		fails(t, err, eplb.ErrInvalidState, "closed")
	}
	var never eplb.Context
	for name, err := range everyCall(&never) {
		t.Log(name)
		fails(t, err, eplb.ErrInvalidState, "not from NewContext")
	}
	succeed(t, never.Close())
}

func TestContextWithoutPlan(t *testing.T) {
	c := newContext(t, small, nil)
	_, maps := newPlan(small)
	fails(t, c.GetMaps(maps), eplb.ErrInvalidState, "no plan")
	fails(t, c.GetStats(new(eplb.Stats)), eplb.ErrInvalidState, "no plan")
	fails(t, c.GetStats(nil), eplb.ErrInvalidArgument, "stats")
	_, err := c.MaxReplicaCount()
	fails(t, err, eplb.ErrInvalidState, "no plan")
}

func TestStreamsOnTheCPU(t *testing.T) {
	c := newContext(t, small, nil)
	all := everyCall(c)
	for _, name := range []string{"SubmitWeightsAsync", "GetMapsAsync", "Poll"} {
		fails(t, all[name], eplb.ErrInvalidState, "cpu")
	}
}

func TestCUDAWhereThereIsNone(t *testing.T) {
	if eplb.BackendCUDA.Available() == nil {
		t.Skip("there is a CUDA device")
	}
	fails(t, eplb.BackendCUDA.Available(), eplb.ErrUnavailable, "")
	_, err := eplb.NewContext(small, &eplb.Options{Memory: eplb.MemoryCUDA, Strategy: eplb.StrategyLPT})
	fails(t, err, eplb.ErrUnavailable, "")
	if n := eplb.BackendCUDA.DeviceCount(); n != 0 {
		t.Error(n)
	}
}

// While one goroutine plans, another is refused, but for what may be called at any time.
func TestTwoGoroutinesOnOneContext(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c := newContext(t, small, &eplb.Options{Progress: func(done, total int64) error {
		once.Do(func() {
			close(inside)
			<-leave
		})
		return nil
	}})
	planned := make(chan error)
	go func() {
		planned <- c.SubmitWeights(background, eplb.Input{Loads: eplb.LoadsOf(loadsFor(small, 1, 1))})
	}()
	<-inside
	for name, err := range everyCall(c) {
		t.Log(name)
		if name == "Poll" {
			fails(t, err, eplb.ErrInvalidState, "cpu")
		} else {
			fails(t, err, eplb.ErrInvalidState, "in use")
		}
	}
	fails(t, c.Close(), eplb.ErrInvalidState, "in use")
	if c.Backend() != eplb.BackendCPU {
		t.Error(c.Backend())
	}
	close(leave)
	succeed(t, <-planned)
	succeed(t, c.Close())
}

// Whatever goroutines do to one context, they get a result or ErrInvalidState.
func TestManyGoroutinesOnOneContext(t *testing.T) {
	c := newContext(t, small, &eplb.Options{NumThreads: 2})
	var all sync.WaitGroup
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func(last bool) {
			defer all.Done()
			for round := 0; round < 50; round++ {
				for name, err := range everyCall(c) {
					if err != nil && !errors.Is(err, eplb.ErrInvalidState) {
						t.Error(name, err)
					}
				}
			}
			for last && c.Close() != nil {
				runtime.Gosched()
			}
		}(i == 0)
	}
	all.Wait()
	succeed(t, c.Close())
}

// counted is memory of C's for contexts, which counts.
type counted struct{ allocated, freed int32 }

func (n *counted) options() *eplb.Options {
	return &eplb.Options{
		Alloc: func(size uintptr) unsafe.Pointer {
			atomic.AddInt32(&n.allocated, 1)
			return cloop.Alloc(size)
		},
		Free: func(pointer unsafe.Pointer) {
			atomic.AddInt32(&n.freed, 1)
			cloop.Free(pointer)
		},
	}
}

func TestContextIsFreedOnce(t *testing.T) {
	var closed, lost counted
	for i := 0; i < 10; i++ {
		c, err := eplb.NewContext(small, closed.options())
		succeed(t, err)
		succeed(t, c.Close())
		succeed(t, c.Close())
		_, err = eplb.NewContext(small, lost.options())
		succeed(t, err)
	}
	for i := 0; i < 1000 && atomic.LoadInt32(&lost.freed) < 10; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	for _, n := range []*counted{&closed, &lost} {
		allocated, freed := atomic.LoadInt32(&n.allocated), atomic.LoadInt32(&n.freed)
		if allocated != 10 || freed != 10 {
			t.Error(allocated, "allocated,", freed, "freed")
		}
	}
}
