// SPDX-License-Identifier: MIT
// How good a placement is under a load, layer by layer, and how good one can be. Any number of slots, any gpus.
#pragma once

#include "core/cluster.h"
#include "core/maps.h"
#include "core/pack/replicate.h"

namespace eplb {

/// Statistics of a placement of all layers under a load; the buffers may be null.
struct placement_stats {
  int max_replica_count;
  double balancedness, balancedness_min, bound;
  std::int64_t empty_layers, duplicates, changes;
  double* layer_balancedness;  // [layers]
  double* gpu_load;            // [layers][gpus]
  double* layer_bound;         // [layers]
};

/// What one layer says about a placement.
struct layer_score {
  double balancedness;  // 0 without load
  double bound;         // of it, for any placement; 0 without load
  int max_replica_count;
  int duplicates;
};

namespace {

/// The load of each gpu in float64, its slots in order. An expert's load is shared by its replicas.
template <class Team>
EPLB_HOST_DEVICE void gpu_loads(Team& team, const plan_shape& shape, const cluster& gpus, const layer_maps& maps,
                                const float* load, double* out) {
  for (int gpu = team.rank(); gpu < shape.gpus; gpu += team.size()) {
    double sum = 0;
    for (int slot = gpus.first_slot[gpu]; slot < gpus.first_slot[gpu + 1]; ++slot) {
      const int e = maps.physical_to_logical[slot];
      sum += static_cast<double>(load[e]) / maps.replica_count[e];
    }
    out[gpu] = sum;
  }
  team.sync();
}

/// What a layer's gpus have to bear altogether.
struct layer_load {
  double total, mean;  // tokens; and tokens for a gpu of speed 1, of the gpus that have slots
};

EPLB_HOST_DEVICE inline layer_load load_of(const plan_shape& shape, const cluster& gpus, const float* load) {
  double total = 0, speed = 0;
  for (int e = 0; e < shape.experts; ++e) total += static_cast<double>(load[e]);
  for (int gpu = 0; gpu < shape.gpus; ++gpu) speed += gpus.slots_of(gpu) > 0 ? static_cast<double>(gpus.speed[gpu]) : 0;
  return {total, total / speed};
}

/// Mean over largest of what gpus bear.
EPLB_HOST_DEVICE inline double balancedness(const plan_shape& shape, const cluster& gpus, const layer_load& of,
                                            const double* gpu_load) {
  double largest = 0;
  for (int gpu = 0; gpu < shape.gpus; ++gpu) {
    const double borne = gpu_load[gpu] / static_cast<double>(gpus.speed[gpu]);
    largest = borne > largest ? borne : largest;
  }
  const double balance = of.mean / largest;
  return balance < 1 ? balance : 1;  // the sums are rounded differently
}

/// Slots whose gpu has the same expert in an earlier slot, of this thread's share of the experts.
/// `last_gpu` [experts] is scratch. `found(slot, gpu)` is told each.
template <class Team, class Found>
EPLB_HOST_DEVICE void find_duplicates(Team& team, const plan_shape& shape, const cluster& gpus,
                                      const index_t* expert_of_slot, index_t* last_gpu, Found found) {
  const int rank = team.rank(), size = team.size();
  for (int e = rank; e < shape.experts; e += size) last_gpu[e] = nowhere;
  for (int gpu = 0; gpu < shape.gpus; ++gpu)
    for (int slot = gpus.first_slot[gpu]; slot < gpus.first_slot[gpu + 1]; ++slot) {
      const int e = expert_of_slot[slot];
      if (e % size != rank) continue;
      if (last_gpu[e] == gpu) found(slot, gpu);
      last_gpu[e] = static_cast<index_t>(gpu);
    }
  team.sync();
}

/// Memory for judging a layer.
struct score_memory {
  double* gpu_load;   // [gpus]
  index_t* last_gpu;  // [experts]
  replicas replica;
  std::uint64_t* hottest;  // tournament of the experts
  std::uint64_t* keys;     // [experts] } to sort them
  std::uint64_t* spare;    // [experts] }
  double* most_on;         // [experts + 1] load of the so many heaviest

