// SPDX-License-Identifier: MIT
// A local search over whole placements: step by step past every dead end, under several samples of the loads at
// once, on gpus as they are, without two replicas of an expert on one of them, and from where they are now if that is
// asked.
#pragma once

#include <initializer_list>

#include "core/search/start.h"

namespace eplb {

/// All that a search takes beside what a packing does.
struct node_search {
  float* load;     // [samples][experts of a node] scaled
  index_t* place;  // [experts of the layer] number on the node, no_expert: of another; only from a current placement
  search_memory memory;

  template <class Team>
  EPLB_HOST_DEVICE static node_search lay_out(arena& pieces, const plan_shape& shape, const node_size& node,
                                              int samples) {
    node_search out;
    out.load = pieces.take<float>(size_cast(samples) * size_cast(node.experts));
    out.place = pieces.take<index_t>(size_cast(shape.experts));
    out.memory = search_memory::lay_out<Team>(pieces, node, samples);
    return out;
  }
};

/// What a search of a layer is given.
struct search_task {
  const plan_shape& shape;
  const node_size& node;
  const cluster& gpus;
  const search_rules& rules;
  layer_samples samples;
  const index_t* current;  // [slots], no_expert: none; null: it starts from nothing
};

/// What came of the search of a node.
struct node_outcome {
  int needed, changes;  // changed slots: those that could not be avoided, and all
  int most_replicas;
  int strangers;  // slots that held experts of other nodes
};

namespace {

/// Two indices as one, and back.
struct index_pair {
  int i, j;

