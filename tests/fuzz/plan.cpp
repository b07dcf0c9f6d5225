// SPDX-License-Identifier: MIT
// A context and all that is done with one: loads, current placements and budgets go in, maps and statistics come out.
#include "drawn.h"

using namespace eplb::fuzz;

namespace {

/// Counts what is allocated, and asks to stop when it is time.
struct caller {
  int blocks = 0;
  int calls_until_stop = -1;

  void connect(eplb_options& options, bool with_progress) {
    options.user = this;
    options.alloc_fn = [](void* user, std::size_t size) {
      ++static_cast<caller*>(user)->blocks;
      return std::malloc(size);
    };
    options.free_fn = [](void* user, void* block) {
      --static_cast<caller*>(user)->blocks;
      std::free(block);
    };
    if (!with_progress) return;
    options.progress_fn = [](void* user, std::int64_t done, std::int64_t total) {
      PROMISE(done >= 0 && done <= total);
      return static_cast<caller*>(user)->calls_until_stop-- == 0 ? 1 : 0;
    };
  }
};

struct context_owner {
  eplb_context* context = nullptr;

  context_owner(const eplb_shape& shape, const eplb_options& options) {
    const eplb_status status =
        checked([&](eplb_error* error) { return eplb_create(&shape, &options, &context, error); });
    PROMISE((status == EPLB_SUCCESS) == (context != nullptr));
  }
  ~context_owner() { eplb_destroy(context); }
  context_owner(const context_owner&) = delete;
  context_owner& operator=(const context_owner&) = delete;
};

eplb_status submit(eplb_context* context, const eplb_input& input) {
  return checked([&](eplb_error* error) { return eplb_submit_weights(context, &input, error); });
}

eplb_status get(eplb_context* context, const eplb_maps& maps) {
  return checked([&](eplb_error* error) { return eplb_get_maps(context, &maps, error); });
}

/// A current placement, and how much of it may change.
struct drawn_current {
  buffer experts = buffer::null();
  bool may_be_refused = false;  ///< by a search

  /// `plan`: there is one to start from.
  drawn_current(input& in, const eplb_shape& shape, const four_maps* plan, eplb_input& given) {
    if (in.one_in(2)) return;
    given.current_type = in.one_in(2) ? EPLB_TYPE_INT64 : EPLB_TYPE_INT32;
    experts = buffer::drawn(in, product(shape.num_layers, shape.num_physical_experts), given.current_type);
    const int kind = in.between(0, 2);
    for (std::size_t i = 0; i < experts.count(); ++i) {
      if (kind == 0 && plan && i < plan->physical_to_logical.count())
        experts.set(i, plan->physical_to_logical[i]);
      else if (kind == 1)
        experts.set(i, static_cast<std::int64_t>(i % index(shape.num_physical_experts)) % shape.num_logical_experts);
      else
        experts.set(i, in.between(-1, shape.num_logical_experts - 1));
    }
    for (int holes = experts.count() ? in.between(0, 3) : 0; holes > 0; --holes) {
      const bool is_any = in.one_in(8);
      experts.set(in.byte() % experts.count(), is_any ? in.raw<std::int64_t>() : -1);
      may_be_refused = may_be_refused || is_any;
    }
    given.current = experts.data();
    given.current_count = experts.count();
    if (in.one_in(2)) given.max_changes_per_layer = in.mostly<std::int32_t>(-1, 20);
    if (in.one_in(2)) given.max_changes = in.mostly<std::int64_t>(-1, 40);
    if (in.one_in(32)) given.current_type = EPLB_TYPE_FLOAT32;
    const bool is_forgotten = !given.current && given.current_type != EPLB_TYPE_INT32;
    may_be_refused = may_be_refused || !experts.is_fine() || given.current_type == EPLB_TYPE_FLOAT32 || is_forgotten ||
                     given.max_changes_per_layer != -1 || given.max_changes != -1;
  }
};

/// Each group's experts are on one node, and each node has as many groups.
void check_hierarchy(const drawn_shape& drawn, const whole_maps& plan) {
  const eplb_shape& shape = drawn.shape;
  const std::vector<std::int32_t> gpu_of = drawn.gpu_of_slot();
  const std::int32_t group_size = shape.num_logical_experts / shape.num_groups;
  for (std::int32_t layer = 0; layer < shape.num_layers; ++layer) {
    std::vector<std::int32_t> node_of_group(index(shape.num_groups), -1), groups(index(shape.num_nodes));
    for (std::int32_t slot = 0; slot < shape.num_physical_experts; ++slot) {
      const std::int64_t e = plan.physical_to_logical[product(layer, shape.num_physical_experts) + index(slot)];
      const std::int32_t node = shape.num_nodes == 1 ? 0 : drawn.node_of(gpu_of[index(slot)]);
      std::int32_t& known = node_of_group[index(e / group_size)];
      if (known == -1) ++groups[index(node)];
      PROMISE(known == -1 || known == node);
      known = node;
    }
    for (const std::int32_t count : groups) PROMISE(count == shape.num_groups / shape.num_nodes);
  }
}

/// Changes from the current placement are within what is allowed.
std::int64_t check_budget(const eplb_shape& shape, const eplb_input& given, const buffer& current,
                          const whole_maps& plan) {
  std::int64_t in_all = 0;
  for (std::int32_t layer = 0; given.current && layer < shape.num_layers; ++layer) {
    std::int32_t changes = 0;
    for (std::int32_t slot = 0; slot < shape.num_physical_experts; ++slot) {
      const std::size_t at = product(layer, shape.num_physical_experts) + index(slot);
      changes += current[at] != plan.physical_to_logical[at] ? 1 : 0;
    }
    PROMISE(given.max_changes_per_layer < 0 || changes <= given.max_changes_per_layer);
    in_all += changes;
  }
  PROMISE(given.max_changes < 0 || in_all <= given.max_changes);
  return in_all;
}

/// One context through one life.
class life {
 public:
  life(input& in, const drawn_shape& drawn, const eplb_options& options)
      : in_(in), drawn_(drawn), shape_(drawn.shape), options_(options), plan_(drawn.shape) {}

