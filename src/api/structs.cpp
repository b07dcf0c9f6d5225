// SPDX-License-Identifier: MIT
// The defaults of the public structs, and when one can be read.
#include "api/structs.h"

#include "api/error.h"

namespace eplb {

void check_struct(const void* given, std::size_t size, std::size_t known, const char* name) {
  if (!given) fail(EPLB_ERROR_INVALID_ARGUMENT, "%s is NULL", name);
  if (!is_struct_size(size))
    fail(EPLB_ERROR_STRUCT_SIZE, "%s.struct_size is %zu; it must be %zu to %zu, as its init function sets it", name,
         size, sizeof(std::uint32_t), largest_struct);
  const auto* const bytes = static_cast<const char*>(given);
  for (std::size_t i = known; i < size; ++i)
    if (bytes[i] != 0)
      fail(EPLB_ERROR_STRUCT_SIZE, "%s has a field set at byte %zu that this library, version %d.%d, does not know",
           name, i, EPLB_VERSION_MAJOR, EPLB_VERSION_MINOR);
}

template <>
eplb_error defaults<eplb_error>() {
  return {};
}
template <>
eplb_shape defaults<eplb_shape>() {
  eplb_shape out{};
  out.num_groups = out.num_nodes = 1;
  return out;
}
template <>
eplb_options defaults<eplb_options>() {
  eplb_options out{};
  out.device = -1;
  out.num_threads = out.max_samples = 1;
  out.log_level = EPLB_LOG_INFO;
  return out;
}
template <>
eplb_input defaults<eplb_input>() {
  eplb_input out{};
  out.num_samples = 1;
  out.current_type = EPLB_TYPE_INT32;
  out.max_changes_per_layer = -1;
  out.max_changes = -1;
  return out;
}
template <>
eplb_maps defaults<eplb_maps>() {
  eplb_maps out{};
  out.type = EPLB_TYPE_INT32;
  return out;
}
template <>
eplb_stats defaults<eplb_stats>() {
  return {};
}
template <>
eplb_packing defaults<eplb_packing>() {
  eplb_packing out{};
  out.type = EPLB_TYPE_INT32;
  return out;
}

}  // namespace eplb
