// SPDX-License-Identifier: MIT
using System;
using System.Runtime.InteropServices;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>A planner for one shape with all the memory that planning needs. Create one when the server starts,
    /// then submit loads and get maps as often as you like.</summary>
    /// <remarks>A context serves one call at a time; a second one that comes meanwhile, also from a callback, throws
    /// <see cref="Status.InvalidState"/>. Dispose waits for no call: the context is freed when the call that uses it
    /// has ended. A context that is dropped without Dispose is freed by the garbage collector. Methods throw
    /// <see cref="ObjectDisposedException"/> once it is freed, and <see cref="EplbException"/> when the library
    /// refuses.</remarks>
    public sealed unsafe class Context : IDisposable
    {
        readonly ContextHandle handle = new ContextHandle();

        /// <summary>Creates a context, and allocates all memory that it will ever use.</summary>
        /// <param name="shape">What to place on what; copied.</param>
        /// <param name="options">How; copied. Null: the defaults.</param>
        public Context(Shape shape, Options options = null)
        {
            if (shape == null) throw new ArgumentNullException(nameof(shape));
            try
            {
                Call.Of(a =>
                {
                    Status status = Native.eplb_create(a->shape, a->options, &a->context, a->error);
                    handle.Pointer = a->context;
                    return status;
                }, shape, options, owner: handle);
            }
            catch
            {
                handle.Dispose();
                throw;
            }
        }

        /// <summary>The strategy that plans: what Auto became.</summary>
        public Strategy Strategy => (Strategy)Call.OfContext(handle, a =>
        {
            a->results.number = (int)Native.eplb_context_strategy(a->context);
            return Status.Success;
        }).number;

        /// <summary>Hierarchical or global: what Auto became.</summary>
        public Policy Policy => (Policy)Call.OfContext(handle, a =>
        {
            a->results.number = (int)Native.eplb_context_policy(a->context);
            return Status.Success;
        }).number;

        /// <summary>The backend that plans: what Auto became.</summary>
        public Backend Backend => (Backend)Call.OfContext(handle, a =>
        {
            a->results.number = (int)Native.eplb_context_backend(a->context);
            return Status.Success;
        }).number;

        /// <summary>Bytes that a context of this shape would allocate, told without allocating and without a
        /// device.</summary>
        /// <param name="shape">As for the constructor.</param>
        /// <param name="options">As for the constructor.</param>
        /// <param name="hostBytes">Host memory, but for what threads take.</param>
        /// <param name="cudaBytes">Memory of the CUDA device.</param>
        public static void MemoryNeeded(Shape shape, Options options, out ulong hostBytes, out ulong cudaBytes)
        {
            if (shape == null) throw new ArgumentNullException(nameof(shape));
            Results results = Call.Of(
                a => Native.eplb_memory_needed(
                    a->shape, a->options, &a->results.hostBytes, &a->results.cudaBytes, a->error),
                shape, options);
            hostBytes = (ulong)results.hostBytes;
            cudaBytes = (ulong)results.cudaBytes;
        }

        /// <summary>Submits loads ("weights", as the field calls them) and plans. The plan is complete when the call
        /// returns; one that throws <see cref="EplbException"/> leaves the previous plan readable.</summary>
        public void SubmitWeights(Input input)
        {
            Submit(input, null, a => Native.eplb_submit_weights(a->context, a->input, a->error));
        }

        /// <summary>The largest number of slots that one expert has in the plan: the least
        /// <see cref="Maps.MaxReplicas"/>.</summary>
        public int GetMaxReplicaCount()
        {
            return Call.OfContext(
                handle, a => Native.eplb_get_max_replica_count(a->context, &a->results.number, a->error)).number;
        }

        /// <summary>Writes the plan into the caller's buffers.</summary>
        public void GetMaps(Maps maps)
        {
            Get(maps, null, a => Native.eplb_get_maps(a->context, a->maps, a->error));
        }

        /// <summary>Judges the plan under the loads it was made for.</summary>
        public Stats GetStats(StatsBuffers buffers = default(StatsBuffers))
        {
            fixed (double* layerBalancedness = &MemoryMarshal.GetReference(buffers.LayerBalancedness))
            fixed (double* gpuLoad = &MemoryMarshal.GetReference(buffers.GpuLoad))
            fixed (double* layerBound = &MemoryMarshal.GetReference(buffers.LayerBound))
            {
                eplb_stats raw = buffers.ToRaw(layerBalancedness, gpuLoad, layerBound);
                Call.OfContext(handle, a => Native.eplb_get_stats(a->context, a->stats, a->error),
                               new Arguments { stats = &raw });
                return new Stats(raw);
            }
        }

        /// <summary><see cref="SubmitWeights"/> on a CUDA stream: enqueues and returns. The loads are in device memory,
        /// which is read when the stream gets there. Bad loads are found on the device, and <see cref="Poll"/> throws
        /// what was wrong.</summary>
        /// <param name="input">Loads made by <see cref="ReadOnlyBuffer.OnDevice"/>.</param>
        /// <param name="stream">A cudaStream_t or CUstream; null: the default stream.</param>
        public void EnqueueSubmitWeights(Input input, void* stream)
        {
            Submit(input, stream, a => Native.eplb_submit_weights_async(a->context, a->input, a->stream, a->error));
        }

        /// <summary><see cref="GetMaps"/> on a CUDA stream: enqueues and returns. The buffers are in device memory,
        /// which is written when the stream gets there.</summary>
        /// <param name="maps">Buffers made by <see cref="IndexBuffer.OnDevice"/>.</param>
        /// <param name="stream">A cudaStream_t or CUstream; null: the default stream.</param>
        public void EnqueueGetMaps(Maps maps, void* stream)
        {
            Get(maps, stream, a => Native.eplb_get_maps_async(a->context, a->maps, a->stream, a->error));
        }

        /// <summary>Whether the last submit and the gets after it have finished on the device. Throws the error that
        /// was found there. Does not block, and may be called from any thread at any time.</summary>
        public bool Poll()
        {
            return Call.OfContext(handle, a =>
            {
                Status status = Native.eplb_poll(a->context, a->error);
                a->results.number = (int)status;
                return status == Status.NotReady ? Status.Success : status;
            }).number == (int)Status.Success;
        }

        /// <summary>Frees the context, after work it has on a stream. Not before the last launch of a CUDA graph into
        /// which it was captured has finished, nor while a graph is being captured.</summary>
        public void Dispose() => handle.Dispose();

        void Submit(Input input, void* stream, Function function)
        {
            fixed (byte* loads = &input.Loads.GetPinnableReference())
            fixed (byte* current = &input.Current.GetPinnableReference())
            {
                eplb_input raw = input.ToRaw(loads, current);
                Call.OfContext(handle, function, new Arguments { input = &raw, stream = stream });
            }
        }

        void Get(Maps maps, void* stream, Function function)
        {
            fixed (byte* physicalToLogical = &maps.PhysicalToLogical.View.GetPinnableReference())
            fixed (byte* replicaRank = &maps.ReplicaRank.View.GetPinnableReference())
            fixed (byte* replicaCount = &maps.ReplicaCount.View.GetPinnableReference())
            fixed (byte* logicalToPhysical = &maps.LogicalToPhysical.View.GetPinnableReference())
            {
                eplb_maps raw = maps.ToRaw(physicalToLogical, replicaRank, replicaCount, logicalToPhysical);
                Call.OfContext(handle, function, new Arguments { maps = &raw, stream = stream });
            }
        }
    }

    internal sealed unsafe class ContextHandle : SafeHandle
    {
        public ContextHandle() : base(IntPtr.Zero, ownsHandle: true)
        {
        }

        public override bool IsInvalid => handle == IntPtr.Zero;

        public eplb_context* Pointer
        {
            get => (eplb_context*)handle;
            set => SetHandle((IntPtr)value);
        }

        /// <summary>To be released after the context, which calls them to free its memory.</summary>
        public Callbacks Callbacks { get; set; }

        protected override bool ReleaseHandle()
        {
            Native.eplb_destroy(Pointer);
            Callbacks?.Release();
            return true;
        }
    }
}
