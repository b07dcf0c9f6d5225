/* SPDX-License-Identifier: MIT */
/* The loop that the benchmark compares with: the same calls, made from C. */
#include <eplb/eplb.h>

/* A context with strategy lpt; NULL if that fails. */
eplb_context* c_create(const int32_t* layers_experts_slots_gpus) {
  eplb_shape shape;
  eplb_options options;
  eplb_context* context = NULL;
  eplb_shape_init(&shape, sizeof shape);
  eplb_options_init(&options, sizeof options);
  shape.num_layers = layers_experts_slots_gpus[0];
  shape.num_logical_experts = layers_experts_slots_gpus[1];
  shape.num_physical_experts = layers_experts_slots_gpus[2];
  shape.num_gpus = layers_experts_slots_gpus[3];
  options.strategy = EPLB_STRATEGY_LPT;
  return eplb_create(&shape, &options, &context, NULL) == EPLB_SUCCESS ? context : NULL;
}

void c_destroy(eplb_context* context) { eplb_destroy(context); }

/* Plans so many times; 0 on success. */
int32_t c_plan(eplb_context* context, const float* loads, size_t loads_count, int32_t* expert_of_slot,
               size_t expert_of_slot_count, int32_t times) {
  eplb_error error;
  eplb_input input;
  eplb_maps maps;
  eplb_error_init(&error, sizeof error);
  eplb_input_init(&input, sizeof input);
  eplb_maps_init(&maps, sizeof maps);
  input.loads = loads;
  input.loads_count = loads_count;
  maps.physical_to_logical = expert_of_slot;
  maps.physical_to_logical_count = expert_of_slot_count;
  for (; times > 0; --times) {
    if (eplb_submit_weights(context, &input, &error) != EPLB_SUCCESS) return 1;
    if (eplb_get_maps(context, &maps, &error) != EPLB_SUCCESS) return 1;
  }
  return 0;
}
