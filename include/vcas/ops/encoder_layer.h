#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vcas/ops/dropout.h"
#include "vcas/ops/precision.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops {

/// The linears of a block, in the order of SamplingPlan::row_keep_ratio and SamplingStats::row_scores.
enum class EncoderLinear : int64_t { query, key, value, attention_output, intermediate, output };
inline constexpr int64_t kEncoderLinears = 6;

struct EncoderLayerOptions {
  int64_t num_heads = 12;
  double layer_norm_eps = 1e-12;
  double hidden_dropout = 0;     ///< after the attention output and after the feed-forward output
  double attention_dropout = 0;  ///< on attention probabilities
  bool pre_norm = false;         ///< x + f(norm(x)) instead of norm(x + f(x))
  bool causal = false;           ///< a row attends to itself and earlier rows of its sample
  bool tanh_gelu = false;        ///< tanh approximation instead of erf
  /// Only the first row of each sample is computed (keys and values for all): what a classifier reads of the
  /// last block.
  bool first_row_only = false;
  Implementation implementation = Implementation::automatic;
  Precision precision = Precision::float32;  ///< of the linears; attention's own products are float32
  /// Only x is kept for the backward pass, which runs the forward again on the samples that it keeps: less
  /// memory, the same result (the same bits where brgemm runs the products). The plain implementation always
  /// does.
  bool recompute = false;
  /// false: hidden_dropout is applied after the feed-forward output alone (DistilBERT).
  bool attention_output_dropout = true;
};

/// Parameters of a block in this order: (weight, bias) of query, key, value and attention output [H, H];
/// LayerNorm of the attention part [H]; (weight, bias) of the intermediate [I, H] and output [H, I] linears;
/// LayerNorm of the feed-forward part [H].
inline constexpr int64_t kEncoderParameters = 16;

/// Index of each linear's weight among the parameters; its bias follows.
inline constexpr std::array<size_t, kEncoderLinears> kLinearWeight = {0, 2, 4, 6, 10, 12};

/// Whether a linear (an EncoderLinear as a number) runs on every row of the batch: with first_row_only, keys
/// and values alone do.
inline bool runs_on_all_rows(bool first_row_only, int64_t linear) {
  return !first_row_only || linear == static_cast<int64_t>(EncoderLinear::key) ||
         linear == static_cast<int64_t>(EncoderLinear::value);
}

/// Zero inputs whose gradients are the statistics of a backward pass (plan.h, SamplingStats). Undefined: not
/// wanted.
struct EncoderLayerProbes {
  at::Tensor sample_norms;  ///< [N] float64
  at::Tensor row_scores;    ///< [6, R] float64
  at::Tensor flops;         ///< [1] float64
};

/// A transformer encoder block over a packed batch, with SampleA at its output and SampleW in its linears
/// when the backward pass runs: kept samples are gathered once, and the whole backward of the block runs on
/// their rows.
/// @param x          [R, H] rows of all samples, one after the other, no padding.
/// @param offsets    [N+1] int64 CPU: sample i owns rows offsets[i]..offsets[i+1]-1; each sample has at least
/// one row.
/// @param parameters kEncoderParameters tensors; one that needs no gradient costs nothing.
/// @param rng        make_rng_tensor; read by the forward pass and kept, for dropout.
/// @param plan       plan.h's tensor for 6 linears, read when backward runs; undefined: exact.
/// @return [R, H], or [N, H] with first_row_only.
/// @throws c10::Error "encoder_layer: expected ..., got ...".
/// Source: Vaswani et al. 2017 (post-norm), Xiong et al. 2020 (pre-norm); sampling: ALGORITHM, SampleA and
/// SampleW.
at::Tensor encoder_layer(const at::Tensor& x, const at::Tensor& offsets,
                         const std::vector<at::Tensor>& parameters, const at::Tensor& rng,
                         const at::Tensor& plan, const EncoderLayerProbes& probes,
                         const EncoderLayerOptions& options);

/// What a backward pass of a block runs besides the products of gradients, for counting.
enum class EncoderLayerBackward {
  from_saved,  ///< attention's scores once more
  recomputed,  ///< the forward of the kept samples, and attention's scores once more
  /// The same without the output linear, which only the output of a pre-norm block needs.
  recomputed_but_output,
  plain  ///< the forward of the kept samples, by operations that save everything
};
EncoderLayerBackward encoder_layer_backward_kind(const at::Tensor& x, const EncoderLayerOptions& options);

/// What a block computes on, for counting: rows and pairs of (query, key) rows that attend to each other.
struct EncoderLayerWork {
  double rows = 0;        ///< rows of keys and values
  double query_rows = 0;  ///< rows of everything else
  double pairs = 0;       ///< Σ over samples of query rows × key rows
};
EncoderLayerWork encoder_layer_work(const at::Tensor& offsets, bool first_row_only);

/// Floating point operations (a multiply-add is two) of the block's GEMMs and attention products.
double encoder_layer_forward_flops(const EncoderLayerWork& work, int64_t hidden, int64_t intermediate);
/// @param weight_rows rows that enter each linear's weight gradient, 0 for a frozen weight.
double encoder_layer_backward_flops(const EncoderLayerWork& kept, const std::vector<double>& weight_rows,
                                    int64_t hidden, int64_t intermediate, EncoderLayerBackward kind);

}  // namespace vcas::ops
