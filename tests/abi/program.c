/* SPDX-License-Identifier: MIT */
/* A program that makes every call there is in the oldest kept header, and prints what it gets. It is built against
 * headers of several ages; whichever it is, the answers are the same. */
#include <eplb/eplb.h>
#include <stdio.h>
#include <stdlib.h>

enum { LAYERS = 2, EXPERTS = 32, SLOTS = 40, GROUPS = 4, NODES = 2, GPUS = 8, REPLICAS = SLOTS - EXPERTS + 1 };

static float loads[LAYERS * EXPERTS], bad_loads[LAYERS * EXPERTS];
static int32_t experts[LAYERS * SLOTS], ranks[LAYERS * SLOTS], counts[LAYERS * EXPERTS];
static int32_t slots[LAYERS * EXPERTS * REPLICAS], packs[LAYERS * EXPERTS], seats[LAYERS * EXPERTS];
static double balancedness[LAYERS], gpu_load[LAYERS * GPUS];

static eplb_shape shape;
static eplb_options options;
static eplb_input input;
static eplb_maps maps;
static eplb_stats stats;
static eplb_packing packing;
static eplb_error error;
static int finished;

static void say(const char* call, eplb_status status) {
  printf("%s: %s (%s)%s%s\n", call, eplb_status_name(status), eplb_status_string(status), *error.message ? ", " : "",
         error.message);
  if (eplb_error_init(&error, sizeof error)) exit(2);
}

static void print_map(const char* name, const int32_t* map, size_t count) {
  size_t i;
  printf("%s", name);
  for (i = 0; i < count; ++i) printf(" %d", (int)map[i]);
  printf("\n");
}

static void print_maps(void) {
  print_map("physical_to_logical", experts, LAYERS * SLOTS);
  print_map("replica_rank", ranks, LAYERS * SLOTS);
  print_map("replica_count", counts, LAYERS * EXPERTS);
  print_map("logical_to_physical", slots, LAYERS * EXPERTS * REPLICAS);
}

static void print_stats(void) {
  size_t i;
  printf("stats %d %a %a %d %d", (int)stats.max_replica_count, stats.balancedness, stats.balancedness_min,
         (int)stats.empty_layers, (int)stats.duplicates);
  for (i = 0; i < LAYERS; ++i) printf(" %a", balancedness[i]);
  for (i = 0; i < LAYERS * GPUS; ++i) printf(" %a", gpu_load[i]);
  printf("\n");
}

static void* take(void* user, size_t size) {
  *(size_t*)user += size;
  return malloc(size);
}
static void give_back(void* user, void* pointer) {
  *(size_t*)user += pointer != NULL;
  free(pointer);
}
static void listen(void* user, int32_t level, const char* message) {
  (void)user;
  printf("log %d: %s\n", (int)level, message);
}
static int32_t follow(void* user, int64_t done, int64_t total) {
  (void)user;
  finished = done == total;
  return 0;
}

static void set_up(void) {
  int i;
  for (i = 0; i < LAYERS * EXPERTS; ++i) loads[i] = (float)((i + 1) * 7919 % 1009);
  bad_loads[2] = -3;
  if (eplb_error_init(&error, sizeof error) || eplb_shape_init(&shape, sizeof shape) ||
      eplb_options_init(&options, sizeof options) || eplb_input_init(&input, sizeof input) ||
      eplb_maps_init(&maps, sizeof maps) || eplb_stats_init(&stats, sizeof stats) ||
      eplb_packing_init(&packing, sizeof packing)) {
    exit(2);
  }
  shape.num_layers = LAYERS;
  shape.num_logical_experts = EXPERTS;
  shape.num_physical_experts = SLOTS;
  shape.num_groups = GROUPS;
  shape.num_nodes = NODES;
  shape.num_gpus = GPUS;
  input.loads = loads;
  input.loads_count = LAYERS * EXPERTS;
  input.seed = 7;
  maps.max_replicas = REPLICAS;
  maps.physical_to_logical = experts;
  maps.physical_to_logical_count = LAYERS * SLOTS;
  maps.replica_rank = ranks;
  maps.replica_rank_count = LAYERS * SLOTS;
  maps.replica_count = counts;
  maps.replica_count_count = LAYERS * EXPERTS;
  maps.logical_to_physical = slots;
  maps.logical_to_physical_count = LAYERS * EXPERTS * REPLICAS;
  stats.layer_balancedness = balancedness;
  stats.layer_balancedness_count = LAYERS;
  stats.gpu_load = gpu_load;
  stats.gpu_load_count = LAYERS * GPUS;
  packing.num_rows = LAYERS;
  packing.num_items = EXPERTS;
  packing.num_packs = 3;
  packing.pack_index = packs;
  packing.pack_index_count = LAYERS * EXPERTS;
  packing.rank_in_pack = seats;
  packing.rank_in_pack_count = LAYERS * EXPERTS;
}

