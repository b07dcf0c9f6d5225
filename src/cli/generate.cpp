// SPDX-License-Identifier: MIT
// eplb generate: loads that are made up.
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "commands.h"
#include "error.h"
#include "options.h"
#include "output.h"
#include "synthetic_loads.h"
#include "table.h"

namespace eplb::cli {
namespace {

struct GenerateCommand {
  bool list = false;
  std::string shape;
  std::int32_t topk = 0;    // 0: as the shape has it
  std::int32_t groups = 0;  // 0: as the shape has it
  LoadRequest request;
  Output output;

  void run();

 private:
  ModelShape requested_shape() const;
};

void print_list_table(std::ostream& out) {
  Table shapes("lrrrrl");
  shapes.row({"shape", "layers", "experts", "top-k", "groups", "deployments (slots/gpus/nodes)"});
  for (const ModelShape& shape : known_shapes()) {
    std::string deployments;
    for (const Deployment& deployment : shape.deployments)
      deployments += (deployments.empty() ? "" : " ") + std::to_string(deployment.slots) + "/" +
                     std::to_string(deployment.gpus) + "/" + std::to_string(deployment.nodes);
    shapes.row({shape.name, std::to_string(shape.layers), std::to_string(shape.experts), std::to_string(shape.topk),
                std::to_string(shape.groups), deployments});
  }
  shapes.print(out);
  out << '\n';
  Table kinds("ll");
  kinds.row({"kind", ""});
  for (const auto& [name, what] : known_kinds()) kinds.row({name, what});
  kinds.print(out);
}

void print_list_json(std::ostream& out) {
  auto shapes = nlohmann::ordered_json::array(), kinds = nlohmann::ordered_json::array();
  for (const ModelShape& shape : known_shapes()) {
    auto deployments = nlohmann::ordered_json::array();
    for (const Deployment& deployment : shape.deployments)
      deployments.push_back({{"name", deployment.name},
                             {"slots", deployment.slots},
                             {"gpus", deployment.gpus},
                             {"nodes", deployment.nodes}});
    shapes.push_back({{"name", shape.name},
                      {"layers", shape.layers},
                      {"experts", shape.experts},
                      {"topk", shape.topk},
                      {"groups", shape.groups},
                      {"deployments", deployments}});
  }
  for (const auto& [name, what] : known_kinds()) kinds.push_back({{"name", name}, {"description", what}});
  JsonObject json(out);
  json.field("shapes", shapes);
  json.field("kinds", kinds);
}

ModelShape GenerateCommand::requested_shape() const {
  ModelShape result = find_shape(shape);
  if (topk) result.topk = topk;
  if (groups) result.groups = groups;
  if (result.topk > result.experts)
    throw UsageError("--topk: " + std::to_string(result.topk) + " experts of a token, but a layer has only " +
                     std::to_string(result.experts));
  if (result.experts % result.groups != 0)
    throw UsageError("--groups: " + std::to_string(result.experts) + " experts cannot be divided into " +
                     std::to_string(result.groups) + " groups");
  return result;
}

void GenerateCommand::run() {
  if (list) {
    output.check({});
    output.write(output.is_table() ? print_list_table : print_list_json);
    return;
  }
  if (shape.empty()) throw UsageError("--shape is required, or --list");
  if (request.kind.empty()) throw UsageError("--kind is required, or --list");
  const LoadFormat format = output.is_stdout() ? LoadFormat::json : load_format(output.path);
  request.shape = requested_shape();
  const Loads loads = synthetic_loads(request);
  output.write([&](std::ostream& out) { write_loads(out, loads, format); });
}

}  // namespace

void add_generate(CLI::App& app) {
  const auto command = std::make_shared<GenerateCommand>();
  LoadRequest& request = command->request;
  CLI::App& generate = *app.add_subcommand("generate", "Make loads, realistic or adversarial, from a seed");
  generate.add_flag("--list", command->list, "show the shapes, their deployments, and the kinds there are");
  generate.add_option("--shape", command->shape, "a name that --list shows, or LAYERSxEXPERTS")->type_name("SHAPE");
  generate.add_option("--kind", request.kind, "one that --list shows, such as real or zipf:1.2")->type_name("KIND");
  add_number(generate, "--samples", request.samples, 1, largest_extent, "loads of all layers to make; default 1")
      ->type_name("S");
  add_number(generate, "--tokens", request.tokens, 1, std::int64_t{1} << 32,
             "tokens in a sample, each to top-k experts; default 131072")
      ->type_name("T");
  add_number(generate, "--topk", command->topk, 1, largest_extent, "experts of a token; default: the shape's, or 8")
      ->type_name("K");
  add_number(generate, "--groups", command->groups, 1, largest_extent, "router groups; default: the shape's, or 1")
      ->type_name("K");
  add_number(generate, "--seed", request.seed, 0, UINT64_MAX, "the same seed makes the same loads; default 0")
      ->type_name("S");
  generate
      .add_option("--output", command->output.path, "FILE.npy, .json or .csv, int64; default, or -: JSON to stdout")
      ->check(file_name())
      ->type_name("FILE");
  generate.add_option("--format", command->output.format, "of --list; default: table on a terminal, json otherwise")
      ->check(CLI::IsMember({"table", "json"}).description(""))
      ->type_name("table|json");
  generate.footer(
      "Every layer of the kinds that are not adv: has tokens * top-k as its total, exactly.\n"
      "Examples:\n"
      "  eplb generate --list\n"
      "  eplb generate --shape deepseek-v3 --kind real --samples 12 --output loads.npy\n"
      "  eplb generate --shape 4x16 --topk 2 --kind zipf:1.2 --seed 7 | eplb plan - --slots 20 --gpus 4");
  generate.callback([command] { command->run(); });
}

}  // namespace eplb::cli
