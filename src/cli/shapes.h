// SPDX-License-Identifier: MIT
// Models whose loads `generate` can make, with the deployments they are served in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace eplb::cli {

struct Deployment {
  std::string name;
  std::int32_t gpus, nodes, slots;
};

/// How unequal a model's router loads its experts. Standard deviations are of the logarithm of an expert's
/// share.
struct Profile {
  double above;   ///< Deviation of the experts above the median.
  double below;   ///< Deviation of those below it.
  double group;   ///< Deviation of what the experts of a router group have in common.
  double layer;   ///< Deviation of the skew from layer to layer.
  double domain;  ///< Correlation of an expert's share between two domains of text.
  double most;    ///< Largest share of the tokens that one expert gets.
};

struct ModelShape {
  std::string name;
  std::int32_t layers, experts, topk, groups;
  Profile profile;
  std::vector<Deployment> deployments;
};

const std::vector<ModelShape>& known_shapes();

/// The shape of that name, or of a text such as "58x256"; throws UsageError if there is none.
ModelShape find_shape(const std::string& name);

}  // namespace eplb::cli
