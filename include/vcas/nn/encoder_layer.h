#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <vector>

#include "vcas/nn/recording.h"
#include "vcas/ops/encoder_layer.h"

namespace vcas::nn {

struct EncoderLayerOptions {
  int64_t hidden_size = 768;
  int64_t intermediate_size = 3072;
  /// Dropout probabilities are those of training; the precision is the recording's, and a block recomputes
  /// when either says so.
  ops::EncoderLayerOptions layer;
};

/// A transformer encoder block whose backward pass can be sampled (ops/encoder_layer.h).
class EncoderLayerImpl : public torch::nn::Module {
 public:
  explicit EncoderLayerImpl(const EncoderLayerOptions& options);

  /// @param x [R, H] packed rows. @param offsets [N+1] int64 CPU. @param recording the block adds itself to
  /// it.
  /// @return [R, H], or [N, H] with first_row_only.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& offsets, Recording& recording);

  const EncoderLayerOptions& options() const { return options_; }
  /// In the order of ops::kEncoderParameters.
  const std::vector<at::Tensor>& parameter_list() const { return parameters_; }

 private:
  void add_linear(const std::string& name, int64_t outputs, int64_t inputs);
  void add_norm(const std::string& name);
  BlockRecord make_record(const at::Tensor& x, const at::Tensor& offsets,
                          const sampling::StreamKey& stream) const;
  void count_flops(const at::Tensor& x, const at::Tensor& offsets, const ops::EncoderLayerOptions& layer,
                   Recording& recording) const;

  EncoderLayerOptions options_;
  std::vector<at::Tensor> parameters_;
};

}  // namespace vcas::nn
