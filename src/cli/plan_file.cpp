// SPDX-License-Identifier: MIT
// Placements from files of any format, and to them.
#include "plan_file.h"

#include <yaml-cpp/emitfromevents.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <ostream>
#include <span>
#include <sstream>
#include <string_view>

#include "error.h"
#include "json_numbers.h"
#include "output.h"
#include "table.h"

namespace eplb::cli {
namespace {

constexpr const char* assignments = "initial_global_assignments";

using Numbers32 = std::vector<std::int32_t>;

/// The numbers as int32; @p map and the extents name the one that is none.
template <class T>
Numbers32 as_int32(const std::string& name, const std::string& map, const std::vector<std::size_t>& extents,
                   const std::vector<T>& values) {
  Numbers32 result;
  result.reserve(values.size());
  for (const T value : values) {
    const auto number = static_cast<double>(value);
    if (!(number >= -1 && number <= std::numeric_limits<std::int32_t>::max()) || number != std::floor(number)) {
      const std::size_t row = extents.size() < 2 ? values.size() : values.size() / extents[0];
      fail(name, (map.empty() ? "" : map + ": ") +
                     (extents.size() < 2 ? "" : "layer " + std::to_string(result.size() / row) + ", ") + "element " +
                     std::to_string(result.size() % row) + " is " + std::to_string(value) +
                     ", which no expert, replica or slot can be");
    }
    result.push_back(static_cast<std::int32_t>(value));
  }
  return result;
}

Numbers32 as_int32(const std::string& name, const std::string& map, const NumberArray& array) {
  return std::visit([&](const auto& values) { return as_int32(name, map, array.extents, values); },
                    array.numbers.values);
}

/// What a file has, before the layers of the loads are taken out of it.
struct Contents {
  enum Rows { of_loads, of_all_layers, of_model };

  PlanFile plan;
  Rows rows = of_loads;
  std::map<std::int32_t, std::int32_t> row_of{};  // each layer's, by its number, if they are of the model
};

// -------------------------------------------------------------------------------------------------- JSON

/// Maps and numbers out of a JSON text.
class JsonArrays {
 public:
  JsonArrays(const std::string& text, const std::string& name)
      : name_(name), arrays_(read_json_numbers(text, name, extent_names())) {}

  bool has(const std::string& path) const { return arrays_.contains(path); }

  /// The map at that path, empty if there is none; its extents must be those of @p expected that are not 0.
  Numbers32 map(const std::string& path, const std::vector<std::size_t>& expected) const {
    const auto found = arrays_.find(path);
    if (found == arrays_.end()) return {};
    const auto& extents = found->second.extents;
    bool fits = extents.size() == expected.size() && found->second.numbers.size() > 0;
    for (std::size_t i = 0; fits && i < expected.size(); ++i) fits = expected[i] == 0 || expected[i] == extents[i];
    if (!fits) fail_to_fit(path, found->second, expected);
    return as_int32(name_, path, found->second);
  }
  std::int32_t extent(const std::string& path, std::size_t index) const {
    const auto found = arrays_.find(path);
    return found == arrays_.end() ? 0 : static_cast<std::int32_t>(found->second.extents.at(index));
  }
  std::size_t rank(const std::string& path) const { return arrays_.at(path).extents.size(); }
  std::vector<float> reals(const std::string& path) const {
    const auto found = arrays_.find(path);
    if (found == arrays_.end()) return {};
    return std::visit([](const auto& list) { return std::vector<float>(list.begin(), list.end()); },
                      found->second.numbers.values);
  }
  /// A single number; 0 if there is none.
  std::int32_t number(const std::string& path) const {
    const auto found = arrays_.find(path);
    if (found == arrays_.end()) return 0;
    if (!found->second.extents.empty()) fail(name_, path + " is a list, not a number");
    return as_int32(name_, path, found->second).at(0);
  }

 private:
  [[noreturn]] void fail_to_fit(const std::string& path, const NumberArray& array,
                                const std::vector<std::size_t>& expected) const {
    std::string is = array.extents.empty() ? "a number" : "", due;
    const auto add = [](std::string& text, const std::string& extent) { text.append("[").append(extent).append("]"); };
    for (const std::size_t extent : array.extents) add(is, std::to_string(extent));
    const std::vector<std::string> names = extent_names().at(path);
    for (std::size_t i = 0; i < expected.size(); ++i)
      add(due, expected[i] ? std::to_string(expected[i]) : names[names.size() - expected.size() + i] + "s");
    if (array.numbers.size() == 0) is = "empty";
    fail(name_, (path.empty() ? "the list" : path) + " is " + is + "; it must be " + due);
  }

