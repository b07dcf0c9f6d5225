// SPDX-License-Identifier: MIT
using System;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>What to plan from.</summary>
    public unsafe ref struct Input
    {
        /// <summary>One sample of loads, without a current placement.</summary>
        /// <param name="loads">[S][L][E] tokens of each expert, finite and not negative.</param>
        public Input(ReadOnlyBuffer loads)
        {
            Loads = loads;
            NumSamples = 1;
            Seed = 0;
            Current = default(ReadOnlyBuffer);
            MaxChangesPerLayer = null;
            MaxChanges = null;
        }

        /// <summary>[S][L][E] tokens of each expert. Give tokens, not fractions. A layer without any load is no
        /// error.</summary>
        public ReadOnlyBuffer Loads { get; set; }
        /// <summary>S, loads of all layers recorded apart; default 1.</summary>
        public int NumSamples { get; set; }
        /// <summary>Seed of the random numbers of strategies with several candidates; default 0.</summary>
        public ulong Seed { get; set; }
        /// <summary>[L][P] int or long, the expert in each slot now, -1 for none: a search starts from there and moves
        /// what pays. Not given: plan from nothing. Search only.</summary>
        public ReadOnlyBuffer Current { get; set; }
        /// <summary>Most slots of a layer that may hold another expert than now; 0: the current placement is the plan;
        /// null (default): no limit.</summary>
        public int? MaxChangesPerLayer { get; set; }
        /// <summary>The same over all layers; null (default): no limit.</summary>
        public long? MaxChanges { get; set; }

        internal eplb_input ToRaw(byte* loads, byte* current)
        {
            eplb_input raw = Defaults.Input;
            raw.type = Loads.Type;
            raw.memory = Loads.Memory;
            raw.num_samples = NumSamples;
            raw.loads = loads;
            raw.loads_count = (UIntPtr)Loads.Count;
            raw.seed = Seed;
            if (current != null)
            {
                if (Current.Memory != Loads.Memory) throw new ArgumentException("Current and Loads differ in memory");
                raw.current = current;
                raw.current_count = (UIntPtr)Current.Count;
                raw.current_type = Current.Type;
            }
            if (MaxChangesPerLayer.HasValue) raw.max_changes_per_layer = MaxChangesPerLayer.Value;
            if (MaxChanges.HasValue) raw.max_changes = MaxChanges.Value;
            return raw;
        }
    }

    /// <summary>Buffers for a placement, written by a plan or read to be judged. Each may be left out; all that are
    /// given have one type.</summary>
    public unsafe ref struct Maps
    {
        /// <summary>[L][P] the expert in each slot; slots in order of gpu.</summary>
        public IndexBuffer PhysicalToLogical { get; set; }
        /// <summary>[L][P] which replica of its expert a slot holds, 0 the original.</summary>
        public IndexBuffer ReplicaRank { get; set; }
        /// <summary>[L][E] slots of each expert.</summary>
        public IndexBuffer ReplicaCount { get; set; }
        /// <summary>[L][E][X] slots of each expert, in order of replica rank, then -1.</summary>
        public IndexBuffer LogicalToPhysical { get; set; }
        /// <summary>X, last extent of <see cref="LogicalToPhysical"/>; P - E + 1 is always enough.</summary>
        public int MaxReplicas { get; set; }

        internal eplb_maps ToRaw(byte* physicalToLogical, byte* replicaRank, byte* replicaCount,
                                 byte* logicalToPhysical)
        {
            eplb_maps raw = Defaults.Maps;
            PhysicalToLogical.Alike(ReplicaRank).Alike(ReplicaCount).Alike(LogicalToPhysical)
                .SetKind(&raw.type, &raw.memory);
            raw.max_replicas = MaxReplicas;
            raw.physical_to_logical = physicalToLogical;
            raw.physical_to_logical_count = (UIntPtr)PhysicalToLogical.View.Count;
            raw.replica_rank = replicaRank;
            raw.replica_rank_count = (UIntPtr)ReplicaRank.View.Count;
            raw.replica_count = replicaCount;
            raw.replica_count_count = (UIntPtr)ReplicaCount.View.Count;
            raw.logical_to_physical = logicalToPhysical;
            raw.logical_to_physical_count = (UIntPtr)LogicalToPhysical.View.Count;
            return raw;
        }
    }

    /// <summary>A packing problem for each row, n items into m packs, exactly n / m in each, and the buffers for its
    /// solution. Each may be left out; both have one type.</summary>
    public unsafe ref struct Packing
    {
        /// <summary>A packing problem without buffers.</summary>
        public Packing(int numRows, int numItems, int numPacks)
        {
            NumRows = numRows;
            NumItems = numItems;
            NumPacks = numPacks;
            PackIndex = default(IndexBuffer);
            RankInPack = default(IndexBuffer);
        }

        /// <summary>X, independent problems.</summary>
        public int NumRows { get; set; }
        /// <summary>n, a multiple of m.</summary>
        public int NumItems { get; set; }
        /// <summary>m.</summary>
        public int NumPacks { get; set; }
        /// <summary>[X][n] pack of each item.</summary>
        public IndexBuffer PackIndex { get; set; }
        /// <summary>[X][n] seat of each item in its pack, heaviest first.</summary>
        public IndexBuffer RankInPack { get; set; }

        internal eplb_packing ToRaw(byte* packIndex, byte* rankInPack)
        {
            eplb_packing raw = Defaults.Packing;
            PackIndex.Alike(RankInPack).SetKind(&raw.type, &raw.memory);
            raw.num_rows = NumRows;
            raw.num_items = NumItems;
            raw.num_packs = NumPacks;
            raw.pack_index = packIndex;
            raw.pack_index_count = (UIntPtr)PackIndex.View.Count;
            raw.rank_in_pack = rankInPack;
            raw.rank_in_pack_count = (UIntPtr)RankInPack.View.Count;
            return raw;
        }
    }

    /// <summary>Buffers for statistics of each layer and gpu. Each may be left out.</summary>
    public unsafe ref struct StatsBuffers
    {
        /// <summary>[L] balancedness, 1 for a layer without load.</summary>
        public Span<double> LayerBalancedness { get; set; }
        /// <summary>[L][G] tokens of each gpu, mean over the samples.</summary>
        public Span<double> GpuLoad { get; set; }
        /// <summary>[L] the largest balancedness that a layer could have; see <see cref="Stats.Bound"/>.</summary>
        public Span<double> LayerBound { get; set; }

        internal eplb_stats ToRaw(double* layerBalancedness, double* gpuLoad, double* layerBound)
        {
            eplb_stats raw = Defaults.Stats;
            raw.layer_balancedness = layerBalancedness;
            raw.layer_balancedness_count = (UIntPtr)LayerBalancedness.Length;
            raw.gpu_load = gpuLoad;
            raw.gpu_load_count = (UIntPtr)GpuLoad.Length;
            raw.layer_bound = layerBound;
            raw.layer_bound_count = (UIntPtr)LayerBound.Length;
            return raw;
        }
    }

    /// <summary>How good a placement is under a load. Balancedness of a layer is mean load of the gpus that have slots
    /// / largest gpu load, 1 at best; where gpus have speeds, each load counts divided by the gpu's speed.</summary>
    public readonly struct Stats
    {
        internal Stats(in eplb_stats raw)
        {
            MaxReplicaCount = raw.max_replica_count;
            Balancedness = raw.balancedness;
            BalancednessMin = raw.balancedness_min;
            EmptyLayers = raw.empty_layers;
            Duplicates = raw.duplicates;
            Bound = raw.bound;
            Changes = raw.changes;
        }

        /// <summary>Most slots that one expert has.</summary>
        public int MaxReplicaCount { get; }
        /// <summary>Mean over the layers that have load; 1 if none has.</summary>
        public double Balancedness { get; }
        /// <summary>The least over the layers that have load; 1 if none has.</summary>
        public double BalancednessMin { get; }
        /// <summary>Layers without load in any sample.</summary>
        public long EmptyLayers { get; }
        /// <summary>Slots whose gpu holds the same expert in an earlier slot, all layers.</summary>
        public long Duplicates { get; }
        /// <summary>No placement on these gpus has larger balancedness; it need not be reached by any.</summary>
        public double Bound { get; }
        /// <summary>Slots that hold another expert than in <see cref="Input.Current"/>; 0 without one.</summary>
        public long Changes { get; }
    }
}
