// SPDX-License-Identifier: MIT
// Contexts: what one is made of, and what the calls on one have in common.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>

#include "api/spec.h"

/// Lives at the front of the one block of memory that it owns; the planner follows.
struct eplb_context {
  eplb::checked_options options;
  void* block;
  eplb::planner* planner;
  pid_t process;
  std::atomic<bool> in_use;
};

namespace eplb {

/// Bytes of the block, and of device memory.
memory_size measure_context(const checked_options& options);

struct context_destroyer {
  void operator()(eplb_context* context) const;
};
using context_pointer = std::unique_ptr<eplb_context, context_destroyer>;

context_pointer make_context(const checked_options& options);

/// Fails if there is no context, or if it was made by the parent of a fork.
void check_own(const eplb_context* context);

/// While it lives, other calls on the context fail.
class hold {
 public:
  explicit hold(eplb_context* context);
  ~hold() { context_->in_use.store(false, std::memory_order_release); }
  hold(const hold&) = delete;
  hold& operator=(const hold&) = delete;

 private:
  eplb_context* context_;
};

/// What a call on a context is given: right for its shape, and in memory that its planner can use.
plan_input check_input(const eplb_input& input, const eplb_context& context);
maps_view check_maps(const eplb_maps& maps, const eplb_context& context);
void check_has_plan(bool has_plan);

/// The blocking calls, once the context is held.
void submit(eplb_context& context, const eplb_input& input);
void get_maps(eplb_context& context, const maps_view& out);
void get_stats(eplb_context& context, eplb_stats* stats);

}  // namespace eplb
