// SPDX-License-Identifier: MIT
// Made from eplb.h by bindings/generate.py.

package eplb

// Version of the library's header that this package is written against, as major*10000 + minor*100 + patch. A library
// that is older is refused.
const (
	VersionMajor = 0
	VersionMinor = 1
	VersionPatch = 0
	Version      = VersionMajor*10000 + VersionMinor*100 + VersionPatch
)

// Status is what a call answers. Values never change; new ones are appended, so treat an unknown one as an error. Each
// value is an error of its own, so that errors.Is(err, eplb.ErrInvalidLoad) tells what went wrong.
type Status int32

const (
	// Done.
	Success Status = 0
	// Work on a stream has not finished; not an error.
	NotReady Status = 1
	// A NULL, an impossible shape, an unknown value.
	ErrInvalidArgument Status = 2
	// A load is NaN, infinite or negative, or, in planning, a layer's total overflows float32.
	ErrInvalidLoad Status = 3
	// A placement names no expert, leaves one out, or contradicts itself; a current one needs more changes than are
	// allowed.
	ErrInvalidPlacement Status = 4
	// No plan yet; the context is in use, or was created before a fork.
	ErrInvalidState Status = 5
	// struct_size is not set, or fields are set that this library does not know.
	ErrStructSize Status = 6
	// A buffer of the caller's is shorter than its shape.
	ErrBufferTooSmall Status = 7
	// Memory or a thread could not be had.
	ErrOutOfMemory Status = 8
	// Not in this build, or no driver or device on this machine.
	ErrUnavailable Status = 9
	// The progress callback asked to stop.
	ErrCancelled Status = 10
	// A CUDA call failed.
	ErrCUDA Status = 11
	// A bug in this library, or a callback that threw.
	ErrInternal Status = 12
)

// Strategy is how a placement is found. Every value but StrategyAuto and StrategySearch is a preset of the five packing
// choices in Options and never changes its maps.
type Strategy int32

const (
	// What we recommend, by the shape and max_samples of the options (in one call: by its samples and its current
	// placement); may become better between minor versions.
	StrategyAuto Strategy = 0
	// Heaviest first, to the lightest gpu with room (DeepSeek's EPLB).
	StrategyLPT Strategy = 1
	// lpt, then 20 swaps between the heaviest and the lightest gpu.
	StrategyLPTSwapMinMax Strategy = 2
	// 4 perturbed lpt-swap-minmax, the one with the least spread.
	StrategyLPTRestart4 Strategy = 3
	// lpt, then 50 swaps between the heaviest and any gpu.
	StrategyLPTSwapAny Strategy = 4
	// 64 perturbed lpt with 20 swaps heaviest to any, the lowest peak.
	StrategyLPTRestart64Any Strategy = 5
	// lpt, then 50 swaps between any two gpus, on the sum of squares.
	StrategyLPTSwapL2 Strategy = 6
	// Dealt to and fro, then 20 swaps heaviest to lightest.
	StrategyZigzagSwapMinMax Strategy = 7
	// 64 perturbed lpt-swap-minmax, the lowest peak.
	StrategyLPTRestart64MinMax Strategy = 8
	// A tabu search over placements: under each sample by itself, on gpus as they are, from the current placement if
	// there is one, without two replicas of an expert on one gpu. Unlike the presets it may change between minor
	// versions.
	StrategySearch Strategy = 9
)

// Policy is what counts as a locality boundary.
type Policy int32

const (
	// Global if there is 1 group and 1 node, which is the same; else hierarchical if num_groups % num_nodes == 0 and
	// the nodes are alike: as many gpus that have slots, slots and speed on each. Global otherwise, as after the loss
	// of a gpu or a node.
	PolicyAuto Policy = 0
	// Groups to nodes, replicas within their node, replicas to gpus.
	PolicyHierarchical Policy = 1
	// Groups and nodes are ignored.
	PolicyGlobal Policy = 2
)

// Backend is where a plan is computed.
type Backend int32

