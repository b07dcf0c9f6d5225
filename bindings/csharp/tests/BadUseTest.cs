// SPDX-License-Identifier: MIT
using System;
using Eplb;

/// <summary>What is wrong is an exception, and leaves everything as it was.</summary>
static unsafe class BadUseTest
{
    static readonly float[] Loads = Model.Loads();

    static void Plan(Shape shape, Options options = null)
    {
        Balancer.RebalanceExperts(shape, new Input(Loads), new Maps(), options);
    }

    [Test]
    static void Nulls()
    {
        Assert.Throws<ArgumentNullException>(() => new Context(null));
        Assert.Throws<ArgumentNullException>(() => Plan(null));
        Assert.Throws<ArgumentNullException>(() => Balancer.ReplicateExperts(null, new Input(Loads), new Maps()));
        Assert.Throws<ArgumentNullException>(() => Balancer.CheckPlacement(null, new Maps()));
        Assert.Throws<ArgumentNullException>(() => Balancer.ScorePlacement(null, new Input(Loads), new Maps()));
        Assert.Throws<ArgumentNullException>(() => Context.MemoryNeeded(null, null, out _, out _));
        Assert.Throws<ArgumentNullException>(() => Library.TryParseStrategy(null, out _));
        using (var context = new Context(Model.Shape))
        {
            Assert.Fails(Status.InvalidArgument, () => context.SubmitWeights(default(Input)));
            Assert.Fails(Status.InvalidArgument, () => context.SubmitWeights(new Input((float[])null)));
            Assert.Fails(Status.InvalidArgument, () => Balancer.CheckPlacement(Model.Shape, new Maps()));
        }
    }

    [Test]
    static void ShortAndEmptyBuffers()
    {
        using (var context = new Context(Model.Shape))
        {
            Assert.Fails(Status.BufferTooSmall, () => context.SubmitWeights(new Input(new float[0])));
            Assert.Fails(Status.BufferTooSmall, () => context.SubmitWeights(new Input(new float[Loads.Length - 1])));
            context.SubmitWeights(new Input(Loads));
            const int Slots = Model.Layers * Model.Slots;
            Assert.Fails(Status.BufferTooSmall, () => context.GetMaps(new Maps { PhysicalToLogical = new int[0] }));
            Assert.Fails(Status.BufferTooSmall,
                         () => context.GetMaps(new Maps { PhysicalToLogical = new int[Slots - 1] }));
            Assert.Fails(Status.BufferTooSmall, () => context.GetMaps(
                new Maps { PhysicalToLogical = new int[Slots], ReplicaRank = new int[1] }));
            Assert.Fails(Status.BufferTooSmall, () => context.GetStats(new StatsBuffers { GpuLoad = new double[3] }));
            Assert.Fails(Status.InvalidArgument, () => context.GetMaps(new Maps { LogicalToPhysical = new int[9999] }),
                         "maps without MaxReplicas");
            Assert.Fails(Status.BufferTooSmall, () => Balancer.BalancedPacking(
                new Input(Loads), new Packing(1, 8, 2) { PackIndex = new int[7] }));
        }
    }

    [Test]
    static void WrongTypes()
    {
        Assert.Throws<ArgumentException>(() => Balancer.RebalanceExperts(
            Model.Shape, new Input(Loads),
            new Maps { PhysicalToLogical = new int[Model.Layers * Model.Slots], ReplicaCount = new long[9999] }));
        Assert.Throws<ArgumentException>(() => Balancer.BalancedPacking(
            new Input(Loads), new Packing(1, 8, 2) { PackIndex = new int[8], RankInPack = new long[8] }));
        using (var context = new Context(Model.Shape, new Options { Strategy = Strategy.Search }))
        {
            Assert.Fails(Status.InvalidArgument, () => context.SubmitWeights(
                new Input(Loads) { Current = new float[Model.Layers * Model.Slots] }));
        }
    }

