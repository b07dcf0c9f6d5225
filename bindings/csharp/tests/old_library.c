/* SPDX-License-Identifier: MIT */
/* A libeplb from before the first version, to be refused. */
#include <stdint.h>

int32_t eplb_version(void);

int32_t eplb_version(void) { return 9; }
