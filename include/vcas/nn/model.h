#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vcas/nn/batch.h"
#include "vcas/nn/flops.h"
#include "vcas/nn/loss.h"
#include "vcas/nn/parameter.h"
#include "vcas/nn/pass.h"
#include "vcas/nn/recording.h"
#include "vcas/sampling/layout.h"

namespace vcas::nn {

using NamedTensors = std::map<std::string, at::Tensor>;

/// A module whose parameters say what they are where they are registered.
class Module : public torch::nn::Module {
 public:
  /// Whether add_parameter() registered it.
  bool has_traits(const std::string& parameter) const { return traits_.contains(parameter); }
  const ParameterTraits& traits_of(const std::string& parameter) const { return traits_.at(parameter); }

 protected:
  /// register_parameter() with traits. A tensor of one dimension (a bias, a norm) has no weight decay unless
  /// told.
  at::Tensor add_parameter(const std::string& name, at::Tensor value);
  at::Tensor add_parameter(const std::string& name, at::Tensor value, const ParameterTraits& traits);

 private:
  std::map<std::string, ParameterTraits> traits_;
};

/// A block whose backward pass can be sampled.
class SampledModule : public Module {
 public:
  /// What of it can be sampled; weights by the names under which the module registered them ("query_weight"),
  /// gradients not numbered yet.
  virtual sampling::SampledBlock describe() const = 0;
};

/// A model as tasks, the trainer and the controller need it. It describes once what is sampled; everyone
/// reads that.
class Model : public Module {
 public:
  /// Parameters that require a gradient, in the order of registration, by their paths
  /// ("encoder.0.query_weight"). One that is registered in several places is listed once, by its first.
  std::vector<Parameter> trainable_parameters() const;
  std::vector<at::Tensor> trainable_values() const;
  /// The blocks in the order in which forward passes record them. By default one chain of all SampledModules
  /// in the order of registration.
  virtual sampling::SamplingLayout layout() const;
  /// Operations of exact passes over a batch: a function of its shapes and of how it is computed.
  virtual Flops flops(const Batch& batch, const ops::ComputeOptions& compute) const = 0;
  /// By parameter with a sparse gradient.
  virtual std::vector<RowsRead> rows_read(const Batch& /*batch*/) const { return {}; }
  /// Every parameter and buffer by its path, sharing storage: what a checkpoint must hold. Each once, by its
  /// first path.
  NamedTensors own_tensors() const;
  /// Copies them back. @throws c10::Error naming a tensor that is missing or has another shape.
  void load_own_tensors(const NamedTensors& tensors);

 protected:
  /// The pass that a forward over a batch ends with: its backward passes give the gradients of
  /// trainable_values(). Operations beside those of the recorded blocks are what flops() has more.
  Pass make_pass(Recording recording, std::unique_ptr<Loss> loss, const Batch& batch) const;
};

}  // namespace vcas::nn
