// SPDX-License-Identifier: MIT
// How many blocks and warps each launch has, and where its memory is.
#include "backend/cuda/launch_plan.h"

#include <algorithm>

#include "backend/cuda/programs.h"

namespace eplb {
namespace {

/// Blocks that take turns where memory is too large to share: so many that theirs is not much.
launch_form form_in_scratch(int blocks, int warps, std::size_t bytes) {
  constexpr std::size_t budget = 64 << 20;
  const auto turns = static_cast<int>(std::max<std::size_t>(1, budget / bytes));
  return {std::min(blocks, turns), warps, 0, bytes};
}

/// One block for each layer, or node of a layer.
launch_form form_of_blocks(int blocks, std::size_t bytes) {
  constexpr int warps = block_threads / 32;
  return bytes <= most_shared ? launch_form{blocks, warps, bytes, 0} : form_in_scratch(blocks, warps, bytes);
}

/// One warp for each share of the candidates; blocks of warps with the same problem.
launch_form form_of_shares(int problems, const packing_step& step) {
  const std::size_t each = packing_bytes(step.items, step.packs);
  for (int warps = std::min(step.shares, most_warps); warps >= 1; --warps) {
    const std::size_t bytes = step.bytes + size_cast(warps) * each;
    if (bytes <= most_shared) return {problems * ((step.shares + warps - 1) / warps), warps, bytes, 0};
  }
  return form_in_scratch(problems * step.shares, 1, step.bytes + each);
}

}  // namespace

launch_plan plan_launches(const plan_spec& spec) {
  constexpr int most_at_once = 8192;  // warps that large devices run at the same time, about
  const plan_shape& shape = spec.shape;
  const bool searches = spec.searches();
  const int nodes = shape.layers * shape.nodes;
  launch_plan out{};
  out.shares = std::min(spec.rules.candidates, std::max(1, most_at_once / nodes));
  if (places_groups(shape)) {
    out.place_groups = {true, shape.groups, shape.nodes, 1, problem_bytes<group_problem>(shape), out.shares};
    out.prepare_groups = form_of_blocks(shape.layers, scratch_bytes<group_scratch>(shape));
    out.try_groups = form_of_shares(shape.layers, out.place_groups);
  }
  if (searches) {
    out.search = form_of_blocks(nodes, search_bytes(shape, spec.node, spec.max_samples));
  } else {
    const int items = spec.node.slots, packs = spec.node.gpus;
    out.pack_replicas = {
        false, items, packs, shape.nodes, problem_bytes<node_problem>(shape), items == packs ? 1 : out.shares};
    out.prepare_nodes = form_of_blocks(nodes, scratch_bytes<node_scratch>(shape));
    out.try_replicas = form_of_shares(nodes, out.pack_replicas);
  }
  out.judge = form_of_blocks(shape.layers, score_bytes(shape));
  return out;
}

cuda_memory lay_out_device(arena& memory, const plan_spec& spec, const launch_plan& launches) {
  const plan_shape& shape = spec.shape;
  const std::size_t layers = size_cast(shape.layers), problems = layers * size_cast(shape.nodes);
  const std::size_t experts = layers * size_cast(shape.experts), slots = layers * size_cast(shape.slots);
  const auto shares = size_cast(launches.shares);
  const bool searches = spec.searches();
  const bool groups = places_groups(shape);
  cuda_memory out{};
  out.state = memory.take<plan_state>(1);
  for (device_plan& plan : out.plans) {
    plan.load = memory.take<float>(size_cast(spec.max_samples) * experts);
    plan.maps = layer_maps::lay_out(memory, shape);
  }
  if (groups) {
    out.group_problem = memory.take<char>(layers * launches.place_groups.bytes);
    out.node_expert = memory.take<index_t>(experts);
  }
  out.gpus = cluster::lay_out(memory, shape);
  if (searches) {
    out.searched = memory.take<node_outcome>(problems);
    out.budget = memory.take<int>(problems);
  }
  if (groups || !searches) {
    const std::size_t items = std::max(searches ? 0 : slots, groups ? layers * size_cast(shape.groups) : 0);
    out.node_problem = memory.take<char>(problems * launches.pack_replicas.bytes);
    out.arrived = memory.take<std::uint32_t>(problems);
    out.share_key = memory.take<std::uint64_t>(problems * shares);
    out.share_member = memory.take<index_t>(shares * items);
  }
  out.score = memory.take<layer_score>(layers);
  out.gpu_load = memory.take<double>(layers * size_cast(shape.gpus));
  if (spec.memory == memory_kind::host)
    out.load = memory.take<double>(size_cast(spec.max_samples) * experts);  // of the largest type
  if (spec.memory == memory_kind::host && searches) out.current = memory.take<std::int64_t>(slots);
  std::size_t scratch = 0;
  for (const launch_form& form : {launches.prepare_groups, launches.try_groups, launches.prepare_nodes,
                                  launches.try_replicas, launches.search, launches.judge})
    scratch = std::max(scratch, size_cast(form.blocks) * form.scratch);
  out.scratch = memory.take<char>(scratch);
  return out;
}

host_memory lay_out_host(arena& memory, const plan_spec& spec) {
  const plan_shape& shape = spec.shape;
  const std::size_t layers = size_cast(shape.layers);
  host_memory out{};
  if (spec.memory == memory_kind::host) out.maps = layer_maps::lay_out(memory, shape);
  out.score = memory.take<layer_score>(layers);
  out.gpu_load = memory.take<double>(layers * size_cast(shape.gpus));
  out.gpus = cluster::lay_out(memory, shape);
  return out;
}

}  // namespace eplb
