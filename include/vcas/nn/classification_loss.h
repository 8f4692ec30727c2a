#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "vcas/nn/loss.h"

namespace vcas::nn {

/// Cross-entropy of one row of logits a sample; by default the mean over the samples.
class ClassificationLoss final : public Loss {
 public:
  /// @param logits [N, C] with a graph. @param labels [N] int64 in [0, C).
  /// @param divisor of the sum of losses (nn::Batch::divisor). Nothing: N.
  ClassificationLoss(at::Tensor logits, at::Tensor labels, std::optional<double> divisor = std::nullopt);

  at::Tensor total(const at::Tensor& sample_weights) const override;
  at::Tensor sample_losses() const override;
  /// ‖softmax(logits_i) - onehot(label_i)‖.
  at::Tensor output_gradient_norms() const override;

 private:
  at::Tensor logits_, labels_;
  std::optional<double> divisor_;
};

}  // namespace vcas::nn
