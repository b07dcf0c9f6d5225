// SPDX-License-Identifier: MIT
// eplb info: this build, its strategies and devices.
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "commands.h"
#include "library.h"
#include "options.h"
#include "output.h"
#include "table.h"

namespace eplb::cli {
namespace {

/// Why a backend cannot be used; empty if it can.
std::string why_unavailable(std::int32_t backend) {
  auto error = defaults(eplb_error_init);
  if (eplb_backend_available(backend, &error) == EPLB_SUCCESS) return "";
  return error.message[0] ? error.message : eplb_status_string(error.status);
}

/// One line for each device of a backend.
std::vector<std::string> devices(std::int32_t backend) {
  std::vector<std::string> lines;
  char text[256];
  for (std::int32_t device = 0; device < eplb_device_count(backend); ++device)
    if (eplb_device_describe(backend, device, text, sizeof text, nullptr) == EPLB_SUCCESS) lines.emplace_back(text);
  return lines;
}

void print_json(std::ostream& out) {
  auto backends = nlohmann::ordered_json::array(), strategies = nlohmann::ordered_json::array();
  for (std::int32_t backend = 0; backend < eplb_backend_count(); ++backend) {
    const std::string reason = why_unavailable(backend);
    backends.push_back({{"name", eplb_backend_name(backend)}, {"available", reason.empty()}});
    if (!reason.empty()) backends.back()["reason"] = reason;
    backends.back()["devices"] = devices(backend);
  }
  for (std::int32_t strategy = 0; strategy < eplb_strategy_count(); ++strategy)
    strategies.push_back(
        {{"name", eplb_strategy_name(strategy)}, {"description", eplb_strategy_description(strategy)}});
  JsonObject json(out);
  json.field("version", library_version());
  json.field("build", eplb_build_info());
  json.field("backends", backends);
  json.field("strategies", strategies);
}

void print_table(std::ostream& out) {
  out << eplb_build_info() << "\n\n";
  Table backends("ll");
  backends.row({"backend", ""});
  for (std::int32_t backend = 0; backend < eplb_backend_count(); ++backend) {
    const std::string reason = why_unavailable(backend);
    backends.row({eplb_backend_name(backend), reason.empty() ? "available" : "not available: " + reason});
    for (const std::string& device : devices(backend)) backends.row({"", "device: " + device});
  }
  backends.print(out);
  out << '\n';
  Table strategies("ll");
  strategies.row({"strategy", ""});
  for (std::int32_t strategy = 0; strategy < eplb_strategy_count(); ++strategy)
    strategies.row({eplb_strategy_name(strategy), eplb_strategy_description(strategy)});
  strategies.print(out);
}

}  // namespace

void add_info(CLI::App& app) {
  const auto output = std::make_shared<Output>();
  CLI::App& info = *app.add_subcommand("info", "Show version, build, backends, devices and strategies");
  add_output_options(info, *output, {"table", "json"});
  info.footer("Example:\n  eplb info --format json");
  info.callback([output] { output->write(output->is_table() ? print_table : print_json); });
}

}  // namespace eplb::cli
