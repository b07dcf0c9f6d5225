// SPDX-License-Identifier: MIT
// Shapes and options of any values and any struct_size: told what memory they need, and made a context of.
#include "drawn.h"

using namespace eplb::fuzz;

namespace {

constexpr std::size_t most_bytes = 1 << 20;

/// An allocator that has little, and knows what it gave.
struct little_memory {
  std::size_t asked = 0;
  int blocks = 0;

  static void* EPLB_CALL take(void* user, std::size_t size) {
    auto& self = *static_cast<little_memory*>(user);
    PROMISE(self.asked == 0);  // all in one piece
    self.asked = size;
    if (size > most_bytes) return nullptr;
    ++self.blocks;
    return std::malloc(size);
  }
  static void EPLB_CALL give_back(void* user, void* block) {
    --static_cast<little_memory*>(user)->blocks;
    std::free(block);
  }
};

/// A struct as a caller with another version of the header has it: on the heap, of that size.
template <class Struct>
class other_version {
 public:
  other_version(const Struct& own, std::size_t size, char tail) : bytes_(size, 0) {
    std::memcpy(bytes_.data(), &own, std::min(size, sizeof own));
    if (size > sizeof own) bytes_.back() = tail;
    const auto struct_size = static_cast<std::uint32_t>(size);
    std::memcpy(bytes_.data(), &struct_size, sizeof struct_size);
  }
  const Struct* get() const { return reinterpret_cast<const Struct*>(bytes_.data()); }

 private:
  std::vector<char> bytes_;
};

/// What a library that is of that version makes of it: fields that it does not have are at their defaults.
template <class Struct>
Struct without_tail(Struct own, const Struct& standard, std::size_t size) {
  if (size < sizeof own)
    std::memcpy(reinterpret_cast<char*>(&own) + size, reinterpret_cast<const char*>(&standard) + size,
                sizeof own - size);
  own.struct_size = sizeof own;
  return own;
}

struct answer {
  std::size_t host = 0, cuda = 0;
  eplb_status status;

  answer(const eplb_shape* shape, const eplb_options* options)
      : status(checked([&](eplb_error* error) { return eplb_memory_needed(shape, options, &host, &cuda, error); })) {
    PROMISE(status == EPLB_SUCCESS ? host > 0 : host == 0 && cuda == 0);
    PROMISE(host < std::size_t{1} << 60 && cuda < std::size_t{1} << 60);  // no product has wrapped around
  }
  bool operator==(const answer&) const = default;
};

void create(const eplb_shape& shape, eplb_options options) {
  if (options.num_threads < 1 || options.num_threads > 2) options.num_threads = 2;
  little_memory memory;
  options.alloc_fn = little_memory::take;
  options.free_fn = little_memory::give_back;
  options.user = &memory;
  options.log_fn = [](void*, std::int32_t level, const char* line) {
    PROMISE(level > EPLB_LOG_NONE && level <= EPLB_LOG_DEBUG && line[0] != 0);
  };
  const answer needed(&shape, &options);
  eplb_context* context = nullptr;
  const eplb_status status = checked([&](eplb_error* error) { return eplb_create(&shape, &options, &context, error); });
  PROMISE((status == EPLB_SUCCESS) == (context != nullptr));
  if (eplb_context_backend(context) != EPLB_BACKEND_CUDA && status != EPLB_ERROR_UNAVAILABLE) {
    PROMISE(memory.asked == needed.host);
    const eplb_status expected = needed.status               ? needed.status
                                 : memory.asked > most_bytes ? EPLB_ERROR_OUT_OF_MEMORY
                                                             : EPLB_SUCCESS;
    PROMISE(status == expected);
  }
  eplb_destroy(context);
  PROMISE(memory.blocks == 0);
}

/// An error of any size is filled as far as it goes.
void check_error(const eplb_shape& shape, const eplb_options& options, std::size_t size, eplb_status expected) {
  std::vector<char> room(size);
  auto* const error = reinterpret_cast<eplb_error*>(room.data());
  error->struct_size = static_cast<std::uint32_t>(size);
  PROMISE(eplb_memory_needed(&shape, &options, nullptr, nullptr, error) == expected);
  PROMISE(expected == EPLB_SUCCESS || error->status == expected);
  constexpr std::size_t head = offsetof(eplb_error, message);
  PROMISE(std::memchr(error->message, 0, std::min(size - head, sizeof error->message)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  drawn_shape drawn(in);
  if (in.one_in(64)) drawn.shape.reserved = in.raw<std::int32_t>();
  eplb_options options = draw_options(in);
  options.backend = in.one_in(8) ? in.mostly<std::int32_t>(0, EPLB_BACKEND_CUDA) : EPLB_BACKEND_CPU;
  options.memory = in.one_in(8) ? in.mostly<std::int32_t>(0, EPLB_MEMORY_CUDA) : EPLB_MEMORY_HOST;
  options.device = in.one_in(8) ? in.raw<std::int32_t>() : -1;
  const answer needed(&drawn.shape, &options);
  PROMISE(needed == answer(&drawn.shape, &options));
  create(drawn.shape, options);

  check_error(drawn.shape, options, index(in.between(4, 255)) * 4, needed.status);

  // The same from a program with another version of the header.
  const std::size_t shape_size = index(in.between(4, 160)), options_size = index(in.between(4, 255));
  const char tail = in.one_in(4) ? 1 : 0;
  const other_version<eplb_shape> shape_there(drawn.shape, shape_size, tail);
  const other_version<eplb_options> options_there(options, options_size, tail);
  const answer there(shape_there.get(), options_there.get());
  if (tail && (shape_size > sizeof(eplb_shape) || options_size > sizeof(eplb_options))) {
    PROMISE(there.status == EPLB_ERROR_STRUCT_SIZE);
  } else {
    const eplb_shape shape_here = without_tail(drawn.shape, defaults(eplb_shape_init), shape_size);
    const eplb_options options_here = without_tail(options, defaults(eplb_options_init), options_size);
    PROMISE(there == answer(&shape_here, &options_here));
  }
  return 0;
}
