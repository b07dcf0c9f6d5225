/* SPDX-License-Identifier: MIT */
/* Whether tests are to take each path once, not many times: where everything is many times slower, under sanitizers,
 * valgrind, and while lines are counted. */
#ifndef EPLB_TESTS_BRIEF_H
#define EPLB_TESTS_BRIEF_H

#include <stdlib.h>

static inline int brief(void) { return getenv("EPLB_BRIEF") != NULL; }

#endif
