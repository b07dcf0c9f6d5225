/* SPDX-License-Identifier: MIT */
/* How structs grow: a program may be older than the library, or newer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { EXPERTS = 4, SLOTS = 6, GPUS = 2 };

static const float loads[EXPERTS] = {90, 50, 20, 10};
static int32_t experts_out[SLOTS], seats_out[SLOTS];

static eplb_shape shape;
static eplb_options options;
static eplb_input input;
static eplb_maps maps;
static eplb_stats stats;
static eplb_packing packing;

/* One call for each kind of struct, with sound ones for the rest. */
static eplb_status use_shape(void* s) { return eplb_rebalance_experts(s, &options, &input, &maps, NULL, &check_error); }
static eplb_status use_options(void* s) { return eplb_rebalance_experts(&shape, s, &input, &maps, NULL, &check_error); }
static eplb_status use_input(void* s) { return eplb_rebalance_experts(&shape, &options, s, &maps, NULL, &check_error); }
static eplb_status use_maps(void* s) { return eplb_rebalance_experts(&shape, &options, &input, s, NULL, &check_error); }
static eplb_status use_stats(void* s) {
  return eplb_rebalance_experts(&shape, &options, &input, &maps, s, &check_error);
}
static eplb_status use_packing(void* s) { return eplb_balanced_packing(&options, &input, s, &check_error); }

static eplb_status init_shape(void* s, size_t size) { return eplb_shape_init(s, size); }
static eplb_status init_options(void* s, size_t size) { return eplb_options_init(s, size); }
static eplb_status init_input(void* s, size_t size) { return eplb_input_init(s, size); }
static eplb_status init_maps(void* s, size_t size) { return eplb_maps_init(s, size); }
static eplb_status init_stats(void* s, size_t size) { return eplb_stats_init(s, size); }
static eplb_status init_packing(void* s, size_t size) { return eplb_packing_init(s, size); }
static eplb_status init_error(void* s, size_t size) { return eplb_error_init(s, size); }

enum { SHAPE, OPTIONS, INPUT, MAPS, STATS, PACKING, ERROR, NUM_KINDS };

static const struct kind {
  const char* name;
  const void* sound;
  size_t size;
  eplb_status (*init)(void*, size_t);
  eplb_status (*use)(void*);
} kinds[NUM_KINDS] = {
    {"shape", &shape, sizeof shape, init_shape, use_shape},
    {"options", &options, sizeof options, init_options, use_options},
    {"input", &input, sizeof input, init_input, use_input},
    {"maps", &maps, sizeof maps, init_maps, use_maps},
    {"stats", &stats, sizeof stats, init_stats, use_stats},
    {"packing", &packing, sizeof packing, init_packing, use_packing},
    {"error", NULL, sizeof(eplb_error), init_error, NULL},
};

