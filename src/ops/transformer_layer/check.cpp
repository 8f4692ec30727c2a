#include <c10/util/Exception.h>

#include "passes.h"

namespace vcas::ops {
namespace {

void check_parameters(const TransformerLayerArguments& a) {
  TORCH_CHECK(a.parameters.size() == static_cast<size_t>(kTransformerParameters),
              "transformer_layer: expected ", kTransformerParameters, " parameters, got ",
              a.parameters.size());
  const int64_t hidden = a.hidden();
  TORCH_CHECK(a.parameters[kIntermediateWeight].dim() == 2,
              "transformer_layer: expected an intermediate weight [I, ", hidden, "], got ",
              a.parameters[kIntermediateWeight].sizes());
  const int64_t intermediate = a.intermediate();
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    std::vector<int64_t> expected{hidden};
    if (i == kIntermediateWeight) expected = {intermediate, hidden};
    if (i == kIntermediateBias) expected = {intermediate};
    if (i == kOutputWeight) expected = {hidden, intermediate};
    if (i <= kAttentionOutputBias && i % 2 == 0) expected = {hidden, hidden};
    TORCH_CHECK(a.parameters[i].sizes() == expected, "transformer_layer: expected parameter ", i, " ",
                at::IntArrayRef(expected), ", got ", a.parameters[i].sizes());
  }
}

void check_index(const at::Tensor& index, const char* name, const char* shape, int64_t least) {
  TORCH_CHECK(index.is_cpu() && index.scalar_type() == at::kLong && index.is_contiguous() &&
                  index.dim() == 1 && index.numel() >= least,
              "transformer_layer: expected ", name, " ", shape, " int64 on the CPU, got ",
              index.scalar_type(), " ", index.sizes(), " on ", index.device());
}

void check_offsets(const TransformerLayerArguments& a) {
  check_index(a.offsets, "offsets", "[N+1]", 2);
  const auto* offsets = a.offsets.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < a.samples(); ++i)
    TORCH_CHECK(offsets[i] < offsets[i + 1], "transformer_layer: expected samples of at least one row, got ",
                offsets[i + 1] - offsets[i], " rows in sample ", i);
  TORCH_CHECK(offsets[0] == 0 && offsets[a.samples()] == a.rows(),
              "transformer_layer: expected offsets from 0 to ", a.rows(), ", got ", offsets[0], " to ",
              offsets[a.samples()]);
}

void check_query_rows(const TransformerLayerArguments& a) {
  check_index(a.query_rows, "query rows", "[Q], at least one,", 1);
  const auto* rows = a.query_rows.const_data_ptr<int64_t>();
  for (int64_t i = 0, least = 0; i < a.query_rows.numel(); least = rows[i++] + 1)
    TORCH_CHECK(least <= rows[i] && rows[i] < a.rows(), "transformer_layer: expected query rows below ",
                a.rows(), " in ascending order, got ", rows[i],
                i == 0 ? "" : " after " + std::to_string(rows[i - 1]));
}

}  // namespace

TransformerLayerArguments checked_arguments(const at::Tensor& x, const at::Tensor& offsets,
                                            const OptionalTensor& query_rows, at::TensorList parameters,
                                            const at::Tensor& rng, std::string_view options) {
  TransformerLayerArguments a{x,
                              offsets,
                              query_rows.value_or(at::Tensor()),
                              parameters.vec(),
                              rng,
                              TransformerLayerOptions::from_text(options)};
  TORCH_CHECK(x.dim() == 2, "transformer_layer: expected x [R, H], got ", x.sizes());
  check_parameters(a);
  TORCH_CHECK(a.options.num_heads > 0 && a.hidden() % a.options.num_heads == 0,
              "transformer_layer: expected heads that divide the hidden size ", a.hidden(), ", got ",
              a.options.num_heads);
  for (const double p : {a.options.hidden_dropout, a.options.attention_dropout})
    TORCH_CHECK(p >= 0 && p < 1, "transformer_layer: expected a dropout probability in [0, 1), got ", p);
  check_offsets(a);
  if (a.query_rows.defined()) {
    check_query_rows(a);
    if (a.query_rows.numel() == a.rows()) a.query_rows.reset();
  }
  return a;
}

}  // namespace vcas::ops
