// SPDX-License-Identifier: MIT
#include "plan_file.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <ostream>
#include <span>
#include <string_view>

#include "error.h"
#include "json_numbers.h"
#include "output.h"
#include "table.h"

namespace eplb::cli {
namespace {

constexpr std::string_view assignments = "initial_global_assignments";

std::span<const std::int32_t> slots_of(const eplb_shape& shape, const Placement& placement, std::int32_t layer) {
  const auto slots = static_cast<std::size_t>(shape.num_physical_experts);
  return std::span(placement.physical_to_logical).subspan(static_cast<std::size_t>(layer) * slots, slots);
}

/// The numbers as int32; @p map and the extents name the one that is none.
std::vector<std::int32_t> as_int32(const std::string& name, const std::string& map, const NumberArray& array) {
  const auto bad = [&](std::size_t index, const std::string& value) {
    const std::size_t row = array.numbers.size() / array.extents.at(0);
    fail(name, map + ": layer " + std::to_string(index / row) + ", element " + std::to_string(index % row) + " is " +
                   value + ", which no expert, replica or slot can be");
  };
  std::vector<std::int32_t> result;
  result.reserve(array.numbers.size());
  std::visit(
      [&](const auto& values) {
        for (const auto value : values) {
          if (value < -1 || value > std::numeric_limits<std::int32_t>::max() ||
              static_cast<double>(value) != std::floor(static_cast<double>(value)))
            bad(result.size(), std::to_string(value));
          result.push_back(static_cast<std::int32_t>(value));
        }
      },
      array.numbers.values);
  return result;
}

using Arrays = std::map<std::string, NumberArray>;

/// The map of that name, empty if there is none; its extents must be those of @p expected that are not 0.
std::vector<std::int32_t> take_map(const Arrays& arrays, const std::string& name, const std::string& map,
                                   const std::vector<std::size_t>& expected) {
  const auto found = arrays.find(map);
  if (found == arrays.end()) return {};
  const auto& extents = found->second.extents;
  bool fits = extents.size() == expected.size() && found->second.numbers.size() > 0;
  for (std::size_t i = 0; fits && i < expected.size(); ++i) fits = expected[i] == 0 || expected[i] == extents[i];
  if (!fits) fail(name, map + " has not the extents that go with physical_to_logical");
  return as_int32(name, map, found->second);
}

std::int32_t extent_of(const Arrays& arrays, const std::string& name, std::size_t index) {
  const auto found = arrays.find(name);
  return found == arrays.end() ? 0 : static_cast<std::int32_t>(found->second.extents.at(index));
}

/// This tool's own JSON.
PlanFile from_own(const Arrays& arrays, const std::string& name) {
  PlanFile plan;
  plan.placement.physical_to_logical = take_map(arrays, name, "physical_to_logical", {0, 0});
  plan.layers = extent_of(arrays, "physical_to_logical", 0);
  plan.slots = extent_of(arrays, "physical_to_logical", 1);
  const auto layers = static_cast<std::size_t>(plan.layers), slots = static_cast<std::size_t>(plan.slots);
  plan.placement.replica_rank = take_map(arrays, name, "replica_rank", {layers, slots});
  plan.placement.replica_count = take_map(arrays, name, "replica_count", {layers, 0});
  plan.experts = extent_of(arrays, "replica_count", 1);
  plan.placement.logical_to_physical =
      take_map(arrays, name, "logical_to_physical", {layers, static_cast<std::size_t>(plan.experts), 0});
  plan.placement.max_replicas = extent_of(arrays, "logical_to_physical", 2);
  if (const auto gpus = arrays.find("shape.gpus"); gpus != arrays.end() && gpus->second.extents.empty())
    plan.gpus = as_int32(name, "shape.gpus", {{1}, gpus->second.numbers}).at(0);
  plan.slots_per_gpu = take_map(arrays, name, "shape.slots_per_gpu", {0});
  if (const auto speeds = arrays.find("shape.speed_of_gpu"); speeds != arrays.end())
    std::visit(
        [&](const auto& values) {
          for (const auto value : values) plan.speed_of_gpu.push_back(static_cast<float>(value));
        },
        speeds->second.numbers.values);
  return plan;
}

PlanFile from_sglang(const Arrays& arrays, const std::string& name, std::int32_t first_layer) {
  PlanFile plan;
  plan.placement.physical_to_logical = take_map(arrays, name, "physical_to_logical_map", {0, 0});
  plan.layers = extent_of(arrays, "physical_to_logical_map", 0) - first_layer;
  plan.slots = extent_of(arrays, "physical_to_logical_map", 1);
  if (plan.layers < 1)
    fail(name,
         "has " + count(plan.layers + first_layer, "layer") + ", none after the first " + std::to_string(first_layer));
  auto& map = plan.placement.physical_to_logical;
  map.erase(map.begin(), map.begin() + static_cast<std::ptrdiff_t>(first_layer) * plan.slots);
  return plan;
}

/// Adds the slots of a layer, whose number in the model is @p layer.
void add_layer(PlanFile& plan, const std::string& name, const std::string& layer, std::span<const std::int32_t> slots) {
  if (plan.layers == 0) plan.slots = static_cast<std::int32_t>(slots.size());
  if (static_cast<std::size_t>(plan.slots) != slots.size())
    fail(name, "layer " + layer + " has " + count(static_cast<long long>(slots.size()), "slot") +
                   " where another has " + std::to_string(plan.slots));
  plan.placement.physical_to_logical.insert(plan.placement.physical_to_logical.end(), slots.begin(), slots.end());
  ++plan.layers;
}

/// TensorRT-LLM's configuration, of which only the assignments matter here: after their key come lines of the
/// form `  3: [0, 1, 2]`. A list may go on over several lines.
class YamlReader {
 public:
  YamlReader(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  PlanFile read() {
    rest_.remove_prefix(rest_.find(assignments) + assignments.size());
    expect(':');
    PlanFile plan;
    std::int32_t layer = 0, layer_before = -1;
    while (at_indented_line() && number(layer)) {
      if (layer <= layer_before)
        fail(name_, "layer " + std::to_string(layer) + " comes after " + std::to_string(layer_before));
      layer_before = layer;
      expect(':');
      add_layer(plan, name_, std::to_string(layer), list(layer));
    }
    if (plan.layers == 0) fail(name_, std::string(assignments) + " has no line such as '  3: [0, 1, 2]'");
    return plan;
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }
  bool at_indented_line() {
    const std::size_t next = rest_.find_first_not_of(" \t\r\n");
    return next != rest_.npos && next > 0 && rest_[next - 1] == ' ';
  }
  bool accept(char wanted) {
    skip_blanks();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted))
      fail(name_, std::string("has '") + std::string(rest_.substr(0, rest_.find('\n')).substr(0, 20)) + "' where '" +
                      wanted + "' is due");
  }
  bool number(std::int32_t& value) {
    skip_blanks();
    const auto [end, status] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return status == std::errc();
  }
  std::vector<std::int32_t> list(std::int32_t layer) {
    std::vector<std::int32_t> slots;
    expect('[');
    do {
      slots.emplace_back();
      if (!number(slots.back()))
        fail(name_, "layer " + std::to_string(layer) + ", slot " + std::to_string(slots.size() - 1) +
                        " holds no number of an expert");
    } while (accept(','));
    expect(']');
    return slots;
  }

