#include "ops/embeddings.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/_sparse_coo_tensor_unsafe.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "grouped_rows.h"
#include "ops/autograd_edges.h"
#include "ops/kernels/dropout.h"
#include "ops/kernels/layer_norm.h"
#include "ops/kernels/pooled_tensor.h"
#include "ops/kernels/row_chunks.h"
#include "ops/kernels/tensor_rows.h"
#include "sampling/float_array.h"

namespace vcas::ops {
namespace {

using kernels::rows_of;
using kernels::RowView;
using sampling::Site;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor plain_embeddings(const EmbeddingIndices& indices, const EmbeddingParameters& parameters,
                            const at::Tensor& rng, const EmbeddingOptions& options) {
  const auto words = at::embedding(parameters.word, indices.word, /*padding_idx=*/-1,
                                   /*scale_grad_by_freq=*/false, /*sparse=*/true);
  const auto sum = words + at::embedding(parameters.token_type, indices.token_type) +
                   at::embedding(parameters.position, indices.position);
  const auto normed = at::layer_norm(sum, {sum.size(1)}, parameters.norm_weight, parameters.norm_bias,
                                     options.layer_norm_eps);
  return dropout(normed, rng, Site::embedding_dropout, options.dropout, Implementation::plain);
}

void check(const EmbeddingIndices& indices, const EmbeddingParameters& p, const EmbeddingOptions& options) {
  TORCH_CHECK(p.word.dim() == 2, "embeddings: expected a word table [vocabulary, H], got ", p.word.sizes());
  const int64_t rows = indices.word.numel(), hidden = p.word.size(1);
  for (const at::Tensor* each : {&indices.word, &indices.position, &indices.token_type}) {
    TORCH_CHECK(each->dim() == 1 && each->numel() == rows, "embeddings: expected ", rows,
                " indices of each table, got ", each->sizes());
  }
  for (const at::Tensor* table : {&p.position, &p.token_type}) {
    TORCH_CHECK(table->dim() == 2 && table->size(1) == hidden, "embeddings: expected a table [*, ", hidden,
                "], got ", table->sizes());
  }
  for (const at::Tensor* norm : {&p.norm_weight, &p.norm_bias}) {
    TORCH_CHECK(norm->dim() == 1 && norm->numel() == hidden, "embeddings: expected LayerNorm parameters [",
                hidden, "], got ", norm->sizes());
  }
  TORCH_CHECK(options.dropout >= 0 && options.dropout < 1,
              "embeddings: expected a dropout probability in [0, 1), got ", options.dropout);
}

bool has_kernels(const EmbeddingParameters& p) {
  const at::Tensor* tensors[] = {&p.word, &p.position, &p.token_type, &p.norm_weight, &p.norm_bias};
  return std::all_of(std::begin(tensors), std::end(tensors),
                     [](const at::Tensor* tensor) { return sampling::is_float_array(*tensor); });
}

std::span<const int64_t> checked_indices(const char* table_name, const at::Tensor& indices,
                                         const at::Tensor& table) {
  TORCH_CHECK(indices.is_cpu() && indices.scalar_type() == at::kLong && indices.is_contiguous(),
              "embeddings: expected indices of the ", table_name, " table as int64 on the CPU, got ",
              indices.scalar_type(), " on ", indices.device());
  const std::span values(indices.const_data_ptr<int64_t>(), static_cast<size_t>(indices.numel()));
  for (const int64_t index : values) {
    TORCH_CHECK(index >= 0 && index < table.size(0), "embeddings: expected indices of the ", table_name,
                " table below ", table.size(0), ", got ", index);
  }
  return values;
}

at::Tensor sum_of_rows(const EmbeddingIndices& indices, const EmbeddingParameters& p) {
  const auto words = checked_indices("word", indices.word, p.word);
  const auto types = checked_indices("token type", indices.token_type, p.token_type);
  const auto positions = checked_indices("position", indices.position, p.position);
  const int64_t width = p.word.size(1);
  const auto rows = static_cast<int64_t>(words.size());
  auto sum = kernels::pooled_empty({rows, width}, at::kFloat);
  const RowView word_rows = rows_of(p.word, words.data());
  const RowView type_rows = rows_of(p.token_type, types.data());
  const RowView position_rows = rows_of(p.position, positions.data());
  auto* out = sum.mutable_data_ptr<float>();
  const auto workspace = kernels::lease_workspace();
  kernels::for_row_chunks(rows, /*scratch_floats=*/0, *workspace, [&](int64_t begin, int64_t end, float*) {
    for (int64_t r = begin; r < end; ++r) {
      const float* word = word_rows.row(r);
      const float* type = type_rows.row(r);
      const float* position = position_rows.row(r);
      for (int64_t c = 0; c < width; ++c) out[r * width + c] = word[c] + type[c] + position[c];
    }
  });
  return sum;
}

/// What the backward pass reads.
struct Normed {
  at::Tensor output, mean, rstd;
};

Normed normalise(const at::Tensor& sum, const EmbeddingParameters& p, const at::Tensor& rng,
                 const EmbeddingOptions& options) {
  const int64_t rows = sum.size(0), width = sum.size(1);
  Normed result{kernels::pooled_empty(sum.sizes(), at::kFloat), at::empty({rows}, at::kFloat),
                at::empty({rows}, at::kFloat)};
  const auto workspace = kernels::lease_workspace();
  kernels::LayerNormForward norm;
  norm.input = rows_of(sum);
  norm.gamma = p.norm_weight.const_data_ptr<float>();
  norm.beta = p.norm_bias.const_data_ptr<float>();
  norm.epsilon = static_cast<float>(options.layer_norm_eps);
  norm.output = result.output.mutable_data_ptr<float>();
  norm.mean = result.mean.mutable_data_ptr<float>();
  norm.rstd = result.rstd.mutable_data_ptr<float>();
  kernels::layer_norm_forward(norm, rows, width, *workspace);
  if (options.dropout == 0) return result;
  kernels::DropoutForward drop;
  drop.input = rows_of(result.output);
  drop.mask = kernels::DropoutMask(read_rng(rng, Site::embedding_dropout), options.dropout);
  drop.output = result.output.mutable_data_ptr<float>();
  kernels::dropout_forward(drop, rows, width, *workspace);
  return result;
}

at::Tensor sparse_gradient(const at::Tensor& rows, const at::Tensor& indices, at::IntArrayRef table_sizes) {
  const GroupedRows groups({indices.const_data_ptr<int64_t>(), static_cast<size_t>(indices.numel())});
  const auto count = static_cast<int64_t>(groups.table_rows().size());
  auto values = kernels::pooled_empty({count, rows.size(1)}, at::kFloat);
  groups.sum(rows.const_data_ptr<float>(), rows.size(1), /*at_table_row=*/false,
             values.mutable_data_ptr<float>());
  auto table_rows = at::empty({1, count}, at::kLong);
  std::copy_n(groups.table_rows().data(), count, table_rows.mutable_data_ptr<int64_t>());
  return at::_sparse_coo_tensor_unsafe(table_rows, values, table_sizes, rows.options().layout(at::kSparse),
                                       /*is_coalesced=*/true);
}

at::Tensor dense_gradient(const at::Tensor& rows, const at::Tensor& indices, at::IntArrayRef table_sizes) {
  const GroupedRows groups({indices.const_data_ptr<int64_t>(), static_cast<size_t>(indices.numel())});
  auto gradient = kernels::pooled_zeros(table_sizes, at::kFloat);
  groups.sum(rows.const_data_ptr<float>(), rows.size(1), /*at_table_row=*/true,
             gradient.mutable_data_ptr<float>());
  return gradient;
}

/// Place of each saved tensor.
enum Saved : size_t { kSum, kMean, kRstd, kNormWeight, kWordIndex, kPositionIndex, kTokenTypeIndex };

/// Place of each parameter among the arguments, and of its gradient among the results.
enum Argument : size_t { kWord, kPosition, kTokenType, kGamma, kBeta, kArgumentCount = 8 };

class Embeddings : public torch::autograd::Function<Embeddings> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& word, const at::Tensor& position,
                            const at::Tensor& token_type, const at::Tensor& norm_weight,
                            const at::Tensor& norm_bias, const EmbeddingIndices& indices,
                            const at::Tensor& rng, const EmbeddingOptions& options) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const EmbeddingParameters parameters{word, position, token_type, norm_weight, norm_bias};
    const auto sum = sum_of_rows(indices, parameters);
    auto normed = normalise(sum, parameters, rng, options);
    context->save_for_backward(
        {sum, normed.mean, normed.rstd, norm_weight, indices.word, indices.position, indices.token_type});
    auto& data = context->saved_data;
    data["word_sizes"] = word.sizes().vec();
    data["position_sizes"] = position.sizes().vec();
    data["token_type_sizes"] = token_type.sizes().vec();
    data["rng"] = rng.clone();
    data["dropout"] = options.dropout;
    return normed.output;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    GradientEdges edges(*context);
    const bool word = edges.next(), position = edges.next(), token_type = edges.next();
    const bool norm_weight = edges.next(), norm_bias = edges.next();
    variable_list result(kArgumentCount);
    if (norm_weight) result[kGamma] = at::empty_like(saved[kNormWeight]);
    if (norm_bias) result[kBeta] = at::empty_like(saved[kNormWeight]);
    const auto rows = through_norm(context, gradients[0].contiguous(), saved, result);
    if (word) result[kWord] = sparse_gradient(rows, saved[kWordIndex], data["word_sizes"].toIntVector());
    if (position) {
      result[kPosition] = dense_gradient(rows, saved[kPositionIndex], data["position_sizes"].toIntVector());
    }
    if (token_type) {
      result[kTokenType] =
          dense_gradient(rows, saved[kTokenTypeIndex], data["token_type_sizes"].toIntVector());
    }
    return result;
  }

 private:
  /// The gradient of the sum of embeddings, [R, H]; those of gamma and beta are filled where they are
  /// defined.
  static at::Tensor through_norm(AutogradContext* context, const at::Tensor& gradient,
                                 const variable_list& saved, variable_list& result) {
    const int64_t rows = gradient.size(0), width = gradient.size(1);
    const double p = context->saved_data["dropout"].toDouble();
    const auto workspace = kernels::lease_workspace();
    auto inner = kernels::pooled_empty(gradient.sizes(), at::kFloat);
    kernels::LayerNormBackward norm;
    norm.grad_output = rows_of(gradient);
    if (p != 0) {
      kernels::DropoutBackward drop;
      drop.grad_output = norm.grad_output;
      drop.mask =
          kernels::DropoutMask(read_rng(context->saved_data["rng"].toTensor(), Site::embedding_dropout), p);
      drop.grad_input = inner.mutable_data_ptr<float>();
      kernels::dropout_backward(drop, rows, width, *workspace);
      norm.grad_output = rows_of(inner);
    }
    norm.sum = rows_of(saved[kSum]);
    norm.mean = saved[kMean].const_data_ptr<float>();
    norm.rstd = saved[kRstd].const_data_ptr<float>();
    norm.gamma = saved[kNormWeight].const_data_ptr<float>();
    norm.grad_input = inner.mutable_data_ptr<float>();
    if (result[kGamma].defined()) norm.grad_gamma = result[kGamma].mutable_data_ptr<float>();
    if (result[kBeta].defined()) norm.grad_beta = result[kBeta].mutable_data_ptr<float>();
    kernels::layer_norm_backward(norm, rows, width, *workspace);
    return inner;
  }
};

}  // namespace

at::Tensor embeddings(const EmbeddingIndices& indices, const EmbeddingParameters& parameters,
                      const at::Tensor& rng, const EmbeddingOptions& options) {
  check(indices, parameters, options);
  if (options.implementation == Implementation::plain || !has_kernels(parameters)) {
    return plain_embeddings(indices, parameters, rng, options);
  }
  const auto& p = parameters;
  return Embeddings::apply(p.word, p.position, p.token_type, p.norm_weight, p.norm_bias, indices, rng,
                           options);
}

}  // namespace vcas::ops
