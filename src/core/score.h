// SPDX-License-Identifier: MIT
// How good a placement of one layer is under a load. Any number of slots and gpus.
#pragma once

#include "core/problem.h"

namespace eplb {

/// What one layer says about a placement.
struct layer_score {
  double balancedness;  // 0 without load
  int max_replica_count;
  int duplicates;
};

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

  EPLB_CORE static score_memory lay_out(arena& memory, const plan_shape& shape) {
    return {memory.take<double>(extent(shape.gpus)), memory.take<index_t>(extent(shape.experts))};
  }
};

/// Judges a layer under all samples, whose loads are `stride` apart: its mean balancedness over those
/// that have load. Writes each gpu's mean load to gpu_load [gpus], unless null.
template <class Group>
EPLB_CORE layer_score score_layer(Group& group, const plan_shape& shape, const layer_maps& maps, const float* load,
                                  int samples, std::size_t stride, const score_memory& memory, double* gpu_load) {
  const int rank = group.thread_rank(), size = group.size();
  double sum = 0;
  int with_load = 0;
  for (int s = 0; s < samples; ++s, load += stride) {
    gpu_loads(group, shape, maps, load, memory.gpu_load);
    const double balance = balancedness(shape, load, memory.gpu_load);
    if (balance > 0) sum += balance, ++with_load;
    for (int gpu = rank; gpu_load && gpu < shape.gpus; gpu += size)
      gpu_load[gpu] = (s > 0 ? gpu_load[gpu] : 0) + memory.gpu_load[gpu] / samples;
    group.sync();
  }
  int most = 0, duplicates = 0;
  for (int e = rank; e < shape.experts; e += size) most = maps.replica_count[e] > most ? maps.replica_count[e] : most;
  find_duplicates(group, shape, maps.physical_to_logical, memory.last_gpu, [&](int, int) { ++duplicates; });
  return {with_load > 0 ? sum / with_load : 0, group.max(most), group.sum(duplicates)};
}

/// The statistics, layer by layer.
class score_sum {
 public:
  explicit score_sum(placement_stats& out) : out_(out) {
    out.max_replica_count = 0;
    out.empty_layers = out.duplicates = 0;
    out.balancedness_min = 1;
  }
  void add(const layer_score& layer) {
    if (layer.balancedness > 0) {
      sum_ += layer.balancedness;
      if (layer.balancedness < out_.balancedness_min) out_.balancedness_min = layer.balancedness;
    } else {
      ++out_.empty_layers;
    }
    if (out_.layer_balancedness) out_.layer_balancedness[layers_] = layer.balancedness > 0 ? layer.balancedness : 1;
    if (layer.max_replica_count > out_.max_replica_count) out_.max_replica_count = layer.max_replica_count;
    out_.duplicates += layer.duplicates;
    ++layers_;
    const auto judged = static_cast<double>(layers_ - out_.empty_layers);
    out_.balancedness = judged > 0 ? sum_ / judged : 1;
  }

 private:
  placement_stats& out_;
  double sum_ = 0;
  std::int64_t layers_ = 0;
};

/// Judges a placement of all layers under loads [samples][layers][experts], one group for all.
template <class Group>
void score(Group& group, const plan_shape& shape, const layer_maps& maps, const float* load, int samples,
           const score_memory& memory, placement_stats& out) {
  score_sum sum(out);
  const auto layers = extent(shape.layers), experts = extent(shape.experts);
  for (std::size_t l = 0; l < layers; ++l)
    sum.add(score_layer(group, shape, maps.of(shape, static_cast<int>(l)), load + l * experts, samples,
                        layers * experts, memory, out.gpu_load ? out.gpu_load + l * extent(shape.gpus) : nullptr));
}

}  // namespace
}  // namespace eplb