  template <class Team>
  EPLB_HOST_DEVICE static score_memory lay_out(arena& memory, const plan_shape& shape) {
    const auto experts = size_cast(shape.experts);
    score_memory out;
    out.gpu_load = memory.take<double>(size_cast(shape.gpus));
    out.last_gpu = memory.take<index_t>(experts);
    out.replica = replicas::lay_out(memory, shape.experts, shape.slots);
    out.hottest = memory.take<std::uint64_t>(Team::tournament::words(shape.experts));
    out.keys = memory.take<std::uint64_t>(experts);
    out.spare = memory.take<std::uint64_t>(experts);
    out.most_on = memory.take<double>(experts + 1);
    return out;
  }
};

/// The least that the gpus can bear, all of them together, when no gpu has more experts than slots: those on which not
/// enough fits leave the rest to the others.
template <class Team>
EPLB_HOST_DEVICE double least_by_slots(Team& team, const plan_shape& shape, const cluster& gpus, const layer_load& of,
                                       const float* load, const score_memory& memory) {
  const int rank = team.rank(), size = team.size(), experts = shape.experts;
  int least_room = shape.slots, most_room = 0;
  for (int gpu = 0; gpu < shape.gpus; ++gpu) {
    const int room = gpus.slots_of(gpu);
    if (room == 0) continue;
    least_room = room < least_room ? room : least_room;
    most_room = room > most_room ? room : most_room;
  }
  if (least_room == most_room) return of.mean;
  for (int e = rank; e < experts; e += size) memory.keys[e] = heaviest_key(load[e], static_cast<std::uint32_t>(e));
  team.sort(memory.keys, memory.spare, experts);
  if (rank == 0) {
    memory.most_on[0] = 0;
    for (int e = 0; e < experts; ++e)
      memory.most_on[e + 1] = memory.most_on[e] + static_cast<double>(heaviest_key_load(memory.keys[e]));
  }
  team.sync();
  double least = of.mean;
  for (bool rises = true; rises;) {
    double left = of.total, speed = 0;
    for (int gpu = 0; gpu < shape.gpus; ++gpu) {
      const int room = gpus.slots_of(gpu);
      const double most = memory.most_on[room < experts ? room : experts];
      const auto own_speed = static_cast<double>(gpus.speed[gpu]);
      if (most < least * own_speed)
        left -= most;
      else
        speed += room > 0 ? own_speed : 0;
    }
    const double now = speed > 0 ? left / speed : least;
    rises = now > least;
    least = rises ? now : least;
  }
  return least;
}

/// A lower bound of what the gpu that bears most has to bear, for any placement: the mean; the largest replica on the
/// fastest gpu when replicas are given out so that it is as small as it can be; and what the slots force.
template <class Team>
EPLB_HOST_DEVICE double least_peak(Team& team, const plan_shape& shape, const cluster& gpus, const layer_load& of,
                                   const float* load, const score_memory& memory) {
  int with_slots = 0;
  float fastest = 0;
  for (int gpu = 0; gpu < shape.gpus; ++gpu) {
    if (gpus.slots_of(gpu) == 0) continue;
    ++with_slots;
    fastest = gpus.speed[gpu] > fastest ? gpus.speed[gpu] : fastest;
  }
  // Two replicas on one gpu are no better than one there.
  const bool has_gpus_enough = shape.slots <= std::int64_t{shape.experts} * with_slots;
  replicate(team, load, shape.experts, shape.slots, memory.replica, memory.hottest,
            has_gpus_enough ? with_slots : max_extent);
  double largest = 0;
  for (int e = 0; e < shape.experts; ++e) {
    const double share = static_cast<double>(load[e]) / memory.replica.count[e];
    largest = share > largest ? share : largest;
  }
  largest /= static_cast<double>(fastest);
  const double by_slots = least_by_slots(team, shape, gpus, of, load, memory);
  team.sync();
  return largest > by_slots ? largest : by_slots;
}

/// Judges a layer under all samples, whose loads are `stride` apart: its mean balancedness over those
/// that have load. Writes each gpu's mean load to gpu_load [gpus], unless null.
template <class Team>
EPLB_HOST_DEVICE layer_score score_layer(Team& team, const plan_shape& shape, const cluster& gpus,
                                         const layer_maps& maps, const float* load, int samples, std::size_t stride,
                                         const score_memory& memory, double* gpu_load) {
  const int rank = team.rank(), size = team.size();
  double sum = 0, bounds = 0;
  int with_load = 0;
  for (int s = 0; s < samples; ++s, load += stride) {
    gpu_loads(team, shape, gpus, maps, load, memory.gpu_load);
    if (const layer_load of = load_of(shape, gpus, load); of.total > 0) {
      const double balance = balancedness(shape, gpus, of, memory.gpu_load);
      const double bound = of.mean / least_peak(team, shape, gpus, of, load, memory);
      sum += balance;
      bounds += bound > balance ? bound : balance;  // where the sums are rounded differently
      ++with_load;
    }
    for (int gpu = rank; gpu_load && gpu < shape.gpus; gpu += size)
      gpu_load[gpu] = (s > 0 ? gpu_load[gpu] : 0) + memory.gpu_load[gpu] / samples;
    team.sync();
  }
  int most = 0, duplicates = 0;
  for (int e = rank; e < shape.experts; e += size) most = maps.replica_count[e] > most ? maps.replica_count[e] : most;
  find_duplicates(team, shape, gpus, maps.physical_to_logical, memory.last_gpu, [&](int, int) { ++duplicates; });
  return {with_load > 0 ? sum / with_load : 0, with_load > 0 ? bounds / with_load : 0, team.max(most),
          team.sum(duplicates)};
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
      bounds_ += layer.bound;
      if (layer.balancedness < out_.balancedness_min) out_.balancedness_min = layer.balancedness;
    } else {
      ++out_.empty_layers;
    }
    if (out_.layer_balancedness) out_.layer_balancedness[layers_] = layer.balancedness > 0 ? layer.balancedness : 1;
    if (out_.layer_bound) out_.layer_bound[layers_] = layer.balancedness > 0 ? layer.bound : 1;
    if (layer.max_replica_count > out_.max_replica_count) out_.max_replica_count = layer.max_replica_count;
    out_.duplicates += layer.duplicates;
    ++layers_;
    const auto judged = static_cast<double>(layers_ - out_.empty_layers);
    out_.balancedness = judged > 0 ? sum_ / judged : 1;
    out_.bound = judged > 0 ? bounds_ / judged : 1;
  }

 private:
  placement_stats& out_;
  double sum_ = 0, bounds_ = 0;
  std::int64_t layers_ = 0;
};

/// Judges a placement of all layers under loads [samples][layers][experts], one team for all.
template <class Team>
void score(Team& team, const plan_shape& shape, const cluster& gpus, const layer_maps& maps, const float* load,
           int samples, const score_memory& memory, placement_stats& out) {
  score_sum sum(out);
  const auto layers = size_cast(shape.layers), experts = size_cast(shape.experts);
  for (std::size_t l = 0; l < layers; ++l)
    sum.add(score_layer(team, shape, gpus, maps.of(shape, static_cast<int>(l)), load + l * experts, samples,
                        layers * experts, memory, out.gpu_load ? out.gpu_load + l * size_cast(shape.gpus) : nullptr));
}

}  // namespace
}  // namespace eplb
