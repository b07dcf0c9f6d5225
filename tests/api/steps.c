/* SPDX-License-Identifier: MIT */
/* The two steps of a plan by themselves: packing and replicating. */
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { ROWS = 2, ITEMS = 4, PACKS = 2, COUNT = ROWS * ITEMS };

static int32_t pack_index[COUNT], rank_in_pack[COUNT];

static eplb_packing small_packing(void) {
  eplb_packing packing;
  CHECK(eplb_packing_init(&packing, sizeof packing) == EPLB_SUCCESS);
  memset(pack_index, UNWRITTEN, sizeof pack_index);
  memset(rank_in_pack, UNWRITTEN, sizeof rank_in_pack);
  packing.num_rows = ROWS;
  packing.num_items = ITEMS;
  packing.num_packs = PACKS;
  packing.pack_index = pack_index;
  packing.pack_index_count = COUNT;
  packing.rank_in_pack = rank_in_pack;
  packing.rank_in_pack_count = COUNT;
  return packing;
}

static int packing_unwritten(void) {
  unsigned char pattern[sizeof pack_index];
  memset(pattern, UNWRITTEN, sizeof pattern);
  return memcmp(pack_index, pattern, sizeof pattern) == 0 && memcmp(rank_in_pack, pattern, sizeof pattern) == 0;
}

/* 9 + 3 and 7 + 5; 4 + 1 and 3 + 2. */
static const float loads[COUNT] = {9, 7, 5, 3, /**/ 1, 2, 3, 4};
static const int32_t hand_packs[COUNT] = {0, 1, 1, 0, /**/ 0, 1, 1, 0};
static const int32_t hand_ranks[COUNT] = {0, 0, 1, 1, /**/ 1, 1, 0, 0};

static void packing_by_hand(void) {
  const eplb_options options = make_options(EPLB_STRATEGY_LPT);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  eplb_packing packing = small_packing();
  int64_t wide[COUNT + 1];
  int i;
  CHECK_OK(eplb_balanced_packing(&options, &input, &packing, &check_error));
  CHECK(memcmp(pack_index, hand_packs, sizeof hand_packs) == 0);
  CHECK(memcmp(rank_in_pack, hand_ranks, sizeof hand_ranks) == 0);

  packing = small_packing(); /* either output by itself, of the other type */
  packing.type = EPLB_TYPE_INT64;
  packing.pack_index = NULL;
  packing.pack_index_count = 0;
  packing.rank_in_pack = wide;
  packing.rank_in_pack_count = COUNT + 1;
  wide[COUNT] = 77;
  CHECK_OK(eplb_balanced_packing(&options, &input, &packing, &check_error));
  for (i = 0; i < COUNT; ++i) CHECK(wide[i] == hand_ranks[i]);
  packing.rank_in_pack = NULL;
  packing.rank_in_pack_count = 0;
  packing.pack_index = wide;
  packing.pack_index_count = COUNT + 1;
  CHECK_OK(eplb_balanced_packing(&options, &input, &packing, &check_error));
  for (i = 0; i < COUNT; ++i) CHECK(wide[i] == hand_packs[i]);
  CHECK(wide[COUNT] == 77 && packing_unwritten());
  packing.pack_index = NULL;
  packing.pack_index_count = 0;
  CHECK_OK(eplb_balanced_packing(&options, &input, &packing, &check_error));
}

static void samples_are_added(void) {
  float halves[2 * COUNT];
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, halves, 2 * COUNT);
  const eplb_packing packing = small_packing();
  int i;
  for (i = 0; i < COUNT; ++i) {
    halves[i] = i % 2 ? loads[i] : 0;
    halves[COUNT + i] = i % 2 ? 0 : loads[i];
  }
  input.num_samples = options.max_samples = 2;
  CHECK_OK(eplb_balanced_packing(&options, &input, &packing, &check_error));
  CHECK(memcmp(pack_index, hand_packs, sizeof hand_packs) == 0);
}

