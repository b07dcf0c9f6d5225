// SPDX-License-Identifier: MIT
// Files of placements: this tool's own JSON, SGLang's JSON and TensorRT-LLM's YAML.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "library.h"

namespace eplb::cli {

/// What SGLang loads with --init-expert-location. It has a row for each layer of the model, so @p first_layer
/// rows are put before the others, for layers without experts; as SGLang's own default they go round robin.
void write_sglang(std::ostream& out, const eplb_shape& shape, const Placement& placement, std::int32_t first_layer);

/// What TensorRT-LLM loads as the load_balancer of its moe_config. @p first_layer is the model's number of
/// the first row.
void write_tensorrt_llm(std::ostream& out, const eplb_shape& shape, const Placement& placement,
                        std::int32_t first_layer);

struct PlanFile {
  std::int32_t layers = 0;
  std::int32_t slots = 0;
  std::int32_t experts = 0;                 ///< 0: the file does not say.
  std::int32_t gpus = 0;                    ///< 0: the file does not say.
  std::vector<std::int32_t> slots_per_gpu;  ///< Empty: the file does not say.
  std::vector<float> speed_of_gpu;          ///< Empty: the file does not say.
  Placement placement;
};

/// Reads a placement in any of the three formats. Of SGLang's, the first @p first_layer rows are left out.
PlanFile read_plan(const std::string& path, std::int32_t first_layer);

}  // namespace eplb::cli
