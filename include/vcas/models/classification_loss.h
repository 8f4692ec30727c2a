#pragma once

#include <ATen/core/Tensor.h>

namespace vcas::models {

/// Mean over samples of weight_i · cross-entropy_i, with a graph.
/// @param logits [N, C]. @param labels [N] int64. @param sample_weights [N], or undefined: all 1.
/// @return 0-dim.
at::Tensor classification_loss(const at::Tensor& logits, const at::Tensor& labels,
                               const at::Tensor& sample_weights = {});

/// Cross-entropy of each sample, without a graph. @return [N].
at::Tensor classification_losses(const at::Tensor& logits, const at::Tensor& labels);

/// ‖softmax(logits_i) - onehot(label_i)‖: how strongly each sample's loss pulls at its logits, without a
/// graph. @return [N].
at::Tensor logit_gradient_norms(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace vcas::models
