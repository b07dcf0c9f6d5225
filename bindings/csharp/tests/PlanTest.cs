// SPDX-License-Identifier: MIT
using System;
using System.Linq;
using Eplb;

/// <summary>A small model, and what it is planned from.</summary>
static class Model
{
    public const int Layers = 3, Experts = 16, Slots = 24, Gpus = 8;

    public static Shape Shape => new Shape(Layers, Experts, Slots, Gpus);

    public static float[] Loads(int samples = 1, int seed = 1)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, samples * Layers * Experts).Select(i => (float)random.Next(1, 1000)).ToArray();
    }

    public static int[] Plan(Context context)
    {
        var slots = new int[Layers * Slots];
        context.GetMaps(new Maps { PhysicalToLogical = slots });
        return slots;
    }
}

/// <summary>What the idiomatic layer offers does what the header says.</summary>
static class PlanTest
{
    [Test]
    static void ContextPlansAsOneCallDoes()
    {
        float[] loads = Model.Loads();
        var options = new Options { Strategy = Strategy.LptSwapAny };
        var slots = new int[Model.Layers * Model.Slots];
        Stats stats = Balancer.RebalanceExperts(Model.Shape, new Input(loads), new Maps { PhysicalToLogical = slots },
                                                options);
        using (var context = new Context(Model.Shape, options))
        {
            Assert.Equal(Strategy.LptSwapAny, context.Strategy);
            Assert.Equal(Policy.Global, context.Policy);
            Assert.Equal(Backend.Cpu, context.Backend);
            for (int round = 0; round < 2; ++round)
            {
                context.SubmitWeights(new Input(loads));
                Assert.SameList(slots, Model.Plan(context), "plan");
            }
            Assert.Equal(stats.Balancedness, context.GetStats().Balancedness);
            Assert.Equal(stats.MaxReplicaCount, context.GetMaxReplicaCount());
        }
    }

    [Test]
    static void AllTypesOfLoadsGiveTheSamePlan()
    {
        float[] loads = Model.Loads();
        using (var context = new Context(Model.Shape))
        {
            context.SubmitWeights(new Input(loads));
            int[] plan = Model.Plan(context);
            var submits = new Action[]
            {
                () => context.SubmitWeights(new Input(loads.Select(x => (double)x).ToArray())),
                () => context.SubmitWeights(new Input(loads.Select(x => (int)x).ToArray())),
                () => context.SubmitWeights(new Input(loads.Select(x => (long)x).ToArray())),
                () => context.SubmitWeights(new Input(new Span<float>(loads))),
                () => context.SubmitWeights(new Input(new ReadOnlySpan<float>(loads)))
            };
            foreach (Action submit in submits)
            {
                context.SubmitWeights(new Input(Model.Loads(1, 9)));
                submit();
                Assert.SameList(plan, Model.Plan(context), "plan");
            }
        }
    }

    [Test]
    static void MapsAgreeWithEachOther()
    {
        using (var context = new Context(Model.Shape))
        {
            context.SubmitWeights(new Input(Model.Loads()));
            int replicas = context.GetMaxReplicaCount();
            var slots = new long[Model.Layers * Model.Slots];
            var ranks = new long[slots.Length];
            var counts = new long[Model.Layers * Model.Experts];
            var slotsOfExpert = new long[counts.Length * replicas];
            context.GetMaps(new Maps
            {
                PhysicalToLogical = slots, ReplicaRank = ranks, ReplicaCount = counts,
                LogicalToPhysical = slotsOfExpert, MaxReplicas = replicas
            });
            for (int slot = 0; slot < slots.Length; ++slot)
            {
                long expert = slot / Model.Slots * Model.Experts + slots[slot];
                Assert.Equal(slot % Model.Slots, slotsOfExpert[expert * replicas + ranks[slot]], "slot of a replica");
            }
            Assert.Equal(slots.Length, counts.Sum(), "number of replicas");
            Balancer.CheckPlacement(Model.Shape, new Maps
            {
                PhysicalToLogical = slots, ReplicaRank = ranks, ReplicaCount = counts,
                LogicalToPhysical = slotsOfExpert, MaxReplicas = replicas
            });
        }
    }

    [Test]
    static void BuffersMayBeLongerOrPartOfAnArray()
    {
        float[] loads = Model.Loads();
        float[] padded = new float[] { -1, -1 }.Concat(loads).Concat(new float[] { -1 }).ToArray();
        using (var context = new Context(Model.Shape))
        {
            context.SubmitWeights(new Input(loads));
            int[] plan = Model.Plan(context);
            context.SubmitWeights(new Input(new ReadOnlySpan<float>(padded, 2, loads.Length)));
            var all = Enumerable.Repeat(-7, plan.Length + 10).ToArray();
            context.GetMaps(new Maps { PhysicalToLogical = new Span<int>(all, 4, plan.Length) });
            Assert.SameList(plan, all.Skip(4).Take(plan.Length), "plan");
            Assert.True(all.Take(4).Concat(all.Skip(4 + plan.Length)).All(x => x == -7), "wrote beside the span");
        }
    }

