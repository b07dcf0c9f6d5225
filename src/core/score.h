// SPDX-License-Identifier: MIT
// How good a placement of one layer is under a load. Any number of slots and gpus.
#pragma once

#include "core/serial_group.h"

namespace eplb {
namespace {

/// First slot of a gpu: the first slots % gpus gpus have one more than the rest.
EPLB_CORE inline int first_slot(int slots, int gpus, int gpu) {
  const int more = slots % gpus;
  return gpu * (slots / gpus) + (gpu < more ? gpu : more);
}

/// The load of each gpu in float64, its slots in order. An expert's load is shared by its replicas.
template <class Group>
EPLB_CORE void gpu_loads(Group& group, const plan_shape& shape, const layer_maps& maps, const float* load,
                         double* out) {
  for (int gpu = group.thread_rank(); gpu < shape.gpus; gpu += group.size()) {
    double sum = 0;
    const int end = first_slot(shape.slots, shape.gpus, gpu + 1);
    for (int slot = first_slot(shape.slots, shape.gpus, gpu); slot < end; ++slot) {
      const int e = maps.physical_to_logical[slot];
      sum += static_cast<double>(load[e]) / maps.replica_count[e];
    }
    out[gpu] = sum;
  }
  group.sync();
}

/// Mean gpu load over largest gpu load, of the gpus that have slots; 0 if there is no load.
EPLB_CORE inline double balancedness(const plan_shape& shape, const float* load, const double* gpu_load) {
  double total = 0, largest = 0;
  for (int e = 0; e < shape.experts; ++e) total += static_cast<double>(load[e]);
  for (int gpu = 0; gpu < shape.gpus; ++gpu) largest = gpu_load[gpu] > largest ? gpu_load[gpu] : largest;
  if (!(total > 0)) return 0;
  const double balance = total / (shape.slots < shape.gpus ? shape.slots : shape.gpus) / largest;
  return balance < 1 ? balance : 1;  // the sums are rounded differently
}

/// Slots whose gpu has the same expert in an earlier slot, of this thread's share of the experts.
/// `last_gpu` [experts] is scratch. `found(slot, gpu)` is told each.
template <class Group, class Found>
EPLB_CORE void find_duplicates(Group& group, const plan_shape& shape, const index_t* expert_of_slot, index_t* last_gpu,
                               Found found) {
  const int rank = group.thread_rank(), size = group.size();
  for (int e = rank; e < shape.experts; e += size) last_gpu[e] = max_extent;
  for (int gpu = 0; gpu < shape.gpus; ++gpu) {
    const int end = first_slot(shape.slots, shape.gpus, gpu + 1);
    for (int slot = first_slot(shape.slots, shape.gpus, gpu); slot < end; ++slot) {
      const int e = expert_of_slot[slot];
      if (e % size != rank) continue;
      if (last_gpu[e] == gpu) found(slot, gpu);
      last_gpu[e] = static_cast<index_t>(gpu);
    }
  }
  group.sync();
}

/// Memory for judging a layer.
struct score_memory {
  double* gpu_load;   // [gpus]
  index_t* last_gpu;  // [experts]

  static score_memory lay_out(arena& memory, const plan_shape& shape) {
    return {memory.take<double>(extent(shape.gpus)), memory.take<index_t>(extent(shape.experts))};
  }
};

/// Judges a layer over all samples, whose loads are `stride` apart: its mean balancedness over those
/// that have load, 0 if none has. Writes each gpu's mean load to gpu_load [gpus], unless null.
template <class Group>
EPLB_CORE double score_layer(Group& group, const plan_shape& shape, const layer_maps& maps, const float* load,
                             int samples, std::size_t stride, const score_memory& memory, double* gpu_load) {
  double sum = 0;
  int with_load = 0;
  for (int s = 0; s < samples; ++s, load += stride) {
    gpu_loads(group, shape, maps, load, memory.gpu_load);
    const double balance = balancedness(shape, load, memory.gpu_load);
    if (balance > 0) sum += balance, ++with_load;
    for (int gpu = group.thread_rank(); gpu_load && gpu < shape.gpus; gpu += group.size())
      gpu_load[gpu] = (s > 0 ? gpu_load[gpu] : 0) + memory.gpu_load[gpu] / samples;
    group.sync();
  }
  return with_load > 0 ? sum / with_load : 0;
}

/// Judges a placement of all layers under loads [samples][layers][experts], one thread for all.
inline void score(const plan_shape& shape, const layer_maps& maps, const float* load, int samples,
                  const score_memory& memory, placement_stats& out) {
  serial_group group;
  const auto layers = extent(shape.layers);
  const auto experts = extent(shape.experts);
  double sum = 0, least = 1;
  out.empty_layers = out.duplicates = 0;
  out.max_replica_count = 0;
  for (std::size_t l = 0; l < layers; ++l) {
    const layer_maps layer = maps.of(shape, static_cast<int>(l));
    double* const gpu_load = out.gpu_load ? out.gpu_load + l * extent(shape.gpus) : nullptr;
    const double balance =
        score_layer(group, shape, layer, load + l * experts, samples, layers * experts, memory, gpu_load);
    sum += balance;
    if (balance == 0) ++out.empty_layers;
    if (balance > 0 && balance < least) least = balance;
    if (out.layer_balancedness) out.layer_balancedness[l] = balance > 0 ? balance : 1;
    for (std::size_t e = 0; e < experts; ++e)
      if (layer.replica_count[e] > out.max_replica_count) out.max_replica_count = layer.replica_count[e];
    find_duplicates(group, shape, layer.physical_to_logical, memory.last_gpu, [&](int, int) { ++out.duplicates; });
  }
  const auto judged = static_cast<double>(shape.layers - out.empty_layers);
  out.balancedness = judged > 0 ? sum / judged : 1;
  out.balancedness_min = least;
}

}  // namespace
}  // namespace eplb
