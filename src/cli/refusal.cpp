// SPDX-License-Identifier: MIT
// The library's errors in the words of the command line.
#include "refusal.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace eplb::cli {
namespace {

/// What the library calls a field, and the option that sets it.
struct Field {
  const char *name, *option;
  bool only_if_given = false;  ///< Otherwise it comes from a file, or another option says it.
};

constexpr Field fields[] = {{"num_physical_experts", "--slots", true},
                            {"shape.slots_per_gpu", "--slots-per-gpu", true},
                            {"shape.speed_of_gpu", "--speeds", true},
                            {"shape.node_of_gpu", "--node-of-gpu", true},
                            {"num_gpus", "--gpus"},
                            {"num_nodes", "--nodes"},
                            {"num_groups", "--groups"},
                            {"packing.num_packs", "--packs"},
                            {"search_steps", "--steps"},
                            {"samples", "--samples"},
                            {"objective", "--objective"},
                            {"initial", "--initial"},
                            {"candidates", "--candidates"},
                            {"amplitude", "--amplitude"},
                            {"amplitude_form", "--amplitude-form"},
                            {"swap_scope", "--swap-scope"},
                            {"max_swaps", "--max-swaps"},
                            {"selection", "--selection"},
                            {"policy global", "--policy global"},
                            {"input.current", "--current"},
                            {"input.max_changes_per_layer", "--max-changes"},
                            {"max_changes_per_layer", "--max-changes"},
                            {"input.max_changes", "--max-changes-in-all"},
                            {"max_changes", "--max-changes-in-all"}};

bool has_option(const CLI::App& command, const std::string& words, bool only_if_given) {
  const CLI::Option* const option = command.get_option_no_throw(words.substr(0, words.find(' ')));
  return option && (option->count() > 0 || !only_if_given);
}

/// A word of a sentence, and what is to stand in its place.
struct Replacement {
  std::string word, text;
  bool is_option = false;
};

std::vector<Replacement> replacements(const CLI::App& command, const Refusal& refusal) {
  std::vector<Replacement> all;
  if (refusal.status == EPLB_ERROR_INVALID_PLACEMENT) all.push_back({"input.current", "the placement"});
  for (const Field& field : fields)
    if (has_option(command, field.option, field.only_if_given)) all.push_back({field.name, field.option, true});
  if (has_option(command, "--slots", false) && has_option(command, "--slots-per-gpu", true))
    all.push_back({"num_physical_experts", "the sum of --slots-per-gpu", true});
  all.push_back({"num_physical_experts", "the number of slots in " + refusal.file});
  all.push_back({"num_logical_experts", "the number of experts in " + refusal.file});
  all.push_back({"packing.num_items", "the number of items in " + refusal.file});
  all.push_back({"is NULL", "is not given"});
  return all;
}

bool is_of_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// Whether @p word stands at this place of a sentence, not as a part of a longer one.
bool stands_at(const std::string& sentence, std::size_t at, const std::string& word) {
  const std::size_t end = at + word.size();
  return sentence.compare(at, word.size(), word) == 0 && (at == 0 || !is_of_word(sentence[at - 1])) &&
         (end >= sentence.size() || !is_of_word(sentence[end]));
}

}  // namespace

RefusalInWords in_words_of(const CLI::App& command, const Refusal& refusal) {
  const std::vector<Replacement> all = replacements(command, refusal);
  const std::string& sentence = refusal.sentence;
  RefusalInWords out{refusal.status == EPLB_ERROR_INVALID_PLACEMENT ? refusal.file + ": " : "", false};
  for (std::size_t at = 0; at < sentence.size();) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& entry) { return stands_at(sentence, at, entry.word); });
    const bool is_found = found != all.end();
    out.text += is_found ? found->text : sentence.substr(at, 1);
    out.is_of_options |= is_found && found->is_option;
    at += is_found ? found->word.size() : 1;
  }
  if (!out.is_of_options) out.text = refusal.what();
  return out;
}

}  // namespace eplb::cli
