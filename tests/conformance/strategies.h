// SPDX-License-Identifier: MIT
#pragma once

#include <eplb/eplb.h>

#include <stdexcept>
#include <string>

inline std::int32_t strategy_named(const std::string& name) {
  for (std::int32_t s = 0; s < eplb_strategy_count(); ++s)
    if (name == eplb_strategy_name(s)) return s;
  throw std::invalid_argument("no strategy is named " + name);
}
