#include "vcas/nn/classification_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace vcas::nn {
namespace classification_loss_test {

constexpr int64_t kSamples = 5, kClasses = 4;

struct Samples {
  at::Tensor logits = (at::sin(at::arange(kSamples * kClasses, at::kDouble) * 1.9) * 3)
                          .view({kSamples, kClasses})
                          .set_requires_grad(true);
  at::Tensor labels = at::arange(kSamples, at::kLong).remainder(kClasses);
  ClassificationLoss loss{logits, labels};
};

TEST(ClassificationLoss, IsTheMeanOfTheSamplesLosses) {
  const Samples batch;
  const auto losses = batch.loss.sample_losses();
  EXPECT_FALSE(losses.requires_grad());
  EXPECT_NEAR(batch.loss.total({}).item<double>(), losses.mean().item<double>(), 1e-12);
  const auto weights = at::arange(kSamples, at::kDouble);
  EXPECT_NEAR(batch.loss.total(weights).item<double>(), (losses * weights).mean().item<double>(), 1e-12);
}

TEST(ClassificationLoss, IsTheWeightedSumOverItsDivisor) {
  const Samples batch;
  const ClassificationLoss loss(batch.logits, batch.labels, /*divisor=*/7.5);
  const auto losses = batch.loss.sample_losses();
  EXPECT_NEAR(loss.total({}).item<double>(), losses.sum().item<double>() / 7.5, 1e-12);
  const auto weights = at::arange(kSamples, at::kDouble);
  EXPECT_NEAR(loss.total(weights).item<double>(), (losses * weights).sum().item<double>() / 7.5, 1e-12);
}

TEST(ClassificationLoss, NormsAreThoseOfEachLossesGradient) {
  const Samples batch;
  const auto norms = batch.loss.output_gradient_norms();
  EXPECT_FALSE(norms.requires_grad());
  for (int64_t i = 0; i < kSamples; ++i) {
    const auto only = at::zeros({kSamples}, at::kDouble).index_fill(0, at::tensor({i}), kSamples);
    const auto loss = batch.loss.total(only);
    const auto gradient = torch::autograd::grad({loss}, {batch.logits})[0];
    EXPECT_NEAR(norms[i].item<double>(), gradient.norm().item<double>(), 1e-12) << "sample " << i;
  }
}

TEST(ClassificationLoss, NormBoundsTheGradientBelowALinear) {
  // What the upper bound is for: below a linear the norm is at most the largest singular value times it.
  const Samples batch;
  const auto head = at::cos(at::arange(kClasses * 6, at::kDouble)).view({kClasses, 6});
  const auto features =
      at::sin(at::arange(kSamples * 6, at::kDouble) * 0.7).view({kSamples, 6}).set_requires_grad(true);
  const auto logits = features.matmul(head.t());
  const ClassificationLoss loss(logits, batch.labels);
  const auto total = loss.total(at::full({kSamples}, kSamples, at::kDouble));
  const auto gradients = torch::autograd::grad({total}, {features})[0].norm(2, 1);
  const auto bounds = loss.output_gradient_norms() * at::linalg_matrix_norm(head, 2);
  EXPECT_TRUE((gradients <= bounds * (1 + 1e-12)).all().item<bool>());
  EXPECT_TRUE((gradients > 0).all().item<bool>());
}

}  // namespace classification_loss_test
}  // namespace vcas::nn
