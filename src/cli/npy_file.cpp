// SPDX-License-Identifier: MIT
// Arrays from .npy files, and to them.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <system_error>

#include "error.h"
#include "file_array.h"

// What is not swapped is copied as it is.
static_assert(std::endian::native == std::endian::little);

namespace eplb::cli {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

/// The header of an .npy file: a Python dictionary with the keys descr, fortran_order and shape.
class Header {
 public:
  Header(std::string_view text, const std::string& name) : text_(text), name_(name) {
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

/// An IEEE half precision number, from its bits.
float half_to_float(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  const float size = exponent == 0x1f ? (fraction ? std::numeric_limits<float>::quiet_NaN() : HUGE_VALF)
                     : exponent == 0  ? std::ldexp(static_cast<float>(fraction), -24)
                                      : std::ldexp(static_cast<float>(fraction | 0x400), exponent - 25);
  return bits & 0x8000 ? -size : size;
}

/// The numbers of a file, each as @p convert makes it of a Stored.
template <class Stored, class Convert>
auto read_values(std::string_view data, std::size_t count, bool swapped, Convert convert) {
  std::vector<decltype(convert(Stored{}))> values(count);
  std::array<char, sizeof(Stored)> bytes{};
  for (std::size_t i = 0; i < count; ++i) {
    data.copy(bytes.data(), bytes.size(), i * bytes.size());
    if (swapped) std::reverse(bytes.begin(), bytes.end());
    values[i] = convert(std::bit_cast<Stored>(bytes));
  }
  return values;
}

template <class To>
constexpr auto as = [](auto value) { return static_cast<To>(value); };

Values read_uint64(std::string_view data, std::size_t count, bool swapped) {
  std::vector<std::uint64_t> values = read_values<std::uint64_t>(data, count, swapped, as<std::uint64_t>);
  const auto beyond = [](std::uint64_t value) { return value > INT64_MAX; };
  if (std::any_of(values.begin(), values.end(), beyond)) return std::vector<double>(values.begin(), values.end());
  return std::vector<std::int64_t>(values.begin(), values.end());
}

/// How numbers of a type are read.
struct Type {
  std::string_view name;  ///< As in a descr, without the byte order.
  std::size_t size;
  Values (*read)(std::string_view data, std::size_t count, bool swapped);
};

template <class Stored, class To>
constexpr Type type(std::string_view name) {
  return {name, sizeof(Stored), [](std::string_view data, std::size_t count, bool swapped) -> Values {
            return read_values<Stored>(data, count, swapped, as<To>);
          }};
}

constexpr Type types[] = {
    type<std::uint8_t, std::int32_t>("b1"),
    type<std::int8_t, std::int32_t>("i1"),
    type<std::uint8_t, std::int32_t>("u1"),
    type<std::int16_t, std::int32_t>("i2"),
    type<std::uint16_t, std::int32_t>("u2"),
    type<std::int32_t, std::int32_t>("i4"),
    type<std::uint32_t, std::int64_t>("u4"),
    type<std::int64_t, std::int64_t>("i8"),
    {"u8", 8, read_uint64},
    {"f2", 2,
     [](std::string_view data, std::size_t count, bool swapped) -> Values {
       return read_values<std::uint16_t>(data, count, swapped, half_to_float);
     }},
    type<float, float>("f4"),
    type<double, double>("f8"),
};

const Type& find_type(std::string_view descr, const std::string& name) {
  if (std::string_view("<>|=").find(descr[0]) != std::string_view::npos)
    for (const Type& known : types)
      if (descr.substr(1) == known.name) return known;
  fail(name, "holds values of type '" + std::string(descr) +
                 "', not booleans, integers or floats of at most 64 bits; convert them with numpy's astype()");
}

}  // namespace

std::size_t element_count(const std::vector<std::size_t>& extents) {
  std::size_t count = 1;
  for (const std::size_t extent : extents)
    if (__builtin_mul_overflow(count, extent, &count)) return std::numeric_limits<std::size_t>::max();
  return count;
}

bool is_npy(std::string_view file) { return file.starts_with(magic); }

FileArray read_npy(std::string_view file, const std::string& name) {
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(file[i])); };
  if (file.size() < 12) fail(name, "ends within its .npy header");
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) fail(name, "has .npy version " + std::to_string(version) + ", not 1, 2 or 3");
  const std::size_t start = version == 1 ? 10 : 12;
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > file.size() - start) fail(name, "ends within its .npy header");

  const Header header(file.substr(start, length), name);
  const std::string_view data = file.substr(start + length);
  const Type& type = find_type(header.descr, name);
  const std::size_t count = element_count(header.shape);
  if (count != data.size() / type.size || data.size() % type.size != 0)
    fail(name, "holds " + std::to_string(data.size()) + " bytes of values where its header announces " +
                   (count > std::numeric_limits<std::size_t>::max() / type.size ? "more than there can be"
                                                                                : std::to_string(count * type.size)));
  return {header.shape, type.read(data, count, header.descr[0] == '>'), header.fortran_order};
}

template <class T>
void write_npy(std::ostream& out, const std::vector<std::size_t>& extents, const std::vector<T>& values) {
  std::string header = "{'descr': '<i" + std::to_string(sizeof(T)) + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < extents.size(); ++i) header += (i ? ", " : "") + std::to_string(extents[i]);
  header += "), }";
  // The values start at a multiple of 64 bytes, after the header's line end.
  constexpr std::size_t prefix = 10;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  const char version_and_length[] = {1, 0, static_cast<char>(header.size() & 0xff),
                                     static_cast<char>(header.size() >> 8)};
  out.write(magic.data(), magic.size()).write(version_and_length, sizeof version_and_length) << header;
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
}

template void write_npy(std::ostream&, const std::vector<std::size_t>&, const std::vector<std::int32_t>&);
template void write_npy(std::ostream&, const std::vector<std::size_t>&, const std::vector<std::int64_t>&);

}  // namespace eplb::cli
