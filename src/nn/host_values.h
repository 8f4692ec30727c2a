#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/ScalarTypeToTypeMeta.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace vcas::nn {

/// [n] on the CPU, of the values' own type.
template <typename Value>
at::Tensor to_tensor(const std::vector<Value>& values) {
  at::Tensor tensor =
      at::empty({static_cast<int64_t>(values.size())}, c10::CppTypeToScalarType<Value>::value);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<Value>());
  return tensor;
}

/// All values of a tensor on any device, converted to this type.
template <typename Value>
std::vector<Value> to_vector(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kCPU, c10::CppTypeToScalarType<Value>::value).contiguous();
  const auto* data = values.const_data_ptr<Value>();
  return {data, data + values.numel()};
}

}  // namespace vcas::nn