  std::string_view rest_;
  const std::string& name_;
};

/// Layers whose lists of slots are to be read, and what the parts of a list are called.
std::vector<std::string> extent_names(const std::string& path) {
  if (path == "physical_to_logical" || path == "replica_rank" || path == "physical_to_logical_map")
    return {"layer", "slot"};
  if (path == "replica_count") return {"layer", "expert"};
  if (path == "logical_to_physical") return {"layer", "expert", "replica"};
  if (path == "shape.gpus" || path == "shape.slots_per_gpu" || path == "shape.speed_of_gpu") return {"gpu"};
  return {};
}

}  // namespace

void write_sglang(std::ostream& out, const eplb_shape& shape, const Placement& placement, std::int32_t first_layer) {
  const std::int32_t slots = shape.num_physical_experts;
  std::vector<std::int32_t> rows;
  for (std::int32_t layer = 0; layer < first_layer; ++layer)
    for (std::int32_t slot = 0; slot < slots; ++slot) rows.push_back(slot % shape.num_logical_experts);
  rows.insert(rows.end(), placement.physical_to_logical.begin(), placement.physical_to_logical.end());
  JsonObject(out).matrix("physical_to_logical_map", rows, first_layer + shape.num_layers);
}

void write_tensorrt_llm(std::ostream& out, const eplb_shape& shape, const Placement& placement,
                        std::int32_t first_layer) {
  // JSON is YAML too, but its keys are strings, and TensorRT-LLM looks layers up as integers.
  out << "num_slots: " << shape.num_physical_experts << '\n' << assignments << ":\n";
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer) {
    out << "  " << first_layer + layer << ": ";
    write_list(out, slots_of(shape, placement, layer));
    out << '\n';
  }
  out << "layer_updates_per_iter: 0\n";
}

PlanFile read_plan(const std::string& path, std::int32_t first_layer) {
  const std::string name = path == "-" ? "stdin" : path;
  const std::string text = read_text(path);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && text[first] == '{') {
    const Arrays arrays = read_json_numbers(text, name, extent_names);
    if (arrays.contains("physical_to_logical")) return from_own(arrays, name);
    if (arrays.contains("physical_to_logical_map")) return from_sglang(arrays, name, first_layer);
  } else if (text.find(assignments) != text.npos) {
    return YamlReader(text, name).read();
  }
  fail(name,
       "is no placement: it has neither physical_to_logical or physical_to_logical_map, as JSON, nor "
       "initial_global_assignments, as YAML");
}

}  // namespace eplb::cli
