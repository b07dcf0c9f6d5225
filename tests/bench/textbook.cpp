// SPDX-License-Identifier: MIT
#include "textbook.h"

#include <algorithm>
#include <queue>

namespace bench {
namespace {

/// The load of an expert's replica, or of a gpu.
struct entry {
  float load;
  std::int32_t index;
};

struct comes_after {
  bool operator()(const entry& a, const entry& b) const {
    return a.load < b.load || (a.load == b.load && a.index > b.index);
  }
};

struct is_heavier {
  bool operator()(const entry& a, const entry& b) const {
    return a.load > b.load || (a.load == b.load && a.index > b.index);
  }
};

std::vector<std::int32_t> count_replicas(const float* load, int experts, int slots) {
  std::vector<std::int32_t> count(static_cast<std::size_t>(experts), 1);
  std::priority_queue<entry, std::vector<entry>, comes_after> hottest;
  for (std::int32_t e = 0; e < experts; ++e) hottest.push({load[e], e});
  for (int slot = experts; slot < slots; ++slot) {
    const std::int32_t e = hottest.top().index;
    hottest.pop();
    hottest.push({load[e] / static_cast<float>(++count[static_cast<std::size_t>(e)]), e});
  }
  return count;
}

std::vector<entry> sort_replicas(const float* load, const std::vector<std::int32_t>& count, int slots) {
  std::vector<entry> replicas;
  replicas.reserve(static_cast<std::size_t>(slots));
  for (std::size_t e = 0; e < count.size(); ++e)
    for (std::int32_t r = 0; r < count[e]; ++r)
      replicas.push_back({load[e] / static_cast<float>(count[e]), static_cast<std::int32_t>(e)});
  std::sort(replicas.begin(), replicas.end(), [](const entry& a, const entry& b) { return comes_after{}(b, a); });
  return replicas;
}

}  // namespace

textbook_plan plan_by_the_book(const float* load, int experts, int slots, int gpus) {
  textbook_plan plan;
  plan.replica_count = count_replicas(load, experts, slots);
  plan.slot_expert.resize(static_cast<std::size_t>(slots));
  const int room = slots / gpus;
  std::vector<int> used(static_cast<std::size_t>(gpus), 0);
  std::priority_queue<entry, std::vector<entry>, is_heavier> lightest;
  for (std::int32_t gpu = 0; gpu < gpus; ++gpu) lightest.push({0, gpu});
  for (const entry& replica : sort_replicas(load, plan.replica_count, slots)) {
    const entry gpu = lightest.top();
    lightest.pop();
    int& seat = used[static_cast<std::size_t>(gpu.index)];
    plan.slot_expert[static_cast<std::size_t>(gpu.index * room + seat)] = replica.index;
    if (++seat < room) lightest.push({gpu.load + replica.load, gpu.index});
  }
  return plan;
}

}  // namespace bench
