// SPDX-License-Identifier: MIT
using System;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>What needs no context: a plan in one call, the parts of a plan, and judging any placement. Buffers are
    /// in host memory. Each call allocates what it needs and frees it before it returns, and may run on any number of
    /// threads at once.</summary>
    public static unsafe class Balancer
    {
        /// <summary>Plans a placement: what DeepSeek's function of this name does.</summary>
        /// <param name="shape">What to place on what.</param>
        /// <param name="input">The loads.</param>
        /// <param name="maps">Buffers for the plan.</param>
        /// <param name="options">How; null: the defaults.</param>
        /// <param name="buffers">Buffers for statistics of each layer and gpu.</param>
        /// <returns>The plan's statistics under these loads.</returns>
        public static Stats RebalanceExperts(Shape shape, Input input, Maps maps, Options options = null,
                                             StatsBuffers buffers = default(StatsBuffers))
        {
            if (shape == null) throw new ArgumentNullException(nameof(shape));
            return new Stats(Call.Of(
                a => Native.eplb_rebalance_experts(a->shape, a->options, a->input, a->maps, a->stats, a->error),
                shape: shape, options: options, input: input, maps: maps, stats: buffers).stats);
        }

        /// <summary>Packs items so that the loads of the packs are as equal as the strategy gets them.</summary>
        /// <param name="input">Loads of the items, [S][X][n].</param>
        /// <param name="packing">The problem and the buffers for its solution.</param>
        /// <param name="options">How; null: the defaults.</param>
        public static void BalancedPacking(Input input, Packing packing, Options options = null)
        {
            Call.Of(a => Native.eplb_balanced_packing(a->options, a->input, a->packing, a->error),
                    options: options, input: input, packing: packing);
        }

        /// <summary>Gives each expert a slot, and each further slot to the expert with the largest load per replica.
        /// Slots are in that order: experts first, then the extra replicas.</summary>
        /// <param name="shape">Layers, experts and slots; the rest is not looked at.</param>
        /// <param name="input">The loads.</param>
        /// <param name="maps">Buffers.</param>
        /// <param name="options">Threads and callbacks; null: the defaults.</param>
        public static void ReplicateExperts(Shape shape, Input input, Maps maps, Options options = null)
        {
            if (shape == null) throw new ArgumentNullException(nameof(shape));
            Call.Of(a => Native.eplb_replicate_experts(a->shape, a->options, a->input, a->maps, a->error),
                    shape: shape, options: options, input: input, maps: maps);
        }

        /// <summary>Checks a placement: every slot holds an expert, every expert has a slot, and the other maps, where
        /// given, say the same as PhysicalToLogical. Throws <see cref="Status.InvalidPlacement"/> with the first place
        /// that is wrong.</summary>
        /// <param name="shape">Layers, experts, slots, gpus.</param>
        /// <param name="maps">PhysicalToLogical, and any of the others.</param>
        /// <param name="flags">What to look at besides.</param>
        public static void CheckPlacement(Shape shape, Maps maps, CheckFlag flags = 0)
        {
            if (shape == null) throw new ArgumentNullException(nameof(shape));
            Call.Of(a => Native.eplb_check_placement(a->shape, a->maps, a->flags, a->error),
                    shape: shape, maps: maps, flags: flags);
        }

        /// <summary>Judges a placement under any load, also one it was not planned for. Checks it first.</summary>
        /// <param name="shape">Layers, experts, slots, gpus.</param>
        /// <param name="input">The loads, and a current placement to count changes from.</param>
        /// <param name="maps">PhysicalToLogical, and any of the others.</param>
        /// <param name="buffers">Buffers for statistics of each layer and gpu.</param>
        public static Stats ScorePlacement(Shape shape, Input input, Maps maps,
                                           StatsBuffers buffers = default(StatsBuffers))
        {
            if (shape == null) throw new ArgumentNullException(nameof(shape));
            return new Stats(Call.Of(
                a => Native.eplb_score_placement(a->shape, a->input, a->maps, a->stats, a->error),
                shape: shape, input: input, maps: maps, stats: buffers).stats);
        }
    }
}
