// SPDX-License-Identifier: MIT
// Arrays of numbers out of JSON, with an error that names the place.
#include "json_numbers.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "error.h"
#include "table.h"

namespace eplb::cli {

void Numbers::add(std::int64_t value) {
  std::visit([&](auto& list) { list.push_back(static_cast<typename std::decay_t<decltype(list)>::value_type>(value)); },
             values);
}

void Numbers::add(double value) {
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&values))
    values = std::vector<double>(integers->begin(), integers->end());
  std::get<std::vector<double>>(values).push_back(value);
}

std::size_t Numbers::size() const {
  return std::visit([](const auto& list) { return list.size(); }, values);
}

namespace {

using nlohmann::json;

/// Receives the events of nlohmann's parser, which keeps its own stack on the heap, so depth costs nothing.
class Reader {
 public:
  Reader(const std::string& text, const std::string& name, const ExtentNames& extent_names)
      : text_(text), name_(name), extent_names_(extent_names) {}

  std::map<std::string, NumberArray> result;

  bool null() {
    if (array_) return other("null");
    if (skipped_ == 0) count_element();  // where something is wanted, it is as if it were not there
    return true;
  }
  bool boolean(bool value) { return other(value ? "true" : "false"); }
  bool string(std::string&) { return other("a string"); }
  bool binary(json::binary_t&) { return other("binary data"); }

  bool number_integer(json::number_integer_t value) { return number(value, std::to_string(value)); }
  bool number_float(json::number_float_t value, const std::string& text) { return number(value, text); }
  bool number_unsigned(json::number_unsigned_t value) {
    constexpr auto most = static_cast<json::number_unsigned_t>(std::numeric_limits<std::int64_t>::max());
    return value <= most ? number(static_cast<std::int64_t>(value), std::to_string(value))
                         : number(static_cast<double>(value), std::to_string(value));
  }

  bool start_object(std::size_t) {
    if (array_) fail(place() + " is an object, not a number");
    if (skipped_ > 0) {
      ++skipped_;
    } else {
      count_element();
      refuse_if_wanted("an object");
      open_.push_back({path_.size(), pattern_.size(), false});
    }
    return true;
  }
  bool key(std::string& text) {
    if (skipped_ > 0) return true;
    go_back_to(open_.back());
    for (std::string* path : {&path_, &pattern_}) {
      if (!path->empty()) *path += '.';
      *path += text;
    }
    return true;
  }
  bool end_object() {
    if (skipped_ > 0) {
      --skipped_;
      return true;
    }
    go_back_to(open_.back());
    open_.pop_back();
    return true;
  }

  bool start_array(std::size_t) {
    if (!array_ && skipped_ == 0) {
      count_element();
      if (!open() && leads_to_wanted()) {
        open_.push_back({path_.size(), pattern_.size(), true});
        return true;
      }
    }
    if (!array_) {
      ++skipped_;
    } else {
      if (!position_.empty() && (position_.size() == rank_ || position_.size() == names_.size()))
        fail(place() + " is a list, not a number");
      position_.push_back(0);
    }
    return true;
  }
  bool end_array() {
    if (skipped_ > 0) {
      --skipped_;
      return true;
    }
    if (!array_) {
      go_back_to(open_.back());
      new_entry().extents = {open_.back().elements};
      open_.pop_back();
      return true;
    }
    const std::size_t length = position_.back();
    const std::size_t depth = position_.size() - 1;
    position_.pop_back();
    check_length(depth, length);
    if (position_.empty())
      array_ = nullptr;
    else
      ++position_.back();
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception& exception) {
    const std::string number = number_at(position);
    if (array_ && !number.empty()) fail(place() + " is " + number + "; it must be finite");
    const std::string what = exception.what();
    fail("not JSON: " + what.substr(what.find("] ") + 2));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { cli::fail(name_, what); }

  /// What is no JSON but a number to those who write such files, such as NaN, -Infinity or 1e999, up to which
  /// @p position characters have been read; empty if it is something else.
  std::string number_at(std::size_t position) const {
    const auto is_part = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
    };
    const auto begin = text_.begin(), last = begin + static_cast<std::ptrdiff_t>(std::min(position, text_.size()));
    const auto first = std::find_if_not(std::make_reverse_iterator(last), text_.rend(), is_part).base();
    const std::string word(first, std::find_if_not(last, text_.end(), is_part));
    double value = 0;
    const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool is_finite = status == std::errc() && std::isfinite(value);
    return end == word.data() + word.size() && !is_finite ? word : "";
  }

