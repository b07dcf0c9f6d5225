// SPDX-License-Identifier: MIT
// Loads from files of any format.
#include "load_file.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <limits>
#include <memory>
#include <ostream>
#include <string_view>
#include <system_error>

#include "error.h"
#include "json_numbers.h"
#include "table.h"

namespace eplb::cli {
namespace {

constexpr const char* axis_names[] = {"sample", "layer", "expert"};

/// Takes over an array whose axes are @p axes into the order of Loads.
void arrange(Loads& loads, FileArray& array, std::array<LoadMeaning::Axis, 3> axes) {
  const std::size_t rank = array.extents.size();
  if (rank != 2 && rank != 3)
    fail(loads.name, "has " + count(static_cast<long long>(rank), "dimension") +
                         ", not [layers][experts] or [samples][layers][experts]");
  if (rank == 2) {
    if (axes[0] != LoadMeaning::sample)
      fail(loads.name, "has 2 dimensions, so of the axes the first must be s, not " +
                           std::string(axis_names[axes[0]]).substr(0, 1));
    array.extents.insert(array.extents.begin(), 1);
  }
  std::size_t extents[3], strides[3], next_stride = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t from_inner = array.is_fortran_order ? i : 2 - i;
    extents[axes[from_inner]] = array.extents[from_inner];
    strides[axes[from_inner]] = next_stride;
    next_stride *= array.extents[from_inner];
  }
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
  for (std::size_t i = 0; i < 3; ++i)
    if (extents[i] == 0 || extents[i] > most)
      fail(loads.name, "has " + std::to_string(extents[i]) + " " + axis_names[i] + "s");
  loads.samples = static_cast<std::int32_t>(extents[0]);
  loads.layers = static_cast<std::int32_t>(extents[1]);
  loads.experts = static_cast<std::int32_t>(extents[2]);
  loads.values = std::visit(
      [&](auto& from) -> Values {
        if (strides[2] == 1 && strides[1] == extents[2]) return std::move(from);
        std::decay_t<decltype(from)> values;
        values.reserve(from.size());
        for (std::size_t s = 0; s < extents[0]; ++s)
          for (std::size_t l = 0; l < extents[1]; ++l)
            for (std::size_t e = 0; e < extents[2]; ++e)
              values.push_back(from[s * strides[0] + l * strides[1] + e * strides[2]]);
        return values;
      },
      array.values);
}

/// Numbers the layers as the file says or, if it does not, as is said of it.
void number_layers(Loads& loads, std::vector<std::int32_t> of_file, const LoadMeaning& meaning) {
  const auto layers = static_cast<std::size_t>(loads.layers);
  std::vector<std::int32_t> said = meaning.layer_numbers;
  if (!said.empty() && said.size() != layers)
    fail(loads.name, "has " + count(loads.layers, "layer") + ", but --layers numbers " + std::to_string(said.size()));
  if (said.empty()) {
    const auto steps = static_cast<std::int64_t>(loads.layers - 1);
    const std::int64_t last = meaning.first_layer + meaning.layer_step * steps;
    constexpr std::int64_t most = largest_extent - 1;
    if (last > most)
      fail(loads.name, "has " + count(loads.layers, "layer") + ", of which the last would have number " +
                           std::to_string(last) + "; the largest can be " + std::to_string(most));
    for (std::int32_t row = 0; row < loads.layers; ++row)
      said.push_back(meaning.first_layer + row * meaning.layer_step);
  }
  if (!of_file.empty() && meaning.are_layers_numbered && of_file != said) {
    const auto row = std::mismatch(of_file.begin(), of_file.end(), said.begin()).first - of_file.begin();
    fail(loads.name, "says itself that row " + std::to_string(row) + " is layer " +
                         std::to_string(of_file[static_cast<std::size_t>(row)]) + ", not " +
                         std::to_string(said[static_cast<std::size_t>(row)]));
  }
  loads.layer_numbers = of_file.empty() ? std::move(said) : std::move(of_file);
}

/// What omni-infer calls a placement pattern could be loads as well: small integers [gpus][layers][experts], 1 where
/// an expert is, and each is somewhere.
bool is_pattern(const FileArray& array) {
  const auto* values = std::get_if<std::vector<std::int32_t>>(&array.values);
  if (!values || array.extents.size() != 3 || array.extents[0] < 2 || values->empty() || array.is_fortran_order)
    return false;
  if (std::any_of(values->begin(), values->end(), [](std::int32_t value) { return value != 0 && value != 1; }))
    return false;
  const std::size_t of_gpu = array.extents[1] * array.extents[2];
  for (std::size_t i = 0; i < of_gpu; ++i) {
    std::size_t gpu = 0;
    while (gpu < array.extents[0] && (*values)[gpu * of_gpu + i] == 0) ++gpu;
    if (gpu == array.extents[0]) return false;
  }
  return true;
}

// --------------------------------------------------------------------------------------------------- json

Values values_of(NumberArray& array) {
  return std::visit([](auto& list) -> Values { return std::move(list); }, array.numbers.values);
}

/// A history as ADRS has it: an array of its own for each sample.
FileArray join_history(std::map<std::string, NumberArray>& arrays, const std::string& name) {
  const std::size_t samples = arrays["load_history"].extents.at(0);
  if (samples == 0) fail(name, "load_history is empty");
  NumberArray all;
  for (std::size_t sample = 0; sample < samples; ++sample) {
    const std::string path = "load_history[" + std::to_string(sample) + "].logical_expert_load";
    const auto found = arrays.find(path);
    if (found == arrays.end()) fail(name, path + " is missing");
    const NumberArray& one = found->second;
    if (one.extents.size() != 2) fail(name, path + " is no list [layers][experts]");
    if (sample == 0) all.extents = {samples, one.extents[0], one.extents[1]};
    for (const std::size_t axis : {0, 1})
      if (one.extents[axis] != all.extents[axis + 1])
        fail(name, path + " has " + count(static_cast<long long>(one.extents[axis]), axis_names[axis + 1]) +
                       " where the first has " + std::to_string(all.extents[axis + 1]));
    std::visit(
        [&](const auto& list) {
          for (const auto value : list) all.numbers.add(value);
        },
        one.numbers.values);
  }
  return {.extents = all.extents, .values = values_of(all), .has_named_axes = true};
}

FileArray read_json(const std::string& text, const std::string& name, const LoadMeaning& meaning) {
  const auto& axes = meaning.axes;
  const std::vector<std::string> names = {axis_names[axes[0]], axis_names[axes[1]], axis_names[axes[2]]};
  ExtentNames wanted = {
      {"", names}, {"logical_count", names}, {"load_history[].logical_expert_load", {"layer", "expert"}}};
  if (meaning.is_of_slots) wanted["physical_count"] = names;
  auto arrays = read_json_numbers(text, name, wanted);
  for (const char* const path : {"physical_count", "logical_count", ""})
    if (const auto found = arrays.find(path); found != arrays.end())
      return {.extents = found->second.extents, .values = values_of(found->second)};
  if (arrays.contains("load_history")) return join_history(arrays, name);
  if (!meaning.is_of_slots && text.find("\"physical_count\"") != text.npos)
    fail(name, "has 'physical_count', counts of slots; --counts-of says of which placement");
  fail(name, "is neither a list of layers nor an object with 'logical_count' or 'load_history'");
}

void write_row(std::ostream& out, const std::int64_t* row, std::int32_t experts) {
  char digits[24];
  for (std::int32_t e = 0; e < experts; ++e) {
    if (e) out.put(',');
    out.write(digits, std::to_chars(digits, digits + sizeof digits, row[e]).ptr - digits);
  }
}

void write_json(std::ostream& out, const Loads& loads) {
  const std::int64_t* row = std::get<std::vector<std::int64_t>>(loads.values).data();
  out << "{\"logical_count\": [";
  for (std::int32_t s = 0; s < loads.samples; ++s) {
    if (loads.samples > 1) out << (s ? ",\n[" : "\n[");
    for (std::int32_t l = 0; l < loads.layers; ++l, row += loads.experts) {
      out << (l ? ",\n[" : "\n[");
      write_row(out, row, loads.experts);
      out << "]";
    }
    if (loads.samples > 1) out << "]";
  }
  out << "\n]}\n";
}

void write_csv(std::ostream& out, const Loads& loads) {
  const std::int64_t* row = std::get<std::vector<std::int64_t>>(loads.values).data();
  out << "sample,layer";
  for (std::int32_t e = 0; e < loads.experts; ++e) out << ",expert" << e;
  out << '\n';
  for (std::int32_t s = 0; s < loads.samples; ++s)
    for (std::int32_t l = 0; l < loads.layers; ++l, row += loads.experts) {
      out << s << ',' << l << ',';
      write_row(out, row, loads.experts);
      out << '\n';
    }
}

/// .pt and .npz are zip archives, older .pt are pickles, and .safetensors begin with the length of their JSON.
bool is_python_archive(std::string_view file) {
  return file.starts_with("PK\x03\x04") || file.starts_with("\x80\x02") ||
         (file.size() > 9 && file.substr(5, 4) == std::string_view("\0\0\0{", 4));
}

}  // namespace

