# SPDX-License-Identifier: MIT
# Made from eplb.h by bindings/generate.py.
"""Every constant, callback, struct and function of ``eplb.h`` under its own name."""

import ctypes
from ctypes import CFUNCTYPE, POINTER
from ctypes import c_char, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

EPLB_VERSION_MAJOR = 0
EPLB_VERSION_MINOR = 1
EPLB_VERSION_PATCH = 0
EPLB_VERSION = 100

EPLB_SUCCESS = 0
EPLB_NOT_READY = 1
EPLB_ERROR_INVALID_ARGUMENT = 2
EPLB_ERROR_INVALID_LOAD = 3
EPLB_ERROR_INVALID_PLACEMENT = 4
EPLB_ERROR_INVALID_STATE = 5
EPLB_ERROR_STRUCT_SIZE = 6
EPLB_ERROR_BUFFER_TOO_SMALL = 7
EPLB_ERROR_OUT_OF_MEMORY = 8
EPLB_ERROR_UNAVAILABLE = 9
EPLB_ERROR_CANCELLED = 10
EPLB_ERROR_CUDA = 11
EPLB_ERROR_INTERNAL = 12

EPLB_STRATEGY_AUTO = 0
EPLB_STRATEGY_LPT = 1
EPLB_STRATEGY_LPT_SWAP_MINMAX = 2
EPLB_STRATEGY_LPT_RESTART4 = 3
EPLB_STRATEGY_LPT_SWAP_ANY = 4
EPLB_STRATEGY_LPT_RESTART64_ANY = 5
EPLB_STRATEGY_LPT_SWAP_L2 = 6
EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX = 7
EPLB_STRATEGY_LPT_RESTART64_MINMAX = 8
EPLB_STRATEGY_SEARCH = 9

EPLB_POLICY_AUTO = 0
EPLB_POLICY_HIERARCHICAL = 1
EPLB_POLICY_GLOBAL = 2

EPLB_BACKEND_AUTO = 0
EPLB_BACKEND_CPU = 1
EPLB_BACKEND_CUDA = 2

EPLB_MEMORY_HOST = 0
EPLB_MEMORY_CUDA = 1

EPLB_TYPE_FLOAT32 = 0
EPLB_TYPE_FLOAT64 = 1
EPLB_TYPE_INT32 = 2
EPLB_TYPE_INT64 = 3

EPLB_INITIAL_PRESET = 0
EPLB_INITIAL_LPT = 1
EPLB_INITIAL_ZIGZAG = 2

EPLB_AMPLITUDE_PRESET = 0
EPLB_AMPLITUDE_CONSTANT = 1
EPLB_AMPLITUDE_LINEAR = 2

EPLB_SWAP_PRESET = 0
EPLB_SWAP_NONE = 1
EPLB_SWAP_HEAVIEST_LIGHTEST = 2
EPLB_SWAP_HEAVIEST_ANY = 3
EPLB_SWAP_ANY_ANY = 4

EPLB_SELECTION_PRESET = 0
EPLB_SELECTION_MAX_LOAD = 1
EPLB_SELECTION_SPREAD = 2

EPLB_SAMPLES_PRESET = 0
EPLB_SAMPLES_EACH = 1
EPLB_SAMPLES_SUM = 2

EPLB_OBJECTIVE_PRESET = 0
EPLB_OBJECTIVE_POWER4 = 1
EPLB_OBJECTIVE_POWER32 = 2

EPLB_DUPLICATES_PRESET = 0
EPLB_DUPLICATES_AVOID = 1
EPLB_DUPLICATES_ALLOW = 2

EPLB_LOG_NONE = 0
EPLB_LOG_WARNING = 1
EPLB_LOG_INFO = 2
EPLB_LOG_DEBUG = 3

EPLB_CHECK_DUPLICATES = 1

eplb_status = c_int32

eplb_alloc_fn = CFUNCTYPE(c_void_p, c_void_p, c_size_t)
eplb_free_fn = CFUNCTYPE(None, c_void_p, c_void_p)
eplb_log_fn = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)
eplb_progress_fn = CFUNCTYPE(c_int32, c_void_p, c_int64, c_int64)


class eplb_context(ctypes.Structure):
    """Opaque."""


class eplb_error(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("status", eplb_status),
        ("message", c_char * 504),
    ]


class eplb_shape(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("num_layers", c_int32),
        ("num_logical_experts", c_int32),
        ("num_physical_experts", c_int32),
        ("num_groups", c_int32),
        ("num_nodes", c_int32),
        ("num_gpus", c_int32),
        ("reserved", c_int32),
        ("slots_per_gpu", POINTER(c_int32)),
        ("slots_per_gpu_count", c_size_t),
        ("speed_of_gpu", POINTER(c_float)),
        ("speed_of_gpu_count", c_size_t),
        ("node_of_gpu", POINTER(c_int32)),
        ("node_of_gpu_count", c_size_t),
    ]


class eplb_options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("strategy", c_int32),
        ("policy", c_int32),
        ("backend", c_int32),
        ("memory", c_int32),
        ("device", c_int32),
        ("num_threads", c_int32),
        ("max_samples", c_int32),
        ("initial", c_int32),
        ("candidates", c_int32),
        ("amplitude", c_float),
        ("amplitude_form", c_int32),
        ("swap_scope", c_int32),
        ("max_swaps", c_int32),
        ("selection", c_int32),
        ("log_level", c_int32),
        ("log_fn", eplb_log_fn),
        ("progress_fn", eplb_progress_fn),
        ("alloc_fn", eplb_alloc_fn),
        ("free_fn", eplb_free_fn),
        ("user", c_void_p),
        ("search_steps", c_int32),
        ("samples", c_int32),
        ("duplicates", c_int32),
        ("objective", c_int32),
        ("workspace", c_void_p),
        ("workspace_bytes", c_size_t),
    ]


