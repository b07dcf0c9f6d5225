// SPDX-License-Identifier: MIT
// Made from eplb.h by bindings/generate.py.
//! The enumerations of the header; those of element types are types of Rust.

use crate::values::open_enum;

open_enum! {
    /// What a call answers. Values never change; new ones are appended, so treat an unknown one as an error.
    pub struct Status {
        /// Done.
        SUCCESS = EPLB_SUCCESS,
        /// Work on a stream has not finished; not an error.
        NOT_READY = EPLB_NOT_READY,
        /// A NULL, an impossible shape, an unknown value.
        INVALID_ARGUMENT = EPLB_ERROR_INVALID_ARGUMENT,
        /// A load is NaN, infinite or negative, or, in planning, a layer's total overflows float32.
        INVALID_LOAD = EPLB_ERROR_INVALID_LOAD,
        /// A placement names no expert, leaves one out, or contradicts itself; a current one needs more changes than
        /// are allowed.
        INVALID_PLACEMENT = EPLB_ERROR_INVALID_PLACEMENT,
        /// No plan yet; the context is in use, or was created before a fork.
        INVALID_STATE = EPLB_ERROR_INVALID_STATE,
        /// struct_size is not set, or fields are set that this library does not know.
        STRUCT_SIZE = EPLB_ERROR_STRUCT_SIZE,
        /// A buffer of the caller's is shorter than its shape.
        BUFFER_TOO_SMALL = EPLB_ERROR_BUFFER_TOO_SMALL,
        /// Memory or a thread could not be had.
        OUT_OF_MEMORY = EPLB_ERROR_OUT_OF_MEMORY,
        /// Not in this build, or no driver or device on this machine.
        UNAVAILABLE = EPLB_ERROR_UNAVAILABLE,
        /// The progress callback asked to stop.
        CANCELLED = EPLB_ERROR_CANCELLED,
        /// A CUDA call failed.
        CUDA = EPLB_ERROR_CUDA,
        /// A bug in this library, or a callback that threw.
        INTERNAL = EPLB_ERROR_INTERNAL,
    }
}

open_enum! {
    /// How a placement is found. Every value but [`AUTO`](Self::AUTO) and [`SEARCH`](Self::SEARCH) is a preset of the
    /// five packing choices in [`Options`](crate::Options) and never changes its maps.
    pub struct Strategy {
        /// What we recommend, by the shape and max_samples of the options (in one call: by its samples and its current
        /// placement); may become better between minor versions.
        AUTO = EPLB_STRATEGY_AUTO,
        /// Heaviest first, to the lightest gpu with room (DeepSeek's EPLB).
        LPT = EPLB_STRATEGY_LPT,
        /// lpt, then 20 swaps between the heaviest and the lightest gpu.
        LPT_SWAP_MINMAX = EPLB_STRATEGY_LPT_SWAP_MINMAX,
        /// 4 perturbed lpt-swap-minmax, the one with the least spread.
        LPT_RESTART4 = EPLB_STRATEGY_LPT_RESTART4,
        /// lpt, then 50 swaps between the heaviest and any gpu.
        LPT_SWAP_ANY = EPLB_STRATEGY_LPT_SWAP_ANY,
        /// 64 perturbed lpt with 20 swaps heaviest to any, the lowest peak.
        LPT_RESTART64_ANY = EPLB_STRATEGY_LPT_RESTART64_ANY,
        /// lpt, then 50 swaps between any two gpus, on the sum of squares.
        LPT_SWAP_L2 = EPLB_STRATEGY_LPT_SWAP_L2,
        /// Dealt to and fro, then 20 swaps heaviest to lightest.
        ZIGZAG_SWAP_MINMAX = EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX,
        /// 64 perturbed lpt-swap-minmax, the lowest peak.
        LPT_RESTART64_MINMAX = EPLB_STRATEGY_LPT_RESTART64_MINMAX,
        /// A tabu search over placements: under each sample by itself, on gpus as they are, from the current placement
        /// if there is one, without two replicas of an expert on one gpu. Unlike the presets it may change between
        /// minor versions.
        SEARCH = EPLB_STRATEGY_SEARCH,
    }
}

open_enum! {
    /// What counts as a locality boundary.
    pub struct Policy {
        /// Global if there is 1 group and 1 node, which is the same; else hierarchical if num_groups % num_nodes == 0
        /// and the nodes are alike: as many gpus that have slots, slots and speed on each. Global otherwise, as after
        /// the loss of a gpu or a node.
        AUTO = EPLB_POLICY_AUTO,
        /// Groups to nodes, replicas within their node, replicas to gpus.
        HIERARCHICAL = EPLB_POLICY_HIERARCHICAL,
        /// Groups and nodes are ignored.
        GLOBAL = EPLB_POLICY_GLOBAL,
    }
}

