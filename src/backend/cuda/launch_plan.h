// SPDX-License-Identifier: MIT
// What follows from a plan's shape and rules before anything runs: its launches, and the memory they work in.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/kernels.h"

namespace eplb {

/// Everything about a plan's launches that follows from its shape and rules.
struct launch_plan {
  int shares;
  packing_step place_groups, pack_replicas;
  launch_form prepare_groups, try_groups, prepare_nodes, try_replicas, search, judge;
};

launch_plan plan_launches(const plan_spec& spec);

/// Lays out the device's memory; nothing is read or written.
cuda_memory lay_out_device(arena& memory, const plan_spec& spec, const launch_plan& launches);

/// What a planner owns on the host beside itself.
struct host_memory {
  layer_maps maps;     // of all layers, on their way to the caller; only for memory of the host
  layer_score* score;  // [layers]
  double* gpu_load;    // [layers][gpus], on its way to the caller
  cluster gpus;
};

host_memory lay_out_host(arena& memory, const plan_spec& spec);

}  // namespace eplb
