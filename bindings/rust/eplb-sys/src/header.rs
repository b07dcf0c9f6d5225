// SPDX-License-Identifier: MIT
// Made from eplb.h by bindings/generate.py.

use std::os::raw::{c_char, c_void};

/// 0 on success, otherwise another of the `EPLB_...` constants below.
pub type eplb_status = i32;

declare! {
    handles {
        eplb_context;
    }
    constants {
        EPLB_VERSION_MAJOR = 0;
        EPLB_VERSION_MINOR = 1;
        EPLB_VERSION_PATCH = 0;
        EPLB_VERSION = 100;
        EPLB_SUCCESS = 0;
        EPLB_NOT_READY = 1;
        EPLB_ERROR_INVALID_ARGUMENT = 2;
        EPLB_ERROR_INVALID_LOAD = 3;
        EPLB_ERROR_INVALID_PLACEMENT = 4;
        EPLB_ERROR_INVALID_STATE = 5;
        EPLB_ERROR_STRUCT_SIZE = 6;
        EPLB_ERROR_BUFFER_TOO_SMALL = 7;
        EPLB_ERROR_OUT_OF_MEMORY = 8;
        EPLB_ERROR_UNAVAILABLE = 9;
        EPLB_ERROR_CANCELLED = 10;
        EPLB_ERROR_CUDA = 11;
        EPLB_ERROR_INTERNAL = 12;
        EPLB_STRATEGY_AUTO = 0;
        EPLB_STRATEGY_LPT = 1;
        EPLB_STRATEGY_LPT_SWAP_MINMAX = 2;
        EPLB_STRATEGY_LPT_RESTART4 = 3;
        EPLB_STRATEGY_LPT_SWAP_ANY = 4;
        EPLB_STRATEGY_LPT_RESTART64_ANY = 5;
        EPLB_STRATEGY_LPT_SWAP_L2 = 6;
        EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX = 7;
        EPLB_STRATEGY_LPT_RESTART64_MINMAX = 8;
        EPLB_STRATEGY_SEARCH = 9;
        EPLB_POLICY_AUTO = 0;
        EPLB_POLICY_HIERARCHICAL = 1;
        EPLB_POLICY_GLOBAL = 2;
        EPLB_BACKEND_AUTO = 0;
        EPLB_BACKEND_CPU = 1;
        EPLB_BACKEND_CUDA = 2;
        EPLB_MEMORY_HOST = 0;
        EPLB_MEMORY_CUDA = 1;
        EPLB_TYPE_FLOAT32 = 0;
        EPLB_TYPE_FLOAT64 = 1;
        EPLB_TYPE_INT32 = 2;
        EPLB_TYPE_INT64 = 3;
        EPLB_INITIAL_PRESET = 0;
        EPLB_INITIAL_LPT = 1;
        EPLB_INITIAL_ZIGZAG = 2;
        EPLB_AMPLITUDE_PRESET = 0;
        EPLB_AMPLITUDE_CONSTANT = 1;
        EPLB_AMPLITUDE_LINEAR = 2;
        EPLB_SWAP_PRESET = 0;
        EPLB_SWAP_NONE = 1;
        EPLB_SWAP_HEAVIEST_LIGHTEST = 2;
        EPLB_SWAP_HEAVIEST_ANY = 3;
        EPLB_SWAP_ANY_ANY = 4;
        EPLB_SELECTION_PRESET = 0;
        EPLB_SELECTION_MAX_LOAD = 1;
        EPLB_SELECTION_SPREAD = 2;
        EPLB_SAMPLES_PRESET = 0;
        EPLB_SAMPLES_EACH = 1;
        EPLB_SAMPLES_SUM = 2;
        EPLB_OBJECTIVE_PRESET = 0;
        EPLB_OBJECTIVE_POWER4 = 1;
        EPLB_OBJECTIVE_POWER32 = 2;
        EPLB_DUPLICATES_PRESET = 0;
        EPLB_DUPLICATES_AVOID = 1;
        EPLB_DUPLICATES_ALLOW = 2;
        EPLB_LOG_NONE = 0;
        EPLB_LOG_WARNING = 1;
        EPLB_LOG_INFO = 2;
        EPLB_LOG_DEBUG = 3;
        EPLB_CHECK_DUPLICATES = 1;
    }
    callbacks {
        eplb_alloc_fn(user: *mut c_void, size: usize) -> *mut c_void;
        eplb_free_fn(user: *mut c_void, pointer: *mut c_void);
        eplb_log_fn(user: *mut c_void, level: i32, message: *const c_char);
        eplb_progress_fn(user: *mut c_void, done: i64, total: i64) -> i32;
    }
    structs {
        eplb_error {
            struct_size: u32,
            status: eplb_status,
            message: [c_char; 504],
        }
        eplb_shape {
            struct_size: u32,
            num_layers: i32,
            num_logical_experts: i32,
            num_physical_experts: i32,
            num_groups: i32,
            num_nodes: i32,
            num_gpus: i32,
            reserved: i32,
            slots_per_gpu: *const i32,
            slots_per_gpu_count: usize,
            speed_of_gpu: *const f32,
            speed_of_gpu_count: usize,
            node_of_gpu: *const i32,
            node_of_gpu_count: usize,
        }
        eplb_options {
            struct_size: u32,
            strategy: i32,
            policy: i32,
            backend: i32,
            memory: i32,
            device: i32,
            num_threads: i32,
            max_samples: i32,
            initial: i32,
            candidates: i32,
            amplitude: f32,
            amplitude_form: i32,
            swap_scope: i32,
            max_swaps: i32,
            selection: i32,
            log_level: i32,
            log_fn: eplb_log_fn,
            progress_fn: eplb_progress_fn,
            alloc_fn: eplb_alloc_fn,
            free_fn: eplb_free_fn,
            user: *mut c_void,
            search_steps: i32,
            samples: i32,
            duplicates: i32,
            objective: i32,
            workspace: *mut c_void,
            workspace_bytes: usize,
        }
        eplb_input {
            struct_size: u32,
            r#type: i32,
            memory: i32,
            num_samples: i32,
            loads: *const c_void,
            loads_count: usize,
            seed: u64,
            current: *const c_void,
            current_count: usize,
            current_type: i32,
            max_changes_per_layer: i32,
            max_changes: i64,
        }
        eplb_maps {
            struct_size: u32,
            r#type: i32,
            memory: i32,
            max_replicas: i32,
            physical_to_logical: *mut c_void,
            physical_to_logical_count: usize,
            replica_rank: *mut c_void,
            replica_rank_count: usize,
            replica_count: *mut c_void,
            replica_count_count: usize,
            logical_to_physical: *mut c_void,
            logical_to_physical_count: usize,
        }
        eplb_stats {
            struct_size: u32,
            max_replica_count: i32,
            balancedness: f64,
            balancedness_min: f64,
            empty_layers: i64,
            duplicates: i64,
            layer_balancedness: *mut f64,
            layer_balancedness_count: usize,
            gpu_load: *mut f64,
            gpu_load_count: usize,
            bound: f64,
            layer_bound: *mut f64,
            layer_bound_count: usize,
            changes: i64,
        }
        eplb_packing {
            struct_size: u32,
            r#type: i32,
            memory: i32,
            num_rows: i32,
            num_items: i32,
            num_packs: i32,
            pack_index: *mut c_void,
            pack_index_count: usize,
            rank_in_pack: *mut c_void,
            rank_in_pack_count: usize,
        }
    }
    functions {
        eplb_version() -> i32;
        eplb_build_info() -> *const c_char;
        eplb_status_name(status: eplb_status) -> *const c_char;
        eplb_status_string(status: eplb_status) -> *const c_char;
        eplb_error_init(error: *mut eplb_error, struct_size: usize) -> eplb_status;
        eplb_shape_init(shape: *mut eplb_shape, struct_size: usize) -> eplb_status;
        eplb_options_init(options: *mut eplb_options, struct_size: usize) -> eplb_status;
        eplb_strategy_count() -> i32;
        eplb_strategy_name(strategy: i32) -> *const c_char;
        eplb_strategy_from_name(name: *const c_char) -> i32;
        eplb_strategy_description(strategy: i32) -> *const c_char;
        eplb_backend_count() -> i32;
        eplb_backend_name(backend: i32) -> *const c_char;
        eplb_backend_available(backend: i32, error: *mut eplb_error) -> eplb_status;
        eplb_device_count(backend: i32) -> i32;
        eplb_device_describe(
            backend: i32,
            device: i32,
            text: *mut c_char,
            size: usize,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_input_init(input: *mut eplb_input, struct_size: usize) -> eplb_status;
        eplb_maps_init(maps: *mut eplb_maps, struct_size: usize) -> eplb_status;
        eplb_stats_init(stats: *mut eplb_stats, struct_size: usize) -> eplb_status;
        eplb_rebalance_experts(
            shape: *const eplb_shape,
            options: *const eplb_options,
            input: *const eplb_input,
            maps: *const eplb_maps,
            stats: *mut eplb_stats,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_create(
            shape: *const eplb_shape,
            options: *const eplb_options,
            context: *mut *mut eplb_context,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_destroy(context: *mut eplb_context);
        eplb_memory_needed(
            shape: *const eplb_shape,
            options: *const eplb_options,
            host_bytes: *mut usize,
            cuda_bytes: *mut usize,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_context_strategy(context: *const eplb_context) -> i32;
        eplb_context_policy(context: *const eplb_context) -> i32;
        eplb_context_backend(context: *const eplb_context) -> i32;
        eplb_submit_weights(
            context: *mut eplb_context,
            input: *const eplb_input,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_get_max_replica_count(context: *mut eplb_context, count: *mut i32, error: *mut eplb_error) -> eplb_status;
        eplb_get_maps(context: *mut eplb_context, maps: *const eplb_maps, error: *mut eplb_error) -> eplb_status;
        eplb_get_stats(context: *mut eplb_context, stats: *mut eplb_stats, error: *mut eplb_error) -> eplb_status;
        eplb_submit_weights_async(
            context: *mut eplb_context,
            input: *const eplb_input,
            stream: *mut c_void,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_get_maps_async(
            context: *mut eplb_context,
            maps: *const eplb_maps,
            stream: *mut c_void,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_poll(context: *mut eplb_context, error: *mut eplb_error) -> eplb_status;
        eplb_check_placement(
            shape: *const eplb_shape,
            maps: *const eplb_maps,
            flags: u32,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_score_placement(
            shape: *const eplb_shape,
            input: *const eplb_input,
            maps: *const eplb_maps,
            stats: *mut eplb_stats,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_packing_init(packing: *mut eplb_packing, struct_size: usize) -> eplb_status;
        eplb_balanced_packing(
            options: *const eplb_options,
            input: *const eplb_input,
            packing: *const eplb_packing,
            error: *mut eplb_error,
        ) -> eplb_status;
        eplb_replicate_experts(
            shape: *const eplb_shape,
            options: *const eplb_options,
            input: *const eplb_input,
            maps: *const eplb_maps,
            error: *mut eplb_error,
        ) -> eplb_status;
    }
}
