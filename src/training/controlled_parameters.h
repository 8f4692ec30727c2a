#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "vcas/models/text_classifier.h"

namespace vcas::training {

/// Indices of the parameters below the topmost SampleA: those whose variances count.
inline std::vector<size_t> controlled_parameters(const std::vector<models::NamedParameter>& parameters) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].below_topmost_sampling) indices.push_back(i);
  }
  return indices;
}

inline std::vector<at::Tensor> select(const std::vector<at::Tensor>& tensors,
                                      const std::vector<size_t>& indices) {
  std::vector<at::Tensor> selected;
  selected.reserve(indices.size());
  for (const size_t i : indices) selected.push_back(tensors[i]);
  return selected;
}

}  // namespace vcas::training
