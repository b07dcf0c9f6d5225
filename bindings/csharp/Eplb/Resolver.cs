// SPDX-License-Identifier: MIT
using System;
using System.Runtime.InteropServices;
#if NET5_0_OR_GREATER
using System.Reflection;
#endif

namespace Eplb.Raw
{
    /// <summary>Where the functions are found.</summary>
    public static unsafe partial class Native
    {
        const string Library = "eplb";
        const CallingConvention C = CallingConvention.Cdecl;

#if NET5_0_OR_GREATER
        static Native()
        {
            NativeLibrary.SetDllImportResolver(typeof(Native).Assembly, Resolve);
        }

        static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
        {
            if (name != Library) return IntPtr.Zero;
            string path = Environment.GetEnvironmentVariable("EPLB_LIBRARY");
            if (!string.IsNullOrEmpty(path)) return NativeLibrary.Load(path);
            // The plain name is the one that packages have; an installation for run time only may have just the other.
            if (NativeLibrary.TryLoad(name, assembly, searchPath, out IntPtr found)) return found;
            return NativeLibrary.TryLoad("libeplb.so.0", assembly, searchPath, out found) ? found : IntPtr.Zero;
        }
#endif
    }
}
