#include "sampling/variance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace vcas::sampling {

at::Tensor bernoulli_variance(const at::Tensor& weights, const at::Tensor& probabilities) {
  TORCH_CHECK(weights.sizes() == probabilities.sizes(),
              "bernoulli_variance: expected as many probabilities as weights ", weights.sizes(), ", got ",
              probabilities.sizes());
  const at::Tensor w = weights.detach().to(at::kDouble);
  const at::Tensor p = probabilities.detach().to(at::kDouble);
  return at::where(w == 0, at::zeros_like(w), (1 - p) / p * w.square()).sum();
}

double keep_ratio(const at::Tensor& norms, double s) {
  TORCH_CHECK(norms.dim() == 1 && norms.numel() >= 1, "keep_ratio: expected norms [N], N at least 1, got ",
              norms.sizes());
  TORCH_CHECK(0 <= s && s <= 1, "keep_ratio: expected s in [0, 1], got ", s);
  const at::Tensor host = norms.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* data = host.const_data_ptr<double>();
  std::vector<double> sorted(data, data + host.numel());
  if (!std::all_of(sorted.begin(), sorted.end(), [](double w) { return std::isfinite(w); })) return 1;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double total = 0;
  for (const double w : sorted) total += w;
  size_t kept = 0;
  for (double sum = 0; kept < sorted.size() && sorted[kept] > 0 && (s == 1 || sum < s * total); ++kept) {
    sum += sorted[kept];
  }
  return static_cast<double>(std::max<size_t>(1, kept)) / static_cast<double>(sorted.size());
}

std::vector<double> keep_ratios(const std::vector<at::Tensor>& norms_by_block, double s) {
  std::vector<double> ratios;
  double largest = 0;
  for (const at::Tensor& norms : norms_by_block) {
    largest = std::max(largest, keep_ratio(norms, s));
    ratios.push_back(largest);
  }
  return ratios;
}

std::vector<double> keep_ratios(const SamplingLayout& layout, const std::vector<at::Tensor>& norms_by_block,
                                double s) {
  TORCH_CHECK(norms_by_block.size() == layout.blocks.size(), "keep_ratios: expected norms of ",
              layout.blocks.size(), " blocks, got ", norms_by_block.size());
  std::vector<double> ratios;
  double largest = 0;
  for (size_t l = 0; l < layout.blocks.size(); ++l) {
    if (l > 0 && is_topmost(layout, l - 1)) largest = 0;
    if (layout.blocks[l].samples_activations) {
      largest = std::max(largest, keep_ratio(norms_by_block[l], s));
      ratios.push_back(largest);
    } else {
      ratios.push_back(1);
    }
  }
  return ratios;
}

}  // namespace vcas::sampling
