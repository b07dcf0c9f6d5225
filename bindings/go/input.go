// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

// Limit is the most of something. The zero value is no limit.
type Limit struct {
	limited bool
	most    int
}

// AtMost is a limit of n, which may be 0.
func AtMost(n int) Limit { return Limit{limited: true, most: n} }

// Input is what to plan from.
type Input struct {
	// Loads are [S][L][E] tokens of each expert, finite and not negative. Give tokens, not fractions.
	Loads      Loads
	NumSamples int    // S, loads of all layers recorded apart; 0: 1.
	Seed       uint64 // Of the random numbers of strategies with several candidates.

	// Current is [L][P] the expert in each slot now, -1 for none: a search starts from there and moves what pays.
	Current            Map
	MaxChangesPerLayer Limit // Most slots of a layer that may hold another expert than now.
	MaxChanges         Limit // The same over all layers.
}

func (call *call) setInput(in *Input, arrays *C.eplb_go_arrays) error {
	if in.Current.pointer != nil && in.Current.memory != in.Loads.memory {
		return failure(ErrInvalidArgument, "input.Current is not in the same kind of memory as input.Loads")
	}
	if in.MaxChanges.most < 0 || in.MaxChangesPerLayer.most < 0 {
		return failure(ErrInvalidArgument, "a limit of changes is negative")
	}
	input := &call.c.arguments.input
	*input = defaults.input
	input._type = C.int32_t(in.Loads.kind)
	input.memory = C.int32_t(in.Loads.memory)
	set(&input.num_samples, in.NumSamples)
	arrays.loads, input.loads_count = in.Loads.toC()
	input.seed = C.uint64_t(in.Seed)
	arrays.current, input.current_count = in.Current.toC()
	input.current_type = C.int32_t(in.Current.indexType())
	if in.MaxChangesPerLayer.limited {
		input.max_changes_per_layer = number(in.MaxChangesPerLayer.most)
	}
	if in.MaxChanges.limited {
		input.max_changes = C.int64_t(in.MaxChanges.most)
	}
	return nil
}
