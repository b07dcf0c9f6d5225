// SPDX-License-Identifier: MIT
// What each gpu bears, for people to look at.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "library.h"

namespace eplb::cli {

/// The figures of a balance, in all and layer by layer. @p layer_numbers are the model's, of each layer.
nlohmann::ordered_json as_json(const Balance& balance, const eplb_shape& shape,
                               const std::vector<std::int32_t>& layer_numbers);

/// Two balances on the same gpus side by side.
struct BalanceReport {
  const Balance& before;
  const Balance& after;
  const eplb_shape& shape;
  const std::vector<std::int32_t>& layer_numbers;  ///< The model's, of each layer.
  bool has_replicas = true;
  bool has_changes = false;  ///< It was planned from a placement.
  std::string before_name = "before";
  std::string after_name = "after";
  std::string layer_name = "layer";
  std::string gpu_name = "gpu";

  /// A table of the figures, then a bar for each gpu.
  void print(std::ostream& out) const;
};

}  // namespace eplb::cli
