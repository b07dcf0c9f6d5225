// SPDX-License-Identifier: MIT
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;
using Eplb;

/// <summary>Memory for contexts that knows what is live, on any thread.</summary>
sealed class CountedMemory
{
    readonly HashSet<IntPtr> live = new HashSet<IntPtr>();
    int total, strange;

    public Options Options => new Options { Alloc = Alloc, Free = Free };

    public int Live => Locked(() => live.Count);
    public int Total => Locked(() => total);

    /// <summary>Pieces that were freed, but not live.</summary>
    public int Strange => Locked(() => strange);

    IntPtr Alloc(ulong size)
    {
        IntPtr piece = Marshal.AllocHGlobal((IntPtr)(long)size);
        lock (live)
        {
            ++total;
            live.Add(piece);
        }
        return piece;
    }

    void Free(IntPtr piece)
    {
        lock (live)
        {
            if (!live.Remove(piece))
            {
                ++strange;
                return;
            }
        }
        Marshal.FreeHGlobal(piece);
    }

    int Locked(Func<int> read)
    {
        lock (live) return read();
    }
}

/// <summary>A context is freed exactly once, and never under a call.</summary>
static class LifetimeTest
{
    static readonly List<Context> LeftAtExit = new List<Context>();

    static void OnAnotherThread(Action action)
    {
        var thread = new Thread(() => action());
        thread.Start();
        thread.Join();
    }

    [Test]
    static void DisposeFreesOnce()
    {
        var memory = new CountedMemory();
        var context = new Context(Model.Shape, memory.Options);
        Assert.Equal(1, memory.Live, "pieces of memory");
        context.Dispose();
        context.Dispose();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(1, memory.Total, "pieces of memory");
        Assert.Equal(0, memory.Live, "pieces that are left");
        Assert.Equal(0, memory.Strange, "pieces freed twice");
    }

    [Test]
    static void DroppedContextsAreFreedOnce()
    {
        const int Contexts = 50;
        var memory = new CountedMemory();
        // The collector may take what is left on a stack for a reference, so they live on stacks that are gone then.
        for (int i = 0; i < Contexts; ++i)
        {
            OnAnotherThread(() => new Context(Model.Shape, memory.Options).SubmitWeights(new Input(Model.Loads())));
        }
        for (int i = 0; i < 100 && memory.Live > 0; ++i)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.Equal(Contexts, memory.Total, "pieces of memory");
        Assert.Equal(0, memory.Live, "pieces that are left");
        Assert.Equal(0, memory.Strange, "pieces freed twice");
    }

    [Test]
    static void ContextsThatAreNotCreatedLeaveNothing()
    {
        var memory = new CountedMemory();
        for (int i = 0; i < 10; ++i)
        {
            Assert.Fails(Status.InvalidArgument, () => new Context(new Shape(1, 8, 4, 2), memory.Options));
        }
        Assert.Equal(0, memory.Live, "pieces that are left");
    }

    [Test]
    static void ContextLeftAtExitDoesNotCrash()
    {
        var memory = new CountedMemory();
        LeftAtExit.Add(new Context(Model.Shape, memory.Options));
        Assert.Equal(1, memory.Live, "pieces of memory");
    }

    /// <summary>A call that waits in its progress callback until <paramref name="meanwhile"/> is done.</summary>
    static Exception DuringACall(CountedMemory memory, Action<Context> meanwhile)
    {
        using (var inside = new ManualResetEvent(false))
        using (var goOn = new ManualResetEvent(false))
        {
            Options options = memory.Options;
            options.Progress = (done, total) =>
            {
                inside.Set();
                return goOn.WaitOne();
            };
            Exception thrown = null;
            using (var context = new Context(Model.Shape, options))
            {
                var caller = new Thread(() =>
                {
                    try
                    {
                        context.SubmitWeights(new Input(Model.Loads()));
                    }
                    catch (Exception e)
                    {
                        thrown = e;
                    }
                });
                caller.Start();
                inside.WaitOne();
                try
                {
                    meanwhile(context);
                }
                finally
                {
                    goOn.Set();
                    caller.Join();
                }
            }
            return thrown;
        }
    }

    [Test]
    static void SecondThreadIsRefused()
    {
        Exception thrown = DuringACall(new CountedMemory(), context =>
        {
            Assert.Fails(Status.InvalidState, () => context.SubmitWeights(new Input(Model.Loads())));
            Assert.Fails(Status.InvalidState, () => Model.Plan(context));
            Assert.Equal(Backend.Cpu, context.Backend);
        });
        Assert.Equal(null, thrown, "what the first call threw");
    }

    [Test]
    static void DisposeDuringACallWaitsForItsEnd()
    {
        var memory = new CountedMemory();
        Context disposed = null;
        Exception thrown = DuringACall(memory, context =>
        {
            disposed = context;
            context.Dispose();
            Assert.Equal(1, memory.Live, "pieces of memory during the call");
        });
        Assert.Throws<ObjectDisposedException>(() => disposed.GetStats());
        Assert.Equal(null, thrown, "what the call threw");
        Assert.Equal(0, memory.Live, "pieces that are left");
        Assert.Equal(0, memory.Strange, "pieces freed twice");
    }

    [Test]
    static void CollectionsDuringCalls()
    {
        bool stop = false;
        var collector = new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                GC.Collect(0);
                Thread.Sleep(1);
            }
        });
        collector.Start();
        try
        {
            using (var context = new Context(Model.Shape, new Options { Progress = (done, total) => true }))
            {
                context.SubmitWeights(new Input(Model.Loads()));
                int[] plan = Model.Plan(context);
                for (int i = 0; i < 500; ++i)
                {
                    context.SubmitWeights(new Input(Model.Loads()));
                    Assert.SameList(plan, Model.Plan(context), "plan");
                }
            }
        }
        finally
        {
            Volatile.Write(ref stop, true);
            collector.Join();
        }
    }
}
