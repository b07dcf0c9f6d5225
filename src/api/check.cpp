// SPDX-License-Identifier: MIT
// Each check fails with a sentence that names the field, its value and what it must be.
#include "api/check.h"

#include "api/error.h"

namespace eplb {

void check_range(const char* name, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %lld; it must be %lld to %lld", name, static_cast<long long>(value),
         static_cast<long long>(least), static_cast<long long>(most));
}

void check_enum(const char* name, std::int32_t value, std::int32_t count) {
  if (value < 0 || value >= count)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %d, which this library does not know; it must be 0 to %d", name, value,
         count - 1);
}

scalar check_map_type(const char* name, std::int32_t type) {
  if (type != EPLB_TYPE_INT32 && type != EPLB_TYPE_INT64)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %d; it must be EPLB_TYPE_INT32 or EPLB_TYPE_INT64", name, type);
  return static_cast<scalar>(type);
}

void check_memory(const char* name, std::int32_t given, memory_kind expected) {
  check_enum(name, given, EPLB_MEMORY_CUDA + 1);
  if (static_cast<memory_kind>(given) != expected)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is %s, but this call works on %s memory", name,
         given == EPLB_MEMORY_CUDA ? "cuda" : "host", expected == memory_kind::cuda ? "cuda" : "host");
}

void check_buffer(const char* name, const void* data, std::size_t count, std::size_t needed, std::size_t element_size) {
  if (!data) {
    if (count != 0)
      fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is NULL, but %s_count is %zu; set both, or leave the count 0", name, name,
           count);
    return;
  }
  if (count < needed)
    fail(EPLB_ERROR_BUFFER_TOO_SMALL, "%s has %zu element%s; it must have %zu", name, count, plural(count), needed);
  if (reinterpret_cast<std::uintptr_t>(data) % element_size != 0)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is at %p, which is not aligned to its elements of %zu bytes", name, data,
         element_size);
}

void check_forgotten(const char* name, const char* pointer, bool is_set) {
  if (is_set)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is set, but %s is NULL; set both, or leave %s at its default", name, pointer,
         name);
}

std::size_t size_of(scalar type) { return type == scalar::float64 || type == scalar::int64 ? 8 : 4; }

plan_shape check_extents(const eplb_shape& shape) {
  check_range("num_layers", shape.num_layers, 1, max_extent);
  check_range("num_logical_experts", shape.num_logical_experts, 1, max_extent);
  check_range("num_physical_experts", shape.num_physical_experts, 1, max_extent);
  check_range("num_gpus", shape.num_gpus, 1, max_extent);
  if (shape.reserved != 0) fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.reserved is %d; it must be 0", shape.reserved);
  if (shape.num_physical_experts < shape.num_logical_experts)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "num_physical_experts is %d, less than num_logical_experts, %d",
         shape.num_physical_experts, shape.num_logical_experts);
  return {shape.num_layers, shape.num_logical_experts, shape.num_physical_experts, 1, 1, shape.num_gpus};
}

cluster_view check_gpus(const eplb_shape& shape) {
  const auto check_count = [&](const char* name, const void* data, std::size_t count) {
    check_buffer(name, data, count, 0, 1);
    if (data && count != size_cast(shape.num_gpus))
      fail(EPLB_ERROR_INVALID_ARGUMENT, "%s has %zu element%s; it must have one for each of the %d gpus", name, count,
           plural(count), shape.num_gpus);
  };
  check_count("shape.slots_per_gpu", shape.slots_per_gpu, shape.slots_per_gpu_count);
  check_count("shape.speed_of_gpu", shape.speed_of_gpu, shape.speed_of_gpu_count);
  check_count("shape.node_of_gpu", shape.node_of_gpu, shape.node_of_gpu_count);
  std::int64_t slots = 0;
  for (int gpu = 0; shape.slots_per_gpu && gpu < shape.num_gpus; ++gpu) {
    const std::int32_t room = shape.slots_per_gpu[gpu];
    if (room < 0)
      fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.slots_per_gpu of gpu %d is %d; it must be 0 or more", gpu, room);
    slots += room;
  }
  if (shape.slots_per_gpu && slots != shape.num_physical_experts)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.slots_per_gpu adds up to %lld; it must be num_physical_experts, %d",
         static_cast<long long>(slots), shape.num_physical_experts);
  for (int gpu = 0; shape.speed_of_gpu && gpu < shape.num_gpus; ++gpu) {
    const float speed = shape.speed_of_gpu[gpu];
    if (!(speed >= 0.001f && speed <= 1000))
      fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.speed_of_gpu of gpu %d is %g; it must be 0.001 to 1000", gpu,
           static_cast<double>(speed));
  }
  if (shape.node_of_gpu) check_range("num_nodes", shape.num_nodes, 1, max_extent);
  for (int gpu = 0; shape.node_of_gpu && gpu < shape.num_gpus; ++gpu) {
    const std::int32_t node = shape.node_of_gpu[gpu];
    if (node < 0 || node >= shape.num_nodes)
      fail(EPLB_ERROR_INVALID_ARGUMENT, "shape.node_of_gpu of gpu %d is %d; with num_nodes %d it must be 0 to %d", gpu,
           node, shape.num_nodes, shape.num_nodes - 1);
  }
  return {shape.slots_per_gpu, shape.speed_of_gpu, shape.node_of_gpu};
}

