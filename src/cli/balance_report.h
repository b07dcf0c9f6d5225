// SPDX-License-Identifier: MIT
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "library.h"

namespace eplb::cli {

/// The figures of a balance, but for its loads.
nlohmann::ordered_json as_json(const Balance& balance);

/// Two balances of the same layers and gpus side by side.
struct BalanceReport {
  const Balance& before;
  const Balance& after;
  std::int32_t gpus;
  std::int32_t samples;
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
