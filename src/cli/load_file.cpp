// SPDX-License-Identifier: MIT
#include "load_file.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <ostream>
#include <string_view>
#include <system_error>

#include "error.h"
#include "json_numbers.h"
#include "table.h"

// Values of .npy files are copied as they are.
static_assert(std::endian::native == std::endian::little);

namespace eplb::cli {
namespace {

/// Sets the extents of @p loads from [layers][experts] or [samples][layers][experts].
void set_extents(Loads& loads, std::vector<std::size_t> extents) {
  if (extents.size() != 2 && extents.size() != 3)
    fail(loads.name, "has " + count(static_cast<long long>(extents.size()), "dimension") +
                         ", not [layers][experts] or [samples][layers][experts]");
  if (extents.size() == 2) extents.insert(extents.begin(), 1);
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
  static constexpr const char* names[] = {"samples", "layers", "experts"};
  for (std::size_t i = 0; i < 3; ++i)
    if (extents[i] == 0 || extents[i] > most) fail(loads.name, "has " + std::to_string(extents[i]) + " " + names[i]);
  loads.samples = static_cast<std::int32_t>(extents[0]);
  loads.layers = static_cast<std::int32_t>(extents[1]);
  loads.experts = static_cast<std::int32_t>(extents[2]);
}

void set_values(Loads& loads, Numbers numbers) {
  std::visit([&](auto& list) { loads.values = std::move(list); }, numbers.values);
}

// ---------------------------------------------------------------------------------------------------- npy

constexpr std::string_view npy_magic = "\x93NUMPY";

/// The header of an .npy file: a Python dictionary with the keys descr, fortran_order and shape.
class NpyHeader {
 public:
  NpyHeader(std::string_view text, const std::string& name) : text_(text), name_(name) {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr")
        descr = quoted();
      else if (key == "fortran_order")
        fortran_order = boolean();
      else if (key == "shape")
        shape = tuple();
      else
        malformed();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (descr.empty()) malformed();
  }

  std::string_view descr;
  bool fortran_order = false;
  std::vector<std::size_t> shape;

 private:
  [[noreturn]] void malformed() const { fail(name_, "its .npy header is malformed"); }

  void skip_blanks() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n"), text_.size())); }
  bool accept(char wanted) {
    skip_blanks();
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) malformed();
  }
  std::string_view quoted() {
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    const std::size_t end = text_.find(quote);
    if (end == text_.npos) malformed();
    const std::string_view inside = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return inside;
  }
  bool boolean() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"})
      if (text_.starts_with(word)) {
        text_.remove_prefix(word.size());
        return word == "True";
      }
    malformed();
  }
  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> items;
    expect('(');
    while (!accept(')')) {
      std::size_t value = 0;
      skip_blanks();
      const auto [end, status] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
      if (status != std::errc()) malformed();
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      items.push_back(value);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return items;
  }

  std::string_view text_;
  const std::string& name_;
};

/// Number of elements, or the largest size_t if that is less.
std::size_t element_count(const std::vector<std::size_t>& shape) {
  std::size_t count = 1;
  for (const std::size_t extent : shape)
    if (__builtin_mul_overflow(count, extent, &count)) return std::numeric_limits<std::size_t>::max();
  return count;
}

template <class T>
void copy_npy_values(Loads& loads, std::string_view data, const NpyHeader& header) {
  const std::size_t count = element_count(header.shape);
  if (count != data.size() / sizeof(T) || data.size() % sizeof(T) != 0)
    fail(loads.name,
         "holds " + std::to_string(data.size()) + " bytes of values where its header announces " +
             (count > std::numeric_limits<std::size_t>::max() / sizeof(T) ? "more than there can be"
                                                                          : std::to_string(count * sizeof(T))));
  set_extents(loads, header.shape);
  std::vector<T> values(count);
  std::memcpy(values.data(), data.data(), data.size());
  loads.values = std::move(values);
}

void read_npy(Loads& loads, std::string_view file) {
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(file[i])); };
  if (!file.starts_with(npy_magic) || file.size() < 12) fail(loads.name, "is not an .npy file");
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) fail(loads.name, "has .npy version " + std::to_string(version) + ", not 1, 2 or 3");
  const std::size_t start = version == 1 ? 10 : 12;
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > file.size() - start) fail(loads.name, "ends within its .npy header");

  const NpyHeader header(file.substr(start, length), loads.name);
  const std::string_view data = file.substr(start + length);
  if (header.fortran_order) fail(loads.name, "is in Fortran order; save it with numpy.ascontiguousarray()");
  if (header.descr == "<i4")
    copy_npy_values<std::int32_t>(loads, data, header);
  else if (header.descr == "<i8")
    copy_npy_values<std::int64_t>(loads, data, header);
  else if (header.descr == "<f4")
    copy_npy_values<float>(loads, data, header);
  else if (header.descr == "<f8")
    copy_npy_values<double>(loads, data, header);
  else
    fail(loads.name, "holds values of type '" + std::string(header.descr) +
                         "', not little-endian int32, int64, float32 or float64");
}

void write_npy(std::ostream& out, const Loads& loads) {
  std::string header = "{'descr': '<i8', 'fortran_order': False, 'shape': (" + std::to_string(loads.samples) + ", " +
                       std::to_string(loads.layers) + ", " + std::to_string(loads.experts) + "), }";
  // The values start at a multiple of 64 bytes, after the header's line end.
  constexpr std::size_t prefix = 10;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  const char version_and_length[] = {1, 0, static_cast<char>(header.size() & 0xff),
                                     static_cast<char>(header.size() >> 8)};
  out.write(npy_magic.data(), npy_magic.size()).write(version_and_length, sizeof version_and_length) << header;
  const auto& values = std::get<std::vector<std::int64_t>>(loads.values);
  out.write(reinterpret_cast<const char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof values[0]));
}

