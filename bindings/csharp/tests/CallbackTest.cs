// SPDX-License-Identifier: MIT
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Eplb;

/// <summary>Callbacks are called, and what they throw comes out of the call that they belong to.</summary>
static class CallbackTest
{
    sealed class MyException : Exception
    {
    }

    [Test]
    static void LogAndProgress()
    {
        var lines = new List<string>();
        long last = 0, all = 0;
        var options = new Options
        {
            LogLevel = LogLevel.Debug,
            Log = (level, line) => lines.Add($"{level}: {line}"),
            Progress = (done, total) =>
            {
                last = done;
                all = total;
                return true;
            }
        };
        using (var context = new Context(Model.Shape, options))
        {
            GC.Collect();
            context.SubmitWeights(new Input(Model.Loads()));
        }
        Assert.True(lines.Any(line => line.StartsWith("Info: ")), "creating a context logs nothing");
        Assert.True(lines.Any(line => line.StartsWith("Debug: ")), "planning logs nothing");
        Assert.True(all > 0 && last == all, $"progress ended at {last} of {all}");
    }

    [Test]
    static void ProgressCancels()
    {
        bool goOn = true;
        using (var context = new Context(Model.Shape, new Options { Progress = (done, total) => goOn }))
        {
            context.SubmitWeights(new Input(Model.Loads()));
            int[] plan = Model.Plan(context);
            goOn = false;
            Assert.Fails(Status.Cancelled, () => context.SubmitWeights(new Input(Model.Loads(1, 2))));
            Assert.SameList(plan, Model.Plan(context), "plan");
            goOn = true;
            context.SubmitWeights(new Input(Model.Loads(1, 2)));
        }
    }

    [Test]
    static void ProgressThatThrowsCancels()
    {
        bool fail = false;
        int calls = 0;
        var options = new Options
        {
            Progress = (done, total) =>
            {
                ++calls;
                if (fail) throw new MyException();
                return true;
            }
        };
        using (var context = new Context(Model.Shape, options))
        {
            context.SubmitWeights(new Input(Model.Loads()));
            int[] plan = Model.Plan(context);
            fail = true;
            calls = 0;
            var e = Assert.Throws<MyException>(() => context.SubmitWeights(new Input(Model.Loads(1, 2))));
            Assert.True(e.StackTrace.Contains(nameof(ProgressThatThrowsCancels)), "the place of the throw is lost");
            Assert.Equal(1, calls, "number of calls");
            Assert.SameList(plan, Model.Plan(context), "plan");
        }
        Assert.Throws<MyException>(() => Balancer.RebalanceExperts(Model.Shape, new Input(Model.Loads()), new Maps(),
                                                                   options));
        // Nothing of it is left for the next call.
        Balancer.RebalanceExperts(Model.Shape, new Input(Model.Loads()), new Maps());
    }

    [Test]
    static void CancellationToken()
    {
        using (var source = new CancellationTokenSource())
        {
            var options = new Options
            {
                Progress = (done, total) =>
                {
                    source.Token.ThrowIfCancellationRequested();
                    return true;
                }
            };
            source.Cancel();
            Assert.Throws<OperationCanceledException>(() => Balancer.RebalanceExperts(
                Model.Shape, new Input(Model.Loads()), new Maps(), options));
        }
    }

    [Test]
    static void LogThatThrows()
    {
        var memory = new CountedMemory();
        Options options = memory.Options;
        options.Log = (level, line) => { throw new MyException(); };
        Assert.Throws<MyException>(() => new Context(Model.Shape, options));
        Assert.Equal(0, memory.Live, "pieces of memory that are left");
    }

    [Test]
    static void AllocThatThrowsOrFails()
    {
        var options = new Options { Alloc = size => { throw new MyException(); }, Free = p => { } };
        Assert.Throws<MyException>(() => new Context(Model.Shape, options));
        options.Alloc = size => IntPtr.Zero;
        Assert.Fails(Status.OutOfMemory, () => new Context(Model.Shape, options));
    }

    [Test]
    static void FreeThatThrowsIsIgnored()
    {
        Options options = new CountedMemory().Options;
        Action<IntPtr> free = options.Free;
        options.Free = p =>
        {
            free(p);
            throw new MyException();
        };
        new Context(Model.Shape, options).Dispose();
        Balancer.RebalanceExperts(Model.Shape, new Input(Model.Loads()), new Maps());
    }

    [Test]
    static void SameContextInACallbackIsRefused()
    {
        Context context = null;
        EplbException refused = null;
        var options = new Options
        {
            Progress = (done, total) =>
            {
                refused = Assert.Throws<EplbException>(() => context.GetStats());
                return true;
            }
        };
        using (context = new Context(Model.Shape, options)) context.SubmitWeights(new Input(Model.Loads()));
        Assert.Equal(Status.InvalidState, refused.Status);
    }

    [Test]
    static void AnotherContextInACallbackIsNot()
    {
        var throwing = new Options { Progress = (done, total) => { throw new MyException(); } };
        using (var other = new Context(Model.Shape, throwing))
        {
            var options = new Options
            {
                Progress = (done, total) =>
                {
                    Assert.Throws<MyException>(() => other.SubmitWeights(new Input(Model.Loads())));
                    return true;
                }
            };
            Balancer.RebalanceExperts(Model.Shape, new Input(Model.Loads()), new Maps(), options);
        }
    }
}
