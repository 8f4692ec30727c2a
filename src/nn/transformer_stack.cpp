#include "vcas/nn/transformer_stack.h"

#include <string>

namespace vcas::nn {

TransformerStack::TransformerStack(const TransformerLayerOptions& options, int64_t count) {
  TORCH_CHECK(count >= 1, "transformer stack: expected at least one layer, got ", count);
  for (int64_t i = 0; i < count; ++i)
    layers_.push_back(register_module(std::to_string(i), std::make_shared<TransformerLayer>(options)));
}

at::Tensor TransformerStack::forward(const at::Tensor& x, const at::Tensor& offsets,
                                     const at::Tensor& query_rows, Recording& recording) {
  at::Tensor rows = x;
  for (size_t i = 0; i < layers_.size(); ++i)
    rows = layers_[i]->forward(rows, offsets, is_last(i) ? query_rows : at::Tensor(), recording);
  return rows;
}

Flops TransformerStack::flops(const at::Tensor& offsets, const at::Tensor& query_rows,
                              const ops::ComputeOptions& compute) const {
  Flops flops;
  for (size_t i = 0; i < layers_.size(); ++i)
    flops += layers_[i]->flops(offsets, is_last(i) ? query_rows : at::Tensor(), compute);
  return flops;
}

}  // namespace vcas::nn
