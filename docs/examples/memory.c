/* SPDX-License-Identifier: MIT */
/* How much memory will it take? Asks for some deployments, on the CPU and on a GPU, before anything is allocated; it
 * needs no device. */
#include <stdio.h>

#include <eplb/eplb.h>

static const struct deployment {
  const char* name;
  int32_t layers, experts, slots, gpus, strategy, samples;
} deployments[] = {
    {"Mixtral 8x7B", 32, 8, 16, 8, EPLB_STRATEGY_LPT, 1},
    {"DeepSeek-V3", 58, 256, 288, 32, EPLB_STRATEGY_LPT, 1},
    {"DeepSeek-V3", 58, 256, 288, 32, EPLB_STRATEGY_LPT_RESTART64_ANY, 1},
    {"DeepSeek-V3", 58, 256, 288, 32, EPLB_STRATEGY_SEARCH, 1},
    {"DeepSeek-V3", 58, 256, 288, 32, EPLB_STRATEGY_SEARCH, 8},
    {"Kimi-K2", 60, 384, 480, 96, EPLB_STRATEGY_SEARCH, 8},
    {"1024 experts", 61, 1024, 2048, 512, EPLB_STRATEGY_SEARCH, 8},
    {"largest layer", 1, 65535, 65535, 4369, EPLB_STRATEGY_LPT, 1},
};

/* Megabytes, or a dash where there is no such backend. */
static void print_needed(const eplb_shape* shape, const eplb_options* options) {
  size_t host = 0, cuda = 0;
  eplb_error error;
  eplb_status status;
  eplb_error_init(&error, sizeof error);
  status = eplb_memory_needed(shape, options, &host, &cuda, &error);
  if (status == EPLB_SUCCESS) {
    printf("  %10.2f", (double)(options->backend == EPLB_BACKEND_CUDA ? cuda : host) / 1e6);
  } else {
    printf("  %10s", status == EPLB_ERROR_UNAVAILABLE ? "-" : error.message);
  }
}

int main(void) {
  size_t i;
  printf("%-14s %6s %7s %6s %5s  %-18s %7s  %10s  %10s\n", "model", "layers", "experts", "slots", "gpus", "strategy",
         "samples", "cpu, MB", "cuda, MB");
  for (i = 0; i < sizeof deployments / sizeof *deployments; ++i) {
    const struct deployment* d = &deployments[i];
    eplb_shape shape;
    eplb_options options;
    eplb_shape_init(&shape, sizeof shape);
    eplb_options_init(&options, sizeof options);
    shape.num_layers = d->layers;
    shape.num_logical_experts = d->experts;
    shape.num_physical_experts = d->slots;
    shape.num_gpus = d->gpus;
    options.strategy = d->strategy;
    options.max_samples = d->samples;
    printf("%-14s %6d %7d %6d %5d  %-18s %7d", d->name, d->layers, d->experts, d->slots, d->gpus,
           eplb_strategy_name(d->strategy), d->samples);
    options.backend = EPLB_BACKEND_CPU;
    print_needed(&shape, &options);
    options.backend = EPLB_BACKEND_CUDA;
    options.memory = EPLB_MEMORY_CUDA;
    print_needed(&shape, &options);
    printf("\n");
  }
  return 0;
}
