// SPDX-License-Identifier: MIT

package eplb

// Version of the library's header that this package is written against, as major*10000 + minor*100 + patch. A
// library that is older is refused.
const (
	VersionMajor = 0
	VersionMinor = 1
	VersionPatch = 0
	Version      = VersionMajor*10000 + VersionMinor*100 + VersionPatch
)

// Status is the result of a call. Each value is an error of its own, so that errors.Is(err, eplb.ErrInvalidLoad) tells
// what went wrong.
type Status int32

const (
	Success             Status = 0  // Done.
	NotReady            Status = 1  // Work on a stream has not finished; not an error.
	ErrInvalidArgument  Status = 2  // A missing buffer, an impossible shape, an unknown value.
	ErrInvalidLoad      Status = 3  // A load is NaN, infinite or negative, or a layer's total overflows float32.
	ErrInvalidPlacement Status = 4  // A placement is wrong, or a current one needs more changes than are allowed.
	ErrInvalidState     Status = 5  // No plan yet; the context is in use, closed, or was created before a fork.
	ErrStructSize       Status = 6  // Fields are set that the library does not know.
	ErrBufferTooSmall   Status = 7  // A buffer is shorter than its shape.
	ErrOutOfMemory      Status = 8  // Memory or a thread could not be had.
	ErrUnavailable      Status = 9  // Not in this build of the library, or no driver or device on this machine.
	ErrCancelled        Status = 10 // Progress or a context.Context asked to stop.
	ErrCUDA             Status = 11 // A CUDA call failed.
	ErrInternal         Status = 12 // A bug in the library.
)

// Strategy is how a placement is found. Every value but StrategyAuto and StrategySearch is a preset of the five packing
// choices in Options and never changes its maps.
type Strategy int32

const (
	StrategyAuto               Strategy = 0 // What is recommended; may become better between minor versions.
	StrategyLPT                Strategy = 1 // Heaviest first, to the lightest gpu with room (DeepSeek's EPLB).
	StrategyLPTSwapMinMax      Strategy = 2 // lpt, then 20 swaps between the heaviest and the lightest gpu.
	StrategyLPTRestart4        Strategy = 3 // 4 perturbed lpt-swap-minmax, the one with the least spread.
	StrategyLPTSwapAny         Strategy = 4 // lpt, then 50 swaps between the heaviest and any gpu.
	StrategyLPTRestart64Any    Strategy = 5 // 64 perturbed lpt with 20 swaps heaviest to any, the lowest peak.
	StrategyLPTSwapL2          Strategy = 6 // lpt, then 50 swaps between any two gpus, on the sum of squares.
	StrategyZigzagSwapMinMax   Strategy = 7 // Dealt to and fro, then 20 swaps heaviest to lightest.
	StrategyLPTRestart64MinMax Strategy = 8 // 64 perturbed lpt-swap-minmax, the lowest peak.
	StrategySearch             Strategy = 9 // A tabu search over placements; may change between minor versions.
)

// Policy is what counts as a locality boundary.
type Policy int32

const (
	PolicyAuto         Policy = 0 // Hierarchical if NumGroups is a multiple of NumNodes, global otherwise.
	PolicyHierarchical Policy = 1 // Groups to nodes, replicas within their node, replicas to gpus.
	PolicyGlobal       Policy = 2 // Groups and nodes are ignored.
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
	MemoryHost Memory = 0 // Host memory, such as a slice.
	MemoryCUDA Memory = 1 // What the context's CUDA device can address: its own memory, managed, or pinned.
)

// Type is the element type of a buffer.
type Type int32

const (
	TypeFloat32 Type = 0 // Loads.
	TypeFloat64 Type = 1 // Loads.
	TypeInt32   Type = 2 // Loads and maps.
	TypeInt64   Type = 3 // Loads and maps.
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
	ObjectivePreset  Objective = 0 // The 4th power for one sample, the 32nd for several.
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
	LogNone    LogLevel = 0 // In Options it stands for LogInfo; for no log leave Options.Log nil.
	LogWarning LogLevel = 1 // Something is not as it was probably meant: more threads than there is work for.
	LogInfo    LogLevel = 2 // What was chosen when a context is created.
	LogDebug   LogLevel = 3 // A line for each plan.
)

// CheckFlag is a flag of CheckPlacement.
type CheckFlag uint32

const (
	CheckDuplicates CheckFlag = 1 // Two replicas of an expert on one gpu are an error too.
)
