// SPDX-License-Identifier: MIT
using System;
using System.Text;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>The native library: its version, its strategies, and the devices it can plan on.</summary>
    public static unsafe class Library
    {
        static volatile bool loaded;

        /// <summary>Version of the native library that was loaded, MAJOR * 10000 + MINOR * 100 + PATCH.</summary>
        public static int Version
        {
            get
            {
                Load();
                return Native.eplb_version();
            }
        }

        /// <summary>Version and compiler of the native library on one line.</summary>
        public static string BuildInfo
        {
            get
            {
                Load();
                return Text(Native.eplb_build_info());
            }
        }

        /// <summary>Number of strategies; their values are 0 up to it.</summary>
        public static int StrategyCount
        {
            get
            {
                Load();
                return Native.eplb_strategy_count();
            }
        }

        /// <summary>Number of backends, Auto included; their values are 0 up to it.</summary>
        public static int BackendCount
        {
            get
            {
                Load();
                return Native.eplb_backend_count();
            }
        }

        /// <summary>Name of a status in C, such as "EPLB_ERROR_CUDA".</summary>
        public static string StatusName(Status status)
        {
            Load();
            return Text(Native.eplb_status_name(status));
        }

        /// <summary>One sentence about a status.</summary>
        public static string StatusString(Status status)
        {
            Load();
            return Text(Native.eplb_status_string(status));
        }

        /// <summary>Name of a strategy, such as "lpt-swap-any", as documents and tools write it; null for an unknown
        /// value.</summary>
        public static string StrategyName(Strategy strategy)
        {
            Load();
            return Text(Native.eplb_strategy_name(strategy));
        }

        /// <summary>One line about a strategy; null for an unknown value.</summary>
        public static string StrategyDescription(Strategy strategy)
        {
            Load();
            return Text(Native.eplb_strategy_description(strategy));
        }

        /// <summary>The strategy of a name such as "lpt-swap-any".</summary>
        /// <returns>false if there is none.</returns>
        public static bool TryParseStrategy(string name, out Strategy strategy)
        {
            if (name == null) throw new ArgumentNullException(nameof(name));
            Load();
            fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0')) strategy = Native.eplb_strategy_from_name(text);
            return strategy >= 0 && Text(Native.eplb_strategy_name(strategy)) == name;
        }

        /// <summary>Name of a backend: "auto", "cpu", "cuda"; null for an unknown value.</summary>
        public static string BackendName(Backend backend)
        {
            Load();
            return Text(Native.eplb_backend_name(backend));
        }

        /// <summary>Whether a backend can be used in this process now, and if not, why. Asking about CUDA
        /// initialises the driver, so do not ask before a fork.</summary>
        public static bool BackendAvailable(Backend backend, out string reason)
        {
            Load();
            eplb_error error = Defaults.Error;
            bool available = Native.eplb_backend_available(backend, &error) == Status.Success;
            reason = available ? null : Text(error.message);
            return available;
        }

        /// <summary>Number of devices of a backend, 0 if it is not available. Asking about CUDA initialises the
        /// driver, as does <see cref="DescribeDevice"/>.</summary>
        public static int DeviceCount(Backend backend)
        {
            Load();
            return Native.eplb_device_count(backend);
        }

        /// <summary>One line about a device.</summary>
        /// <param name="backend">Not Auto.</param>
        /// <param name="device">0 up to <see cref="DeviceCount"/>.</param>
        public static string DescribeDevice(Backend backend, int device)
        {
            const int Size = 256;
            byte* text = stackalloc byte[Size];
            Load();
            eplb_error error = Defaults.Error;
            Check(Native.eplb_device_describe(backend, device, text, (UIntPtr)Size, &error), &error);
            return Text(text);
        }

        /// <summary>Loads the native library at the first call, and refuses one that lacks what this binding uses.
        /// Whatever else calls it comes through here first.</summary>
        internal static void Load()
        {
            if (loaded) return;
            int version;
            try
            {
                version = Native.eplb_version();
            }
            catch (DllNotFoundException e)
            {
                throw new DllNotFoundException(
                    "libeplb.so was not found, or could not be loaded; put it beside the assembly, or its directory" +
                    " into LD_LIBRARY_PATH before the process starts", e);
            }
            if (version < Native.EPLB_VERSION || version / 10000 != Native.EPLB_VERSION_MAJOR)
            {
                throw new EplbException(Status.Unavailable,
                    $"the libeplb that was found has version {Dotted(version)}; this binding needs" +
                    $" {Dotted(Native.EPLB_VERSION)} or a later one of the same major version");
            }
            loaded = true;
        }

        internal static void Check(Status status, eplb_error* error)
        {
            if (status != Status.Success) throw new EplbException(status, Text(error->message));
        }

        /// <summary>A string of the library's; null stays null.</summary>
        internal static string Text(byte* text)
        {
            if (text == null) return null;
            int length = 0;
            while (text[length] != 0) ++length;
            return Encoding.UTF8.GetString(text, length);
        }

        static string Dotted(int version) => $"{version / 10000}.{version / 100 % 100}.{version % 100}";
    }
}
