#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "vcas/nn/parameter.h"

namespace vcas::training {

/// Keeps pruned weights pruned: a weight that is zero when training starts gets no gradient, so that no
/// optimizer that steps by gradients and their moments moves it. Matrices alone; a bias of zero learns. Found
/// anew from the weights after a resume.
class ZeroMasks {
 public:
  explicit ZeroMasks(const std::vector<nn::Parameter>& parameters);

  /// @param gradients one a parameter; sparse ones are left alone. @param writable whether they may be
  /// changed in place.
  void apply(std::vector<at::Tensor>& gradients, bool writable) const;

 private:
  std::vector<at::Tensor> masks_;  ///< bool, of a parameter's shape; undefined where nothing is zero
};

}  // namespace vcas::training
