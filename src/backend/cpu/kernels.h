// SPDX-License-Identifier: MIT
// The phases of a plan, run by one thread and compiled for several instruction sets. Every set gives the same bits.
#pragma once

#include "core/plan.h"
#include "core/search/groups.h"
#include "core/search/node.h"

namespace eplb {

/// One instruction set's phases; what each takes is said where it is defined (core/plan.h lists where).
struct cpu_kernels {
  const char* name;
  bool (*usable)();
  fault_key (*read_layer)(const plan_shape& shape, const load_view& from, int layer, float* sample, std::size_t stride,
                          float* sum);
  void (*prepare_groups)(const plan_shape& shape, const float* load, const group_problem& out,
                         const sort_memory& memory);
  std::uint64_t (*try_candidates)(const packing_problem& problem, const packing_rules& rules, int first, int last,
                                  const packing_memory& memory, index_t* best_member);
  void (*number_experts)(const plan_shape& shape, const packing_problem& groups, const index_t* member, index_t* out);
  void (*prepare_node)(const plan_shape& shape, const float* load, const index_t* expert, const node_problem& out,
                       const prepare_memory& memory);
  void (*write_maps)(const packing_problem& packing, const node_problem& from, int node, int experts,
                     const index_t* member, const layer_maps& out);
  fault_key (*read_current)(const plan_shape& shape, const current_view& from, int layer, index_t* out);
  void (*keep_groups)(const search_task& task, const packing_problem& groups, const index_t* packed,
                      const group_memory& memory, index_t* out);
  node_outcome (*search_node)(const search_task& task, int node, int budget, const index_t* expert,
                              const node_search& search, const layer_maps& out);
  void (*copy_maps)(const plan_shape& shape, const layer_maps& maps, int layer, const maps_view& out);
};

extern const cpu_kernels baseline_kernels;
#if defined(__x86_64__)
extern const cpu_kernels avx2_kernels;
#endif

}  // namespace eplb