load_view check_input(const eplb_input& input, const plan_shape& shape, int max_samples, memory_kind memory) {
  check_enum("input.type", input.type, EPLB_TYPE_INT64 + 1);
  check_memory("input.memory", input.memory, memory);
  check_range("input.num_samples", input.num_samples, 1, max_extent);
  if (input.num_samples > max_samples)
    fail(EPLB_ERROR_INVALID_ARGUMENT, "input.num_samples is %d, more than the max_samples of the context, %d",
         input.num_samples, max_samples);
  const auto type = static_cast<scalar>(input.type);
  if (!input.loads) fail(EPLB_ERROR_INVALID_ARGUMENT, "input.loads is NULL");
  check_buffer("input.loads", input.loads, input.loads_count,
               size_cast(input.num_samples) * size_cast(shape.layers) * size_cast(shape.experts), size_of(type));
  return {type, input.loads, input.num_samples};
}

current_view check_current(const eplb_input& input, const plan_shape& shape) {
  check_range("input.max_changes_per_layer", input.max_changes_per_layer, -1, INT32_MAX);
  check_range("input.max_changes", input.max_changes, -1, INT64_MAX);
  const scalar type = check_map_type("input.current_type", input.current_type);
  if (!input.current) {
    if (input.max_changes_per_layer >= 0 || input.max_changes >= 0)
      fail(EPLB_ERROR_INVALID_ARGUMENT, "input.%s is set, but input.current, from which changes count, is NULL",
           input.max_changes >= 0 ? "max_changes" : "max_changes_per_layer");
    check_forgotten("input.current_type", "input.current", input.current_type != defaults<eplb_input>().current_type);
  }
  check_buffer("input.current", input.current, input.current_count, size_cast(shape.layers) * size_cast(shape.slots),
               size_of(type));
  if (!input.current) return {};
  return {input.current, type == scalar::int64,
          input.max_changes_per_layer >= 0 ? input.max_changes_per_layer : any_number,
          input.max_changes >= 0 ? input.max_changes : INT64_MAX};
}

maps_view check_maps(const eplb_maps& maps, const plan_shape& shape, memory_kind memory) {
  const scalar type = check_map_type("maps.type", maps.type);
  check_memory("maps.memory", maps.memory, memory);
  const std::size_t slots = size_cast(shape.layers) * size_cast(shape.slots);
  const std::size_t experts = size_cast(shape.layers) * size_cast(shape.experts), size = size_of(type);
  check_buffer("maps.physical_to_logical", maps.physical_to_logical, maps.physical_to_logical_count, slots, size);
  check_buffer("maps.replica_rank", maps.replica_rank, maps.replica_rank_count, slots, size);
  check_buffer("maps.replica_count", maps.replica_count, maps.replica_count_count, experts, size);
  if (maps.logical_to_physical)
    check_range("maps.max_replicas", maps.max_replicas, 1, INT32_MAX);
  else
    check_forgotten("maps.max_replicas", "maps.logical_to_physical", maps.max_replicas != 0);
  check_buffer("maps.logical_to_physical", maps.logical_to_physical, maps.logical_to_physical_count,
               experts * size_cast(maps.max_replicas), size);
  return {type,
          maps.physical_to_logical,
          maps.replica_rank,
          maps.replica_count,
          maps.logical_to_physical,
          maps.logical_to_physical ? size_cast(maps.max_replicas) : 0};
}

placement_stats check_stats(const eplb_stats& stats, const plan_shape& shape) {
  check_buffer("stats.layer_balancedness", stats.layer_balancedness, stats.layer_balancedness_count,
               size_cast(shape.layers), sizeof(double));
  check_buffer("stats.gpu_load", stats.gpu_load, stats.gpu_load_count, size_cast(shape.layers) * size_cast(shape.gpus),
               sizeof(double));
  check_buffer("stats.layer_bound", stats.layer_bound, stats.layer_bound_count, size_cast(shape.layers),
               sizeof(double));
  placement_stats out{};
  out.layer_bound = stats.layer_bound;
  out.layer_balancedness = stats.layer_balancedness;
  out.gpu_load = stats.gpu_load;
  return out;
}

void write_stats(eplb_stats* to, eplb_stats given, const placement_stats& from) {
  given.max_replica_count = from.max_replica_count;
  given.balancedness = from.balancedness;
  given.balancedness_min = from.balancedness_min;
  given.empty_layers = from.empty_layers;
  given.duplicates = from.duplicates;
  given.bound = from.bound;
  given.changes = from.changes;
  write_struct(to, given);
}

}  // namespace eplb
