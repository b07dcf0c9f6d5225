// SPDX-License-Identifier: MIT

// Package cloop is C for the tests: files of tests cannot have any.
package cloop

/*
#cgo pkg-config: eplb
#include <eplb/eplb.h>
#include <stdlib.h>
#include <time.h>

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t plan(eplb_context* context, const float* loads, size_t load_count, int32_t* slots, size_t slot_count) {
  const int64_t start = nanoseconds();
  eplb_input input;
  eplb_maps maps;
  eplb_error error;
  eplb_input_init(&input, sizeof input);
  eplb_maps_init(&maps, sizeof maps);
  eplb_error_init(&error, sizeof error);
  input.loads = loads;
  input.loads_count = load_count;
  maps.physical_to_logical = slots;
  maps.physical_to_logical_count = slot_count;
  if (eplb_submit_weights(context, &input, &error) != EPLB_SUCCESS) return -1;
  if (eplb_get_maps(context, &maps, &error) != EPLB_SUCCESS) return -1;
  return nanoseconds() - start;
}
*/
import "C"

import (
	"time"
	"unsafe"
)

// Plan submits loads to an eplb_context, gets the map, and tells how long that took in C. It panics if a call fails.
func Plan(context unsafe.Pointer, loads []float32, slots []int32) time.Duration {
	took := C.plan((*C.eplb_context)(context),
		(*C.float)(&loads[0]), C.size_t(len(loads)), (*C.int32_t)(&slots[0]), C.size_t(len(slots)))
	if took < 0 {
		panic("cloop: no plan")
	}
	return time.Duration(took)
}

// Alloc is malloc.
func Alloc(size uintptr) unsafe.Pointer { return C.malloc(C.size_t(size)) }

// Free is free.
func Free(pointer unsafe.Pointer) { C.free(pointer) }
