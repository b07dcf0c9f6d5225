// SPDX-License-Identifier: MIT
using System;
using System.Runtime.InteropServices;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>What a function of the library may take; it picks what it needs.</summary>
    internal unsafe struct Arguments
    {
        public eplb_context* context;
        public eplb_shape* shape;
        public eplb_options* options;
        public eplb_input* input;
        public eplb_maps* maps;
        public eplb_packing* packing;
        public eplb_stats* stats;
        public CheckFlag flags;
        public void* stream;
        public eplb_error* error;
        public Results results;
    }

    /// <summary>What a function may give back, besides what it writes to buffers.</summary>
    internal struct Results
    {
        public eplb_stats stats;
        public int number;
        public UIntPtr hostBytes;
        public UIntPtr cudaBytes;
    }

    internal unsafe delegate Status Function(Arguments* a);

    /// <summary>Where objects become arguments of C, and what goes wrong an exception. Functions that capture nothing
    /// are made once, so that a call does not allocate.</summary>
    internal static unsafe class Call
    {
        /// <summary>Calls a function of a context, which is not freed meanwhile.</summary>
        public static Results OfContext(ContextHandle context, Function function, Arguments a = default(Arguments))
        {
            bool held = false;
            try
            {
                context.DangerousAddRef(ref held);
                a.context = context.Pointer;
                Invoke(function, &a);
                return a.results;
            }
            finally
            {
                if (held) context.DangerousRelease();
            }
        }

        /// <summary>Calls a function that needs no context, with all that one may take.</summary>
        /// <param name="function">The function.</param>
        /// <param name="shape">Null where there is none, as the rest.</param>
        /// <param name="options">Null: the defaults.</param>
        /// <param name="input">Loads.</param>
        /// <param name="maps">Maps.</param>
        /// <param name="packing">Packing problem.</param>
        /// <param name="stats">Buffers for statistics.</param>
        /// <param name="flags">Flags of a check.</param>
        /// <param name="owner">Keeps the callbacks, if it is the handle of a context afterwards.</param>
        public static Results Of(Function function, Shape shape = null, Options options = null,
                                 Input input = default(Input), Maps maps = default(Maps),
                                 Packing packing = default(Packing), StatsBuffers stats = default(StatsBuffers),
                                 CheckFlag flags = 0, ContextHandle owner = null)
        {
            Library.Load();
            shape = shape?.Copy();
            options = options?.Copy();
            eplb_shape rawShape;
            eplb_options rawOptions;
            Callbacks callbacks = null;
            var a = new Arguments { flags = flags };
            try
            {
                if (options != null)
                {
                    rawOptions = options.Raw;
                    callbacks = Callbacks.Attach(options, &rawOptions);
                    a.options = &rawOptions;
                }
                fixed (int* slotsPerGpu = &First(shape?.SlotsPerGpu))
                fixed (float* speedOfGpu = &First(shape?.SpeedOfGpu))
                fixed (int* nodeOfGpu = &First(shape?.NodeOfGpu))
                fixed (byte* loads = &input.Loads.GetPinnableReference())
                fixed (byte* current = &input.Current.GetPinnableReference())
                fixed (byte* physicalToLogical = &maps.PhysicalToLogical.View.GetPinnableReference())
                fixed (byte* replicaRank = &maps.ReplicaRank.View.GetPinnableReference())
                fixed (byte* replicaCount = &maps.ReplicaCount.View.GetPinnableReference())
                fixed (byte* logicalToPhysical = &maps.LogicalToPhysical.View.GetPinnableReference())
                fixed (byte* packIndex = &packing.PackIndex.View.GetPinnableReference())
                fixed (byte* rankInPack = &packing.RankInPack.View.GetPinnableReference())
                fixed (double* layerBalancedness = &MemoryMarshal.GetReference(stats.LayerBalancedness))
                fixed (double* gpuLoad = &MemoryMarshal.GetReference(stats.GpuLoad))
                fixed (double* layerBound = &MemoryMarshal.GetReference(stats.LayerBound))
                {
                    if (shape != null)
                    {
                        rawShape = shape.ToRaw(slotsPerGpu, speedOfGpu, nodeOfGpu);
                        a.shape = &rawShape;
                    }
                    eplb_input rawInput = input.ToRaw(loads, current);
                    eplb_maps rawMaps = maps.ToRaw(physicalToLogical, replicaRank, replicaCount, logicalToPhysical);
                    eplb_packing rawPacking = packing.ToRaw(packIndex, rankInPack);
                    a.results.stats = stats.ToRaw(layerBalancedness, gpuLoad, layerBound);
                    a.input = &rawInput;
                    a.maps = &rawMaps;
                    a.packing = &rawPacking;
                    a.stats = &a.results.stats;
                    Invoke(function, &a);
                }
                return a.results;
            }
            finally
            {
                if (owner != null && !owner.IsInvalid) owner.Callbacks = callbacks;
                else callbacks?.Release();
            }
        }

        static void Invoke(Function function, Arguments* a)
        {
            eplb_error error = Defaults.Error;
            a->error = &error;
            Status status = function(a);
            Callbacks.Rethrow();
            Library.Check(status, &error);
        }

        static ref T First<T>(T[] array) => ref MemoryMarshal.GetReference(new ReadOnlySpan<T>(array));
    }
}
