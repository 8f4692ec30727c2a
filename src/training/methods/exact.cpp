#include "vcas/training/methods/exact.h"

#include <utility>

namespace vcas::training {

MicroBatchGradient ExactMethod::backward(MicroBatch& batch, double loss_scale) {
  auto result = batch.pass.backward({.loss_scale = loss_scale});
  return {std::move(result.gradients), result.flops, 0};
}

}  // namespace vcas::training
