// SPDX-License-Identifier: MIT
#include <iostream>

#include "commands.h"
#include "error.h"
#include "library.h"

namespace {

enum ExitStatus { success = 0, bad_input = 1, usage = 2, interrupted = 130 };

int complain(const std::string& what, ExitStatus status) {
  std::cerr << "eplb: " << what << '\n';
  return status;
}

int complain_about_usage(const CLI::App& app, const std::string& what) {
  const auto used = app.get_subcommands();
  complain(what, usage);
  std::cerr << "Try 'eplb " << (used.empty() ? "" : used.front()->get_name() + " ") << "--help'.\n";
  return usage;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): without the memory for its options it can but end
int main(int argc, char** argv) {
  using namespace eplb::cli;
  std::ios::sync_with_stdio(false);

  CLI::App app("Plans which gpu holds which expert of a Mixture-of-Experts model, so that no gpu waits for another.",
               "eplb");
  app.set_version_flag("--version", "eplb " + library_version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(42);
  app.footer(
      "Example:\n"
      "  eplb generate --shape deepseek-v3 --kind real --output loads.npy\n"
      "  eplb plan loads.npy --slots 288 --gpus 32\n"
      "Exit status: 0 done, 1 bad input, 2 wrong usage, 130 cancelled with Ctrl-C.");
  add_plan(app);
  add_pack(app);
  add_score(app);
  add_compare(app);
  add_generate(app);
  add_info(app);

  try {
    app.parse(argc, argv);
    return success;
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return complain_about_usage(app, error.what());
  } catch (const UsageError& error) {
    return complain_about_usage(app, error.what());
  } catch (const Cancelled& error) {
    return complain(error.what(), interrupted);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", bad_input);
  } catch (const std::exception& error) {
    return complain(error.what(), bad_input);
  }
}
