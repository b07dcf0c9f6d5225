// SPDX-License-Identifier: MIT
// A packing problem: n items into m packs of n / m items each. Groups onto nodes are one, and the replicas of a node
// onto its gpus.
#pragma once

#include "core/arena.h"
#include "core/keys.h"

namespace eplb {

/// The items heaviest first, lowest index first on ties.
struct sorted_items {
  float* load;           // [items + Team::vector_width], then 0
  index_t* index;        // [items] before sorting
  index_t* position_of;  // [items] by index before sorting: position when sorted

  template <class Team>
  EPLB_HOST_DEVICE static sorted_items lay_out(arena& memory, int items) {
    const auto n = size_cast(items);
    sorted_items out;
    out.load = memory.take<float>(n + Team::vector_width);
    out.index = memory.take<index_t>(n);
    out.position_of = memory.take<index_t>(n);
    return out;
  }
};

/// One problem, its items sorted where there is a choice, and the numbers that its random draws depend on.
struct packing_problem {
  int items, packs;
  const float* load;  // [items]
  sorted_items sorted;
  std::uint64_t seed;
  std::uint32_t layer, number;
};

/// What sorting takes.
struct sort_memory {
  std::uint64_t* keys;   // [items]
  std::uint64_t* spare;  // [items]

  EPLB_HOST_DEVICE static sort_memory lay_out(arena& memory, int items) {
    const auto n = size_cast(items);
    sort_memory out;
    out.keys = memory.take<std::uint64_t>(n);
    out.spare = memory.take<std::uint64_t>(n);
    return out;
  }
};

namespace {

/// Sorts items by their loads. Without any load they are packed as if each were 1.
template <class Team>
EPLB_HOST_DEVICE void sort_items(Team& team, const float* load, int items, const sorted_items& out,
                                 const sort_memory& memory) {
  const int rank = team.rank(), size = team.size();
  for (int i = rank; i < items; i += size) memory.keys[i] = heaviest_key(load[i], static_cast<std::uint32_t>(i));
  team.sort(memory.keys, memory.spare, items);
  const bool no_load = heaviest_key_load(memory.keys[0]) == 0;
  for (int t = rank; t < items; t += size) {
    const std::uint32_t i = key_index(memory.keys[t]);
    out.index[t] = static_cast<index_t>(i);
    out.position_of[i] = static_cast<index_t>(t);
    out.load[t] = no_load ? 1 : heaviest_key_load(memory.keys[t]);
  }
  for (int k = rank; k < Team::vector_width; k += size) out.load[items + k] = 0;
  team.sync();
}

/// With one item a pack there is nothing to choose: item i goes to pack i, whatever the loads.
EPLB_HOST_DEVICE inline bool is_identity(const packing_problem& problem) { return problem.items == problem.packs; }

/// The item in a seat, once the best candidate's members are known: a pack's seats are in order of
/// true load, as its members are.
EPLB_HOST_DEVICE inline int item_in_seat(const packing_problem& problem, const index_t* member, int seat) {
  return is_identity(problem) ? seat : problem.sorted.index[member[seat]];
}

}  // namespace
}  // namespace eplb
