#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "vcas/nn/flops.h"
#include "vcas/nn/model.h"
#include "vcas/nn/recording.h"
#include "vcas/nn/transformer_layer.h"
#include "vcas/ops/compute_options.h"

namespace vcas::nn {

/// Transformer layers one after another, of which the last computes only the rows that are read. Its children
/// are named by their numbers: "0", "1", ...
class TransformerStack final : public Module {
 public:
  /// @param count at least one.
  TransformerStack(const TransformerLayerOptions& options, int64_t count);

  /// @param x [R, H] packed rows. @param offsets [N+1] int64 CPU.
  /// @param query_rows [Q] int64 CPU, ascending: rows whose output is wanted; undefined: all.
  /// @return [R, H], or [Q, H].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& offsets, const at::Tensor& query_rows,
                     Recording& recording);
  /// Operations of exact passes over a batch of these shapes.
  Flops flops(const at::Tensor& offsets, const at::Tensor& query_rows,
              const ops::ComputeOptions& compute) const;

 private:
  bool is_last(size_t layer) const { return layer + 1 == layers_.size(); }

  std::vector<std::shared_ptr<TransformerLayer>> layers_;
};

}  // namespace vcas::nn