static void set_up(void) {
  shape = make_shape(1, EXPERTS, SLOTS, 1, 1, GPUS);
  options = make_options(EPLB_STRATEGY_LPT);
  input = make_input(EPLB_TYPE_FLOAT32, loads, EXPERTS);
  stats = make_stats();
  CHECK(eplb_maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
  maps.physical_to_logical = experts_out;
  maps.physical_to_logical_count = SLOTS;
  CHECK(eplb_packing_init(&packing, sizeof packing) == EPLB_SUCCESS);
  packing.num_rows = 1;
  packing.num_items = EXPERTS;
  packing.num_packs = 2;
  packing.pack_index = seats_out;
  packing.pack_index_count = EXPERTS;
}

/* A copy of a sound struct as a program with another header would have it: `size` bytes and no more,
 * so that a memory checker sees any access behind them. */
static void* resized(const struct kind* kind, size_t size) {
  char* copy = calloc(1, size);
  const uint32_t struct_size = (uint32_t)size;
  memcpy(copy, kind->sound, size < kind->size ? size : kind->size);
  memcpy(copy, &struct_size, sizeof struct_size);
  return copy;
}

typedef union room {
  uint64_t aligned;
  unsigned char bytes[sizeof(eplb_error) + 64];
} room;

static void defaults(const struct kind* kind) {
  room full, part;
  size_t size, i;
  CHECK(kind->init(NULL, kind->size) == EPLB_ERROR_INVALID_ARGUMENT);
  for (size = 0; size < sizeof(uint32_t); ++size) CHECK(kind->init(&full, size) == EPLB_ERROR_STRUCT_SIZE);
  memset(&full, 0xEE, sizeof full);
  CHECK(kind->init(&full, kind->size) == EPLB_SUCCESS);
  CHECK(memcmp(&full, &(const uint32_t){(uint32_t)kind->size}, sizeof(uint32_t)) == 0);
  CHECK(full.bytes[kind->size] == 0xEE);
  for (size = sizeof(uint32_t); size <= kind->size + 16; size += 4) {
    memset(&part, 0xEE, sizeof part);
    CHECK(kind->init(&part, size) == EPLB_SUCCESS);
    CHECK(memcmp(&part, &(const uint32_t){(uint32_t)size}, sizeof(uint32_t)) == 0);
    CHECK(part.bytes[size] == 0xEE);
    for (i = sizeof(uint32_t); i < size; ++i) CHECK(part.bytes[i] == (i < kind->size ? full.bytes[i] : 0));
  }
}

/* An older program: what its struct does not have is at its default, which is not for everything
 * one that can be planned with. */
static void shorter(void) {
  static const struct {
    int kind;
    size_t size;
    eplb_status status;
  } cases[] = {{SHAPE, offsetof(eplb_shape, reserved), EPLB_SUCCESS},
               {SHAPE, offsetof(eplb_shape, slots_per_gpu), EPLB_SUCCESS},
               {SHAPE, offsetof(eplb_shape, num_gpus), EPLB_ERROR_INVALID_ARGUMENT},
               {OPTIONS, sizeof(uint32_t), EPLB_SUCCESS},
               {OPTIONS, offsetof(eplb_options, max_samples), EPLB_SUCCESS},
               {OPTIONS, offsetof(eplb_options, log_fn), EPLB_SUCCESS},
               {OPTIONS, offsetof(eplb_options, search_steps), EPLB_SUCCESS},
               {OPTIONS, offsetof(eplb_options, objective), EPLB_SUCCESS},
               {INPUT, offsetof(eplb_input, seed), EPLB_SUCCESS},
               {INPUT, offsetof(eplb_input, current), EPLB_SUCCESS},
               {INPUT, offsetof(eplb_input, max_changes_per_layer), EPLB_SUCCESS},
               {INPUT, offsetof(eplb_input, loads), EPLB_ERROR_INVALID_ARGUMENT},
               {MAPS, sizeof(uint32_t), EPLB_SUCCESS},
               {MAPS, offsetof(eplb_maps, replica_rank), EPLB_SUCCESS},
               {STATS, sizeof(uint32_t), EPLB_SUCCESS},
               {STATS, offsetof(eplb_stats, layer_balancedness), EPLB_SUCCESS},
               {STATS, offsetof(eplb_stats, bound), EPLB_SUCCESS},
               {STATS, offsetof(eplb_stats, changes), EPLB_SUCCESS},
               {PACKING, offsetof(eplb_packing, rank_in_pack), EPLB_SUCCESS},
               {PACKING, offsetof(eplb_packing, num_packs), EPLB_ERROR_INVALID_ARGUMENT}};
  size_t i;
  for (i = 0; i < sizeof cases / sizeof *cases; ++i) {
    const struct kind* kind = &kinds[cases[i].kind];
    void* s = resized(kind, cases[i].size);
    if (cases[i].status == EPLB_SUCCESS) {
      CHECK_OK(kind->use(s));
    } else {
      CHECK_FAILS(cases[i].status, "", kind->use(s));
    }
    free(s);
  }
}

/* A newer program: fine as long as it sets nothing that the library does not know. */
static void longer(const struct kind* kind) {
  void* s = resized(kind, kind->size + 16);
  CHECK_OK(kind->use(s));
  ((char*)s)[kind->size + 15] = 1;
  CHECK_FAILS(EPLB_ERROR_STRUCT_SIZE, kind->name, kind->use(s));
  free(s);
}

/* The sentence names the size and the limits. */
static void refuse_size(const struct kind* kind, void* s, uint32_t size) {
  char words[128];
  snprintf(words, sizeof words, "%s.struct_size is %u; it must be 4 to 1024, as its init function sets it", kind->name,
           (unsigned)size);
  CHECK_FAILS(EPLB_ERROR_STRUCT_SIZE, words, kind->use(s));
}

static void no_size(const struct kind* kind) {
  uint32_t size;
  for (size = 0; size < sizeof(uint32_t); ++size) {
    void* s = resized(kind, kind->size);
    memcpy(s, &size, sizeof size);
    refuse_size(kind, s, size);
    free(s);
  }
}

/* A size that cannot be one: the struct was not initialised, and what is behind it is not read. */
static void too_large(const struct kind* kind) {
  uint32_t size;
  for (size = 1025; size < 100000; size += 1024) {
    void* s = resized(kind, kind->size);
    memcpy(s, &size, sizeof size);
    refuse_size(kind, s, size);
    CHECK(kind->init(s, size) == EPLB_ERROR_STRUCT_SIZE);
    free(s);
  }
}

/* A size, a type or a limit without the pointer that it belongs to. */
static void forgotten_pointers(void) {
  static const struct {
    int kind;
    size_t offset, size;
    int64_t value;
    const char* words;
  } cases[] = {
#define FORGOTTEN(kind, type, field, value, pointer) \
  {kind, offsetof(type, field), sizeof(((type*)0)->field), value, #field "|" pointer "|NULL"}
      FORGOTTEN(SHAPE, eplb_shape, slots_per_gpu_count, 4, "slots_per_gpu"),
      FORGOTTEN(SHAPE, eplb_shape, speed_of_gpu_count, 4, "speed_of_gpu"),
      FORGOTTEN(SHAPE, eplb_shape, node_of_gpu_count, 4, "node_of_gpu"),
      FORGOTTEN(OPTIONS, eplb_options, workspace_bytes, 1, "workspace"),
      FORGOTTEN(INPUT, eplb_input, current_count, 8, "input.current"),
      FORGOTTEN(INPUT, eplb_input, current_type, EPLB_TYPE_INT64, "input.current"),
      FORGOTTEN(INPUT, eplb_input, max_changes_per_layer, 0, "input.current"),
      FORGOTTEN(INPUT, eplb_input, max_changes, 0, "input.current"),
      FORGOTTEN(MAPS, eplb_maps, replica_rank_count, 1, "maps.replica_rank"),
      FORGOTTEN(MAPS, eplb_maps, replica_count_count, 1, "maps.replica_count"),
      FORGOTTEN(MAPS, eplb_maps, logical_to_physical_count, 1, "maps.logical_to_physical"),
      FORGOTTEN(MAPS, eplb_maps, max_replicas, 1, "maps.logical_to_physical"),
      FORGOTTEN(STATS, eplb_stats, layer_balancedness_count, 1, "stats.layer_balancedness"),
      FORGOTTEN(STATS, eplb_stats, gpu_load_count, 1, "stats.gpu_load"),
      FORGOTTEN(STATS, eplb_stats, layer_bound_count, 1, "stats.layer_bound"),
      FORGOTTEN(PACKING, eplb_packing, rank_in_pack_count, 1, "packing.rank_in_pack")
#undef FORGOTTEN
  };
  size_t i;
  for (i = 0; i < sizeof cases / sizeof *cases; ++i) {
    const struct kind* kind = &kinds[cases[i].kind];
    void* s = resized(kind, kind->size);
    CHECK_OK(kind->use(s));
    memcpy((char*)s + cases[i].offset, &cases[i].value, cases[i].size);
    CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, cases[i].words, kind->use(s));
    free(s);
  }
}

static void documented_defaults(void) {
  eplb_shape s;
  eplb_options o;
  eplb_input i;
  eplb_maps m;
  eplb_packing p;
  CHECK(eplb_shape_init(&s, sizeof s) == EPLB_SUCCESS);
  CHECK(s.num_layers == 0 && s.num_logical_experts == 0 && s.num_physical_experts == 0);
  CHECK(s.num_groups == 1 && s.num_nodes == 1 && s.num_gpus == 0 && s.reserved == 0);
  CHECK(s.slots_per_gpu == NULL && s.speed_of_gpu == NULL && s.node_of_gpu == NULL);
  CHECK(s.slots_per_gpu_count == 0 && s.speed_of_gpu_count == 0 && s.node_of_gpu_count == 0);
  CHECK(eplb_options_init(&o, sizeof o) == EPLB_SUCCESS);
  CHECK(o.strategy == EPLB_STRATEGY_AUTO && o.policy == EPLB_POLICY_AUTO && o.backend == EPLB_BACKEND_AUTO);
  CHECK(o.memory == EPLB_MEMORY_HOST && o.device == -1 && o.num_threads == 1 && o.max_samples == 1);
  CHECK(o.initial == 0 && o.candidates == 0 && o.amplitude == 0 && o.amplitude_form == 0);
  CHECK(o.swap_scope == 0 && o.max_swaps == 0 && o.selection == 0 && o.log_level == EPLB_LOG_INFO);
  CHECK(o.search_steps == 0 && o.samples == 0 && o.duplicates == 0 && o.objective == EPLB_OBJECTIVE_PRESET);
  CHECK(o.log_fn == NULL && o.progress_fn == NULL && o.alloc_fn == NULL && o.free_fn == NULL && o.user == NULL);
  CHECK(eplb_input_init(&i, sizeof i) == EPLB_SUCCESS);
  CHECK(i.type == EPLB_TYPE_FLOAT32 && i.memory == EPLB_MEMORY_HOST && i.num_samples == 1);
  CHECK(i.loads == NULL && i.loads_count == 0 && i.seed == 0);
  CHECK(i.current == NULL && i.current_count == 0 && i.current_type == EPLB_TYPE_INT32);
  CHECK(i.max_changes_per_layer == -1 && i.max_changes == -1);
  CHECK(eplb_maps_init(&m, sizeof m) == EPLB_SUCCESS);
  CHECK(m.type == EPLB_TYPE_INT32 && m.memory == EPLB_MEMORY_HOST && m.max_replicas == 0);
  CHECK(m.physical_to_logical == NULL && m.logical_to_physical_count == 0);
  CHECK(eplb_packing_init(&p, sizeof p) == EPLB_SUCCESS);
  CHECK(p.type == EPLB_TYPE_INT32 && p.memory == EPLB_MEMORY_HOST && p.num_rows == 0);
}

/* An old program's stats have no room for what came later, and what it does have is filled in. */
static void old_stats(void) {
  const size_t size = offsetof(eplb_stats, duplicates);
  void* old = resized(&kinds[STATS], size);
  eplb_stats seen = stats;
  CHECK_OK(use_stats(old));
  memcpy(&seen, old, size);
  free(old);
  CHECK_OK(use_stats(&stats));
  CHECK(seen.struct_size == size && seen.max_replica_count == stats.max_replica_count);
  CHECK(seen.balancedness == stats.balancedness && seen.balancedness > 0 && seen.empty_layers == 0);
}

/* Structs as they were before gpus could differ and a plan could start from another: the same plans. */
static void before_uneven_gpus_and_current_placements(void) {
  void* const old_shape = resized(&kinds[SHAPE], offsetof(eplb_shape, slots_per_gpu));
  void* const old_input = resized(&kinds[INPUT], offsetof(eplb_input, current));
  void* const old_options = resized(&kinds[OPTIONS], offsetof(eplb_options, objective));
  const size_t size = offsetof(eplb_stats, bound);
  void* const old_stats = resized(&kinds[STATS], size);
  const int32_t strategies[] = {EPLB_STRATEGY_LPT, EPLB_STRATEGY_SEARCH, EPLB_STRATEGY_AUTO};
  size_t i;
  for (i = 0; i < 3; ++i) {
    int32_t now[SLOTS];
    eplb_stats seen = make_stats();
    options.strategy = strategies[i];
    memcpy((char*)old_options + offsetof(eplb_options, strategy), &strategies[i], sizeof strategies[i]);
    CHECK_OK(eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &check_error));
    memcpy(now, experts_out, sizeof now);
    memset(experts_out, UNWRITTEN, sizeof experts_out);
    CHECK_OK(eplb_rebalance_experts(old_shape, old_options, old_input, &maps, old_stats, &check_error));
    CHECK(memcmp(now, experts_out, sizeof now) == 0);
    memcpy(&seen, old_stats, size);
    CHECK(seen.balancedness == stats.balancedness && seen.duplicates == stats.duplicates);
    CHECK_OK(eplb_check_placement(old_shape, &maps, 0, &check_error));
    CHECK_OK(eplb_score_placement(old_shape, old_input, &maps, old_stats, &check_error));
  }
  options.strategy = EPLB_STRATEGY_LPT;
  free(old_shape), free(old_input), free(old_options), free(old_stats);
}

