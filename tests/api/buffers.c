/* SPDX-License-Identifier: MIT */
/* Output buffers: too short, too long, of an unknown kind. Nothing is written unless all is well. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fixture.h"

enum { LAYERS = 2, EXPERTS = 4, SLOTS = 6, GPUS = 2, COUNT = LAYERS * EXPERTS };

/* Expert 0 of each layer gets both extra slots: a largest count of 3. */
static const float loads[COUNT] = {96, 30, 20, 10, 96, 30, 20, 10};

typedef struct setting {
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_context* context;
  plan p;
} setting;

static setting set_up(void) {
  setting s;
  s.shape = make_shape(LAYERS, EXPERTS, SLOTS, 1, 1, GPUS);
  s.options = make_options(EPLB_STRATEGY_LPT);
  s.input = make_input(EPLB_TYPE_FLOAT32, loads, COUNT);
  s.p = plan_new(&s.shape, EPLB_TYPE_INT32);
  s.context = context_of(&s.shape, &s.options);
  CHECK_OK(eplb_submit_weights(s.context, &s.input, &check_error));
  return s;
}

static void tear_down(setting* s) {
  eplb_destroy(s->context);
  plan_free(&s->p);
}

static void refuse_maps(setting* s, eplb_status status, const char* words) {
  CHECK_FAILS(status, words, eplb_get_maps(s->context, &s->p.maps, &check_error));
  CHECK_FAILS(status, words, eplb_rebalance_experts(&s->shape, &s->options, &s->input, &s->p.maps, NULL, &check_error));
  CHECK(eplb_get_maps(s->context, &s->p.maps, NULL) == status);
  CHECK(plan_unwritten(&s->p));
}

static void short_maps(setting* s) {
  static const struct {
    const char* words;
    size_t offset;
  } counts[] = {
      {"physical_to_logical|11|12", offsetof(eplb_maps, physical_to_logical_count)},
      {"replica_rank|11|12", offsetof(eplb_maps, replica_rank_count)},
      {"replica_count|7|8", offsetof(eplb_maps, replica_count_count)},
      {"logical_to_physical|23|24", offsetof(eplb_maps, logical_to_physical_count)},
  };
  const eplb_maps sound = s->p.maps;
  size_t i;
  for (i = 0; i < sizeof counts / sizeof *counts; ++i) {
    --*(size_t*)((char*)&s->p.maps + counts[i].offset);
    refuse_maps(s, EPLB_ERROR_BUFFER_TOO_SMALL, counts[i].words);
    s->p.maps = sound;
  }
}

static void impossible_maps(setting* s) {
  const eplb_maps sound = s->p.maps;
  s->p.maps.max_replicas = 2;
  refuse_maps(s, EPLB_ERROR_BUFFER_TOO_SMALL, "max_replicas|2|3");
  s->p.maps.max_replicas = 0;
  refuse_maps(s, EPLB_ERROR_INVALID_ARGUMENT, "max_replicas|0");
  s->p.maps.max_replicas = -1;
  refuse_maps(s, EPLB_ERROR_INVALID_ARGUMENT, "max_replicas|-1");
  s->p.maps = sound;
  s->p.maps.type = EPLB_TYPE_FLOAT32;
  refuse_maps(s, EPLB_ERROR_INVALID_ARGUMENT, "type|0");
  s->p.maps.type = 4;
  refuse_maps(s, EPLB_ERROR_INVALID_ARGUMENT, "type|4");
  s->p.maps = sound;
  s->p.maps.memory = 2;
  refuse_maps(s, EPLB_ERROR_INVALID_ARGUMENT, "memory|2");
  s->p.maps = sound;
}

/* A count is looked at only when its buffer is given, max_replicas only with logical_to_physical. */
static void what_is_not_given_is_not_looked_at(setting* s) {
  eplb_maps none = s->p.maps;
  none.physical_to_logical = none.replica_rank = none.replica_count = none.logical_to_physical = NULL;
  none.physical_to_logical_count = none.replica_rank_count = none.replica_count_count = 0;
  none.logical_to_physical_count = 0;
  none.max_replicas = 0;
  CHECK_OK(eplb_get_maps(s->context, &none, &check_error));
}

/* Longer buffers are written at their front; wider rows of logical_to_physical end in -1. */
static void room_to_spare(setting* s) {
  enum { WIDTH = 5 };
  int32_t slots[LAYERS * SLOTS + 3], replicas[COUNT * WIDTH + 3];
  eplb_maps maps = s->p.maps;
  int i;
  memset(slots, 0x7B, sizeof slots);
  memset(replicas, 0x7B, sizeof replicas);
  maps.max_replicas = WIDTH;
  maps.physical_to_logical = slots;
  maps.physical_to_logical_count = LAYERS * SLOTS + 3;
  maps.logical_to_physical = replicas;
  maps.logical_to_physical_count = COUNT * WIDTH + 3;
  CHECK_OK(eplb_get_maps(s->context, &maps, &check_error));
  CHECK(replicas[0] == 0 && replicas[1] == 3 && replicas[2] == 1 && replicas[3] == -1 && replicas[4] == -1);
  CHECK(replicas[WIDTH] == 4 && replicas[WIDTH + 1] == -1);
  CHECK(replicas[COUNT * WIDTH - 1] == -1 && slots[LAYERS * SLOTS - 1] == 2);
  for (i = 0; i < 3; ++i) {
    CHECK(replicas[COUNT * WIDTH + i] == 0x7B7B7B7B && slots[LAYERS * SLOTS + i] == 0x7B7B7B7B);
  }
}

static void refuse_stats(setting* s, eplb_stats stats, const char* words) {
  eplb_stats before;
  plan_clear(&s->p);
  stats.balancedness = -3;
  before = stats;
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, words, eplb_get_stats(s->context, &stats, &check_error));
  CHECK_FAILS(EPLB_ERROR_BUFFER_TOO_SMALL, words,
              eplb_rebalance_experts(&s->shape, &s->options, &s->input, &s->p.maps, &stats, &check_error));
  CHECK(memcmp(&stats, &before, sizeof stats) == 0 && plan_unwritten(&s->p));
}

static void short_stats(setting* s) {
  double layers[LAYERS] = {-1, -1}, gpus[LAYERS * GPUS + 1] = {-1, -1, -1, -1, -1};
  eplb_stats stats = make_stats();
  stats.layer_balancedness = layers;
  stats.layer_balancedness_count = LAYERS - 1;
  stats.gpu_load = gpus;
  stats.gpu_load_count = LAYERS * GPUS;
  refuse_stats(s, stats, "layer_balancedness|1|2");
  stats.layer_balancedness_count = LAYERS;
  stats.gpu_load_count = LAYERS * GPUS - 1;
  refuse_stats(s, stats, "gpu_load|3|4");
  CHECK(layers[0] == -1 && layers[1] == -1 && gpus[0] == -1 && gpus[3] == -1);
  stats.gpu_load_count = LAYERS * GPUS + 1;
  CHECK_OK(eplb_get_stats(s->context, &stats, &check_error));
  CHECK(gpus[0] == 74 && gpus[3] == 82 && gpus[4] == -1);
}

int main(void) {
  setting s = set_up();
  short_maps(&s);
  impossible_maps(&s);
  what_is_not_given_is_not_looked_at(&s);
  room_to_spare(&s);
  short_stats(&s);
  tear_down(&s);
  return check_report();
}