  void live() {
    eplb_options watched = options_;
    caller_.connect(watched, in_.one_in(4));
    {
      const context_owner owner(shape_, watched);
      context_ = owner.context;
      for (int rounds = in_.between(1, 3); context_ && rounds > 0; --rounds) {
        submit_loads();
        get_drawn_maps();
      }
    }
    PROMISE(caller_.blocks == 0);
  }

 private:
  bool searches() const { return eplb_context_strategy(context_) == EPLB_STRATEGY_SEARCH; }

  void submit_loads() {
    drawn_loads loads(in_, shape_.num_layers, shape_.num_logical_experts);
    const drawn_current current(in_, shape_, has_plan_ ? &plan_ : nullptr, loads.given);
    caller_.calls_until_stop = in_.one_in(4) ? in_.between(0, 3) : -1;
    const eplb_status status = submit(context_, loads.given);
    if (status == EPLB_SUCCESS) {
      PROMISE(loads.are_good && loads.given.num_samples <= options_.max_samples);
      has_plan_ = true;
      PROMISE(get(context_, plan_.maps) == EPLB_SUCCESS);
      check_plan(loads.given, current.experts);
      check_twice(loads.given);
      check_one_call(loads.given);
      return;
    }
    PROMISE(status == EPLB_ERROR_CANCELLED || !loads.are_good || loads.may_overflow ||
            loads.given.num_samples > options_.max_samples || current.may_be_refused ||
            (loads.given.current && !searches()));
    whole_maps before(shape_);
    const eplb_status readable = get(context_, before.maps);
    PROMISE(readable == (has_plan_ ? EPLB_SUCCESS : EPLB_ERROR_INVALID_STATE));
    PROMISE(!has_plan_ || are_same(before, plan_));
  }

