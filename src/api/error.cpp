// SPDX-License-Identifier: MIT
// Every exception as a status and a sentence.
#include "api/error.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <exception>
#include <new>
#include <system_error>

#include "backend/faults.h"
#include "core/loads.h"

namespace eplb {
namespace {

/// Never leaves the library.
struct failure {
  eplb_status status;
  char message[sizeof(eplb_error::message)];
};

[[gnu::format(printf, 2, 0)]] failure format_failure(eplb_status status, const char* format, std::va_list values) {
  failure out{status, {}};
  std::vsnprintf(out.message, sizeof out.message, format, values);
  return out;
}

[[gnu::format(printf, 2, 3)]] failure make_failure(eplb_status status, const char* format, ...) {
  std::va_list values;
  va_start(values, format);
  const failure out = format_failure(status, format, values);
  va_end(values);
  return out;
}

failure describe_load(const plan_fault& fault) {
  if (fault.is_real ? is_load(fault.real()) : is_load(fault.integer()))
    return make_failure(EPLB_ERROR_INTERNAL, "what is planned from changed while it was read");
  char value[32];
  if (const double x = fault.real(); fault.is_real)
    std::snprintf(value, sizeof value, "%.9g", x == x ? x : __builtin_nan(""));  // its sign differs between machines
  else
    std::snprintf(value, sizeof value, "%lld", static_cast<long long>(fault.integer()));
  return make_failure(EPLB_ERROR_INVALID_LOAD,
                      "the load of sample %u, layer %u, expert %u is %s; it must be finite in float32 and not negative",
                      fault.sample, fault.layer, fault.at, value);
}

failure describe_current(const plan_fault& fault) {
  const auto value = static_cast<long long>(fault.integer());
  switch (fault.why) {
    case current_fault::value:
      return make_failure(EPLB_ERROR_INVALID_PLACEMENT,
                          "input.current of layer %u, slot %u is %lld; it must be an expert, or -1 for none",
                          fault.layer, fault.at, value);
    case current_fault::groups:
      return make_failure(
          EPLB_ERROR_INVALID_PLACEMENT,
          "input.current of layer %u does not have each group on one node: to bring them there takes %lld "
          "change%s, more than max_changes_per_layer; allow them, or plan with policy global",
          fault.layer, value, plural(value));
    case current_fault::changes:
    case current_fault::none:
      break;
  }
  return make_failure(EPLB_ERROR_INVALID_PLACEMENT,
                      "input.current of layer %u has slots to fill or experts without one: that takes %lld change%s, "
                      "more than max_changes_per_layer",
                      fault.layer, value, plural(value));
}

failure describe_budget(const plan_fault& fault) {
  const auto changes = static_cast<long long>(fault.integer());
  if (fault.why == current_fault::groups)
    return make_failure(EPLB_ERROR_INVALID_PLACEMENT,
                        "input.current does not have each group on one node: to bring them there takes %lld change%s "
                        "over all layers, more than max_changes; allow them, or plan with policy global",
                        changes, plural(changes));
  return make_failure(EPLB_ERROR_INVALID_PLACEMENT,
                      "input.current has slots to fill or experts without one: that takes %lld change%s over all "
                      "layers, more than max_changes",
                      changes, plural(changes));
}

failure describe(const plan_fault& fault) {
  switch (fault.kind) {
    case fault_kind::none:
      break;
    case fault_kind::load:
      return describe_load(fault);
    case fault_kind::total:
      return make_failure(EPLB_ERROR_INVALID_LOAD,
                          "the loads of layer %u, over all samples, add up to more than float32 holds", fault.layer);
    case fault_kind::current:
      return describe_current(fault);
    case fault_kind::budget:
      return describe_budget(fault);
    case fault_kind::inverse:
      return make_failure(EPLB_ERROR_BUFFER_TOO_SMALL,
                          "maps.max_replicas is %u; an expert of the plan has %lld replicas", fault.at,
                          static_cast<long long>(fault.integer()));
  }
  return make_failure(EPLB_ERROR_INTERNAL, "a fault without a kind");
}

/// What was caught, described.
failure describe_caught() {
  try {
    throw;
  } catch (const failure& known) {
    return known;
  } catch (const plan_fault& fault) {
    return describe(fault);
  } catch (const unavailable& what) {
    return make_failure(EPLB_ERROR_UNAVAILABLE, "%s", what.why);
  } catch (const bad_workspace& given) {
    return make_failure(EPLB_ERROR_INVALID_ARGUMENT, "workspace %s", given.why);
  } catch (const out_of_cuda_memory& wanted) {
    return make_failure(EPLB_ERROR_OUT_OF_MEMORY, "%zu bytes of memory of CUDA device %d could not be allocated",
                        wanted.bytes, wanted.device);
  } catch (const cuda_error& error) {
    return make_failure(EPLB_ERROR_CUDA, "%s: %s (%s)", error.call, error.text, error.name);
  } catch (const cancelled&) {
    return {EPLB_ERROR_CANCELLED, "the progress callback asked to stop"};
  } catch (const std::bad_alloc&) {
    return {EPLB_ERROR_OUT_OF_MEMORY, "memory could not be allocated"};
  } catch (const std::system_error& no_thread) {
    return make_failure(EPLB_ERROR_OUT_OF_MEMORY, "a thread could not be started: %s", no_thread.what());
  } catch (const std::exception& other) {
    return make_failure(EPLB_ERROR_INTERNAL, "%s", other.what());
  } catch (...) {
    return {EPLB_ERROR_INTERNAL, "an exception of unknown type, perhaps from a callback"};
  }
}

}  // namespace

void fail(eplb_status status, const char* format, ...) {
  std::va_list values;
  va_start(values, format);
  const failure out = format_failure(status, format, values);
  va_end(values);
  throw out;
}

eplb_status report_exception(eplb_error* error) {
  const failure caught = describe_caught();
  constexpr std::size_t head = offsetof(eplb_error, message);
  if (error && error->struct_size >= head) {
    error->status = caught.status;
    const std::size_t room = std::min(error->struct_size - head, sizeof error->message);
    std::snprintf(error->message, room, "%s", caught.message);
  }
  return caught.status;
}

}  // namespace eplb
