#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "vcas/sampling/layout.h"

namespace vcas::sampling {

/// Variance of a sum of kept g_i/p_i with independent draws: Σ (1-p_i)/p_i w_i², w_i = ‖g_i‖.
/// An entry with w_i = 0 contributes nothing whatever its p_i. @return 0-dim float64, no device-to-host copy.
/// Source: VCAS (arXiv 2402.17227), Eq. 3 and 5.
at::Tensor bernoulli_variance(const at::Tensor& weights, const at::Tensor& probabilities);

/// p_l(s) = min{ n/N : the n largest norms sum to at least s·Σ norms }; s = 1 keeps every positive norm; at
/// least 1/N. A norm that is not finite keeps everything.
/// @param norms [N] non-negative. @return in (0, 1]. Reads the norms on the host.
double keep_ratio(const at::Tensor& norms, double s);

/// Keep ratios of the blocks of one chain: rho_l = max_{j ≤ l} p_j(s). @param norms_by_block block nearest
/// the input first.
std::vector<double> keep_ratios(const std::vector<at::Tensor>& norms_by_block, double s);
/// Keep ratios of all blocks, the maximum within each chain; 1 for a block that does not sample activations,
/// whose norms are not read.
std::vector<double> keep_ratios(const SamplingLayout& layout, const std::vector<at::Tensor>& norms_by_block,
                                double s);

}  // namespace vcas::sampling
