// SPDX-License-Identifier: MIT
// The options of `eplb plan` that become a shape and options of the library, on one line as a shell has them.
#include "cli/error.h"
#include "cli/options.h"

#include "target.h"

using namespace eplb;
using namespace eplb::fuzz;

namespace {

/// What the command asks the library for; whatever that is, it is answered with a status and a sentence.
void check_answer(const eplb_shape& shape, const eplb_options& options) {
  eplb_error error;
  PROMISE(eplb_error_init(&error, sizeof error) == EPLB_SUCCESS);
  std::size_t host = 0, cuda = 0;
  const eplb_status status = eplb_memory_needed(&shape, &options, &host, &cuda, &error);
  PROMISE(status == error.status);
  PROMISE((status == EPLB_SUCCESS) == (host > 0) && (status == EPLB_SUCCESS) == (error.message[0] == 0));
}

template <class T>
void check_array(const T* values, std::size_t count) {
  PROMISE(count <= 65535 && (values || count == 0));
  std::size_t same = 0;
  for (std::size_t i = 0; i < count; ++i) same += values[i] == values[0] ? 1 : 0;  // all can be read
  PROMISE(same <= count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string line(data, data + size);
  CLI::App app;
  eplb_shape shape = cli::defaults(eplb_shape_init);
  cli::Planning planning;
  cli::Output output;
  std::string file;
  cli::LoadMeaning meaning;
  cli::add_load_argument(app, file);
  cli::add_axes_option(app, meaning);
  cli::add_layer_options(app, meaning);
  cli::add_shape_options(app, shape);
  cli::add_strategy_option(app, planning.options.strategy);
  cli::add_placing_options(app, planning);
  cli::add_packing_options(app, planning);
  cli::add_output_options(app, output, {"table", "json"});
  try {
    app.parse(line);
    cli::complete_slots(app, shape);
  } catch (const CLI::ParseError& error) {
    PROMISE(error.get_exit_code() == 0 || error.what()[0] != 0);
    return 0;
  } catch (const cli::UsageError& error) {
    PROMISE(error.what()[0] != 0);
    return 0;
  }
  PROMISE(!file.empty() && planning.repeat > 0);
  PROMISE(meaning.axes[0] + meaning.axes[1] + meaning.axes[2] == 3 && meaning.layer_step > 0);
  for (const std::int32_t layer : meaning.layer_numbers) PROMISE(layer >= 0);
  check_array(shape.slots_per_gpu, shape.slots_per_gpu_count);
  check_array(shape.speed_of_gpu, shape.speed_of_gpu_count);
  check_array(shape.node_of_gpu, shape.node_of_gpu_count);
  shape.num_layers = 3;
  shape.num_logical_experts = 16;
  check_answer(shape, planning.options);
  return 0;
}
