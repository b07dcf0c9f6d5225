// SPDX-License-Identifier: MIT
// Made from eplb.h by bindings/generate.py.
using System;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>What the library's init functions write, asked for once: calls copy it. Not before
    /// <see cref="Library.Load"/>.</summary>
    internal static unsafe class Defaults
    {
        public static readonly eplb_error Error;
        public static readonly eplb_shape Shape;
        public static readonly eplb_options Options;
        public static readonly eplb_input Input;
        public static readonly eplb_maps Maps;
        public static readonly eplb_stats Stats;
        public static readonly eplb_packing Packing;

        static Defaults()
        {
            fixed (eplb_error* error = &Error)
                Native.eplb_error_init(error, (UIntPtr)sizeof(eplb_error));
            fixed (eplb_shape* shape = &Shape)
                Native.eplb_shape_init(shape, (UIntPtr)sizeof(eplb_shape));
            fixed (eplb_options* options = &Options)
                Native.eplb_options_init(options, (UIntPtr)sizeof(eplb_options));
            fixed (eplb_input* input = &Input)
                Native.eplb_input_init(input, (UIntPtr)sizeof(eplb_input));
            fixed (eplb_maps* maps = &Maps)
                Native.eplb_maps_init(maps, (UIntPtr)sizeof(eplb_maps));
            fixed (eplb_stats* stats = &Stats)
                Native.eplb_stats_init(stats, (UIntPtr)sizeof(eplb_stats));
            fixed (eplb_packing* packing = &Packing)
                Native.eplb_packing_init(packing, (UIntPtr)sizeof(eplb_packing));
        }
    }
}
