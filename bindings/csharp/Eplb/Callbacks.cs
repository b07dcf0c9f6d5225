// SPDX-License-Identifier: MIT
using System;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>The callbacks of one context or of one call. The library knows them by four functions that live as long
    /// as the process, and a handle that keeps the delegates alive until <see cref="Release"/>: the finalizer of a
    /// context may still need them when nothing else refers to them.</summary>
    internal sealed unsafe class Callbacks
    {
        static readonly eplb_log_fn LogFunction = OnLog;
        static readonly eplb_progress_fn ProgressFunction = OnProgress;
        static readonly eplb_alloc_fn AllocFunction = OnAlloc;
        static readonly eplb_free_fn FreeFunction = OnFree;

        // Callbacks run on the thread that is in the call, so that is where what they throw has to wait for its end.
        [ThreadStatic] static ExceptionDispatchInfo thrown;

        readonly Action<LogLevel, string> log;
        readonly Func<long, long, bool> progress;
        readonly Func<ulong, IntPtr> alloc;
        readonly Action<IntPtr> free;
        GCHandle self;

        Callbacks(Options options)
        {
            log = options.Log;
            progress = options.Progress;
            alloc = options.Alloc;
            free = options.Free;
            self = GCHandle.Alloc(this);
        }

        /// <summary>Sets the callbacks of <paramref name="options"/> in <paramref name="raw"/>; null if there are none.
        /// </summary>
        public static Callbacks Attach(Options options, eplb_options* raw)
        {
            if (options.Log == null && options.Progress == null && options.Alloc == null && options.Free == null)
            {
                return null;
            }
            var callbacks = new Callbacks(options);
            raw->user = (void*)GCHandle.ToIntPtr(callbacks.self);
            if (options.Log != null) raw->log_fn = Marshal.GetFunctionPointerForDelegate(LogFunction);
            if (options.Progress != null) raw->progress_fn = Marshal.GetFunctionPointerForDelegate(ProgressFunction);
            if (options.Alloc != null) raw->alloc_fn = Marshal.GetFunctionPointerForDelegate(AllocFunction);
            if (options.Free != null) raw->free_fn = Marshal.GetFunctionPointerForDelegate(FreeFunction);
            return callbacks;
        }

        public void Release() => self.Free();

        /// <summary>Throws what a callback threw during the call that has just ended on this thread.</summary>
        public static void Rethrow()
        {
            ExceptionDispatchInfo info = thrown;
            thrown = null;
            info?.Throw();
        }

        static Callbacks Of(void* user) => (Callbacks)GCHandle.FromIntPtr((IntPtr)user).Target;

        static void OnLog(void* user, LogLevel level, byte* message)
        {
            if (thrown != null) return;
            try
            {
                Of(user).log(level, Library.Text(message));
            }
            catch (Exception e)
            {
                thrown = ExceptionDispatchInfo.Capture(e);
            }
        }

        static int OnProgress(void* user, long done, long total)
        {
            if (thrown != null) return 1;
            try
            {
                return Of(user).progress(done, total) ? 0 : 1;
            }
            catch (Exception e)
            {
                thrown = ExceptionDispatchInfo.Capture(e);
                return 1;
            }
        }

        static void* OnAlloc(void* user, UIntPtr size)
        {
            if (thrown != null) return null;
            try
            {
                return (void*)Of(user).alloc((ulong)size);
            }
            catch (Exception e)
            {
                thrown = ExceptionDispatchInfo.Capture(e);
                return null;
            }
        }

        static void OnFree(void* user, void* pointer)
        {
            try
            {
                Of(user).free((IntPtr)pointer);
            }
            catch (Exception)
            {
                // It may be the finalizer's thread, where there is nobody to throw to.
            }
        }
    }
}
