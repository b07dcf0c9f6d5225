// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

import "context"

// RebalanceExperts plans a placement in one call, from host memory to host memory; MaxSamples need not be set. The
// statistics of the plan under these loads are written to stats, if it is not nil. When ctx is done the plan ends as in
// Context.SubmitWeights.
func RebalanceExperts(ctx context.Context, shape Shape, options *Options, input Input, maps Maps, stats *Stats) error {
	a := arguments{shape: shape, input: input, maps: maps, stats: stats}
	return doOnce(ctx, C.EPLB_GO_REBALANCE_EXPERTS, options, a)
}

// BalancedPacking packs items so that the loads of the packs are as equal as the strategy gets them. The loads are
// [S][X][n].
func BalancedPacking(ctx context.Context, options *Options, input Input, packing Packing) error {
	return doOnce(ctx, C.EPLB_GO_BALANCED_PACKING, options, arguments{input: input, packing: packing})
}

// ReplicateExperts gives each expert a slot, and each further slot to the expert with the largest load per replica (the
// lowest index on ties). Slots are in that order. Of shape only the layers, experts and slots are looked at.
func ReplicateExperts(ctx context.Context, shape Shape, options *Options, input Input, maps Maps) error {
	return doOnce(ctx, C.EPLB_GO_REPLICATE_EXPERTS, options, arguments{shape: shape, input: input, maps: maps})
}

// CheckPlacement checks that every slot holds an expert, that every expert has a slot, and that the other maps, where
// given, say the same as PhysicalToLogical. If not, it names the first place that is wrong with ErrInvalidPlacement.
func CheckPlacement(shape Shape, maps Maps, flags CheckFlag) error {
	call, err := newCall(nil)
	if err != nil {
		return err
	}
	defer call.free()
	call.c.arguments.flags = C.uint32_t(flags)
	return call.do(context.Background(), C.EPLB_GO_CHECK_PLACEMENT, arguments{shape: shape, maps: maps})
}

// ScorePlacement judges a placement under any load, also one it was not planned for. It checks it first. Of input only
// the loads and a current placement to count changes from are used.
func ScorePlacement(shape Shape, input Input, maps Maps, stats *Stats) error {
	a := arguments{shape: shape, input: input, maps: maps, stats: stats}
	return doOnce(context.Background(), C.EPLB_GO_SCORE_PLACEMENT, nil, a)
}

// MemoryNeeded tells how many bytes NewContext would allocate, on the host and on the CUDA device.
func MemoryNeeded(shape Shape, options *Options) (host, cuda uint64, err error) {
	call, err := newCall(options)
	if err != nil {
		return 0, 0, err
	}
	defer call.free()
	err = call.do(context.Background(), C.EPLB_GO_MEMORY_NEEDED, arguments{shape: shape})
	return uint64(call.c.arguments.host_bytes), uint64(call.c.arguments.cuda_bytes), err
}

func doOnce(ctx context.Context, function C.eplb_go_function, options *Options, a arguments) error {
	call, err := newCall(options)
	if err != nil {
		return err
	}
	defer call.free()
	return call.do(ctx, function, a)
}
