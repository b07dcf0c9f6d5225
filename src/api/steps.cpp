// SPDX-License-Identifier: MIT
// The two steps that engines use by themselves. Each is a plan in which the other step has nothing
// to decide.
#include "api/check.h"
#include "api/error.h"
#include "api/plan.h"

namespace eplb {
namespace {

/// The loads of a part, which has no placement to start from.
eplb_input part_input(const eplb_input* input) {
  const eplb_input out = read_struct(input, "input");
  if (out.current) fail(EPLB_ERROR_INVALID_ARGUMENT, "input.current is given, but this call starts from nothing");
  return out;
}

/// The caller's options without what a part has no use for.
eplb_options global_options(const eplb_options* options) {
  eplb_options out = options ? read_struct(options, "options") : defaults<eplb_options>();
  out.struct_size = sizeof out;
  out.policy = EPLB_POLICY_GLOBAL;
  return out;
}

eplb_shape make_shape(int rows, int experts, int slots, int gpus) {
  auto out = defaults<eplb_shape>();
  out.struct_size = sizeof out;
  out.num_layers = rows;
  out.num_logical_experts = experts;
  out.num_physical_experts = slots;
  out.num_gpus = gpus;
  return out;
}

/// From the slot of each item to its pack and its seat there.
template <class Int>
void split_slots(const Int* slot, std::size_t count, Int room, Int* pack_index, Int* rank_in_pack) {
  for (std::size_t i = 0; i < count; ++i) {
    const Int at = slot[i];
    if (pack_index) pack_index[i] = at / room;
    if (rank_in_pack) rank_in_pack[i] = at % room;
  }
}

}  // namespace
}  // namespace eplb

using namespace eplb;

eplb_status eplb_balanced_packing(const eplb_options* options, const eplb_input* input, const eplb_packing* packing,
                                  eplb_error* error) {
  return guarded(error, [&] {
    const eplb_packing given = read_struct(packing, "packing");
    check_range("packing.num_rows", given.num_rows, 1, max_extent);
    check_range("packing.num_items", given.num_items, 1, max_extent);
    check_range("packing.num_packs", given.num_packs, 1, max_extent);
    check_multiple("packing.num_items", given.num_items, "packing.num_packs", given.num_packs);
    const std::size_t count = size_cast(given.num_rows) * size_cast(given.num_items);
    const std::size_t size = size_of(check_map_type("packing.type", given.type));
    check_memory("packing.memory", given.memory, memory_kind::host);
    check_buffer("packing.pack_index", given.pack_index, given.pack_index_count, count, size);
    check_buffer("packing.rank_in_pack", given.rank_in_pack, given.rank_in_pack_count, count, size);

    // A plan without replicas: the items are the experts, and each has one slot in its pack. The
    // inverse map is then the slot of each item; it is made in one of the caller's buffers.
    const eplb_shape shape = make_shape(given.num_rows, given.num_items, given.num_items, given.num_packs);
    const eplb_options global = global_options(options);
    const eplb_input loads = part_input(input);
    checked_options checked = check_options(&shape, &global, &loads);
    checked.spec.first_problem = 0;
    auto slots = defaults<eplb_maps>();
    slots.type = given.type;
    slots.logical_to_physical = given.pack_index ? given.pack_index : given.rank_in_pack;
    if (slots.logical_to_physical) {
      slots.max_replicas = 1;
      slots.logical_to_physical_count = count;
    }
    const maps_view out = check_maps(slots, checked.spec.shape, memory_kind::host);
    plan_once(checked, loads, out, nullptr);
    const int room = given.num_items / given.num_packs;
    if (out.type == scalar::int32)
      split_slots(static_cast<const std::int32_t*>(out.logical_to_physical), out.logical_to_physical ? count : 0,
                  std::int32_t{room}, static_cast<std::int32_t*>(given.pack_index),
                  static_cast<std::int32_t*>(given.rank_in_pack));
    else
      split_slots(static_cast<const std::int64_t*>(out.logical_to_physical), out.logical_to_physical ? count : 0,
                  std::int64_t{room}, static_cast<std::int64_t*>(given.pack_index),
                  static_cast<std::int64_t*>(given.rank_in_pack));
  });
}

eplb_status eplb_replicate_experts(const eplb_shape* shape, const eplb_options* options, const eplb_input* input,
                                   const eplb_maps* maps, eplb_error* error) {
  return guarded(error, [&] {
    const eplb_shape given = read_struct(shape, "shape");
    // A plan with a gpu for each slot: packing leaves the slots as they were made.
    const eplb_shape flat =
        make_shape(given.num_layers, given.num_logical_experts, given.num_physical_experts, given.num_physical_experts);
    eplb_options global = global_options(options);
    if (global.strategy == EPLB_STRATEGY_AUTO) global.strategy = EPLB_STRATEGY_LPT;  // by the loads' sum
    const eplb_input loads = part_input(input);
    const checked_options checked = check_options(&flat, &global, &loads);
    const maps_view out = check_maps(read_struct(maps, "maps"), checked.spec.shape, memory_kind::host);
    plan_once(checked, loads, out, nullptr);
  });
}
