#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vcas/ops/activation.h"
#include "vcas/ops/dropout.h"
#include "vcas/ops/flops.h"
#include "vcas/ops/precision.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops {

/// The weights of a block that SampleW samples, in the order of SamplingPlan::row_keep_ratio.
enum class TransformerWeight : int64_t { query, key, value, attention_output, intermediate, output };
inline constexpr int64_t kTransformerWeights = 6;

/// Parameters of a block in this order: (weight, bias) of query, key, value and attention output [H, H];
/// LayerNorm of the attention part [H]; (weight, bias) of the intermediate [I, H] and output [H, I] linears;
/// LayerNorm of the feed-forward part [H].
inline constexpr int64_t kTransformerParameters = 16;

/// Index of each TransformerWeight among the parameters; its bias follows.
inline constexpr std::array<size_t, kTransformerWeights> kWeightParameter = {0, 2, 4, 6, 10, 12};

/// Whether a weight (a TransformerWeight as a number) runs on the query rows of a batch; key and value run on
/// all rows.
inline constexpr bool runs_on_query_rows(int64_t weight) {
  return weight != static_cast<int64_t>(TransformerWeight::key) &&
         weight != static_cast<int64_t>(TransformerWeight::value);
}

struct TransformerLayerOptions {
  int64_t num_heads = 12;
  double layer_norm_eps = 1e-12;
  double hidden_dropout = 0;     ///< after the attention output and after the feed-forward output
  double attention_dropout = 0;  ///< on attention probabilities
  bool pre_norm = false;         ///< x + f(norm(x)) instead of norm(x + f(x))
  bool causal = false;           ///< a row attends to itself and earlier rows of its sample
  Activation activation = Activation::gelu;
  Implementation implementation = Implementation::automatic;
  Precision precision = Precision::float32;  ///< of the linears; attention's own products are float32
  /// Only x is kept for the backward pass, which runs the forward again on the samples that it keeps: less
  /// memory, the same result (the same bits where brgemm runs the products). The plain implementation always
  /// does.
  bool recompute = false;
  /// false: hidden_dropout is applied after the feed-forward output alone (DistilBERT).
  bool attention_output_dropout = true;

  /// All of them as the operator's schema takes them: "num_heads=12 layer_norm_eps=1e-12 ...
  /// activation=relu", with plain=1 for Implementation::plain and bf16=1 for Precision::bfloat16.
  std::string to_text() const;
  /// The inverse; what is not named has its default.
  /// @throws c10::Error "transformer_layer: expected causal=0 or causal=1 among the options, got causal=yes".
  static TransformerLayerOptions from_text(std::string_view text);
};

/// Zero inputs whose gradients are the statistics of a backward pass. Undefined: not wanted.
struct TransformerLayerStatistics {
  at::Tensor sample_norms;  ///< [N] float64: norm of the gradient that arrives at a sample's query rows
  /// [sum of TransformerLayerRows::weight_rows] float64, weight after weight: leverage score of every row, 0
  /// for rows that were not kept.
  at::Tensor row_scores;
  at::Tensor flops;  ///< [1] float64 on the CPU, whatever device the block runs on
};

/// A transformer block over a packed batch, with SampleA at its output and SampleW in its linears when the
/// backward pass runs: kept samples are gathered once, and the whole backward of the block runs on their
/// rows. On the CPU in float32 it runs on kernels; other devices and dtypes (float64, float16, bfloat16) run
/// the plain implementation.
/// @param x          [R, H] rows of all samples, one after the other, no padding.
/// @param offsets    [N+1] int64 CPU: sample i owns rows offsets[i]..offsets[i+1]-1; each sample has at least
/// one row.
/// @param query_rows [Q] int64 CPU, ascending: the rows whose output is wanted, at least one in all; a sample
/// may have none. Keys and values run on all rows. Undefined: all rows.
/// @param parameters kTransformerParameters tensors; one that needs no gradient costs nothing.
/// @param rng        make_rng_tensor; read by the forward pass and kept, for dropout.
/// @param plan       plan.h's tensor for 6 weights, read when backward runs; undefined: exact.
/// @return [R, H], or [Q, H].
/// @throws c10::Error "transformer_layer: expected ..., got ...".
/// Source: Vaswani et al. 2017 (post-norm), Xiong et al. 2020 (pre-norm); sampling: ALGORITHM, SampleA and
/// SampleW.
at::Tensor transformer_layer(const at::Tensor& x, const at::Tensor& offsets, const at::Tensor& query_rows,
                             const std::vector<at::Tensor>& parameters, const at::Tensor& rng,
                             const at::Tensor& plan, const TransformerLayerStatistics& statistics,
                             const TransformerLayerOptions& options);

/// The rows that the weights of a block run on in one batch.
struct TransformerLayerRows {
  int64_t samples = 0;                               ///< N
  std::vector<int64_t> weight_rows;                  ///< by weight: R, or Q
  std::vector<std::vector<int64_t>> weight_offsets;  ///< by weight, [N+1]: its rows of each sample
  /// Length of TransformerLayerStatistics::row_scores.
  int64_t score_count() const;
};
/// @param offsets, query_rows as of transformer_layer.
TransformerLayerRows transformer_layer_rows(const at::Tensor& offsets, const at::Tensor& query_rows);

/// What the operations of a block depend on besides its batch and its options.
struct TransformerLayerShape {
  int64_t hidden = 0;
  int64_t intermediate = 0;
  std::array<bool, kTransformerWeights> trainable = {true, true, true, true, true, true};  ///< by weight
  bool has_kernels = true;  ///< float32 on the CPU

  /// Of a block with these parameters.
  static TransformerLayerShape of(const std::vector<at::Tensor>& parameters);
};
/// Operations of a block's GEMMs and attention products in a forward pass and in an exact backward pass.
/// Under a causal mask the kernels compute T(T+1)/2 pairs of T rows. The plain implementation pads samples to
/// the longest.
/// @param offsets, query_rows as of transformer_layer.
Flops transformer_layer_flops(const at::Tensor& offsets, const at::Tensor& query_rows,
                              const TransformerLayerShape& shape, const TransformerLayerOptions& options);

}  // namespace vcas::ops