  EPLB_HOST_DEVICE static std::uint32_t key(int i, int j, int count_of_j) {
    return static_cast<std::uint32_t>(i) * static_cast<std::uint32_t>(count_of_j) + static_cast<std::uint32_t>(j);
  }
  EPLB_HOST_DEVICE index_pair(std::uint64_t key, int count_of_j)
      : i(static_cast<int>(key_index(key) / static_cast<std::uint32_t>(count_of_j))),
        j(static_cast<int>(key_index(key) % static_cast<std::uint32_t>(count_of_j))) {}
};

/// Of those that have slots, by a thread alone: where to begin to look.
EPLB_HOST_DEVICE inline int cheapest_gpu(const search_problem& p, const search_memory& m) {
  int best = -1;
  for (int gpu = 0; gpu < p.gpus; ++gpu)
    if (p.room(gpu) > 0 && (best < 0 || m.gpu_cost[gpu] < m.gpu_cost[best])) best = gpu;
  return best;
}

/// The swap of an expert of a gpu with one elsewhere that lowers the sum of costs most, or raises it least:
/// a key of the difference, then i * slots + j. Slots that must stay are left out, and swaps that change more slots
/// than `changes_left`.
template <int squarings, class Team>
EPLB_DEVICE_NOINLINE std::uint64_t best_exchange(Team& team, const search_problem& p, const search_memory& m, int gpu,
                                                 int round, int changes_left) {
  constexpr int width = Team::vector_width;
  static_assert(width <= 32);
  const std::size_t row = padded_slots<Team>(p);
  const int blocks = (p.slots + width - 1) / width, last = p.first[gpu + 1], room = p.room(gpu);
  const float before = m.gpu_cost[gpu], pace = p.pace[gpu];
  std::uint64_t best = last_key;
  std::int32_t highest = 0x7fffffff;  // that can still be the best
  // Side by side with the gpu that costs least first: what is found there lets most others be passed over.
  const int begin = width > 1 ? p.first[cheapest_gpu(p, m)] / width : 0;
  int i = p.first[gpu] + team.rank() % room, block = begin + team.rank() / room;
  for (; block < begin + blocks; i += team.size() % room, block += team.size() / room) {
    if (i >= last) i -= room, ++block;
    if (block >= begin + blocks) break;
    if (m.until[i] > round) continue;
    const int j = (block < blocks ? block : block - blocks) * width;
    float cost[width];
    for (int k = 0; k < width; ++k) cost[k] = -m.own_cost[j + k];
    for (int s = 0; s < p.samples; ++s) {
      const std::size_t at = size_cast(s) * row;
      const float *const share = m.share + at + j, *const own = m.own + at + j, *const paces = m.pace + j;
      const float x = m.share[at + i], load = m.own[at + i];
      for (int k = 0; k < width; ++k) {
        const float d = x - share[k];
        cost[k] += load_cost<squarings>(load - d * pace) + load_cost<squarings>(own[k] + d * paces[k]);
      }
    }
    std::int32_t rise[width], least = 0x7fffffff;
    for (int k = 0; k < width; ++k) rise[k] = order_of(cost[k] - before);
    for (int k = 0; k < width; ++k) least = rise[k] < least ? rise[k] : least;
    if (least > highest) continue;
    std::uint32_t candidates = 0;  // a bit for each
    for (int k = 0; k < width; ++k)
      candidates |= static_cast<std::uint32_t>((rise[k] <= highest) & (rise[k] != 0) & (m.until[j + k] <= round)) << k;
    for (; candidates != 0; candidates &= candidates - 1) {
      const int k = lowest_bit(candidates);
      const std::uint64_t key = rise_key(rise[k], index_pair::key(i, j + k, p.slots));
      if (key >= best || !may_swap(p, m, i, j + k)) continue;
      if (p.from_current && more_changes_of_swap(p, m, i, j + k) > changes_left) continue;
      best = key;
      highest = rise[k];
    }
  }
  return team.min(best);
}

/// What it does to the costs of all gpus that have an expert in a slot other than `except` when its number of
/// replicas changes: each of their shares by share / change.
EPLB_DEVICE_NOINLINE inline float cost_of_sharing(const search_problem& p, const search_memory& m, std::size_t row,
                                                  int some_slot, int except, float change) {
  float cost = 0;
  for (int s = 0; s < p.samples; ++s) {
    const float *const share = m.share + size_cast(s) * row, *const own = m.own + size_cast(s) * row;
    const float more = share[some_slot] / change;
    int slot = some_slot;
    do {
      if (slot != except)
        cost += load_cost(p.squarings, own[slot] + more * m.pace[slot]) - load_cost(p.squarings, own[slot]);
      slot = m.next[slot];
    } while (slot != some_slot);
  }
  return cost;
}

/// The gift of a slot to another expert that lowers the sum of costs most, or raises it least, of those that may help
/// a gpu: one of its experts gets a replica elsewhere, or one of its slots something lighter. A key of the
/// difference, then slot * experts + expert. Gpus that have both experts are judged as if they changed one by one.
template <class Team>
EPLB_DEVICE_NOINLINE std::uint64_t best_gift(Team& team, const search_problem& p, const search_memory& m, int gpu,
                                             int round, int changes_left) {
  const int rank = team.rank(), size = team.size();
  const std::size_t row = padded_slots<Team>(p);
  for (int e = rank; e < p.experts; e += size)
    m.gain[e] = cost_of_sharing(p, m, row, m.some_slot[e], -1, -static_cast<float>(m.count[e] + 1));
  team.sync();
  std::uint64_t best = last_key;
  for (int i = rank; i < p.slots; i += size) {
    const int z = m.expert[i], at = p.gpu_of[i];
    if (m.until[i] > round || m.count[z] < 2) continue;
    const float lost = cost_of_sharing(p, m, row, i, i, static_cast<float>(m.count[z] - 1)) - m.gpu_cost[at];
    const int first = at == gpu ? 0 : p.first[gpu], last = at == gpu ? p.experts : p.first[gpu + 1];
    for (int k = first; k < last; ++k) {
      const int y = at == gpu ? k : m.expert[k];
      if (y == z) continue;
      const auto count = static_cast<float>(m.count[y]);
      float cost = lost + m.gain[y];
      for (int s = 0; s < p.samples; ++s) {
        const float *const shares = m.share + size_cast(s) * row, *const own = m.own + size_cast(s) * row;
        const float share = shares[m.some_slot[y]] * count / (count + 1);
        cost += load_cost(p.squarings, own[i] + (share - shares[i]) * p.pace[at]);
      }
      const std::uint64_t key = rise_key(order_of(cost), index_pair::key(i, y, p.experts));
      if (key >= best || !may_take(p, m, at, y) || more_changes(p, m, at, z, y) > changes_left) continue;
      best = key;
    }
  }
  return team.min(best);
}

/// The gpu that costs most, the first on ties, and what it costs.
template <class Team>
EPLB_DEVICE_NOINLINE std::uint64_t costliest_gpu(Team& team, const search_problem& p, const search_memory& m) {
  std::uint64_t best = last_key;
  for (int gpu = team.rank(); gpu < p.gpus; gpu += team.size()) {
    const std::uint64_t key = heaviest_key(m.gpu_cost[gpu], static_cast<std::uint32_t>(gpu));
    best = key < best ? key : best;
  }
  return team.min(best);
}

/// Tabu search (Glover, 1989): in each round the costliest gpu is helped by the best step there is, even if that is a
/// step up; the slots that changed stay for some rounds, so that the search does not turn back. A step is a swap; from
/// a current placement it may be a gift too, where that is better by itself. Leaves the best placement it has
/// seen in best_expert. Stops early when no gpu costs more than `goal`.
template <class Team>
EPLB_HOST_DEVICE void search_steps(Team& team, const search_problem& p, int steps, float goal, int changes_left,
                                   const search_memory& m) {
  constexpr int longest_stay = 8;
  const int rank = team.rank(), size = team.size();
  bool all_stay = true;
  for (int gpu = 0; gpu < p.gpus; ++gpu) all_stay &= p.room(gpu) <= 1 && p.pace[gpu] == p.pace[0];
  // What pads the rows is never free to change.
  for (int slot = rank; slot < p.slots + Team::vector_width; slot += size)
    m.until[slot] = slot < p.slots ? 0 : 0x7fffffff;
  std::uint32_t best_peak = ~std::uint32_t{0};
  int idle = 0;
  team.sync();
  for (int round = 0;; ++round) {
    const std::uint64_t costliest = costliest_gpu(team, p, m);
    const auto gpu = static_cast<int>(key_index(costliest));
    const float peak = heaviest_key_load(costliest);
    if (float_bits(peak) < best_peak) {
      best_peak = float_bits(peak);
      for (int slot = rank; slot < p.slots; slot += size) m.best_expert[slot] = m.expert[slot];
      team.sync();
    }
    const bool no_step = (all_stay && !p.from_current) || p.gpus == 1 || idle > longest_stay;
    if (round == steps || peak <= goal || no_step) return;
    const std::uint64_t swap = p.squarings == 2 ? best_exchange<2>(team, p, m, gpu, round, changes_left)
                                                : best_exchange<5>(team, p, m, gpu, round, changes_left);
    const std::uint64_t gift = p.from_current ? best_gift(team, p, m, gpu, round, changes_left) : last_key;
    ++idle;
    if (swap == last_key && gift == last_key) continue;
    idle = 0;
    const std::int32_t until = round + longest_stay - 3 + round % 4;
    if (gift >> 32 < swap >> 32) {
      const index_pair step(gift, p.experts);
      const int z = m.expert[step.i], y = step.j;
      changes_left -= more_changes(p, m, p.gpu_of[step.i], z, y);
      team.sync();
      if (rank == 0) {
        give(m, step.i, y);
        m.until[step.i] = until;
      }
      team.sync();
      for (int other = rank; other < p.gpus; other += size)
        if (other == p.gpu_of[step.i] || count_on(p, m.expert, other, z) + count_on(p, m.expert, other, y) > 0)
          refresh_gpu<Team>(p, m, other);
    } else {
      const index_pair step(swap, p.slots);
      if (p.from_current) changes_left -= more_changes_of_swap(p, m, step.i, step.j);
      team.sync();
      if (rank == 0) exchange(p, m, step.i, step.j);
      team.sync();
      for (int side = rank; side < 2; side += size) {
        const int slot = side == 0 ? step.i : step.j;
        m.until[slot] = until;
        refresh_gpu<Team>(p, m, p.gpu_of[slot]);
      }
    }
    team.sync();
  }
}

/// Scales the loads once more, so that the gpu that bears most under any sample bears peak_at_first.
template <class Team>
EPLB_DEVICE_NOINLINE void scale_to_peak(Team& team, const search_problem& p, const search_memory& m, float* load) {
  const std::size_t row = padded_slots<Team>(p);
  std::uint64_t heaviest = last_key;
  for (int gpu = team.rank(); gpu < p.gpus; gpu += team.size())
    for (int s = 0; s < p.samples && p.room(gpu) > 0; ++s) {
      float sum = 0;
      for (int slot = p.first[gpu]; slot < p.first[gpu + 1]; ++slot) sum += m.share[size_cast(s) * row + slot];
      const std::uint64_t key = heaviest_key(sum * p.pace[gpu], 0);
      heaviest = key < heaviest ? key : heaviest;
    }
  const float peak = heaviest_key_load(team.min(heaviest));
  if (!(peak > 0)) return;
  const float factor = peak_at_first / peak;
  const std::size_t loads = size_cast(p.samples) * size_cast(p.experts);
  for (auto i = size_cast(team.rank()); i < loads; i += size_cast(team.size())) load[i] *= factor;
  team.sync();
  refresh_all(team, p, m);
}

/// What the costliest gpu costs when it is as good as at the lower bound: close to the mean, or at the largest replica
/// on the fastest gpu, once replicas are given out.
template <class Team>
EPLB_DEVICE_NOINLINE float goal_of(Team& team, const search_problem& p, const search_memory& m) {
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
    const std::uint64_t key = heaviest_key(p.load[e] / static_cast<float>(m.count[e]), 0);
    largest = key < largest ? key : largest;
  }
  const std::uint64_t found = team.min(largest);
  const float peak = found == last_key ? 0 : heaviest_key_load(found) * pace, mean = total / speed;
  return load_cost(p.squarings, peak > mean ? peak : close_enough * mean);
}

/// By all nodes together.
EPLB_HOST_DEVICE inline changes_needed add_needed(const node_outcome* of, std::size_t nodes) {
  changes_needed out{0, current_fault::changes};
  for (std::size_t i = 0; i < nodes; ++i) {
    out.slots += of[i].needed;
    if (of[i].strangers > 0) out.why = current_fault::groups;
  }
  return out;
}

/// Seats the experts of each gpu: those that were there stay where they were, the others take the rest in order.
/// Leaves them in m.expert and returns how many slots hold another expert than before.
template <class Team>
EPLB_DEVICE_NOINLINE int seat_experts(Team& team, const search_problem& p, const search_memory& m) {
  const int rank = team.rank(), size = team.size();
  int changes = 0;
  for (int gpu = rank; gpu < p.gpus; gpu += size) {
    const int first = p.first[gpu], last = p.first[gpu + 1];
    for (int slot = first; slot < last; ++slot) m.expert[slot] = no_expert;
    for (int slot = first; slot < last; ++slot)
      for (int other = first; p.from_current && other < last; ++other) {
        if (m.best_expert[slot] == no_expert || m.home[other] != m.best_expert[slot] || m.expert[other] != no_expert)
          continue;
        m.expert[other] = m.best_expert[slot];
        m.best_expert[slot] = no_expert;
      }
    int seat = first;
    for (int slot = first; slot < last; ++slot) {
      if (m.best_expert[slot] == no_expert) continue;
      while (m.expert[seat] != no_expert) ++seat;
      m.expert[seat] = m.best_expert[slot];
      changes += p.from_current ? 1 : 0;
    }
  }
  return team.sum(changes);
}

/// Steps 2 to 4 of a node by search. Which replica of an expert a slot holds is counted in slot order. If more slots
/// have to change than the budget allows, nothing is written.
template <class Team>
EPLB_HOST_DEVICE node_outcome search_node(Team& team, const search_task& task, int node, int budget,
                                          const index_t* expert, const layer_memory& m, const node_search& search,
                                          const layer_maps& out) {
  const int rank = team.rank(), size = team.size(), experts = task.node.experts;
  const search_memory& s = search.memory;
  const search_problem p = describe_node(team, task.gpus, node, task.node, task.rules, task.samples.samples,
                                         search.load, task.current != nullptr, s);
  const auto slot_of = [&](int slot) {
    const int gpu = p.gpu_of[slot];
    return task.gpus.first_slot[task.gpus.gpu[task.gpus.first_gpu[node] + gpu]] + slot - p.first[gpu];
  };
  scale_loads(team, task.shape, task.gpus, task.samples, expert, experts, search.load);
  mean_loads(team, p, m.node_load);
  int gpus = 0, forced = 0, needed = 0, strangers = 0;
  for (int gpu = 0; gpu < p.gpus; ++gpu) {
    gpus += p.room(gpu) > 0 ? 1 : 0;
    forced += p.room(gpu) > experts ? p.room(gpu) - experts : 0;
  }
  if (p.from_current) {
    for (int e = rank; e < task.shape.experts; e += size) search.place[e] = no_expert;
    team.sync();
    for (int e = rank; e < experts; e += size) search.place[expert[e]] = static_cast<index_t>(e);
    team.sync();
    for (int slot = rank; slot < p.slots; slot += size) {
      const index_t e = task.current[slot_of(slot)];
      s.home[slot] = e == no_expert ? no_expert : search.place[e];
      strangers += e != no_expert && s.home[slot] == no_expert ? 1 : 0;
    }
    strangers = team.sum(strangers);
    needed = start_from_current(team, p, s, m.node_load);
    if (needed > budget) return {needed, needed, 0, strangers};
  } else {
    replicate(team, m.node_load, experts, p.slots, m.replica, m.hottest,
              p.allow_duplicates || forced > 0 ? max_extent : gpus);
    for (int e = rank; e < experts; e += size) s.count[e] = m.replica.count[e];
    pack_replicas(team, p, m, s);
  }
  for (int slot = p.slots + rank; slot < p.slots + Team::vector_width; slot += size) {
    s.own_cost[slot] = s.pace[slot] = 0;
    for (int k = 0; k < p.samples; ++k) {
      const std::size_t at = size_cast(k) * padded_slots<Team>(p) + size_cast(slot);
      s.share[at] = s.own[at] = 0;
    }
  }
  refresh_all(team, p, s);
  int changes = needed;
  if (!p.allow_duplicates) {
    const int left = part_duplicates(team, p, s, budget, changes);
    if (left > forced && !p.from_current) {
      deal_replicas(team, p, s, m.node_load, m.packing.used);
      refresh_all(team, p, s);
    }
  }
  scale_to_peak(team, p, s, search.load);
  search_steps(team, p, task.rules.steps, goal_of(team, p, s), budget - changes, s);
  changes = seat_experts(team, p, s);

  for (int e = rank; e < experts; e += size) s.count[e] = 0;
  team.sync();
  for (int slot = 0; slot < p.slots; ++slot) {
    const int e = s.expert[slot];
    if (e % size != rank) continue;
    out.physical_to_logical[slot_of(slot)] = expert[e];
    out.replica_rank[slot_of(slot)] = s.count[e]++;
  }
  int most = 0;
  for (int e = rank; e < experts; e += size) {
    out.replica_count[expert[e]] = s.count[e];
    most = s.count[e] > most ? s.count[e] : most;
  }
  return {needed, changes, team.max(most), strangers};
}

/// Calls f for the expert of each slot of a node that has one now.
template <class F>
EPLB_HOST_DEVICE void visit_current(const search_task& task, int node, F f) {
  for (int k = task.gpus.first_gpu[node]; k < task.gpus.first_gpu[node + 1]; ++k) {
    const int gpu = task.gpus.gpu[k];
    for (int slot = task.gpus.first_slot[gpu]; slot < task.gpus.first_slot[gpu + 1]; ++slot)
      if (task.current[slot] != no_expert) f(static_cast<int>(task.current[slot]));
  }
}

/// Numbers the experts of each node as number_experts() does, but with each group on the node where it is now; those
/// that are nowhere are packed as lpt does, onto what the others leave. False if a group is on two nodes, or a node has
/// more than it has room for. `groups`: sorted, if there are more than nodes.
template <class Team>
EPLB_DEVICE_NOINLINE bool keep_groups(Team& team, const search_task& task, const sorted_items& groups,
                                      const layer_memory& m) {
  const plan_shape& shape = task.shape;
  index_t* const node_of_group = m.member;
  const int rank = team.rank(), size = team.size();
  const int width = shape.experts / shape.groups, room = shape.groups / shape.nodes;
  int bad = 0;
  for (int g = rank; g < shape.groups; g += size) node_of_group[g] = no_expert;
  team.sync();
  for (int node = 0; node < shape.nodes; ++node)
    visit_current(task, node, [&](int e) {
      const int g = e / width;
      if (g % size != rank) return;
      if (node_of_group[g] == no_expert) node_of_group[g] = static_cast<index_t>(node);
      if (node_of_group[g] != node) bad = 1;
    });
  bad = team.max(bad);
  if (rank == 0 && bad == 0) {
    index_t* const used = m.packing.used;
    float* const borne = m.packing.pack_load;
    for (int node = 0; node < shape.nodes; ++node) {
      used[node] = 0;
      borne[node] = 0;
    }
    const auto seat = [&](int g, int node) {
      m.packing.position[node * room + used[node]++] = static_cast<index_t>(g);
      if (room > 1) borne[node] = add_loads(borne[node], groups.load[groups.place[g]]);
    };
    for (int g = 0; g < shape.groups && bad == 0; ++g) {
      if (node_of_group[g] == no_expert) continue;
      if (used[node_of_group[g]] == room)
        bad = 1;
      else
        seat(g, node_of_group[g]);
    }
    for (int k = 0; k < shape.groups && bad == 0; ++k) {
      const int g = room > 1 ? groups.index[k] : k;
      if (node_of_group[g] != no_expert) continue;
      int lightest = -1;
      for (int node = 0; node < shape.nodes; ++node)
        if (used[node] < room && (lightest < 0 || borne[node] < borne[lightest])) lightest = node;
      seat(g, lightest);
    }
  }
  if (team.max(bad) != 0) return false;
  for (int seat = 0; seat < shape.groups; ++seat)
    for (int place = rank; place < width; place += size)
      m.node_expert[seat * width + place] = static_cast<index_t>(m.packing.position[seat] * width + place);
  team.sync();
  return true;
}

/// Names the nodes of a packing of groups, whose experts are in `packed`, so that experts stay: again and again the
/// node and the pack that have most slots in common now, the first of equals, are made one.
template <class Team>
EPLB_DEVICE_NOINLINE void name_nodes(Team& team, const search_task& task, const index_t* packed,
                                     const layer_memory& m) {
  const plan_shape& shape = task.shape;
  const int rank = team.rank(), size = team.size(), nodes = shape.nodes, experts = task.node.experts;
  const int width = shape.experts / shape.groups, room = shape.groups / nodes;
  index_t *const pack_of_group = m.packing.position, *const common = m.member;  // of a node, with each pack
  index_t *const pack_of_node = m.packing.used, *const node_of_pack = m.packing.pack;
  for (int seat = rank; seat < shape.groups; seat += size)
    pack_of_group[packed[size_cast(seat) * size_cast(width)] / width] = static_cast<index_t>(seat / room);
  for (int i = rank; i < nodes; i += size) pack_of_node[i] = node_of_pack[i] = no_expert;
  team.sync();
  const auto visit_packs = [&](int node, auto f) {  // once for each slot; each thread has packs of its own
    visit_current(task, node, [&](int e) {
      const int pack = pack_of_group[e / width];
      if (pack % size == rank && node_of_pack[pack] == no_expert) f(pack);
    });
  };
  for (int named = 0; named < nodes; ++named) {
    std::uint64_t best = last_key;
    for (int node = 0; node < nodes; ++node) {
      if (pack_of_node[node] != no_expert) continue;
      visit_packs(node, [&](int pack) { common[pack] = 0; });
      visit_packs(node, [&](int pack) {
        const auto apart = static_cast<std::uint64_t>(max_extent - ++common[pack]);
        const std::uint64_t key = apart << 32 | index_pair::key(node, pack, nodes);
        best = key < best ? key : best;
      });
    }
    best = team.min(best);
    if (best == last_key) break;
    const index_pair pair(best, nodes);
    if (rank == 0) {
      pack_of_node[pair.i] = static_cast<index_t>(pair.j);
      node_of_pack[pair.j] = static_cast<index_t>(pair.i);
    }
    team.sync();
  }
  if (rank == 0)
    for (int node = 0, free = 0; node < nodes; ++node) {  // those that have nothing in common with what is left
      if (pack_of_node[node] != no_expert) continue;
      while (node_of_pack[free] != no_expert) ++free;
      pack_of_node[node] = static_cast<index_t>(free++);
    }
  team.sync();
  for (int node = 0; node < nodes; ++node)
    for (int e = rank; e < experts; e += size)
      m.node_expert[size_cast(node) * size_cast(experts) + size_cast(e)] =
          packed[size_cast(pack_of_node[node]) * size_cast(experts) + size_cast(e)];
  team.sync();
}

/// Reads a layer of a current placement. Returns the first slot with a bad value, or `slots`.
template <class Team>
EPLB_DEVICE_NOINLINE int read_current(Team& team, const current_view& from, const plan_shape& shape, int layer,
                                      index_t* out) {
  auto bad = static_cast<std::uint64_t>(shape.slots);
  for (int slot = team.rank(); slot < shape.slots; slot += team.size()) {
    const std::int64_t e = from[size_cast(layer) * size_cast(shape.slots) + size_cast(slot)];
    const bool is_good = e >= -1 && e < shape.experts;
    out[slot] = e < 0 || !is_good ? no_expert : static_cast<index_t>(e);
    if (!is_good && bad > static_cast<std::uint64_t>(slot)) bad = static_cast<std::uint64_t>(slot);
  }
  return static_cast<int>(team.min(bad));
}

/// The experts of each node: where they are, if each group is on one node; otherwise as the packing family's lpt places
/// groups, by the loads' sum. `spare`: [experts of the layer].
template <class Team>
EPLB_HOST_DEVICE void place_groups(Team& team, const search_task& task, const float* sum, const layer_memory& m,
                                   index_t* spare) {
  const packing_problem groups = prepare_groups(team, task.shape, {}, sum, m);
  if (task.current && keep_groups(team, task, m.items, m)) return;
  constexpr packing_rules lpt{initial_packing::lpt,      1, 0, amplitude_form::constant, swap_scope::none, 0,
                              candidate_choice::max_load};
  layer_memory packed = m;
  if (task.current) packed.node_expert = spare;
  if (!is_identity(groups)) try_candidates(team, groups, lpt, 0, 1, m.items, m.packing, m.member);
  number_experts(team, task.shape, groups, packed);
  if (task.current) name_nodes(team, task, packed.node_expert, m);
}

/// Plans a layer by search. `budget` [nodes] limits the changes of each node from the current placement, and all of
/// them together must be possible within most_changes; `outcomes` [nodes] tells what came of it. `again`: only the
/// nodes that have made more changes than their budget is now.
template <class Team>
EPLB_HOST_DEVICE layer_outcome search_layer(Team& team, const search_task& task, const int* budget, int most_changes,
                                            bool again, const float* sum, const layer_memory& m,
                                            const node_search& search, node_outcome* outcomes, const layer_maps& out) {
  place_groups(team, task, sum, m, search.place);
  for (int node = 0; node < task.shape.nodes; ++node) {
    const index_t* const expert = m.node_expert + size_cast(node) * size_cast(task.node.experts);
    if (!again || outcomes[node].changes > budget[node]) {
      const node_outcome searched = search_node(team, task, node, budget[node], expert, m, search, out);
      if (team.rank() == 0) outcomes[node] = searched;
      team.sync();
    }
  }
  const changes_needed needed = add_needed(outcomes, size_cast(task.shape.nodes));
  return needed.slots > most_changes ? layer_outcome{needed.why, static_cast<int>(needed.slots)} : layer_outcome{};
}

/// Whether nodes share the budget of their layer, or layers that of all. Then each may use up all of it at first;
/// what is too much is shared out, and the nodes that had too much are searched again.
EPLB_HOST_DEVICE inline bool shares_budget(const plan_shape& shape, const current_view& from) {
  return from.expert && (from.most_changes_in_all < std::int64_t{shape.layers} * from.most_changes ||
                         (shape.nodes > 1 && from.most_changes < any_number));
}

/// Cuts down budgets that together are more than a limit: each keeps what it needs, and of the rest a part like that
/// of what it made of it. False if the limit is less than what is needed.
EPLB_DEVICE_NOINLINE inline bool share_budget(const node_outcome* of, std::size_t count, std::int64_t limit,
                                              int* budget) {
  std::int64_t needed = 0, made = 0;
  for (std::size_t i = 0; i < count; ++i) {
    needed += of[i].needed;
    made += budget[i] < of[i].changes ? budget[i] : of[i].changes;
  }
  if (needed > limit) return false;
  if (made <= limit) return true;
  const auto free = static_cast<std::uint64_t>(limit - needed), wanted = static_cast<std::uint64_t>(made - needed);
  std::uint64_t so_far = 0;  // wanted; what is given of it is rounded down as a whole
  for (std::size_t i = 0; i < count; ++i) {
    const int most = budget[i] < of[i].changes ? budget[i] : of[i].changes;
    const std::uint64_t given = so_far * free / wanted;
    so_far += static_cast<std::uint64_t>(most - of[i].needed);
    budget[i] = of[i].needed + static_cast<int>(so_far * free / wanted - given);
  }
  return true;
}

}  // namespace
}  // namespace eplb
