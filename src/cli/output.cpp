// SPDX-License-Identifier: MIT
// What a command writes, and where: whole files or none.
#include "output.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "error.h"
#include "library.h"
#include "table.h"

namespace eplb::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_to_write(const std::string& name) {
  fail(name, std::generic_category().message(errno ? errno : EIO));
}

/// A file beside the one to be written, which takes that one's place when it is complete.
class ReplacementFile {
 public:
  explicit ReplacementFile(const std::string& name) : name_(name), target_(target_of_links(name)) {
    if (fs::is_symlink(target_)) fail(name, std::generic_category().message(ELOOP));
    temporary_ = target_.string() + ".XXXXXX";
    const int file = mkstemp(temporary_.data());
    if (file < 0) fail_to_write(name);
    fchmod(file, permissions());
    close(file);
    stream.open(temporary_, std::ios::binary | std::ios::trunc);
  }
  ~ReplacementFile() {
    if (!temporary_.empty()) unlink(temporary_.c_str());
  }
  ReplacementFile(const ReplacementFile&) = delete;
  ReplacementFile& operator=(const ReplacementFile&) = delete;

  void complete() {
    stream.close();
    if (!stream || std::rename(temporary_.c_str(), target_.c_str()) != 0) fail_to_write(name_);
    temporary_.clear();
  }

  std::ofstream stream;

 private:
  /// What a symbolic link leads to, even if there is nothing yet.
  static fs::path target_of_links(fs::path path) {
    std::error_code ignored;
    for (int links = 0; links < 40 && fs::is_symlink(path, ignored); ++links)
      path = path.parent_path() / fs::read_symlink(path, ignored);
    return path;
  }

  /// Those of the file that is replaced, or what a new one would have; mkstemp lets only the owner read.
  mode_t permissions() const {
    struct stat replaced {};
    if (stat(target_.c_str(), &replaced) == 0) return replaced.st_mode & 07777;
    const mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
  }

  std::string name_;
  fs::path target_;
  std::string temporary_;
};

// NOLINTBEGIN(misc-no-recursion): what is written is one of ours, and as deep as we make it
/// A list of lists or objects gets a line for each of them, as does what holds such a list.
bool has_lines(const nlohmann::ordered_json& value) {
  return std::any_of(value.begin(), value.end(),
                     [&](const auto& part) { return part.is_structured() && (value.is_array() || has_lines(part)); });
}

void write_json(std::ostream& out, const nlohmann::ordered_json& value, const std::string& indent) {
  // Names of files need not be UTF-8, but JSON is.
  const auto text = [](const nlohmann::ordered_json& any) {
    return any.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  };
  if (!has_lines(value)) {
    out << text(value);
    return;
  }
  const char* separator = value.is_array() ? "[\n" : "{\n";
  for (const auto& [key, part] : value.items()) {
    out << separator << indent << "  ";
    if (value.is_object()) out << text(key) << ": ";
    write_json(out, part, indent + "  ");
    separator = ",\n";
  }
  out << '\n' << indent << (value.is_array() ? "]" : "}");
}
// NOLINTEND(misc-no-recursion)

void write_checked(std::ostream& out, const std::string& name, const std::function<void(std::ostream&)>& print) {
  errno = 0;
  print(out);
  out.flush();
  if (!out) fail_to_write(name);
}

/// Whether the file that is read as @p input, "-" for stdin, is at @p path too.
bool is_at(const std::string& path, const std::string& input) {
  struct stat written {
  }, read{};
  const int found = input == "-" ? fstat(STDIN_FILENO, &read) : stat(input.c_str(), &read);
  return found == 0 && stat(path.c_str(), &written) == 0 && S_ISREG(written.st_mode) && written.st_dev == read.st_dev &&
         written.st_ino == read.st_ino;
}

}  // namespace

bool Output::is_table() const { return format.empty() ? is_stdout() && isatty(STDOUT_FILENO) : format == "table"; }

