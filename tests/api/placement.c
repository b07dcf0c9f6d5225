/* SPDX-License-Identifier: MIT */
/* Placements that did not come from a plan: checked, and scored under a load. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

/* Five slots on two gpus: three on gpu 0, two on gpu 1. In layer 1 gpu 0 has expert 2 twice. */
enum { LAYERS = 2, EXPERTS = 3, SLOTS = 5, GPUS = 2, WIDTH = 3 };

typedef struct placement {
  int64_t experts[LAYERS * SLOTS], ranks[LAYERS * SLOTS], counts[LAYERS * EXPERTS];
  int64_t slots[LAYERS * EXPERTS * WIDTH];
} placement;

static const placement sound = {
    {0, 1, 2, 0, 1, /**/ 2, 2, 0, 1, 0},
    {0, 0, 0, 1, 1, /**/ 0, 1, 0, 0, 1},
    {2, 2, 1, /**/ 2, 1, 2},
    {0, 3, -1, 1, 4, -1, 2, -1, -1, /**/ 2, 4, -1, 3, -1, -1, 0, 1, -1},
};

static eplb_shape shape;

static eplb_maps maps_of(placement* p) {
  eplb_maps maps;
  CHECK(eplb_maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
  maps.type = EPLB_TYPE_INT64;
  maps.max_replicas = WIDTH;
  maps.physical_to_logical = p->experts;
  maps.physical_to_logical_count = LAYERS * SLOTS;
  maps.replica_rank = p->ranks;
  maps.replica_rank_count = LAYERS * SLOTS;
  maps.replica_count = p->counts;
  maps.replica_count_count = LAYERS * EXPERTS;
  maps.logical_to_physical = p->slots;
  maps.logical_to_physical_count = LAYERS * EXPERTS * WIDTH;
  return maps;
}

static void one_wrong_value(void) {
  enum { LAYER1_SLOTS = EXPERTS * WIDTH };
  static const int64_t beyond_32_bits = ((int64_t)1 << 32) + 1; /* an expert, if it were cut off */
  placement p;
  const struct {
    int64_t* map;
    size_t index;
    int64_t value;
    const char* words;
  } cases[] = {
      {p.experts, SLOTS + 2, -1, "physical_to_logical|layer 1|slot 2|-1"},
      {p.experts, SLOTS + 2, EXPERTS, "physical_to_logical|layer 1|slot 2|3"},
      {p.experts, SLOTS + 3, beyond_32_bits, "physical_to_logical|layer 1|slot 3|4294967297"},
      {p.experts, SLOTS + 3, 0, "layer 1|expert 1|no slot"},
      {p.counts, EXPERTS + 1, 2, "replica_count|layer 1|expert 1|2"},
      {p.ranks, SLOTS + 4, 2, "replica_rank|layer 1|slot 4|2"},
      {p.ranks, SLOTS + 4, 0, "replica_rank|layer 1|slot 4|0"},
      {p.ranks, SLOTS + 4, -1, "replica_rank|layer 1|slot 4|-1"},
      {p.slots, LAYER1_SLOTS + 1, SLOTS, "logical_to_physical|layer 1|expert 0|replica 1|5"},
      {p.slots, LAYER1_SLOTS + 1, 3, "logical_to_physical|layer 1|expert 0|replica 1|3"},
      {p.slots, LAYER1_SLOTS + 1, 2, "logical_to_physical|layer 1|expert 0|replica 1|2"},
      {p.slots, LAYER1_SLOTS + 1, -1, "logical_to_physical|layer 1|expert 0|replica 1|-1"},
      {p.slots, LAYER1_SLOTS + 2, 4, "logical_to_physical|layer 1|expert 0|replica 2|4"},
  };
  const float loads[LAYERS * EXPERTS] = {1, 1, 1, 1, 1, 1};
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, LAYERS * EXPERTS);
  eplb_stats stats = make_stats(), before = stats;
  size_t i;
  for (i = 0; i < sizeof cases / sizeof *cases; ++i) {
    const eplb_maps maps = maps_of(&p);
    p = sound;
    CHECK_OK(eplb_check_placement(&shape, &maps, 0, &check_error));
    cases[i].map[cases[i].index] = cases[i].value;
    CHECK_FAILS(EPLB_ERROR_INVALID_PLACEMENT, cases[i].words, eplb_check_placement(&shape, &maps, 0, &check_error));
    CHECK_FAILS(EPLB_ERROR_INVALID_PLACEMENT, cases[i].words,
                eplb_score_placement(&shape, &input, &maps, &stats, &check_error));
    CHECK(eplb_check_placement(&shape, &maps, 0, NULL) == EPLB_ERROR_INVALID_PLACEMENT);
    CHECK(memcmp(&stats, &before, sizeof stats) == 0);
  }
}

