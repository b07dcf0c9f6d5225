// SPDX-License-Identifier: MIT
// Compiled once for each instruction set, with EPLB_KERNELS as the name of the set. It calls nothing
// from outside the core that the linker could share between the sets.
#include "backend/cpu/kernels.h"

#include "core/team/serial.h"

namespace eplb {
namespace {

/// A phase by a team of one.
template <auto phase>
struct alone;
template <class Result, class... Arguments, Result (*phase)(serial_team&, Arguments...)>
struct alone<phase> {
  static Result run(Arguments... arguments) {
    serial_team team;
    return phase(team, arguments...);
  }
};

bool usable() {
#if defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#else
  return true;
#endif
}

#define EPLB_TEXT_OF(x) #x
#define EPLB_TEXT(x) EPLB_TEXT_OF(x)
#define EPLB_JOIN_OF(a, b) a##b
#define EPLB_JOIN(a, b) EPLB_JOIN_OF(a, b)

}  // namespace

const cpu_kernels EPLB_JOIN(EPLB_KERNELS, _kernels){EPLB_TEXT(EPLB_KERNELS),
                                                    usable,
                                                    alone<read_layer<serial_team>>::run,
                                                    alone<prepare_groups<serial_team>>::run,
                                                    alone<try_candidates<serial_team>>::run,
                                                    alone<number_experts<serial_team>>::run,
                                                    alone<prepare_node<serial_team>>::run,
                                                    alone<write_maps<serial_team>>::run,
                                                    alone<read_current<serial_team>>::run,
                                                    alone<keep_groups<serial_team>>::run,
                                                    alone<search_node<serial_team>>::run,
                                                    alone<copy_maps<serial_team>>::run};

}  // namespace eplb
