// SPDX-License-Identifier: MIT
// Made from eplb.h by bindings/generate.py.
// EPLB_SWAP_HEAVIEST_ANY is SwapScope.HeaviestAny, EPLB_ERROR_CUDA is Status.Cuda.
namespace Eplb
{
    /// <summary>What a call answers. Values never change; new ones are appended, so treat an unknown one as an
    /// error.</summary>
    public enum Status
    {
        /// <summary>Done.</summary>
        Success = 0,
        /// <summary>Work on a stream has not finished; not an error.</summary>
        NotReady = 1,
        /// <summary>A NULL, an impossible shape, an unknown value.</summary>
        InvalidArgument = 2,
        /// <summary>A load is NaN, infinite or negative, or, in planning, a layer's total overflows float32.</summary>
        InvalidLoad = 3,
        /// <summary>A placement names no expert, leaves one out, or contradicts itself; a current one needs more
        /// changes than are allowed.</summary>
        InvalidPlacement = 4,
        /// <summary>No plan yet; the context is in use, or was created before a fork.</summary>
        InvalidState = 5,
        /// <summary>struct_size is not set, or fields are set that this library does not know.</summary>
        StructSize = 6,
        /// <summary>A buffer of the caller's is shorter than its shape.</summary>
        BufferTooSmall = 7,
        /// <summary>Memory or a thread could not be had.</summary>
        OutOfMemory = 8,
        /// <summary>Not in this build, or no driver or device on this machine.</summary>
        Unavailable = 9,
        /// <summary>The progress callback asked to stop.</summary>
        Cancelled = 10,
        /// <summary>A CUDA call failed.</summary>
        Cuda = 11,
        /// <summary>A bug in this library, or a callback that threw.</summary>
        Internal = 12
    }

    /// <summary>How a placement is found. Every value but <see cref="Strategy.Auto"/> and <see cref="Strategy.Search"/>
    /// is a preset of the five packing choices in <see cref="Options"/> and never changes its maps.</summary>
    public enum Strategy
    {
        /// <summary>What we recommend, by the shape and max_samples of the options (in one call: by its samples and its
        /// current placement); may become better between minor versions.</summary>
        Auto = 0,
        /// <summary>Heaviest first, to the lightest gpu with room (DeepSeek's EPLB).</summary>
        Lpt = 1,
        /// <summary>lpt, then 20 swaps between the heaviest and the lightest gpu.</summary>
        LptSwapMinmax = 2,
        /// <summary>4 perturbed lpt-swap-minmax, the one with the least spread.</summary>
        LptRestart4 = 3,
        /// <summary>lpt, then 50 swaps between the heaviest and any gpu.</summary>
        LptSwapAny = 4,
        /// <summary>64 perturbed lpt with 20 swaps heaviest to any, the lowest peak.</summary>
        LptRestart64Any = 5,
        /// <summary>lpt, then 50 swaps between any two gpus, on the sum of squares.</summary>
        LptSwapL2 = 6,
        /// <summary>Dealt to and fro, then 20 swaps heaviest to lightest.</summary>
        ZigzagSwapMinmax = 7,
        /// <summary>64 perturbed lpt-swap-minmax, the lowest peak.</summary>
        LptRestart64Minmax = 8,
        /// <summary>A tabu search over placements: under each sample by itself, on gpus as they are, from the current
        /// placement if there is one, without two replicas of an expert on one gpu. Unlike the presets it may change
        /// between minor versions.</summary>
        Search = 9
    }

    /// <summary>What counts as a locality boundary.</summary>
    public enum Policy
    {
        /// <summary>Global if there is 1 group and 1 node, which is the same; else hierarchical if num_groups %
        /// num_nodes == 0 and the nodes are alike: as many gpus that have slots, slots and speed on each. Global
        /// otherwise, as after the loss of a gpu or a node.</summary>
        Auto = 0,
        /// <summary>Groups to nodes, replicas within their node, replicas to gpus.</summary>
        Hierarchical = 1,
        /// <summary>Groups and nodes are ignored.</summary>
        Global = 2
    }

    /// <summary>Where a plan is computed.</summary>
    public enum Backend
    {
        /// <summary>Where the memory is: CPU for host memory, CUDA for CUDA memory.</summary>
        Auto = 0,
        /// <summary>On the host; needs no driver and never makes a CUDA call.</summary>
        Cpu = 1,
        /// <summary>On one CUDA device.</summary>
        Cuda = 2
    }