/* One item in each pack: item i in pack i, whatever the loads; all items in one pack: ranks only. */
static void extreme_packings(void) {
  static const int32_t identity[COUNT] = {0, 1, 2, 3, 0, 1, 2, 3}, zeros[COUNT];
  static const int32_t order[COUNT] = {0, 1, 2, 3, 3, 2, 1, 0};
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  eplb_packing packing;
  int32_t strategy;
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    const eplb_options options = make_options(strategy);
    packing = small_packing();
    packing.num_packs = ITEMS;
    CHECK_OK(eplb_balanced_packing(&options, &input, &packing, &check_error));
    CHECK(memcmp(pack_index, identity, sizeof identity) == 0);
    CHECK(memcmp(rank_in_pack, zeros, sizeof zeros) == 0);
    packing.num_packs = 1;
    CHECK_OK(eplb_balanced_packing(&options, &input, &packing, &check_error));
    CHECK(memcmp(pack_index, zeros, sizeof zeros) == 0);
    CHECK(memcmp(rank_in_pack, order, sizeof order) == 0);
  }
}

static void refuse_packing(eplb_packing packing, eplb_status status, const char* words) {
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  CHECK_FAILS(status, words, eplb_balanced_packing(NULL, &input, &packing, &check_error));
  CHECK(packing_unwritten());
}

static void impossible_packings(void) {
  const float bad[COUNT] = {1, 1, 1, 1, 1, 1, -6, 1};
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  eplb_packing packing = small_packing();
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "packing", eplb_balanced_packing(NULL, &input, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "input", eplb_balanced_packing(NULL, NULL, &packing, &check_error));
  input.loads_count = COUNT - 1;
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "loads|7|8", eplb_balanced_packing(NULL, &input, &packing, &check_error));
  input = make_input(EPLB_TYPE_FLOAT32, bad, COUNT);
  CHECK_FAILS(EPLB_ERROR_INVALID_LOAD, "1|2|-6", eplb_balanced_packing(NULL, &input, &packing, &check_error));

  packing.num_rows = 0;
  refuse_packing(packing, EPLB_ERROR_INVALID_ARGUMENT, "num_rows|0");
  packing = small_packing();
  packing.num_items = 65536;
  refuse_packing(packing, EPLB_ERROR_INVALID_ARGUMENT, "num_items|65536");
  packing = small_packing();
  packing.num_packs = -2;
  refuse_packing(packing, EPLB_ERROR_INVALID_ARGUMENT, "num_packs|-2");
  packing.num_packs = 3;
  refuse_packing(packing, EPLB_ERROR_INVALID_ARGUMENT, "num_items|4|num_packs|3");
  packing.num_packs = 8;
  refuse_packing(packing, EPLB_ERROR_INVALID_ARGUMENT, "num_items|4|num_packs|8");
  packing = small_packing();
  packing.type = EPLB_TYPE_FLOAT64;
  refuse_packing(packing, EPLB_ERROR_INVALID_ARGUMENT, "packing.type|1");
  packing = small_packing();
  packing.memory = EPLB_MEMORY_CUDA;
  refuse_packing(packing, EPLB_ERROR_INVALID_ARGUMENT, "packing.memory");
  packing = small_packing();
  --packing.pack_index_count;
  refuse_packing(packing, EPLB_ERROR_BUFFER_TOO_SMALL, "pack_index|7|8");
  packing = small_packing();
  --packing.rank_in_pack_count;
  refuse_packing(packing, EPLB_ERROR_BUFFER_TOO_SMALL, "rank_in_pack|7|8");
}

