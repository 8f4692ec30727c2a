#include "vcas/nn/batch.h"

#include <ATen/ops/tensor.h>

namespace vcas::nn {

at::Tensor Batch::sample_weights() const {
  return weights.empty() ? at::Tensor() : at::tensor(weights, at::kDouble);
}

}  // namespace vcas::nn