static void the_first_of_several(void) {
  placement p = sound;
  const eplb_maps maps = maps_of(&p);
  p.experts[4] = 8;
  p.experts[3] = 7;
  p.experts[SLOTS] = 9;
  CHECK_FAILS(EPLB_ERROR_INVALID_PLACEMENT, "layer 0|slot 3|7", eplb_check_placement(&shape, &maps, 0, &check_error));
}

/* Which replica is the first is for the placement to say, but all its maps must say the same. */
static void order_of_replicas(void) {
  placement p = sound;
  eplb_maps maps = maps_of(&p);
  p.slots[0] = 3;
  p.slots[1] = 0;
  CHECK_FAILS(EPLB_ERROR_INVALID_PLACEMENT, "logical_to_physical|layer 0|expert 0|replica 0|3",
              eplb_check_placement(&shape, &maps, 0, &check_error));
  p.ranks[0] = 1;
  p.ranks[3] = 0;
  CHECK_OK(eplb_check_placement(&shape, &maps, 0, &check_error));
  maps.replica_rank = NULL;
  maps.replica_rank_count = 0;
  CHECK_OK(eplb_check_placement(&shape, &maps, 0, &check_error));
}

static void width_of_the_inverse_map(void) {
  placement p = sound;
  eplb_maps maps = maps_of(&p);
  maps.max_replicas = 1;
  CHECK_FAILS(EPLB_ERROR_INVALID_PLACEMENT, "layer 0|expert 0|max_replicas|1",
              eplb_check_placement(&shape, &maps, 0, &check_error));
}

static void duplicates(void) {
  placement p = sound;
  eplb_maps maps = maps_of(&p);
  CHECK_FAILS(EPLB_ERROR_INVALID_PLACEMENT, "layer 1|slot 1|expert 2|gpu 0",
              eplb_check_placement(&shape, &maps, EPLB_CHECK_DUPLICATES, &check_error));
  shape.num_layers = 1;
  CHECK_OK(eplb_check_placement(&shape, &maps, EPLB_CHECK_DUPLICATES, &check_error));
  shape.num_layers = LAYERS;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "flags|6", eplb_check_placement(&shape, &maps, 6, &check_error));
}