/* However short the caller's eplb_error, the sentence ends in a 0 inside it. */
static void errors_of_any_size(void) {
  const size_t head = offsetof(eplb_error, message);
  room r;
  size_t size;
  for (size = sizeof(uint32_t); size < sizeof r; size += 4) {
    eplb_error* error = (eplb_error*)&r;
    memset(&r, 0xEE, sizeof r);
    CHECK(eplb_error_init(error, size) == EPLB_SUCCESS);
    if (!CHECK(eplb_backend_available(-1, error) == EPLB_ERROR_INVALID_ARGUMENT)) return;
    CHECK(error->struct_size == size && r.bytes[size] == 0xEE);
    if (size >= head) CHECK(error->status == EPLB_ERROR_INVALID_ARGUMENT);
    if (size > head) CHECK(memchr(error->message, '\0', size - head) != NULL);
    if (size == head + 4) CHECK(strlen(error->message) == 3);
  }
  memset(&r, 0, sizeof r); /* not initialised */
  CHECK(eplb_backend_available(-1, (eplb_error*)&r) == EPLB_ERROR_STRUCT_SIZE);
  for (size = 0; size < sizeof r; ++size) CHECK(r.bytes[size] == 0);
}

int main(void) {
  size_t i;
  for (i = 0; i < NUM_KINDS; ++i) defaults(&kinds[i]);
  documented_defaults();
  set_up();
  shorter();
  forgotten_pointers();
  for (i = 0; i < ERROR; ++i) {
    longer(&kinds[i]);
    no_size(&kinds[i]);
    too_large(&kinds[i]);
  }
  old_stats();
  before_uneven_gpus_and_current_placements();
  errors_of_any_size();
  return check_report();
}
