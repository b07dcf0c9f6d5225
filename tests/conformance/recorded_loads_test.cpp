// SPDX-License-Identifier: MIT
// Balance reached on recorded loads, against what was measured for each strategy when it was found.
// The recordings are not ours to ship: EPLB_TEST_LOADS names a folder with them, as .npy of int64.
#include <eplb/eplb.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "strategies.h"
#include "support/data.h"

namespace {

using nlohmann::json;

constexpr std::size_t experts = 256;
constexpr std::uint64_t seeds = 8;

/// The rows of a two-dimensional .npy file of int64 in C order, one after the other.
std::vector<std::int64_t> read_rows(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[8] = {};
  unsigned char length[2] = {};
  file.read(magic, sizeof magic).read(reinterpret_cast<char*>(length), sizeof length);
  std::string header(length[0] + 256u * length[1], '\0');
  file.read(header.data(), static_cast<std::streamsize>(header.size()));
  if (!file || magic[6] != 1 || header.find("'<i8', 'fortran_order': False") == std::string::npos ||
      header.find(", 256)") == std::string::npos)
    throw std::runtime_error(path.string() + " is not an .npy file of int64 with 256 experts: " + header);
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::int64_t> rows(bytes.size() / sizeof(std::int64_t));
  std::memcpy(rows.data(), bytes.data(), rows.size() * sizeof(std::int64_t));
  return rows;
}

/// Mean over the layers of balancedness, mean over the seeds.
double balancedness(const json& entry, const std::vector<std::int64_t>& loads) {
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_maps maps;
  EXPECT_EQ(eplb_shape_init(&shape, sizeof shape), EPLB_SUCCESS);
  EXPECT_EQ(eplb_options_init(&options, sizeof options), EPLB_SUCCESS);
  EXPECT_EQ(eplb_input_init(&input, sizeof input), EPLB_SUCCESS);
  EXPECT_EQ(eplb_maps_init(&maps, sizeof maps), EPLB_SUCCESS);
  shape.num_layers = static_cast<std::int32_t>(loads.size() / experts);
  shape.num_logical_experts = experts;
  shape.num_physical_experts = entry.at("slots");
  shape.num_groups = entry.at("groups");
  shape.num_nodes = entry.at("nodes");
  shape.num_gpus = entry.at("gpus");
  options.strategy = strategy_named(entry.at("preset"));
  options.num_threads = 0;
  input.type = EPLB_TYPE_INT64;
  input.loads = loads.data();
  input.loads_count = loads.size();
  double sum = 0;
  for (input.seed = 0; input.seed < seeds; ++input.seed) {
    eplb_stats stats;
    eplb_error error;
    EXPECT_EQ(eplb_stats_init(&stats, sizeof stats), EPLB_SUCCESS);
    EXPECT_EQ(eplb_error_init(&error, sizeof error), EPLB_SUCCESS);
    EXPECT_EQ(eplb_rebalance_experts(&shape, &options, &input, &maps, &stats, &error), EPLB_SUCCESS) << error.message;
    sum += stats.balancedness;
  }
  return sum / seeds;
}

TEST(RecordedLoads, ReachWhatWasMeasured) {
  const char* const folder = std::getenv("EPLB_TEST_LOADS");
  if (!folder) GTEST_SKIP() << "EPLB_TEST_LOADS does not name a folder with recorded loads";
  std::ifstream file(test_data("recorded_loads.json"));
  for (const json& entry : json::parse(file)) {
    const std::vector<std::int64_t> all =
        read_rows(std::filesystem::path(folder) / (entry.at("load").get<std::string>() + ".npy"));
    std::vector<std::int64_t> loads;
    for (const std::size_t layer : entry.at("layers").get<std::vector<std::size_t>>()) {
      const auto row = all.begin() + static_cast<std::ptrdiff_t>(layer * experts);
      loads.insert(loads.end(), row, row + experts);
    }
    const double got = balancedness(entry, loads);
    EXPECT_GE(got, entry.at("balancedness").get<double>() - 0.001) << entry.dump();
    std::printf("%-32s %3d gpus, %d nodes  %-20s %.6f (measured %.6f)\n", entry.at("load").get<std::string>().c_str(),
                entry.at("gpus").get<int>(), entry.at("nodes").get<int>(),
                entry.at("preset").get<std::string>().c_str(), got, entry.at("balancedness").get<double>());
  }
}

}  // namespace
