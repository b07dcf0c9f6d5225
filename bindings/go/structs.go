// SPDX-License-Identifier: MIT

package eplb

import "unsafe"

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

	LogLevel LogLevel // The most that is sent to Log.
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

// Maps is a placement, written by a plan or read to be judged. All four arrays have one type and lie in one kind of
// memory. Each may be missing: then it is not written, or not looked at.
type Maps struct {
	PhysicalToLogical Map // [L][P] the expert in each slot; slots in order of gpu.
	ReplicaRank       Map // [L][P] which replica of its expert a slot holds, 0 the original.
	ReplicaCount      Map // [L][E] slots of each expert.
	LogicalToPhysical Map // [L][E][X] slots of each expert, in order of replica rank, then -1.
	MaxReplicas       int // X; at least the largest count of the plan, for which P - E + 1 is always enough.
}

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

// Packing is a packing problem for each row: n items into m packs, exactly n / m items in each. Where a message about a
// load says layer and expert, these are the row and the item.
type Packing struct {
	NumRows    int // X, independent problems.
	NumItems   int // n, a multiple of m. With n = m item i goes to pack i.
	NumPacks   int // m.
	PackIndex  Map // [X][n] pack of each item, written; or none.
	RankInPack Map // [X][n] seat of each item in its pack, heaviest first, written; or none.
}
