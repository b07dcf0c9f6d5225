// SPDX-License-Identifier: MIT
// What a plan is made of: plain data that every part of the library agrees on.
#pragma once

#include <cstddef>
#include <cstdint>

// Marks functions that also run on a device, for compilers that have to be told.
#if defined(__CUDACC__)
#define EPLB_HOST_DEVICE __host__ __device__
#else
#define EPLB_HOST_DEVICE
#endif

// Marks those that a device's code has once, not wherever they are called: long, and not on the way of most plans, or
// short beside what surrounds their calls.
#if defined(__CUDACC__)
#define EPLB_DEVICE_NOINLINE __host__ __device__ __noinline__
#else
#define EPLB_DEVICE_NOINLINE
#endif

namespace eplb {

/// An expert, slot, group or gpu number, or a count of them. Half the memory traffic of 32 bits.
using index_t = std::uint16_t;
constexpr int max_extent = 65535;

/// Of an array.
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

enum class initial_packing { lpt, zigzag };
enum class amplitude_form { constant, linear };
enum class swap_scope { none, heaviest_lightest, heaviest_any, any_any };
enum class candidate_choice { max_load, spread };

/// The five choices that make a member of the packing family.
struct packing_rules {
  initial_packing initial;
  int candidates;
  float amplitude;
  amplitude_form form;
  swap_scope scope;
  int max_swaps;
  candidate_choice choice;
};

/// How the search over placements goes. It searches if there are steps.
struct search_rules {
  int steps;
  bool allow_duplicates;  // two replicas of an expert on one gpu
  bool sum_samples;       // into one, as the packing family does
  int squarings;          // of a load, to tell what it costs: 2 or 5
};

/// What a search starts from.
struct current_view {
  const void* expert;  // [layers][slots], -1: none; null: it starts from nothing
  bool is_int64;
  int most_changes;  // slots of a layer that may hold another expert
  std::int64_t most_changes_in_all;

  EPLB_HOST_DEVICE std::int64_t operator[](std::size_t i) const {
    return is_int64 ? static_cast<const std::int64_t*>(expert)[i] : static_cast<const std::int32_t*>(expert)[i];
  }
};

/// What may be wrong with a layer's current placement.
enum class current_fault : std::uint32_t { none, value, groups, changes };
struct layer_outcome {
  current_fault fault;
  int at;  // the slot with a bad value, or the changes that are needed: since groups are on more than one node, or not
};

/// Changes that cannot be avoided, and why they are, should they be too many.
struct changes_needed {
  std::int64_t slots;
  current_fault why;
};

/// A placement of one layer, or of all, one after the other.
struct layer_maps {
  index_t* physical_to_logical;  // [slots]
  index_t* replica_rank;         // [slots]
  index_t* replica_count;        // [experts]

  /// Of a layer further on in arrays of all layers.
  EPLB_HOST_DEVICE layer_maps of(const plan_shape& shape, int layer) const {
    const auto l = static_cast<std::size_t>(layer);
    const auto slots = l * static_cast<std::size_t>(shape.slots);
    return {physical_to_logical + slots, replica_rank + slots,
            replica_count + l * static_cast<std::size_t>(shape.experts)};
  }
};

/// Statistics of a placement of all layers under a load; the buffers may be null.
struct placement_stats {
  int max_replica_count;
  double balancedness, balancedness_min, bound;
  std::int64_t empty_layers, duplicates, changes;
  double* layer_balancedness;  // [layers]
  double* gpu_load;            // [layers][gpus]
  double* layer_bound;         // [layers]
};

/// Hands out pieces of one block of memory. Without a block it only counts, so that one function
/// both measures and lays out.
class arena {
 public:
  EPLB_HOST_DEVICE explicit arena(void* block = nullptr) : begin_(static_cast<char*>(block)) {}

  template <class T>
  EPLB_HOST_DEVICE T* take(std::size_t count) {
    char* const piece = begin_ ? begin_ + used_ : nullptr;
    used_ += (count * sizeof(T) + alignment - 1) / alignment * alignment;
    return reinterpret_cast<T*>(piece);
  }
  EPLB_HOST_DEVICE std::size_t used() const { return used_; }
  /// Back to what was used at an earlier time, so that what comes next lies on what came since.
  EPLB_HOST_DEVICE void rewind(std::size_t used) { used_ = used; }

  /// Of every piece, if the block has it; a cache line, so that threads do not share one.
  static constexpr std::size_t alignment = 64;
  /// The first place in a block, which has `alignment` bytes to spare, that is aligned.
  static void* align(void* block) {
    const std::size_t over = reinterpret_cast<std::uintptr_t>(block) % alignment;
    return static_cast<char*>(block) + (alignment - over) % alignment;
  }

 private:
  char* begin_;
  std::size_t used_ = 0;
};

}  // namespace eplb
