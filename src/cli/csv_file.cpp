// SPDX-License-Identifier: MIT
// Loads from csv, in all its forms.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <system_error>

#include "error.h"
#include "file_array.h"
#include "json_numbers.h"
#include "table.h"

namespace eplb::cli {
namespace {

/// Walks over the fields of a CSV text; there are only names and numbers, so a comma is always between two of them.
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
  std::size_t line_number() const { return line_number_; }
  [[noreturn]] void fail_here(const std::string& what) const { fail_at(line_number_, what); }
  [[noreturn]] void fail_at(std::size_t line, const std::string& what) const {
    fail(name_, "line " + std::to_string(line) + " " + what);
  }
  [[noreturn]] void fail_in_all(const std::string& what) const { fail(name_, what); }

 private:
  std::string_view rest_, line_, field_;
  const std::string& name_;
  std::size_t line_number_ = 0;
  bool at_end_ = true;
};

/// Adds the number that the reader is at; @p what it is of.
void read_number(CsvReader& csv, Numbers& numbers, const std::string& what) {
  std::int64_t integer = 0;
  double real = 0;
  if (csv.read(integer))
    numbers.add(integer);
  else if (csv.read(real))
    numbers.add(real);
  else
    csv.fail_here("has '" + std::string(csv.field()) + "' for " + what + ", not a number");
}

Values values_of(Numbers& numbers) {
  return std::visit([](auto& list) -> Values { return std::move(list); }, numbers.values);
}

/// A line for each layer, a number for each expert.
FileArray read_rows(CsvReader csv) {
  Numbers numbers;
  std::size_t rows = 0, experts = 0;
  for (; csv.next_line(); ++rows) {
    std::size_t found = 0;
    for (; csv.next_field(); ++found) read_number(csv, numbers, "expert " + std::to_string(found));
    if (rows == 0) experts = found;
    if (found != experts)
      csv.fail_here("has " + count(static_cast<long long>(found), "expert") + " where the one before has " +
                    std::to_string(experts));
  }
  return {{rows, experts}, values_of(numbers)};
}

enum class Column { sample, layer, expert, load, loads };

/// What the first line says of the columns: a place in some of them, and either the load there or, in the last ones,
/// the loads of all experts.
class Columns {
 public:
  explicit Columns(CsvReader& csv) {
    while (csv.next_field()) {
      const std::string_view name = csv.field();
      const Column column = column_of(csv, name, loads_named_);
      if (column == Column::loads)
        ++loads_named_;
      else if (std::find(columns_.begin(), columns_.end(), column) != columns_.end())
        csv.fail_here("names the column '" + std::string(name) + "' once more");
      else if (loads_named_ > 0)
        csv.fail_here("has the column '" + std::string(name) + "' behind the loads of experts");
      else
        columns_.push_back(column);
    }
    const auto is_there = [&](Column column) {
      return std::find(columns_.begin(), columns_.end(), column) != columns_.end();
    };
    has_line_for_each_load_ = is_there(Column::expert);
    if (!is_there(Column::layer)) csv.fail_here("names no column 'layer'");
    if (has_line_for_each_load_ != is_there(Column::load) || (has_line_for_each_load_ && loads_named_ > 0))
      csv.fail_here("names neither the columns layer, expert and count, nor layer and one of each expert");
  }

  bool has_line_for_each_load() const { return has_line_for_each_load_; }
  /// What the next field of a line is, behind @p before fields.
  Column at(std::size_t before) const { return before < columns_.size() ? columns_[before] : Column::loads; }
  /// Whether a line may have so many fields. Names of the experts may be left out.
  bool can_have(std::size_t fields) const {
    if (has_line_for_each_load_) return fields == columns_.size();
    return fields > columns_.size() && (loads_named_ == 0 || fields == columns_.size() + loads_named_);
  }
  std::size_t places() const { return columns_.size(); }

 private:
  /// By name: "layer", "layer_id" and "Layer" are the same. An expert's column ends in its number.
  static Column column_of(const CsvReader& csv, std::string_view field, std::size_t expert) {
    if (field.size() > 1 && field.front() == '"' && field.back() == '"') field = field.substr(1, field.size() - 2);
    std::string name(field);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    for (const std::string_view end : {"_id", "_idx", "_index"})
      if (name.ends_with(end)) name.resize(name.size() - end.size());
    if (name == "sample" || name == "step") return Column::sample;
    if (name == "layer") return Column::layer;
    if (name == "expert") return Column::expert;
    if (name == "count" || name == "load" || name == "tokens") return Column::load;
    const std::size_t digits = name.find_last_not_of("0123456789") + 1;
    if (name.substr(digits) != std::to_string(expert))
      csv.fail_here("has the column '" + std::string(csv.field()) +
                    "', which is neither sample, layer, expert or count nor that of expert " + std::to_string(expert));
    return Column::loads;
  }