class eplb_input(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("type", c_int32),
        ("memory", c_int32),
        ("num_samples", c_int32),
        ("loads", c_void_p),
        ("loads_count", c_size_t),
        ("seed", c_uint64),
        ("current", c_void_p),
        ("current_count", c_size_t),
        ("current_type", c_int32),
        ("max_changes_per_layer", c_int32),
        ("max_changes", c_int64),
    ]


class eplb_maps(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("type", c_int32),
        ("memory", c_int32),
        ("max_replicas", c_int32),
        ("physical_to_logical", c_void_p),
        ("physical_to_logical_count", c_size_t),
        ("replica_rank", c_void_p),
        ("replica_rank_count", c_size_t),
        ("replica_count", c_void_p),
        ("replica_count_count", c_size_t),
        ("logical_to_physical", c_void_p),
        ("logical_to_physical_count", c_size_t),
    ]


class eplb_stats(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("max_replica_count", c_int32),
        ("balancedness", c_double),
        ("balancedness_min", c_double),
        ("empty_layers", c_int64),
        ("duplicates", c_int64),
        ("layer_balancedness", POINTER(c_double)),
        ("layer_balancedness_count", c_size_t),
        ("gpu_load", POINTER(c_double)),
        ("gpu_load_count", c_size_t),
        ("bound", c_double),
        ("layer_bound", POINTER(c_double)),
        ("layer_bound_count", c_size_t),
        ("changes", c_int64),
    ]


class eplb_packing(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("type", c_int32),
        ("memory", c_int32),
        ("num_rows", c_int32),
        ("num_items", c_int32),
        ("num_packs", c_int32),
        ("pack_index", c_void_p),
        ("pack_index_count", c_size_t),
        ("rank_in_pack", c_void_p),
        ("rank_in_pack_count", c_size_t),
    ]


_context = POINTER(eplb_context)
_error = POINTER(eplb_error)
_shape = POINTER(eplb_shape)
_options = POINTER(eplb_options)
_input = POINTER(eplb_input)
_maps = POINTER(eplb_maps)
_stats = POINTER(eplb_stats)
_packing = POINTER(eplb_packing)

#: Result and parameter types of each function.
FUNCTIONS = {
    "eplb_version": (c_int32, ()),
    "eplb_build_info": (c_char_p, ()),
    "eplb_status_name": (c_char_p, (eplb_status,)),
    "eplb_status_string": (c_char_p, (eplb_status,)),
    "eplb_error_init": (eplb_status, (_error, c_size_t)),
    "eplb_shape_init": (eplb_status, (_shape, c_size_t)),
    "eplb_options_init": (eplb_status, (_options, c_size_t)),
    "eplb_strategy_count": (c_int32, ()),
    "eplb_strategy_name": (c_char_p, (c_int32,)),
    "eplb_strategy_from_name": (c_int32, (c_char_p,)),
    "eplb_strategy_description": (c_char_p, (c_int32,)),
    "eplb_backend_count": (c_int32, ()),
    "eplb_backend_name": (c_char_p, (c_int32,)),
    "eplb_backend_available": (eplb_status, (c_int32, _error)),
    "eplb_device_count": (c_int32, (c_int32,)),
    "eplb_device_describe": (eplb_status, (c_int32, c_int32, c_char_p, c_size_t, _error)),
    "eplb_input_init": (eplb_status, (_input, c_size_t)),
    "eplb_maps_init": (eplb_status, (_maps, c_size_t)),
    "eplb_stats_init": (eplb_status, (_stats, c_size_t)),
    "eplb_rebalance_experts": (eplb_status, (_shape, _options, _input, _maps, _stats, _error)),
    "eplb_create": (eplb_status, (_shape, _options, POINTER(_context), _error)),
    "eplb_destroy": (None, (_context,)),
    "eplb_memory_needed": (eplb_status, (_shape, _options, POINTER(c_size_t), POINTER(c_size_t), _error)),
    "eplb_context_strategy": (c_int32, (_context,)),
    "eplb_context_policy": (c_int32, (_context,)),
    "eplb_context_backend": (c_int32, (_context,)),
    "eplb_submit_weights": (eplb_status, (_context, _input, _error)),
    "eplb_get_max_replica_count": (eplb_status, (_context, POINTER(c_int32), _error)),
    "eplb_get_maps": (eplb_status, (_context, _maps, _error)),
    "eplb_get_stats": (eplb_status, (_context, _stats, _error)),
    "eplb_submit_weights_async": (eplb_status, (_context, _input, c_void_p, _error)),
    "eplb_get_maps_async": (eplb_status, (_context, _maps, c_void_p, _error)),
    "eplb_poll": (eplb_status, (_context, _error)),
    "eplb_check_placement": (eplb_status, (_shape, _maps, c_uint32, _error)),
    "eplb_score_placement": (eplb_status, (_shape, _input, _maps, _stats, _error)),
    "eplb_packing_init": (eplb_status, (_packing, c_size_t)),
    "eplb_balanced_packing": (eplb_status, (_options, _input, _packing, _error)),
    "eplb_replicate_experts": (eplb_status, (_shape, _options, _input, _maps, _error)),
}

#: Default of each field that has another one than 0.
DEFAULTS = {
    "eplb_shape": {"num_groups": 1, "num_nodes": 1},
    "eplb_options": {"device": -1, "num_threads": 1, "max_samples": 1, "log_level": 2},
    "eplb_input": {"num_samples": 1, "current_type": 2, "max_changes_per_layer": -1, "max_changes": -1},
    "eplb_maps": {"type": 2},
    "eplb_packing": {"type": 2},
}
