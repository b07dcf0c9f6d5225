// SPDX-License-Identifier: MIT
// The CUDA runtime without a GPU: cudaMalloc and its like over host memory, with kernels that are host functions.
// Link it, as one shared library, in the place of cudart. Tests use the plain runtime API, and what is below where
// they need to see or to steer what a real device hides.
//
// It is as unhelpful as the rules allow: work on a stream runs only when something has to wait for it, memory starts
// as 0xCD, and a handle that is not alive is an error. Nothing ever runs by itself or during a query, so whoever polls
// waits for ever. A kernel runs on the waiting thread, under the one lock of the runtime: it must not call the runtime
// from a thread of its own.
//
// Unlike the real one it has no cudaStreamPerThread, and no capture that spreads to a second stream: both are errors.
// Whatever CUDA may refuse while a stream is captured, it refuses.
#pragma once

#include <cstddef>
#include <functional>

// Visible from the shared library, the runtime's own functions too, whatever the library is compiled with.
#pragma GCC visibility push(default)

#include <cuda_runtime_api.h>

namespace stub_cuda {

/// Puts a host function on a stream, as a kernel. It may run many times if it is captured.
cudaError_t launch(cudaStream_t stream, std::function<void()> kernel);

/// Begins anew with this many devices, which may be none: drops all work, memory and handles without running anything,
/// and forgets contexts, damage, last errors and failures to make. No other thread may be in a call.
void reset(int devices = 2);

/// As on a machine without a driver: every call that needs one fails, cudaGetLastError too.
void set_no_driver(bool none);

/// The nth call from now on (1: the next one) that can fail answers with this error and does nothing; 0 turns it off.
/// Only a call that gives something back, such as cudaFree, does its work all the same, as the real one does when it
/// reports what went wrong before: a test may look for leaks whatever failed. All calls count but cudaGetLastError,
/// cudaPeekAtLastError and the error texts, also `launch` and the driver's functions.
void fail_call(int nth, cudaError_t error);

/// The same, with every call after it, as when a device is lost.
void fail_from(int nth, cudaError_t error);

/// All calls of this name fail, until another name or nullptr is given.
void fail_named(const char* name, cudaError_t error);

/// How many calls that can fail there were since the last fail_call or reset, not counting those that had to fail for
/// want of a driver or a device.
int calls();

/// The last call since then that was made to fail, or nullptr.
const char* failed_call();

/// How many runtime calls of any kind this process ever made, those of tests among them.
long total_calls();

/// What was made and not yet given back. Managed memory is a device block, an executable graph a graph.
struct census {
  int device_blocks, host_blocks, streams, events, graphs;
};
census alive();

/// The size of all device blocks.
std::size_t device_bytes();

/// How many blocks were written to outside their bounds, be they alive or freed.
int damaged_guards();

/// Whether anything ever created the primary context of this device.
bool primary_context_made(int device);

/// How many times primary contexts were retained by cuDevicePrimaryCtxRetain and not released.
int contexts_retained();

/// The height of this thread's stack of contexts.
int context_depth();

}  // namespace stub_cuda

#pragma GCC visibility pop
