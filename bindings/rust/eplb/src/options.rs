// SPDX-License-Identifier: MIT
use crate::callbacks::{Allocator, Callbacks};
use crate::enums::*;
use crate::raw::{int32, with_defaults, Raw};
use std::convert::identity;
use std::ops::ControlFlow;
use std::os::raw::c_void;

/// How to plan. What is not set is as the library has it.
///
/// ```
/// use eplb::{Options, Strategy};
/// let options = Options::new().strategy(Strategy::LPT_SWAP_ANY).num_threads(4);
/// ```
///
/// Callbacks run on the thread that makes the call, while it makes it. One that panics does not unwind through the
/// library: the call goes to its end, or, in the progress callback, is cancelled, and the panic then goes on from it.
#[must_use]
pub struct Options {
    raw: Raw<eplb_sys::eplb_options>,
    pub(crate) callbacks: Callbacks,
}

/// Setters that convert nothing but their value.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $convert:expr;)*) => {
        $($(#[$doc])*
        pub fn $name(mut self, $name: $type) -> Self {
            self.raw.0.$name = $convert($name);
            self
        })*
    };
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Options { raw: with_defaults!(eplb_options, eplb_options_init), callbacks: Callbacks::new() }
    }

    setters! {
        /// How a placement is found; default auto.
        strategy: Strategy => Strategy::value;
        /// What counts as a locality boundary; default auto.
        policy: Policy => Policy::value;
        /// Where a plan is computed; default auto.
        backend: Backend => Backend::value;
        /// Where the buffers are that a context will be given; default host.
        memory: Memory => Memory::value;
        /// CUDA device number; default the calling thread's current one. Unused on the CPU.
        device: usize => int32;
        /// Threads of the CPU backend, the caller's included; default 1; 0: all that the caller's affinity mask
        /// allows. At most 1024.
        num_threads: usize => int32;
        /// Largest number of samples in one submit; default 1. Calls without a context do not need it.
        max_samples: usize => int32;
        /// First packing. This and the next six mix a strategy of your own; the rest stays as the preset has it.
        initial: Initial => Initial::value;
        /// Attempts at each packing problem; more than 1 draws random numbers. At most 65535.
        candidates: usize => int32;
        /// Largest relative perturbation of the sort keys, more than 0.
        amplitude: f32 => identity;
        /// How strongly each candidate is perturbed.
        amplitude_form: AmplitudeForm => AmplitudeForm::value;
        /// Which two items may change places.
        swap_scope: SwapScope => SwapScope::value;
        /// Most swaps in one attempt. At most 65535.
        max_swaps: usize => int32;
        /// Which candidate is the best.
        selection: Selection => Selection::value;
        /// The most that is sent to the log callback; default info.
        log_level: LogLevel => LogLevel::value;
        /// Most steps of a search in each layer, or in each node of a layer; 0: 3 for each gpu, 4 where samples are
        /// kept apart. At most 65535.
        search_steps: usize => int32;
        /// What becomes of several samples.
        samples: Samples => Samples::value;
        /// Whether two replicas of an expert may be on one gpu.
        duplicates: Duplicates => Duplicates::value;
        /// What a search makes small.
        objective: Objective => Objective::value;
    }

    /// Is given each log line. Without it the library prints nothing anywhere.
    pub fn log(mut self, log: impl FnMut(LogLevel, &str) + Send + 'static) -> Self {
        self.callbacks.get_mut().log = Some(Box::new(log));
        self
    }

    /// Is told how many units of work are finished, of how many; its answer is whether to go on. Cancelling leaves the
    /// outputs and the previous plan as they were.
    pub fn progress(mut self, progress: impl FnMut(i64, i64) -> ControlFlow<()> + Send + 'static) -> Self {
        self.callbacks.get_mut().progress = Some(Box::new(progress));
        self
    }

    /// Gives the host memory that a context, or a call without one, takes; default the C library's `malloc`.
    pub fn allocator(mut self, allocator: impl Allocator + 'static) -> Self {
        self.callbacks.get_mut().allocator = Some(Box::new(allocator));
        self
    }

    /// Memory of the CUDA device for the context to work in, at least as much as
    /// [`memory_needed`](crate::memory_needed) says; without it the context allocates its own.
    ///
    /// # Safety
    /// `workspace` points to `bytes` of memory of the context's CUDA device, which nothing else uses until the context
    /// is dropped.
    pub unsafe fn workspace(mut self, workspace: *mut c_void, bytes: usize) -> Self {
        self.raw.0.workspace = workspace;
        self.raw.0.workspace_bytes = bytes;
        self
    }

    /// The struct of the header without the callbacks, for a call that makes no use of them.
    pub(crate) fn silent(&self) -> &eplb_sys::eplb_options {
        &self.raw.0
    }

    /// The struct of the header. What it points to lives as long as `callbacks`.
    pub(crate) fn raw(&self) -> eplb_sys::eplb_options {
        let mut raw = self.raw.0;
        self.callbacks.install(&mut raw);
        raw
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.raw.fmt(f)
    }
}
