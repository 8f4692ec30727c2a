#include "models/bert_modules.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include "ops/embeddings.h"
#include "vcas/ops/dropout.h"
#include "vcas/ops/linear.h"

namespace vcas::models {
namespace {

using sampling::Site;

/// Position of every row in its text, [R] int64.
at::Tensor positions_of_rows(const at::Tensor& offsets, int64_t max_positions) {
  const auto* begin = offsets.const_data_ptr<int64_t>();
  const int64_t texts = offsets.numel() - 1;
  auto positions = at::empty({begin[texts]}, at::kLong);
  auto* out = positions.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < texts; ++i) {
    TORCH_CHECK(begin[i + 1] - begin[i] <= max_positions, "bert: expected texts of at most ", max_positions,
                " tokens, got ", begin[i + 1] - begin[i]);
    for (int64_t row = begin[i]; row < begin[i + 1]; ++row) out[row] = row - begin[i];
  }
  return positions;
}

at::Tensor exact_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return ops::linear(x, weight, bias, /*plan=*/{}, /*index=*/0);
}

}  // namespace

BertEmbeddings::BertEmbeddings(const BertConfig& config)
    : layer_norm_eps_(config.layer_norm_eps), dropout_(config.hidden_dropout_prob) {
  const int64_t hidden = config.hidden_size;
  word_ = add_parameter("word_embeddings", at::zeros({config.vocab_size, hidden}));
  position_ = add_parameter("position_embeddings", at::zeros({config.max_position_embeddings, hidden}));
  token_type_ = add_parameter("token_type_embeddings", at::zeros({config.type_vocab_size, hidden}));
  norm_weight_ = add_parameter("norm_weight", at::ones({hidden}));
  norm_bias_ = add_parameter("norm_bias", at::zeros({hidden}));
}

at::Tensor BertEmbeddings::forward(const TextBatch& batch, const nn::PassOptions& options) {
  const auto positions = positions_of_rows(batch.offsets, position_.size(0)).to(batch.token_ids.device());
  return ops::embeddings({batch.token_ids, positions, batch.token_type_ids},
                         {word_, position_, token_type_, norm_weight_, norm_bias_},
                         ops::make_rng_tensor(options.stream()),
                         {layer_norm_eps_, options.training ? dropout_ : 0.0});
}

BertHead::BertHead(const BertConfig& config) : dropout_(config.classifier_dropout) {
  constexpr nn::ParameterTraits kWeight{.weight_decay = true, .below_topmost_sampling = false};
  constexpr nn::ParameterTraits kBias{.weight_decay = false, .below_topmost_sampling = false};
  const int64_t hidden = config.hidden_size, labels = config.num_labels;
  pooler_weight_ = add_parameter("pooler_weight", at::zeros({hidden, hidden}), kWeight);
  pooler_bias_ = add_parameter("pooler_bias", at::zeros({hidden}), kBias);
  classifier_weight_ = add_parameter("classifier_weight", at::zeros({labels, hidden}), kWeight);
  classifier_bias_ = add_parameter("classifier_bias", at::zeros({labels}), kBias);
}

at::Tensor BertHead::forward(const at::Tensor& first_rows, const nn::PassOptions& options) {
  const auto pooled = exact_linear(first_rows, pooler_weight_, pooler_bias_).tanh();
  const auto kept = ops::dropout(pooled, ops::make_rng_tensor(options.stream()), Site::pooler_dropout,
                                 options.training ? dropout_ : 0);
  return exact_linear(kept, classifier_weight_, classifier_bias_);
}

nn::Flops BertHead::flops(int64_t samples) const {
  const double forward = 2.0 * static_cast<double>(samples) *
                         static_cast<double>(pooler_weight_.numel() + classifier_weight_.numel());
  return {.forward = forward, .backward = 2 * forward};
}

}  // namespace vcas::models