    [Test]
    static void BadLoadsLeaveThePlan()
    {
        using (var context = new Context(Model.Shape))
        {
            context.SubmitWeights(new Input(Loads));
            int[] plan = Model.Plan(context);
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity, -1f })
            {
                float[] loads = Model.Loads(1, 5);
                loads[Model.Experts + 7] = bad;
                Assert.Fails(Status.InvalidLoad, () => context.SubmitWeights(new Input(loads)));
                Assert.SameList(plan, Model.Plan(context), "plan");
            }
        }
    }

    [Test]
    static void ImpossibleShapesAndOptions()
    {
        Assert.Fails(Status.InvalidArgument, () => new Context(new Shape(0, 8, 8, 2)));
        Assert.Fails(Status.InvalidArgument, () => new Context(new Shape(1, 8, 4, 2)));
        Assert.Fails(Status.InvalidArgument, () => new Context(new Shape(int.MaxValue, int.MaxValue, 4, 2)));
        var shape = Model.Shape;
        shape.SlotsPerGpu = new[] { Model.Slots };
        Assert.Throws<EplbException>(() => Plan(shape), "an array that is too short");
        shape.SlotsPerGpu = new int[0];
        Assert.Throws<EplbException>(() => Plan(shape), "an empty array");
        shape = Model.Shape;
        shape.SpeedOfGpu = new float[Model.Gpus];
        Assert.Fails(Status.InvalidArgument, () => Plan(shape), "a speed of 0");
        Assert.Fails(Status.InvalidArgument, () => Plan(Model.Shape, new Options { Strategy = (Strategy)99 }));
        Assert.Fails(Status.InvalidArgument, () => Plan(Model.Shape, new Options { NumThreads = -1 }));
        Assert.Fails(Status.InvalidArgument, () => Plan(Model.Shape, new Options { Free = p => { } }), "free alone");
    }

    [Test]
    static void PlacementsThatAreWrong()
    {
        var slots = new int[Model.Layers * Model.Slots];
        Balancer.RebalanceExperts(Model.Shape, new Input(Loads), new Maps { PhysicalToLogical = slots });
        Balancer.CheckPlacement(Model.Shape, new Maps { PhysicalToLogical = slots });
        for (int slot = 0; slot < slots.Length; ++slot) slots[slot] = slot % Model.Slots % Model.Experts;
        slots[1] = slots[0];
        slots[1 + Model.Experts] = slots[0];
        Assert.Fails(Status.InvalidPlacement, () => Balancer.CheckPlacement(
            Model.Shape, new Maps { PhysicalToLogical = slots }), "a lost expert");
        slots[1 + Model.Experts] = 1;
        Balancer.CheckPlacement(Model.Shape, new Maps { PhysicalToLogical = slots });
        Assert.Fails(Status.InvalidPlacement, () => Balancer.CheckPlacement(
            Model.Shape, new Maps { PhysicalToLogical = slots }, CheckFlag.Duplicates), "a duplicate");
    }

    [Test]
    static void NoPlanYet()
    {
        using (var context = new Context(Model.Shape))
        {
            Assert.Fails(Status.InvalidState, () => Model.Plan(context));
            Assert.Fails(Status.InvalidState, () => context.GetStats());
            Assert.Fails(Status.InvalidState, () => context.GetMaxReplicaCount());
        }
    }

    [Test]
    static void UseAfterDispose()
    {
        var context = new Context(Model.Shape);
        context.SubmitWeights(new Input(Loads));
        context.Dispose();
        context.Dispose();
        var uses = new Action[]
        {
            () => context.SubmitWeights(new Input(Loads)), () => Model.Plan(context), () => context.GetStats(),
            () => context.GetMaxReplicaCount(), () => context.Poll(), () => context.EnqueueGetMaps(new Maps(), null),
            () => context.EnqueueSubmitWeights(new Input(Loads), null), () => context.Strategy.ToString(),
            () => context.Policy.ToString(), () => context.Backend.ToString()
        };
        foreach (Action use in uses) Assert.Throws<ObjectDisposedException>(use);
    }

    [Test]
    static void StreamsAndDeviceMemoryOfAContextOnTheCpu()
    {
        using (var context = new Context(Model.Shape))
        {
            var slots = new int[Model.Layers * Model.Slots];
            Assert.Fails(Status.InvalidState, () => context.EnqueueSubmitWeights(new Input(Loads), null));
            Assert.Fails(Status.InvalidState, () => context.EnqueueGetMaps(
                new Maps { PhysicalToLogical = slots }, null));
            Assert.Fails(Status.InvalidState, () => context.Poll());
            void* address = (void*)4096;
            Assert.Fails(Status.InvalidArgument, () => context.SubmitWeights(
                new Input(ReadOnlyBuffer.OnDevice(address, Loads.Length, ElementType.Float32))));
            context.SubmitWeights(new Input(Loads));
            Assert.Fails(Status.InvalidArgument, () => context.GetMaps(
                new Maps { PhysicalToLogical = IndexBuffer.OnDevice(address, slots.Length) }));
            Assert.Throws<ArgumentException>(() => context.GetMaps(
                new Maps { PhysicalToLogical = slots, ReplicaRank = IndexBuffer.OnDevice(address, slots.Length) }));
            Assert.Throws<ArgumentException>(() => context.SubmitWeights(
                new Input(Loads) { Current = ReadOnlyBuffer.OnDevice(address, slots.Length, ElementType.Int32) }));
            Assert.Throws<ArgumentOutOfRangeException>(() => ReadOnlyBuffer.OnDevice(address, -1, ElementType.Int32));
        }
    }
}
