/* SPDX-License-Identifier: MIT */
/* The calls that Bench.cs makes through the binding, in C. */
#include <stdint.h>
#include <time.h>

#include <eplb/eplb.h>

double c_loop_seconds(eplb_context* context, const eplb_input* input, const eplb_maps* maps, int32_t rounds);

/* Seconds that the rounds take together; negative when a call fails. */
double c_loop_seconds(eplb_context* context, const eplb_input* input, const eplb_maps* maps, int32_t rounds) {
  struct timespec begin, end;
  eplb_error error;
  eplb_error_init(&error, sizeof error);
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int32_t i = 0; i < rounds; ++i) {
    if (eplb_submit_weights(context, input, &error) != EPLB_SUCCESS) return -1;
    if (eplb_get_maps(context, maps, &error) != EPLB_SUCCESS) return -1;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}
