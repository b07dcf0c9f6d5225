// SPDX-License-Identifier: MIT
// Marks of functions that also run on a device, for compilers that have to be told.
#pragma once

#if defined(__CUDACC__)
#define EPLB_HOST_DEVICE __host__ __device__
// Once in a device's code, not wherever it is called: what is long, and not on the way of most plans, or short beside
// what surrounds its calls.
#define EPLB_DEVICE_NOINLINE __host__ __device__ __noinline__
#else
#define EPLB_HOST_DEVICE
#define EPLB_DEVICE_NOINLINE
#endif
