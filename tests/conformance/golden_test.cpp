// SPDX-License-Identifier: MIT
// Every plan of golden_plans.json, through the C API, in every combination of types and threads.
// Loads there are whole numbers whose sums and quotients are exact in float32, so that a different
// number is a different decision. EPLB_TEST_BACKEND is where they are planned.
#include <eplb/eplb.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "strategies.h"
#include "support/data.h"

namespace {

using nlohmann::json;
using named_maps = std::map<std::string, std::vector<std::int64_t>>;

json read_cases() {
  std::ifstream file(test_data("golden_plans.json"));
  return json::parse(file).at("cases");
}

template <class T>
std::vector<T> flatten(const json& rows) {
  std::vector<T> out;
  for (const json& row : rows)
    for (const json& value : row) out.push_back(value.get<T>());
  return out;
}

template <class Load>
eplb_input make_input(const std::vector<Load>& loads) {
  eplb_input input;
  EXPECT_EQ(eplb_input_init(&input, sizeof input), EPLB_SUCCESS);
  input.type = std::is_same_v<Load, float> ? EPLB_TYPE_FLOAT32 : EPLB_TYPE_INT64;
  input.loads = loads.data();
  input.loads_count = loads.size();
  return input;
}

template <class Index>
constexpr std::int32_t type_of = sizeof(Index) == 8 ? EPLB_TYPE_INT64 : EPLB_TYPE_INT32;

template <class Index>
named_maps pack(const json& problem, const eplb_options& options, const eplb_input& input) {
  std::vector<Index> index(input.loads_count), rank(input.loads_count);
  eplb_packing packing;
  EXPECT_EQ(eplb_packing_init(&packing, sizeof packing), EPLB_SUCCESS);
  packing.type = type_of<Index>;
  packing.num_rows = static_cast<std::int32_t>(problem.at("loads").size());
  packing.num_items = static_cast<std::int32_t>(problem.at("loads").at(0).size());
  packing.num_packs = problem.at("packs");
  packing.pack_index = index.data();
  packing.rank_in_pack = rank.data();
  packing.pack_index_count = packing.rank_in_pack_count = index.size();
  eplb_error error;
  EXPECT_EQ(eplb_error_init(&error, sizeof error), EPLB_SUCCESS);
  EXPECT_EQ(eplb_balanced_packing(&options, &input, &packing, &error), EPLB_SUCCESS) << error.message;
  return {{"pack_index", {index.begin(), index.end()}}, {"rank_in_pack", {rank.begin(), rank.end()}}};
}

template <class Index>
named_maps rebalance(const json& problem, const eplb_options& options, const eplb_input& input) {
  eplb_shape shape;
  EXPECT_EQ(eplb_shape_init(&shape, sizeof shape), EPLB_SUCCESS);
  shape.num_layers = static_cast<std::int32_t>(problem.at("loads").size());
  shape.num_logical_experts = static_cast<std::int32_t>(problem.at("loads").at(0).size());
  shape.num_physical_experts = problem.at("slots");
  shape.num_groups = problem.at("groups");
  shape.num_nodes = problem.at("nodes");
  shape.num_gpus = problem.at("gpus");
  const auto slots = static_cast<std::size_t>(shape.num_layers * shape.num_physical_experts);
  std::vector<Index> expert(slots), rank(slots), count(input.loads_count);
  eplb_maps maps;
  EXPECT_EQ(eplb_maps_init(&maps, sizeof maps), EPLB_SUCCESS);
  maps.type = type_of<Index>;
  maps.physical_to_logical = expert.data();
  maps.replica_rank = rank.data();
  maps.physical_to_logical_count = maps.replica_rank_count = slots;
  maps.replica_count = count.data();
  maps.replica_count_count = count.size();
  eplb_error error;
  EXPECT_EQ(eplb_error_init(&error, sizeof error), EPLB_SUCCESS);
  EXPECT_EQ(eplb_rebalance_experts(&shape, &options, &input, &maps, nullptr, &error), EPLB_SUCCESS) << error.message;
  return {{"physical_to_logical", {expert.begin(), expert.end()}},
          {"replica_rank", {rank.begin(), rank.end()}},
          {"replica_count", {count.begin(), count.end()}}};
}

template <class Load, class Index>
void check(const json& problem, const std::string& strategy, std::int32_t threads) {
  SCOPED_TRACE(problem.at("name").get<std::string>() + ", " + strategy + ", loads of " + std::to_string(sizeof(Load)) +
               " bytes, maps of " + std::to_string(sizeof(Index)) + ", " + std::to_string(threads) + " threads");
  eplb_options options;
  ASSERT_EQ(eplb_options_init(&options, sizeof options), EPLB_SUCCESS);
  options.strategy = strategy_named(strategy);
  options.backend = EPLB_TEST_BACKEND;
  options.num_threads = threads;
  const std::vector<Load> loads = flatten<Load>(problem.at("loads"));
  const eplb_input input = make_input(loads);
  const named_maps got =
      problem.at("kind") == "pack" ? pack<Index>(problem, options, input) : rebalance<Index>(problem, options, input);
  for (const auto& [name, rows] : problem.at("want").at(strategy).items())
    EXPECT_EQ(got.at(name), flatten<std::int64_t>(rows)) << name;
}

TEST(Golden, EveryPlan) {
  eplb_error error;
  ASSERT_EQ(eplb_error_init(&error, sizeof error), EPLB_SUCCESS);
  if (eplb_backend_available(EPLB_TEST_BACKEND, &error) != EPLB_SUCCESS)
    GTEST_SKIP() << "no CUDA device: " << error.message;
  for (const json& problem : read_cases()) {
    for (const auto& [strategy, maps] : problem.at("want").items()) {
      for (const std::int32_t threads : {1, 2}) {
        check<float, std::int32_t>(problem, strategy, threads);
        check<float, std::int64_t>(problem, strategy, threads);
        check<std::int64_t, std::int32_t>(problem, strategy, threads);
        check<std::int64_t, std::int64_t>(problem, strategy, threads);
      }
    }
  }
}

TEST(Golden, CoversEveryStrategyWithoutRandomNumbers) {
  std::set<std::pair<std::string, std::string>> covered;
  for (const json& problem : read_cases())
    for (const auto& [strategy, maps] : problem.at("want").items()) covered.emplace(problem.at("kind"), strategy);
  for (const char* kind : {"pack", "rebalance"})
    for (const char* strategy : {"lpt", "lpt-swap-minmax", "lpt-swap-any", "lpt-swap-l2", "zigzag-swap-minmax"})
      EXPECT_EQ(covered.count({kind, strategy}), 1u) << kind << " " << strategy;
}

}  // namespace
