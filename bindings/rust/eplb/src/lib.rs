// SPDX-License-Identifier: MIT
//! Plans which gpu holds which expert in Mixture-of-Experts inference: a safe layer over libeplb.
//!
//! A layer has E logical experts, and the gpus of a deployment together have P >= E slots for them. Given how many
//! tokens went to each expert (the load), the library says which experts get more than one slot (replicas), and which
//! slot of which gpu holds which expert (the placement), so that the gpu with the most work has as little as possible.
//!
//! - One call: [`rebalance_experts`].
//! - Planning the same shape again and again: [`Context`].
//! - Judging any placement: [`check_placement`], [`score_placement`].
//! - The two steps of a plan: [`replicate_experts`], [`balanced_packing`].
//!
//! Names are those of the library's header, `eplb/eplb.h`. Arrays are slices, row-major, and are not copied; each comes
//! with its length, so one that is too short is an error. A call that fails leaves its outputs untouched. The same
//! loads, shape, options and seed give the same maps bit for bit, with any number of threads and on any backend.
//!
//! With the feature `dlopen` the library is loaded at run time instead of linked: see [`load`].

#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

mod callbacks;
mod calls;
mod context;
mod enums;
mod error;
mod input;
mod maps;
mod options;
mod raw;
mod shape;
mod stats;
mod values;

pub use callbacks::Allocator;
pub use calls::*;
pub use context::Context;
pub use enums::*;
pub use error::{Error, Result};
pub use input::Input;
pub use maps::{Maps, Packing, Placement};
pub use options::Options;
#[cfg(feature = "dlopen")]
pub use raw::load_from;
pub use raw::{load, Cuda, Host, Index, Load};
pub use shape::Shape;
pub use stats::{Stats, StatsBuffers};

/// The pages that show this crate, whose examples are tested with it.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../../docs/rust.md")]
    struct Rust;
}
