// SPDX-License-Identifier: MIT
use crate::callbacks::Callbacks;
use crate::raw::{call, Cuda, Index};
use crate::{Backend, Input, Maps, Options, Policy, Result, Shape, Stats, StatsBuffers, Status, Strategy};
use std::os::raw::c_void;
use std::ptr::null_mut;

/// A planner for one shape with all the memory that planning needs: planning again and again allocates nothing.
///
/// ```
/// use eplb::{Context, Input, Maps, Options, Shape};
///
/// let shape = Shape::new().num_layers(1).num_logical_experts(4).num_physical_experts(6).num_gpus(2);
/// let mut context = Context::new(&shape, Options::new())?;
/// let mut expert_of_slot = [0i32; 6];
/// for loads in [[96.0, 30.0, 20.0, 10.0f32], [10.0, 20.0, 30.0, 96.0]] {
///     context.submit_weights(&Input::new(&loads))?;
///     context.get_maps(Maps::new().physical_to_logical(&mut expert_of_slot))?;
///     println!("{:?}", expert_of_slot);
/// }
/// # Ok::<(), eplb::Error>(())
/// ```
///
/// It is `Send` but not `Sync`, and its calls take `&mut self`, since it serves one call at a time; threads share one
/// as a `Mutex<Context>`:
///
/// ```compile_fail,E0277
/// fn share<T: Sync>() {}
/// share::<eplb::Context>();
/// ```
///
/// In the child of a fork every call answers [`Status::INVALID_STATE`]; dropping it there is allowed.
pub struct Context {
    /// Null only in `new`.
    raw: *mut eplb_sys::eplb_context,
    callbacks: Callbacks,
}

// SAFETY: the library asks only that calls of one context come one after the other. The callbacks are `Send`.
unsafe impl Send for Context {}

impl Context {
    /// Creates a context. It allocates all the memory that it will ever use, and starts its threads if `num_threads`
    /// is more than 1. With CUDA it must not be called while a graph is being captured.
    pub fn new(shape: &Shape<'_>, options: Options) -> Result<Self> {
        let raw_options = options.raw();
        let mut context = Context { raw: null_mut(), callbacks: options.callbacks };
        let raw = &mut context.raw;
        // SAFETY: the structs and what they point to are valid, the callbacks for as long as the context.
        context.callbacks.call(|error| unsafe { eplb_sys::eplb_create(&shape.raw.0, &raw_options, raw, error) })?;
        Ok(context)
    }

    /// The strategy that plans: what auto became.
    pub fn strategy(&self) -> Strategy {
        // SAFETY: the context is valid.
        Strategy::from_value(unsafe { eplb_sys::eplb_context_strategy(self.raw) })
    }

    /// Hierarchical or global: what auto became.
    pub fn policy(&self) -> Policy {
        // SAFETY: the context is valid.
        Policy::from_value(unsafe { eplb_sys::eplb_context_policy(self.raw) })
    }

    /// The backend that plans: what auto became.
    pub fn backend(&self) -> Backend {
        // SAFETY: the context is valid.
        Backend::from_value(unsafe { eplb_sys::eplb_context_backend(self.raw) })
    }

    /// Submits loads ("weights", as the field calls them) and plans. The plan is complete when the call returns; a call
    /// that fails leaves the previous plan readable. Does not allocate.
    pub fn submit_weights<M>(&mut self, input: &Input<'_, M>) -> Result<()> {
        let raw = self.raw;
        // SAFETY: the context is valid and borrowed by this call alone, as is true of all below; so are the buffers.
        self.callbacks.call(|error| unsafe { eplb_sys::eplb_submit_weights(raw, &input.raw.0, error) })
    }

    /// The largest number of slots that one expert has in the plan.
    pub fn get_max_replica_count(&mut self) -> Result<usize> {
        let mut count = 0;
        // SAFETY: see submit_weights.
        call(|error| unsafe { eplb_sys::eplb_get_max_replica_count(self.raw, &mut count, error) })?;
        Ok(count.try_into().unwrap_or(0))
    }

    /// Writes the plan into the buffers. Does not allocate.
    pub fn get_maps<I: Index, M>(&mut self, maps: Maps<'_, I, M>) -> Result<()> {
        // SAFETY: see submit_weights.
        call(|error| unsafe { eplb_sys::eplb_get_maps(self.raw, &maps.raw.0, error) })
    }

    /// Judges the plan under the loads it was made for. Does not allocate.
    pub fn get_stats(&mut self, buffers: StatsBuffers<'_>) -> Result<Stats> {
        // SAFETY: see submit_weights.
        buffers.filled(|stats| call(|error| unsafe { eplb_sys::eplb_get_stats(self.raw, stats, error) }))
    }

    /// [`submit_weights`](Self::submit_weights) on a CUDA stream: enqueues and returns. May be captured into a graph.
    /// Loads found to be bad on the device leave the destination of later gets untouched, and [`poll`](Self::poll) says
    /// so. The progress callback is not called.
    ///
    /// For a context whose backend is CUDA and whose memory is CUDA memory; any other answers
    /// [`Status::INVALID_STATE`].
    ///
    /// # Safety
    /// - `stream` is a `cudaStream_t` or `CUstream` of the context's device, or null for its default stream.
    /// - Launches of graphs into which the call was captured do not overlap with each other or with other work of the
    ///   context, and have finished before it is dropped. It is not dropped while a graph is being captured either.
    pub unsafe fn submit_weights_async(&mut self, input: &Input<'_, Cuda>, stream: *mut c_void) -> Result<()> {
        let raw = self.raw;
        // SAFETY: see submit_weights, and what the caller promises.
        self.callbacks.call(|error| unsafe { eplb_sys::eplb_submit_weights_async(raw, &input.raw.0, stream, error) })
    }

    /// [`get_maps`](Self::get_maps) on a CUDA stream: enqueues and returns. May be captured into a graph. That
    /// `max_replicas` is too small is found on the device: nothing is written to `logical_to_physical`, and
    /// [`poll`](Self::poll) says so.
    ///
    /// # Safety
    /// As for [`submit_weights_async`](Self::submit_weights_async).
    pub unsafe fn get_maps_async<I: Index>(&mut self, maps: Maps<'_, I, Cuda>, stream: *mut c_void) -> Result<()> {
        // SAFETY: see submit_weights, and what the caller promises.
        call(|error| unsafe { eplb_sys::eplb_get_maps_async(self.raw, &maps.raw.0, stream, error) })
    }

    /// Whether the last asynchronous submit and the gets after it have finished, or the error found on the device. Of
    /// what was captured into a graph, it tells of the last launch that has begun. Does not block and makes no CUDA
    /// call.
    pub fn poll(&self) -> Result<bool> {
        // SAFETY: the context is valid, and the library allows this call at any time.
        match call(|error| unsafe { eplb_sys::eplb_poll(self.raw, error) }) {
            Ok(()) => Ok(true),
            Err(error) if error.status() == Status::NOT_READY => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Context {
    /// Frees the context, after work it has on a stream.
    fn drop(&mut self) {
        if self.raw.is_null() {
            return;
        }
        // SAFETY: the context is valid, and this is its last use.
        unsafe { eplb_sys::eplb_destroy(self.raw) };
        if !std::thread::panicking() {
            self.callbacks.resume_panic();
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("strategy", &self.strategy())
            .field("policy", &self.policy())
            .field("backend", &self.backend())
            .finish()
    }
}
