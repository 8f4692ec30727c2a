#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <string>
#include <vector>

namespace vcas::nn {

/// What optimizers and the controller need to know of a parameter beside its values. Given where it is
/// registered.
struct ParameterTraits {
  bool weight_decay = true;  ///< false for biases and norms
  bool below_topmost_sampling =
      true;  ///< false for what lies above the topmost block that samples: pooler and head
};

/// A trainable parameter.
struct Parameter {
  std::string name;
  at::Tensor value;
  ParameterTraits traits = {};
};

/// Rows of a parameter that a forward pass reads, where it reads no others and the gradient is sparse.
struct RowsRead {
  size_t parameter = 0;  ///< index in Model::trainable_parameters()
  at::Tensor rows;       ///< [*] int64, in any order, repeated or not
};

/// Indices of the parameters below the topmost block that samples: those whose variances count.
std::vector<size_t> controlled_parameters(const std::vector<Parameter>& parameters);

/// The tensors at these indices.
std::vector<at::Tensor> select(const std::vector<at::Tensor>& tensors, const std::vector<size_t>& indices);

}  // namespace vcas::nn
