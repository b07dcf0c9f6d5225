// SPDX-License-Identifier: MIT
// Errors of CUDA's runtime as exceptions, its resources as objects that free them, and the device's context.
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <new>

#include "backend/faults.h"

namespace eplb {

inline void check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // it has been noticed; the caller's next look at CUDA's errors does not find it
  throw cuda_error{call, cudaGetErrorName(error), cudaGetErrorString(error)};
}

/// For calls that clean up, whose failure changes nothing any more.
inline bool worked(cudaError_t error) {
  if (error != cudaSuccess) cudaGetLastError();
  return error == cudaSuccess;
}

/// A resource of the runtime that is freed with its owner.
template <class T, auto destroy>
class owned {
 public:
  owned() = default;
  owned(const owned&) = delete;
  owned& operator=(const owned&) = delete;
  ~owned() {
    if (value_) worked(destroy(value_));
  }
  T* out() { return &value_; }
  void abandon() { value_ = {}; }
  operator T() const { return value_; }

 private:
  T value_{};
};

/// The context that the runtime uses for a device. Made current through the driver, because the runtime, asked
/// to go back to the device before, would create a context there if there was none.
class primary_context {
 public:
  explicit primary_context(int device) : device_(device) {
    find("cuDevicePrimaryCtxRetain", retain_);
    find("cuDevicePrimaryCtxRelease", release_);
    find("cuCtxPushCurrent", push_);
    find("cuCtxPopCurrent", pop_);
    if (retain_(&context_, device) != CUDA_SUCCESS)
      throw cuda_error{"cuDevicePrimaryCtxRetain", "it failed", "the device may be in use by another process alone"};
  }
  ~primary_context() { release_(device_); }
  primary_context(const primary_context&) = delete;
  primary_context& operator=(const primary_context&) = delete;

  int device() const { return device_; }

  /// While it lives, the device is the calling thread's current one.
  class scope {
   public:
    explicit scope(const primary_context& context) : scope(context, std::nothrow) {
      if (!is_current_) throw cuda_error{"cuCtxPushCurrent", "it failed", "the device's context is gone"};
    }
    /// If it is_current(): after a reset of the device, or when the process ends, it may not be.
    scope(const primary_context& context, std::nothrow_t)
        : context_(context), is_current_(context.push_(context.context_) == CUDA_SUCCESS) {}
    ~scope() {
      CUcontext popped = nullptr;
      if (is_current_) context_.pop_(&popped);
    }
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
    bool is_current() const { return is_current_; }

   private:
    const primary_context& context_;
    const bool is_current_;
  };

 private:
  template <class Function>
  static void find(const char* name, Function*& function) {
    void* address = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    check(cudaGetDriverEntryPointByVersion(name, &address, 12000, cudaEnableDefault, &result), name);
    if (result != cudaDriverEntryPointSuccess)
      throw cuda_error{name, "it was not found", "the driver does not have it"};
    function = reinterpret_cast<Function*>(address);
  }

  int device_;
  CUcontext context_ = nullptr;
  decltype(cuDevicePrimaryCtxRetain)* retain_;
  decltype(cuDevicePrimaryCtxRelease)* release_;
  decltype(cuCtxPushCurrent)* push_;
  decltype(cuCtxPopCurrent)* pop_;
};

}  // namespace eplb
