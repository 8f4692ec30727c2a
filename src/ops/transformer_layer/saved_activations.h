#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace vcas::ops {

/// What the CPU kernels' forward pass leaves for the backward pass. "Query rows": all rows of the batch, or
/// those that the call names. H: hidden size, I: intermediate size.
struct SavedActivations {
  at::Tensor attention_input;      ///< [R, H]: x, or its norm with pre_norm
  at::Tensor attention_norm_mean;  ///< of the rows that the attention part's LayerNorm normalises
  at::Tensor attention_norm_rstd;
  at::Tensor query, key, value;        ///< [query rows, H], [R, H], [R, H]
  at::Tensor context;                  ///< [query rows, H]
  at::Tensor logsumexp;                ///< [query rows, heads]
  at::Tensor attention_sum;            ///< [query rows, H]: residual + attention part
  at::Tensor feed_forward_input;       ///< [query rows, H]
  at::Tensor feed_forward_input_norm;  ///< [query rows] float64
  at::Tensor intermediate;             ///< [query rows, I], before the activation
  at::Tensor activated;                ///< [query rows, I], after it
  at::Tensor activated_norm;           ///< [query rows] float64
  at::Tensor output_sum;        ///< [query rows, H]: residual + feed-forward part; undefined with pre_norm
  at::Tensor output_norm_mean;  ///< of the rows that the feed-forward part's LayerNorm normalises
  at::Tensor output_norm_rstd;

  std::vector<at::Tensor> list() const {
    return {attention_input,
            attention_norm_mean,
            attention_norm_rstd,
            query,
            key,
            value,
            context,
            logsumexp,
            attention_sum,
            feed_forward_input,
            feed_forward_input_norm,
            intermediate,
            activated,
            activated_norm,
            output_sum,
            output_norm_mean,
            output_norm_rstd};
  }

  static SavedActivations from_list(const std::vector<at::Tensor>& t) {
    return {t.at(0), t.at(1),  t.at(2),  t.at(3),  t.at(4),  t.at(5),  t.at(6),  t.at(7), t.at(8),
            t.at(9), t.at(10), t.at(11), t.at(12), t.at(13), t.at(14), t.at(15), t.at(16)};
  }
};

}  // namespace vcas::ops
