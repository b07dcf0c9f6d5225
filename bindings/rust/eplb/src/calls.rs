// SPDX-License-Identifier: MIT
//! The calls that need no context. All work on host memory, and each allocates what it needs and frees it.

use crate::raw::{call, load, static_text, Index};
use crate::{CheckFlags, Input, Maps, Options, Packing, Placement, Result, Shape, Stats, StatsBuffers};

/// Version of the library that is in use: MAJOR * 10000 + MINOR * 100 + PATCH.
pub fn version() -> Result<i32> {
    load()?;
    // SAFETY: the call has no requirements.
    Ok(unsafe { eplb_sys::eplb_version() })
}

/// Version and compiler of the library on one line.
pub fn build_info() -> Result<&'static str> {
    load()?;
    // SAFETY: the text is static.
    Ok(unsafe { static_text(eplb_sys::eplb_build_info()) }.unwrap_or_default())
}

/// Plans a placement in one call: what DeepSeek's function of this name does.
///
/// ```
/// use eplb::{rebalance_experts, Input, Maps, Options, Shape, StatsBuffers};
///
/// let shape = Shape::new().num_layers(1).num_logical_experts(4).num_physical_experts(6).num_gpus(2);
/// let loads = [96.0, 30.0, 20.0, 10.0f32];
/// let mut expert_of_slot = [0i32; 6];
/// let stats = rebalance_experts(
///     &shape,
///     &mut Options::new(),
///     &Input::new(&loads),
///     Maps::new().physical_to_logical(&mut expert_of_slot),
///     StatsBuffers::new(),
/// )?;
/// assert!(stats.balancedness > 0.9);
/// # Ok::<(), eplb::Error>(())
/// ```
pub fn rebalance_experts<I: Index>(
    shape: &Shape<'_>,
    options: &mut Options,
    input: &Input<'_>,
    maps: Maps<'_, I>,
    buffers: StatsBuffers<'_>,
) -> Result<Stats> {
    let raw = options.raw();
    buffers.filled(|stats| {
        // SAFETY: the structs and what they point to are valid during the call, as is true of all below.
        options.callbacks.call(|error| unsafe {
            eplb_sys::eplb_rebalance_experts(&shape.raw.0, &raw, &input.raw.0, &maps.raw.0, stats, error)
        })
    })
}

/// Bytes that a context takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeeded {
    /// Host memory, but for what threads take.
    pub host_bytes: usize,
    /// Memory of the CUDA device, what a [`workspace`](Options::workspace) must have at least.
    pub cuda_bytes: usize,
}

/// What [`Context::new`](crate::Context::new) would allocate, told without allocating and without a device or driver.
pub fn memory_needed(shape: &Shape<'_>, options: &Options) -> Result<MemoryNeeded> {
    let mut needed = MemoryNeeded { host_bytes: 0, cuda_bytes: 0 };
    // SAFETY: see rebalance_experts.
    call(|error| unsafe {
        let MemoryNeeded { host_bytes, cuda_bytes } = &mut needed;
        eplb_sys::eplb_memory_needed(&shape.raw.0, options.silent(), host_bytes, cuda_bytes, error)
    })?;
    Ok(needed)
}

/// Checks a placement: every slot holds an expert, every expert has a slot, and the other maps, where given, say the
/// same. Groups and nodes are not looked at.
pub fn check_placement<I: Index>(shape: &Shape<'_>, placement: &Placement<'_, I>, flags: CheckFlags) -> Result<()> {
    // SAFETY: see rebalance_experts. The library only reads a placement.
    call(|error| unsafe { eplb_sys::eplb_check_placement(&shape.raw.0, &placement.raw.0, flags.value() as u32, error) })
}

/// Judges a placement under any load, also one it was not planned for. Checks it first. Of the input it uses the loads,
/// and a current placement to count changes from.
pub fn score_placement<I: Index>(
    shape: &Shape<'_>,
    input: &Input<'_>,
    placement: &Placement<'_, I>,
    buffers: StatsBuffers<'_>,
) -> Result<Stats> {
    buffers.filled(|stats| {
        // SAFETY: see check_placement.
        call(|error| unsafe {
            eplb_sys::eplb_score_placement(&shape.raw.0, &input.raw.0, &placement.raw.0, stats, error)
        })
    })
}

/// Packs items so that the loads of the packs are as equal as the strategy gets them. Loads are those of the items,
/// `[S][X][n]`.
pub fn balanced_packing<I: Index>(options: &mut Options, input: &Input<'_>, packing: Packing<'_, I>) -> Result<()> {
    let raw = options.raw();
    // SAFETY: see rebalance_experts.
    options
        .callbacks
        .call(|error| unsafe { eplb_sys::eplb_balanced_packing(&raw, &input.raw.0, &packing.raw.0, error) })
}

/// Gives each expert a slot, and each further slot to the expert with the largest load per replica (the lowest index on
/// ties). Slots are in that order: experts first, then the extra replicas. Of the shape it uses layers, experts and
/// slots.
pub fn replicate_experts<I: Index>(
    shape: &Shape<'_>,
    options: &mut Options,
    input: &Input<'_>,
    maps: Maps<'_, I>,
) -> Result<()> {
    let raw = options.raw();
    // SAFETY: see rebalance_experts.
    options
        .callbacks
        .call(|error| unsafe { eplb_sys::eplb_replicate_experts(&shape.raw.0, &raw, &input.raw.0, &maps.raw.0, error) })
}
