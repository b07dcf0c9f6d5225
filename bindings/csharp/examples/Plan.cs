// SPDX-License-Identifier: MIT
// Plans a made-up load like those of a large model, and prints the balance before and after.
using System;
using System.Globalization;
using Eplb;

static class Plan
{
    const int Layers = 58, Experts = 256, Slots = 288, Gpus = 32;

    static int Main()
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        float[] loads = MakeUpLoads(seed: 1);
        var expertOfSlot = new int[Layers * Slots];
        try
        {
            var shape = new Shape(Layers, Experts, Slots, Gpus);
            Stats after = Balancer.RebalanceExperts(shape, new Input(loads),
                                                    new Maps { PhysicalToLogical = expertOfSlot });

            // What is without a plan: one slot for each expert, in order.
            var unplanned = new int[Layers * Experts];
            for (int i = 0; i < unplanned.Length; ++i) unplanned[i] = i % Experts;
            Stats before = Balancer.ScorePlacement(new Shape(Layers, Experts, Experts, Gpus), new Input(loads),
                                                   new Maps { PhysicalToLogical = unplanned });

            Console.WriteLine("                              before   after");
            Console.WriteLine($"balancedness, mean of layers  {before.Balancedness:F4}  {after.Balancedness:F4}");
            Console.WriteLine($"balancedness, worst layer     {before.BalancednessMin:F4}  {after.BalancednessMin:F4}");
            Console.WriteLine($"most slots of one expert      {before.MaxReplicaCount,6}  {after.MaxReplicaCount,6}");
            return 0;
        }
        catch (EplbException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    }

    /// <summary>Tokens of each expert: a few are hot, most are not.</summary>
    static float[] MakeUpLoads(int seed)
    {
        var random = new Random(seed);
        var loads = new float[Layers * Experts];
        for (int i = 0; i < loads.Length; ++i)
        {
            double length = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            double normal = length * Math.Cos(2 * Math.PI * random.NextDouble());
            loads[i] = (float)Math.Floor(1000 * Math.Exp(normal));
        }
        return loads;
    }
}
