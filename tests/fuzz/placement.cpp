// SPDX-License-Identifier: MIT
// Placements that may be anything, checked and scored. What is wrong with one is found here a second way.
#include "drawn.h"

using namespace eplb::fuzz;

namespace {

/// A placement that is right, in any order of slots and ranks.
void fill_rightly(input& in, const eplb_shape& shape, four_maps& to) {
  const std::int32_t slots = shape.num_physical_experts, experts = shape.num_logical_experts;
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer) {
    std::vector<std::int32_t> expert_of(index(slots)), ranks(index(experts));
    for (std::int32_t slot = 0; slot < slots; ++slot)
      expert_of[index(slot)] = slot < experts ? slot : in.byte() % experts;
    for (std::size_t slot = expert_of.size(); slot-- > 1;)
      std::swap(expert_of[slot], expert_of[in.byte() % (slot + 1)]);
    const std::size_t width = index(to.maps.max_replicas);
    for (std::int32_t e = 0; e < experts; ++e)
      for (std::size_t r = 0; r < width; ++r)
        to.logical_to_physical.set((product(layer, experts) + index(e)) * width + r, -1);
    for (std::int32_t slot = 0; slot < slots; ++slot) {
      const std::int32_t e = expert_of[index(slot)], rank = ranks[index(e)]++;
      to.physical_to_logical.set(product(layer, slots) + index(slot), e);
      to.replica_rank.set(product(layer, slots) + index(slot), rank);
      to.logical_to_physical.set((product(layer, experts) + index(e)) * width + index(rank), slot);
    }
    for (std::int32_t e = 0; e < experts; ++e)
      to.replica_count.set(product(layer, experts) + index(e), ranks[index(e)]);
  }
}

/// A few elements of a map replaced.
void spoil(input& in, buffer& map) {
  for (int times = in.between(0, 2); times > 0; --times)
    map.set(in.byte() % map.count(), in.one_in(4) ? in.raw<std::int64_t>() : in.between(-1, 48));
}

/// The experts of a layer that are right are each in a slot.
bool are_all_there(const four_maps& maps, const eplb_shape& shape, std::int32_t layer, std::vector<int>& counts) {
  counts.assign(index(shape.num_logical_experts), 0);
  for (std::int32_t slot = 0; slot < shape.num_physical_experts; ++slot) {
    const std::int64_t e = maps.physical_to_logical[product(layer, shape.num_physical_experts) + index(slot)];
    if (e < 0 || e >= shape.num_logical_experts) return false;
    ++counts[index(e)];
  }
  return std::find(counts.begin(), counts.end(), 0) == counts.end();
}

/// The other maps of a layer say the same, where they are given: for each expert, the slots by rank.
bool do_agree(const eplb_maps& given, const four_maps& maps, const eplb_shape& shape, std::int32_t layer,
              const std::vector<int>& counts) {
  const std::size_t first_slot = product(layer, shape.num_physical_experts), width = index(given.max_replicas);
  for (std::int32_t e = 0; e < shape.num_logical_experts; ++e) {
    const std::size_t row = product(layer, shape.num_logical_experts) + index(e);
    const auto count = index(counts[index(e)]);
    if (given.replica_count && maps.replica_count[row] != counts[index(e)]) return false;
    std::vector<std::int64_t> by_rank(count, -1), own;
    for (std::int32_t slot = 0; slot < shape.num_physical_experts; ++slot) {
      if (maps.physical_to_logical[first_slot + index(slot)] != e) continue;
      own.push_back(slot);
      const std::int64_t rank = maps.replica_rank[first_slot + index(slot)];
      if (!given.replica_rank) continue;
      if (rank < 0 || rank >= counts[index(e)] || by_rank[index(rank)] != -1) return false;
      by_rank[index(rank)] = slot;
    }
    if (!given.logical_to_physical) continue;
    if (count > width) return false;
    std::vector<std::int64_t> listed;
    for (std::size_t r = 0; r < width; ++r) {
      const std::int64_t slot = maps.logical_to_physical[row * width + r];
      if (r >= count && slot != -1) return false;
      if (r < count) listed.push_back(slot);
    }
    if (given.replica_rank && listed != by_rank) return false;
    std::sort(listed.begin(), listed.end());
    if (listed != own) return false;
  }
  return true;
}

bool is_right(const eplb_maps& given, const four_maps& maps, const eplb_shape& shape) {
  std::vector<int> counts;
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer)
    if (!are_all_there(maps, shape, layer, counts) || !do_agree(given, maps, shape, layer, counts)) return false;
  return true;
}

/// Slots whose gpu has the same expert in an earlier one.
std::int64_t count_duplicates(const four_maps& maps, const eplb_shape& shape, const std::vector<std::int32_t>& gpu_of) {
  std::int64_t found = 0;
  const std::size_t slots = gpu_of.size();
  for (std::size_t i = 0; i < index(shape.num_layers) * slots; ++i)
    for (std::size_t j = i / slots * slots; j < i; ++j)
      if (gpu_of[i % slots] == gpu_of[j % slots] && maps.physical_to_logical[i] == maps.physical_to_logical[j]) {
        ++found;
        break;
      }
  return found;
}

