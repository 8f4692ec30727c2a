#include "vcas/sampling/layout.h"

#include <c10/util/Exception.h>

#include <nlohmann/json.hpp>
#include <set>

namespace vcas::sampling {

bool is_topmost(const SamplingLayout& layout, size_t l) {
  return l + 1 == layout.blocks.size() || layout.blocks[l + 1].chain != layout.blocks[l].chain;
}

std::vector<bool> below_mixing_blocks(const SamplingLayout& layout) {
  std::vector<bool> below(layout.blocks.size());
  for (size_t l = layout.blocks.size(); l-- > 0;)
    below[l] = !is_topmost(layout, l) && (below[l + 1] || layout.blocks[l + 1].mixes_samples);
  return below;
}

void check(const SamplingLayout& layout) {
  TORCH_CHECK(!layout.blocks.empty(), "layout: expected at least one block, got none");
  std::set<int64_t> chains;
  std::set<std::string> names;
  for (size_t l = 0; l < layout.blocks.size(); ++l) {
    const SampledBlock& block = layout.blocks[l];
    if (is_topmost(layout, l)) {
      TORCH_CHECK(chains.insert(block.chain).second, "layout: expected the blocks of chain ", block.chain,
                  " to follow each other, got ", block.name, " apart from the others");
    }
    for (const SampledWeight& weight : block.weights) {
      TORCH_CHECK(!weight.trainable || weight.gradient >= 0, "layout: expected the index of the gradient of ",
                  weight.name, ", got ", weight.gradient);
      TORCH_CHECK(names.insert(weight.name).second,
                  "layout: expected weights of different names, got two of ", weight.name);
    }
  }
}

nlohmann::json to_json(const SamplingLayout& layout) {
  auto blocks = nlohmann::json::array();
  for (const SampledBlock& block : layout.blocks) {
    auto weights = nlohmann::json::array();
    for (const SampledWeight& weight : block.weights) {
      weights.push_back(
          {{"name", weight.name}, {"gradient", weight.gradient}, {"trainable", weight.trainable}});
    }
    blocks.push_back({{"name", block.name},
                      {"cost_key", block.cost_key},
                      {"samples_activations", block.samples_activations},
                      {"mixes_samples", block.mixes_samples},
                      {"chain", block.chain},
                      {"weights", std::move(weights)}});
  }
  return {{"blocks", std::move(blocks)}};
}

SamplingLayout layout_from_json(const nlohmann::json& json) {
  SamplingLayout layout;
  for (const auto& entry : json.at("blocks")) {
    SampledBlock& block = layout.blocks.emplace_back();
    entry.at("name").get_to(block.name);
    block.cost_key = entry.value("cost_key", block.cost_key);
    block.samples_activations = entry.value("samples_activations", block.samples_activations);
    block.mixes_samples = entry.value("mixes_samples", block.mixes_samples);
    block.chain = entry.value("chain", block.chain);
    for (const auto& weight : entry.at("weights")) {
      block.weights.push_back({.name = weight.at("name").get<std::string>(),
                               .gradient = weight.value("gradient", int64_t{0}),
                               .trainable = weight.value("trainable", true)});
    }
  }
  return layout;
}

}  // namespace vcas::sampling
