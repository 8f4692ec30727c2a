#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "ops/kernels/reductions.h"
#include "ops/kernels/workspace.h"
#include "sampling/float_array.h"
#include "vcas/training/loop/optimizer.h"

namespace vcas::training {
namespace {

using sampling::is_float_array;

/// For tensors that the kernel does not take.
double plain_sum_of_squares(const at::Tensor& tensor) {
  const double norm =
      at::linalg_vector_norm(tensor, 2, std::nullopt, /*keepdim=*/false, at::kDouble).item<double>();
  return norm * norm;
}

}  // namespace

double global_norm(const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> values;
  values.reserve(gradients.size());
  for (const auto& gradient : gradients) {
    values.push_back(gradient.is_sparse() ? gradient.coalesce().values() : gradient);
  }
  double plain_sum = 0;
  std::vector<std::span<const float>> arrays;
  for (const auto& tensor : values) {
    if (is_float_array(tensor)) {
      arrays.emplace_back(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel()));
    } else {
      plain_sum += plain_sum_of_squares(tensor);
    }
  }
  const auto workspace = ops::kernels::lease_workspace();
  return std::sqrt(plain_sum + ops::kernels::sum_of_squares(arrays, *workspace));
}

double clipping_coefficient(double norm, double max_norm) {
  if (max_norm == 0) return 1;
  return std::min(1.0, max_norm / (norm + 1e-6));
}

}  // namespace vcas::training
