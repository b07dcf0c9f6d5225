// SPDX-License-Identifier: MIT
// The two steps of a plan, packing and replicating, by themselves. Each is a plan in which the other step has nothing
// to decide.
#include "api/check.h"
#include "api/error.h"
#include "api/plan.h"

namespace eplb {
namespace {

/// The loads of a step, which has no placement to start from.
eplb_input read_loads(const eplb_input* input) {
  const eplb_input out = read_struct(input, "input");
  if (out.current) fail(EPLB_ERROR_INVALID_ARGUMENT, "input.current is given, but this call starts from nothing");
  return out;
}

/// The caller's options, whatever their policy: a step knows neither groups nor nodes.
eplb_options read_global_options(const eplb_options* options) {
  eplb_options out = options ? read_struct(options, "options") : defaults<eplb_options>();
  out.struct_size = sizeof out;
  out.policy = EPLB_POLICY_GLOBAL;
  return out;
}

eplb_shape make_shape(int layers, int experts, int slots, int gpus) {
  auto out = defaults<eplb_shape>();
  out.struct_size = sizeof out;
  out.num_layers = layers;
  out.num_logical_experts = experts;
  out.num_physical_experts = slots;
  out.num_gpus = gpus;
  return out;
}

std::size_t count_items(const eplb_packing& packing) {
  return size_cast(packing.num_rows) * size_cast(packing.num_items);
}

eplb_packing read_packing(const eplb_packing* packing) {
  const eplb_packing out = read_struct(packing, "packing");
  check_range("packing.num_rows", out.num_rows, 1, max_extent);
  check_range("packing.num_items", out.num_items, 1, max_extent);
  check_range("packing.num_packs", out.num_packs, 1, max_extent);
  if (out.num_items % out.num_packs != 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "packing.num_items is %d, which is not a multiple of packing.num_packs, %d",
         out.num_items, out.num_packs);
  const std::size_t count = count_items(out), size = size_of(check_map_type("packing.type", out.type));
  check_memory("packing.memory", out.memory, memory_kind::host);
  check_buffer("packing.pack_index", out.pack_index, out.pack_index_count, count, size);
  check_buffer("packing.rank_in_pack", out.rank_in_pack, out.rank_in_pack_count, count, size);
  return out;
}

/// Writes the pack of each item and its seat there. `slots` of the items may be in the same buffer as either.
template <class Int>
void split_slots(const void* slots, const eplb_packing& to) {
  const auto* const slot = static_cast<const Int*>(slots);
  auto* const pack = static_cast<Int*>(to.pack_index);
  auto* const seat = static_cast<Int*>(to.rank_in_pack);
  const Int seats = to.num_items / to.num_packs;
  for (std::size_t i = 0; i < count_items(to); ++i) {
    const Int at = slot[i];
    if (pack) pack[i] = at / seats;
    if (seat) seat[i] = at % seats;
  }
}

}  // namespace
}  // namespace eplb

using namespace eplb;

eplb_status eplb_balanced_packing(const eplb_options* options, const eplb_input* input, const eplb_packing* packing,
                                  eplb_error* error) {
  return guarded(error, [&] {
    // A plan without replicas: items are experts, packs are gpus, and the inverse map is the slot of each item. One of
    // the caller's buffers has room for it.
    const eplb_packing given = read_packing(packing);
    const eplb_shape shape = make_shape(given.num_rows, given.num_items, given.num_items, given.num_packs);
    const eplb_options global = read_global_options(options);
    const eplb_input loads = read_loads(input);
    checked_options checked = check_options(&shape, &global, &loads);
    checked.spec.first_problem = 0;
    void* const slots = given.pack_index ? given.pack_index : given.rank_in_pack;
    const maps_view out{static_cast<scalar>(given.type), nullptr, nullptr, nullptr, slots, slots ? 1U : 0U};
    plan_once(checked, loads, out, nullptr);
    if (!slots) return;
    if (out.type == scalar::int32)
      split_slots<std::int32_t>(slots, given);
    else
      split_slots<std::int64_t>(slots, given);
  });
}

eplb_status eplb_replicate_experts(const eplb_shape* shape, const eplb_options* options, const eplb_input* input,
                                   const eplb_maps* maps, eplb_error* error) {
  return guarded(error, [&] {
    // A plan with a gpu for each slot: packing leaves the slots as they were made.
    const eplb_shape given = read_struct(shape, "shape");
    const eplb_shape flat =
        make_shape(given.num_layers, given.num_logical_experts, given.num_physical_experts, given.num_physical_experts);
    eplb_options global = read_global_options(options);
    if (global.strategy == EPLB_STRATEGY_AUTO) global.strategy = EPLB_STRATEGY_LPT;  // by the loads' sum
    const eplb_input loads = read_loads(input);
    const checked_options checked = check_options(&flat, &global, &loads);
    const maps_view out = check_maps(read_struct(maps, "maps"), checked.spec.shape, memory_kind::host);
    plan_once(checked, loads, out, nullptr);
  });
}