  void check_plan(const eplb_input& given, const buffer& current) {
    const std::uint32_t flags = may_have_duplicates(given) ? 0 : EPLB_CHECK_DUPLICATES;
    PROMISE(checked([&](eplb_error* error) { return eplb_check_placement(&shape_, &plan_.maps, flags, error); }) ==
            EPLB_SUCCESS);
    if (eplb_context_policy(context_) == EPLB_POLICY_HIERARCHICAL) check_hierarchy(drawn_, plan_);
    const std::int64_t changes = check_budget(shape_, given, current, plan_);

    std::int32_t most = 0;
    PROMISE(eplb_get_max_replica_count(context_, &most, nullptr) == EPLB_SUCCESS);
    std::int64_t largest = 0;
    for (std::size_t i = 0; i < plan_.replica_count.count(); ++i) largest = std::max(largest, plan_.replica_count[i]);
    PROMISE(most == largest);

    eplb_stats own = defaults(eplb_stats_init), judged = own;
    PROMISE(eplb_get_stats(context_, &own, nullptr) == EPLB_SUCCESS);
    PROMISE(eplb_score_placement(&shape_, &given, &plan_.maps, &judged, nullptr) == EPLB_SUCCESS);
    PROMISE(own.changes == changes && judged.changes == changes && own.duplicates == judged.duplicates);
    PROMISE(own.max_replica_count == judged.max_replica_count && own.balancedness > 0 && own.balancedness <= 1 + 1e-9);
    if (searches() && options_.samples != EPLB_SAMPLES_SUM)
      PROMISE(own.balancedness == judged.balancedness && own.bound == judged.bound);
  }

  /// A search that starts from nothing leaves out duplicates where no gpu has more slots than there are experts.
  bool may_have_duplicates(const eplb_input& given) const {
    if (!searches() || options_.duplicates == EPLB_DUPLICATES_ALLOW || given.current) return true;
    if (eplb_context_policy(context_) == EPLB_POLICY_HIERARCHICAL) return true;
    const std::vector<std::int32_t> gpu_of = drawn_.gpu_of_slot();
    for (std::int32_t g = 0; g < shape_.num_gpus; ++g)
      if (std::count(gpu_of.begin(), gpu_of.end(), g) > shape_.num_logical_experts) return true;
    return false;
  }

  /// The same plan again, on the same context and on one with more threads.
  void check_twice(const eplb_input& given) {
    eplb_options other = options_;
    if (in_.one_in(16)) other.num_threads = 2;  // seldom, since handing work over takes longer than doing it
    const context_owner owner(shape_, other);
    PROMISE(owner.context && submit(owner.context, given) == EPLB_SUCCESS);
    whole_maps again(shape_, EPLB_TYPE_INT64);
    PROMISE(get(owner.context, again.maps) == EPLB_SUCCESS);
    PROMISE(are_same(again, plan_));
  }

  void check_one_call(const eplb_input& given) {
    if (!in_.one_in(4)) return;
    eplb_options options = options_;
    options.strategy = eplb_context_strategy(context_);
    whole_maps again(shape_);
    eplb_stats stats = defaults(eplb_stats_init);
    PROMISE(checked([&](eplb_error* error) {
              return eplb_rebalance_experts(&shape_, &options, &given, &again.maps, &stats, error);
            }) == EPLB_SUCCESS);
    PROMISE(are_same(again, plan_));
  }

  void get_drawn_maps() {
    drawn_maps out(in_, shape_);
    const eplb_status status = get(context_, out.maps);
    const bool fine = out.all([](const buffer& map) { return map.is_fine(); });
    if (status != EPLB_SUCCESS) {
      PROMISE(out.all([](const buffer& map) { return map.is_untouched(); }));
      return;
    }
    PROMISE(has_plan_ && fine && out.all([](const buffer& map) { return map.is_rest_untouched(); }));
    for (std::size_t i = 0; out.physical_to_logical.data() && i < plan_.physical_to_logical.count(); ++i)
      PROMISE(out.physical_to_logical[i] == plan_.physical_to_logical[i]);
    if (out.maps.physical_to_logical)
      PROMISE(checked([&](eplb_error* error) { return eplb_check_placement(&shape_, &out.maps, 0, error); }) ==
              EPLB_SUCCESS);
  }

  input& in_;
  const drawn_shape& drawn_;
  const eplb_shape& shape_;
  const eplb_options& options_;
  caller caller_;
  eplb_context* context_ = nullptr;
  bool has_plan_ = false;
  whole_maps plan_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  const drawn_shape drawn(in);
  eplb_options options = draw_options(in);
  // What is wrong with a shape and with options is another target's; here they must be quick.
  if (!drawn.is_small() || drawn.shape.num_physical_experts < drawn.shape.num_logical_experts) return -1;
  if (options.candidates > 100 || options.max_swaps > 1000 || options.search_steps > 100) return -1;
  if (options.max_samples > 3) return -1;
  options.num_threads = 1;
  life(in, drawn, options).live();
  return 0;
}
