#include "models/hugging_face/weight_files.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "support/temporary_folder.h"
#include "vcas/formats/error.h"
#include "vcas/nn/tensor_file.h"

namespace vcas::models::hugging_face {
namespace weight_files_test {

using nlohmann::json;

class Weights : public ::testing::Test {
 protected:
  void write_shard(const std::string& name, const nn::NamedTensors& tensors) {
    nn::write_tensors(folder_.path() / name, tensors);
  }
  void write_index(const json& weight_map) {
    folder_.write("model.safetensors.index.json",
                  json{{"metadata", {{"total_size", 8}}}, {"weight_map", weight_map}}.dump());
  }
  void write_two_shards() {
    write_shard("a.safetensors", {{"x", at::ones({2})}});
    write_shard("b.safetensors", {{"y", at::zeros({3})}, {"not in the index", at::zeros({1})}});
    write_index({{"x", "a.safetensors"}, {"y", "b.safetensors"}});
  }
  /// The message of the refusal, without the folder's path.
  std::string refusal() const {
    try {
      read_weight_files(folder_.path());
    } catch (const formats::InputError& error) {
      std::string message = error.what();
      const auto prefix = folder_.path().string() + "/";
      for (size_t place; (place = message.find(prefix)) != std::string::npos;)
        message.erase(place, prefix.size());
      return message;
    }
    return "accepted";
  }

  TemporaryFolder folder_;
};

TEST_F(Weights, OfShardsAreReadAsOfOneFile) {
  write_two_shards();
  const auto weights = read_weight_files(folder_.path());
  EXPECT_TRUE(at::equal(weights.tensors.at("x"), at::ones({2})));
  EXPECT_TRUE(at::equal(weights.tensors.at("y"), at::zeros({3})));
  EXPECT_EQ(weights.tensors.size(), 3U) << "Hugging Face takes what the index does not list too";
  EXPECT_EQ(weights.file.filename(), "model.safetensors.index.json");
}

TEST_F(Weights, OfShardsAreThoseThatTheShardsHave) {
  write_two_shards();
  write_index({{"x", "b.safetensors"}, {"y", "b.safetensors"}, {"gone", "a.safetensors"}});
  const auto weights = read_weight_files(folder_.path());
  EXPECT_TRUE(at::equal(weights.tensors.at("x"), at::ones({2})));
  EXPECT_FALSE(weights.tensors.contains("gone"));
  EXPECT_EQ(weights.located("x: of another shape"), "x: of another shape (in a.safetensors)");
  EXPECT_TRUE(weights_hold(folder_.path(), "x"));
  EXPECT_FALSE(weights_hold(folder_.path(), "gone"));
}

TEST_F(Weights, OfShardsMayLieBelow) {
  std::filesystem::create_directory(folder_.path() / "sub");
  write_shard("sub/a.safetensors", {{"x", at::ones({2})}});
  write_index({{"x", "sub/a.safetensors"}});
  EXPECT_TRUE(at::equal(read_weight_files(folder_.path()).tensors.at("x"), at::ones({2})));
}

TEST_F(Weights, HaveEveryDtypeOfSafetensors) {
  for (const auto dtype : {at::kFloat8_e4m3fn, at::kFloat8_e5m2, at::kUInt16, at::kUInt32, at::kUInt64}) {
    write_shard("model.safetensors", {{"x", at::ones({2}).to(dtype)}});
    const auto value = read_weight_files(folder_.path()).tensors.at("x");
    EXPECT_EQ(value.scalar_type(), dtype);
    EXPECT_TRUE(at::equal(value.to(at::kFloat), at::ones({2})));
  }
}

TEST_F(Weights, OfASingleFileComeFirst) {
  write_two_shards();
  write_shard("model.safetensors", {{"x", at::zeros({1})}});
  const auto weights = read_weight_files(folder_.path());
  EXPECT_EQ(weights.tensors.size(), 1U);
  EXPECT_EQ(weights.located("x: missing"), "x: missing");
}

TEST_F(Weights, NameTheShardOfATensor) {
  write_two_shards();
  const auto weights = read_weight_files(folder_.path());
  EXPECT_EQ(weights.located("y: expected shape [4], got [3]"),
            "y: expected shape [4], got [3] (in b.safetensors)");
  EXPECT_EQ(weights.located("z: missing"), "z: missing");
}

TEST_F(Weights, NameEveryFaultOfShards) {
  write_two_shards();
  write_index({{"x", "a.safetensors"}, {"y", "c.safetensors"}});
  EXPECT_EQ(refusal(),
            "model.safetensors.index.json: tensor 'y': expected it in c.safetensors, which the folder lacks");
  for (const std::string outside :
       {"../a.safetensors", "/tmp/a.safetensors", "sub/../../a.safetensors", "..", ".", "sub/", ""}) {
    write_index({{"x", outside}});
    EXPECT_EQ(refusal(),
              "model.safetensors.index.json: key 'weight_map.x': expected the name of a file in the "
              "same folder or one below, got '" +
                  outside + "'");
  }
  write_index({{"x", 5}});
  EXPECT_EQ(refusal(), "model.safetensors.index.json: key 'weight_map.x': expected a string, got 5");
  write_index(json::object());
  EXPECT_EQ(refusal(),
            "model.safetensors.index.json: key 'weight_map': expected at least one tensor, got an object");
  folder_.write("model.safetensors.index.json", "{}");
  EXPECT_EQ(refusal(), "model.safetensors.index.json: key 'weight_map': expected an object, got nothing");
  folder_.write("b.safetensors", "cut");
  write_index({{"y", "b.safetensors"}});
  EXPECT_EQ(refusal(), "b.safetensors: expected at least 8 bytes of header length, got 3");
}

TEST_F(Weights, OfAnotherFormatComeWithTheLineThatConvertsThem) {
  EXPECT_EQ(refusal(),
            "model.safetensors: expected the model's weights in this file, or in shards that "
            "model.safetensors.index.json lists; found neither");
  folder_.write("pytorch_model.bin", "");
  const auto message = refusal();
  EXPECT_TRUE(message.starts_with("pytorch_model.bin: pickled weights are not read")) << message;
  EXPECT_NE(message.find("python -c 'import sys, transformers"), std::string::npos) << message;
  EXPECT_TRUE(message.ends_with("' '" + folder_.path().string() + "'")) << message;
}

}  // namespace weight_files_test
}  // namespace vcas::models::hugging_face