    [Test]
    static void StatsFillTheBuffersThatAreGiven()
    {
        var layers = new double[Model.Layers];
        var bounds = new double[Model.Layers];
        var gpus = new double[Model.Layers * Model.Gpus];
        float[] loads = Model.Loads();
        var slots = new int[Model.Layers * Model.Slots];
        var buffers = new StatsBuffers { LayerBalancedness = layers, LayerBound = bounds, GpuLoad = gpus };
        Stats planned = Balancer.RebalanceExperts(Model.Shape, new Input(loads), new Maps { PhysicalToLogical = slots },
                                                  buffers: buffers);
        Assert.True(Math.Abs(layers.Average() - planned.Balancedness) < 1e-12, "mean of the layers is not the mean");
        Assert.Equal(layers.Min(), planned.BalancednessMin);
        Assert.True(Math.Abs(bounds.Average() - planned.Bound) < 1e-12, "mean of the bounds is not the bound");
        Assert.True(Math.Abs(gpus.Sum() - loads.Sum(x => (double)x)) < 1e-3, "gpus do not bear all load");
        Assert.Equal(0L, planned.EmptyLayers);

        Stats scored = Balancer.ScorePlacement(Model.Shape, new Input(loads), new Maps { PhysicalToLogical = slots });
        Assert.Equal(planned.Balancedness, scored.Balancedness);
        Stats idle = Balancer.ScorePlacement(Model.Shape, new Input(new float[loads.Length]),
                                             new Maps { PhysicalToLogical = slots });
        Assert.Equal((long)Model.Layers, idle.EmptyLayers);
    }

    [Test]
    static void SeveralSamples()
    {
        float[] loads = Model.Loads(4);
        using (var context = new Context(Model.Shape, new Options { MaxSamples = 4 }))
        {
            Assert.Equal(Strategy.Search, context.Strategy);
            context.SubmitWeights(new Input(loads) { NumSamples = 4 });
            int[] plan = Model.Plan(context);
            Stats stats = Balancer.ScorePlacement(Model.Shape, new Input(loads) { NumSamples = 4 },
                                                  new Maps { PhysicalToLogical = plan });
            Assert.Equal(stats.Balancedness, context.GetStats().Balancedness);
            Assert.Equal(0L, stats.Duplicates, "number of duplicates");
        }
    }

    [Test]
    static void CurrentPlacementAndBudgetOfChanges()
    {
        using (var context = new Context(Model.Shape, new Options { Strategy = Strategy.Search }))
        {
            context.SubmitWeights(new Input(Model.Loads(1, 1)));
            int[] current = Model.Plan(context);
            float[] now = Model.Loads(1, 2);

            context.SubmitWeights(new Input(now) { Current = current, MaxChangesPerLayer = 0 });
            Assert.SameList(current, Model.Plan(context), "plan without changes");
            Assert.Equal(0L, context.GetStats().Changes, "changes");

            context.SubmitWeights(new Input(now) { Current = current, MaxChanges = 5 });
            int changed = Model.Plan(context).Where((expert, slot) => expert != current[slot]).Count();
            Assert.True(changed > 0 && changed <= 5, $"{changed} slots changed");
            Assert.Equal((long)changed, context.GetStats().Changes, "changes");

            var wide = current.Select(x => (long)x).ToArray();
            int[] plan = Model.Plan(context);
            context.SubmitWeights(new Input(now) { Current = wide, MaxChanges = 5 });
            Assert.SameList(plan, Model.Plan(context), "plan from a current placement of longs");
        }
    }

    [Test]
    static void ClusterOfUnequalGpus()
    {
        var shape = Model.Shape;
        shape.NumNodes = 2;
        shape.SlotsPerGpu = new[] { 4, 4, 4, 4, 4, 2, 2, 0 };
        shape.SpeedOfGpu = new[] { 1f, 1, 1, 1, 2, 1, 1, 1 };
        shape.NodeOfGpu = new[] { 0, 1, 0, 1, 0, 1, 0, 1 };
        var gpus = new double[Model.Layers * Model.Gpus];
        var slots = new int[Model.Layers * Model.Slots];
        Stats stats = Balancer.RebalanceExperts(
            shape, new Input(Model.Loads()), new Maps { PhysicalToLogical = slots },
            new Options { Strategy = Strategy.Search }, new StatsBuffers { GpuLoad = gpus });
        for (int layer = 0; layer < Model.Layers; ++layer)
        {
            Assert.Equal(0.0, gpus[layer * Model.Gpus + 7], "load of the gpu without slots");
            Assert.True(gpus[layer * Model.Gpus + 4] > gpus[layer * Model.Gpus + 5], "the fast gpu has less load");
        }
        Assert.True(stats.Balancedness > 0.5 && stats.Balancedness <= stats.Bound + 1e-9, "balancedness is off");
    }

