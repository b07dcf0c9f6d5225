// SPDX-License-Identifier: MIT
// A model of the loads that engines record: an expert's share of the tokens is near lognormal, with another
// width above the median than below; experts of a router group have something in common; neighbouring layers
// are alike; and from sample to sample the text moves between domains, each with favourites of its own.
#include <algorithm>
#include <numeric>

#include "error.h"
#include "synthetic_loads.h"

namespace eplb::cli {
namespace {

/// How the mixture of domains moves from sample to sample. Weights of domains are logarithms.
struct Drift {
  const char* name;
  const char* what;
  int domains;
  double spread;  ///< Deviation of the weights of the domains.
  double step;    ///< Deviation of a weight's movement in one sample.
  double memory;  ///< How much of the movement is kept in the next sample.
  double wander;  ///< Deviation of each expert's own movement, which keeps wander_memory.
  double wander_memory;
  int switch_every;  ///< Samples after which another domain takes over; 0: none does.
};

constexpr Drift drifts[] = {
    {"still", "like recorded loads of a model; samples differ by chance only", 1, 0, 0, 1, 0, 1, 0},
    {"calm", "like recorded loads, of a slowly changing mixture of texts", 6, 1.0, 0.15, 0.98, 0.05, 0.9, 0},
    {"mixed", "like recorded loads, of a changing mixture of texts; also plain real", 6, 1.5, 0.6, 0.9, 0.12, 0.8, 0},
    {"switch", "like recorded loads, of texts that change at every fourth sample", 6, 3.0, 1.0, 0.7, 0.15, 0.8, 4},
};

constexpr double layer_memory = 0.85;                    // correlation of the skews of two neighbouring layers
constexpr double group_memory = 0.63;                    // and of what their groups have in common
constexpr double group_above = 1.2, group_below = 0.85;  // groups too are skewed upwards

const Drift& find_drift(const std::string& name) {
  for (const Drift& drift : drifts)
    if (name == drift.name || (name.empty() && std::string_view(drift.name) == "mixed")) return drift;
  throw UsageError("--kind: 'real:" + name + "' is none that 'eplb generate --list' shows");
}

double two_sided(double normal, double above, double below) { return normal > 0 ? above * normal : below * normal; }

/// The next of a chain of standard normals that keeps @p memory of the one before.
double next_in_chain(double before, double memory, double normal) {
  return memory * before + std::sqrt(1 - memory * memory) * normal;
}

/// Standard normals [layers][width], each column a chain along the layers.
std::vector<double> chains(Random random, std::size_t layers, std::size_t width, double memory) {
  std::vector<double> values(layers * width);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = i < width ? random.normal() : next_in_chain(values[i - width], memory, random.normal());
  return values;
}

/// @p common and @p own mixed so that two that share the common part have the given correlation.
void correlate(std::vector<double>& common, const std::vector<double>& own, double correlation) {
  for (std::size_t i = 0; i < common.size(); ++i)
    common[i] = std::sqrt(correlation) * common[i] + std::sqrt(1 - correlation) * own[i];
}

double standard_deviation(const double* begin, std::size_t size) {
  const auto n = static_cast<double>(size);
  const double mean = std::accumulate(begin, begin + size, 0.0) / n;
  const double squares =
      std::accumulate(begin, begin + size, 0.0, [&](double sum, double x) { return sum + (x - mean) * (x - mean); });
  return std::sqrt(squares / n);
}

/// The probability of each expert to be among the @p topk that a token takes, given how much it is liked. An
/// expert can be taken once only, which bends the largest: @p most * (1 - exp(-scale * liking)).
std::vector<double> choice_probabilities(const double* log_liking, std::size_t experts, double topk, double most) {
  std::vector<double> liking(experts), probability(experts, 1.0);
  const double largest = *std::max_element(log_liking, log_liking + experts);
  for (std::size_t e = 0; e < experts; ++e) liking[e] = std::exp(log_liking[e] - largest);
  if (topk >= static_cast<double>(experts)) return probability;
  most = std::max(most, std::min(1.0, 2 * topk / static_cast<double>(experts)));
  double low = -20, high = 60;  // of the scale's logarithm; their middle is tried
  for (int step = 0; step < 50; ++step) {
    const double middle = (low + high) / 2, scale = std::exp(middle);
    double sum = 0;
    for (std::size_t e = 0; e < experts; ++e) sum += probability[e] = -most * std::expm1(-scale * liking[e]);
    (sum > topk ? high : low) = middle;
  }
  return probability;
}

/// The state that drifts: how much each domain likes each expert, and what the domains weigh.
class Traffic {
 public:
  Traffic(const LoadRequest& request, const Drift& drift)
      : request_(request),
        drift_(drift),
        layers_(static_cast<std::size_t>(request.shape.layers)),
        experts_(static_cast<std::size_t>(request.shape.experts)),
        random_(request.seed, "drift"),
        wander_(layers_ * experts_),
        movement_(static_cast<std::size_t>(drift.domains)) {
    for (int d = 0; d < drift.domains; ++d) {
      log_liking_.push_back(log_liking(drift.domains > 1 ? d : -1));
      weight_.push_back(drift.spread * random_.normal());
    }
    for (double& own : wander_) own = drift.wander * random_.normal();
    const std::vector<double> one_text = log_liking(-1);
    sharpness_ = mean_deviation(one_text) / std::max(mean_deviation(pooled()), 1e-9);
  }

