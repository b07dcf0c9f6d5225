// SPDX-License-Identifier: MIT
// The CUDA devices of this process.
#pragma once

#include <cstddef>

namespace eplb {

/// Null if this process can use a device now, otherwise why not.
const char* why_no_device();
int count_devices();
/// One line about a device.
void describe_cuda_device(int device, char* text, std::size_t size);
/// The device to plan on; -1 wants the calling thread's. Throws unavailable.
int choose_device(int wanted);

}  // namespace eplb
