// SPDX-License-Identifier: MIT
use crate::raw::{int32, slice, slice_mut, with_defaults, Cuda, Host, Index, Raw};
use std::marker::PhantomData;
use std::os::raw::c_void;

/// Sets a buffer and its number of elements. The header has one struct for what is written and what is only read, so
/// the latter is not const there either.
macro_rules! set {
    ($self:ident.$map:ident, $count:ident = $buffer:expr) => {{
        let (pointer, count) = $buffer;
        $self.raw.0.$map = pointer as *mut c_void;
        $self.raw.0.$count = count;
        $self
    }};
}

/// Buffers for a plan, of which you set those that you want. `I` is `i32` or `i64` for all of them, `M` is where they
/// are. A buffer that is longer than its map is written at its front.
///
/// ```
/// let mut expert_of_slot = vec![0i32; 58 * 288];
/// let maps = eplb::Maps::new().physical_to_logical(&mut expert_of_slot);
/// ```
#[derive(Debug)]
#[must_use]
pub struct Maps<'a, I, M = Host> {
    pub(crate) raw: Raw<eplb_sys::eplb_maps>,
    buffers: PhantomData<(&'a mut [I], M)>,
}

impl<I: Index, M> Maps<'_, I, M> {
    fn of(memory: i32) -> Self {
        let mut raw = with_defaults!(eplb_maps, eplb_maps_init);
        raw.0.r#type = I::TYPE;
        raw.0.memory = memory;
        Maps { raw, buffers: PhantomData }
    }
}

impl<'a, I: Index> Maps<'a, I> {
    /// No buffers yet; they will be in host memory.
    pub fn new() -> Self {
        Self::of(eplb_sys::EPLB_MEMORY_HOST)
    }

    /// `[L][P]` the expert in each slot; slots in order of gpu.
    pub fn physical_to_logical(mut self, buffer: &'a mut [I]) -> Self {
        set!(self.physical_to_logical, physical_to_logical_count = slice_mut(buffer))
    }

    /// `[L][P]` which replica of its expert a slot holds, 0 the original.
    pub fn replica_rank(mut self, buffer: &'a mut [I]) -> Self {
        set!(self.replica_rank, replica_rank_count = slice_mut(buffer))
    }

    /// `[L][E]` slots of each expert.
    pub fn replica_count(mut self, buffer: &'a mut [I]) -> Self {
        set!(self.replica_count, replica_count_count = slice_mut(buffer))
    }

    /// `[L][E][max_replicas]` slots of each expert, in order of replica rank, then -1. `max_replicas` is at least the
    /// largest count of the plan, for which P - E + 1 is always enough.
    pub fn logical_to_physical(mut self, buffer: &'a mut [I], max_replicas: usize) -> Self {
        self.raw.0.max_replicas = int32(max_replicas);
        set!(self.logical_to_physical, logical_to_physical_count = slice_mut(buffer))
    }
}

impl<I: Index> Default for Maps<'_, I> {
    fn default() -> Self {
        Self::new()
    }
}

/// The maps and their extents are the same as in host memory. Each setter is given `count` elements at `buffer`.
impl<I: Index> Maps<'static, I, Cuda> {
    /// No buffers yet; they will be in memory of the context's CUDA device.
    pub fn cuda() -> Self {
        Self::of(eplb_sys::EPLB_MEMORY_CUDA)
    }

    /// The expert in each slot.
    ///
    /// # Safety
    /// As long as a call uses these maps, `count` elements of `I` may be written at `buffer` by the context's CUDA
    /// device, and nothing else uses them. An asynchronous call uses them until its stream has passed that call; one in
    /// a graph, in each launch of it.
    pub unsafe fn physical_to_logical(mut self, buffer: *mut I, count: usize) -> Self {
        set!(self.physical_to_logical, physical_to_logical_count = (buffer, count))
    }

    /// Which replica of its expert a slot holds.
    ///
    /// # Safety
    /// As for [`physical_to_logical`](Self::physical_to_logical).
    pub unsafe fn replica_rank(mut self, buffer: *mut I, count: usize) -> Self {
        set!(self.replica_rank, replica_rank_count = (buffer, count))
    }

    /// Slots of each expert.
    ///
    /// # Safety
    /// As for [`physical_to_logical`](Self::physical_to_logical).
    pub unsafe fn replica_count(mut self, buffer: *mut I, count: usize) -> Self {
        set!(self.replica_count, replica_count_count = (buffer, count))
    }

    /// Slots of each expert, in order of replica rank.
    ///
    /// # Safety
    /// As for [`physical_to_logical`](Self::physical_to_logical).
    pub unsafe fn logical_to_physical(mut self, buffer: *mut I, count: usize, max_replicas: usize) -> Self {
        self.raw.0.max_replicas = int32(max_replicas);
        set!(self.logical_to_physical, logical_to_physical_count = (buffer, count))
    }
}

