#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "vcas/nn/model.h"
#include "vcas/nn/recording.h"
#include "vcas/ops/transformer_layer.h"

namespace vcas::nn {

struct TransformerLayerOptions {
  int64_t hidden_size = 768;
  int64_t intermediate_size = 3072;
  /// Dropout probabilities are those of training. The recording gives the precision, and a block recomputes
  /// when either says so.
  ops::TransformerLayerOptions layer = {};
};

/// A transformer block whose backward pass can be sampled (ops/transformer_layer.h). Its own names of weights
/// and biases:
/// {query,key,value,attention_output,attention_norm,intermediate,output,output_norm}_{weight,bias}.
class TransformerLayer final : public SampledModule {
 public:
  explicit TransformerLayer(const TransformerLayerOptions& options);

  /// @param x [R, H] packed rows. @param offsets [N+1] int64 CPU.
  /// @param query_rows [Q] int64 CPU, ascending: rows whose output is wanted; undefined: all.
  /// @param recording the block adds itself to it.
  /// @return [R, H], or [Q, H].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& offsets, const at::Tensor& query_rows,
                     Recording& recording);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& offsets, Recording& recording) {
    return forward(x, offsets, {}, recording);
  }

  /// Operations of exact passes over a batch of these shapes on this model's device and dtype.
  Flops flops(const at::Tensor& offsets, const at::Tensor& query_rows,
              const ops::ComputeOptions& compute) const;
  sampling::SampledBlock describe() const override;

  const TransformerLayerOptions& options() const { return options_; }
  /// In the order of ops::kTransformerParameters.
  const std::vector<at::Tensor>& parameter_list() const { return parameters_; }

 private:
  void add_linear(const std::string& name, int64_t outputs, int64_t inputs);
  void add_norm(const std::string& name);
  ops::TransformerLayerOptions layer_options(bool training, const ops::ComputeOptions& compute) const;

  TransformerLayerOptions options_;
  std::vector<at::Tensor> parameters_;
};

/// The first row of each sample: what a classifier reads of its last block. @return [N] int64 CPU.
at::Tensor first_rows(const at::Tensor& offsets);

}  // namespace vcas::nn