  static ExtentNames extent_names() {
    return {{"", {"layer", "slot"}},
            {"physical_to_logical", {"layer", "slot"}},
            {"replica_rank", {"layer", "slot"}},
            {"replica_count", {"layer", "expert"}},
            {"logical_to_physical", {"layer", "expert", "replica"}},
            {"layer_numbers", {"layer"}},
            {"shape.layers", {"number"}},
            {"shape.experts", {"number"}},
            {"shape.slots", {"number"}},
            {"shape.gpus", {"number"}},
            {"shape.slots_per_gpu", {"gpu"}},
            {"shape.speed_of_gpu", {"gpu"}},
            {"physical_to_logical_map", {"layer", "slot"}},
            {"moe_layer_count", {"number"}},
            {"layer_list[].layer_id", {"number"}},
            {"layer_list[].device_count", {"number"}},
            {"layer_list[].device_list[].device_id", {"number"}},
            {"layer_list[].device_list[].device_expert", {"slot"}}};
  }

  const std::string& name_;
  std::map<std::string, NumberArray> arrays_;
};

/// Throws if the file says of @p path, unless that is 0, what is not so.
void check_said(const std::string& name, const std::string& path, std::int32_t said, std::int32_t found,
                const std::string& what) {
  if (said != 0 && said != found)
    fail(name, path + " is " + std::to_string(said) + ", but there are " + count(found, what));
}

/// This tool's own JSON.
Contents from_own(const JsonArrays& json, const std::string& name) {
  PlanFile plan;
  plan.placement.physical_to_logical = json.map("physical_to_logical", {0, 0});
  plan.layers = json.extent("physical_to_logical", 0);
  plan.slots = json.extent("physical_to_logical", 1);
  const auto layers = static_cast<std::size_t>(plan.layers), slots = static_cast<std::size_t>(plan.slots);
  plan.placement.replica_rank = json.map("replica_rank", {layers, slots});
  plan.placement.replica_count = json.map("replica_count", {layers, 0});
  plan.experts = json.extent("replica_count", 1);
  plan.placement.logical_to_physical =
      json.map("logical_to_physical", {layers, static_cast<std::size_t>(plan.experts), 0});
  plan.placement.max_replicas = json.extent("logical_to_physical", 2);
  if (plan.experts == 0)
    plan.experts = json.number("shape.experts");
  else
    check_said(name, "shape.experts", json.number("shape.experts"), plan.experts, "expert");
  check_said(name, "shape.layers", json.number("shape.layers"), plan.layers, "layer");
  check_said(name, "shape.slots", json.number("shape.slots"), plan.slots, "slot");
  plan.gpus = json.number("shape.gpus");
  plan.slots_per_gpu = json.map("shape.slots_per_gpu", {0});
  plan.speed_of_gpu = json.reals("shape.speed_of_gpu");
  Contents contents{.plan = std::move(plan)};
  if (!json.has("layer_numbers")) return contents;  // its rows are those of the loads
  contents.rows = Contents::of_model;
  for (const std::int32_t number : json.map("layer_numbers", {layers})) {
    const auto row = static_cast<std::int32_t>(contents.row_of.size());
    if (!contents.row_of.emplace(number, row).second)
      fail(name, "layer_numbers has layer " + std::to_string(number) + " twice");
  }
  return contents;
}

/// SGLang has a row for each layer of the model.
Contents from_sglang(const JsonArrays& json) {
  Contents contents{.plan = {}, .rows = Contents::of_model};
  PlanFile& plan = contents.plan;
  plan.is_cut_evenly = true;
  plan.placement.physical_to_logical = json.map("physical_to_logical_map", {0, 0});
  plan.layers = json.extent("physical_to_logical_map", 0);
  plan.slots = json.extent("physical_to_logical_map", 1);
  for (std::int32_t layer = 0; layer < plan.layers; ++layer) contents.row_of[layer] = layer;
  return contents;
}

/// vLLM's map of each layer, or one for all of them.
Contents from_vllm(const JsonArrays& json) {
  const bool is_for_all = json.rank("") == 1;
  Contents contents{.plan = {}, .rows = is_for_all ? Contents::of_all_layers : Contents::of_loads};
  PlanFile& plan = contents.plan;
  plan.is_cut_evenly = true;
  plan.placement.physical_to_logical = json.map("", std::vector<std::size_t>(is_for_all ? 1 : 2, 0));
  plan.layers = is_for_all ? 1 : json.extent("", 0);
  plan.slots = json.extent("", is_for_all ? 0 : 1);
  return contents;
}

/// Adds the experts of a gpu, which must be as many in every layer.
void add_gpu(PlanFile& plan, const std::string& name, std::int32_t layer, std::int32_t gpu, const Numbers32& experts) {
  const auto slots = static_cast<std::int32_t>(experts.size());
  if (layer == 0) plan.slots_per_gpu.push_back(slots), plan.slots += slots;
  const std::int32_t due = plan.slots_per_gpu[static_cast<std::size_t>(gpu)];
  if (slots != due)
    fail(name, "layer " + std::to_string(layer) + " has " + count(slots, "slot") + " on gpu " + std::to_string(gpu) +
                   ", but layer 0 has " + std::to_string(due));
  plan.placement.physical_to_logical.insert(plan.placement.physical_to_logical.end(), experts.begin(), experts.end());
}

/// The expert map of vLLM-Ascend and MindIE: its layers and devices count by their order.
Contents from_ascend(const JsonArrays& json, const std::string& name) {
  Contents contents;
  PlanFile& plan = contents.plan;
  plan.layers = json.extent("layer_list", 0);
  check_said(name, "moe_layer_count", json.number("moe_layer_count"), plan.layers, "layer");
  std::int32_t layer_id = -1;
  for (std::int32_t layer = 0; layer < plan.layers; ++layer) {
    const std::string in_list = "layer_list[" + std::to_string(layer) + "]", devices = in_list + ".device_list";
    const auto check_order = [&](const std::string& path, std::int32_t& before) {
      if (!json.has(path)) return;
      const std::int32_t id = json.number(path);
      if (id <= before) fail(name, path + " is " + std::to_string(id) + ", after " + std::to_string(before));
      before = id;
    };
    check_order(in_list + ".layer_id", layer_id);
    const std::int32_t gpus = json.has(devices) ? json.extent(devices, 0) : 0;
    if (gpus == 0) fail(name, devices + " is missing or empty");
    check_said(name, in_list + ".device_count", json.number(in_list + ".device_count"), gpus, "device");
    if (layer == 0) plan.gpus = gpus;
    if (gpus != plan.gpus)
      fail(name, devices + " has " + count(gpus, "device") + " where that of the first layer has " +
                     std::to_string(plan.gpus));
    for (std::int32_t gpu = 0; gpu < gpus; ++gpu) {
      const std::string device = devices + "[" + std::to_string(gpu) + "]", experts = device + ".device_expert";
      if (const std::string id = device + ".device_id"; json.has(id) && json.number(id) != gpu)
        fail(name, id + " is " + std::to_string(json.number(id)) + "; it must be " + std::to_string(gpu));
      if (!json.has(experts) || json.rank(experts) != 1) fail(name, experts + " is no list of experts");
      const bool is_empty = json.extent(experts, 0) == 0;
      add_gpu(plan, name, layer, gpu, is_empty ? Numbers32() : json.map(experts, {0}));
    }
  }
  if (plan.slots == 0) fail(name, "layer_list holds no slots");
  return contents;
}

Contents from_json(const std::string& text, const std::string& name) {
  if (const std::size_t first = text.find_first_not_of(" \t\r\n");
      first == text.npos || !std::strchr("[{", text[first]))
    fail(
        name,
        "is in no format of placements: neither JSON, nor YAML with initial_global_assignments, nor omni-infer's .npy");
  const JsonArrays json(text, name);
  if (json.has("physical_to_logical")) return from_own(json, name);
  if (json.has("physical_to_logical_map")) return from_sglang(json);
  if (json.has("layer_list")) return from_ascend(json, name);
  if (json.has("")) return from_vllm(json);
  fail(name,
       "is no placement: of physical_to_logical, physical_to_logical_map and layer_list it has none, nor is it a list "
       "of slots; in YAML it would be initial_global_assignments");
}

// -------------------------------------------------------------------------------------------------- YAML

/// TensorRT-LLM's configuration of its load balancer, by itself or within that of a model.
class YamlReader {
 public:
  YamlReader(const std::string& text, const std::string& name) : name_(name) {
    try {
      check_is_one(text);
      document_ = YAML::Load(text);
    } catch (const YAML::Exception& error) {
      fail(name, "not YAML: " + place_of(error.mark) + error.msg);
    }
  }

