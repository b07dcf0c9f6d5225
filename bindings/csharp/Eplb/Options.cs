// SPDX-License-Identifier: MIT
using System;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>How to plan. The defaults are the library's. A context copies them when it is created.</summary>
    /// <remarks>
    /// Callbacks run on a thread that is inside a call of the library, the caller's own. They may not use the same
    /// context. If one throws, the others are not called any more, but for <see cref="Free"/>; the call ends as soon as
    /// it can, and then throws that exception to its caller. When it is <see cref="Progress"/> that threw, the previous
    /// plan stays. A context keeps its callbacks alive, and with them whatever they refer to: one that refers to its
    /// own context keeps it from being collected without Dispose.
    /// </remarks>
    public sealed unsafe class Options
    {
        internal eplb_options Raw;

        /// <summary>The defaults.</summary>
        public Options()
        {
            Library.Load();
            Raw = Defaults.Options;
        }

        /// <summary>How a placement is found; default Auto.</summary>
        public Strategy Strategy { get => Raw.strategy; set => Raw.strategy = value; }
        /// <summary>What counts as a locality boundary; default Auto.</summary>
        public Policy Policy { get => Raw.policy; set => Raw.policy = value; }
        /// <summary>Where a plan is computed; default Auto.</summary>
        public Backend Backend { get => Raw.backend; set => Raw.backend = value; }
        /// <summary>Where the buffers are that will be given; default Host.</summary>
        public Memory Memory { get => Raw.memory; set => Raw.memory = value; }
        /// <summary>CUDA device number; default -1, the calling thread's current one. Unused on the CPU.</summary>
        public int Device { get => Raw.device; set => Raw.device = value; }
        /// <summary>Threads of the CPU backend, the caller's included; default 1; 0: all that the caller's affinity
        /// mask allows.</summary>
        public int NumThreads { get => Raw.num_threads; set => Raw.num_threads = value; }
        /// <summary>Largest number of samples in one submit; default 1.</summary>
        public int MaxSamples { get => Raw.max_samples; set => Raw.max_samples = value; }

        /// <summary>First packing. This and the next six mix a strategy of your own: 0 keeps what the preset
        /// has.</summary>
        public Initial Initial { get => Raw.initial; set => Raw.initial = value; }
        /// <summary>Attempts at each packing problem; more than 1 draws random numbers.</summary>
        public int Candidates { get => Raw.candidates; set => Raw.candidates = value; }
        /// <summary>Largest relative perturbation of the sort keys, greater than 0.</summary>
        public float Amplitude { get => Raw.amplitude; set => Raw.amplitude = value; }
        /// <summary>How the perturbation grows with the candidate.</summary>
        public AmplitudeForm AmplitudeForm { get => Raw.amplitude_form; set => Raw.amplitude_form = value; }
        /// <summary>Which two items may change places.</summary>
        public SwapScope SwapScope { get => Raw.swap_scope; set => Raw.swap_scope = value; }
        /// <summary>Most swaps in one attempt.</summary>
        public int MaxSwaps { get => Raw.max_swaps; set => Raw.max_swaps = value; }
        /// <summary>Which candidate is the best.</summary>
        public Selection Selection { get => Raw.selection; set => Raw.selection = value; }

        /// <summary>Most steps of a search in each layer, or in each node of a layer; 0: the library's
        /// choice.</summary>
        public int SearchSteps { get => Raw.search_steps; set => Raw.search_steps = value; }
        /// <summary>What becomes of several samples.</summary>
        public Samples Samples { get => Raw.samples; set => Raw.samples = value; }
        /// <summary>Whether two replicas of an expert may be on one gpu.</summary>
        public Duplicates Duplicates { get => Raw.duplicates; set => Raw.duplicates = value; }
        /// <summary>What a search makes small.</summary>
        public Objective Objective { get => Raw.objective; set => Raw.objective = value; }

        /// <summary>Memory of the CUDA device for the context to work in, the caller's until the context is disposed;
        /// null: the context allocates it.</summary>
        public void* Workspace { get => Raw.workspace; set => Raw.workspace = value; }
        /// <summary>Bytes at <see cref="Workspace"/>, at least what <see cref="Context.MemoryNeeded"/> says.</summary>
        public ulong WorkspaceBytes
        {
            get => (ulong)Raw.workspace_bytes;
            set => Raw.workspace_bytes = (UIntPtr)value;
        }

        /// <summary>The most that is sent to <see cref="Log"/>; default Info.</summary>
        public LogLevel LogLevel { get => Raw.log_level; set => Raw.log_level = value; }
        /// <summary>Takes one log line. Null: nothing is logged.</summary>
        public Action<LogLevel, string> Log { get; set; }
        /// <summary>Is told how many units of work are done, and of how many; returns true to go on, false to cancel,
        /// and then the call throws <see cref="Status.Cancelled"/>. Null: none.</summary>
        public Func<long, long, bool> Progress { get; set; }
        /// <summary>Allocates that many bytes of host memory, aligned as by malloc; IntPtr.Zero when there are none.
        /// Null: malloc. Set together with <see cref="Free"/>.</summary>
        public Func<ulong, IntPtr> Alloc { get; set; }
        /// <summary>Frees what <see cref="Alloc"/> gave, also on the finalizer's thread. What it throws is
        /// ignored.</summary>
        public Action<IntPtr> Free { get; set; }

        /// <summary>For a call to read, whatever other threads set meanwhile.</summary>
        internal Options Copy() => (Options)MemberwiseClone();
    }
}
