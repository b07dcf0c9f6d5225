/* SPDX-License-Identifier: MIT */
/* CUDA asked for where there is none, and asynchronous calls on a context of the CPU. */
#include <string.h>

#include "check.h"
#include "fixture.h"

static const float loads[] = {4, 3, 2, 1};

static void refuse_to_create(int32_t backend, int32_t memory, eplb_status status, const char* words) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  eplb_context* const unwritten = (eplb_context*)&options;
  eplb_context* context = unwritten;
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  options.backend = backend;
  options.memory = memory;
  CHECK_FAILS(status, words, eplb_create(&shape, &options, &context, &check_error));
  if (memory == EPLB_MEMORY_CUDA && status == EPLB_ERROR_UNAVAILABLE) { /* one call is for host memory */
    status = EPLB_ERROR_INVALID_ARGUMENT;
    words = "options.memory|cuda|host";
  }
  CHECK_FAILS(status, words, eplb_rebalance_experts(&shape, &options, &input, &p.maps, NULL, &check_error));
  CHECK(context == unwritten && plan_unwritten(&p));
  plan_free(&p);
}

static void refuse_steps(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 6);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  eplb_packing packing;
  int32_t pack[4] = {-7, -7, -7, -7};
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  CHECK_OK(eplb_packing_init(&packing, sizeof packing));
  packing.num_rows = 1;
  packing.num_items = 4;
  packing.num_packs = 2;
  packing.pack_index = pack;
  packing.pack_index_count = 4;
  options.backend = EPLB_BACKEND_CUDA;
  CHECK_FAILS(EPLB_ERROR_UNAVAILABLE, "CUDA", eplb_balanced_packing(&options, &input, &packing, &check_error));
  CHECK_FAILS(EPLB_ERROR_UNAVAILABLE, "CUDA", eplb_replicate_experts(&shape, &options, &input, &p.maps, &check_error));
  CHECK(pack[0] == -7 && pack[3] == -7 && plan_unwritten(&p));
  plan_free(&p);
}

static void without_cuda(void) {
  char text[64] = "?";
  if (eplb_backend_available(EPLB_BACKEND_CUDA, NULL) == EPLB_SUCCESS) return;
  CHECK_FAILS(EPLB_ERROR_UNAVAILABLE, "CUDA", eplb_backend_available(EPLB_BACKEND_CUDA, &check_error));
  CHECK(eplb_device_count(EPLB_BACKEND_CUDA) == 0);
  CHECK_FAILS(EPLB_ERROR_UNAVAILABLE, "CUDA",
              eplb_device_describe(EPLB_BACKEND_CUDA, 0, text, sizeof text, &check_error));
  CHECK(text[0] == '?');
  refuse_to_create(EPLB_BACKEND_CUDA, EPLB_MEMORY_HOST, EPLB_ERROR_UNAVAILABLE, "CUDA");
  refuse_to_create(EPLB_BACKEND_CUDA, EPLB_MEMORY_CUDA, EPLB_ERROR_UNAVAILABLE, "CUDA");
  refuse_to_create(EPLB_BACKEND_AUTO, EPLB_MEMORY_CUDA, EPLB_ERROR_UNAVAILABLE, "CUDA");
  refuse_steps();
}

/* Told without a device, by every build that has the backend. */
static void memory_of_a_device(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  size_t host = 7, cuda = 7;
  CHECK_OK(eplb_memory_needed(&shape, &options, &host, &cuda, &check_error));
  CHECK(host > 7 && cuda == 0);
  options.backend = EPLB_BACKEND_CUDA;
  host = cuda = 7;
  if (eplb_memory_needed(&shape, &options, &host, &cuda, NULL) == EPLB_SUCCESS) {
    CHECK(host > 7 && cuda > 7);
  } else {
    CHECK_FAILS(EPLB_ERROR_UNAVAILABLE, "this build|no CUDA backend",
                eplb_memory_needed(&shape, &options, &host, &cuda, &check_error));
    CHECK_FAILS(EPLB_ERROR_UNAVAILABLE, "this build|no CUDA backend",
                eplb_backend_available(EPLB_BACKEND_CUDA, &check_error));
    CHECK(host == 7 && cuda == 7);
  }
}

static void a_workspace_on_the_cpu(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  eplb_options options = make_options(EPLB_STRATEGY_LPT);
  eplb_context* context = NULL;
  char memory[64];
  options.workspace = memory;
  options.workspace_bytes = sizeof memory;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "workspace|cpu", eplb_create(&shape, &options, &context, &check_error));
  CHECK(context == NULL);
}

static void cuda_memory_on_the_cpu(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  eplb_context* context = context_of(&shape, NULL);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  refuse_to_create(EPLB_BACKEND_CPU, EPLB_MEMORY_CUDA, EPLB_ERROR_INVALID_ARGUMENT, "cpu|cuda");
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  input.memory = EPLB_MEMORY_CUDA;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "input.memory|cuda|host",
              eplb_submit_weights(context, &input, &check_error));
  p.maps.memory = EPLB_MEMORY_CUDA;
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "maps.memory|cuda|host", eplb_get_maps(context, &p.maps, &check_error));
  CHECK(plan_unwritten(&p));
  eplb_destroy(context);
  plan_free(&p);
}

static void asynchronous_calls_on_the_cpu(void) {
  const eplb_shape shape = make_shape(1, 4, 6, 1, 1, 2);
  const eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 4);
  eplb_context* context = context_of(&shape, NULL);
  plan p = plan_new(&shape, EPLB_TYPE_INT32);
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "cpu", eplb_submit_weights_async(context, &input, NULL, &check_error));
  CHECK_OK(eplb_submit_weights(context, &input, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "cpu", eplb_get_maps_async(context, &p.maps, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_STATE, "cpu", eplb_poll(context, &check_error));
  CHECK(plan_unwritten(&p));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "context", eplb_submit_weights_async(NULL, &input, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "context", eplb_get_maps_async(NULL, &p.maps, NULL, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "context", eplb_poll(NULL, &check_error));
  eplb_destroy(context);
  plan_free(&p);
}

int main(void) {
  without_cuda();
  memory_of_a_device();
  a_workspace_on_the_cpu();
  cuda_memory_on_the_cpu();
  asynchronous_calls_on_the_cpu();
  return check_report();
}
