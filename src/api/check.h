// SPDX-License-Identifier: MIT
// Is it valid? What the caller hands over, read into what the library works with; and the one way
// an error leaves the library.
#pragma once

#include <eplb/eplb.h>
#include <pthread.h>

#include <cstring>

#include "backend/backend.h"
#include "backend/faults.h"

namespace eplb {

/// Thrown inside the library only.
struct failure {
  eplb_status status;
  char message[sizeof(eplb_error::message)];
};

[[noreturn, gnu::format(printf, 2, 3)]] void fail(eplb_status status, const char* format, ...);

/// More than any struct to come has, so that a size which was never set is seldom taken for one, and little is read
/// behind a struct whose size is wrong.
constexpr std::size_t largest_struct = 1024;

constexpr bool is_struct_size(std::size_t size) { return size >= sizeof(std::uint32_t) && size <= largest_struct; }

/// Turns the exception in flight into a status, and writes the error.
eplb_status report_exception(eplb_error* error);

/// While it lives, the thread is not cancelled: unwinding must not pass through a call.
class uncancellable {
 public:
  uncancellable() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &saved_); }
  ~uncancellable() { pthread_setcancelstate(saved_, nullptr); }
  uncancellable(const uncancellable&) = delete;
  uncancellable& operator=(const uncancellable&) = delete;

 private:
  int saved_;
};

/// Runs a call; whatever it throws becomes a status.
template <class Body>
eplb_status guarded(eplb_error* error, Body body) {
  if (error && !is_struct_size(error->struct_size)) return EPLB_ERROR_STRUCT_SIZE;
  const uncancellable thread;
  try {
    body();
    return EPLB_SUCCESS;
  } catch (...) {
    return report_exception(error);
  }
}

/// The defaults of each public struct, but for struct_size.
template <class T>
T defaults();

/// A public struct as the caller's version of the header has it, in ours: fields that the caller does
/// not have get their defaults; fields that we do not have must be 0.
template <class T>
T read_struct(const T* given, const char* name) {
  if (!given) fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is NULL", name);
  const std::size_t size = given->struct_size;
  if (!is_struct_size(size))
    fail(EPLB_ERROR_STRUCT_SIZE, "%s.struct_size is %zu; it must be %zu to %zu, as its init function sets it", name,
         size, sizeof(std::uint32_t), largest_struct);
  const auto* bytes = reinterpret_cast<const char*>(given);
  for (std::size_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0)
      fail(EPLB_ERROR_STRUCT_SIZE, "%s has a field set at byte %zu that this library, version %d.%d, does not know",
           name, i, EPLB_VERSION_MAJOR, EPLB_VERSION_MINOR);
  T out = defaults<T>();
  std::memcpy(static_cast<void*>(&out), bytes, size < sizeof(T) ? size : sizeof(T));
  return out;
}

/// Gives back a struct that is read and written.
template <class T>
void write_struct(T* to, const T& from) {
  std::memcpy(static_cast<void*>(to), &from, to->struct_size < sizeof(T) ? to->struct_size : sizeof(T));
}

void check_range(const char* name, std::int64_t value, std::int64_t least, std::int64_t most);
void check_multiple(const char* name, int value, const char* of_name, int of);

/// A value in [0, count) of an enumeration.
void check_enum(const char* name, std::int32_t value, std::int32_t count);

/// A buffer with `needed` elements. One that is NULL has no elements.
void check_buffer(const char* name, const void* data, std::size_t count, std::size_t needed, std::size_t element_size);

/// The host memory that a context or a call lives in.
struct host_allocator {
  eplb_alloc_fn alloc;
  eplb_free_fn free;
  void* user;

  void* take(std::size_t size) const;
  void give_back(void* block) const;
};

/// Options and shape, checked and settled.
struct settled_options {
  plan_spec spec;
  std::int32_t strategy, policy;  // what auto became
  const backend* where;
  host_allocator memory;
  eplb_log_fn log_fn;
  eplb_progress_fn progress_fn;
  std::int32_t log_level;
  int idle_threads;  // asked for, but without work
  std::size_t workspace_bytes;
  void* user;
};

/// Layers, experts, slots and gpus; no more is needed to judge a placement.
plan_shape check_extents(const eplb_shape& shape);
cluster_view check_gpus(const eplb_shape& shape);
/// `once`: the only input there will be; null: not known.
settled_options settle(const eplb_shape* shape, const eplb_options* options, const eplb_input* once = nullptr);

scalar check_map_type(const char* name, std::int32_t type);
void check_memory(const char* name, std::int32_t given, memory_kind expected);
load_view check_input(const eplb_input& input, const plan_shape& shape, int max_samples, memory_kind memory);
current_view check_current(const eplb_input& input, const plan_shape& shape);
maps_view check_maps(const eplb_maps& maps, const plan_shape& shape, memory_kind memory);
placement_stats check_stats(const eplb_stats& stats, const plan_shape& shape);
void write_stats(eplb_stats* to, eplb_stats given, const placement_stats& from);

std::size_t size_of(scalar type);

}  // namespace eplb