std::string read_text(const std::string& path) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> opened;
  if (path != "-") {
    opened.reset(std::fopen(path.c_str(), "rb"));
    if (!opened) fail(path, std::generic_category().message(errno));
  }
  std::FILE* file = opened ? opened.get() : stdin;
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, got);
  if (std::ferror(file)) fail(path, std::generic_category().message(errno));
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // the byte order mark that editors put before UTF-8
  return text;
}

LoadFormat load_format(const std::string& path) {
  if (path.ends_with(".npy")) return LoadFormat::npy;
  if (path.ends_with(".json")) return LoadFormat::json;
  if (path.ends_with(".csv")) return LoadFormat::csv;
  fail(path, "its name ends in none of .npy, .json and .csv");
}

Loads read_loads(const std::string& path, const LoadMeaning& meaning) {
  Loads loads;
  loads.name = path == "-" ? "stdin" : path;
  const std::string text = read_text(path);
  const std::size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  FileArray array;
  if (is_npy(text)) {
    array = read_npy(text, loads.name);
    if (is_pattern(array))
      fail(
          loads.name,
          "is a placement as omni-infer has it, [gpus][layers][experts] of 0 and 1, for --current and --plan; if these "
          "are loads, convert them to float32");
  } else if (is_python_archive(text)) {
    fail(loads.name, "is an archive of Python's; make an .npy file of it with: python -m eplb convert");
  } else if (text[first] == '[' || text[first] == '{') {
    array = read_json(text, loads.name, meaning);
  } else if (text.find("initial_global_assignments") != text.npos) {
    fail(loads.name, "is a placement as TensorRT-LLM has it, not loads; --current and --plan read it");
  } else {
    array = read_csv(text, loads.name, meaning.is_of_slots ? 0 : meaning.experts);
  }
  if (array.has_named_axes && meaning.axes != LoadMeaning().axes)
    fail(loads.name, "says itself what its axes are, so --axes has no say");
  arrange(loads, array, meaning.axes);
  number_layers(loads, std::move(array.layer_numbers), meaning);
  if (!meaning.is_of_slots && meaning.experts != 0 && loads.experts != meaning.experts)
    fail(loads.name, "has " + count(loads.experts, "expert") + ", but --experts is " + std::to_string(meaning.experts));
  return loads;
}

void write_loads(std::ostream& out, const Loads& loads, LoadFormat format) {
  switch (format) {
    case LoadFormat::npy:
      write_npy(out,
                {static_cast<std::size_t>(loads.samples), static_cast<std::size_t>(loads.layers),
                 static_cast<std::size_t>(loads.experts)},
                std::get<std::vector<std::int64_t>>(loads.values));
      break;
    case LoadFormat::json:
      write_json(out, loads);
      break;
    case LoadFormat::csv:
      write_csv(out, loads);
      break;
  }
}

}  // namespace eplb::cli