  Contents read() const {
    const YAML::Node balancer = find_balancer();
    const YAML::Node layers = member(balancer, assignments);
    if (!layers.IsMap() || layers.size() == 0)
      fail(name_, place_of(layers.Mark()) + assignments + " is no map of layers, such as {3: [0, 1, 2]}");
    std::map<std::int32_t, YAML::Node> slots_of;
    for (const auto& entry : layers) {
      const std::int32_t layer = number(entry.first, "for a layer");
      if (!slots_of.emplace(layer, entry.second).second)
        fail(name_, place_of(entry.first.Mark()) + "layer " + std::to_string(layer) + " is there twice");
    }
    Contents contents{.plan = {}, .rows = Contents::of_model};
    contents.plan.is_cut_evenly = true;
    for (const auto& [layer, slots] : slots_of) {
      contents.row_of[layer] = contents.plan.layers;
      add_layer(contents.plan, layer, slots);
    }
    if (const YAML::Node slots = member(balancer, "num_slots"); !slots.IsNull())
      if (number(slots, "for num_slots") != contents.plan.slots)
        fail(name_, place_of(slots.Mark()) + "num_slots is " + slots.Scalar() + ", but layers have " +
                        count(contents.plan.slots, "slot"));
    return contents;
  }

 private:
  /// Not by YAML::LoadAll, which in a text that begins with a comma finds documents without end.
  void check_is_one(const std::string& text) const {
    std::istringstream in(text);
    YAML::Parser parser(in);
    YAML::Emitter unused;
    YAML::EmitFromEvents events(unused);
    if (!parser.HandleNextDocument(events)) fail(name_, "holds no YAML document");
    if (parser.HandleNextDocument(events)) fail(name_, "holds several YAML documents, not one");
  }

