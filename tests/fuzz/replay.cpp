// SPDX-License-Identifier: MIT
// Runs a target on the files of a folder, in place of libFuzzer.
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "target.h"

int main(int, char** argv) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which map more than they use
  const rlimit most{std::size_t{1} << 30, std::size_t{1} << 30};
  PROMISE(setrlimit(RLIMIT_AS, &most) == 0);
#endif
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.insert(entry.path());
  PROMISE(!files.empty());
  for (const auto& path : files) {
    std::fprintf(stderr, "%s\n", path.c_str());  // the last one is the one that failed
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
}
