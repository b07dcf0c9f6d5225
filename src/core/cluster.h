// SPDX-License-Identifier: MIT
// The gpus of a deployment as they are: how many slots each has, how fast it is, on which node.
#pragma once

#include "core/arena.h"
#include "core/shape.h"

namespace eplb {

/// What a caller says of its gpus; null: they are all alike, and as many on each node.
struct cluster_view {
  const std::int32_t* slots;  // [gpus]
  const float* speed;         // [gpus]
  const std::int32_t* node;   // [gpus]

  bool is_plain() const { return !slots && !speed && !node; }
  /// Without slots of its own, the first slots % gpus gpus have one more than the rest.
  int slots_of(const plan_shape& shape, int gpu) const {
    return slots ? slots[gpu] : shape.slots / shape.gpus + (gpu < shape.slots % shape.gpus ? 1 : 0);
  }
  int node_of(const plan_shape& shape, int gpu) const {
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a node has gpus
    return shape.nodes == 1 ? 0 : node ? node[gpu] : gpu / (shape.gpus / shape.nodes);
  }
};

/// The same, ready to be worked with, on a host or a device.
struct cluster {
  index_t* first_slot;  // [gpus + 1] of each gpu, in the caller's order
  float* speed;         // [gpus]
  index_t* gpu;         // [gpus] their numbers, node by node
  index_t* first_gpu;   // [nodes + 1] where in `gpu` each node begins

  EPLB_HOST_DEVICE static cluster lay_out(arena& memory, const plan_shape& shape) {
    const auto gpus = size_cast(shape.gpus);
    cluster out;
    out.first_slot = memory.take<index_t>(gpus + 1);
    out.speed = memory.take<float>(gpus);
    out.gpu = memory.take<index_t>(gpus);
    out.first_gpu = memory.take<index_t>(size_cast(shape.nodes) + 1);
    return out;
  }
  EPLB_HOST_DEVICE static std::size_t bytes(const plan_shape& shape) {
    return bytes_of([&](arena& memory) { lay_out(memory, shape); });
  }

  void describe(const plan_shape& shape, const cluster_view& view) {
    int slot = 0;
    for (int g = 0; g < shape.gpus; ++g) {
      first_slot[g] = static_cast<index_t>(slot);  // NOLINT(clang-analyzer-core.NullDereference): it is laid out
      slot += view.slots_of(shape, g);
      speed[g] = view.speed ? view.speed[g] : 1;
    }
    first_slot[shape.gpus] = static_cast<index_t>(slot);  // NOLINT(clang-analyzer-core.NullDereference): as above
    for (int node = 0; node <= shape.nodes; ++node) first_gpu[node] = 0;
    for (int g = 0; g < shape.gpus; ++g) ++first_gpu[view.node_of(shape, g) + 1];
    for (int node = 0; node < shape.nodes; ++node) first_gpu[node + 1] += first_gpu[node];
    // The gpus of each node in turn; each node's beginning moves to its end, which is where the next one begins.
    for (int g = 0; g < shape.gpus; ++g) gpu[first_gpu[view.node_of(shape, g)]++] = static_cast<index_t>(g);
    for (int node = shape.nodes; node > 0; --node) first_gpu[node] = first_gpu[node - 1];
    first_gpu[0] = 0;
  }

  EPLB_HOST_DEVICE int slots_of(int g) const { return first_slot[g + 1] - first_slot[g]; }
};

}  // namespace eplb
