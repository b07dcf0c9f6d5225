// SPDX-License-Identifier: MIT
//! Raw declarations of libeplb, one to one and by the names of its header, `eplb/eplb.h`, which is their manual. The
//! crate `eplb` is the safe layer on top.
//!
//! The library is linked; `build.rs` finds it through pkg-config, or in the directory `EPLB_LIB_DIR`. With the feature
//! `dlopen` it is loaded at run time instead: call [`load`], which also checks its version, before anything else.

#![allow(non_camel_case_types)]

#[macro_use]
mod declare;
mod header;
#[cfg(test)]
mod layout_test;
mod library;

pub use header::*;
pub use library::*;
