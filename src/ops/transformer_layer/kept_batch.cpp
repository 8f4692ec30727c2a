#include "kept_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "ops/kernels/dropout.h"
#include "ops/kernels/pooled_tensor.h"
#include "ops/kernels/row_chunks.h"
#include "ops/kernels/tensor_rows.h"

namespace vcas::ops {

TransformerLayerArguments batch_of_samples(const KeptRows& kept, const TransformerLayerArguments& arguments) {
  if (kept.is_everything()) return arguments;
  auto batch = arguments;
  batch.x = kernels::pooled_empty({kept.count(), arguments.hidden()}, at::kFloat);
  kernels::DropoutForward gather;
  gather.input = kernels::rows_of(arguments.x, kept.rows().data());
  gather.output = batch.x.mutable_data_ptr<float>();
  const auto workspace = kernels::lease_workspace();
  kernels::dropout_forward(gather, kept.count(), arguments.hidden(), *workspace);
  const auto& begins = kept.compact_begin();
  batch.offsets = at::empty({static_cast<int64_t>(begins.size()) + 1}, at::kLong);
  auto* end = std::copy(begins.begin(), begins.end(), batch.offsets.mutable_data_ptr<int64_t>());
  *end = kept.count();
  if (!kept.all_queries()) batch.query_rows = at::tensor(kept.query_compact_rows(), at::kLong);
  return batch;
}

at::Tensor scatter_rows(const KeptRows& kept, const at::Tensor& compact, int64_t rows) {
  const int64_t width = compact.size(1), count = kept.count();
  auto dense = kernels::pooled_empty({rows, width}, at::kFloat);
  const auto& places = kept.rows();
  const float* from = compact.const_data_ptr<float>();
  float* to = dense.mutable_data_ptr<float>();
  const auto workspace = kernels::lease_workspace();
  // Rows that are kept are copied, those between them set to zero.
  const auto copy = [&](int64_t begin, int64_t end, float*) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = places[static_cast<size_t>(i)];
      const int64_t gap = i == 0 ? 0 : places[static_cast<size_t>(i - 1)] + 1;
      std::fill(to + gap * width, to + row * width, 0.0f);
      std::copy_n(from + i * width, width, to + row * width);
    }
  };
  kernels::for_row_chunks(count, /*scratch_floats=*/0, *workspace, copy);
  std::fill(to + (places.back() + 1) * width, to + rows * width, 0.0f);
  return dense;
}

}  // namespace vcas::ops