  static std::string place_of(const YAML::Mark& mark) {
    return mark.is_null() ? "" : "line " + std::to_string(mark.line + 1) + ": ";
  }

  /// What @p map has under a key; null if it has none. Engines take the last of two, and what a merge brings.
  YAML::Node member(const YAML::Node& map, const std::string& key) const {
    YAML::Node found;
    bool is_there = false;
    if (!map.IsMap()) return found;
    for (const auto& entry : map) {
      const YAML::Node& name = entry.first;
      if (!name.IsScalar()) continue;
      const std::string place = place_of(name.Mark());
      if (name.Scalar() == "<<") fail(name_, place + "the merge key << is not read; write out what it brings");
      if (name.Scalar() != key) continue;
      if (is_there) fail(name_, place + key + " is there twice");
      is_there = true;
      found.reset(entry.second);
    }
    return found;
  }

  YAML::Node find_balancer() const {
    const YAML::Node of_model = member(member(document_, "moe_config"), "load_balancer");
    const bool is_at_top = !member(document_, assignments).IsNull(),
               is_in_model = !member(of_model, assignments).IsNull();
    if (is_at_top && is_in_model)
      fail(name_, std::string("has ") + assignments + " both at the top and in moe_config.load_balancer; keep one");
    if (!is_at_top && !is_in_model)
      fail(name_, std::string("has no ") + assignments + ", neither at the top nor in moe_config.load_balancer");
    return is_at_top ? document_ : of_model;
  }

  std::int32_t number(const YAML::Node& node, const std::string& what) const {
    if (!node.IsScalar())
      fail(name_, place_of(node.Mark()) + "there is " + (node.IsNull() ? "nothing " : "a list or map ") + what +
                      ", not a number");
    const std::string& text = node.Scalar();
    std::int32_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_plain = text == std::to_string(value);  // 010 is 8 to engines
    if (status != std::errc() || end != text.data() + text.size() || value < -1 || !is_plain)
      fail(name_, place_of(node.Mark()) + "'" + text + "' " + what +
                      " is no number of a layer, expert or slot in plain decimal");
    return value;
  }

  /// Adds the slots of a layer, whose number in the model is @p layer.
  void add_layer(PlanFile& plan, std::int32_t layer, const YAML::Node& slots) const {
    const std::string place = "layer " + std::to_string(layer);
    if (!slots.IsSequence() || slots.size() == 0)
      fail(name_, place_of(slots.Mark()) + place + " is no list of experts, such as [0, 1, 2]");
    const auto found = static_cast<std::int32_t>(slots.size());
    if (plan.layers == 0) plan.slots = found;
    if (plan.slots != found)
      fail(name_, place_of(slots.Mark()) + place + " has " + count(found, "slot") + " where another has " +
                      std::to_string(plan.slots));
    std::int32_t slot = 0;
    for (const YAML::Node& expert : slots)
      plan.placement.physical_to_logical.push_back(number(expert, "in " + place + ", slot " + std::to_string(slot++)));
    ++plan.layers;
  }