/// Loads are shared out to gpus completely, and no balance is above its bound.
void check_stats(const eplb_stats& stats, const buffer& gpu_load, const drawn_loads& loads, const eplb_shape& shape) {
  PROMISE(stats.balancedness > 0 && stats.balancedness_min > 0 && stats.balancedness_min <= 1 + 1e-9);
  PROMISE(stats.balancedness <= stats.bound * (1 + 1e-9) && stats.bound <= 1 + 1e-9);
  PROMISE(stats.max_replica_count >= 1 && stats.max_replica_count <= shape.num_physical_experts);
  double on_gpus = 0, given = 0;
  for (std::size_t i = 0; i < gpu_load.count(); ++i) {
    PROMISE(gpu_load.at<double>(i) >= 0);
    on_gpus += gpu_load.at<double>(i) * loads.given.num_samples;
  }
  for (std::size_t i = 0; i < product(loads.given.num_samples, shape.num_layers, shape.num_logical_experts); ++i) {
    switch (loads.given.type) {
      case EPLB_TYPE_FLOAT32:
        given += static_cast<double>(loads.values.at<float>(i));
        break;
      case EPLB_TYPE_FLOAT64:
        given += static_cast<double>(static_cast<float>(loads.values.at<double>(i)));
        break;
      default:
        given += static_cast<double>(static_cast<float>(loads.values[i]));
    }
  }
  PROMISE(std::fabs(on_gpus - given) <= 1e-9 * given);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  const drawn_shape drawn(in);
  eplb_shape shape = drawn.shape;
  if (!drawn.is_small() || shape.num_physical_experts < shape.num_logical_experts) return -1;
  const std::uint32_t flags = in.mostly<std::uint32_t>(0, 1);
  four_maps maps(shape, in.one_in(2) ? EPLB_TYPE_INT64 : EPLB_TYPE_INT32,
                 shape.num_physical_experts - shape.num_logical_experts + 1 + in.between(0, 2), buffer::exact);
  fill_rightly(in, shape, maps);
  eplb_maps given = maps.maps;
  buffer* const all[] = {&maps.physical_to_logical, &maps.replica_rank, &maps.replica_count, &maps.logical_to_physical};
  for (buffer* map : all)
    if (in.one_in(4)) spoil(in, *map);
  if (in.one_in(4)) given.replica_rank = nullptr, given.replica_rank_count = 0;
  if (in.one_in(4)) given.replica_count = nullptr, given.replica_count_count = 0;
  if (in.one_in(4)) given.logical_to_physical = nullptr, given.logical_to_physical_count = 0, given.max_replicas = 0;

  const eplb_status checked_as =
      checked([&](eplb_error* error) { return eplb_check_placement(&shape, &given, flags, error); });
  const eplb_status without_flags =
      checked([&](eplb_error* error) { return eplb_check_placement(&shape, &given, 0, error); });
  PROMISE(without_flags == EPLB_SUCCESS || without_flags == checked_as || flags > EPLB_CHECK_DUPLICATES);
  if (without_flags == EPLB_ERROR_INVALID_ARGUMENT) return 0;  // the shape is wrong
  PROMISE((without_flags == EPLB_SUCCESS) == is_right(given, maps, shape));

  drawn_loads loads(in, shape.num_layers, shape.num_logical_experts);
  buffer current = buffer::drawn(in, product(shape.num_layers, shape.num_physical_experts), given.type);
  bool current_is_right = current.is_fine();
  std::int64_t changes = 0;
  if (in.one_in(2)) {
    for (std::size_t i = 0; i < current.count(); ++i)
      current.set(i, in.mostly<std::int64_t>(-1, shape.num_logical_experts - 1));
    for (std::size_t i = 0; current.is_fine() && current.data() && i < current.needed(); ++i) {
      current_is_right = current_is_right && current[i] >= -1 && current[i] < shape.num_logical_experts;
      changes += current[i] != maps.physical_to_logical[i] ? 1 : 0;
    }
    loads.given.current = current.data();
    loads.given.current_count = current.count();
    loads.given.current_type = given.type;
    // A type alone means that the pointer was forgotten.
    current_is_right = current_is_right && (current.data() || given.type == EPLB_TYPE_INT32);
  }
  buffer gpu_load = buffer::exact(product(shape.num_layers, shape.num_gpus), EPLB_TYPE_FLOAT64);
  eplb_stats stats = defaults(eplb_stats_init);
  stats.gpu_load = static_cast<double*>(gpu_load.data());
  stats.gpu_load_count = gpu_load.count();
  const eplb_stats before = stats;
  const eplb_status status =
      checked([&](eplb_error* error) { return eplb_score_placement(&shape, &loads.given, &given, &stats, error); });
  if (status != EPLB_SUCCESS) {
    PROMISE(gpu_load.is_untouched() && std::memcmp(&stats, &before, sizeof stats) == 0);
    PROMISE(without_flags != EPLB_SUCCESS || !loads.are_good || !current_is_right);
    return 0;
  }
  PROMISE(without_flags == EPLB_SUCCESS && loads.are_good && (current_is_right || !loads.given.current));
  PROMISE(stats.changes == (loads.given.current ? changes : 0));
  PROMISE(stats.duplicates == count_duplicates(maps, shape, drawn.gpu_of_slot()));
  if (flags <= EPLB_CHECK_DUPLICATES)
    PROMISE(checked_as == (flags && stats.duplicates ? EPLB_ERROR_INVALID_PLACEMENT : EPLB_SUCCESS));
  check_stats(stats, gpu_load, loads, shape);
  return 0;
}
