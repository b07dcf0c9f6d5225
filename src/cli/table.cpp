// SPDX-License-Identifier: MIT
// Tables that align.
#include "table.h"

#include <langinfo.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ostream>

namespace eplb::cli {
namespace {

/// Characters on the screen; the bytes that continue a UTF-8 character take no room.
std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool locale_is_utf8() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread when the first table is made
  static const bool is_utf8 = std::setlocale(LC_CTYPE, "") && std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  return is_utf8;
}

}  // namespace

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths(alignment_.size());
  for (const auto& cells : rows_)
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], display_width(cells[i]));
  for (const auto& cells : rows_) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - display_width(cells[i]), ' ');
      line += (i ? "  " : "") + (alignment_[i] == 'l' ? cells[i] + padding : padding + cells[i]);
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  }
}

std::string bar(double value, double full, int width) {
  const double length = full > 0 ? std::clamp(value / full, 0.0, 1.0) * width : 0;
  if (!locale_is_utf8()) return std::string(static_cast<std::size_t>(std::lround(length)), '#');
  static constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto parts = static_cast<std::size_t>(std::lround(length * 8));
  std::string text;
  for (std::size_t i = 0; i < parts / 8; ++i) text += "█";
  return text + eighths[parts % 8];
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string count(long long number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

}  // namespace eplb::cli