// --------------------------------------------------------------------------------------------------- json

void read_json(Loads& loads, const std::string& text) {
  const auto names = [](const std::string& path) {
    return path.empty() || path == "logical_count" ? std::vector<std::string>{"sample", "layer", "expert"}
                                                   : std::vector<std::string>{};
  };
  auto arrays = read_json_numbers(text, loads.name, names);
  if (arrays.empty()) fail(loads.name, "is neither a list of layers nor an object with 'logical_count'");
  NumberArray& array = arrays.begin()->second;
  set_extents(loads, array.extents);
  set_values(loads, std::move(array.numbers));
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

// ---------------------------------------------------------------------------------------------------- csv

/// Walks over the fields of a CSV text; there are only numbers, so there is no quoting.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  /// Goes to the next line that is not blank; false at the end.
  bool next_line() {
    while (!rest_.empty()) {
      const std::size_t end = rest_.find('\n');
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(end == rest_.npos ? rest_.size() : end + 1);
      ++line_number_;
      if (line_.find_first_not_of(" \t\r") != line_.npos) {
        at_end_ = false;
        return true;
      }
    }
    return false;
  }
  bool line_starts_with(std::string_view text) const { return line_.starts_with(text); }

  /// The next field of the line; false at its end.
  bool next_field() {
    if (at_end_) return false;
    const std::size_t comma = line_.find(',');
    field_ = line_.substr(0, comma);
    at_end_ = comma == line_.npos;
    if (!at_end_) line_.remove_prefix(comma + 1);
    const std::size_t first = std::min(field_.find_first_not_of(" \t\r"), field_.size());
    field_ = field_.substr(first, field_.find_last_not_of(" \t\r") + 1 - first);
    return true;
  }
  /// Whether the whole field is a number of type T.
  template <class T>
  bool read(T& value) const {
    const char* end = field_.data() + field_.size();
    return std::from_chars(field_.data(), end, value).ptr == end && !field_.empty() &&
           std::from_chars(field_.data(), end, value).ec == std::errc();
  }

  std::string_view field() const { return field_; }
  [[noreturn]] void fail_here(const std::string& what) const {
    fail(name_, "line " + std::to_string(line_number_) + " " + what);
  }

 private:
  std::string_view rest_, line_, field_;
  const std::string& name_;
  std::size_t line_number_ = 0;
  bool at_end_ = true;
};

/// Reads the first two fields of a line, which must name the place that is due.
void read_csv_place(CsvReader& csv, std::size_t sample, std::size_t layer) {
  for (const auto& [what, due] : {std::pair("sample", sample), std::pair("layer", layer)}) {
    std::size_t found = 0;
    if (!csv.next_field() || !csv.read(found) || found != due)
      csv.fail_here("has '" + std::string(csv.field()) + "' where " + what + " " + std::to_string(due) + " is due");
  }
}

/// Whether the line, of the form with places, is of the second sample.
bool is_second_sample(CsvReader csv) {
  std::size_t sample = 0;
  return csv.next_field() && csv.read(sample) && sample == 1;
}

std::size_t read_csv_row(CsvReader& csv, Numbers& numbers) {
  std::size_t experts = 0;
  for (; csv.next_field(); ++experts) {
    std::int64_t integer = 0;
    double real = 0;
    if (csv.read(integer))
      numbers.add(integer);
    else if (csv.read(real))
      numbers.add(real);
    else
      csv.fail_here("has '" + std::string(csv.field()) + "' for expert " + std::to_string(experts) + ", not a number");
  }
  return experts;
}

void read_csv(Loads& loads, std::string_view text) {
  CsvReader csv(text, loads.name);
  bool more = csv.next_line();
  const bool has_places = more && csv.line_starts_with("sample,layer");
  if (has_places) more = csv.next_line();

  Numbers numbers;
  std::size_t rows = 0, experts = 0, layers = 0;  // layers is known when the second sample begins
  for (; more; more = csv.next_line(), ++rows) {
    if (has_places && layers == 0 && rows > 0 && is_second_sample(csv)) layers = rows;
    if (has_places) read_csv_place(csv, layers ? rows / layers : 0, layers ? rows % layers : rows);
    const std::size_t found = read_csv_row(csv, numbers);
    if (rows == 0) experts = found;
    if (found != experts)
      csv.fail_here("has " + count(static_cast<long long>(found), "expert") + " where the one before has " +
                    std::to_string(experts));
  }
  if (rows == 0) fail(loads.name, "holds no loads");
  if (layers == 0) layers = rows;
  if (rows % layers != 0)
    fail(loads.name,
         "ends before layer " + std::to_string(rows % layers) + " of sample " + std::to_string(rows / layers));
  set_extents(loads, {rows / layers, layers, experts});
  set_values(loads, std::move(numbers));
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

Loads read_loads(const std::string& path) {
  Loads loads;
  loads.name = path == "-" ? "stdin" : path;
  const LoadFormat format = path == "-" ? LoadFormat::json : load_format(path);
  const std::string text = read_text(path);
  switch (format) {
    case LoadFormat::npy:
      read_npy(loads, text);
      break;
    case LoadFormat::json:
      read_json(loads, text);
      break;
    case LoadFormat::csv:
      read_csv(loads, text);
      break;
  }
  return loads;
}

void write_loads(std::ostream& out, const Loads& loads, LoadFormat format) {
  switch (format) {
    case LoadFormat::npy:
      write_npy(out, loads);
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
