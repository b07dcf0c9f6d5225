// SPDX-License-Identifier: MIT
use crate::raw::{int32, slice, with_defaults, Cuda, Element, Host, Index, Load, Raw};
use std::marker::PhantomData;
use std::os::raw::c_void;

/// What to plan from: loads, and what goes with them. Loads are `[S][L][E]`, the tokens of each expert, finite and not
/// negative; a layer without any load is no error. `M` is where they are.
///
/// ```
/// let loads = [96.0, 30.0, 20.0, 10.0f32];
/// let input = eplb::Input::new(&loads).seed(7);
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Input<'a, M = Host> {
    pub(crate) raw: Raw<eplb_sys::eplb_input>,
    buffers: PhantomData<(&'a (), M)>,
}

impl<'a> Input<'a> {
    /// Loads in host memory.
    pub fn new<T: Load>(loads: &'a [T]) -> Self {
        Self::of::<T>(eplb_sys::EPLB_MEMORY_HOST, slice(loads))
    }

    /// `[L][P]` the expert in each slot now, -1 for none: a search starts from there and moves what pays. Experts may
    /// be missing, as after the loss of a gpu. Search only.
    pub fn current<I: Index>(self, physical_to_logical: &'a [I]) -> Self {
        self.with_current::<I>(slice(physical_to_logical))
    }
}

impl Input<'static, Cuda> {
    /// Loads in memory of the context's CUDA device: `count` elements at `loads`.
    ///
    /// # Safety
    /// As long as calls use this input, `count` elements of `T` may be read at `loads` by the context's CUDA device.
    /// An asynchronous call uses it until its stream has passed that call; one in a graph, in each launch of it.
    pub unsafe fn cuda<T: Load>(loads: *const T, count: usize) -> Self {
        Self::of::<T>(eplb_sys::EPLB_MEMORY_CUDA, (loads.cast(), count))
    }

    /// The expert in each slot now, as in host memory: `count` elements at `physical_to_logical`.
    ///
    /// # Safety
    /// As for [`cuda`](Self::cuda).
    pub unsafe fn current<I: Index>(self, physical_to_logical: *const I, count: usize) -> Self {
        self.with_current::<I>((physical_to_logical.cast(), count))
    }
}

impl<M> Input<'_, M> {
    fn of<T: Element>(memory: i32, (loads, count): (*const c_void, usize)) -> Self {
        let mut raw = with_defaults!(eplb_input, eplb_input_init);
        raw.0.r#type = T::TYPE;
        raw.0.memory = memory;
        raw.0.loads = loads;
        raw.0.loads_count = count;
        Input { raw, buffers: PhantomData }
    }

    fn with_current<I: Element>(mut self, (current, count): (*const c_void, usize)) -> Self {
        self.raw.0.current_type = I::TYPE;
        self.raw.0.current = current;
        self.raw.0.current_count = count;
        self
    }

    /// S, loads of all layers recorded apart; default 1.
    pub fn num_samples(mut self, count: usize) -> Self {
        self.raw.0.num_samples = int32(count);
        self
    }

    /// Of the random numbers of strategies with several candidates; default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.raw.0.seed = seed;
        self
    }

    /// Most slots of a layer that may hold another expert than now; 0: the current placement is the plan; default no
    /// limit. Slots that have to change, because they are empty, their expert's group goes to another node, or an
    /// expert has none, must fit into it.
    pub fn max_changes_per_layer(mut self, count: usize) -> Self {
        self.raw.0.max_changes_per_layer = int32(count);
        self
    }

    /// The same over all layers.
    pub fn max_changes(mut self, count: usize) -> Self {
        self.raw.0.max_changes = count.try_into().unwrap_or(i64::MAX);
        self
    }
}
