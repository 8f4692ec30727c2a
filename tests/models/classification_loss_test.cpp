#include "vcas/models/classification_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace vcas::models {
namespace {

constexpr int64_t kSamples = 5, kClasses = 4;

struct Batch {
  at::Tensor logits = (at::sin(at::arange(kSamples * kClasses, at::kDouble) * 1.9) * 3)
                          .view({kSamples, kClasses})
                          .set_requires_grad(true);
  at::Tensor labels = at::arange(kSamples, at::kLong).remainder(kClasses);
};

TEST(ClassificationLoss, IsTheMeanOfTheSamplesLosses) {
  const Batch batch;
  const auto losses = classification_losses(batch.logits, batch.labels);
  EXPECT_FALSE(losses.requires_grad());
  EXPECT_NEAR(classification_loss(batch.logits, batch.labels).item<double>(), losses.mean().item<double>(),
              1e-12);
  const auto weights = at::arange(kSamples, at::kDouble);
  EXPECT_NEAR(classification_loss(batch.logits, batch.labels, weights).item<double>(),
              (losses * weights).mean().item<double>(), 1e-12);
}

TEST(ClassificationLoss, NormsAreThoseOfEachLossesGradient) {
  const Batch batch;
  const auto norms = logit_gradient_norms(batch.logits, batch.labels);
  EXPECT_FALSE(norms.requires_grad());
  for (int64_t i = 0; i < kSamples; ++i) {
    const auto only = at::zeros({kSamples}, at::kDouble).index_fill(0, at::tensor({i}), kSamples);
    const auto loss = classification_loss(batch.logits, batch.labels, only);
    const auto gradient = torch::autograd::grad({loss}, {batch.logits})[0];
    EXPECT_NEAR(norms[i].item<double>(), gradient.norm().item<double>(), 1e-12) << "sample " << i;
  }
}

TEST(ClassificationLoss, NormBoundsTheGradientBelowALinear) {
  // What the upper bound is for: below a linear the norm is at most the largest singular value times it.
  const Batch batch;
  const auto head = at::cos(at::arange(kClasses * 6, at::kDouble)).view({kClasses, 6});
  const auto features =
      at::sin(at::arange(kSamples * 6, at::kDouble) * 0.7).view({kSamples, 6}).set_requires_grad(true);
  const auto logits = features.matmul(head.t());
  const auto loss = classification_loss(logits, batch.labels, at::full({kSamples}, kSamples, at::kDouble));
  const auto gradients = torch::autograd::grad({loss}, {features})[0].norm(2, 1);
  const auto bounds = logit_gradient_norms(logits, batch.labels) * at::linalg_matrix_norm(head, 2);
  EXPECT_TRUE((gradients <= bounds * (1 + 1e-12)).all().item<bool>());
  EXPECT_TRUE((gradients > 0).all().item<bool>());
}

}  // namespace
}  // namespace vcas::models
