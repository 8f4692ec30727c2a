#include "vcas/models/bert.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "models/bert_classifier.h"

namespace vcas::models {
namespace {

using hugging_face::InitialValues;
using hugging_face::TensorRule;

/// A linear or a LayerNorm of a layer: its own name and Hugging Face's.
struct LayerPart {
  const char* own;
  const char* file;
};
constexpr LayerPart kLayerParts[] = {
    {"query", "attention.self.query"},
    {"key", "attention.self.key"},
    {"value", "attention.self.value"},
    {"attention_output", "attention.output.dense"},
    {"attention_norm", "attention.output.LayerNorm"},
    {"intermediate", "intermediate.dense"},
    {"output", "output.dense"},
    {"output_norm", "output.LayerNorm"},
};

/// Rules of one model.
class TableMaker {
 public:
  explicit TableMaker(double range) : range_(range) {}

  void add_matrix(std::string own, std::string file, bool head = false) {
    add(std::move(own), std::move(file), {.deviation = range_}, head);
  }
  void add_linear(const std::string& own, const std::string& file, bool head = false) {
    add_matrix(own + "_weight", file + ".weight", head);
    add(own + "_bias", file + ".bias", {}, head);
  }
  void add_norm(const std::string& own, const std::string& file) {
    add(own + "_weight", file + ".weight", {.mean = 1}, /*head=*/false);
    add(own + "_bias", file + ".bias", {}, /*head=*/false);
  }
  std::vector<TensorRule> take() { return std::move(rules_); }

 private:
  void add(std::string own, std::string file, const InitialValues& initial, bool head) {
    rules_.push_back({.own = std::move(own), .file = std::move(file), .head = head, .initial = initial});
  }

  double range_;
  std::vector<TensorRule> rules_;
};

}  // namespace

hugging_face::TensorTable bert_tensor_table(const BertConfig& config) {
  TableMaker maker(config.initializer_range);
  for (const char* table : {"word_embeddings", "position_embeddings", "token_type_embeddings"})
    maker.add_matrix(fmt::format("embeddings.{}", table), fmt::format("bert.embeddings.{}.weight", table));
  maker.add_norm("embeddings.norm", "bert.embeddings.LayerNorm");
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    for (const auto& part : kLayerParts) {
      const auto own = fmt::format("encoder.{}.{}", layer, part.own);
      const auto file = fmt::format("bert.encoder.layer.{}.{}", layer, part.file);
      if (std::string_view(part.file).ends_with("LayerNorm"))
        maker.add_norm(own, file);
      else
        maker.add_linear(own, file);
    }
  }
  maker.add_linear("head.pooler", "bert.pooler.dense", /*head=*/true);
  maker.add_linear("head.classifier", "classifier", /*head=*/true);
  // Older versions of transformers saved these buffers with the weights, and TensorFlow's names of a
  // LayerNorm.
  return {"bert.",
          maker.take(),
          {"embeddings.position_ids", "embeddings.token_type_ids"},
          {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}}};
}

LoadedClassifier make_bert_classifier(const BertConfig& config, const nn::NamedTensors& tensors,
                                      uint64_t seed, bool require_head, bool ignore_mismatched_sizes) {
  auto model = std::make_unique<BertClassifier>(config);
  auto report = hugging_face::load_file_tensors(*model, bert_tensor_table(config), tensors, seed,
                                                require_head, ignore_mismatched_sizes);
  return {std::move(model), std::move(report)};
}

nn::NamedTensors initial_bert_backbone(const BertConfig& config, uint64_t seed) {
  BertClassifier model(config);
  return hugging_face::initialise_backbone(model, bert_tensor_table(config), seed);
}

}  // namespace vcas::models
