// SPDX-License-Identifier: MIT
// Numbers out of a JSON text of any size and depth, without a tree of the whole.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace eplb::cli {

/// Numbers that stay int64 until one comes that is not; then all are double.
class Numbers {
 public:
  void add(std::int64_t value);
  void add(double value);
  std::size_t size() const;
  std::variant<std::vector<std::int64_t>, std::vector<double>> values;
};

/// A rectangular nested list of numbers; a single number has no extents.
struct NumberArray {
  std::vector<std::size_t> extents;
  Numbers numbers;
};

/// What the extents of the wanted lists are called, outermost first, by path; a list may have fewer of them, of
/// which the outer ones are then left out. The path of the 1 in `{"a": {"b": 1}}` is "a.b", in `{"a": [{"b": 1}]}`
/// "a[].b", that of the whole text "".
using ExtentNames = std::map<std::string, std::vector<std::string>>;

/// Reads what is wanted, by path, which counts the elements of lists of objects: "a[0].b". Such a list has its length
/// as its extent. Throws Error, beginning with @p name, for text that is not JSON and for lists that are ragged, too
/// deep, or hold anything but numbers.
std::map<std::string, NumberArray> read_json_numbers(const std::string& text, const std::string& name,
                                                     const ExtentNames& extent_names);

}  // namespace eplb::cli
