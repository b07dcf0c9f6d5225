// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

// Stats is how good a placement is under a load. Balancedness of a layer is mean load of the gpus that have slots /
// largest gpu load, 1 at best. Where gpus have speeds: (all load / all speeds of gpus that have slots) / largest (gpu
// load / gpu speed).
type Stats struct {
	MaxReplicaCount int     // Most slots that one expert has.
	Balancedness    float64 // Mean over the layers that have load; 1 if none has.
	BalancednessMin float64 // Its least over those layers; 1 if none has load.
	EmptyLayers     int     // Layers without load in any sample.
	Duplicates      int     // Slots whose gpu holds the same expert in an earlier slot, all layers.
	Bound           float64 // No placement on these gpus has larger balancedness. It need not be reached by any.
	Changes         int     // Slots that hold another expert than in Input.Current; 0 without one.

	// Buffers for more, yours; nil: not wanted.
	LayerBalancedness []float64 // [L] 1 for a layer without load.
	GPULoad           []float64 // [L][G] tokens of each gpu, mean over the samples.
	LayerBound        []float64 // [L] 1 for a layer without load.
}

// setStats is told nil where no statistics are wanted.
func (call *call) setStats(s *Stats, arrays *C.eplb_go_arrays) {
	call.c.arguments.wants_stats = 0
	if s == nil {
		return
	}
	call.c.arguments.wants_stats = 1
	stats := &call.c.arguments.stats
	arrays.layer_balancedness, stats.layer_balancedness_count = doubles(s.LayerBalancedness)
	arrays.gpu_load, stats.gpu_load_count = doubles(s.GPULoad)
	arrays.layer_bound, stats.layer_bound_count = doubles(s.LayerBound)
}

func doubles(slice []float64) (*C.double, C.size_t) {
	return (*C.double)(data(slice)), C.size_t(len(slice))
}

func (call *call) getStats(s *Stats) {
	stats := &call.c.arguments.stats
	s.MaxReplicaCount = int(stats.max_replica_count)
	s.Balancedness = float64(stats.balancedness)
	s.BalancednessMin = float64(stats.balancedness_min)
	s.EmptyLayers = int(stats.empty_layers)
	s.Duplicates = int(stats.duplicates)
	s.Bound = float64(stats.bound)
	s.Changes = int(stats.changes)
}