open_enum! {
    /// Where a plan is computed.
    pub struct Backend {
        /// Where the memory is: CPU for host memory, CUDA for CUDA memory.
        AUTO = EPLB_BACKEND_AUTO,
        /// On the host; needs no driver and never makes a CUDA call.
        CPU = EPLB_BACKEND_CPU,
        /// On one CUDA device.
        CUDA = EPLB_BACKEND_CUDA,
    }
}

open_enum! {
    /// Where a buffer is.
    pub struct Memory {
        /// Host memory, pageable or pinned.
        HOST = EPLB_MEMORY_HOST,
        /// What the context's CUDA device can address: its own memory, managed, or pinned.
        CUDA = EPLB_MEMORY_CUDA,
    }
}

open_enum! {
    /// The first packing of the items.
    pub struct Initial {
        /// As the strategy has it.
        PRESET = EPLB_INITIAL_PRESET,
        /// Heaviest first, each to the lightest pack that has room.
        LPT = EPLB_INITIAL_LPT,
        /// Heaviest first, to packs 0..m-1, m-1..0, 0..m-1, ...
        ZIGZAG = EPLB_INITIAL_ZIGZAG,
    }
}

open_enum! {
    /// How strongly candidate c of C is perturbed; candidate 0 never is.
    pub struct AmplitudeForm {
        /// As the strategy has it.
        PRESET = EPLB_AMPLITUDE_PRESET,
        /// All by the same amplitude.
        CONSTANT = EPLB_AMPLITUDE_CONSTANT,
        /// By amplitude * c / (C - 1).
        LINEAR = EPLB_AMPLITUDE_LINEAR,
    }
}

open_enum! {
    /// Which two items may change places after the first packing.
    pub struct SwapScope {
        /// As the strategy has it.
        PRESET = EPLB_SWAP_PRESET,
        /// None.
        NONE = EPLB_SWAP_NONE,
        /// One of the heaviest pack, one of the lightest; lowers the peak.
        HEAVIEST_LIGHTEST = EPLB_SWAP_HEAVIEST_LIGHTEST,
        /// One of the heaviest pack, one of any other; lowers the peak.
        HEAVIEST_ANY = EPLB_SWAP_HEAVIEST_ANY,
        /// Any two of different packs; lowers the sum of squared loads.
        ANY_ANY = EPLB_SWAP_ANY_ANY,
    }
}

open_enum! {
    /// Which candidate is the best.
    pub struct Selection {
        /// As the strategy has it.
        PRESET = EPLB_SELECTION_PRESET,
        /// The one whose heaviest pack is lightest.
        MAX_LOAD = EPLB_SELECTION_MAX_LOAD,
        /// The one with the least difference between heaviest and lightest pack.
        SPREAD = EPLB_SELECTION_SPREAD,
    }
}

open_enum! {
    /// What becomes of several samples of the loads.
    pub struct Samples {
        /// As the strategy has it: search keeps them apart, the others add them up.
        PRESET = EPLB_SAMPLES_PRESET,
        /// Each is scaled to one total, and the plan is to be good under each. Search only.
        EACH = EPLB_SAMPLES_EACH,
        /// They are added up, as if recorded in one piece.
        SUM = EPLB_SAMPLES_SUM,
    }
}

open_enum! {
    /// What a search makes small: the sum over gpus and samples of a power of what each has to bear.
    pub struct Objective {
        /// The 4th power for one sample, for which any will do; the 32nd for several.
        PRESET = EPLB_OBJECTIVE_PRESET,
        /// Gpus below the peak count as well. Faster.
        POWER4 = EPLB_OBJECTIVE_POWER4,
        /// Nearly the peak alone. Better under loads to come, if there are several samples.
        POWER32 = EPLB_OBJECTIVE_POWER32,
    }
}

open_enum! {
    /// Whether two replicas of an expert may be on one gpu, where they are of little use.
    pub struct Duplicates {
        /// As the strategy has it: search avoids them, the others do not look.
        PRESET = EPLB_DUPLICATES_PRESET,
        /// No expert twice on a gpu, wherever there are gpus enough. Search only.
        AVOID = EPLB_DUPLICATES_AVOID,
        /// It does not matter.
        ALLOW = EPLB_DUPLICATES_ALLOW,
    }
}

open_enum! {
    /// The severity of a log line.
    pub struct LogLevel {
        /// Nothing is logged.
        NONE = EPLB_LOG_NONE,
        /// Something is not as it was probably meant: more threads than there is work for.
        WARNING = EPLB_LOG_WARNING,
        /// What was chosen when a context is created.
        INFO = EPLB_LOG_INFO,
        /// A line for each plan.
        DEBUG = EPLB_LOG_DEBUG,
    }
}

open_enum! {
    /// What [`check_placement`](crate::check_placement) looks at besides.
    pub struct CheckFlags {
        /// Two replicas of an expert on one gpu are an error too.
        DUPLICATES = EPLB_CHECK_DUPLICATES,
    }
}