    /// <summary>Where a buffer is.</summary>
    public enum Memory
    {
        /// <summary>Host memory, pageable or pinned.</summary>
        Host = 0,
        /// <summary>What the context's CUDA device can address: its own memory, managed, or pinned.</summary>
        Cuda = 1
    }

    /// <summary>The element type of a buffer.</summary>
    public enum ElementType
    {
        /// <summary>float; loads.</summary>
        Float32 = 0,
        /// <summary>double; loads.</summary>
        Float64 = 1,
        /// <summary>int32_t; loads and maps.</summary>
        Int32 = 2,
        /// <summary>int64_t; loads and maps.</summary>
        Int64 = 3
    }

    /// <summary>The first packing of the items.</summary>
    public enum Initial
    {
        /// <summary>As the strategy has it.</summary>
        Preset = 0,
        /// <summary>Heaviest first, each to the lightest pack that has room.</summary>
        Lpt = 1,
        /// <summary>Heaviest first, to packs 0..m-1, m-1..0, 0..m-1, ...</summary>
        Zigzag = 2
    }

    /// <summary>How strongly candidate c of C is perturbed; candidate 0 never is.</summary>
    public enum AmplitudeForm
    {
        /// <summary>As the strategy has it.</summary>
        Preset = 0,
        /// <summary>All by the same amplitude.</summary>
        Constant = 1,
        /// <summary>By amplitude * c / (C - 1).</summary>
        Linear = 2
    }

    /// <summary>Which two items may change places after the first packing.</summary>
    public enum SwapScope
    {
        /// <summary>As the strategy has it.</summary>
        Preset = 0,
        /// <summary>None.</summary>
        None = 1,
        /// <summary>One of the heaviest pack, one of the lightest; lowers the peak.</summary>
        HeaviestLightest = 2,
        /// <summary>One of the heaviest pack, one of any other; lowers the peak.</summary>
        HeaviestAny = 3,
        /// <summary>Any two of different packs; lowers the sum of squared loads.</summary>
        AnyAny = 4
    }

    /// <summary>Which candidate is the best.</summary>
    public enum Selection
    {
        /// <summary>As the strategy has it.</summary>
        Preset = 0,
        /// <summary>The one whose heaviest pack is lightest.</summary>
        MaxLoad = 1,
        /// <summary>The one with the least difference between heaviest and lightest pack.</summary>
        Spread = 2
    }

    /// <summary>What becomes of several samples of the loads.</summary>
    public enum Samples
    {
        /// <summary>As the strategy has it: search keeps them apart, the others add them up.</summary>
        Preset = 0,
        /// <summary>Each is scaled to one total, and the plan is to be good under each. Search only.</summary>
        Each = 1,
        /// <summary>They are added up, as if recorded in one piece.</summary>
        Sum = 2
    }

    /// <summary>What a search makes small: the sum over gpus and samples of a power of what each has to bear.</summary>
    public enum Objective
    {
        /// <summary>The 4th power for one sample, for which any will do; the 32nd for several.</summary>
        Preset = 0,
        /// <summary>Gpus below the peak count as well. Faster.</summary>
        Power4 = 1,
        /// <summary>Nearly the peak alone. Better under loads to come, if there are several samples.</summary>
        Power32 = 2
    }

    /// <summary>Whether two replicas of an expert may be on one gpu, where they are of little use.</summary>
    public enum Duplicates
    {
        /// <summary>As the strategy has it: search avoids them, the others do not look.</summary>
        Preset = 0,
        /// <summary>No expert twice on a gpu, wherever there are gpus enough. Search only.</summary>
        Avoid = 1,
        /// <summary>It does not matter.</summary>
        Allow = 2
    }

    /// <summary>The severity of a log line.</summary>
    public enum LogLevel
    {
        /// <summary>Nothing is logged.</summary>
        None = 0,
        /// <summary>Something is not as it was probably meant: more threads than there is work for.</summary>
        Warning = 1,
        /// <summary>What was chosen when a context is created.</summary>
        Info = 2,
        /// <summary>A line for each plan.</summary>
        Debug = 3
    }

    /// <summary>What <c>CheckPlacement</c> looks at besides.</summary>
    [System.Flags]
    public enum CheckFlag : uint
    {
        /// <summary>Two replicas of an expert on one gpu are an error too.</summary>
        Duplicates = 1
    }
}
