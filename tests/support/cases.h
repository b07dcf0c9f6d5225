// SPDX-License-Identifier: MIT
// Problems to plan: shapes as deployed and at the edges, loads as recorded and at their worst.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "api/presets.h"
#include "core/cluster.h"
#include "support/brief.h"

namespace eplb {
namespace cases {

/// A stream of random numbers that is the same everywhere.
class stream {
 public:
  explicit stream(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  int below(int n) { return static_cast<int>(bits() % static_cast<std::uint64_t>(n)); }
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

/// One layer's loads of one kind.
struct load_kind {
  std::string name;
  std::function<float(stream&, int expert, int experts)> load;
};

inline const std::vector<load_kind>& load_kinds() {
  static const std::vector<load_kind> kinds = {
      {"smooth", [](stream& s, int, int) { return static_cast<float>(std::exp2(6 * s.unit()) * 1000.3); }},
      {"whole", [](stream& s, int, int) { return static_cast<float>(s.below(1000)); }},
      {"ties", [](stream& s, int, int) { return static_cast<float>(s.below(4)); }},
      {"all_zero", [](stream&, int, int) { return 0.0f; }},
      {"all_equal", [](stream&, int, int) { return 123457.0f; }},
      {"one_expert", [](stream&, int e, int n) { return e == n / 3 ? 1e6f : 0.0f; }},
      {"hot99", [](stream&, int e, int n) { return e == 0 ? 99.0f * static_cast<float>(n) : 1.0f; }},
      {"half_zero",
       [](stream& s, int e, int n) { return 2 * e < n ? 0.0f : static_cast<float>(1000 + s.below(1000)); }},
      {"ascending", [](stream&, int e, int) { return static_cast<float>(e + 1); }},
      {"descending", [](stream&, int e, int n) { return static_cast<float>(n - e); }},
      {"powers", [](stream&, int e, int) { return std::ldexp(1.0f, e % 32); }},
      {"group_hot", [](stream&, int e, int n) { return 8 * e < n ? 1000.0f : 1.0f; }},
      {"huge", [](stream& s, int, int n) { return static_cast<float>((1 + s.unit()) * 1e37 / n); }},
      {"limit", [](stream& s, int e, int n) { return e == n / 2   ? 0x1.fffff0p127f
                                                     : s.below(2) ? 0x1p102f
                                                                  : 0.0f; }},
      {"tiny", [](stream& s, int, int) { return static_cast<float>(s.below(9)) * 1e-45f; }},
      {"mixed_scale", [](stream& s, int, int) { return s.below(10) == 0 ? 0x1p50f : 1.0f; }},
      {"fractions", [](stream& s, int, int) { return static_cast<float>(s.unit() * 1e-3); }},
  };
  return kinds;
}

inline std::vector<float> make_loads(const load_kind& kind, const plan_shape& shape, std::uint64_t seed) {
  stream s(seed);
  std::vector<float> out;
  for (int layer = 0; layer < shape.layers; ++layer)
    for (int e = 0; e < shape.experts; ++e) out.push_back(kind.load(s, e, shape.experts));
  return out;
}

/// Any shape that can be planned, hierarchical or not, with about `size` slots.
inline plan_shape random_shape(stream& s, int size) {
  const int nodes = 1 + s.below(4);
  const int groups = nodes * (1 + s.below(4));
  const int gpus = nodes * (1 + s.below(8));
  const int experts = groups * (1 + s.below(std::max(1, size / groups)));
  int slots = (experts + gpus - 1) / gpus * gpus;
  slots += gpus * s.below(3);
  return {1 + s.below(3), experts, slots, groups, nodes, gpus};
}

/// Gpus that are not alike, and the shape that goes with them.
struct deployment {
  plan_shape shape;
  std::vector<std::int32_t> slots, node;
  std::vector<float> speed;

  cluster_view view() const {
    return {slots.empty() ? nullptr : slots.data(), speed.empty() ? nullptr : speed.data(),
            node.empty() ? nullptr : node.data()};
  }
  node_size largest_node() const {
    node_size largest{shape.experts / shape.nodes, 0, 0};
    for (int n = 0; n < shape.nodes; ++n) {
      int room = 0, gpus = 0;
      for (int gpu = 0; gpu < shape.gpus; ++gpu)
        if (view().node_of(shape, gpu) == n) room += view().slots_of(shape, gpu), ++gpus;
      largest.slots = std::max(largest.slots, room);
      largest.gpus = std::max(largest.gpus, gpus);
    }
    return largest;
  }
};

/// All alike, or with slots, speeds and nodes as they come.
inline deployment random_deployment(stream& s, int size) {
  deployment out{random_shape(s, size), {}, {}, {}};
  plan_shape& shape = out.shape;
  if (s.below(3) == 0) return out;
  shape.gpus += shape.nodes * s.below(3);
  if (s.below(2) == 0)
    for (int gpu = 0; gpu < shape.gpus; ++gpu) out.speed.push_back(static_cast<float>(1 + s.below(8)) / 4);
  if (s.below(2) == 0)
    for (int gpu = 0; gpu < shape.gpus; ++gpu) out.node.push_back(gpu < shape.nodes ? gpu : s.below(shape.nodes));
  // Each node has slots for its experts, and some more, thrown onto its gpus.
  out.slots.assign(static_cast<std::size_t>(shape.gpus), 0);
  shape.slots = 0;
  for (int node = 0; node < shape.nodes; ++node) {
    std::vector<int> gpus;
    for (int gpu = 0; gpu < shape.gpus; ++gpu)
      if (out.view().node_of(shape, gpu) == node) gpus.push_back(gpu);
    const int room = shape.experts / shape.nodes + s.below(8);
    for (int slot = 0; slot < room; ++slot)
      ++out.slots[static_cast<std::size_t>(gpus[static_cast<std::size_t>(s.below(static_cast<int>(gpus.size())))])];
    shape.slots += room;
  }
  return out;
}

/// Any experts, in order with copies of the first ones or by chance, so that groups are on several nodes.
inline std::vector<std::int32_t> scattered_placement(stream& s, const plan_shape& shape) {
  const bool in_order = s.below(2) == 0;
  std::vector<std::int32_t> out;
  for (int layer = 0; layer < shape.layers; ++layer)
    for (int slot = 0; slot < shape.slots; ++slot) {
      const int e = in_order ? slot % shape.experts : s.below(shape.experts);
      out.push_back(s.below(16) == 0 ? -1 : e);
    }
  return out;
}

/// A placement with empty slots and experts left out. Most keep groups on nodes.
inline std::vector<std::int32_t> random_placement(stream& s, const deployment& d) {
  if (s.below(3) == 0) return scattered_placement(s, d.shape);
  const plan_shape& shape = d.shape;
  const int width = shape.experts / shape.groups, groups = shape.groups / shape.nodes, first = s.below(shape.nodes);
  std::vector<std::int32_t> out;
  for (int layer = 0; layer < shape.layers; ++layer)
    for (int gpu = 0; gpu < shape.gpus; ++gpu)
      for (int slot = 0; slot < d.view().slots_of(shape, gpu); ++slot) {
        const int node = (d.view().node_of(shape, gpu) + first) % shape.nodes;
        const int group = s.below(groups) * shape.nodes + node;
        out.push_back(s.below(8) == 0 ? -1 : group * width + s.below(width));
      }
  return out;
}

/// The edges: one layer, one gpu, P = E, a slot a gpu, hundreds of gpus, a thousand experts.
inline std::vector<plan_shape> edge_shapes() {
  return {{1, 1, 1, 1, 1, 1},      {1, 1, 7, 1, 1, 7},         {2, 7, 7, 1, 1, 1},          {3, 12, 16, 4, 2, 8},
          {1, 64, 64, 1, 1, 64},   {2, 60, 72, 3, 3, 12},      {1, 256, 288, 8, 4, 32},     {1, 256, 288, 1, 1, 144},
          {1, 384, 480, 1, 1, 96}, {1, 1024, 2048, 1, 1, 512}, {1, 1024, 1024, 16, 8, 512}, {2, 8, 96, 2, 2, 4}};
}

inline std::string to_string(const plan_shape& s) {
  return std::to_string(s.layers) + "x" + std::to_string(s.experts) + "->" + std::to_string(s.slots) + " groups " +
         std::to_string(s.groups) + " nodes " + std::to_string(s.nodes) + " gpus " + std::to_string(s.gpus);
}

struct named_rules {
  std::string name;
  packing_rules rules;
};

/// The presets, with `candidates` in place of 64, and two mixtures.
inline std::vector<named_rules> all_rules(int candidates) {
  std::vector<named_rules> out;
  for (const preset& p : presets) {
    if (p.name == std::string("auto") || p.name == std::string("search")) continue;
    out.push_back({p.name, p.rules});
    if (p.rules.candidates == 64) out.back().rules.candidates = candidates;
  }
  using enum initial_packing;
  using enum amplitude_form;
  using enum swap_scope;
  using enum candidate_choice;
  out.push_back({"zigzag-restart-any", {zigzag, 3, 0.3f, linear, heaviest_any, 10, spread}});
  out.push_back({"zigzag-restart-l2", {zigzag, 3, 0.1f, constant, any_any, 10, max_load}});
  return out;
}

}  // namespace cases
}  // namespace eplb
