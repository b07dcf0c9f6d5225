// SPDX-License-Identifier: MIT
// Made from eplb.h by bindings/generate.py.
//! Where a C compiler puts the fields of each struct, and what the library writes into them by default.

use crate::*;

#[test]
fn structs_are_as_c_has_them() {
    load().expect("the library");
    is_laid_out! { eplb_error, eplb_error_init, 512 bytes,
        struct_size: 4 bytes at 0, by default 512;
        status: 4 bytes at 4, by default 0;
        message: 504 bytes at 8;
    }
    is_laid_out! { eplb_shape, eplb_shape_init, 80 bytes,
        struct_size: 4 bytes at 0, by default 80;
        num_layers: 4 bytes at 4, by default 0;
        num_logical_experts: 4 bytes at 8, by default 0;
        num_physical_experts: 4 bytes at 12, by default 0;
        num_groups: 4 bytes at 16, by default 1;
        num_nodes: 4 bytes at 20, by default 1;
        num_gpus: 4 bytes at 24, by default 0;
        reserved: 4 bytes at 28, by default 0;
        slots_per_gpu: 8 bytes at 32;
        slots_per_gpu_count: 8 bytes at 40, by default 0;
        speed_of_gpu: 8 bytes at 48;
        speed_of_gpu_count: 8 bytes at 56, by default 0;
        node_of_gpu: 8 bytes at 64;
        node_of_gpu_count: 8 bytes at 72, by default 0;
    }
    is_laid_out! { eplb_options, eplb_options_init, 136 bytes,
        struct_size: 4 bytes at 0, by default 136;
        strategy: 4 bytes at 4, by default 0;
        policy: 4 bytes at 8, by default 0;
        backend: 4 bytes at 12, by default 0;
        memory: 4 bytes at 16, by default 0;
        device: 4 bytes at 20, by default -1;
        num_threads: 4 bytes at 24, by default 1;
        max_samples: 4 bytes at 28, by default 1;
        initial: 4 bytes at 32, by default 0;
        candidates: 4 bytes at 36, by default 0;
        amplitude: 4 bytes at 40, by default 0.0;
        amplitude_form: 4 bytes at 44, by default 0;
        swap_scope: 4 bytes at 48, by default 0;
        max_swaps: 4 bytes at 52, by default 0;
        selection: 4 bytes at 56, by default 0;
        log_level: 4 bytes at 60, by default 2;
        log_fn: 8 bytes at 64;
        progress_fn: 8 bytes at 72;
        alloc_fn: 8 bytes at 80;
        free_fn: 8 bytes at 88;
        user: 8 bytes at 96;
        search_steps: 4 bytes at 104, by default 0;
        samples: 4 bytes at 108, by default 0;
        duplicates: 4 bytes at 112, by default 0;
        objective: 4 bytes at 116, by default 0;
        workspace: 8 bytes at 120;
        workspace_bytes: 8 bytes at 128, by default 0;
    }
    is_laid_out! { eplb_input, eplb_input_init, 72 bytes,
        struct_size: 4 bytes at 0, by default 72;
        r#type: 4 bytes at 4, by default 0;
        memory: 4 bytes at 8, by default 0;
        num_samples: 4 bytes at 12, by default 1;
        loads: 8 bytes at 16;
        loads_count: 8 bytes at 24, by default 0;
        seed: 8 bytes at 32, by default 0;
        current: 8 bytes at 40;
        current_count: 8 bytes at 48, by default 0;
        current_type: 4 bytes at 56, by default 2;
        max_changes_per_layer: 4 bytes at 60, by default -1;
        max_changes: 8 bytes at 64, by default -1;
    }
    is_laid_out! { eplb_maps, eplb_maps_init, 80 bytes,
        struct_size: 4 bytes at 0, by default 80;
        r#type: 4 bytes at 4, by default 2;
        memory: 4 bytes at 8, by default 0;
        max_replicas: 4 bytes at 12, by default 0;
        physical_to_logical: 8 bytes at 16;
        physical_to_logical_count: 8 bytes at 24, by default 0;
        replica_rank: 8 bytes at 32;
        replica_rank_count: 8 bytes at 40, by default 0;
        replica_count: 8 bytes at 48;
        replica_count_count: 8 bytes at 56, by default 0;
        logical_to_physical: 8 bytes at 64;
        logical_to_physical_count: 8 bytes at 72, by default 0;
    }
    is_laid_out! { eplb_stats, eplb_stats_init, 104 bytes,
        struct_size: 4 bytes at 0, by default 104;
        max_replica_count: 4 bytes at 4, by default 0;
        balancedness: 8 bytes at 8, by default 0.0;
        balancedness_min: 8 bytes at 16, by default 0.0;
        empty_layers: 8 bytes at 24, by default 0;
        duplicates: 8 bytes at 32, by default 0;
        layer_balancedness: 8 bytes at 40;
        layer_balancedness_count: 8 bytes at 48, by default 0;
        gpu_load: 8 bytes at 56;
        gpu_load_count: 8 bytes at 64, by default 0;
        bound: 8 bytes at 72, by default 0.0;
        layer_bound: 8 bytes at 80;
        layer_bound_count: 8 bytes at 88, by default 0;
        changes: 8 bytes at 96, by default 0;
    }
    is_laid_out! { eplb_packing, eplb_packing_init, 56 bytes,
        struct_size: 4 bytes at 0, by default 56;
        r#type: 4 bytes at 4, by default 2;
        memory: 4 bytes at 8, by default 0;
        num_rows: 4 bytes at 12, by default 0;
        num_items: 4 bytes at 16, by default 0;
        num_packs: 4 bytes at 20, by default 0;
        pack_index: 8 bytes at 24;
        pack_index_count: 8 bytes at 32, by default 0;
        rank_in_pack: 8 bytes at 40;
        rank_in_pack_count: 8 bytes at 48, by default 0;
    }
}
