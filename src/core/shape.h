// SPDX-License-Identifier: MIT
// The extents of a deployment, and the type of what is counted and numbered in it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/host_device.h"

namespace eplb {

/// An expert, slot, group or gpu number, or a count of them. Half the memory traffic of 32 bits.
using index_t = std::uint16_t;
/// The most layers, experts, slots, groups, nodes, gpus or samples.
constexpr int max_extent = 65535;
/// Stands where an expert would: there is none. No expert has this number, since the last is max_extent - 1.
constexpr index_t no_expert = 65535;
/// The same for a node, a pack or a gpu.
constexpr index_t nowhere = 65535;

EPLB_HOST_DEVICE constexpr std::size_t size_cast(int n) { return static_cast<std::size_t>(n); }

/// Layers and experts on a cluster. A global plan has 1 group and 1 node.
struct plan_shape {
  int layers, experts, slots, groups, nodes, gpus;
};

/// The extents of one node: of each, where all are alike, otherwise the largest there are.
struct node_size {
  int experts, slots, gpus;

  EPLB_HOST_DEVICE static node_size of(const plan_shape& shape) {
    return {shape.experts / shape.nodes, shape.slots / shape.nodes, shape.gpus / shape.nodes};
  }
};

}  // namespace eplb
