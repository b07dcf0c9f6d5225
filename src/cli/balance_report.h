// SPDX-License-Identifier: MIT
#pragma once

#include <iosfwd>
#include <string>

#include "library.h"

namespace eplb::cli {

/// Two balances of the same layers and gpus side by side.
struct BalanceReport {
  const Balance& before;
  const Balance& after;
  std::int32_t gpus;
  std::int32_t samples;
  bool has_replicas = true;
  std::string before_name = "before";
  std::string after_name = "after";
  std::string layer_name = "layer";
  std::string gpu_name = "gpu";

  /// A table of the figures, then a bar for each gpu.
  void print(std::ostream& out) const;
};

}  // namespace eplb::cli
