// SPDX-License-Identifier: MIT
// Compiled once for each instruction set, with EPLB_KERNELS as the name of the set. It calls nothing
// from outside the core that the linker could share between the sets.
#include "backend/cpu/kernels.h"

#include "core/loads.h"
#include "core/maps.h"

namespace eplb {
namespace {

serial_team team;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): it has no state

int read(const load_view& loads, std::size_t at, int experts, bool first, float* out, float* sum) {
  return visit_loads(loads, [&](auto* in) { return read_loads(team, in + at, experts, first, out, sum); });
}

bool is_finite(const float* load, int experts) { return total_is_finite(team, load, experts); }

std::uint64_t try_share(const packing_problem& problem, const packing_rules& rules, int first, int last,
                        const sorted_items& items, const packing_memory& memory, index_t* best_member) {
  return try_candidates(team, problem, rules, first, last, items, memory, best_member);
}

void plan_layer(const layer_job& job, search_hook* hook) {
  const layer_memory memory = job.memory;
  balance_layer(team, job.shape, job.seed, static_cast<std::uint32_t>(job.layer), job.first_problem, job.load, memory,
                job.out, [&](const packing_problem& problem) {
                  if (hook)
                    hook->search(problem);
                  else
                    try_candidates(team, problem, job.rules, 0, job.rules.candidates, memory.items, memory.packing,
                                   memory.member);
                });
}

layer_outcome search_one_layer(const search_job& job) {
  search_task task = job.task;
  if (job.from.expert) {
    const int bad = read_current(team, job.from, task.shape, job.layer, job.current);
    if (bad < task.shape.slots) return {current_fault::value, bad};
    task.current = job.current;
  }
  return search_layer(team, task, job.budget, job.from.most_changes, job.again, job.sum, job.memory, job.search,
                      job.outcomes, job.out);
}

template <class Out>
void write_maps_as(const plan_shape& shape, const layer_maps& maps, int layer, const maps_view& out) {
  const auto slots = size_cast(shape.slots), experts = size_cast(shape.experts);
  const auto l = size_cast(layer);
  const auto copy = [&](const index_t* from, std::size_t count, void* to) {
    if (to) widen(team, from, count, static_cast<Out*>(to) + l * count);
  };
  copy(maps.physical_to_logical, slots, out.physical_to_logical);
  copy(maps.replica_rank, slots, out.replica_rank);
  copy(maps.replica_count, experts, out.replica_count);
  if (out.logical_to_physical)
    invert(team, shape, maps, out.max_replicas,
           static_cast<Out*>(out.logical_to_physical) + l * experts * out.max_replicas);
}

void write_maps(const plan_shape& shape, const layer_maps& maps, int layer, const maps_view& out) {
  if (out.type == scalar::int32)
    write_maps_as<std::int32_t>(shape, maps, layer, out);
  else
    write_maps_as<std::int64_t>(shape, maps, layer, out);
}

bool usable() {
#if defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#else
  return true;
#endif
}

#define EPLB_TEXT_OF(x) #x
#define EPLB_TEXT(x) EPLB_TEXT_OF(x)
#define EPLB_JOIN_OF(a, b) a##b
#define EPLB_JOIN(a, b) EPLB_JOIN_OF(a, b)

}  // namespace

const cpu_kernels EPLB_JOIN(EPLB_KERNELS, _kernels){
    EPLB_TEXT(EPLB_KERNELS), usable, read, is_finite, plan_layer, search_one_layer, try_share, write_maps};

}  // namespace eplb