const (
	BackendAuto Backend = 0 // Where the memory is: CPU for host memory, CUDA for CUDA memory.
	BackendCPU  Backend = 1 // On the host; needs no driver and never makes a CUDA call.
	BackendCUDA Backend = 2 // On one CUDA device.
)

// Memory is where a buffer is.
type Memory int32

const (
	MemoryHost Memory = 0 // Host memory, pageable or pinned.
	MemoryCUDA Memory = 1 // What the context's CUDA device can address: its own memory, managed, or pinned.
)

// Type is the element type of a buffer.
type Type int32

const (
	TypeFloat32 Type = 0 // float; loads.
	TypeFloat64 Type = 1 // double; loads.
	TypeInt32   Type = 2 // int32_t; loads and maps.
	TypeInt64   Type = 3 // int64_t; loads and maps.
)

// Initial is the first packing of the items.
type Initial int32

const (
	InitialPreset Initial = 0 // As the strategy has it.
	InitialLPT    Initial = 1 // Heaviest first, each to the lightest pack that has room.
	InitialZigzag Initial = 2 // Heaviest first, to packs 0..m-1, m-1..0, 0..m-1, ...
)

// AmplitudeForm is how strongly candidate c of C is perturbed; candidate 0 never is.
type AmplitudeForm int32

const (
	AmplitudePreset   AmplitudeForm = 0 // As the strategy has it.
	AmplitudeConstant AmplitudeForm = 1 // All by the same amplitude.
	AmplitudeLinear   AmplitudeForm = 2 // By amplitude * c / (C - 1).
)

// SwapScope is which two items may change places after the first packing.
type SwapScope int32

const (
	SwapPreset           SwapScope = 0 // As the strategy has it.
	SwapNone             SwapScope = 1 // None.
	SwapHeaviestLightest SwapScope = 2 // One of the heaviest pack, one of the lightest; lowers the peak.
	SwapHeaviestAny      SwapScope = 3 // One of the heaviest pack, one of any other; lowers the peak.
	SwapAnyAny           SwapScope = 4 // Any two of different packs; lowers the sum of squared loads.
)

// Selection is which candidate is the best.
type Selection int32

const (
	SelectionPreset  Selection = 0 // As the strategy has it.
	SelectionMaxLoad Selection = 1 // The one whose heaviest pack is lightest.
	SelectionSpread  Selection = 2 // The one with the least difference between heaviest and lightest pack.
)

// Samples is what becomes of several samples of the loads.
type Samples int32

const (
	SamplesPreset Samples = 0 // As the strategy has it: search keeps them apart, the others add them up.
	SamplesEach   Samples = 1 // Each is scaled to one total, and the plan is to be good under each. Search only.
	SamplesSum    Samples = 2 // They are added up, as if recorded in one piece.
)

// Objective is what a search makes small: the sum over gpus and samples of a power of what each has to bear.
type Objective int32

const (
	ObjectivePreset  Objective = 0 // The 4th power for one sample, for which any will do; the 32nd for several.
	ObjectivePower4  Objective = 1 // Gpus below the peak count as well. Faster.
	ObjectivePower32 Objective = 2 // Nearly the peak alone. Better under loads to come, if there are several samples.
)

// Duplicates is whether two replicas of an expert may be on one gpu, where they are of little use.
type Duplicates int32

const (
	DuplicatesPreset Duplicates = 0 // As the strategy has it: search avoids them, the others do not look.
	DuplicatesAvoid  Duplicates = 1 // No expert twice on a gpu, wherever there are gpus enough. Search only.
	DuplicatesAllow  Duplicates = 2 // It does not matter.
)

// LogLevel is the severity of a log line.
type LogLevel int32

const (
	LogNone    LogLevel = 0 // Nothing is logged.
	LogWarning LogLevel = 1 // Something is not as it was probably meant: more threads than there is work for.
	LogInfo    LogLevel = 2 // What was chosen when a context is created.
	LogDebug   LogLevel = 3 // A line for each plan.
)

// CheckFlag is what CheckPlacement looks at besides.
type CheckFlag uint32

const (
	CheckDuplicates CheckFlag = 1 // Two replicas of an expert on one gpu are an error too.
)