/* Extra slots go to expert 0 (96, then 48, against 30). Groups, nodes and gpus are not looked at. */
static void replication_by_hand(void) {
  static const float four[] = {96, 30, 20, 10};
  static const int32_t experts[] = {0, 1, 2, 3, 0, 0}, ranks[] = {0, 0, 0, 0, 1, 2}, counts[] = {3, 1, 1, 1};
  static const int32_t slots[] = {0, 4, 5, 1, -1, -1, 2, -1, -1, 3, -1, -1};
  const eplb_shape shape = make_shape(1, 4, 6, -5, 0, 0);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, four, 4);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  CHECK_OK(eplb_replicate_experts(&shape, NULL, &input, &p.maps, &check_error));
  CHECK(memcmp(p.maps.physical_to_logical, experts, sizeof experts) == 0);
  CHECK(memcmp(p.maps.replica_rank, ranks, sizeof ranks) == 0);
  CHECK(memcmp(p.maps.replica_count, counts, sizeof counts) == 0);
  CHECK(memcmp(p.maps.logical_to_physical, slots, sizeof slots) == 0);
  plan_free(&p);
}

/* Ties go to the lowest expert, and without any load each expert counts as 1. */
static void replication_of_equals(void) {
  static const int32_t experts[] = {0, 1, 2, 0, 1};
  const float equal[] = {5, 5, 5}, none[] = {0, 0, 0};
  const eplb_shape shape = make_shape(1, 3, 5, 1, 1, 1);
  const float* const both[] = {equal, none};
  int i;
  for (i = 0; i < 2; ++i) {
    const eplb_input input = make_input(EPLB_TYPE_FLOAT32, both[i], 3);
    plan p = plan_new(&shape, EPLB_TYPE_INT32);
    CHECK_OK(eplb_replicate_experts(&shape, NULL, &input, &p.maps, &check_error));
    CHECK(memcmp(p.maps.physical_to_logical, experts, sizeof experts) == 0);
    plan_free(&p);
  }
}

/* The load of an expert is what its samples add up to, also without options: 5, 11 and 6. Scaled to one total each,
 * expert 2 would be the hottest. */
static void replication_of_samples(void) {
  static const float samples[] = {1, 0, 1, /**/ 4, 11, 5};
  static const int32_t counts[] = {1, 2, 1};
  const eplb_shape shape = make_shape(1, 3, 4, 1, 1, 1);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, samples, 6);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  input.num_samples = 2;
  CHECK_OK(eplb_replicate_experts(&shape, NULL, &input, &p.maps, &check_error));
  CHECK(memcmp(p.maps.replica_count, counts, sizeof counts) == 0);
  plan_free(&p);
}

/* A current placement plays no part: it may be refused, but does not change what experts get, nor their order. */
static void replication_from_current(void) {
  static const float four[] = {96, 30, 20, 10};
  static const int32_t current[] = {3, 3, 2, 1, 0, 0}, experts[] = {0, 1, 2, 3, 0, 0};
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 1);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, four, 4);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  input.current = current;
  input.current_count = 6;
  if (eplb_replicate_experts(&shape, NULL, &input, &p.maps, NULL) == EPLB_SUCCESS) {
    CHECK(memcmp(p.maps.physical_to_logical, experts, sizeof experts) == 0);
  } else {
    CHECK(plan_unwritten(&p));
  }
  plan_free(&p);
}

static void impossible_replications(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 1), few = make_shape(1, 4, 3, 1, 1, 1);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  const float nothing_but[] = {7, 0, 0, 0};
  const eplb_input hot = make_input(EPLB_TYPE_FLOAT32, nothing_but, 4);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "shape", eplb_replicate_experts(NULL, NULL, &input, &p.maps, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "input", eplb_replicate_experts(&shape, NULL, NULL, &p.maps, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "maps", eplb_replicate_experts(&shape, NULL, &input, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "num_physical_experts|3|4",
              eplb_replicate_experts(&few, NULL, &input, &p.maps, &check_error));
  p.maps.max_replicas = 2;
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "max_replicas|2|3",
              eplb_replicate_experts(&shape, NULL, &hot, &p.maps, &check_error));
  CHECK(plan_unwritten(&p));
  plan_free(&p);
}

int main(void) {
  packing_by_hand();
  samples_are_added();
  extreme_packings();
  impossible_packings();
  replication_by_hand();
  replication_of_equals();
  replication_of_samples();
  replication_from_current();
  impossible_replications();
  return check_report();
}
