// SPDX-License-Identifier: MIT
using System;
using System.Collections.Generic;
using System.Linq;
using Eplb;

/// <summary>Every plan of golden_plans.json, in every combination of types and threads.</summary>
static class GoldenTest
{
    [Test]
    static void EveryPlan()
    {
        int plans = 0;
        foreach (Json problem in Json.Parse(Runner.Read("tests/conformance/golden_plans.json"))["cases"].Items)
        {
            foreach (string strategy in problem["want"].Members.Keys)
            {
                foreach (bool floatLoads in new[] { false, true })
                foreach (bool wideMaps in new[] { false, true })
                foreach (int threads in new[] { 1, 2 })
                {
                    Check(problem, strategy, floatLoads, wideMaps, threads);
                    ++plans;
                }
            }
        }
        Assert.True(plans > 0, "there are no plans");
    }

    static void Check(Json problem, string strategy, bool floatLoads, bool wideMaps, int threads)
    {
        Assert.True(Library.TryParseStrategy(strategy, out Strategy value), $"there is no strategy {strategy}");
        var options = new Options { Strategy = value, NumThreads = threads };
        var loads = problem["loads"].Flat;
        Input input = floatLoads ? new Input(loads.Select(x => (float)x).ToArray())
                                 : new Input(loads.Select(x => (long)x).ToArray());
        int rows = problem["loads"].Items.Count;
        int columns = problem["loads"].Items[0].Items.Count;
        var got = problem["kind"].Text == "pack" ? Pack(problem, rows, columns, input, options, wideMaps)
                                                 : Rebalance(problem, rows, columns, input, options, wideMaps);
        foreach (var want in problem["want"][strategy].Members)
        {
            Assert.SameList(want.Value.Flat.Select(x => (long)x), got[want.Key].Values,
                            $"{want.Key} of {problem["name"].Text}, {strategy}, {threads} threads");
        }
    }

    static Dictionary<string, Output> Pack(Json problem, int rows, int columns, Input input, Options options, bool wide)
    {
        var index = new Output(rows * columns, wide);
        var rank = new Output(rows * columns, wide);
        var packing = new Packing(rows, columns, problem["packs"].Int)
        {
            PackIndex = index.Buffer, RankInPack = rank.Buffer
        };
        Balancer.BalancedPacking(input, packing, options);
        return new Dictionary<string, Output> { ["pack_index"] = index, ["rank_in_pack"] = rank };
    }

    static Dictionary<string, Output> Rebalance(Json problem, int rows, int columns, Input input, Options options,
                                                bool wide)
    {
        var shape = new Shape(rows, columns, problem["slots"].Int, problem["gpus"].Int)
        {
            NumGroups = problem["groups"].Int, NumNodes = problem["nodes"].Int
        };
        var expert = new Output(rows * problem["slots"].Int, wide);
        var rank = new Output(rows * problem["slots"].Int, wide);
        var count = new Output(rows * columns, wide);
        var maps = new Maps
        {
            PhysicalToLogical = expert.Buffer, ReplicaRank = rank.Buffer, ReplicaCount = count.Buffer
        };
        Balancer.RebalanceExperts(shape, input, maps, options);
        return new Dictionary<string, Output>
        {
            ["physical_to_logical"] = expert, ["replica_rank"] = rank, ["replica_count"] = count
        };
    }

    /// <summary>An output of either type.</summary>
    sealed class Output
    {
        readonly int[] narrow;
        readonly long[] wide;

        public Output(int length, bool isWide)
        {
            if (isWide) wide = new long[length];
            else narrow = new int[length];
        }

        public IndexBuffer Buffer => wide != null ? (IndexBuffer)wide : narrow;

        public IEnumerable<long> Values => wide ?? narrow.Select(x => (long)x);
    }
}
