// SPDX-License-Identifier: MIT
// Files for the tool's readers, which know what a file holds by its name.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "cli/error.h"
#include "target.h"

namespace eplb::fuzz {

/// A folder of this process, gone when it ends.
class scratch {
 public:
  scratch() : folder_(std::filesystem::temp_directory_path() / ("eplb-fuzz-" + std::to_string(getpid()))) {
    std::filesystem::create_directory(folder_);
  }
  ~scratch() { std::filesystem::remove_all(folder_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  std::string write(const std::string& name, const std::uint8_t* data, std::size_t size) const {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
    return path;
  }

 private:
  std::filesystem::path folder_;
};

/// Whether `read` succeeds. The only way to fail is one sentence that begins with the name of the file.
template <class Read>
bool reads(const std::string& path, Read read) {
  try {
    read();
    return true;
  } catch (const cli::Error& error) {
    PROMISE(std::string(error.what()).starts_with(path + ": "));
    return false;
  }
}

}  // namespace eplb::fuzz
