// SPDX-License-Identifier: MIT
// Files of placements: this tool's own JSON, and what engines read.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "library.h"

namespace eplb::cli {

/// A format of placements that an engine reads.
struct EngineFormat {
  std::string name;    ///< As --format takes it.
  bool can_be_uneven;  ///< It says how many slots each gpu has; without that, an engine gives all as many.
  bool is_npy;         ///< Else it is text.
  void (*write)(std::ostream& out, const eplb_shape& shape, const Placement& placement, const Loads& loads);
};

const std::vector<EngineFormat>& engine_formats();
/// The format of that name; null if it is none of an engine.
const EngineFormat* find_engine_format(const std::string& name);
/// Throws unless plans on these gpus can be written in @p format.
void check_can_hold(const EngineFormat& format, const eplb_shape& shape);

struct PlanFile {
  std::string name;
  std::int32_t layers = 0;
  std::int32_t slots = 0;
  std::int32_t experts = 0;                 ///< 0: the file does not say.
  std::int32_t gpus = 0;                    ///< 0: the file does not say.
  std::vector<std::int32_t> slots_per_gpu;  ///< Empty: the file does not say.
  std::vector<float> speed_of_gpu;          ///< Empty: the file does not say.
  Placement placement;
  bool has_order = true;       ///< It says in which slot of a gpu an expert is.
  bool is_cut_evenly = false;  ///< It does not say where a gpu ends: its engine gives all as many slots.

  /// Slots of each gpu; empty if the file does not say how many gpus there are.
  std::vector<std::int32_t> slots_of_gpus() const;
};

/// Reads a placement in any of these formats, of the layers that @p loads have.
PlanFile read_plan(const std::string& path, const Loads& loads);

/// Throws unless the placement is one of the experts that @p loads have, as far as it says.
void check_experts(const PlanFile& plan, const Loads& loads);

/// What the command line does not say of the gpus, a placement on as many gpus and slots does. @p plan is to outlive
/// @p shape.
void adopt_gpus(eplb_shape& shape, const PlanFile& plan);

/// Throws unless the placement can be of gpus with these slots, as far as its format says.
void check_cut(const PlanFile& plan, const eplb_shape& shape);

/// Throws unless the slots of the gpus are those that the placement was made for, as far as it says.
void check_slots(const PlanFile& plan, const eplb_shape& shape);

/// Reads loads. If @p counts_of is a placement's file, @p path is of counts of its slots, which become loads of its
/// experts.
Loads read_loads(const std::string& path, const LoadMeaning& meaning, const std::string& counts_of);

}  // namespace eplb::cli