static void bad_arguments(void) {
  const float loads[LAYERS * EXPERTS] = {1, 1, 1, 1, 1, -4};
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, LAYERS * EXPERTS);
  const eplb_input few = make_input(EPLB_TYPE_FLOAT32, loads, LAYERS * EXPERTS - 1);
  eplb_stats stats = make_stats(), before = stats;
  double gpu_load[LAYERS * GPUS];
  placement p = sound;
  eplb_maps maps = maps_of(&p), none = maps, narrow = maps, device = maps;
  none.physical_to_logical = NULL;
  --narrow.replica_rank_count;
  device.memory = EPLB_MEMORY_CUDA;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "shape", eplb_check_placement(NULL, &maps, 0, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "maps", eplb_check_placement(&shape, NULL, 0, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "physical_to_logical", eplb_check_placement(&shape, &none, 0, &check_error));
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "replica_rank|9|10", eplb_check_placement(&shape, &narrow, 0, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "memory", eplb_check_placement(&shape, &device, 0, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "shape", eplb_score_placement(NULL, &input, &maps, &stats, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "input", eplb_score_placement(&shape, NULL, &maps, &stats, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "maps", eplb_score_placement(&shape, &input, NULL, &stats, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "stats", eplb_score_placement(&shape, &input, &maps, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "loads|5|6",
              eplb_score_placement(&shape, &few, &maps, &stats, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_LOAD, "layer 1|expert 2|-4",
              eplb_score_placement(&shape, &input, &maps, &stats, &check_error));
  CHECK(memcmp(&stats, &before, sizeof stats) == 0);
  stats.gpu_load = gpu_load;
  stats.gpu_load_count = LAYERS * GPUS - 1;
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "gpu_load|3|4",
              eplb_score_placement(&shape, &input, &maps, &stats, &check_error));
}

/* Worked out by hand. Sample 0: gpu loads 12 9 and 14 8; sample 1: none in layer 0, 0 4 in layer 1. */
static void score_by_hand(void) {
  static const float loads[2][LAYERS * EXPERTS] = {{12, 6, 3, /**/ 8, 4, 10}, {0, 0, 0, /**/ 0, 4, 0}};
  static const double one[] = {10.5 / 12, 11.0 / 14}, two[] = {10.5 / 12, (11.0 / 14 + 0.5) / 2};
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 2 * LAYERS * EXPERTS);
  double balancedness[LAYERS], gpu_load[LAYERS * GPUS];
  eplb_stats stats = make_stats();
  placement p = sound;
  const eplb_maps maps = maps_of(&p);
  stats.layer_balancedness = balancedness;
  stats.layer_balancedness_count = LAYERS;
  stats.gpu_load = gpu_load;
  stats.gpu_load_count = LAYERS * GPUS;

  CHECK_OK(eplb_score_placement(&shape, &input, &maps, &stats, &check_error));
  CHECK(memcmp(balancedness, one, sizeof one) == 0);
  CHECK(stats.balancedness == (one[0] + one[1]) / 2 && stats.balancedness_min == one[1]);
  CHECK(gpu_load[0] == 12 && gpu_load[1] == 9 && gpu_load[2] == 14 && gpu_load[3] == 8);
  CHECK(stats.max_replica_count == 2 && stats.empty_layers == 0 && stats.duplicates == 1);

  input.num_samples = 2;
  CHECK_OK(eplb_score_placement(&shape, &input, &maps, &stats, &check_error));
  CHECK(memcmp(balancedness, two, sizeof two) == 0);
  CHECK(stats.balancedness == (two[0] + two[1]) / 2 && stats.balancedness_min == two[1]);
  CHECK(gpu_load[0] == 6 && gpu_load[1] == 4.5 && gpu_load[2] == 7 && gpu_load[3] == 6);
  CHECK(stats.empty_layers == 0);

  input.num_samples = 1;
  input.loads = loads[1];
  CHECK_OK(eplb_score_placement(&shape, &input, &maps, &stats, &check_error));
  CHECK(stats.empty_layers == 1 && balancedness[0] == 1 && balancedness[1] == 0.5);
  CHECK(stats.balancedness == 0.5 && stats.balancedness_min == 0.5);
}

/* The mean is over the gpus that have slots. */
static void more_gpus_than_slots(void) {
  static const float loads[] = {4, 2};
  static int32_t experts[] = {0, 1};
  const eplb_shape wide = make_shape(1, 2, 2, 1, 1, 3);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 2);
  double gpu_load[3];
  eplb_stats stats = make_stats();
  eplb_maps maps;
  CHECK(eplb_maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
  maps.physical_to_logical = experts;
  maps.physical_to_logical_count = 2;
  stats.gpu_load = gpu_load;
  stats.gpu_load_count = 3;
  CHECK_OK(eplb_score_placement(&wide, &input, &maps, &stats, &check_error));
  CHECK(stats.balancedness == 0.75);
  CHECK(gpu_load[0] == 4 && gpu_load[1] == 2 && gpu_load[2] == 0);
}

/* A plan scored from outside has the statistics that its context tells, and passes the check. */
static void plans_scored_from_outside(void) {
  enum { COUNT = 4 * 16, SAMPLES = 3 };
  const eplb_shape s = make_shape(4, 16, 24, 4, 2, 8);
  float loads[SAMPLES * COUNT];
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, SAMPLES * COUNT);
  int32_t strategy;
  fill_loads(loads, SAMPLES * COUNT, 21);
  memset(loads, 0, 16 * sizeof *loads); /* a layer that is empty in one sample only */
  input.num_samples = SAMPLES;
  for (strategy = 0; strategy < eplb_strategy_count(); ++strategy) {
    eplb_options options = make_options(strategy);
    double inside[8 * 4], outside[8 * 4];
    eplb_stats from_plan = make_stats(), from_score = make_stats();
    plan p = plan_new(&s, EPLB_TYPE_INT32);
    options.max_samples = SAMPLES;
    from_plan.gpu_load = inside;
    from_score.gpu_load = outside;
    from_plan.gpu_load_count = from_score.gpu_load_count = 8 * 4;
    CHECK_OK(eplb_rebalance_experts(&s, &options, &input, &p.maps, &from_plan, &check_error));
    CHECK_OK(eplb_check_placement(&s, &p.maps, 0, &check_error));
    CHECK_OK(eplb_score_placement(&s, &input, &p.maps, &from_score, &check_error));
    CHECK(memcmp(inside, outside, sizeof inside) == 0);
    CHECK(from_plan.balancedness == from_score.balancedness);
    CHECK(from_plan.balancedness_min == from_score.balancedness_min);
    CHECK(from_plan.duplicates == from_score.duplicates);
    CHECK(from_plan.max_replica_count == from_score.max_replica_count);
    plan_free(&p);
  }
}

int main(void) {
  shape = make_shape(LAYERS, EXPERTS, SLOTS, 1, 1, GPUS);
  one_wrong_value();
  the_first_of_several();
  order_of_replicas();
  width_of_the_inverse_map();
  duplicates();
  bad_arguments();
  score_by_hand();
  more_gpus_than_slots();
  plans_scored_from_outside();
  return check_report();
}
