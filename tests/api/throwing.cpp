// SPDX-License-Identifier: MIT
// Callbacks of a C++ program that throw, from every call that makes them: a status for the caller, and the context
// lives on. A log line or a freed block is no reason to fail.
#include <cstdlib>
#include <new>
#include <stdexcept>

#include "check.h"
#include "fixture.h"

namespace {

enum callback { none, allocating, freeing, logging, progressing };

struct thrower {
  callback throws = none;
  enum { error, out_of_memory, number } what = error;
  int blocks = 0, thrown = 0;

  void pass(callback where) {
    if (where != throws) return;
    ++thrown;
    if (what == error) throw std::runtime_error("from a callback");
    if (what == out_of_memory) throw std::bad_alloc();
    throw 7;
  }
};

void* EPLB_CALL on_alloc(void* user, size_t size) {
  auto& self = *static_cast<thrower*>(user);
  self.pass(allocating);
  ++self.blocks;
  return std::malloc(size);
}

void EPLB_CALL on_free(void* user, void* block) {
  auto& self = *static_cast<thrower*>(user);
  --self.blocks;
  std::free(block);
  self.pass(freeing);
}

void EPLB_CALL on_log(void* user, int32_t, const char*) { static_cast<thrower*>(user)->pass(logging); }

int32_t EPLB_CALL on_progress(void* user, int64_t, int64_t) {
  static_cast<thrower*>(user)->pass(progressing);
  return 0;
}

struct problem {
  float loads[8] = {4, 3, 2, 1, 1, 2, 3, 4};
  thrower user;
  eplb_shape shape = make_shape(2, 4, 6, 1, 1, 2);
  eplb_input input = make_input(EPLB_TYPE_FLOAT32, loads, 8);
  eplb_options options = make_options(EPLB_STRATEGY_LPT_RESTART4);
  eplb_packing packing;
  int32_t packs[8];
  plan out = plan_new(&shape, EPLB_TYPE_INT32);

  explicit problem(int32_t threads) {
    options.num_threads = threads;
    options.log_level = EPLB_LOG_DEBUG;
    options.alloc_fn = on_alloc;
    options.free_fn = on_free;
    options.log_fn = on_log;
    options.progress_fn = on_progress;
    options.user = &user;
    CHECK_OK(eplb_packing_init(&packing, sizeof packing));
    packing.num_rows = 2;
    packing.num_items = 4;
    packing.num_packs = 2;
    packing.pack_index = packs;
    packing.pack_index_count = 8;
  }
  ~problem() { plan_free(&out); }

  /// While callback `where` throws. Whether a call failed as it has to.
  template <class Call>
  bool fails(callback where, Call call) {
    bool all = true;
    for (const auto what : {thrower::error, thrower::out_of_memory, thrower::number}) {
      const eplb_status expected = what == thrower::out_of_memory ? EPLB_ERROR_OUT_OF_MEMORY : EPLB_ERROR_INTERNAL;
      const char* const words = what == thrower::out_of_memory ? "memory" : "callback";
      const int blocks = user.blocks;
      user.throws = where;
      user.what = what;
      user.thrown = 0;
      plan_clear(&out);
      packs[0] = -7;
      all &= CHECK_FAILS(expected, words, call());
      all &= CHECK(user.thrown > 0 && user.blocks == blocks && plan_unwritten(&out) && packs[0] == -7);
      user.throws = none;
    }
    return all;
  }
  template <class Call>
  bool succeeds(callback where, Call call) {
    const int blocks = user.blocks;
    user.throws = where;
    user.thrown = 0;
    const bool good = CHECK_OK(call()) && CHECK(user.thrown > 0 && user.blocks == blocks);
    user.throws = none;
    return good;
  }
};

void every_call(int32_t threads) {
  problem p(threads);
  eplb_context* context = nullptr;
  const auto create = [&] { return eplb_create(&p.shape, &p.options, &context, &check_error); };
  const auto rebalance = [&] {
    return eplb_rebalance_experts(&p.shape, &p.options, &p.input, &p.out.maps, nullptr, &check_error);
  };
  const auto pack = [&] { return eplb_balanced_packing(&p.options, &p.input, &p.packing, &check_error); };
  const auto replicate = [&] {
    return eplb_replicate_experts(&p.shape, &p.options, &p.input, &p.out.maps, &check_error);
  };
  CHECK(p.fails(allocating, create) && context == nullptr);
  for (const callback each : {allocating, progressing})
    CHECK(p.fails(each, rebalance) && p.fails(each, pack) && p.fails(each, replicate));
  for (const callback each : {freeing, logging})
    CHECK(p.succeeds(each, rebalance) && p.succeeds(each, pack) && p.succeeds(each, replicate));

  p.user.throws = logging;
  CHECK_OK(create());
  const auto submit = [&] { return eplb_submit_weights(context, &p.input, &check_error); };
  CHECK(p.succeeds(logging, submit));
  CHECK(p.fails(progressing, submit));
  CHECK_OK(eplb_get_maps(context, &p.out.maps, &check_error));
  CHECK_OK(submit());
  p.user.throws = freeing;
  eplb_destroy(context);
  CHECK(p.user.blocks == 0);
}

}  // namespace

int main() {
  every_call(1);
  every_call(3);
  return check_report();
}
