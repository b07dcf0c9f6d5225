// SPDX-License-Identifier: MIT
// Looks for the code of the kernels in the library's file:
//
//   cuda.fatbin libeplb.so sm_80 sm_120 compute_120
//
// succeeds if one fat binary has machine code for sm_80 and sm_120 and the PTX of compute_120, and if there is nothing
// else in it or in any other. The format is not documented; this is what nvcc 13 writes.
#include <elf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using bytes = std::span<const char>;

/// All that is read goes through here: no number of the file is trusted.
bytes part(bytes whole, std::uint64_t offset, std::uint64_t size) {
  if (offset > whole.size() || size > whole.size() - offset) {
    throw std::runtime_error("something reaches beyond the end of what it is in");
  }
  return whole.subspan(offset, size);
}

bytes rest(bytes whole, std::uint64_t offset) {
  return part(whole, offset, whole.size() - std::min<std::uint64_t>(offset, whole.size()));
}

template <class T>
T read(bytes from, std::uint64_t offset) {
  T value;
  std::memcpy(&value, part(from, offset, sizeof value).data(), sizeof value);
  return value;
}

Elf64_Ehdr read_elf_header(bytes file) {
  const auto header = read<Elf64_Ehdr>(file, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB) {
    throw std::runtime_error("not a 64-bit little-endian ELF file");
  }
  return header;
}

struct section {
  std::string name;
  bytes content;
};

/// .nv_fatbin, and __nv_relfatbin, in which nvcc leaves what it linked on the device.
std::vector<section> find_fat_sections(bytes file) {
  const auto header = read_elf_header(file);
  if (header.e_shentsize != sizeof(Elf64_Shdr)) throw std::runtime_error("section headers of another size");
  const bytes headers = part(file, header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  const auto section_header = [&](std::uint64_t index) {
    return read<Elf64_Shdr>(headers, index * sizeof(Elf64_Shdr));
  };
  const auto names_header = section_header(header.e_shstrndx);
  const bytes names = part(file, names_header.sh_offset, names_header.sh_size);
  std::vector<section> found;
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto here = section_header(i);
    if (here.sh_type != SHT_PROGBITS) continue;
    const bytes from_name = rest(names, here.sh_name);
    const std::string name(from_name.begin(), std::find(from_name.begin(), from_name.end(), '\0'));
    if (name.find("fatbin") == std::string::npos) continue;
    found.push_back({name, part(file, here.sh_offset, here.sh_size)});
  }
  return found;
}

struct entry {
  std::string architecture;
  std::uint64_t size;
};

/// What follows the header of a fat binary.
std::vector<entry> read_entries(bytes content) {
  constexpr std::uint64_t specific = 1 << 20, family = 1 << 21;  // sm_90a and sm_120f
  constexpr Elf64_Half nvidia_gpu = 190;
  std::vector<entry> entries;
  while (!content.empty()) {
    const bytes header = part(content, 0, read<std::uint32_t>(content, 4));
    const auto kind = read<std::uint16_t>(header, 0);
    const auto size = read<std::uint64_t>(header, 8);
    const auto number = read<std::uint32_t>(header, 28);
    const auto flags = read<std::uint64_t>(header, 40);
    const auto uncompressed_size = read<std::uint64_t>(header, 56);  // 0 if it is not compressed
    if (kind != 1 && kind != 2) throw std::runtime_error("an entry is neither PTX nor machine code");
    const char* const suffix = flags & specific ? "a" : flags & family ? "f" : "";
    const std::string architecture = (kind == 1 ? "compute_" : "sm_") + std::to_string(number) + suffix;
    const bytes payload = part(content, header.size(), size);
    if (payload.empty()) throw std::runtime_error(architecture + " is empty");
    if (kind == 2 && uncompressed_size == 0 && read_elf_header(payload).e_machine != nvidia_gpu) {
      throw std::runtime_error(architecture + " has code of another machine");
    }
    entries.push_back({architecture, size});
    content = content.subspan(header.size() + size);
  }
  return entries;
}

/// The fat binaries of a section, which lie one behind the other.
std::vector<std::vector<entry>> read_fat_binaries(bytes content) {
  std::vector<std::vector<entry>> found;
  while (!content.empty()) {
    const auto magic = read<std::uint32_t>(content, 0);
    const auto version = read<std::uint16_t>(content, 4);
    const auto header_size = read<std::uint16_t>(content, 6);
    const auto size = read<std::uint64_t>(content, 8);
    if (magic != 0xBA55ED50 || version != 1) throw std::runtime_error("not a fat binary of version 1");
    if (header_size < 16) throw std::runtime_error("the header of a fat binary is too short");
    found.push_back(read_entries(part(rest(content, header_size), 0, size)));
    content = content.subspan(header_size + size);
  }
  return found;
}

/// Prints what is there; true if it is what is expected.
bool check(bytes file, const std::set<std::string>& expected) {
  bool complete = false, nothing_else = true;
  for (const section& s : find_fat_sections(file)) {
    for (const auto& entries : read_fat_binaries(s.content)) {
      std::printf("fat binary in %s\n", s.name.c_str());
      std::set<std::string> missing = expected;
      for (const entry& e : entries) {
        const bool is_expected = expected.count(e.architecture) != 0;
        std::printf("  %-12s %9llu bytes%s\n", e.architecture.c_str(), static_cast<unsigned long long>(e.size),
                    is_expected ? "" : "  NOT EXPECTED");
        nothing_else = nothing_else && is_expected;
        missing.erase(e.architecture);
      }
      for (const std::string& architecture : missing) std::printf("  %-12s not there\n", architecture.c_str());
      complete = complete || missing.empty();
    }
  }
  if (!complete) std::printf("no fat binary has all that is expected\n");
  return complete && nothing_else;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s LIBRARY ARCHITECTURE...\n", argv[0]);
    return 2;
  }
  try {
    std::ifstream stream(argv[1], std::ios::binary);
    if (!stream) throw std::runtime_error("cannot be opened");
    const std::vector<char> file{std::istreambuf_iterator<char>(stream), {}};
    return check(file, {argv + 2, argv + argc}) ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[1], e.what());
    return 1;
  }
}
