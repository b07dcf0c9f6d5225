// SPDX-License-Identifier: MIT
// What a plan through the binding takes beyond one through C: a submit and a get of the maps.
using System;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Eplb;
using Eplb.Raw;

static unsafe class Bench
{
    const int Blocks = 400;

    [DllImport("eplb_c_loop", CallingConvention = CallingConvention.Cdecl)]
    static extern double c_loop_seconds(eplb_context* context, eplb_input* input, eplb_maps* maps, int rounds);

    static void Main()
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        Console.WriteLine(Library.BuildInfo);
        Console.WriteLine($"microseconds for a submit and a get of the maps, lower quartile of {Blocks} blocks");
        Console.WriteLine("layers experts slots gpus         C        C#  overhead  collections");
        Measure(1, 8, 8, 2, rounds: 100);
        Measure(58, 256, 288, 32, rounds: 5);
    }

    static void Measure(int layers, int experts, int slots, int gpus, int rounds)
    {
        var random = new Random(1);
        var loads = new float[layers * experts];
        for (int i = 0; i < loads.Length; ++i) loads[i] = random.Next(1, 10000);
        var expertOfSlot = new int[layers * slots];
        var shape = new Shape(layers, experts, slots, gpus);
        var options = new Options { Strategy = Strategy.Lpt };
        fixed (float* pinnedLoads = loads)
        fixed (int* pinnedSlots = expertOfSlot)
        {
            eplb_input input;
            eplb_maps maps;
            Native.eplb_input_init(&input, (UIntPtr)sizeof(eplb_input));
            Native.eplb_maps_init(&maps, (UIntPtr)sizeof(eplb_maps));
            input.loads = pinnedLoads;
            input.loads_count = (UIntPtr)loads.Length;
            maps.physical_to_logical = pinnedSlots;
            maps.physical_to_logical_count = (UIntPtr)expertOfSlot.Length;

            // Block by block in turn, so that both see the same machine, whose noise only adds; each block in a new
            // context, as where its memory happens to lie is worth more than what is measured.
            var c = new double[Blocks];
            var sharp = new double[Blocks];
            int collections = 0;
            for (int block = 0; block < Blocks; ++block)
            {
                using (var context = new ContextOfC(layers, experts, slots, gpus))
                {
                    c_loop_seconds(context.Pointer, &input, &maps, 1);
                    double seconds = c_loop_seconds(context.Pointer, &input, &maps, rounds);
                    if (seconds < 0) throw new InvalidOperationException("the loop in C failed");
                    c[block] = 1e6 * seconds / rounds;
                }
                using (var context = new Context(shape, options))
                {
                    Loop(context, loads, expertOfSlot, 1);
                    int before = GC.CollectionCount(0);
                    var watch = Stopwatch.StartNew();
                    Loop(context, loads, expertOfSlot, rounds);
                    sharp[block] = 1e6 * watch.Elapsed.TotalSeconds / rounds;
                    collections += GC.CollectionCount(0) - before;
                }
            }
            Array.Sort(c);
            Array.Sort(sharp);
            double ofC = c[Blocks / 4], ofSharp = sharp[Blocks / 4];
            Console.WriteLine($"{layers,6} {experts,7} {slots,5} {gpus,4} {ofC,9:F3} {ofSharp,9:F3}" +
                              $" {ofSharp - ofC,9:F3} {collections,12}");
        }
    }

    static void Loop(Context context, float[] loads, int[] expertOfSlot, int rounds)
    {
        for (int i = 0; i < rounds; ++i)
        {
            context.SubmitWeights(new Input(loads));
            context.GetMaps(new Maps { PhysicalToLogical = expertOfSlot });
        }
    }

    /// <summary>A context made with the raw layer, which the loop in C can take.</summary>
    sealed class ContextOfC : IDisposable
    {
        public readonly eplb_context* Pointer;

        public ContextOfC(int layers, int experts, int slots, int gpus)
        {
            eplb_shape shape;
            eplb_options options;
            Native.eplb_shape_init(&shape, (UIntPtr)sizeof(eplb_shape));
            Native.eplb_options_init(&options, (UIntPtr)sizeof(eplb_options));
            shape.num_layers = layers;
            shape.num_logical_experts = experts;
            shape.num_physical_experts = slots;
            shape.num_gpus = gpus;
            options.strategy = Strategy.Lpt;
            eplb_context* context;
            if (Native.eplb_create(&shape, &options, &context, null) != Status.Success)
            {
                throw new InvalidOperationException("no context");
            }
            Pointer = context;
        }

        public void Dispose() => Native.eplb_destroy(Pointer);
    }
}
