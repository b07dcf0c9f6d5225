/* SPDX-License-Identifier: MIT */
/* Limits: the largest shapes can be planned and judged, what is larger is refused, and no shape, however hostile, gets
 * more memory than it was told to need, or than the documents say. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { MOST = 65535 };

/* An allocator that keeps count, and can refuse. */
typedef struct account {
  size_t most; /* bytes that it has to give */
  size_t asked;
  int blocks; /* that were not given back */
} account;

static void* EPLB_CALL take(void* user, size_t size) {
  account* a = user;
  a->asked += size;
  if (size > a->most) return NULL;
  ++a->blocks;
  return malloc(size);
}

static void EPLB_CALL give_back(void* user, void* block) {
  --((account*)user)->blocks;
  free(block);
}

static eplb_options on_account(account* a, int32_t strategy, int32_t samples) {
  eplb_options options = make_options(strategy);
  options.max_samples = samples;
  options.alloc_fn = take;
  options.free_fn = give_back;
  options.user = a;
  return options;
}

static size_t told(const eplb_shape* shape, const eplb_options* options) {
  size_t bytes = 0;
  CHECK_OK(eplb_memory_needed(shape, options, &bytes, NULL, &check_error));
  return bytes;
}

/* What docs/embedding.md says of the memory of a context, with room for what does not grow. */
static double documented(const eplb_shape* shape, const eplb_options* options, int searches) {
  const double layers = shape->num_layers, experts = shape->num_logical_experts, slots = shape->num_physical_experts;
  const double gpus = shape->num_gpus, samples = options->max_samples, threads = options->num_threads;
  const double plans = 2 * (4 * samples * layers * experts + 4 * layers * slots + 2 * layers * experts);
  const double nodes = searches ? 20 * layers * shape->num_nodes : 0;
  const double once = 60 * experts + 20 * gpus;
  const double each = 60 * slots + 30 * experts + 40 * gpus;
  const double search = searches ? (slots + 32) * (8 * samples + 24) + experts * (4 * samples + 10) + 12 * gpus : 0;
  return plans + nodes + once + threads * (each + search + 8192) + 8192;
}

static float* make_loads(size_t count) {
  float* loads = malloc(count * sizeof *loads);
  CHECK(loads != NULL);
  fill_loads(loads, count, 1);
  return loads;
}

/* The plan is made with the memory that was told, is a placement, and is judged alike by both ways to do so. */
static void plan_the_largest(eplb_shape shape, int32_t strategy, int32_t samples) {
  const size_t slots = (size_t)shape.num_layers * (size_t)shape.num_physical_experts;
  const size_t experts = (size_t)shape.num_layers * (size_t)shape.num_logical_experts;
  const size_t count = experts * (size_t)samples;
  account a = {SIZE_MAX, 0, 0};
  eplb_options options = on_account(&a, strategy, samples);
  float* loads = make_loads(count);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, count);
  eplb_stats stats = make_stats(), again = make_stats();
  eplb_maps maps;
  int32_t* expert_in_slot = malloc(2 * slots * sizeof *expert_in_slot);
  input.num_samples = samples;
  if (strategy == EPLB_STRATEGY_SEARCH) options.search_steps = 8;
  CHECK(eplb_maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
  maps.physical_to_logical = expert_in_slot;
  maps.replica_rank = expert_in_slot + slots;
  maps.physical_to_logical_count = maps.replica_rank_count = slots;
  CHECK_OK(eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &check_error));
  CHECK(a.asked == told(&shape, &options) && a.blocks == 0);
  CHECK((double)a.asked <= documented(&shape, &options, strategy == EPLB_STRATEGY_SEARCH));
  CHECK_OK(eplb_check_placement(&shape, &maps, 0, &check_error));
  CHECK_OK(eplb_score_placement(&shape, &input, &maps, &again, &check_error));
  CHECK(memcmp(&stats, &again, sizeof stats) == 0);
  CHECK(stats.balancedness > 0 && stats.balancedness <= stats.bound && stats.bound <= 1);
  free(expert_in_slot);
  free(loads);
}

static void largest(void) {
  static const int32_t strategies[] = {EPLB_STRATEGY_LPT, EPLB_STRATEGY_LPT_SWAP_ANY, EPLB_STRATEGY_LPT_SWAP_L2,
                                       EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX, EPLB_STRATEGY_SEARCH};
  size_t i;
  for (i = 0; i < sizeof strategies / sizeof *strategies; ++i) {
    const int32_t strategy = strategies[i];
    plan_the_largest(make_shape(1, MOST, MOST, 1, 1, MOST), strategy, 1);
    plan_the_largest(make_shape(1, MOST, MOST, 1, 1, MOST / 15), strategy, 1);
    plan_the_largest(make_shape(1, MOST / 2, MOST, 1, 1, MOST / 15), strategy, 1);
    plan_the_largest(make_shape(1, 1, MOST, 1, 1, MOST), strategy, 1);
    plan_the_largest(make_shape(MOST, 2, 4, 1, 1, 2), strategy, 1);
    plan_the_largest(make_shape(1, MOST, MOST, MOST, MOST / 4369, MOST / 257), strategy, 1);
    plan_the_largest(make_shape(1, 4, 6, 2, 2, 2), strategy, MOST);
  }
}

