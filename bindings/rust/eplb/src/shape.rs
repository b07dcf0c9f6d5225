// SPDX-License-Identifier: MIT
use crate::raw::{int32, with_defaults, Raw};
use std::marker::PhantomData;

/// The model's layers and experts, and the cluster they are placed on. Every extent is 1 to 65535. Slots are numbered
/// gpu by gpu, and shared out evenly: if they are not a multiple of the gpus, the first gpus have one more.
///
/// ```
/// let shape = eplb::Shape::new().num_layers(58).num_logical_experts(256).num_physical_experts(288).num_gpus(32);
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Shape<'a> {
    pub(crate) raw: Raw<eplb_sys::eplb_shape>,
    arrays: PhantomData<&'a ()>,
}

impl<'a> Shape<'a> {
    /// 1 group, 1 node; the rest is to be set.
    pub fn new() -> Self {
        Shape { raw: with_defaults!(eplb_shape, eplb_shape_init), arrays: PhantomData }
    }

    /// L, MoE layers.
    pub fn num_layers(mut self, count: usize) -> Self {
        self.raw.0.num_layers = int32(count);
        self
    }

    /// E, experts in a layer.
    pub fn num_logical_experts(mut self, count: usize) -> Self {
        self.raw.0.num_logical_experts = int32(count);
        self
    }

    /// P, slots of a layer over all gpus; at least E.
    pub fn num_physical_experts(mut self, count: usize) -> Self {
        self.raw.0.num_physical_experts = int32(count);
        self
    }

    /// Router groups of consecutive experts; 1 if the model has none.
    pub fn num_groups(mut self, count: usize) -> Self {
        self.raw.0.num_groups = int32(count);
        self
    }

    /// Nodes, within which gpus have fast links.
    pub fn num_nodes(mut self, count: usize) -> Self {
        self.raw.0.num_nodes = int32(count);
        self
    }

    /// G, gpus over all nodes, numbered node by node unless [`node_of_gpu`](Self::node_of_gpu) says otherwise.
    pub fn num_gpus(mut self, count: usize) -> Self {
        self.raw.0.num_gpus = int32(count);
        self
    }

    /// Slots of each gpu, P in all; 0 for one that is dead or leaving.
    pub fn slots_per_gpu(mut self, slots: &'a [i32]) -> Self {
        self.raw.0.slots_per_gpu = slots.as_ptr();
        self.raw.0.slots_per_gpu_count = slots.len();
        self
    }

    /// Relative speeds, 0.001 to 1000: what a gpu has to bear is its load / its speed.
    pub fn speed_of_gpu(mut self, speeds: &'a [f32]) -> Self {
        self.raw.0.speed_of_gpu = speeds.as_ptr();
        self.raw.0.speed_of_gpu_count = speeds.len();
        self
    }

    /// The node of each gpu, from 0.
    pub fn node_of_gpu(mut self, nodes: &'a [i32]) -> Self {
        self.raw.0.node_of_gpu = nodes.as_ptr();
        self.raw.0.node_of_gpu_count = nodes.len();
        self
    }
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self::new()
    }
}
