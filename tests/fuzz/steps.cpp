// SPDX-License-Identifier: MIT
// The two steps by themselves: packing and replicating.
#include "drawn.h"

using namespace eplb::fuzz;

namespace {

/// Each pack has all its seats taken, once.
void check_packing(const eplb_packing& problem, const buffer& pack, const buffer& rank) {
  const std::int32_t room = problem.num_items / problem.num_packs;
  for (std::int32_t row = 0; row < problem.num_rows; ++row) {
    std::vector<int> items(index(problem.num_packs)), seats(product(problem.num_packs, room));
    for (std::int32_t i = 0; i < problem.num_items; ++i) {
      const std::size_t at = product(row, problem.num_items) + index(i);
      if (pack.data()) {
        PROMISE(pack[at] >= 0 && pack[at] < problem.num_packs);
        PROMISE(++items[index(pack[at])] <= room);
      }
      if (rank.data()) PROMISE(rank[at] >= 0 && rank[at] < room);
      if (pack.data() && rank.data()) PROMISE(++seats[index(pack[at] * room + rank[at])] == 1);
    }
  }
}

void pack(input& in, const eplb_options& options) {
  eplb_packing problem = defaults(eplb_packing_init);
  const std::int32_t type = in.one_in(2) ? EPLB_TYPE_INT64 : EPLB_TYPE_INT32;
  const std::int32_t rows = in.between(1, 3), packs = in.between(1, 12);
  const std::int32_t items = in.one_in(16) ? in.between(1, 48) : packs * in.between(1, 8);
  drawn_loads loads(in, rows, items);
  buffer pack_index = buffer::drawn(in, product(rows, items), type);
  buffer rank_in_pack = buffer::drawn(in, product(rows, items), type);
  problem.type = type;
  problem.num_rows = rows;
  problem.num_items = items;
  problem.num_packs = packs;
  problem.pack_index = pack_index.data();
  problem.pack_index_count = pack_index.count();
  problem.rank_in_pack = rank_in_pack.data();
  problem.rank_in_pack_count = rank_in_pack.count();
  const eplb_status status =
      checked([&](eplb_error* error) { return eplb_balanced_packing(&options, &loads.given, &problem, error); });
  if (status != EPLB_SUCCESS) {
    PROMISE(pack_index.is_untouched() && rank_in_pack.is_untouched());
    return;
  }
  PROMISE(loads.are_good && pack_index.is_fine() && rank_in_pack.is_fine() && items % packs == 0);
  PROMISE(pack_index.is_rest_untouched() && rank_in_pack.is_rest_untouched());
  check_packing(problem, pack_index, rank_in_pack);
}

void replicate(input& in, const eplb_options& options) {
  eplb_shape shape = defaults(eplb_shape_init);
  shape.num_layers = in.between(1, 3);
  shape.num_logical_experts = in.between(1, 32);
  shape.num_physical_experts = shape.num_logical_experts + in.between(0, 24) - (in.one_in(32) ? 1 : 0);
  if (shape.num_physical_experts == 0) return;
  drawn_loads loads(in, shape.num_layers, shape.num_logical_experts);
  drawn_maps out(in, shape);
  const eplb_status status = checked(
      [&](eplb_error* error) { return eplb_replicate_experts(&shape, &options, &loads.given, &out.maps, error); });
  if (status != EPLB_SUCCESS) {
    PROMISE(out.all([](const buffer& map) { return map.is_untouched(); }));
    return;
  }
  PROMISE(loads.are_good && out.all([](const buffer& map) { return map.is_fine() && map.is_rest_untouched(); }));
  if (!out.physical_to_logical.data()) return;
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer)
    for (std::int32_t e = 0; e < shape.num_logical_experts; ++e)
      PROMISE(out.physical_to_logical[product(layer, shape.num_physical_experts) + index(e)] == e);
  shape.num_gpus = 1;
  PROMISE(checked([&](eplb_error* error) { return eplb_check_placement(&shape, &out.maps, 0, error); }) ==
          EPLB_SUCCESS);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  const bool packs = in.one_in(2);
  eplb_options options = draw_options(in);
  if (options.candidates > 100 || options.max_swaps > 1000 || options.search_steps > 1000) return -1;
  options.num_threads = in.one_in(16) ? 2 : 1;
  if (packs)
    pack(in, options);
  else
    replicate(in, options);
  return 0;
}
