#include "control/gradient_dispersion.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sampling/distance.h"

namespace vcas::control {

void GradientDispersion::add(const std::vector<at::Tensor>& gradients) {
  ++count_;
  if (count_ == 1) {
    sums_.assign(gradients.size(), 0);
    means_.clear();
    for (const at::Tensor& gradient : gradients) {
      means_.push_back(gradient.is_sparse() ? gradient.detach().clone().coalesce()
                                            : gradient.detach().clone());
    }
    return;
  }
  TORCH_CHECK(gradients.size() == means_.size(), "controller: expected ", means_.size(),
              " gradients as before, got ", gradients.size());
  const double n = static_cast<double>(count_);
  for (size_t i = 0; i < gradients.size(); ++i) {
    means_[i] = means_[i].to(gradients[i].device());  // elsewhere after a resume
    sums_[i] += sampling::squared_distance(gradients[i], means_[i]) * (n - 1) / n;
    const at::Tensor gradient = gradients[i].detach();
    if (means_[i].is_sparse() && gradient.is_sparse()) {
      means_[i] = (means_[i] * (1 - 1 / n) + gradient * (1 / n)).coalesce();
    } else {
      means_[i] = means_[i].to_dense().lerp_(gradient.to_dense(), 1 / n);
    }
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
    // A square in float64 of float32 values cannot overflow.
    return std::isfinite(sampling::squared_norm(tensor.detach()));
  });
}

}  // namespace vcas::control
