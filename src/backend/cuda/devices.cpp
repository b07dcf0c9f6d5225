// SPDX-License-Identifier: MIT
// Which CUDA devices there are, and which one a planner gets.
#include "backend/cuda/devices.h"

#include <cstdio>

#include "backend/cuda/runtime.h"

namespace eplb {
namespace {

/// Null if this process can use a device; counts them.
const char* count_usable(int& count) {
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return nullptr;
  count = 0;
  cudaGetLastError();
  switch (error) {
    case cudaSuccess:
    case cudaErrorNoDevice:
      return "there is no CUDA device, or CUDA_VISIBLE_DEVICES hides it";
    case cudaErrorInsufficientDriver:
      return "there is no CUDA driver, or it is older than the CUDA runtime that libeplb was built with";
    default:
      return cudaGetErrorString(error);
  }
}

}  // namespace

const char* why_no_device() {
  int count = 0;
  return count_usable(count);
}

int count_devices() {
  int count = 0;
  count_usable(count);
  return count;
}

void describe_cuda_device(int device, char* text, std::size_t size) {
  cudaDeviceProp about{};
  int driver = 0;
  check(cudaGetDeviceProperties(&about, device), "cudaGetDeviceProperties");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  std::snprintf(text, size, "%s, compute capability %d.%d, %d multiprocessors, %.1f GiB, driver for CUDA %d.%d",
                about.name, about.major, about.minor, about.multiProcessorCount,
                static_cast<double>(about.totalGlobalMem) / (1 << 30), driver / 1000, driver % 1000 / 10);
}

int choose_device(int wanted) {
  unavailable out{};
  int count = 0;
  if (const char* why = count_usable(count)) {
    std::snprintf(out.why, sizeof out.why, "%s", why);
    throw out;
  }
  int device = wanted;
  if (wanted < 0) check(cudaGetDevice(&device), "cudaGetDevice");
  if (device >= count) {
    std::snprintf(out.why, sizeof out.why, "options.device is %d, but the number of CUDA devices is %d", device, count);
    throw out;
  }
  return device;
}

}  // namespace eplb