  /// Probabilities of the experts of a layer to be taken by a token now.
  std::vector<double> probabilities(std::size_t layer) const {
    return choice_probabilities(&pooled_[layer * experts_], experts_, request_.shape.topk, request_.shape.profile.most);
  }

  /// Goes on to a sample, the first of which is 0.
  void go_to(int sample) {
    if (sample > 0) {
      for (double& movement : movement_) movement = drift_.memory * movement + drift_.step * random_.normal();
      for (double& own : wander_)
        own = drift_.wander *
              next_in_chain(drift_.wander > 0 ? own / drift_.wander : 0, drift_.wander_memory, random_.normal());
      if (drift_.switch_every > 0 && sample % drift_.switch_every == 0)
        leader_ = (leader_ + 1 + random_.below(weight_.size() - 1)) % weight_.size();
    }
    pooled_ = pooled();
    for (double& value : pooled_) value *= sharpness_;
  }

 private:
  /// [layers][experts] of a domain; -1: of all texts together, which all domains resemble.
  std::vector<double> log_liking(int domain) const {
    const Profile& profile = request_.shape.profile;
    const auto groups = static_cast<std::size_t>(request_.shape.groups);
    const auto purpose = static_cast<std::uint64_t>(domain + 1);
    auto expert = chains({request_.seed, "expert"}, layers_, experts_, 0);
    auto group = chains({request_.seed, "group"}, layers_, groups, group_memory);
    if (domain >= 0) {
      correlate(expert, chains({request_.seed, "expert", purpose}, layers_, experts_, 0), profile.domain);
      correlate(group, chains({request_.seed, "group", purpose}, layers_, groups, group_memory), profile.domain);
    }
    const auto skew = chains({request_.seed, "layer"}, layers_, 1, layer_memory);
    for (std::size_t i = 0; i < expert.size(); ++i) {
      const std::size_t layer = i / experts_, in_layer = i % experts_;
      expert[i] =
          std::exp(profile.layer * skew[layer]) * two_sided(expert[i], profile.above, profile.below) +
          profile.group * two_sided(group[layer * groups + in_layer * groups / experts_], group_above, group_below);
    }
    return expert;
  }

  /// The domains' likings mixed by their weights.
  std::vector<double> pooled() const {
    std::vector<double> shares(weight_);
    for (std::size_t d = 0; d < shares.size(); ++d) shares[d] += movement_[d];
    if (drift_.switch_every > 0) shares[leader_] = *std::max_element(shares.begin(), shares.end()) + 3;
    for (double& share : shares) share = std::exp(share);
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
    std::vector<double> mixed(layers_ * experts_);
    for (std::size_t i = 0; i < mixed.size(); ++i) {
      for (std::size_t d = 0; d < shares.size(); ++d) mixed[i] += shares[d] / sum * std::exp(log_liking_[d][i]);
      mixed[i] = std::log(mixed[i]) + wander_[i];
    }
    return mixed;
  }

  double mean_deviation(const std::vector<double>& values) const {
    double sum = 0;
    for (std::size_t layer = 0; layer < layers_; ++layer)
      sum += standard_deviation(&values[layer * experts_], experts_);
    return sum / static_cast<double>(layers_);
  }

  const LoadRequest& request_;
  const Drift& drift_;
  std::size_t layers_, experts_;
  Random random_;
  std::vector<std::vector<double>> log_liking_;  // [domains][layers * experts]
  std::vector<double> weight_;                   // [domains]
  std::vector<double> wander_;                   // [layers * experts]
  std::vector<double> movement_;                 // [domains]
  std::vector<double> pooled_;                   // [layers * experts] of this sample
  std::size_t leader_ = 0;                       // the domain that has taken over
  // Profiles are of mixed texts already; mixing domains evens the shares out, and this undoes it.
  double sharpness_ = 1;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> known_drifts() {
  std::vector<std::pair<std::string, std::string>> known;
  for (const Drift& drift : drifts) known.emplace_back(drift.name, drift.what);
  return known;
}

std::vector<Load> realistic_loads(const LoadRequest& request, const std::string& drift, double dispersion) {
  Traffic traffic(request, find_drift(drift));
  std::vector<Load> loads;
  for (std::int32_t sample = 0; sample < request.samples; ++sample) {
    traffic.go_to(sample);
    for (std::int32_t layer = 0; layer < request.shape.layers; ++layer) {
      std::vector<double> means = traffic.probabilities(static_cast<std::size_t>(layer));
      for (double& mean : means) mean *= static_cast<double>(request.tokens);
      Random noise(request.seed, "noise", loads.size());
      add_noise(means, dispersion, noise);
      loads.push_back(apportion(std::move(means), request.tokens * request.shape.topk, request.tokens));
    }
  }
  return loads;
}

}  // namespace eplb::cli
