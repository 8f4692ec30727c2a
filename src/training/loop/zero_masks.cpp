#include "vcas/training/loop/zero_masks.h"

#include <ATen/ops/mul.h>
#include <ATen/ops/ne.h>

namespace vcas::training {

ZeroMasks::ZeroMasks(const std::vector<nn::Parameter>& parameters) {
  for (const auto& parameter : parameters) {
    at::Tensor mask;
    if (parameter.value.dim() == 2) mask = parameter.value.detach().ne(0);
    const bool any_zero = mask.defined() && !mask.all().item<bool>();
    masks_.push_back(any_zero ? mask : at::Tensor());
  }
}

void ZeroMasks::apply(std::vector<at::Tensor>& gradients, bool writable) const {
  TORCH_CHECK(gradients.size() == masks_.size(), "zero_masks: expected ", masks_.size(), " gradients, got ",
              gradients.size());
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!masks_[i].defined() || gradients[i].is_sparse()) continue;
    gradients[i] = writable ? gradients[i].mul_(masks_[i]) : gradients[i].mul(masks_[i]);
  }
}

}  // namespace vcas::training