void Output::check(const std::vector<std::string>& inputs, bool writes_npy) const {
  if (std::count(inputs.begin(), inputs.end(), "-") > 1)
    throw UsageError("stdin can be read once, but several files are said to be -");
  if (is_stdout()) return;
  for (const std::string& input : inputs)
    if (is_at(path, input))
      throw UsageError("--output: '" + path + "' is read as well, and would be lost; give another name");
  const auto says = [&](const std::string& ending) { return path.ends_with(ending); };
  if (!writes_npy && says(".npy"))
    throw UsageError("--output: '" + path + "' would be no .npy file; give another name");
  if (writes_npy && (says(".json") || says(".yaml") || says(".yml") || says(".csv")))
    throw UsageError("--output: '" + path + "' would be an .npy file; give it such a name");
}

void Output::write(const std::function<void(std::ostream&)>& print) const {
  std::error_code ignored;
  if (is_stdout()) {
    write_checked(std::cout, "stdout", print);
  } else if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    std::ofstream stream(path, std::ios::binary);  // a device or a pipe, which a file must not replace
    if (!stream) fail_to_write(path);
    write_checked(stream, path, print);
  } else {
    ReplacementFile file(path);
    write_checked(file.stream, path, print);
    file.complete();
  }
}

JsonObject::JsonObject(std::ostream& out) : out_(out) { out_ << "{"; }

JsonObject::~JsonObject() { out_ << "\n}\n"; }

void JsonObject::key(std::string_view name) {
  out_ << (empty_ ? "\n  \"" : ",\n  \"") << name << "\": ";
  empty_ = false;
}

void JsonObject::field(std::string_view name, const nlohmann::ordered_json& value) {
  key(name);
  write_json(out_, value, "  ");
}

void JsonObject::matrix(std::string_view name, std::span<const std::int32_t> values, std::int32_t rows,
                        std::int32_t depth) {
  key(name);
  const std::size_t row_size = values.size() / static_cast<std::size_t>(rows);
  const std::size_t list_size = depth ? static_cast<std::size_t>(depth) : row_size;
  for (std::size_t start = 0; start < values.size(); start += row_size) {
    out_ << (start ? ",\n    " : "[\n    ") << (depth ? "[" : "");
    for (std::size_t i = 0; i < row_size; i += list_size) {
      if (i) out_ << ", ";
      write_list(out_, values.subspan(start + i, list_size));
    }
    if (depth) out_ << "]";
  }
  out_ << "\n  ]";
}

nlohmann::ordered_json as_json(const eplb_shape& shape, std::int32_t samples) {
  nlohmann::ordered_json json = {{"layers", shape.num_layers},
                                 {"experts", shape.num_logical_experts},
                                 {"slots", shape.num_physical_experts},
                                 {"groups", shape.num_groups},
                                 {"nodes", shape.num_nodes},
                                 {"gpus", shape.num_gpus}};
  if (samples) json["samples"] = samples;
  const auto array = [&](const char* name, const auto* values) {
    if (values) json[name] = std::vector(values, values + shape.num_gpus);
  };
  if (shape.slots_per_gpu || shape.num_physical_experts % shape.num_gpus != 0)
    json["slots_per_gpu"] = slots_of_gpus(shape);
  array("speed_of_gpu", shape.speed_of_gpu);
  array("node_of_gpu", shape.node_of_gpu);
  return json;
}

std::string as_text(const eplb_shape& shape) {
  std::string text = count(shape.num_layers, "layer") + " x " + count(shape.num_logical_experts, "expert") + " -> " +
                     count(shape.num_physical_experts, "slot") + " on " + count(shape.num_gpus, "gpu");
  if (shape.num_nodes > 1) text += ", " + count(shape.num_nodes, "node");
  if (shape.num_groups > 1) text += ", " + count(shape.num_groups, "group");
  if (shape.slots_per_gpu || shape.num_physical_experts % shape.num_gpus != 0) text += ", slots uneven";
  if (shape.speed_of_gpu) text += ", speeds differ";
  return text;
}

void write_list(std::ostream& out, std::span<const std::int32_t> values) {
  std::string text = "[";
  char digits[16];
  for (const std::int32_t value : values) {
    if (text.size() > 1) text += ", ";
    text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  out << text << "]";
}

}  // namespace eplb::cli