/* One more than the largest is refused, and named. (The extents of a shape: shape.c.) */
static void just_above(void) {
  const eplb_shape shape = make_shape(1, 8, 16, 1, 1, 4);
  static int32_t too_many[MOST];
  eplb_shape uneven = make_shape(1, 8, 16, 1, 1, MOST);
  eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART4);
  static const float loads[8];
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 8);
  plan p = plan_new(&shape, EPLB_TYPE_INT64);
  size_t bytes = 7;
  int i;
  options.max_samples = MOST + 1;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "max_samples is 65536; it must be 1 to 65535",
              eplb_memory_needed(&shape, &options, &bytes, NULL, &check_error));
  input.num_samples = MOST + 1;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "num_samples is 65536; it must be 1 to 65535",
              eplb_rebalance_experts(&shape, NULL, &input, &p.maps, NULL, &check_error));
  input.num_samples = MOST; /* counts that are multiplied, not added up in 32 bits */
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "input.loads has 8 elements; it must have 524280",
              eplb_rebalance_experts(&shape, NULL, &input, &p.maps, NULL, &check_error));
  input.num_samples = 1;
  p.maps.max_replicas = INT32_MAX;
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "it must have 17179869176",
              eplb_rebalance_experts(&shape, NULL, &input, &p.maps, NULL, &check_error));
  CHECK(plan_unwritten(&p) && bytes == 7);
  plan_free(&p);
  for (i = 0; i < MOST; ++i) too_many[i] = INT32_MAX;
  uneven.slots_per_gpu = too_many;
  uneven.slots_per_gpu_count = MOST;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT,
              "slots_per_gpu adds up to 140735340806145; it must be num_physical_experts, 16",
              eplb_memory_needed(&uneven, NULL, &bytes, NULL, &check_error));
}

/* CUDA counts the nodes of all layers in 32 bits. */
static void just_above_on_cuda(void) {
  eplb_shape shape = make_shape(16384, MOST, MOST, MOST, MOST, MOST);
  eplb_options options = make_options(EPLB_STRATEGY_SEARCH);
  size_t bytes = 7;
  options.backend = EPLB_BACKEND_CUDA;
  options.memory = EPLB_MEMORY_CUDA;
  if (eplb_memory_needed(&shape, &options, NULL, &bytes, NULL) == EPLB_ERROR_UNAVAILABLE) return;
  CHECK_OK(eplb_memory_needed(&shape, &options, NULL, &bytes, &check_error));
  CHECK(bytes / MOST / 16384 >= 12);
  ++shape.num_layers;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT,
              "num_layers * num_nodes is 1073790975|hierarchical plan has at most 1073741824; policy global does not",
              eplb_memory_needed(&shape, &options, NULL, &bytes, &check_error));
}

/* Every extent as large as it may be, alone and with the others: the memory is told, asked for once, refused, and
 * that is all. Nothing is asked for by a call whose buffers are too short for its shape. */
static void hostile(void) {
  static const int32_t strategies[] = {EPLB_STRATEGY_LPT, EPLB_STRATEGY_LPT_RESTART64_ANY, EPLB_STRATEGY_SEARCH};
  unsigned bits;
  for (bits = 0; bits < 3 * 64; ++bits) {
    const int32_t strategy = strategies[bits / 64];
    const eplb_shape shape =
        make_shape(bits & 1 ? MOST : 1, bits & 2 ? MOST : 1, MOST, bits & 4 ? MOST : 1, 1, bits & 8 ? MOST : 1);
    account a = {0, 0, 0};
    eplb_options options = on_account(&a, strategy, bits & 16 ? MOST : 1);
    static const float loads[1];
    const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 1);
    eplb_maps maps;
    eplb_context* context = NULL;
    if (shape.num_logical_experts % shape.num_groups != 0) continue;
    options.num_threads = bits & 32 ? 1024 : 1;
    CHECK_FAILS(EPLB_ERROR_OUT_OF_MEMORY, "bytes of host memory could not be allocated",
                eplb_create(&shape, &options, &context, &check_error));
    CHECK(context == NULL && a.asked == told(&shape, &options) && a.blocks == 0);
    options.num_threads = shape.num_layers < options.num_threads ? shape.num_layers : options.num_threads;
    if (strategy != EPLB_STRATEGY_LPT_RESTART64_ANY) /* whose threads may share out candidates instead */
      CHECK((double)a.asked <= documented(&shape, &options, strategy == EPLB_STRATEGY_SEARCH));
    if (shape.num_layers == 1 && shape.num_logical_experts == 1) continue; /* the load is there */
    a.asked = 0;
    CHECK(eplb_maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
    CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, "input.loads",
                eplb_rebalance_experts(&shape, &options, &input, &maps, NULL, &check_error));
    CHECK(a.asked == 0);
  }
}

int main(void) {
  largest();
  just_above();
  just_above_on_cuda();
  hostile();
  return check_report();
}
