#include "vcas/models/classification_pass.h"

#include <utility>

#include "vcas/models/classification_loss.h"
#include "vcas/nn/backward.h"

namespace vcas::models {

ClassificationPass::ClassificationPass(at::Tensor logits, const at::Tensor& labels, nn::Recording recording,
                                       std::vector<at::Tensor> parameters, double head_flops)
    : logits_(std::move(logits)),
      labels_(labels),
      recording_(std::move(recording)),
      parameters_(std::move(parameters)),
      head_flops_(head_flops) {
  if (labels_.defined()) loss_ = classification_loss(logits_, labels_);
}

at::Tensor ClassificationPass::sample_losses() const { return classification_losses(logits_, labels_); }

at::Tensor ClassificationPass::logit_gradient_norms() const {
  return models::logit_gradient_norms(logits_, labels_);
}

BackwardResult ClassificationPass::backward(const BackwardRequest& request) {
  const at::Tensor loss = request.sample_weights.defined()
                              ? classification_loss(logits_, labels_, request.sample_weights)
                              : loss_;
  auto outcome = nn::backward(loss, parameters_, recording_, request.plan,
                              {request.loss_scale, request.want_stats, request.last_pass});
  BackwardResult result;
  result.gradients = std::move(outcome.gradients);
  if (request.want_stats) result.blocks = std::move(outcome.blocks);
  result.flops = outcome.block_flops + 2 * head_flops_;
  return result;
}

}  // namespace vcas::models
