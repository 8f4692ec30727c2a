#include "vcas/nn/parameter.h"

namespace vcas::nn {

std::vector<size_t> controlled_parameters(const std::vector<Parameter>& parameters) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].traits.below_topmost_sampling) indices.push_back(i);
  }
  return indices;
}

std::vector<at::Tensor> select(const std::vector<at::Tensor>& tensors, const std::vector<size_t>& indices) {
  std::vector<at::Tensor> selected;
  selected.reserve(indices.size());
  for (const size_t i : indices) selected.push_back(tensors[i]);
  return selected;
}

}  // namespace vcas::nn