/// A placement to be checked or judged: the expert in each slot, and any of the other maps, which must say the same.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Placement<'a, I> {
    pub(crate) raw: Raw<eplb_sys::eplb_maps>,
    buffers: PhantomData<&'a [I]>,
}

impl<'a, I: Index> Placement<'a, I> {
    /// `[L][P]` the expert in each slot; slots in order of gpu.
    pub fn new(physical_to_logical: &'a [I]) -> Self {
        let mut out = Placement { raw: with_defaults!(eplb_maps, eplb_maps_init), buffers: PhantomData };
        out.raw.0.r#type = I::TYPE;
        set!(out.physical_to_logical, physical_to_logical_count = slice(physical_to_logical))
    }

    /// `[L][P]` which replica of its expert a slot holds, 0 the original.
    pub fn replica_rank(mut self, map: &'a [I]) -> Self {
        set!(self.replica_rank, replica_rank_count = slice(map))
    }

    /// `[L][E]` slots of each expert.
    pub fn replica_count(mut self, map: &'a [I]) -> Self {
        set!(self.replica_count, replica_count_count = slice(map))
    }

    /// `[L][E][max_replicas]` slots of each expert, in order of replica rank, then -1.
    pub fn logical_to_physical(mut self, map: &'a [I], max_replicas: usize) -> Self {
        self.raw.0.max_replicas = int32(max_replicas);
        set!(self.logical_to_physical, logical_to_physical_count = slice(map))
    }
}

/// A packing problem for each row, n items into m packs with exactly n / m items in each, and buffers for its solution.
#[derive(Debug)]
#[must_use]
pub struct Packing<'a, I> {
    pub(crate) raw: Raw<eplb_sys::eplb_packing>,
    buffers: PhantomData<&'a mut [I]>,
}

impl<'a, I: Index> Packing<'a, I> {
    /// Nothing set yet.
    pub fn new() -> Self {
        let mut raw = with_defaults!(eplb_packing, eplb_packing_init);
        raw.0.r#type = I::TYPE;
        Packing { raw, buffers: PhantomData }
    }

    /// X, independent problems.
    pub fn num_rows(mut self, count: usize) -> Self {
        self.raw.0.num_rows = int32(count);
        self
    }

    /// n, a multiple of m. With n = m item i goes to pack i.
    pub fn num_items(mut self, count: usize) -> Self {
        self.raw.0.num_items = int32(count);
        self
    }

    /// m.
    pub fn num_packs(mut self, count: usize) -> Self {
        self.raw.0.num_packs = int32(count);
        self
    }

    /// `[X][n]` pack of each item.
    pub fn pack_index(mut self, buffer: &'a mut [I]) -> Self {
        set!(self.pack_index, pack_index_count = slice_mut(buffer))
    }

    /// `[X][n]` seat of each item in its pack, heaviest first.
    pub fn rank_in_pack(mut self, buffer: &'a mut [I]) -> Self {
        set!(self.rank_in_pack, rank_in_pack_count = slice_mut(buffer))
    }
}

impl<I: Index> Default for Packing<'_, I> {
    fn default() -> Self {
        Self::new()
    }
}
