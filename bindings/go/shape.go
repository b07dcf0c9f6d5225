// SPDX-License-Identifier: MIT

package eplb

// #include "call.h"
import "C"

// Shape is the model's layers and experts, and the cluster they are placed on. Every extent is 1 to 65535. Slot p of a
// layer lies on gpu p / (P / G) when P is a multiple of G; otherwise the first P % G gpus have one slot more than the
// rest, unless SlotsPerGPU says how many each has.
type Shape struct {
	NumLayers          int       // L, MoE layers.
	NumLogicalExperts  int       // E, experts in a layer.
	NumPhysicalExperts int       // P, slots of a layer over all gpus; at least E.
	NumGroups          int       // Router groups of consecutive experts; 0: 1, as if the model has none.
	NumNodes           int       // Nodes, within which gpus have fast links; 0: 1.
	NumGPUs            int       // G, gpus over all nodes, numbered node by node unless NodeOfGPU says otherwise.
	SlotsPerGPU        []int32   // [G] slots of each gpu, P in all; 0 for one that is dead or leaving. Nil: as above.
	SpeedOfGPU         []float32 // [G] relative speeds, 0.001 to 1000. Nil: all are alike.
	NodeOfGPU          []int32   // [G] the node of each gpu. Nil: G / NumNodes gpus each, in order.
}

func (call *call) setShape(s *Shape, arrays *C.eplb_go_arrays) {
	shape := &call.c.arguments.shape
	*shape = defaults.shape
	set(&shape.num_layers, s.NumLayers)
	set(&shape.num_logical_experts, s.NumLogicalExperts)
	set(&shape.num_physical_experts, s.NumPhysicalExperts)
	set(&shape.num_groups, s.NumGroups)
	set(&shape.num_nodes, s.NumNodes)
	set(&shape.num_gpus, s.NumGPUs)
	arrays.slots_per_gpu, shape.slots_per_gpu_count = (*C.int32_t)(data(s.SlotsPerGPU)), C.size_t(len(s.SlotsPerGPU))
	arrays.speed_of_gpu, shape.speed_of_gpu_count = (*C.float)(data(s.SpeedOfGPU)), C.size_t(len(s.SpeedOfGPU))
	arrays.node_of_gpu, shape.node_of_gpu_count = (*C.int32_t)(data(s.NodeOfGPU)), C.size_t(len(s.NodeOfGPU))
}
