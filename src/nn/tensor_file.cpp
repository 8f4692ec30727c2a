#include "vcas/nn/tensor_file.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <cstring>
#include <utility>

#include "formats/safetensors.h"

namespace vcas::nn {
namespace {

using formats::Dtype;

constexpr std::pair<Dtype, at::ScalarType> kDtypes[] = {
    {Dtype::boolean, at::kBool},
    {Dtype::u8, at::kByte},
    {Dtype::i8, at::kChar},
    {Dtype::i16, at::kShort},
    {Dtype::f16, at::kHalf},
    {Dtype::bf16, at::kBFloat16},
    {Dtype::i32, at::kInt},
    {Dtype::f32, at::kFloat},
    {Dtype::f64, at::kDouble},
    {Dtype::i64, at::kLong},
    {Dtype::u16, at::kUInt16},
    {Dtype::u32, at::kUInt32},
    {Dtype::u64, at::kUInt64},
    {Dtype::f8_e5m2, at::kFloat8_e5m2},
    {Dtype::f8_e4m3, at::kFloat8_e4m3fn},
};

at::ScalarType scalar_type(Dtype dtype) {
  for (const auto& [file_type, tensor_type] : kDtypes) {
    if (file_type == dtype) return tensor_type;
  }
  TORCH_CHECK(false, "read_tensors: expected a dtype that has a tensor type, got ",
              formats::dtype_name(dtype));
}

Dtype file_dtype(at::ScalarType type) {
  for (const auto& [file_type, tensor_type] : kDtypes) {
    if (tensor_type == type) return file_type;
  }
  TORCH_CHECK(false, "write_tensors: expected a dtype that safetensors has, got ", type);
}

}  // namespace

NamedTensors read_tensors(const std::filesystem::path& path) {
  const formats::SafetensorsFile file(path);
  NamedTensors tensors;
  for (const auto& [name, view] : file.tensors()) {
    at::Tensor tensor = at::empty(view.shape, scalar_type(view.dtype));
    if (!view.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

void write_tensors(const std::filesystem::path& path, const NamedTensors& tensors) {
  formats::TensorMap views;
  std::vector<at::Tensor> contiguous;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& data = contiguous.emplace_back(tensor.detach().cpu().contiguous());
    const auto* bytes = static_cast<const std::byte*>(data.const_data_ptr());
    views[name] = {file_dtype(data.scalar_type()), data.sizes().vec(), {bytes, data.nbytes()}};
  }
  formats::write_safetensors(path, views);
}

}  // namespace vcas::nn
