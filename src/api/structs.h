// SPDX-License-Identifier: MIT
// Public structs of any version: how they are read and written, what their size may be, and their defaults.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace eplb {

/// Larger than any struct will become. Above it, a size is taken for one that was never set, and so little is read
/// beyond a struct whose size is wrong.
constexpr std::size_t largest_struct = 1024;

constexpr bool is_struct_size(std::size_t size) { return size >= sizeof(std::uint32_t) && size <= largest_struct; }

/// The defaults of each public struct, but for struct_size.
template <class T>
T defaults();

/// Fails if a struct is NULL, if its size cannot be, or if a byte is set beyond the `known` first ones.
void check_struct(const void* given, std::size_t size, std::size_t known, const char* name);

/// A public struct as the caller's version of the header has it, in ours: fields that the caller does
/// not have get their defaults; fields that we do not have must be 0.
template <class T>
T read_struct(const T* given, const char* name) {
  const std::size_t size = given ? given->struct_size : 0;
  check_struct(given, size, sizeof(T), name);
  T out = defaults<T>();
  std::memcpy(static_cast<void*>(&out), given, std::min(size, sizeof(T)));
  return out;
}

/// Writes those fields that the caller's version of the struct has.
template <class T>
void write_struct(T* to, const T& from) {
  std::memcpy(static_cast<void*>(to), &from, std::min(std::size_t{to->struct_size}, sizeof(T)));
}

}  // namespace eplb
