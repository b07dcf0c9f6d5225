// SPDX-License-Identifier: MIT
// The shapes that models are served in.
#pragma once

#include <eplb/eplb.h>

#include <string>

namespace bench {

struct deployment {
  const char* model;
  int layers, experts, slots, gpus;
  int nodes, groups;  // more than 1: it is also planned by node

  std::size_t loads() const { return static_cast<std::size_t>(layers) * static_cast<std::size_t>(experts); }
  std::size_t places() const { return static_cast<std::size_t>(layers) * static_cast<std::size_t>(slots); }
};

constexpr deployment deployments[] = {
    {"deepseek-v3", 58, 256, 288, 32, 4, 8},  // prefill
    {"deepseek-v3", 58, 256, 288, 36, 1, 1},
    {"deepseek-v3", 58, 256, 288, 48, 1, 1},
    {"deepseek-v3", 58, 256, 288, 72, 1, 1},
    {"deepseek-v3", 58, 256, 288, 144, 1, 1},  // decode; its 18 nodes do not divide 8 groups
    {"kimi-k2", 60, 384, 480, 96, 1, 1},
    {"deepseek-v4-pro", 61, 384, 416, 8, 1, 1},
    {"qwen3-235b", 94, 128, 144, 8, 1, 1},
    {"qwen3-235b", 94, 128, 144, 16, 1, 1},
    {"glm-4.5", 89, 160, 192, 32, 1, 1},
    {"qwen3.5-397b", 60, 512, 576, 64, 1, 1},
    {"gpt-oss-120b", 36, 128, 144, 16, 1, 1},
    {"llama4-maverick", 24, 128, 144, 16, 1, 1},
    {"longcat-flash", 28, 512, 640, 128, 1, 1},
    {"stress", 128, 1024, 2048, 512, 1, 1},  // no model
};

inline eplb_shape make_shape(const deployment& at, bool by_node) {
  eplb_shape shape;
  eplb_shape_init(&shape, sizeof shape);
  shape.num_layers = at.layers;
  shape.num_logical_experts = at.experts;
  shape.num_physical_experts = at.slots;
  shape.num_gpus = at.gpus;
  shape.num_nodes = by_node ? at.nodes : 1;
  shape.num_groups = by_node ? at.groups : 1;
  return shape;
}

/// Such as deepseek-v3:58x256-288/32/nodes:4/groups:8.
inline std::string name_of(const deployment& at, bool by_node) {
  std::string name(at.model);
  const auto add = [&](const char* before, int number) { name.append(before).append(std::to_string(number)); };
  add(":", at.layers);
  add("x", at.experts);
  add("-", at.slots);
  add("/", at.gpus);
  if (by_node) add("/nodes:", at.nodes);
  if (by_node) add("/groups:", at.groups);
  return name;
}

}  // namespace bench
