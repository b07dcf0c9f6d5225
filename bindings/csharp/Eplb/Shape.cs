// SPDX-License-Identifier: MIT
using System;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>The model's layers and experts, and the cluster they are placed on. Slots are numbered gpu by gpu. With
    /// a multiple of the gpus, each has as many; otherwise the first ones have one more, unless
    /// <see cref="SlotsPerGpu"/> says how many each has.</summary>
    public sealed unsafe class Shape
    {
        eplb_shape shape;

        /// <summary>A shape with one group and one node.</summary>
        public Shape(int numLayers, int numLogicalExperts, int numPhysicalExperts, int numGpus)
        {
            Library.Load();
            shape = Defaults.Shape;
            NumLayers = numLayers;
            NumLogicalExperts = numLogicalExperts;
            NumPhysicalExperts = numPhysicalExperts;
            NumGpus = numGpus;
        }

        /// <summary>L, MoE layers.</summary>
        public int NumLayers { get => shape.num_layers; set => shape.num_layers = value; }
        /// <summary>E, experts in a layer.</summary>
        public int NumLogicalExperts { get => shape.num_logical_experts; set => shape.num_logical_experts = value; }
        /// <summary>P, slots of a layer over all gpus; at least E.</summary>
        public int NumPhysicalExperts { get => shape.num_physical_experts; set => shape.num_physical_experts = value; }
        /// <summary>Router groups of consecutive experts; 1 (default) if the model has none.</summary>
        public int NumGroups { get => shape.num_groups; set => shape.num_groups = value; }
        /// <summary>Nodes, within which gpus have fast links; default 1.</summary>
        public int NumNodes { get => shape.num_nodes; set => shape.num_nodes = value; }
        /// <summary>G, gpus over all nodes.</summary>
        public int NumGpus { get => shape.num_gpus; set => shape.num_gpus = value; }

        /// <summary>[G] slots of each gpu, P in all; 0 for one that is dead or leaving. Null: as equal as
        /// can be.</summary>
        public int[] SlotsPerGpu { get; set; }
        /// <summary>[G] relative speeds, 0.001 to 1000: what a gpu has to bear is its load / its speed. Null: all are
        /// alike.</summary>
        public float[] SpeedOfGpu { get; set; }
        /// <summary>[G] the node of each gpu. Null: G / NumNodes gpus each, in order.</summary>
        public int[] NodeOfGpu { get; set; }

        /// <summary>For a call to read, whatever other threads set meanwhile.</summary>
        internal Shape Copy() => (Shape)MemberwiseClone();

        internal eplb_shape ToRaw(int* slotsPerGpu, float* speedOfGpu, int* nodeOfGpu)
        {
            eplb_shape raw = shape;
            raw.slots_per_gpu = slotsPerGpu;
            raw.slots_per_gpu_count = (UIntPtr)(SlotsPerGpu?.Length ?? 0);
            raw.speed_of_gpu = speedOfGpu;
            raw.speed_of_gpu_count = (UIntPtr)(SpeedOfGpu?.Length ?? 0);
            raw.node_of_gpu = nodeOfGpu;
            raw.node_of_gpu_count = (UIntPtr)(NodeOfGpu?.Length ?? 0);
            return raw;
        }
    }
}
