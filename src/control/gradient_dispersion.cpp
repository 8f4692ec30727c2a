#include "control/gradient_dispersion.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sub.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace vcas::control {

void GradientDispersion::add(const std::vector<at::Tensor>& gradients) {
  ++count_;
  if (count_ == 1) {
    sums_.assign(gradients.size(), 0);
    means_.clear();
    for (const at::Tensor& gradient : gradients) means_.push_back(gradient.detach().clone());
    return;
  }
  TORCH_CHECK(gradients.size() == means_.size(), "controller: expected ", means_.size(),
              " gradients as before, got ", gradients.size());
  const double n = static_cast<double>(count_);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const at::Tensor difference = at::sub(gradients[i].detach(), means_[i]);
    const double norm =
        at::linalg_vector_norm(difference, 2, at::OptionalIntArrayRef(), false, at::kDouble).item<double>();
    sums_[i] += norm * norm * (n - 1) / n;
    means_[i].add_(difference, 1 / n);
  }
}

std::vector<double> GradientDispersion::variances() const {
  TORCH_CHECK(count_ >= 2, "controller: expected at least 2 gradients, got ", count_);
  std::vector<double> result = sums_;
  for (double& sum : result) sum /= static_cast<double>(count_ - 1);
  return result;
}

void GradientDispersion::restore(int64_t count, std::vector<double> sums, std::vector<at::Tensor> means) {
  count_ = count;
  sums_ = std::move(sums);
  means_ = std::move(means);
}

bool all_finite(const std::vector<at::Tensor>& tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const at::Tensor& tensor) {
    // A norm in float64 of float32 values cannot overflow.
    return std::isfinite(
        at::linalg_vector_norm(tensor.detach(), 2, at::OptionalIntArrayRef(), false, at::kDouble)
            .item<double>());
  });
}

}  // namespace vcas::control
