// SPDX-License-Identifier: MIT
// Made from eplb.h by bindings/generate.py.
using System;
using System.Runtime.InteropServices;

// The C names are kept, so that eplb.h is the manual of this file; a second one here would only grow stale.
#pragma warning disable 1591

namespace Eplb.Raw
{
    /// <summary>The functions and version constants of eplb.h, as they are there.</summary>
    public static unsafe partial class Native
    {
        public const int EPLB_VERSION_MAJOR = 0;
        public const int EPLB_VERSION_MINOR = 1;
        public const int EPLB_VERSION_PATCH = 0;
        public const int EPLB_VERSION = 100;

        [DllImport(Library, CallingConvention = C)]
        public static extern int eplb_version();
        [DllImport(Library, CallingConvention = C)]
        public static extern byte* eplb_build_info();
        [DllImport(Library, CallingConvention = C)]
        public static extern byte* eplb_status_name(Status status);
        [DllImport(Library, CallingConvention = C)]
        public static extern byte* eplb_status_string(Status status);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_error_init(eplb_error* error, UIntPtr struct_size);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_shape_init(eplb_shape* shape, UIntPtr struct_size);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_options_init(eplb_options* options, UIntPtr struct_size);
        [DllImport(Library, CallingConvention = C)]
        public static extern int eplb_strategy_count();
        [DllImport(Library, CallingConvention = C)]
        public static extern byte* eplb_strategy_name(Strategy strategy);
        [DllImport(Library, CallingConvention = C)]
        public static extern Strategy eplb_strategy_from_name(byte* name);
        [DllImport(Library, CallingConvention = C)]
        public static extern byte* eplb_strategy_description(Strategy strategy);
        [DllImport(Library, CallingConvention = C)]
        public static extern int eplb_backend_count();
        [DllImport(Library, CallingConvention = C)]
        public static extern byte* eplb_backend_name(Backend backend);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_backend_available(Backend backend, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern int eplb_device_count(Backend backend);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_device_describe(
            Backend backend, int device, byte* text, UIntPtr size, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_input_init(eplb_input* input, UIntPtr struct_size);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_maps_init(eplb_maps* maps, UIntPtr struct_size);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_stats_init(eplb_stats* stats, UIntPtr struct_size);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_rebalance_experts(
            eplb_shape* shape, eplb_options* options, eplb_input* input, eplb_maps* maps, eplb_stats* stats,
            eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_create(
            eplb_shape* shape, eplb_options* options, eplb_context** context, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern void eplb_destroy(eplb_context* context);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_memory_needed(
            eplb_shape* shape, eplb_options* options, UIntPtr* host_bytes, UIntPtr* cuda_bytes, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Strategy eplb_context_strategy(eplb_context* context);
        [DllImport(Library, CallingConvention = C)]
        public static extern Policy eplb_context_policy(eplb_context* context);
        [DllImport(Library, CallingConvention = C)]
        public static extern Backend eplb_context_backend(eplb_context* context);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_submit_weights(eplb_context* context, eplb_input* input, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_get_max_replica_count(eplb_context* context, int* count, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_get_maps(eplb_context* context, eplb_maps* maps, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_get_stats(eplb_context* context, eplb_stats* stats, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_submit_weights_async(
            eplb_context* context, eplb_input* input, void* stream, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_get_maps_async(
            eplb_context* context, eplb_maps* maps, void* stream, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_poll(eplb_context* context, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_check_placement(
            eplb_shape* shape, eplb_maps* maps, CheckFlag flags, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_score_placement(
            eplb_shape* shape, eplb_input* input, eplb_maps* maps, eplb_stats* stats, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_packing_init(eplb_packing* packing, UIntPtr struct_size);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_balanced_packing(
            eplb_options* options, eplb_input* input, eplb_packing* packing, eplb_error* error);
        [DllImport(Library, CallingConvention = C)]
        public static extern Status eplb_replicate_experts(
            eplb_shape* shape, eplb_options* options, eplb_input* input, eplb_maps* maps, eplb_error* error);
    }

    /// <summary>What <see cref="eplb_options.alloc_fn"/> points to.</summary>
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public unsafe delegate void* eplb_alloc_fn(void* user, UIntPtr size);

    /// <summary>What <see cref="eplb_options.free_fn"/> points to.</summary>
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public unsafe delegate void eplb_free_fn(void* user, void* pointer);

    /// <summary>What <see cref="eplb_options.log_fn"/> points to.</summary>
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public unsafe delegate void eplb_log_fn(void* user, LogLevel level, byte* message);

    /// <summary>What <see cref="eplb_options.progress_fn"/> points to.</summary>
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public unsafe delegate int eplb_progress_fn(void* user, long done, long total);

    /// <summary>Opaque; only pointers to it exist.</summary>
    public struct eplb_context
    {
    }

    /// <summary>As in eplb.h.</summary>
    public unsafe struct eplb_error
    {
        public uint struct_size;
        public Status status;
        public fixed byte message[504];
    }

    /// <summary>As in eplb.h.</summary>
    public unsafe struct eplb_shape
    {
        public uint struct_size;
        public int num_layers;
        public int num_logical_experts;
        public int num_physical_experts;
        public int num_groups;
        public int num_nodes;
        public int num_gpus;
        public int reserved;
        public int* slots_per_gpu;
        public UIntPtr slots_per_gpu_count;
        public float* speed_of_gpu;
        public UIntPtr speed_of_gpu_count;
        public int* node_of_gpu;
        public UIntPtr node_of_gpu_count;
    }

    /// <summary>As in eplb.h.</summary>
    public unsafe struct eplb_options
    {
        public uint struct_size;
        public Strategy strategy;
        public Policy policy;
        public Backend backend;
        public Memory memory;
        public int device;
        public int num_threads;
        public int max_samples;
        public Initial initial;
        public int candidates;
        public float amplitude;
        public AmplitudeForm amplitude_form;
        public SwapScope swap_scope;
        public int max_swaps;
        public Selection selection;
        public LogLevel log_level;
        public IntPtr log_fn;
        public IntPtr progress_fn;
        public IntPtr alloc_fn;
        public IntPtr free_fn;
        public void* user;
        public int search_steps;
        public Samples samples;
        public Duplicates duplicates;
        public Objective objective;
        public void* workspace;
        public UIntPtr workspace_bytes;
    }

    /// <summary>As in eplb.h.</summary>
    public unsafe struct eplb_input
    {
        public uint struct_size;
        public ElementType type;
        public Memory memory;
        public int num_samples;
        public void* loads;
        public UIntPtr loads_count;
        public ulong seed;
        public void* current;
        public UIntPtr current_count;
        public ElementType current_type;
        public int max_changes_per_layer;
        public long max_changes;
    }

    /// <summary>As in eplb.h.</summary>
    public unsafe struct eplb_maps
    {
        public uint struct_size;
        public ElementType type;
        public Memory memory;
        public int max_replicas;
        public void* physical_to_logical;
        public UIntPtr physical_to_logical_count;
        public void* replica_rank;
        public UIntPtr replica_rank_count;
        public void* replica_count;
        public UIntPtr replica_count_count;
        public void* logical_to_physical;
        public UIntPtr logical_to_physical_count;
    }

    /// <summary>As in eplb.h.</summary>
    public unsafe struct eplb_stats
    {
        public uint struct_size;
        public int max_replica_count;
        public double balancedness;
        public double balancedness_min;
        public long empty_layers;
        public long duplicates;
        public double* layer_balancedness;
        public UIntPtr layer_balancedness_count;
        public double* gpu_load;
        public UIntPtr gpu_load_count;
        public double bound;
        public double* layer_bound;
        public UIntPtr layer_bound_count;
        public long changes;
    }

    /// <summary>As in eplb.h.</summary>
    public unsafe struct eplb_packing
    {
        public uint struct_size;
        public ElementType type;
        public Memory memory;
        public int num_rows;
        public int num_items;
        public int num_packs;
        public void* pack_index;
        public UIntPtr pack_index_count;
        public void* rank_in_pack;
        public UIntPtr rank_in_pack_count;
    }
}
