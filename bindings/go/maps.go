// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

// Maps is a placement, written by a plan or read to be judged. All four arrays have one type and lie in one kind of
// memory. Each may be missing: then it is not written, or not looked at.
type Maps struct {
	PhysicalToLogical Map // [L][P] the expert in each slot; slots in order of gpu.
	ReplicaRank       Map // [L][P] which replica of its expert a slot holds, 0 the original.
	ReplicaCount      Map // [L][E] slots of each expert.
	LogicalToPhysical Map // [L][E][X] slots of each expert, in order of replica rank, then -1.
	MaxReplicas       int // X; at least the largest count of the plan, for which P - E + 1 is always enough.
}

func (call *call) setMaps(m *Maps, arrays *C.eplb_go_arrays) error {
	kind, memory, err := alike("maps", m.PhysicalToLogical, m.ReplicaRank, m.ReplicaCount, m.LogicalToPhysical)
	if err != nil {
		return err
	}
	maps := &call.c.arguments.maps
	maps._type = C.int32_t(kind)
	maps.memory = C.int32_t(memory)
	maps.max_replicas = number(m.MaxReplicas)
	arrays.physical_to_logical, maps.physical_to_logical_count = m.PhysicalToLogical.toC()
	arrays.replica_rank, maps.replica_rank_count = m.ReplicaRank.toC()
	arrays.replica_count, maps.replica_count_count = m.ReplicaCount.toC()
	arrays.logical_to_physical, maps.logical_to_physical_count = m.LogicalToPhysical.toC()
	return nil
}
