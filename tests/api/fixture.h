/* SPDX-License-Identifier: MIT */
/* Small problems, and buffers that tell whether they were written. */
#ifndef EPLB_TESTS_FIXTURE_H
#define EPLB_TESTS_FIXTURE_H

#include <eplb/eplb.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Structs with the given values, the rest at their defaults. */
eplb_shape make_shape(int32_t layers, int32_t experts, int32_t slots, int32_t groups, int32_t nodes, int32_t gpus);
eplb_options make_options(int32_t strategy);
eplb_input make_input(int32_t type, const void* loads, size_t count);
eplb_stats make_stats(void);

/* Whole numbers of tokens from 0 to 9999, each equally likely; the same for the same seed. */
void fill_loads(float* loads, size_t count, uint32_t seed);

enum { UNWRITTEN = 0xA5 }; /* every byte of it */

/* The four maps of a plan in one block of memory, filled with a pattern until they are written. */
typedef struct plan {
  eplb_maps maps;
  void* block;
  size_t bytes;
} plan;

/* Room for the maps of a shape, logical_to_physical as wide as it can ever need to be. */
plan plan_new(const eplb_shape* shape, int32_t type);
void plan_free(plan* p);
/* Fills the block with the pattern again. */
void plan_clear(plan* p);
int plan_unwritten(const plan* p);
int plan_same(const plan* a, const plan* b);
/* Element of a map of either type. */
int64_t map_at(const eplb_maps* maps, const void* map, size_t index);

/* A plan by one call; reports a failure by itself. */
plan plan_of(const eplb_shape* shape, const eplb_options* options, const eplb_input* input);
/* A context that must come into being. */
eplb_context* context_of(const eplb_shape* shape, const eplb_options* options);

#ifdef __cplusplus
}
#endif
#endif
