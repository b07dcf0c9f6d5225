// SPDX-License-Identifier: MIT
// Where results go: a table on a terminal, JSON elsewhere, a file that is complete or absent.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eplb/eplb.h"

namespace eplb::cli {

/// What the options --format and --output say.
struct Output {
  std::string format;  ///< Empty: a table on a terminal, JSON otherwise.
  std::string path;    ///< Empty, or "-": stdout.

  bool is_stdout() const { return path.empty() || path == "-"; }
  bool is_table() const;

  /// Throws unless the file can be written from these, each of which may be "-" for stdin, or empty: none is replaced
  /// or read twice where that cannot be. @p writes_npy: what is written is such a file, else no such name may be given.
  void check(const std::vector<std::string>& inputs, bool writes_npy = false) const;

  /// Has @p print write to stdout or to the file. A file appears under its name only when it is complete.
  void write(const std::function<void(std::ostream&)>& print) const;
};

/// Writes a JSON object field by field, as a plan may have millions of numbers. A list of lists or objects
/// gets a line for each of them.
class JsonObject {
 public:
  explicit JsonObject(std::ostream& out);
  ~JsonObject();
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  void field(std::string_view name, const nlohmann::ordered_json& value);
  /// @p values is [rows][columns], or [rows][columns][depth] if @p depth is given.
  void matrix(std::string_view name, std::span<const std::int32_t> values, std::int32_t rows, std::int32_t depth = 0);

 private:
  void key(std::string_view name);

  std::ostream& out_;
  bool empty_ = true;
};

/// @p samples is of the loads; 0 leaves it out.
nlohmann::ordered_json as_json(const eplb_shape& shape, std::int32_t samples = 0);
/// "58 layers x 256 experts -> 288 slots on 32 gpus".
std::string as_text(const eplb_shape& shape);

/// Writes "[1, 2, 3]".
void write_list(std::ostream& out, std::span<const std::int32_t> values);

}  // namespace eplb::cli
