#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace vcas::sampling {

/// ‖a‖² and ‖a - b‖² over all elements, accumulated in float64 in an order that depends on the size only. One
/// pass and no copies for float32 on the CPU. Sparse COO tensors take time by their values
/// alone, and are subtracted in their own type; one sparse and one dense tensor cost a dense copy. Reads the
/// result on the host.
/// @throws c10::Error "squared_distance: expected equal shapes, got [3] and [4]".
double squared_norm(const at::Tensor& a);
double squared_distance(const at::Tensor& a, const at::Tensor& b);

/// The sum of squared distances of tensors that belong together. @throws c10::Error when the lists differ in
/// length.
double squared_distance(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b);

}  // namespace vcas::sampling
