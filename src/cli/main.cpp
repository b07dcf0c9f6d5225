// SPDX-License-Identifier: MIT
// The command line: which command, and how it ends.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string_view>

#include "commands.h"
#include "error.h"
#include "library.h"
#include "output.h"
#include "refusal.h"

namespace eplb::cli {
namespace {

enum ExitStatus { success = 0, bad_input = 1, usage = 2, interrupted = 130 };

/// Length of the character that is complete, in UTF-8 and may be shown at the front of a text; 0 if there is none.
std::size_t printable_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return byte(0) >= 0x20 && byte(0) != 0x7f ? 1 : 0;
  const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return byte(0) == 0xc2 && byte(1) < 0xa0 ? 0 : length;  // control characters again
}

/// The text with all that is not to reach a terminal, such as escape sequences, as \x1b.
std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = printable_length(text);
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(text[0]));
    out += length > 0 ? text.substr(0, length) : code;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

/// What a message quotes, from a file or the command line, may be anything and of any length.
std::string fit_to_print(const std::string& message) {
  constexpr std::size_t most = 800, end = 300;
  const std::string text = escaped(message);
  return text.size() <= most ? text
                             : escaped(text.substr(0, most - end)) + " ... " + escaped(text.substr(text.size() - end));
}

int complain(const std::string& what, ExitStatus status) {
  std::cerr << "eplb: " << fit_to_print(what) << '\n';
  return status;
}

const CLI::App& used_command(const CLI::App& app) {
  const auto used = app.get_subcommands();
  return used.empty() ? app : *used.front();
}

int complain_about_usage(const CLI::App& app, const std::string& what) {
  const CLI::App& used = used_command(app);
  complain(what, usage);
  std::cerr << "Try 'eplb " << (&used == &app ? "" : used.get_name() + " ") << "--help'.\n";
  return usage;
}

/// The first argument that no command or option takes, as a sentence; empty if there is none.
std::string unknown_argument(const CLI::App& app) {
  for (const std::string& argument : app.remaining(true)) {
    if (argument == "--") continue;
    if (argument.starts_with('-')) return "there is no option " + argument.substr(0, argument.find('='));
    return app.get_subcommands().empty() ? "there is no command '" + argument + "'"
                                         : "'" + argument + "' is one argument too many";
  }
  return "";
}

int complain_about(const CLI::App& app, const Refusal& refusal) {
  const RefusalInWords words = in_words_of(used_command(app), refusal);
  return words.is_of_options ? complain_about_usage(app, words.text) : complain(words.text, bad_input);
}

/// Does what the arguments say, or throws what is wrong with them, or what they ask to be shown.
void run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    Output().write([&](std::ostream& out) { app.exit(help_or_version, out); });
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string what = error.what(), option = what.substr(0, what.find(':'));
    const bool is_twice = used_command(app).count(option) > 1;
    throw UsageError(option + (is_twice ? " is given more than once" : " is given without a value"));
  } catch (const std::exception&) {
    // It may be a consequence: of --gpu 8 all that CLI11 says is that --gpus is required.
    const std::string unknown = unknown_argument(app);
    if (!unknown.empty()) throw UsageError(unknown);
    throw;
  }
}

}  // namespace
}  // namespace eplb::cli

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
    run(app, argc, argv);
    return success;
  } catch (const CLI::ParseError& error) {
    return complain_about_usage(app, error.what());
  } catch (const UsageError& error) {
    return complain_about_usage(app, error.what());
  } catch (const Refusal& refusal) {
    return complain_about(app, refusal);
  } catch (const Cancelled& error) {
    return complain(error.what(), interrupted);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", bad_input);
  } catch (const std::exception& error) {
    return complain(error.what(), bad_input);
  }
}
