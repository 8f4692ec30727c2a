#include "vcas/models/classification_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>

namespace vcas::models {
namespace {

at::Tensor losses_with_graph(const at::Tensor& logits, const at::Tensor& labels) {
  return at::cross_entropy_loss(logits, labels, /*weight=*/{}, at::Reduction::None);
}

}  // namespace

at::Tensor classification_loss(const at::Tensor& logits, const at::Tensor& labels,
                               const at::Tensor& sample_weights) {
  if (!sample_weights.defined()) return at::cross_entropy_loss(logits, labels);
  return (losses_with_graph(logits, labels) * sample_weights.to(logits.options())).mean();
}

at::Tensor classification_losses(const at::Tensor& logits, const at::Tensor& labels) {
  return losses_with_graph(logits.detach(), labels);
}

at::Tensor logit_gradient_norms(const at::Tensor& logits, const at::Tensor& labels) {
  at::Tensor gradient = at::softmax(logits.detach(), /*dim=*/1);
  const at::Tensor column = labels.unsqueeze(1);
  gradient.scatter_add_(1, column, at::ones(column.sizes(), gradient.options()).neg());
  return at::linalg_vector_norm(gradient, /*ord=*/2, /*dim=*/{1});
}

}  // namespace vcas::models
