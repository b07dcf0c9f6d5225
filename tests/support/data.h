// SPDX-License-Identifier: MIT
// The files of tests/conformance, wherever the tree lies: found from the program, whose place in it is known.
#pragma once

#include <filesystem>

inline std::filesystem::path test_data(const char* name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / EPLB_TEST_DATA / name;
}
