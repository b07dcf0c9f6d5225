// SPDX-License-Identifier: MIT
// Loads that balancers are known to stumble over.
#include <algorithm>

#include "error.h"
#include "synthetic_loads.h"

namespace eplb::cli {
namespace {

/// What a maker may look at.
struct Layer {
  std::int64_t index;
  std::int64_t sample;
  std::int64_t layers, experts, groups, topk;
  std::int64_t total;  ///< tokens * topk
  Random random;       ///< The same in every sample.

  std::size_t any_expert() { return random.below(static_cast<std::uint64_t>(experts)); }
};

struct Adversary {
  const char* name;
  const char* what;
  /// Sets the load, which is all 0.
  void (*make)(Load& load, Layer& layer);
};

void fill(Load& load, std::int64_t value) { std::fill(load.begin(), load.end(), value); }

/// Expert e gets value(e).
template <class Value>
void each(Load& load, Value value) {
  for (std::size_t e = 0; e < load.size(); ++e) load[e] = value(static_cast<std::int64_t>(e));
}

void statistical(Load& load, const Layer& layer, const std::string& kind, Random& random) {
  load = apportion(statistical_weights(kind, load.size(), random), layer.total, layer.total / layer.topk);
}

/// Two jobs each of 2m-1 down to m+1, and three of m, on m machines: heaviest first is at its worst (Graham
/// 1969).
void graham(Load& load, Layer& layer) {
  const std::int64_t machines = std::max<std::int64_t>(2, (layer.experts - 1) / 2);
  std::vector<std::int64_t> jobs(3, machines);
  for (std::int64_t size = machines + 1; size < 2 * machines; ++size) jobs.insert(jobs.end(), 2, size);
  each(load, [&](std::int64_t e) { return 1000 * jobs[static_cast<std::size_t>(e) % jobs.size()]; });
  shuffle(load, layer.random);
}

void geometric(Load& load, Layer&) {
  double size = 1e9;
  for (std::int64_t& value : load) {
    value = std::max<std::int64_t>(1, std::llround(size));
    size *= 0.9;
  }
}

void group_hot(Load& load, Layer& layer) {
  // Without groups, half of the experts take the part of one.
  const std::int64_t size = std::max<std::int64_t>(1, layer.experts / std::max<std::int64_t>(layer.groups, 2));
  const std::int64_t hot = layer.index % std::max<std::int64_t>(1, layer.experts / size);
  each(load, [&](std::int64_t e) { return e / size == hot ? 1000 : 1; });
}

void batch1(Load& load, Layer& layer) {
  std::fill(load.begin(), load.begin() + layer.topk, 1);
  shuffle(load, layer.random);
}

constexpr Adversary adversaries[] = {
    {"all_zero", "no load at all", [](Load&, Layer&) {}},
    {"all_one", "one token for each expert", [](Load& load, Layer&) { fill(load, 1); }},
    {"all_equal", "the same odd number for each expert", [](Load& load, Layer&) { fill(load, 123457); }},
    {"one_expert", "one expert has everything, another in each layer",
     [](Load& load, Layer& layer) { load[layer.any_expert()] = layer.total; }},
    {"last_expert", "the last expert has everything", [](Load& load, Layer& layer) { load.back() = layer.total; }},
    {"hot50", "one expert has half of the load",
     [](Load& load, Layer& layer) {
       fill(load, layer.total / 2 / std::max<std::int64_t>(1, layer.experts - 1));
       load[layer.any_expert()] = layer.total / 2;
     }},
    {"hot99", "one expert has 99 % of the load",
     [](Load& load, Layer& layer) {
       fill(load, 1);
       load[layer.any_expert()] = 99 * std::max<std::int64_t>(1, layer.experts - 1);
     }},
    {"half_zero", "the first half of the experts has no load",
     [](Load& load, Layer& layer) {
       each(load, [&](std::int64_t e) {
         return e < layer.experts / 2 ? 0 : 1000 + static_cast<std::int64_t>(layer.random.below(1000));
       });
     }},
    {"zero_layers", "every other layer has no load",
     [](Load& load, Layer& layer) {
       if (layer.index % 2) statistical(load, layer, "lognormal", layer.random);
     }},
    {"bimodal", "half of the experts have ten times the load of the others",
     [](Load& load, Layer& layer) {
       each(load, [](std::int64_t e) { return e % 2 ? 10000 : 1000; });
       shuffle(load, layer.random);
     }},
    {"bimodal100", "an eighth of the experts have a hundred times the load of the others",
     [](Load& load, Layer& layer) {
       each(load, [](std::int64_t e) { return e % 8 ? 1000 : 100000; });
       shuffle(load, layer.random);
     }},
    {"few_values", "1, 2, 3 or 4 tokens: many ties",
     [](Load& load, Layer& layer) {
       each(load, [&](std::int64_t) { return 1 + static_cast<std::int64_t>(layer.random.below(4)); });
     }},
    {"two_equal_hot", "the first two experts tie far above the others",
     [](Load& load, Layer&) { each(load, [](std::int64_t e) { return e < 2 ? 1000 : 10; }); }},
    {"ascending", "1, 2, 3, ...", [](Load& load, Layer&) { each(load, [](std::int64_t e) { return e + 1; }); }},
    {"descending", "..., 3, 2, 1",
     [](Load& load, Layer& layer) { each(load, [&](std::int64_t e) { return layer.experts - e; }); }},
    {"powers", "powers of two up to 2^31",
     [](Load& load, Layer& layer) {
       each(load, [](std::int64_t e) { return std::int64_t{1} << e % 32; });
       shuffle(load, layer.random);
     }},
    {"geometric", "each expert has 0.9 times the load of the one before", geometric},
    {"lpt_worst", "heaviest first is as bad as it can be", graham},
    {"group_hot", "one router group has nearly everything", group_hot},
    {"block_hot", "the hottest experts are neighbours",
     [](Load& load, Layer& layer) {
       statistical(load, layer, "zipf", layer.random);
       std::sort(load.rbegin(), load.rend());
     }},
    {"huge31", "loads above 2^31 and 2^32",
     [](Load& load, Layer& layer) {
       statistical(load, layer, "zipf", layer.random);
       for (std::int64_t& value : load) value <<= 24;
     }},
    {"huge53", "loads that float64 cannot hold exactly",
     [](Load& load, Layer& layer) {
       each(load, [&](std::int64_t) { return static_cast<std::int64_t>(layer.random.bits() >> 9 | 1 | 1ull << 54); });
     }},
    {"huge62", "loads whose sum int64 cannot hold",
     [](Load& load, Layer&) { fill(load, (std::int64_t{1} << 62) - 1); }},
    {"mixed_scale", "1 beside 2^50",
     [](Load& load, Layer& layer) {
       each(load, [&](std::int64_t) { return layer.random.below(10) ? 1 : std::int64_t{1} << 50; });
     }},
    {"batch1", "a single token", batch1},
    {"batch16", "sixteen tokens", nullptr},  // realistic, so not made layer by layer
    {"flip", "the hot half of the experts alternates from sample to sample",
     [](Load& load, Layer& layer) {
       each(load, [&](std::int64_t e) { return (e < layer.experts / 2) == (layer.sample % 2 == 0) ? 10000 : 100; });
     }},
    {"rotate", "the hot expert moves on by one from sample to sample",
     [](Load& load, Layer& layer) {
       fill(load, 100);
       load[static_cast<std::size_t>((layer.index + layer.sample) % layer.experts)] = 100 * layer.experts;
     }},
};

}  // namespace

std::vector<std::pair<std::string, std::string>> known_adversaries() {
  std::vector<std::pair<std::string, std::string>> known;
  for (const Adversary& adversary : adversaries) known.emplace_back(adversary.name, adversary.what);
  return known;
}

std::vector<Load> adversarial_loads(const LoadRequest& request, const std::string& name) {
  const auto* const adversary = std::find_if(std::begin(adversaries), std::end(adversaries),
                                             [&](const Adversary& known) { return name == known.name; });
  if (adversary == std::end(adversaries))
    throw UsageError("--kind: 'adv:" + name + "' is none that 'eplb generate --list' shows");
  if (!adversary->make) {
    LoadRequest few = request;
    few.tokens = 16;
    return realistic_loads(few, "still", 1);
  }
  const ModelShape& shape = request.shape;
  std::vector<Load> loads;
  for (std::int32_t sample = 0; sample < request.samples; ++sample)
    for (std::int32_t index = 0; index < shape.layers; ++index) {
      Layer layer{index,
                  sample,
                  shape.layers,
                  shape.experts,
                  shape.groups,
                  shape.topk,
                  request.tokens * shape.topk,
                  Random(request.seed, request.kind, static_cast<std::uint64_t>(index))};
      adversary->make(loads.emplace_back(static_cast<std::size_t>(shape.experts)), layer);
    }
  return loads;
}

}  // namespace eplb::cli
