/* SPDX-License-Identifier: MIT */
/* A program built against a header to come, made by later_header.cmake: the library does not know the last field of any
 * struct, nor the last value of any enum. All zeros are as if the field were not there; anything else is an error that
 * says where, not a plan that misses what was asked for. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { EXPERTS = 4, SLOTS = 6, GPUS = 2 };

static const float loads[EXPERTS] = {96, 30, 20, 10};
static const int32_t planned[SLOTS] = {0, 0, 3, 0, 1, 2};
static int32_t experts[SLOTS], packs[EXPERTS];

static eplb_shape shape;
static eplb_options options;
static eplb_input input;
static eplb_maps maps;
static eplb_stats stats;
static eplb_packing packing;

static void set_up(void) {
  shape = make_shape(1, EXPERTS, SLOTS, 1, 1, GPUS);
  options = make_options(EPLB_STRATEGY_LPT);
  input = make_input(EPLB_TYPE_FLOAT32, loads, EXPERTS);
  stats = make_stats();
  CHECK(eplb_maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
  maps.physical_to_logical = experts;
  maps.physical_to_logical_count = SLOTS;
  CHECK(eplb_packing_init(&packing, sizeof packing) == EPLB_SUCCESS);
  packing.num_rows = 1;
  packing.num_items = EXPERTS;
  packing.num_packs = GPUS;
  packing.pack_index = packs;
  packing.pack_index_count = EXPERTS;
}

static eplb_status make_plan(void) {
  return eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &check_error);
}
static eplb_status make_packing(void) { return eplb_balanced_packing(&options, &input, &packing, &check_error); }

/* The struct eplb_NAME, of which `call` is given NAME. */
#define A_STRUCT(name, call)                                                           \
  static void struct_eplb_##name(void) {                                               \
    char where[64];                                                                    \
    snprintf(where, sizeof where, #name "|at byte %zu", offsetof(eplb_##name, later)); \
    set_up();                                                                          \
    CHECK(name.struct_size == sizeof name && name.later == 0);                         \
    CHECK_OK(call());                                                                  \
    memset(&name.later, 1, sizeof name.later);                                         \
    CHECK_FAILS(EPLB_ERROR_STRUCT_SIZE, where, call());                                \
  }
A_STRUCT(shape, make_plan)
A_STRUCT(options, make_plan)
A_STRUCT(input, make_plan)
A_STRUCT(maps, make_plan)
A_STRUCT(stats, make_plan)
A_STRUCT(packing, make_packing)

/* An error is only written, as far as the library knows it. */
static void struct_eplb_error(void) {
  eplb_error error;
  CHECK(eplb_error_init(&error, sizeof error) == EPLB_SUCCESS && error.later == 0);
  error.later = 1;
  set_up();
  shape.num_gpus = 0;
  CHECK(eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &error) == EPLB_ERROR_INVALID_ARGUMENT);
  CHECK(error.status == EPLB_ERROR_INVALID_ARGUMENT && strstr(error.message, "num_gpus") && error.later == 1);
}

/* The field eplb_STRUCT::FIELD, given the last value of an enum. */
static void refuse(int32_t* field, const char* name, int32_t value, eplb_status (*call)(void)) {
  char words[64];
  snprintf(words, sizeof words, "%s is %d", name, (int)value);
  *field = value;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, words, call());
  set_up();
}
#define REFUSE(in, field, of, call) refuse(&in.field, #field, later_eplb_##of, call)
#define AN_OPTION(name) \
  static void enum_eplb_##name(void) { REFUSE(options, name, name, make_plan); }
AN_OPTION(policy)
AN_OPTION(initial)
AN_OPTION(amplitude_form)
AN_OPTION(swap_scope)
AN_OPTION(selection)
AN_OPTION(samples)
AN_OPTION(objective)
AN_OPTION(duplicates)
AN_OPTION(log_level)

static void enum_eplb_strategy(void) {
  REFUSE(options, strategy, strategy, make_plan);
  CHECK(eplb_strategy_count() == later_eplb_strategy);
  CHECK(eplb_strategy_name(later_eplb_strategy) == NULL && eplb_strategy_description(later_eplb_strategy) == NULL);
}
static void enum_eplb_backend(void) {
  REFUSE(options, backend, backend, make_plan);
  CHECK(eplb_backend_count() == later_eplb_backend && eplb_backend_name(later_eplb_backend) == NULL);
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "backend is 3", eplb_backend_available(later_eplb_backend, &check_error));
}
static void enum_eplb_memory(void) {
  REFUSE(options, memory, memory, make_plan);
  REFUSE(input, memory, memory, make_plan);
  REFUSE(maps, memory, memory, make_plan);
  REFUSE(packing, memory, memory, make_packing);
}
static void enum_eplb_type(void) {
  static const int32_t current[SLOTS] = {0, 1, 2, 3, 0, 1};
  REFUSE(input, type, type, make_plan);
  REFUSE(maps, type, type, make_plan);
  REFUSE(packing, type, type, make_packing);
  options.strategy = EPLB_STRATEGY_SEARCH;
  input.current = current;
  input.current_count = SLOTS;
  CHECK_OK(make_plan());
  REFUSE(input, current_type, type, make_plan);
}
static void enum_eplb_check_flag(void) {
  CHECK_OK(make_plan());
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "flags is 2",
              eplb_check_placement(&shape, &maps, later_eplb_check_flag, &check_error));
}
static void enum_eplb_status_code(void) {
  const char* const name = eplb_status_name(later_eplb_status_code);
  CHECK(name != NULL && strcmp(name, eplb_status_name(-1)) == 0 && strcmp(name, eplb_status_name(0)) != 0);
  CHECK(eplb_status_string(later_eplb_status_code) != NULL);
}

int main(void) {
  set_up();
#define STRUCT(name) struct_##name();
  EVERY_STRUCT(STRUCT)
#define ENUM(name) \
  set_up();        \
  enum_##name();
  EVERY_ENUM(ENUM)
  set_up();
  CHECK_OK(make_plan());
  CHECK(memcmp(experts, planned, sizeof planned) == 0);
  return check_report();
}