    [Test]
    static void StrategyOfOnesOwn()
    {
        var options = new Options
        {
            Strategy = Strategy.Lpt, Initial = Initial.Zigzag, Candidates = 4, Amplitude = 0.5f,
            AmplitudeForm = AmplitudeForm.Linear, SwapScope = SwapScope.None, Selection = Selection.MaxLoad,
            NumThreads = 2
        };
        var plans = new ulong[] { 3, 3, 4 }.Select(seed =>
        {
            var slots = new int[Model.Layers * Model.Slots];
            Balancer.RebalanceExperts(Model.Shape, new Input(Model.Loads()) { Seed = seed },
                                      new Maps { PhysicalToLogical = slots }, options);
            return slots;
        }).ToArray();
        Assert.SameList(plans[0], plans[1], "plan of the same seed");
        Assert.True(!plans[0].SequenceEqual(plans[2]), "the seed is of no account");
    }

    [Test]
    static void PartsOfAPlan()
    {
        var shape = Model.Shape;
        var slots = new int[Model.Layers * Model.Slots];
        var counts = new int[Model.Layers * Model.Experts];
        Balancer.ReplicateExperts(shape, new Input(Model.Loads()),
                                  new Maps { PhysicalToLogical = slots, ReplicaCount = counts });
        Assert.SameList(Enumerable.Range(0, Model.Experts), slots.Take(Model.Experts), "first slots");
        Assert.Equal(slots.Length, counts.Sum(), "number of replicas");

        var packs = new int[4];
        Balancer.BalancedPacking(new Input(new[] { 9, 1, 2, 8 }), new Packing(1, 4, 2) { PackIndex = packs });
        Assert.True(packs[0] == packs[1] && packs[2] == packs[3] && packs[0] != packs[2], "9 is not with 1");
    }

    [Test]
    static void MemoryNeeded()
    {
        Context.MemoryNeeded(Model.Shape, null, out ulong host, out ulong cuda);
        Assert.True(host > 0, "no host memory is needed");
        Assert.Equal(0ul, cuda, "device memory of the CPU backend");
        long allocated = 0;
        var options = new Options
        {
            Alloc = size =>
            {
                allocated += (long)size;
                return System.Runtime.InteropServices.Marshal.AllocHGlobal((IntPtr)(long)size);
            },
            Free = System.Runtime.InteropServices.Marshal.FreeHGlobal
        };
        using (new Context(Model.Shape, options)) Assert.Equal((long)host, allocated, "what was allocated");
    }

    [Test]
    static void LibraryTellsAboutItself()
    {
        Assert.True(Library.Version >= Eplb.Raw.Native.EPLB_VERSION, "the library is too old");
        Assert.True(Library.BuildInfo.Length > 0, "there is no build info");
        Assert.Equal(Enum.GetValues(typeof(Strategy)).Length, Library.StrategyCount, "number of strategies");
        Assert.Equal(Enum.GetValues(typeof(Backend)).Length, Library.BackendCount, "number of backends");
        foreach (Strategy strategy in Enum.GetValues(typeof(Strategy)))
        {
            Assert.True(Library.TryParseStrategy(Library.StrategyName(strategy), out Strategy parsed), "name unknown");
            Assert.Equal(strategy, parsed);
            Assert.True(Library.StrategyDescription(strategy).Length > 0, "there is no description");
        }
        Assert.True(!Library.TryParseStrategy("best", out _), "there is a strategy \"best\"");
        Assert.True(!Library.TryParseStrategy("lpt\0", out _), "a name ends at a 0");
        Assert.Equal<string>(null, Library.StrategyName((Strategy)99));
        Assert.Equal("EPLB_ERROR_CUDA", Library.StatusName(Status.Cuda));
        Assert.True(Library.StatusString(Status.Cuda).Length > 0, "there is no sentence");
        Assert.Equal("cpu", Library.BackendName(Backend.Cpu));
        Assert.True(Library.BackendAvailable(Backend.Cpu, out string reason) && reason == null, "there is no CPU");
        Assert.Equal(1, Library.DeviceCount(Backend.Cpu), "number of hosts");
        Assert.True(Library.DescribeDevice(Backend.Cpu, 0).Length > 0, "there is no description");
        Assert.Fails(Status.InvalidArgument, () => Library.DescribeDevice(Backend.Cpu, 1));
        if (!Library.BackendAvailable(Backend.Cuda, out reason))
        {
            Assert.True(reason.Length > 10, "it does not say why there is no CUDA");
            Assert.Fails(Status.Unavailable, () => new Context(Model.Shape, new Options { Backend = Backend.Cuda }));
        }
    }
}
