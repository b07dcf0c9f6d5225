// SPDX-License-Identifier: MIT
use crate::raw::{with_defaults, Raw};
use crate::Result;
use std::marker::PhantomData;

/// How good a placement is under a load. The load of an expert is shared equally by its replicas. Balancedness of a
/// layer is mean load of the gpus that have slots / largest gpu load, 1 at best; over several samples, the mean over
/// those in which the layer has load. Where gpus have speeds, what counts is load / speed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Most slots that one expert has.
    pub max_replica_count: usize,
    /// Mean over the layers that have load; 1 if none has.
    pub balancedness: f64,
    /// Its least over those layers; 1 if none has load.
    pub balancedness_min: f64,
    /// No placement on these gpus has larger balancedness; it need not be reached by any.
    pub bound: f64,
    /// Layers without load in any sample.
    pub empty_layers: i64,
    /// Slots whose gpu holds the same expert in an earlier slot, all layers.
    pub duplicates: i64,
    /// Slots that hold another expert than in the input's current placement; 0 without one.
    pub changes: i64,
}

/// Buffers for what [`Stats`] sums up, of which you set those that you want.
#[derive(Debug)]
#[must_use]
pub struct StatsBuffers<'a> {
    raw: Raw<eplb_sys::eplb_stats>,
    buffers: PhantomData<&'a mut [f64]>,
}

impl<'a> StatsBuffers<'a> {
    /// No buffers.
    pub fn new() -> Self {
        StatsBuffers { raw: with_defaults!(eplb_stats, eplb_stats_init), buffers: PhantomData }
    }

    /// `[L]` balancedness of each layer, 1 for one without load.
    pub fn layer_balancedness(mut self, buffer: &'a mut [f64]) -> Self {
        self.raw.0.layer_balancedness = buffer.as_mut_ptr();
        self.raw.0.layer_balancedness_count = buffer.len();
        self
    }

    /// `[L][G]` tokens of each gpu, mean over the samples.
    pub fn gpu_load(mut self, buffer: &'a mut [f64]) -> Self {
        self.raw.0.gpu_load = buffer.as_mut_ptr();
        self.raw.0.gpu_load_count = buffer.len();
        self
    }

    /// `[L]` bound of each layer, 1 for one without load.
    pub fn layer_bound(mut self, buffer: &'a mut [f64]) -> Self {
        self.raw.0.layer_bound = buffer.as_mut_ptr();
        self.raw.0.layer_bound_count = buffer.len();
        self
    }

    /// What a call fills in.
    pub(crate) fn filled(mut self, call: impl FnOnce(*mut eplb_sys::eplb_stats) -> Result<()>) -> Result<Stats> {
        call(&mut self.raw.0)?;
        let raw = self.raw.0;
        Ok(Stats {
            max_replica_count: raw.max_replica_count.try_into().unwrap_or(0),
            balancedness: raw.balancedness,
            balancedness_min: raw.balancedness_min,
            bound: raw.bound,
            empty_layers: raw.empty_layers,
            duplicates: raw.duplicates,
            changes: raw.changes,
        })
    }
}

impl Default for StatsBuffers<'_> {
    fn default() -> Self {
        Self::new()
    }
}
