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
	"unsafe"
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

// do makes one call. The caller's arrays are arguments of the C function, each by itself: in a struct Go could not hand
// them over. They have no copy in C when it returns.
func (call *call) do(ctx context.Context, function C.eplb_go_function, a arguments) error {
	if err := call.setArguments(&a); err != nil {
		return err
	}
	stop, err := call.cancelWith(ctx)
	if err != nil {
		return err
	}
	call.listener.cause = nil
	stats := a.stats
	if stats == nil {
		stats = &Stats{}
	}
	status := C.eplb_go_do(call.c, function,
		(*C.int32_t)(data(a.shape.SlotsPerGPU)), (*C.float)(data(a.shape.SpeedOfGPU)),
		(*C.int32_t)(data(a.shape.NodeOfGPU)),
		(*C.char)(a.input.Loads.pointer), (*C.char)(a.input.Current.pointer),
		(*C.char)(a.maps.PhysicalToLogical.pointer), (*C.char)(a.maps.ReplicaRank.pointer),
		(*C.char)(a.maps.ReplicaCount.pointer), (*C.char)(a.maps.LogicalToPhysical.pointer),
		(*C.double)(data(stats.LayerBalancedness)), (*C.double)(data(stats.GPULoad)),
		(*C.double)(data(stats.LayerBound)),
		(*C.char)(a.packing.PackIndex.pointer), (*C.char)(a.packing.RankInPack.pointer))
	stop()
	call.listener.raise()
	if status != C.EPLB_SUCCESS {
		err := errorFrom(&call.c.error)
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

func (call *call) setOptions(o *Options) {
	options := &call.c.options
	options.strategy = C.int32_t(o.Strategy)
	options.policy = C.int32_t(o.Policy)
	options.backend = C.int32_t(o.Backend)
	options.memory = C.int32_t(o.Memory)
	options.device = number(o.Device)
	switch o.NumThreads {
	case 0:
		options.num_threads = 1
	case AllThreads:
		options.num_threads = 0
	default:
		options.num_threads = number(o.NumThreads)
	}
	options.max_samples = orOne(o.MaxSamples)
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

func (call *call) setArguments(a *arguments) error {
	call.setShape(&a.shape)
	call.setStats(a.stats)
	if err := call.setInput(&a.input); err != nil {
		return err
	}
	if err := call.setMaps(&a.maps); err != nil {
		return err
	}
	return call.setPacking(&a.packing)
}

func (call *call) setShape(s *Shape) {
	shape := &call.c.shape
	shape.num_layers = number(s.NumLayers)
	shape.num_logical_experts = number(s.NumLogicalExperts)
	shape.num_physical_experts = number(s.NumPhysicalExperts)
	shape.num_groups = orOne(s.NumGroups)
	shape.num_nodes = orOne(s.NumNodes)
	shape.num_gpus = number(s.NumGPUs)
	shape.slots_per_gpu_count = C.size_t(len(s.SlotsPerGPU))
	shape.speed_of_gpu_count = C.size_t(len(s.SpeedOfGPU))
	shape.node_of_gpu_count = C.size_t(len(s.NodeOfGPU))
}

func (call *call) setInput(in *Input) error {
	if in.Current.pointer != nil && in.Current.memory != in.Loads.memory {
		return failure(ErrInvalidArgument, "input.Current is not in the same kind of memory as input.Loads")
	}
	if in.MaxChanges.most < 0 || in.MaxChangesPerLayer.most < 0 {
		return failure(ErrInvalidArgument, "a limit of changes is negative")
	}
	input := &call.c.input
	input._type = C.int32_t(in.Loads.kind)
	input.memory = C.int32_t(in.Loads.memory)
	input.num_samples = orOne(in.NumSamples)
	input.loads_count = C.size_t(in.Loads.count)
	input.seed = C.uint64_t(in.Seed)
	input.current_count = C.size_t(in.Current.count)
	input.current_type = C.int32_t(in.Current.indexType())
	input.max_changes_per_layer, input.max_changes = -1, -1
	if in.MaxChangesPerLayer.limited {
		input.max_changes_per_layer = number(in.MaxChangesPerLayer.most)
	}
	if in.MaxChanges.limited {
		input.max_changes = C.int64_t(in.MaxChanges.most)
	}
	return nil
}

func (call *call) setMaps(m *Maps) error {
	kind, memory, err := alike("maps", m.PhysicalToLogical, m.ReplicaRank, m.ReplicaCount, m.LogicalToPhysical)
	if err != nil {
		return err
	}
	maps := &call.c.maps
	maps._type = C.int32_t(kind)
	maps.memory = C.int32_t(memory)
	maps.max_replicas = number(m.MaxReplicas)
	maps.physical_to_logical_count = C.size_t(m.PhysicalToLogical.count)
	maps.replica_rank_count = C.size_t(m.ReplicaRank.count)
	maps.replica_count_count = C.size_t(m.ReplicaCount.count)
	maps.logical_to_physical_count = C.size_t(m.LogicalToPhysical.count)
	return nil
}

func (call *call) setPacking(p *Packing) error {
	kind, memory, err := alike("packing", p.PackIndex, p.RankInPack)
	if err != nil {
		return err
	}
	packing := &call.c.packing
	packing._type = C.int32_t(kind)
	packing.memory = C.int32_t(memory)
	packing.num_rows = number(p.NumRows)
	packing.num_items = number(p.NumItems)
	packing.num_packs = number(p.NumPacks)
	packing.pack_index_count = C.size_t(p.PackIndex.count)
	packing.rank_in_pack_count = C.size_t(p.RankInPack.count)
	return nil
}

func (call *call) setStats(s *Stats) {
	if s == nil {
		call.c.wants_stats = 0
		return
	}
	call.c.wants_stats = 1
	stats := &call.c.stats
	stats.layer_balancedness_count = C.size_t(len(s.LayerBalancedness))
	stats.gpu_load_count = C.size_t(len(s.GPULoad))
	stats.layer_bound_count = C.size_t(len(s.LayerBound))
}

func (call *call) getStats(s *Stats) {
	stats := &call.c.stats
	s.MaxReplicaCount = int(stats.max_replica_count)
	s.Balancedness = float64(stats.balancedness)
	s.BalancednessMin = float64(stats.balancedness_min)
	s.EmptyLayers = int(stats.empty_layers)
	s.Duplicates = int(stats.duplicates)
	s.Bound = float64(stats.bound)
	s.Changes = int(stats.changes)
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

func orOne(n int) C.int32_t {
	if n == 0 {
		return 1
	}
	return number(n)
}
