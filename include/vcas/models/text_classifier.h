#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vcas/ops/compute_options.h"
#include "vcas/sampling/plan.h"

namespace vcas::models {

/// Packed texts: the rows of all texts one after the other, no padding.
struct TextBatch {
  at::Tensor token_ids;       ///< [R] int64
  at::Tensor token_type_ids;  ///< [R] int64
  at::Tensor offsets;         ///< [N+1] int64, CPU: text i owns rows offsets[i]..offsets[i+1]-1
  at::Tensor labels;          ///< [N] int64; undefined when only logits are wanted
};

/// Where the random numbers of one micro-batch come from, and what it is for.
struct PassOptions {
  uint64_t seed = 0;
  int64_t micro_batch = 0;  ///< counted over the whole run
  int64_t rank = 0;
  bool training = true;  ///< dropout on, graph recorded
  ops::ComputeOptions compute;
};

/// What one backward pass is to do.
struct BackwardRequest {
  sampling::SamplingPlan plan = {};  ///< exact when default-constructed
  double loss_scale = 1;             ///< multiplies the loss: 1/accumulation steps, or a loss scaler's
  /// [N]: the gradient is that of the mean of weight_i · loss_i. Undefined: all 1.
  at::Tensor sample_weights = {};
  bool want_stats = false;  ///< fills BackwardResult::blocks
  bool last_pass = true;    ///< frees the graph
};

/// What one backward pass gave.
struct BackwardResult {
  /// One a trainable parameter, in the order of trainable_parameters(); sparse COO, coalesced or not, for
  /// those that TextClassifier::rows_read() names.
  std::vector<at::Tensor> gradients;
  std::vector<sampling::SamplingStats> blocks;  ///< block nearest the input first; empty unless asked for
  double flops = 0;                             ///< of this pass
};

/// One forward pass and as many backward passes over it as wanted, each with its own plan.
class ForwardPass {
 public:
  virtual ~ForwardPass() = default;
  virtual const at::Tensor& logits() const = 0;  ///< [N, labels]
  virtual const at::Tensor& loss() const = 0;    ///< 0-dim, mean cross-entropy over the batch
  /// [N] without a graph: the loss of each sample, whose mean is loss().
  virtual at::Tensor sample_losses() const = 0;
  /// [N] without a graph: ‖∂loss_i/∂logits_i‖.
  virtual at::Tensor logit_gradient_norms() const = 0;
  virtual double forward_flops() const = 0;
  /// What an exact backward pass of this batch performs.
  virtual double exact_backward_flops() const = 0;
  virtual BackwardResult backward(const BackwardRequest& request) = 0;
};

/// A trainable parameter as optimizers and the controller need it.
struct NamedParameter {
  std::string name;  ///< Hugging Face's name
  at::Tensor value;
  bool weight_decay = true;            ///< false for biases and LayerNorm
  bool below_topmost_sampling = true;  ///< false for pooler and head
};

/// Rows of a parameter that a forward pass reads, where it reads no others and the gradient is sparse.
struct RowsRead {
  size_t parameter = 0;  ///< index in trainable_parameters()
  at::Tensor rows;       ///< [*] int64, in any order, repeated or not
};

/// A linear that SampleW samples: (block, linear) of a plan.
struct SampledLinear {
  std::string name;  ///< of its weight, Hugging Face's name
  bool one_row_per_sample = false;
};

/// What the trainer needs of a model that classifies texts.
class TextClassifier : public torch::nn::Module {
 public:
  virtual std::unique_ptr<ForwardPass> forward_pass(const TextBatch& batch, const PassOptions& options) = 0;
  virtual std::vector<NamedParameter> trainable_parameters() const = 0;
  /// By parameter with a sparse gradient.
  virtual std::vector<RowsRead> rows_read(const TextBatch& /*batch*/) const { return {}; }
  /// By block, block nearest the input first.
  virtual std::vector<std::vector<SampledLinear>> sampled_linears() const = 0;
  /// Every tensor by its Hugging Face name, as written to model.safetensors (shared storage, not copies).
  virtual std::map<std::string, at::Tensor> named_tensors() const = 0;
  virtual int64_t label_count() const = 0;
};

}  // namespace vcas::models
