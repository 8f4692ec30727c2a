#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace vcas::sampling {

/// A weight of a block that SampleW can sample. Where several places use one parameter, each is a
/// SampledWeight.
struct SampledWeight {
  std::string name = {};  ///< the parameter as the model names it, with the place where several share it
  /// Index of its gradient among those of the parameters below the topmost SampleA. Uses of one parameter
  /// (tied tables) name one index.
  int64_t gradient = 0;
  bool trainable = true;
};

/// A block that SampleA and SampleW can sample: everything about it that a plan, a cost or a log depends on.
struct SampledBlock {
  std::string name = {};
  /// Everything that its costs depend on beside device, dtype and threads, e.g. "transformer_layer 384x1536".
  /// Empty: unknown.
  std::string cost_key = {};
  /// false: SampleW alone; every sample is kept at its output.
  bool samples_activations = true;
  /// Samples of a batch influence each other inside (batch normalisation).
  bool mixes_samples = false;
  /// Blocks of one chain follow each other, the one nearest the input first: a sample that one of them drops
  /// has no gradient in those below.
  int64_t chain = 0;
  std::vector<SampledWeight> weights = {};
};

/// What can be sampled in a model, without the model: blocks in the order of a plan's ratios. Blocks of a
/// chain stand together.
struct SamplingLayout {
  std::vector<SampledBlock> blocks = {};
};

/// True where no block of block l's chain lies above it: gradients arrive there unsampled.
bool is_topmost(const SamplingLayout& layout, size_t l);
/// By block: true where a block of its chain above it mixes samples. There every sample has a gradient,
/// whatever was left out further up.
std::vector<bool> below_mixing_blocks(const SamplingLayout& layout);

/// @throws c10::Error naming a block or weight that does not fit: no block, a chain in two pieces, a negative
/// gradient index of a trainable weight, two weights of one name.
void check(const SamplingLayout& layout);

/// {"blocks": [{"name", "cost_key", "samples_activations", "mixes_samples", "chain",
///              "weights": [{"name", "gradient", "trainable"}]}]}
nlohmann::json to_json(const SamplingLayout& layout);
/// Inverse of to_json(); keys with a default may be missing. @throws nlohmann::json::exception.
SamplingLayout layout_from_json(const nlohmann::json& json);

}  // namespace vcas::sampling
