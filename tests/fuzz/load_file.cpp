// SPDX-License-Identifier: MIT
// Files of loads, of any format: their names do not matter. Axes are as by default, and turned.
#include "cli/load_file.h"

#include <algorithm>

#include "tool_file.h"

using namespace eplb;
using namespace eplb::fuzz;

namespace {

template <class T>
bool same_values(const cli::Loads& a, const cli::Loads& b) {
  const auto &left = std::get<std::vector<T>>(a.values), &right = std::get<std::vector<T>>(b.values);
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

/// What is written is what was read.
void check_round_trip(const scratch& folder, const cli::Loads& loads, const char* name) {
  const std::string path = folder.write(name, nullptr, 0);
  std::ofstream out(path, std::ios::binary);
  cli::write_loads(out, loads, cli::load_format(path));
  out.close();
  const cli::Loads again = cli::read_loads(path);
  PROMISE(again.samples == loads.samples && again.layers == loads.layers && again.experts == loads.experts);
  PROMISE(same_values<std::int64_t>(loads, again));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const scratch folder;
  const std::string path = folder.write("loads", data, size);
  cli::LoadMeaning turned;
  turned.axes = {cli::LoadMeaning::layer, cli::LoadMeaning::sample, cli::LoadMeaning::expert};
  turned.layer_step = 2;
  for (const cli::LoadMeaning& meaning : {cli::LoadMeaning(), turned}) {
    cli::Loads loads;
    if (!reads(path, [&] { loads = cli::read_loads(path, meaning); })) continue;
    PROMISE(loads.samples > 0 && loads.layers > 0 && loads.experts > 0);
    const std::size_t count = std::visit([](const auto& values) { return values.size(); }, loads.values);
    PROMISE(count == product(loads.samples, loads.layers, loads.experts));
    PROMISE(loads.layer_numbers.size() == index(loads.layers));
    if (std::holds_alternative<std::vector<std::int64_t>>(loads.values))
      for (const char* written : {"written.npy", "written.json", "written.csv"})
        check_round_trip(folder, loads, written);
  }
  return 0;
}