  std::vector<Column> columns_;
  std::size_t loads_named_ = 0;
  bool has_line_for_each_load_ = false;
};

/// A load and its place.
struct Entry {
  std::int32_t sample = 0, layer = 0, expert = 0;
  std::size_t line = 0;
};

std::int32_t read_place(const CsvReader& csv, const char* what) {
  std::int32_t number = 0;
  if (!csv.read(number) || number < 0 || number >= largest_extent)
    csv.fail_here("has '" + std::string(csv.field()) + "' where the number of " + what + " is due, 0 to " +
                  std::to_string(largest_extent - 1));
  return number;
}

/// Reads a line into an entry for each of its loads.
void read_line(CsvReader& csv, const Columns& columns, std::vector<Entry>& entries, Numbers& numbers) {
  Entry entry{.line = csv.line_number()};
  std::size_t fields = 0;
  for (; csv.next_field(); ++fields) switch (columns.at(fields)) {
      case Column::sample:
        entry.sample = read_place(csv, "a sample");
        break;
      case Column::layer:
        entry.layer = read_place(csv, "a layer");
        break;
      case Column::expert:
        entry.expert = read_place(csv, "an expert");
        break;
      case Column::load:
        read_number(csv, numbers, "a load");
        break;
      case Column::loads:
        entry.expert = static_cast<std::int32_t>(fields - columns.places());
        read_number(csv, numbers, "expert " + std::to_string(entry.expert));
        entries.push_back(entry);
    }
  if (!columns.can_have(fields))
    csv.fail_here("has " + count(static_cast<long long>(fields), "field") + ", not those that the first line names");
  if (columns.has_line_for_each_load()) entries.push_back(entry);
}

/// The different numbers there are of something, ascending.
std::vector<std::int32_t> numbers_of(const std::vector<Entry>& entries, std::int32_t Entry::*what) {
  std::vector<std::int32_t> numbers;
  for (const Entry& entry : entries)
    if (numbers.empty() || numbers.back() != entry.*what) numbers.push_back(entry.*what);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

std::size_t index_of(const std::vector<std::int32_t>& numbers, std::int32_t number) {
  return static_cast<std::size_t>(std::lower_bound(numbers.begin(), numbers.end(), number) - numbers.begin());
}

/// What a file has of its samples, layers and experts, and its loads.
struct NamedLoads {
  std::vector<std::int32_t> samples, layers;
  std::size_t experts = 0;
  std::vector<Entry> entries;
  Numbers numbers;
};

/// Places every load where it belongs. An expert that is not named has none, but a layer that is left out of a sample
/// is missing.
FileArray place_loads(const CsvReader& csv, const NamedLoads& named) {
  const auto &samples = named.samples, &layers = named.layers;
  const auto& entries = named.entries;
  const std::size_t experts = named.experts;
  std::vector<bool> is_row_there(samples.size() * layers.size());
  std::vector<std::size_t> row_of_entry;
  for (const Entry& entry : entries) {
    row_of_entry.push_back(index_of(samples, entry.sample) * layers.size() + index_of(layers, entry.layer));
    is_row_there[row_of_entry.back()] = true;
  }
  const auto missing =
      static_cast<std::size_t>(std::find(is_row_there.begin(), is_row_there.end(), false) - is_row_there.begin());
  if (missing < is_row_there.size())
    csv.fail_in_all("sample " + std::to_string(samples[missing / layers.size()]) + " has no layer " +
                    std::to_string(layers[missing % layers.size()]));
  std::vector<std::size_t> line_of_load(is_row_there.size() * experts);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::size_t& line = line_of_load[row_of_entry[i] * experts + static_cast<std::size_t>(entries[i].expert)];
    if (line != 0)
      csv.fail_at(entries[i].line, "names layer " + std::to_string(entries[i].layer) + ", expert " +
                                       std::to_string(entries[i].expert) + " as line " + std::to_string(line) +
                                       " does");
    line = entries[i].line;
  }

  Values values = std::visit(
      [&](const auto& loads) -> Values {
        std::decay_t<decltype(loads)> all(line_of_load.size());
        for (std::size_t i = 0; i < entries.size(); ++i)
          all[row_of_entry[i] * experts + static_cast<std::size_t>(entries[i].expert)] = loads[i];
        return all;
      },
      named.numbers.values);
  return {.extents = {samples.size(), layers.size(), experts},
          .values = std::move(values),
          .has_named_axes = true,
          .layer_numbers = layers};
}

FileArray read_named(CsvReader csv, std::int32_t least_experts) {
  csv.next_line();
  const Columns columns(csv);
  NamedLoads named;
  while (csv.next_line()) read_line(csv, columns, named.entries, named.numbers);
  if (named.entries.empty()) csv.fail_in_all("holds no loads");
  named.samples = numbers_of(named.entries, &Entry::sample);
  named.layers = numbers_of(named.entries, &Entry::layer);
  if (columns.has_line_for_each_load()) named.experts = static_cast<std::size_t>(least_experts);
  for (const Entry& entry : named.entries)
    named.experts = std::max(named.experts, static_cast<std::size_t>(entry.expert) + 1);
  try {
    return place_loads(csv, named);
  } catch (const std::bad_alloc&) {  // a short file may name a large expert in many layers
    const auto extent = [](std::size_t number, const char* what) {
      return count(static_cast<long long>(number), what);
    };
    csv.fail_in_all("has " + extent(named.samples.size(), "sample") + " x " + extent(named.layers.size(), "layer") +
                    " x " + extent(named.experts, "expert") + ", for which there is not enough memory");
  }
}

}  // namespace

FileArray read_csv(std::string_view file, const std::string& name, std::int32_t least_experts) {
  CsvReader csv(file, name), first_line = csv;
  if (!first_line.next_line()) fail(name, "holds no loads");
  first_line.next_field();
  const std::string first(first_line.field());
  if (first.empty())
    first_line.fail_here("has nothing in its first column; pandas leaves its index out with index=False");
  double number = 0;
  // A name does not begin as a number, even as one that is none, such as 0x10.
  const std::size_t digit = first.find_first_not_of("+-.");
  const bool begins_as_number = digit != first.npos && std::isdigit(static_cast<unsigned char>(first[digit]));
  if (begins_as_number || first_line.read(number)) return read_rows(csv);
  if (!first_line.next_field())
    fail(name, "is neither .npy nor JSON, nor CSV, of which line " + std::to_string(first_line.line_number()) + ", '" +
                   first + "', would have a comma");
  return read_named(csv, least_experts);
}

}  // namespace eplb::cli
