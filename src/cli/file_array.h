// SPDX-License-Identifier: MIT
// Arrays of numbers as .npy and .csv files have them.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace eplb::cli {

/// Largest of what is counted in a shape: layers, experts, slots, gpus, groups, nodes, samples.
constexpr std::int32_t largest_extent = 65535;

using Values =
    std::variant<std::vector<std::int64_t>, std::vector<std::int32_t>, std::vector<float>, std::vector<double>>;

struct FileArray {
  std::vector<std::size_t> extents;
  Values values;
  bool is_fortran_order = false;              ///< The first index runs fastest.
  bool has_named_axes = false;                ///< The file says what is what: they are samples, layers, experts.
  std::vector<std::int32_t> layer_numbers{};  ///< [layers] Empty: the file does not say.
};

/// Number of elements, or the largest size_t if that is less.
std::size_t element_count(const std::vector<std::size_t>& extents);

bool is_npy(std::string_view file);
/// Reads an .npy file of any type of real numbers. Throws Error, beginning with @p name.
FileArray read_npy(std::string_view file, const std::string& name);
/// Writes an .npy file of int32 or int64.
template <class T>
void write_npy(std::ostream& out, const std::vector<std::size_t>& extents, const std::vector<T>& values);

/// Reads a CSV file: a line for each layer; the same with places, below a line that names them; or a line for each
/// count, which has at least @p least_experts. Throws Error, beginning with @p name.
FileArray read_csv(std::string_view file, const std::string& name, std::int32_t least_experts);

}  // namespace eplb::cli