static void describe(void) {
  char line[80] = "";
  int32_t i;
  printf("version %d, build info %d\n", (int)eplb_version(), eplb_build_info() != NULL);
  for (i = EPLB_STRATEGY_AUTO; i < eplb_strategy_count(); ++i) {
    const char* name = eplb_strategy_name(i);
    printf("strategy %d %s: %s\n", (int)eplb_strategy_from_name(name), name, eplb_strategy_description(i));
  }
  for (i = EPLB_BACKEND_AUTO; i < eplb_backend_count(); ++i) printf("backend %s\n", eplb_backend_name(i));
  say("available", eplb_backend_available(EPLB_BACKEND_CPU, &error));
  say("describe", eplb_device_describe(EPLB_BACKEND_CPU, 0, line, sizeof line, &error));
  printf("%d device: %s\n", (int)eplb_device_count(EPLB_BACKEND_CPU), line);
}

static void plan_at_once(void) {
  int32_t strategy;
  for (strategy = EPLB_STRATEGY_AUTO; strategy < eplb_strategy_count(); ++strategy) {
    options.strategy = strategy;
    say("rebalance", eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &error));
    print_maps();
    print_stats();
  }
}

static void plan_in_a_context(void) {
  eplb_context* context = NULL;
  size_t host_bytes = 0, cuda_bytes = 0, used = 0;
  int32_t replicas = 0;
  options.strategy = EPLB_STRATEGY_LPT_RESTART64_ANY;
  options.num_threads = 2;
  options.log_level = EPLB_LOG_DEBUG;
  options.log_fn = listen;
  options.progress_fn = follow;
  options.alloc_fn = take;
  options.free_fn = give_back;
  options.user = &used;
  say("memory", eplb_memory_needed(&shape, &options, &host_bytes, &cuda_bytes, &error));
  say("create", eplb_create(&shape, &options, &context, &error));
  printf("%d bytes, %d as told\n", (int)used, used == host_bytes);
  printf("strategy %d, policy %d, backend %d\n", (int)eplb_context_strategy(context), (int)eplb_context_policy(context),
         (int)eplb_context_backend(context));
  say("early", eplb_get_maps(context, &maps, &error));
  say("submit", eplb_submit_weights(context, &input, &error));
  say("replicas", eplb_get_max_replica_count(context, &replicas, &error));
  say("maps", eplb_get_maps(context, &maps, &error));
  say("stats", eplb_get_stats(context, &stats, &error));
  printf("finished %d, %d replicas\n", finished, (int)replicas);
  print_maps();
  print_stats();
  input.loads = bad_loads;
  say("bad loads", eplb_submit_weights(context, &input, &error));
  input.loads = loads;
  say("submit on a stream", eplb_submit_weights_async(context, &input, NULL, &error));
  say("maps on a stream", eplb_get_maps_async(context, &maps, NULL, &error));
  say("poll", eplb_poll(context, &error));
  eplb_destroy(context);
  printf("%d freed\n", used == host_bytes + 1);
}

static void placement_and_steps(void) {
  if (eplb_options_init(&options, sizeof options)) exit(2);
  say("check", eplb_check_placement(&shape, &maps, 0, &error));
  say("score", eplb_score_placement(&shape, &input, &maps, &stats, &error));
  print_stats();
  say("pack", eplb_balanced_packing(&options, &input, &packing, &error));
  print_map("pack_index", packs, LAYERS * EXPERTS);
  print_map("rank_in_pack", seats, LAYERS * EXPERTS);
  say("replicate", eplb_replicate_experts(&shape, &options, &input, &maps, &error));
  print_maps();
  experts[3] = EXPERTS;
  say("check", eplb_check_placement(&shape, &maps, EPLB_CHECK_DUPLICATES, &error));
}

int main(void) {
  set_up();
  describe();
  plan_at_once();
  plan_in_a_context();
  placement_and_steps();
  return 0;
}
