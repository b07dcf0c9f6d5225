// SPDX-License-Identifier: MIT
// Tables that align.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace eplb::cli {

/// Cells in aligned columns, two spaces apart.
class Table {
 public:
  /// @p alignment has a character for each column: 'l' left, 'r' right.
  explicit Table(std::string alignment) : alignment_(std::move(alignment)) {}

  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print(std::ostream& out) const;

 private:
  std::string alignment_;
  std::vector<std::vector<std::string>> rows_;
};

/// A bar of at most @p width characters, as long as @p value is to @p full.
std::string bar(double value, double full, int width);

/// @p value with that many decimals.
std::string fixed(double value, int decimals);

/// "1 layer", "58 layers".
std::string count(long long number, const std::string& what);

}  // namespace eplb::cli
