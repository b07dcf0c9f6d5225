// SPDX-License-Identifier: MIT
using System;

namespace Eplb
{
    /// <summary>A call of libeplb failed. It has left its outputs and the previous plan as they were.</summary>
    public sealed class EplbException : Exception
    {
        /// <summary>Makes an exception from a status and the sentence of the library.</summary>
        public EplbException(Status status, string message) : base(message)
        {
            Status = status;
        }

        /// <summary>What the call returned.</summary>
        public Status Status { get; }
    }
}
