// SPDX-License-Identifier: MIT
// The steps of a search: past every dead end, under several samples of the loads at once.
#pragma once

#include "core/search/state.h"

namespace eplb {
namespace {

/// Of the gpus that have slots. Each thread finds it by itself.
EPLB_HOST_DEVICE inline int cheapest_gpu(const search_problem& p, const search_state& state) {
  int best = -1;
  for (int gpu = 0; gpu < p.gpus; ++gpu)
    if (p.room(gpu) > 0 && (best < 0 || state.gpu_cost[gpu] < state.gpu_cost[best])) best = gpu;
  return best;
}

/// The swap of an expert of a gpu with one elsewhere that lowers the sum of costs most, or raises it least:
/// a key of the difference, then i * slots + j. Slots that must stay are left out, and swaps that change more slots
/// than `changes_left`.
template <int power, class Team>
EPLB_DEVICE_NOINLINE std::uint64_t best_exchange(Team& team, const search_problem& p, const search_state& state,
                                                 int gpu, int round, int changes_left) {
  constexpr int width = Team::vector_width;
  static_assert(width <= 32);
  const std::size_t row = padded_slots<Team>(p);
  const int blocks = (p.slots + width - 1) / width, last = p.first[gpu + 1], room = p.room(gpu);
  const float before = state.gpu_cost[gpu], pace = p.pace[gpu];
  std::uint64_t best = last_key;
  std::int32_t highest = 0x7fffffff;  // that can still be the best
  // Side by side with the gpu that costs least first: what is found there lets most others be passed over.
  const int begin = width > 1 ? p.first[cheapest_gpu(p, state)] / width : 0;
  int i = p.first[gpu] + team.rank() % room, block = begin + team.rank() / room;
  for (; block < begin + blocks; i += team.size() % room, block += team.size() / room) {
    if (i >= last) i -= room, ++block;
    if (block >= begin + blocks) break;
    if (state.tabu_until[i] > round) continue;
    const int j = (block < blocks ? block : block - blocks) * width;
    float cost[width];
    for (int k = 0; k < width; ++k) cost[k] = -state.slot_gpu_cost[j + k];
    for (int s = 0; s < p.samples; ++s) {
      const std::size_t at = size_cast(s) * row;
      const float *const share = state.share + at + j, *const own = state.slot_gpu_load + at + j,
                         *const paces = state.slot_pace + j;
      const float x = state.share[at + i], load = state.slot_gpu_load[at + i];
      for (int k = 0; k < width; ++k) {
        const float d = x - share[k];
        cost[k] += load_cost<power>(load - d * pace) + load_cost<power>(own[k] + d * paces[k]);
      }
    }
    std::int32_t rise[width], least = 0x7fffffff;
    for (int k = 0; k < width; ++k) rise[k] = order_of(cost[k] - before);
    for (int k = 0; k < width; ++k) least = rise[k] < least ? rise[k] : least;
    if (least > highest) continue;
    std::uint32_t candidates = 0;  // a bit for each
    for (int k = 0; k < width; ++k)
      candidates |=
          static_cast<std::uint32_t>((rise[k] <= highest) & (rise[k] != 0) & (state.tabu_until[j + k] <= round)) << k;
    for (; candidates != 0; candidates &= candidates - 1) {
      const int k = lowest_bit(candidates);
      const std::uint64_t key = rise_key(rise[k], index_pair::key(i, j + k, p.slots));
      if (key >= best || !may_swap(p, state, i, j + k)) continue;
      if (p.from_current && more_changes_of_swap(p, state, i, j + k) > changes_left) continue;
      best = key;
      highest = rise[k];
    }
  }
  return team.min(best);
}

/// What it does to the costs of all gpus that have an expert in a slot other than `except` when its number of
/// replicas changes: each of their shares by share / change.
EPLB_DEVICE_NOINLINE inline float cost_of_sharing(const search_problem& p, const search_state& state, std::size_t row,
                                                  int some_slot, int except, float change) {
  float cost = 0;
  for (int s = 0; s < p.samples; ++s) {
    const float *const share = state.share + size_cast(s) * row, *const own = state.slot_gpu_load + size_cast(s) * row;
    const float more = share[some_slot] / change;
    int slot = some_slot;
    do {
      if (slot != except)
        cost += load_cost(p.cost_power, own[slot] + more * state.slot_pace[slot]) - load_cost(p.cost_power, own[slot]);
      slot = state.next[slot];
    } while (slot != some_slot);
  }
  return cost;
}

/// The gift of a slot to another expert that lowers the sum of costs most, or raises it least, of those that may help
/// a gpu: one of its experts gets a replica elsewhere, or one of its slots something lighter. A key of the
/// difference, then slot * experts + expert. Gpus that have both experts are judged as if they changed one by one.
template <class Team>
EPLB_DEVICE_NOINLINE std::uint64_t best_gift(Team& team, const search_problem& p, const search_state& state, int gpu,
                                             int round, int changes_left) {
  const int rank = team.rank(), size = team.size();
  const std::size_t row = padded_slots<Team>(p);
  for (int e = rank; e < p.experts; e += size)
    state.gain[e] = cost_of_sharing(p, state, row, state.some_slot[e], -1, -static_cast<float>(state.count[e] + 1));
  team.sync();
  std::uint64_t best = last_key;
  for (int i = rank; i < p.slots; i += size) {
    const int z = state.expert[i], at = p.gpu_of[i];
    if (state.tabu_until[i] > round || state.count[z] < 2) continue;
    const float lost =
        cost_of_sharing(p, state, row, i, i, static_cast<float>(state.count[z] - 1)) - state.gpu_cost[at];
    const int first = at == gpu ? 0 : p.first[gpu], last = at == gpu ? p.experts : p.first[gpu + 1];
    for (int k = first; k < last; ++k) {
      const int y = at == gpu ? k : state.expert[k];
      if (y == z) continue;
      const auto count = static_cast<float>(state.count[y]);
      float cost = lost + state.gain[y];
      for (int s = 0; s < p.samples; ++s) {
        const float *const shares = state.share + size_cast(s) * row, *const own =
                                                                          state.slot_gpu_load + size_cast(s) * row;
        const float share = shares[state.some_slot[y]] * count / (count + 1);
        cost += load_cost(p.cost_power, own[i] + (share - shares[i]) * p.pace[at]);
      }
      const std::uint64_t key = rise_key(order_of(cost), index_pair::key(i, y, p.experts));
      if (key >= best || !may_take(p, state, at, y) || more_changes(p, state, at, z, y) > changes_left) continue;
      best = key;
    }
  }
  return team.min(best);
}

/// The gpu that costs most, the first on ties, and what it costs.
template <class Team>
EPLB_DEVICE_NOINLINE std::uint64_t costliest_gpu(Team& team, const search_problem& p, const search_state& state) {
  std::uint64_t best = last_key;
  for (int gpu = team.rank(); gpu < p.gpus; gpu += team.size()) {
    const std::uint64_t key = heaviest_key(state.gpu_cost[gpu], static_cast<std::uint32_t>(gpu));
    best = key < best ? key : best;
  }
  return team.min(best);
}

/// Gives a slot to another expert. Returns the changes that it takes.
template <class Team>
EPLB_HOST_DEVICE int take_gift(Team& team, const search_problem& p, std::uint64_t gift, std::int32_t stays_until,
                               const search_state& state) {
  const index_pair step(gift, p.experts);
  const int slot = step.i, z = state.expert[slot], y = step.j, at = p.gpu_of[slot];
  const int changes = more_changes(p, state, at, z, y);
  team.sync();
  if (team.rank() == 0) {
    give(state, slot, y);
    state.tabu_until[slot] = stays_until;
  }
  team.sync();
  for (int gpu = team.rank(); gpu < p.gpus; gpu += team.size())
    if (gpu == at || count_on(p, state.expert, gpu, z) + count_on(p, state.expert, gpu, y) > 0)
      refresh_gpu<Team>(p, state, gpu);
  return changes;
}

/// Exchanges the experts of two slots. Returns the changes that it takes.
template <class Team>
EPLB_HOST_DEVICE int take_swap(Team& team, const search_problem& p, std::uint64_t swap, std::int32_t stays_until,
                               const search_state& state) {
  const index_pair step(swap, p.slots);
  const int changes = p.from_current ? more_changes_of_swap(p, state, step.i, step.j) : 0;
  team.sync();
  if (team.rank() == 0) exchange(p, state, step.i, step.j);
  team.sync();
  for (int side = team.rank(); side < 2; side += team.size()) {
    const int slot = side == 0 ? step.i : step.j;
    state.tabu_until[slot] = stays_until;
    refresh_gpu<Team>(p, state, p.gpu_of[slot]);
  }
  return changes;
}

/// Tabu search (Glover, 1989): in each round the costliest gpu is helped by the best step there is, even if that is a
/// step up; the slots that changed stay for some rounds, so that the search does not turn back. A step is a swap; from
/// a current placement it may be a gift too, where that is better by itself. Leaves the best placement it has
/// seen in best_expert. Stops early when no gpu costs more than `goal`.
template <class Team>
EPLB_HOST_DEVICE void search_steps(Team& team, const search_problem& p, int steps, float goal, int changes_left,
                                   const search_state& state) {
  constexpr int longest_stay = 8;
  const int rank = team.rank(), size = team.size();
  bool all_stay = true;
  for (int gpu = 0; gpu < p.gpus; ++gpu) all_stay &= p.room(gpu) <= 1 && p.pace[gpu] == p.pace[0];
  // What pads the rows is never free to change.
  for (int slot = rank; slot < p.slots + Team::vector_width; slot += size)
    state.tabu_until[slot] = slot < p.slots ? 0 : 0x7fffffff;
  std::uint32_t best_peak = ~std::uint32_t{0};
  int idle = 0;
  team.sync();
  for (int round = 0;; ++round) {
    const std::uint64_t costliest = costliest_gpu(team, p, state);
    const auto gpu = static_cast<int>(key_index(costliest));
    const float peak = heaviest_key_load(costliest);
    if (float_bits(peak) < best_peak) {
      best_peak = float_bits(peak);
      for (int slot = rank; slot < p.slots; slot += size) state.best_expert[slot] = state.expert[slot];
      team.sync();
    }
    const bool no_step = (all_stay && !p.from_current) || p.gpus == 1 || idle > longest_stay;
    if (round == steps || peak <= goal || no_step) return;
    const std::uint64_t swap = visit_power(
        p.cost_power, [&](auto power) { return best_exchange<power.value>(team, p, state, gpu, round, changes_left); });
    const std::uint64_t gift = p.from_current ? best_gift(team, p, state, gpu, round, changes_left) : last_key;
    ++idle;
    if (swap == last_key && gift == last_key) continue;
    idle = 0;
    const std::int32_t stays_until = round + longest_stay - 3 + round % 4;
    changes_left -= gift >> 32 < swap >> 32 ? take_gift(team, p, gift, stays_until, state)
                                            : take_swap(team, p, swap, stays_until, state);
    team.sync();
  }
}

/// Scales the loads once more, so that the gpu that bears most under any sample bears peak_at_first.
template <class Team>
EPLB_DEVICE_NOINLINE void scale_to_peak(Team& team, const search_problem& p, const search_state& state, float* load) {
  const std::size_t row = padded_slots<Team>(p);
  std::uint64_t heaviest = last_key;
  for (int gpu = team.rank(); gpu < p.gpus; gpu += team.size())
    for (int s = 0; s < p.samples && p.room(gpu) > 0; ++s) {
      float sum = 0;
      for (int slot = p.first[gpu]; slot < p.first[gpu + 1]; ++slot) sum += state.share[size_cast(s) * row + slot];
      const std::uint64_t key = heaviest_key(sum * p.pace[gpu], 0);
      heaviest = key < heaviest ? key : heaviest;
    }
  const float peak = heaviest_key_load(team.min(heaviest));
  if (!(peak > 0)) return;
  const float factor = peak_at_first / peak;
  const std::size_t loads = size_cast(p.samples) * size_cast(p.experts);
  for (auto i = size_cast(team.rank()); i < loads; i += size_cast(team.size())) load[i] *= factor;
  team.sync();
  refresh_all(team, p, state);
}

/// What the costliest gpu costs when it is as good as at the lower bound: close to the mean, or at the largest replica
/// on the fastest gpu, once replicas are given out.
template <class Team>
EPLB_DEVICE_NOINLINE float goal_of(Team& team, const search_problem& p, const search_state& state) {
  constexpr float close_enough = 1.0001f;
  if (p.samples > 1) return 0;
  std::uint64_t largest = last_key;
  float total = 0, speed = 0, pace = p.pace[0];
  for (int e = 0; e < p.experts; ++e) total += p.load[e];
  for (int gpu = 0; gpu < p.gpus; ++gpu) {
    speed += p.room(gpu) > 0 ? 1 / p.pace[gpu] : 0;
    pace = p.room(gpu) > 0 && p.pace[gpu] < pace ? p.pace[gpu] : pace;
  }
  for (int e = team.rank(); e < p.experts && !p.from_current; e += team.size()) {
    const std::uint64_t key = heaviest_key(p.load[e] / static_cast<float>(state.count[e]), 0);
    largest = key < largest ? key : largest;
  }
  const std::uint64_t found = team.min(largest);
  const float peak = found == last_key ? 0 : heaviest_key_load(found) * pace, mean = total / speed;
  return load_cost(p.cost_power, peak > mean ? peak : close_enough * mean);
}

}  // namespace
}  // namespace eplb
