// SPDX-License-Identifier: MIT
// The core, run by one thread, compiled for several instruction sets. Every set gives the same bits.
#pragma once

#include "backend/backend.h"
#include "core/search/steps.h"
#include "core/team/serial.h"

namespace eplb {

/// One layer to plan, and one thread's memory to do it in.
struct layer_job {
  const plan_shape& shape;
  const packing_rules& rules;
  std::uint64_t seed;
  int layer;
  std::uint32_t first_problem;
  const float* load;
  const layer_memory& memory;
  layer_maps out;
};

/// The same for a search.
struct search_job {
  search_task task;
  int layer;
  current_view from;
  const int* budget;  // [nodes]
  bool again;
  const float* sum;
  const layer_memory& memory;
  const node_search& search;
  index_t* current;        // [slots]
  node_outcome* outcomes;  // [nodes]
  layer_maps out;
};

/// Searches the candidates of a problem instead of the thread that found it.
class search_hook {
 public:
  virtual void search(const packing_problem& problem) = 0;

 protected:
  ~search_hook() = default;
};

struct cpu_kernels {
  const char* name;
  bool (*usable)();
  /// Converts one sample of a layer, element `at` of the loads on; see read_loads().
  int (*read)(const load_view& loads, std::size_t at, int experts, bool first, float* out, float* sum);
  bool (*total_is_finite)(const float* load, int experts);
  /// With a hook, candidates are left to it.
  void (*plan_layer)(const layer_job& job, search_hook* hook);
  layer_outcome (*search_layer)(const search_job& job);
  std::uint64_t (*try_candidates)(const packing_problem& problem, const packing_rules& rules, int first, int last,
                                  const sorted_items& items, const packing_memory& memory, index_t* best_member);
  /// One layer's maps, layer `layer` of the caller's buffers.
  void (*write_maps)(const plan_shape& shape, const layer_maps& maps, int layer, const maps_view& out);
};

extern const cpu_kernels baseline_kernels;
#if defined(__x86_64__)
extern const cpu_kernels avx2_kernels;
#endif

}  // namespace eplb
