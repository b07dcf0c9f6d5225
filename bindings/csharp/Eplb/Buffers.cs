// SPDX-License-Identifier: MIT
using System;
using System.Runtime.InteropServices;

namespace Eplb
{
    /// <summary>A view of contiguous memory that a call reads: an array or a span of float, double, int or long, or
    /// memory of a CUDA device. Nothing is copied. The default, or a null array, is a buffer not given.</summary>
    public readonly unsafe ref struct ReadOnlyBuffer
    {
        readonly ReadOnlySpan<byte> bytes;
        internal readonly long Count;
        internal readonly ElementType Type;
        internal readonly Memory Memory;

        ReadOnlyBuffer(ReadOnlySpan<byte> bytes, long count, ElementType type, Memory memory)
        {
            this.bytes = bytes;
            Count = count;
            Type = type;
            Memory = memory;
        }

        /// <summary>A view of an array.</summary>
        public static implicit operator ReadOnlyBuffer(float[] values) => Of<float>(values, ElementType.Float32);
        /// <summary>A view of an array.</summary>
        public static implicit operator ReadOnlyBuffer(double[] values) => Of<double>(values, ElementType.Float64);
        /// <summary>A view of an array.</summary>
        public static implicit operator ReadOnlyBuffer(int[] values) => Of<int>(values, ElementType.Int32);
        /// <summary>A view of an array.</summary>
        public static implicit operator ReadOnlyBuffer(long[] values) => Of<long>(values, ElementType.Int64);

        /// <summary>A view of a span.</summary>
        public static implicit operator ReadOnlyBuffer(Span<float> values) => Of<float>(values, ElementType.Float32);
        /// <summary>A view of a span.</summary>
        public static implicit operator ReadOnlyBuffer(Span<double> values) => Of<double>(values, ElementType.Float64);
        /// <summary>A view of a span.</summary>
        public static implicit operator ReadOnlyBuffer(Span<int> values) => Of<int>(values, ElementType.Int32);
        /// <summary>A view of a span.</summary>
        public static implicit operator ReadOnlyBuffer(Span<long> values) => Of<long>(values, ElementType.Int64);

        /// <summary>A view of a span.</summary>
        public static implicit operator ReadOnlyBuffer(ReadOnlySpan<float> values) => Of(values, ElementType.Float32);
        /// <summary>A view of a span.</summary>
        public static implicit operator ReadOnlyBuffer(ReadOnlySpan<double> values) => Of(values, ElementType.Float64);
        /// <summary>A view of a span.</summary>
        public static implicit operator ReadOnlyBuffer(ReadOnlySpan<int> values) => Of(values, ElementType.Int32);
        /// <summary>A view of a span.</summary>
        public static implicit operator ReadOnlyBuffer(ReadOnlySpan<long> values) => Of(values, ElementType.Int64);

        /// <summary>Memory that the context's CUDA device can address, which is the caller's to keep until the stream
        /// has passed the call.</summary>
        /// <param name="address">Address of the first element.</param>
        /// <param name="count">Number of elements.</param>
        /// <param name="type">Their type.</param>
        public static ReadOnlyBuffer OnDevice(void* address, long count, ElementType type)
        {
            if (count < 0) throw new ArgumentOutOfRangeException(nameof(count));
            // A span without elements keeps the address, and its length would not hold every count.
            return new ReadOnlyBuffer(new ReadOnlySpan<byte>(address, 0), count, type, Memory.Cuda);
        }

        /// <summary>For <c>fixed</c>; a null reference for a buffer not given.</summary>
        internal ref byte GetPinnableReference() => ref MemoryMarshal.GetReference(bytes);

        static ReadOnlyBuffer Of<T>(ReadOnlySpan<T> values, ElementType type) where T : struct =>
            new ReadOnlyBuffer(MemoryMarshal.AsBytes(values), values.Length, type, Memory.Host);
    }

    /// <summary>A view of contiguous memory that a call writes indices to: an array or a span of int or long, or memory
    /// of a CUDA device. Nothing is copied. The default, or a null array, is a buffer not given.</summary>
    public readonly unsafe ref struct IndexBuffer
    {
        internal readonly ReadOnlyBuffer View;

        IndexBuffer(ReadOnlyBuffer view)
        {
            View = view;
        }

        /// <summary>A view of an array.</summary>
        public static implicit operator IndexBuffer(int[] values) => new IndexBuffer(values);
        /// <summary>A view of an array.</summary>
        public static implicit operator IndexBuffer(long[] values) => new IndexBuffer(values);
        /// <summary>A view of a span.</summary>
        public static implicit operator IndexBuffer(Span<int> values) => new IndexBuffer(values);
        /// <summary>A view of a span.</summary>
        public static implicit operator IndexBuffer(Span<long> values) => new IndexBuffer(values);

        /// <summary>Memory that the context's CUDA device can address, which is the caller's to keep until the stream
        /// has passed the call.</summary>
        /// <param name="address">Address of the first element.</param>
        /// <param name="count">Number of elements.</param>
        /// <param name="type">Int32 or Int64.</param>
        public static IndexBuffer OnDevice(void* address, long count, ElementType type = ElementType.Int32) =>
            new IndexBuffer(ReadOnlyBuffer.OnDevice(address, count, type));

        /// <summary>Checks that the buffers of one struct are of one kind, and returns one that has elements, if
        /// any.</summary>
        internal IndexBuffer Alike(IndexBuffer other)
        {
            if (other.View.Count == 0) return this;
            if (View.Count == 0) return other;
            if (View.Type != other.View.Type || View.Memory != other.View.Memory)
            {
                throw new ArgumentException(
                    $"all maps of a call must be alike; one is {View.Type} in {View.Memory} memory, another" +
                    $" {other.View.Type} in {other.View.Memory} memory");
            }
            return this;
        }

        /// <summary>Writes type and memory, and leaves the defaults where there are no elements.</summary>
        internal void SetKind(ElementType* type, Memory* memory)
        {
            if (View.Count == 0) return;
            *type = View.Type;
            *memory = View.Memory;
        }
    }
}
