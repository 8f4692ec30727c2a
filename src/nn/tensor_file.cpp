#include "vcas/nn/tensor_file.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <utility>

#include "formats/safetensors.h"
#include "vcas/formats/error.h"

namespace vcas::nn {
namespace {

using formats::Dtype;

constexpr std::pair<Dtype, at::ScalarType> kDtypes[] = {
    {Dtype::boolean, at::kBool}, {Dtype::u8, at::kByte},   {Dtype::i8, at::kChar},
    {Dtype::i16, at::kShort},    {Dtype::f16, at::kHalf},  {Dtype::bf16, at::kBFloat16},
    {Dtype::i32, at::kInt},      {Dtype::f32, at::kFloat}, {Dtype::f64, at::kDouble},
    {Dtype::i64, at::kLong},
};

std::optional<at::ScalarType> scalar_type(Dtype dtype) {
  for (const auto& [file_type, tensor_type] : kDtypes) {
    if (file_type == dtype) return tensor_type;
  }
  return std::nullopt;
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
    const auto type = scalar_type(view.dtype);
    if (!type) {
      throw formats::InputError(
          path.string(),
          fmt::format("tensor '{}': expected a dtype among BOOL, U8, I8, I16, I32, I64, F16, BF16, "
                      "F32, F64, got {}",
                      name, formats::dtype_name(view.dtype)));
    }
    at::Tensor tensor = at::empty(view.shape, *type);
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
