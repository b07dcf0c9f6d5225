/* SPDX-License-Identifier: MIT */
/* Memory and threads that can be counted and refused. A program linked with resources.c has malloc() and its like and
 * pthread_create() of its own. */
#ifndef EPLB_TESTS_RESOURCES_H
#define EPLB_TESTS_RESOURCES_H

#include <stddef.h>

typedef struct resource {
  long asked; /* how many times, since it was set to 0 */
  long first_refused, last_refused;
  long alive; /* given and not given back; of threads it is not known */
} resource;

extern resource memory_blocks, thread_starts;

/* Counts from 0 again, and refuses the requests from first to last; the next one is number 1, so that (0, 0) refuses
 * none. */
void refuse(resource* r, long first, long last);
/* Counts a request in; whether it may be granted. */
int may_have(resource* r);
/* What the granted requests gave, or took back. */
void now_alive(resource* r, long change);

#endif