  const std::string& name_;
  YAML::Node document_;
};

// ------------------------------------------------------------------------------------------------- .npy

/// omni-infer's pattern, [gpus][layers][experts]: 1 where an expert is. A gpu has its experts in their order.
Contents from_omni(const std::string& text, const std::string& name) {
  const FileArray array = read_npy(text, name);
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
  if (array.extents.size() != 3 || array.is_fortran_order || element_count(array.extents) == 0 ||
      element_count(array.extents) > most)
    fail(name, "is no placement pattern [gpus][layers][experts] in C order, as omni-infer has it");
  const Numbers32 there =
      std::visit([&](const auto& values) { return as_int32(name, "pattern", {}, values); }, array.values);
  Contents contents;
  PlanFile& plan = contents.plan;
  plan.has_order = false;
  plan.gpus = static_cast<std::int32_t>(array.extents[0]);
  plan.layers = static_cast<std::int32_t>(array.extents[1]);
  plan.experts = static_cast<std::int32_t>(array.extents[2]);
  for (std::int32_t layer = 0; layer < plan.layers; ++layer)
    for (std::int32_t gpu = 0; gpu < plan.gpus; ++gpu) {
      Numbers32 experts;
      for (std::int32_t expert = 0; expert < plan.experts; ++expert) {
        const std::int32_t value = there[static_cast<std::size_t>((gpu * plan.layers + layer) * plan.experts + expert)];
        if (value != 0 && value != 1)
          fail(name, "gpu " + std::to_string(gpu) + ", layer " + std::to_string(layer) + ", expert " +
                         std::to_string(expert) + " is " + std::to_string(value) +
                         "; in a placement pattern it must be 0 or 1");
        if (value == 1) experts.push_back(expert);
      }
      add_gpu(plan, name, layer, gpu, experts);
    }
  if (plan.slots == 0) fail(name, "is a placement pattern without any expert");
  return contents;
}

// ------------------------------------------------------------------------------------- layers of the loads

/// The row of the file that a layer of the loads has.
std::ptrdiff_t row_of_layer(const Contents& contents, const Loads& loads, std::size_t row) {
  if (contents.rows == Contents::of_all_layers) return 0;
  const std::int32_t layer = loads.layer_numbers[row];
  const auto found = contents.row_of.find(layer);
  if (found == contents.row_of.end())
    fail(contents.plan.name, "has no layer " + std::to_string(layer) + ", which row " + std::to_string(row) + " of " +
                                 loads.name + " is; it has layers " + std::to_string(contents.row_of.begin()->first) +
                                 " to " + std::to_string(contents.row_of.rbegin()->first) +
                                 ", and --first-layer or --layers says which the rows are");
  return found->second;
}

/// Takes the layers of the loads out of what the file has.
PlanFile select_layers(const Contents& contents, const Loads& loads) {
  PlanFile plan = contents.plan;
  if (contents.rows == Contents::of_loads) {
    if (plan.layers != loads.layers)
      fail(plan.name,
           "has " + count(plan.layers, "layer") + ", but " + loads.name + " has " + std::to_string(loads.layers));
    return plan;
  }
  Placement& maps = plan.placement;
  for (Numbers32* const map :
       {&maps.physical_to_logical, &maps.replica_rank, &maps.replica_count, &maps.logical_to_physical}) {
    const auto width = static_cast<std::ptrdiff_t>(map->size()) / plan.layers;
    Numbers32 selected;
    for (std::size_t row = 0; row < loads.layer_numbers.size(); ++row) {
      const auto begin = map->begin() + row_of_layer(contents, loads, row) * width;
      selected.insert(selected.end(), begin, begin + width);
    }
    *map = std::move(selected);
  }
  plan.layers = loads.layers;
  return plan;
}

/// "3 and 2" if gpus have unequal slots, or nothing.
std::string unequal_slots(const eplb_shape& shape) {
  const Numbers32 slots = slots_of_gpus(shape);
  const auto other = std::adjacent_find(slots.begin(), slots.end(), std::not_equal_to());
  return other == slots.end() ? "" : std::to_string(other[0]) + " and " + std::to_string(other[1]);
}

/// Sees to it that what the file says of its gpus is so.
void check_gpus(PlanFile& plan) {
  auto& slots = plan.slots_per_gpu;
  if (plan.gpus < 0 || plan.gpus > largest_extent)
    fail(plan.name, "is of " + count(plan.gpus, "gpu") + "; there can be 1 to " + std::to_string(largest_extent));
  if (std::find(slots.begin(), slots.end(), -1) != slots.end())
    fail(plan.name, "has a gpu with -1 slots in its slots_per_gpu; there must be 0 or more");
  if (!slots.empty()) {
    if (plan.gpus == 0) plan.gpus = static_cast<std::int32_t>(slots.size());
    const auto sum = std::accumulate(slots.begin(), slots.end(), std::int64_t{0});
    if (slots.size() != static_cast<std::size_t>(plan.gpus) || sum != plan.slots)
      fail(plan.name, "has " + count(plan.slots, "slot") + " on " + count(plan.gpus, "gpu") +
                          ", but its slots_per_gpu is of " + count(sum, "slot") + " on " +
                          std::to_string(slots.size()));
    if (std::adjacent_find(slots.begin(), slots.end(), std::not_equal_to()) == slots.end()) slots.clear();
  }
  if (!plan.speed_of_gpu.empty() && plan.speed_of_gpu.size() != static_cast<std::size_t>(plan.gpus))
    fail(plan.name,
         "has " + count(plan.gpus, "gpu") + ", but its speed_of_gpu is of " + std::to_string(plan.speed_of_gpu.size()));
}

/// Throws if the maps contradict each other. One with empty slots has no others that could be true.
void check_maps_agree(const PlanFile& plan) {
  const Placement& maps = plan.placement;
  const bool is_alone = maps.replica_rank.empty() && maps.replica_count.empty() && maps.logical_to_physical.empty();
  const auto& slots = maps.physical_to_logical;
  if (is_alone || std::find(slots.begin(), slots.end(), -1) != slots.end()) return;
  auto shape = defaults(eplb_shape_init);
  shape.num_layers = plan.layers;
  shape.num_logical_experts = plan.experts ? plan.experts : *std::max_element(slots.begin(), slots.end()) + 1;
  shape.num_physical_experts = plan.slots;
  shape.num_gpus = 1;  // where a gpu ends is no matter
  check_placement(shape, maps, plan.name);
}

// ------------------------------------------------------------------------------------------------ counts

/// Throws if an expert has no slot in a layer, where its tokens cannot have been counted.
void check_all_are_counted(const PlanFile& plan, const Loads& loads) {
  const auto slots = static_cast<std::size_t>(plan.slots), experts = static_cast<std::size_t>(loads.experts);
  for (std::size_t row = 0; row < loads.layer_numbers.size(); ++row) {
    std::vector<bool> has_slot(experts);
    for (const std::int32_t expert : std::span(plan.placement.physical_to_logical).subspan(row * slots, slots))
      if (expert >= 0) has_slot[static_cast<std::size_t>(expert)] = true;
    const auto missing = std::find(has_slot.begin(), has_slot.end(), false) - has_slot.begin();
    if (static_cast<std::size_t>(missing) < experts)
      fail(plan.name, "layer " + std::to_string(loads.layer_numbers[row]) + " has no slot for expert " +
                          std::to_string(missing) +
                          ", whose tokens cannot have been counted; if there were none, say "
                          "so with --experts " +
                          std::to_string(experts));
  }
}

/// Where element @p i of a placement is, whose rows are the layers of @p loads.
std::string place_of_slot(const PlanFile& plan, const Loads& loads, std::size_t i) {
  const auto slots = static_cast<std::size_t>(plan.slots);
  return "layer " + std::to_string(loads.layer_numbers[i / slots]) + ", slot " + std::to_string(i % slots);
}

/// Takes @p counts for counts of the slots of a placement, and gives the loads of its experts.
Loads fold_counts(const Loads& counts, const PlanFile& plan, std::int32_t experts_said) {
  if (plan.slots != counts.experts)
    fail(counts.name,
         "counts " + count(counts.experts, "slot") + ", but " + plan.name + " has " + std::to_string(plan.slots));
  const Numbers32& map = plan.placement.physical_to_logical;
  Loads loads = counts;
  const std::int32_t experts_held = *std::max_element(map.begin(), map.end()) + 1;
  loads.experts = plan.experts ? plan.experts : std::max(experts_held, experts_said);
  if (experts_held == 0) fail(plan.name, "holds no expert");
  if (experts_said != 0 && loads.experts != experts_said)
    fail(plan.name, "has " + count(loads.experts, "expert") + ", but --experts is " + std::to_string(experts_said));
  const auto experts = static_cast<std::size_t>(loads.experts), slots = static_cast<std::size_t>(plan.slots);
  const auto fail_at = [&](std::size_t i, const std::string& what) {
    fail(plan.name, place_of_slot(plan, counts, i % map.size()) + what);
  };
  const auto fold = [&](const auto& of_slots, auto sum) {
    std::vector<decltype(sum)> values(of_slots.size() / slots * experts);
    for (std::size_t i = 0; i < of_slots.size(); ++i) {
      const std::int32_t expert = map[i % map.size()];
      if (expert >= loads.experts) fail_at(i, " is " + std::to_string(expert) + ", which is no expert");
      if (expert < 0 && of_slots[i] != 0) fail_at(i, " is empty, but " + counts.name + " has counts of it");
      if (expert < 0) continue;
      auto& value = values[i / slots * experts + static_cast<std::size_t>(expert)];
      if constexpr (std::is_integral_v<decltype(sum)>) {
        if (__builtin_add_overflow(value, of_slots[i], &value))
          fail_at(i, " has a count that is too large to be added");
      } else {
        value += static_cast<decltype(sum)>(of_slots[i]);
      }
    }
    return values;
  };
  loads.values = std::visit(
      [&](const auto& of_slots) -> Values {
        if constexpr (std::is_integral_v<typename std::decay_t<decltype(of_slots)>::value_type>)
          return fold(of_slots, std::int64_t{});
        else
          return fold(of_slots, double{});
      },
      counts.values);
  if (experts_said == 0) check_all_are_counted(plan, loads);
  return loads;
}

// ------------------------------------------------------------------------------------------------ writing

std::span<const std::int32_t> slots_of(const eplb_shape& shape, const Placement& placement, std::int32_t layer) {
  const auto slots = static_cast<std::size_t>(shape.num_physical_experts);
  return std::span(placement.physical_to_logical).subspan(static_cast<std::size_t>(layer) * slots, slots);
}

/// SGLang has a row for each layer of the model; those of layers without experts, which nobody looks at, go round
/// robin, as its own default does.
void write_sglang(std::ostream& out, const eplb_shape& shape, const Placement& placement, const Loads& loads) {
  std::map<std::int32_t, std::int32_t> row_of;
  for (std::int32_t row = 0; row < shape.num_layers; ++row)
    row_of[loads.layer_numbers[static_cast<std::size_t>(row)]] = row;
  Numbers32 round_robin;
  for (std::int32_t slot = 0; slot < shape.num_physical_experts; ++slot)
    round_robin.push_back(slot % shape.num_logical_experts);
  out << "{\n  \"physical_to_logical_map\": [";
  for (std::int32_t layer = 0; layer <= row_of.rbegin()->first; ++layer) {
    const auto row = row_of.find(layer);
    out << (layer ? ",\n    " : "\n    ");
    write_list(out, row == row_of.end() ? round_robin : slots_of(shape, placement, row->second));
  }
  out << "\n  ]\n}\n";
}

/// What TensorRT-LLM loads as the load_balancer of its moe_config.
void write_tensorrt_llm(std::ostream& out, const eplb_shape& shape, const Placement& placement, const Loads& loads) {
  // JSON is YAML too, but its keys are strings, and TensorRT-LLM looks layers up as integers.
  out << "num_slots: " << shape.num_physical_experts << '\n' << assignments << ":\n";
  for (std::int32_t row = 0; row < shape.num_layers; ++row) {
    out << "  " << loads.layer_numbers[static_cast<std::size_t>(row)] << ": ";
    write_list(out, slots_of(shape, placement, row));
    out << '\n';
  }
  out << "layer_updates_per_iter: 0\n";
}

void write_vllm(std::ostream& out, const eplb_shape& shape, const Placement& placement, const Loads&) {
  for (std::int32_t row = 0; row < shape.num_layers; ++row) {
    out << (row ? ",\n  " : "[\n  ");
    write_list(out, slots_of(shape, placement, row));
  }
  out << "\n]\n";
}

void write_ascend(std::ostream& out, const eplb_shape& shape, const Placement& placement, const Loads&) {
  const Numbers32 slots = slots_of_gpus(shape);
  out << "{\n  \"moe_layer_count\": " << shape.num_layers << ",\n  \"layer_list\": [";
  for (std::int32_t row = 0; row < shape.num_layers; ++row) {
    out << (row ? ",\n    " : "\n    ") << "{\"layer_id\": " << row << ", \"device_count\": " << shape.num_gpus
        << ", \"device_list\": [";
    auto rest = slots_of(shape, placement, row);
    for (std::size_t gpu = 0; gpu < slots.size(); ++gpu) {
      out << (gpu ? ",\n      " : "\n      ") << "{\"device_id\": " << gpu << ", \"device_expert\": ";
      write_list(out, rest.first(static_cast<std::size_t>(slots[gpu])));
      out << "}";
      rest = rest.subspan(static_cast<std::size_t>(slots[gpu]));
    }
    out << "\n    ]}";
  }
  out << "\n  ]\n}\n";
}

void write_omni(std::ostream& out, const eplb_shape& shape, const Placement& placement, const Loads&) {
  const std::vector<std::size_t> extents = {static_cast<std::size_t>(shape.num_gpus),
                                            static_cast<std::size_t>(shape.num_layers),
                                            static_cast<std::size_t>(shape.num_logical_experts)};
  const Numbers32 slots = slots_of_gpus(shape);
  Numbers32 there(element_count(extents));
  for (std::size_t row = 0; row < extents[1]; ++row) {
    auto slot = slots_of(shape, placement, static_cast<std::int32_t>(row)).begin();
    for (std::size_t gpu = 0; gpu < extents[0]; ++gpu)
      for (std::int32_t i = 0; i < slots[gpu]; ++i, ++slot)
        if (there[(gpu * extents[1] + row) * extents[2] + static_cast<std::size_t>(*slot)]++)
          throw Error("--format omni cannot say that gpu " + std::to_string(gpu) + " holds expert " +
                      std::to_string(*slot) + " twice, as it does in row " + std::to_string(row) +
                      "; strategy search does not put it there");
  }
  write_npy(out, extents, there);
}

}  // namespace

const std::vector<EngineFormat>& engine_formats() {
  static const std::vector<EngineFormat> formats = {
      {"sglang", false, false, write_sglang}, {"tensorrt-llm", false, false, write_tensorrt_llm},
      {"vllm", false, false, write_vllm},     {"ascend", true, false, write_ascend},
      {"omni", true, true, write_omni},
  };
  return formats;
}

const EngineFormat* find_engine_format(const std::string& name) {
  for (const EngineFormat& format : engine_formats())
    if (format.name == name) return &format;
  return nullptr;
}

void check_can_hold(const EngineFormat& format, const eplb_shape& shape) {
  if (const std::string slots = unequal_slots(shape); !format.can_be_uneven && !slots.empty())
    throw UsageError("--format " + format.name + " cannot say that gpus have unequal slots, such as " + slots +
                     ": the engine would cut them evenly, and experts would sit on other gpus");
}

PlanFile read_plan(const std::string& path, const Loads& loads) {
  const std::string name = path == "-" ? "stdin" : path;
  const std::string text = read_text(path);
  Contents contents = is_npy(text)                          ? from_omni(text, name)
                      : text.find(assignments) != text.npos ? YamlReader(text, name).read()
                                                            : from_json(text, name);
  contents.plan.name = name;
  check_gpus(contents.plan);
  PlanFile plan = select_layers(contents, loads);
  check_maps_agree(plan);
  return plan;
}

std::vector<std::int32_t> PlanFile::slots_of_gpus() const {
  auto shape = defaults(eplb_shape_init);
  shape.num_gpus = gpus;
  shape.num_physical_experts = slots;
  return slots_per_gpu.empty() ? cli::slots_of_gpus(shape) : slots_per_gpu;
}

void check_experts(const PlanFile& plan, const Loads& loads) {
  if (plan.experts != 0 && plan.experts != loads.experts)
    fail(plan.name, "has " + count(plan.experts, "expert") + ", but " + loads.name + " has " +
                        std::to_string(loads.experts) +
                        (plan.slots == loads.experts ? "; if it counts slots, give it with --counts-of" : ""));
  const Numbers32& map = plan.placement.physical_to_logical;
  const auto other = std::find_if(map.begin(), map.end(), [&](std::int32_t expert) { return expert >= loads.experts; });
  if (other == map.end()) return;
  fail(plan.name, place_of_slot(plan, loads, static_cast<std::size_t>(other - map.begin())) + " is " +
                      std::to_string(*other) + ", but the experts of " + loads.name + " are 0 to " +
                      std::to_string(loads.experts - 1));
}

void adopt_gpus(eplb_shape& shape, const PlanFile& plan) {
  if (shape.num_gpus == 0) shape.num_gpus = plan.gpus;
  if (shape.num_physical_experts == 0) {
    if (plan.slots < shape.num_logical_experts)
      fail(plan.name,
           "has " + count(plan.slots, "slot") + ", too few for " + count(shape.num_logical_experts, "expert"));
    shape.num_physical_experts = plan.slots;
  }
  if (shape.num_gpus != plan.gpus) return;
  if (!shape.slots_per_gpu && shape.num_physical_experts == plan.slots && !plan.slots_per_gpu.empty()) {
    shape.slots_per_gpu = plan.slots_per_gpu.data();
    shape.slots_per_gpu_count = plan.slots_per_gpu.size();
  }
  if (!shape.speed_of_gpu && !plan.speed_of_gpu.empty()) {
    shape.speed_of_gpu = plan.speed_of_gpu.data();
    shape.speed_of_gpu_count = plan.speed_of_gpu.size();
  }
}

void check_cut(const PlanFile& plan, const eplb_shape& shape) {
  if (const std::string slots = unequal_slots(shape); plan.is_cut_evenly && !slots.empty())
    throw UsageError(plan.name +
                     " is in a format of gpus with as many slots each, not of gpus with unequal slots, such as " +
                     slots + ": its engine cuts the row evenly");
}

void check_slots(const PlanFile& plan, const eplb_shape& shape) {
  if (plan.gpus == 0) return;
  if (plan.gpus != shape.num_gpus)
    fail(plan.name, "is of " + count(plan.gpus, "gpu") + ", but there are to be " + std::to_string(shape.num_gpus));
  const Numbers32 made_for = plan.slots_of_gpus(), now = slots_of_gpus(shape);
  for (std::size_t gpu = 0; gpu < std::min(made_for.size(), now.size()); ++gpu)
    if (made_for[gpu] != now[gpu])
      fail(plan.name, "has " + count(made_for[gpu], "slot") + " on gpu " + std::to_string(gpu) +
                          ", but there are to be " + std::to_string(now[gpu]));
}

Loads read_loads(const std::string& path, const LoadMeaning& meaning, const std::string& counts_of) {
  if (counts_of.empty()) return read_loads(path, meaning);
  LoadMeaning of_slots = meaning;
  of_slots.is_of_slots = true;
  const Loads counts = read_loads(path, of_slots);
  const PlanFile plan = read_plan(counts_of, counts);
  if (!plan.has_order)
    fail(plan.name,
         "is a pattern of omni-infer's, which does not say in which slot of a gpu an expert is; give the "
         "placement that is counted in another format");
  return fold_counts(counts, plan, meaning.experts);
}

}  // namespace eplb::cli
