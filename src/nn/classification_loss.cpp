#include "vcas/nn/classification_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>

#include <utility>

namespace vcas::nn {
namespace {

at::Tensor losses(const at::Tensor& logits, const at::Tensor& labels) {
  return at::cross_entropy_loss(logits, labels, /*weight=*/{}, at::Reduction::None);
}

}  // namespace

ClassificationLoss::ClassificationLoss(at::Tensor logits, at::Tensor labels, std::optional<double> divisor)
    : logits_(std::move(logits)), labels_(std::move(labels)), divisor_(divisor) {
  TORCH_CHECK(logits_.dim() == 2 && labels_.dim() == 1 && logits_.size(0) == labels_.size(0),
              "classification loss: expected logits [N, C] and labels [N], got ", logits_.sizes(), " and ",
              labels_.sizes());
}

at::Tensor ClassificationLoss::total(const at::Tensor& sample_weights) const {
  if (!sample_weights.defined() && !divisor_) return at::cross_entropy_loss(logits_, labels_);
  at::Tensor values = losses(logits_, labels_);
  if (sample_weights.defined()) values = values * sample_weights.to(logits_.options());
  return divisor_ ? values.sum() / *divisor_ : values.mean();
}

at::Tensor ClassificationLoss::sample_losses() const { return losses(logits_.detach(), labels_); }

at::Tensor ClassificationLoss::output_gradient_norms() const {
  at::Tensor gradient = at::softmax(logits_.detach(), /*dim=*/1);
  const at::Tensor column = labels_.unsqueeze(1);
  gradient.scatter_add_(1, column, at::ones(column.sizes(), gradient.options()).neg());
  return at::linalg_vector_norm(gradient, /*ord=*/2, /*dim=*/{1});
}

}  // namespace vcas::nn
