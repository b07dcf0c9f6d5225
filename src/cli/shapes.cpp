// SPDX-License-Identifier: MIT
// The shapes of known models.
#include "shapes.h"

#include <algorithm>
#include <charconv>

#include "error.h"
#include "file_array.h"

namespace eplb::cli {
namespace {

// Fitted to recorded loads of the models they are named after; the other models take the one whose router is
// most like theirs.
constexpr Profile deepseek_v3{.above = 0.81, .below = 0.51, .group = 0.39, .layer = 0.18, .domain = 0.35, .most = 0.5};
constexpr Profile ungrouped{.above = 0.90, .below = 0.64, .group = 0, .layer = 0.18, .domain = 0.35, .most = 0.5};
constexpr Profile deepseek_v2_lite{.above = 0.79, .below = 1.00, .group = 0, .layer = 0.06, .domain = 0.22, .most = 1};
constexpr Profile qwen3{.above = 1.57, .below = 3.21, .group = 0, .layer = 0.11, .domain = 0.25, .most = 1};
constexpr Profile gpt_oss{.above = 0.77, .below = 2.34, .group = 0, .layer = 0.24, .domain = 0.65, .most = 1};
constexpr Profile olmoe{.above = 0.93, .below = 0.86, .group = 0, .layer = 0.19, .domain = 0.15, .most = 1};
constexpr Profile mixtral{.above = 0.10, .below = 0.20, .group = 0, .layer = 0.09, .domain = 0.20, .most = 1};
constexpr Profile well_balanced{.above = 0.40, .below = 0.48, .group = 0, .layer = 0.15, .domain = 0.35, .most = 1};

/// "58x256" as layers and experts; false if the text is not of that form.
bool parse_extents(const std::string& text, std::int32_t& layers, std::int32_t& experts) {
  const char* end = text.data() + text.size();
  const auto [cross, status] = std::from_chars(text.data(), end, layers);
  if (status == std::errc::invalid_argument || cross == end || *cross != 'x') return false;
  const auto [stop, status2] = std::from_chars(cross + 1, end, experts);
  return status2 != std::errc::invalid_argument && stop == end;
}

bool is_extent(std::int32_t value) { return value >= 1 && value <= largest_extent; }

}  // namespace

const std::vector<ModelShape>& known_shapes() {
  // MoE layers, routed experts, experts of a token, router groups; deployments: gpus, nodes, slots.
  static const std::vector<ModelShape> shapes = {
      {"deepseek-v3",
       58,
       256,
       8,
       8,
       deepseek_v3,
       {{"prefill", 32, 4, 288},
        {"decode", 144, 18, 288},
        {"decode, paper", 320, 40, 320},
        {"decode, sglang", 72, 9, 288},
        {"decode, sglang gb200", 48, 12, 288},
        {"tensorrt-llm gb200", 36, 9, 288},
        {"two nodes", 16, 2, 288},
        {"one node", 8, 1, 288},
        {"no replicas", 64, 8, 256}}},
      {"deepseek-v2", 59, 160, 6, 8, deepseek_v3, {{"one node", 8, 1, 160}, {"two nodes", 16, 2, 192}}},
      {"deepseek-v2-lite", 26, 64, 6, 1, deepseek_v2_lite, {{"half a node", 4, 1, 64}, {"one node", 8, 1, 72}}},
      {"deepseek-v4-flash",
       43,
       256,
       6,
       1,
       ungrouped,
       {{"half a node", 4, 1, 256}, {"one node", 8, 1, 288}, {"four nodes", 32, 4, 288}}},
      {"deepseek-v4-pro", 61, 384, 6, 1, ungrouped, {{"prefill, sglang", 8, 1, 416}, {"four nodes", 32, 4, 416}}},
      {"kimi-k2",
       60,
       384,
       8,
       1,
       ungrouped,
       {{"prefill", 32, 4, 384}, {"decode", 96, 12, 480}, {"two nodes", 16, 2, 416}}},
      {"glm-4.5", 89, 160, 8, 1, ungrouped, {{"two nodes", 16, 2, 160}, {"four nodes", 32, 4, 192}}},
      {"glm-4.5-air", 45, 128, 8, 1, ungrouped, {{"one node", 8, 1, 144}}},
      {"glm-5", 75, 256, 8, 1, ungrouped, {{"four nodes", 32, 4, 288}, {"eight nodes", 64, 8, 320}}},
      {"minimax-m2", 62, 256, 8, 1, ungrouped, {{"one node", 8, 1, 256}, {"four nodes", 32, 4, 288}}},
      {"qwen3-235b",
       94,
       128,
       8,
       1,
       qwen3,
       {{"one node", 8, 1, 144}, {"two nodes", 16, 2, 144}, {"four nodes", 32, 4, 160}}},
      {"qwen3-30b", 48, 128, 8, 1, qwen3, {{"one node", 8, 1, 144}, {"three nodes", 24, 3, 144}}},
      {"qwen3-coder-480b", 62, 160, 8, 1, qwen3, {{"two nodes", 16, 2, 176}, {"four nodes", 32, 4, 192}}},
      {"qwen3-next-80b", 48, 512, 10, 1, well_balanced, {{"one node", 8, 1, 512}, {"four nodes", 32, 4, 576}}},
      {"qwen3.5-35b", 40, 256, 8, 1, well_balanced, {{"one node", 8, 1, 288}}},
      {"qwen3.5-397b", 60, 512, 10, 1, well_balanced, {{"two nodes", 16, 2, 544}, {"eight nodes", 64, 8, 576}}},
      {"gpt-oss-20b", 24, 32, 4, 1, gpt_oss, {{"half a node", 4, 1, 32}, {"one node", 8, 1, 40}}},
      {"gpt-oss-120b", 36, 128, 4, 1, gpt_oss, {{"one node", 8, 1, 128}, {"two nodes", 16, 2, 144}}},
      {"llama4-scout", 48, 16, 1, 1, ungrouped, {{"one node", 8, 1, 16}}},
      {"llama4-maverick", 24, 128, 1, 1, ungrouped, {{"one node", 8, 1, 128}, {"two nodes", 16, 2, 144}}},
      {"ernie-4.5-300b", 51, 64, 8, 1, deepseek_v2_lite, {{"one node", 8, 1, 72}, {"two nodes", 16, 2, 80}}},
      {"longcat-flash", 28, 512, 12, 1, well_balanced, {{"four nodes", 32, 4, 544}, {"sixteen nodes", 128, 16, 640}}},
      {"ling-1t", 76, 256, 8, 8, deepseek_v3, {{"four nodes", 32, 4, 288}}},
      {"mixtral-8x7b", 32, 8, 2, 1, mixtral, {{"one node", 8, 1, 8}, {"half a node", 4, 1, 12}}},
      {"mixtral-8x22b", 56, 8, 2, 1, mixtral, {{"one node", 8, 1, 16}}},
      {"olmoe", 16, 64, 8, 1, olmoe, {{"one node", 8, 1, 64}, {"half a node", 4, 1, 72}}},
      // No models: one for limits, one to read through.
      {"stress-1024", 128, 1024, 8, 16, ungrouped, {{"sixteen nodes", 128, 16, 1280}, {"64 nodes", 512, 64, 2048}}},
      {"tiny", 2, 12, 2, 4, ungrouped, {{"two nodes", 8, 2, 16}}},
  };
  return shapes;
}

ModelShape find_shape(const std::string& name) {
  for (const ModelShape& shape : known_shapes())
    if (shape.name == name) return shape;
  ModelShape shape{name, 0, 0, 0, 1, ungrouped, {}};
  if (!parse_extents(name, shape.layers, shape.experts))
    throw UsageError("--shape: '" + name + "' is neither of the form 58x256 nor one that 'eplb generate --list' shows");
  if (!is_extent(shape.layers) || !is_extent(shape.experts))
    throw UsageError("--shape is " + name + "; layers and experts must be 1 to " + std::to_string(largest_extent));
  shape.topk = std::min(8, shape.experts);
  return shape;
}

}  // namespace eplb::cli