  /// An object, or a list of objects, that the parser is in.
  struct Container {
    std::size_t path_length, pattern_length;
    bool is_list;
    std::size_t elements = 0;  ///< Of a list, so far.
  };

  void go_back_to(const Container& container) {
    path_.resize(container.path_length);
    pattern_.resize(container.pattern_length);
  }
  /// What begins here may be an element of a list of objects, and then its path says which.
  void count_element() {
    if (open_.empty() || !open_.back().is_list) return;
    go_back_to(open_.back());
    path_ += '[';
    path_ += std::to_string(open_.back().elements++);
    path_ += ']';
    pattern_ += "[]";
  }
  bool leads_to_wanted() const {
    const std::string elements = pattern_ + "[]";
    const auto next = extent_names_.lower_bound(elements);
    return next != extent_names_.end() && next->first.starts_with(elements);
  }

  NumberArray& new_entry() {
    const auto [entry, is_new] = result.try_emplace(path_);
    if (!is_new) fail("'" + path_ + "' is there twice");
    return entry->second;
  }

  /// Starts an array (or a single number) at the current path if it is wanted there.
  bool open() {
    const auto wanted = extent_names_.find(pattern_);
    if (wanted == extent_names_.end()) return false;
    names_ = wanted->second;
    array_ = &new_entry();
    position_.clear();
    rank_ = 0;
    return true;
  }

  /// Names the element the parser is at, such as "layer 3, expert 7".
  std::string place() const {
    const std::size_t rank = rank_ ? rank_ : position_.size();
    std::string text = path_ == pattern_ ? "" : path_;
    for (std::size_t i = 0; i < position_.size(); ++i)
      text += (text.empty() ? "" : ", ") + extent_name(i, rank) + " " + std::to_string(position_[i]);
    return text;
  }
  const std::string& extent_name(std::size_t depth, std::size_t rank) const {
    return names_[names_.size() - rank + depth];
  }

  void check_length(std::size_t depth, std::size_t length) {
    auto& extents = array_->extents;
    if (extents.size() <= depth) extents.resize(depth + 1, unknown);
    if (extents[depth] == unknown) extents[depth] = length;
    if (extents[depth] == length) return;
    const std::size_t rank = rank_ ? rank_ : extents.size();
    fail(place() + " has " + count(static_cast<long long>(length), extent_name(depth, rank)) +
         " where the one before has " + std::to_string(extents[depth]));
  }

  template <class T>
  bool number(T value, const std::string& text) {
    if (skipped_ > 0) return true;
    if (!array_) {
      count_element();
      if (!open()) return true;
    } else {
      if (rank_ == 0) rank_ = std::max(position_.size(), array_->extents.size());  // empty lists may have come first
      if (position_.size() != rank_) fail(place() + " is " + text + ", not a list");
    }
    array_->numbers.add(value);
    if (position_.empty())
      array_ = nullptr;  // it was a single number
    else
      ++position_.back();
    return true;
  }

  bool other(const char* what) {
    if (array_) fail(place() + " is " + what + (position_.size() < rank_ ? ", not a list" : ", not a number"));
    if (skipped_ > 0) return true;
    count_element();
    refuse_if_wanted(what);
    return true;
  }

  /// Of what is wanted all but the whole text must be a number, or a list of them.
  void refuse_if_wanted(const std::string& what) const {
    if (!path_.empty() && extent_names_.contains(pattern_)) fail(path_ + " is " + what + ", not a number");
  }

  static constexpr std::size_t unknown = std::numeric_limits<std::size_t>::max();

  const std::string& text_;
  const std::string& name_;
  const ExtentNames& extent_names_;
  std::string path_;             // where the parser is; kept, as to join the keys anew is slow where they are many
  std::string pattern_;          // the same with [] for each [0]
  std::vector<Container> open_;  // from the outermost
  std::size_t skipped_ = 0;      // lists and objects open inside something that is not wanted

  NumberArray* array_ = nullptr;  // the one being filled
  std::vector<std::string> names_;
  std::vector<std::size_t> position_;
  std::size_t rank_ = 0;  // depth at which its numbers are; 0 until the first one
};

}  // namespace

std::map<std::string, NumberArray> read_json_numbers(const std::string& text, const std::string& name,
                                                     const ExtentNames& extent_names) {
  Reader reader(text, name, extent_names);
  json::sax_parse(text, &reader);
  return std::move(reader.result);
}

}  // namespace eplb::cli
