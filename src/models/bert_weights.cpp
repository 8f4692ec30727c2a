#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "bert_modules.h"

namespace vcas::models {
namespace {

using TensorMap = std::map<std::string, at::Tensor>;

constexpr const char* kPrefix = "bert.";

bool is_head(const std::string& name) {
  return name.starts_with("bert.pooler.") || name.starts_with("classifier.");
}

/// Buffers that older versions of transformers saved with the weights.
bool is_known_buffer(const std::string& name) {
  return name.ends_with("embeddings.position_ids") || name.ends_with("embeddings.token_type_ids");
}

/// The tensor for one of the model's names: with the `bert.` prefix, or without it in a file of the backbone
/// alone.
TensorMap::const_iterator find(const TensorMap& tensors, const std::string& name) {
  auto found = tensors.find(name);
  if (found == tensors.end() && name.starts_with(kPrefix))
    found = tensors.find(name.substr(std::string(kPrefix).size()));
  return found;
}

std::string shape_text(const at::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes(), ", "));
}

std::string misfit(const std::string& name, const at::Tensor& expected, const at::Tensor& got) {
  if (expected.sizes() != got.sizes())
    return fmt::format("{}: expected shape {}, got {}", name, shape_text(expected), shape_text(got));
  if (!got.is_floating_point())
    return fmt::format("{}: expected floating point values, got {}", name, c10::toString(got.scalar_type()));
  return {};
}

/// As Hugging Face does.
void initialise(const std::string& name, const at::Tensor& tensor, double range, at::Generator& generator) {
  if (name.ends_with(".bias"))
    tensor.zero_();
  else if (name.ends_with("LayerNorm.weight"))
    tensor.fill_(1);
  else
    tensor.normal_(0, range, generator);
}

}  // namespace

std::unique_ptr<TextClassifier> make_bert_classifier(const BertConfig& config, const TensorMap& tensors,
                                                     uint64_t seed, bool require_head, LoadReport* report) {
  at::NoGradGuard no_grad;
  auto model = std::make_unique<BertClassifier>(config);
  auto generator = at::detail::createCPUGenerator(seed);
  LoadReport outcome;
  std::vector<std::string> problems;
  std::set<std::string> used;
  for (const auto& [name, tensor] : model->named_tensors()) {
    const auto found = find(tensors, name);
    if (found != tensors.end()) {
      used.insert(found->first);
      if (const auto problem = misfit(found->first, tensor, found->second); !problem.empty())
        problems.push_back(problem);
      else
        tensor.copy_(found->second);
    } else if (is_head(name) && !require_head) {
      initialise(name, tensor, config.initializer_range, generator);
      outcome.initialised.push_back(name);
    } else {
      problems.push_back(fmt::format("{}: missing", name));
    }
  }
  if (!problems.empty()) throw std::invalid_argument(fmt::format("{}", fmt::join(problems, "; ")));
  for (const auto& [name, tensor] : tensors)
    if (!used.contains(name) && !is_known_buffer(name)) outcome.surplus.push_back(name);
  if (report != nullptr) *report = std::move(outcome);
  return model;
}

TensorMap initial_bert_backbone(const BertConfig& config, uint64_t seed) {
  at::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(seed);
  TensorMap backbone;
  for (const auto& [name, tensor] : BertClassifier(config).named_tensors()) {
    if (is_head(name)) continue;
    initialise(name, tensor, config.initializer_range, generator);
    backbone.emplace(name, tensor);
  }
  return backbone;
}

}  // namespace vcas::models
