#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "formats/safetensors.h"
#include "formats/support.h"

namespace vcas::formats {
namespace safetensors_write_test {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(SafetensorsHeader, IsHuggingFaces) {
  // The header that safetensors.torch.save_file 0.8 writes for these tensors: wide dtypes first, then by
  // name.
  const std::string four(4, 'x'), two(2, 'y'), eight(8, 'z');
  const TensorMap tensors = {{"a", {Dtype::u8, {2}, bytes_of(two)}},
                             {"b", {Dtype::f32, {1, 1}, bytes_of(four)}},
                             {"c", {Dtype::i64, {}, bytes_of(eight)}},
                             {"d", {Dtype::f32, {1}, bytes_of(four)}}};
  const std::string json =
      R"({"__metadata__":{"format":"pt"},"c":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},)"
      R"("d":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
      R"("a":{"dtype":"U8","shape":[2],"data_offsets":[16,18]}})";
  const auto header = safetensors_header(tensors, {{"format", "pt"}});
  EXPECT_EQ(header.substr(8, json.size()), json);
  EXPECT_EQ(header.size() % 8, 0u);
  EXPECT_LT(header.size() - 8 - json.size(), 8u);
  EXPECT_EQ(header.find_first_not_of(' ', 8 + json.size()), std::string::npos);
}

TEST(SafetensorsHeader, NoMetadataNoKey) {
  EXPECT_EQ(safetensors_header({}, {}), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
}

TEST(SafetensorsHeader, RefusesWhatTheFormatCannotHold) {
  const std::string four(4, 'x');
  const auto header_of = [&](const std::string& name, const TensorView& tensor) {
    return safetensors_header({{name, tensor}}, {});
  };
  EXPECT_NO_THROW(header_of("x", {Dtype::f32, {1}, bytes_of(four)}));
  EXPECT_THROW(header_of("x", {Dtype::f32, {2}, bytes_of(four)}), std::invalid_argument);
  EXPECT_THROW(header_of("x", {Dtype::f32, {-1}, bytes_of(four)}), std::invalid_argument);
  EXPECT_THROW(header_of("x", {Dtype::f32, {int64_t{1} << 62, 4}, {}}), std::invalid_argument);
  EXPECT_THROW(header_of("__metadata__", {Dtype::f32, {1}, bytes_of(four)}), std::invalid_argument);
  EXPECT_THROW(header_of("\xFF", {Dtype::f32, {1}, bytes_of(four)}), std::invalid_argument);
  EXPECT_THROW(safetensors_header({}, {{"format", "\xFF"}}), std::invalid_argument);
}

TEST(WriteSafetensors, RefusedTensorsLeaveTheOldFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("m.safetensors", "old");
  EXPECT_THROW(write_safetensors(file, {{"x", {Dtype::f32, {2}, {}}}}), std::invalid_argument);
  EXPECT_EQ(content_of(file), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

struct OwnedTensor {
  Dtype dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

OwnedTensor generated_tensor() {
  OwnedTensor tensor{static_cast<Dtype>(*rc::gen::inRange(0, 15)), {}, {}};
  auto count = dtype_size(tensor.dtype);
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    tensor.shape.push_back(*rc::gen::inRange(0, 5));
    count *= static_cast<std::size_t>(tensor.shape.back());
  }
  tensor.bytes = *rc::gen::container<std::string>(count, rc::gen::arbitrary<char>());
  return tensor;
}

std::string generated_name() {
  return *rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::inRange<char>(0, 127), rc::gen::element('"', '\\', '.')));
}

RC_GTEST_PROP(WriteSafetensors, ReadsBackBitForBit, ()) {
  std::map<std::string, OwnedTensor> owned;
  for (int i = *rc::gen::inRange(0, 6); i > 0; --i) owned[generated_name()] = generated_tensor();
  MetadataMap metadata;
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) metadata[generated_name()] = generated_name();
  TensorMap tensors;
  for (const auto& [name, tensor] : owned)
    tensors[name] = {tensor.dtype, tensor.shape, bytes_of(tensor.bytes)};

  const TemporaryFolder folder;
  const auto path = folder.path() / "m.safetensors";
  write_safetensors(path, tensors, metadata);
  const SafetensorsFile file(path);
  RC_ASSERT(file.metadata() == metadata);
  RC_ASSERT(file.tensors().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const auto& read = file.tensors().at(name);
    RC_ASSERT(read.dtype == tensor.dtype);
    RC_ASSERT(read.shape == tensor.shape);
    RC_ASSERT(std::ranges::equal(read.bytes, tensor.bytes));
    const auto address = reinterpret_cast<std::uintptr_t>(read.bytes.data());
    RC_ASSERT(read.bytes.empty() || address % dtype_size(read.dtype) == 0u);
  }
}

}  // namespace safetensors_write_test
}  // namespace vcas::formats
