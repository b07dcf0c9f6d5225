// SPDX-License-Identifier: MIT
// What the library says of itself: version, statuses, strategies, backends and devices; and structs with its defaults.
#include "api/check.h"
#include "api/error.h"
#include "api/presets.h"

namespace eplb {
namespace {

struct status_text {
  const char* name;
  const char* sentence;
};

constexpr status_text statuses[] = {
    {"EPLB_SUCCESS", "The call did what it was asked."},
    {"EPLB_NOT_READY", "Work on a stream has not finished yet."},
    {"EPLB_ERROR_INVALID_ARGUMENT", "An argument is NULL, impossible or unknown."},
    {"EPLB_ERROR_INVALID_LOAD", "A load is NaN, infinite or negative, or a layer's total overflows."},
    {"EPLB_ERROR_INVALID_PLACEMENT", "A placement is not valid for its shape."},
    {"EPLB_ERROR_INVALID_STATE", "The context cannot do this now."},
    {"EPLB_ERROR_STRUCT_SIZE", "A struct was not initialised, or is newer than this library."},
    {"EPLB_ERROR_BUFFER_TOO_SMALL", "A buffer is shorter than its shape."},
    {"EPLB_ERROR_OUT_OF_MEMORY", "Memory or a thread could not be had."},
    {"EPLB_ERROR_UNAVAILABLE", "This is not in this build, or not on this machine."},
    {"EPLB_ERROR_CANCELLED", "The progress callback asked to stop."},
    {"EPLB_ERROR_CUDA", "A CUDA call failed."},
    {"EPLB_ERROR_INTERNAL", "A bug in the library, a callback that threw, or data that changed meanwhile."},
};
constexpr status_text unknown_status{"EPLB_ERROR_UNKNOWN", "A status that this library does not know."};
static_assert(sizeof statuses / sizeof *statuses == EPLB_ERROR_INTERNAL + 1);

const status_text& text_of(eplb_status status) {
  return status >= 0 && status <= EPLB_ERROR_INTERNAL ? statuses[status] : unknown_status;
}

constexpr const char* backend_names[] = {"auto", "cpu", "cuda"};
constexpr std::int32_t backend_count = sizeof backend_names / sizeof *backend_names;

const backend& find_backend(std::int32_t id) { return select_backend(static_cast<backend_id>(id), memory_kind::host); }

/// Fails if the backend cannot be used in this process.
const backend& find_usable_backend(std::int32_t id) {
  const backend& out = find_backend(id);
  if (const char* why = out.why_unavailable()) fail(EPLB_ERROR_UNAVAILABLE, "%s", why);
  return out;
}

template <class T>
eplb_status init(T* to, std::size_t size) {
  if (!to) return EPLB_ERROR_INVALID_ARGUMENT;
  if (!is_struct_size(size)) return EPLB_ERROR_STRUCT_SIZE;
  std::memset(static_cast<void*>(to), 0, size);
  to->struct_size = static_cast<std::uint32_t>(size);
  T out = defaults<T>();
  out.struct_size = to->struct_size;
  write_struct(to, out);
  return EPLB_SUCCESS;
}

}  // namespace
}  // namespace eplb

using namespace eplb;

int32_t eplb_version(void) { return EPLB_VERSION; }

#define EPLB_TEXT_OF(x) #x
#define EPLB_TEXT(x) EPLB_TEXT_OF(x)
#if defined(__clang__)
#define EPLB_COMPILER __VERSION__
#else
#define EPLB_COMPILER "gcc " __VERSION__
#endif

const char* eplb_build_info(void) {
  return "libeplb " EPLB_TEXT(EPLB_VERSION_MAJOR) "." EPLB_TEXT(EPLB_VERSION_MINOR) "." EPLB_TEXT(
      EPLB_VERSION_PATCH) ", built with " EPLB_COMPILER;
}

const char* eplb_status_name(eplb_status status) { return text_of(status).name; }
const char* eplb_status_string(eplb_status status) { return text_of(status).sentence; }

int32_t eplb_strategy_count(void) { return preset_count; }
const char* eplb_strategy_name(int32_t strategy) {
  return strategy >= 0 && strategy < preset_count ? presets[strategy].name : nullptr;
}
int32_t eplb_strategy_from_name(const char* name) {
  for (int32_t strategy = 0; name && strategy < preset_count; ++strategy)
    if (std::strcmp(name, presets[strategy].name) == 0) return strategy;
  return -1;
}
const char* eplb_strategy_description(int32_t strategy) {
  return strategy >= 0 && strategy < preset_count ? presets[strategy].description : nullptr;
}

int32_t eplb_backend_count(void) { return backend_count; }
const char* eplb_backend_name(int32_t backend) {
  return backend >= 0 && backend < backend_count ? backend_names[backend] : nullptr;
}

eplb_status eplb_backend_available(int32_t backend, eplb_error* error) {
  return guarded(error, [&] {
    check_enum("backend", backend, backend_count);
    find_usable_backend(backend);
  });
}

int32_t eplb_device_count(int32_t backend) {
  if (backend <= EPLB_BACKEND_AUTO || backend >= backend_count) return 0;
  const uncancellable thread;
  return find_backend(backend).device_count();
}

eplb_status eplb_device_describe(int32_t backend, int32_t device, char* text, size_t size, eplb_error* error) {
  return guarded(error, [&] {
    check_range("backend", backend, EPLB_BACKEND_CPU, backend_count - 1);
    const eplb::backend& where = find_usable_backend(backend);
    check_range("device", device, 0, where.device_count() - 1);
    if (!text || size == 0) fail(EPLB_ERROR_INVALID_ARGUMENT, "text is NULL or has no room");
    where.describe_device(device, text, size);
  });
}

eplb_status eplb_error_init(eplb_error* error, size_t struct_size) { return init(error, struct_size); }
eplb_status eplb_shape_init(eplb_shape* shape, size_t struct_size) { return init(shape, struct_size); }
eplb_status eplb_options_init(eplb_options* options, size_t struct_size) { return init(options, struct_size); }
eplb_status eplb_input_init(eplb_input* input, size_t struct_size) { return init(input, struct_size); }
eplb_status eplb_maps_init(eplb_maps* maps, size_t struct_size) { return init(maps, struct_size); }
eplb_status eplb_stats_init(eplb_stats* stats, size_t struct_size) { return init(stats, struct_size); }
eplb_status eplb_packing_init(eplb_packing* packing, size_t struct_size) { return init(packing, struct_size); }
