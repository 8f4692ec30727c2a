#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "vcas/models/text_classifier.h"
#include "vcas/nn/recording.h"

namespace vcas::models {

/// A forward pass that ended in one row of logits a sample, and the backward passes over it.
class ClassificationPass final : public ForwardPass {
 public:
  /// @param logits [N, C]. @param labels [N] int64; undefined when only logits are wanted.
  /// @param recording of the blocks that the pass went through.
  /// @param parameters trainable ones, in the order in which gradients are wanted.
  /// @param head_flops of the forward pass outside the blocks; twice as many go backward.
  ClassificationPass(at::Tensor logits, const at::Tensor& labels, nn::Recording recording,
                     std::vector<at::Tensor> parameters, double head_flops);

  const at::Tensor& logits() const override { return logits_; }
  const at::Tensor& loss() const override { return loss_; }
  at::Tensor sample_losses() const override;
  at::Tensor logit_gradient_norms() const override;
  double forward_flops() const override { return recording_.forward_flops + head_flops_; }
  double exact_backward_flops() const override { return recording_.exact_backward_flops + 2 * head_flops_; }
  BackwardResult backward(const BackwardRequest& request) override;

 private:
  at::Tensor logits_, labels_, loss_;
  nn::Recording recording_;
  std::vector<at::Tensor> parameters_;
  double head_flops_;
};

}  // namespace vcas::models
