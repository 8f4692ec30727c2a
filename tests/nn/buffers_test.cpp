#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>

#include "vcas/nn/model.h"

namespace vcas::nn {
namespace buffers_test {

/// A part with a parameter and a buffer, as batch normalisation has them.
class Normalisation final : public Module {
 public:
  Normalisation() {
    add_parameter("weight", at::ones({3}));
    register_buffer("running_mean", at::zeros({3}));
    register_buffer("batches", at::zeros({}, at::kLong));
  }
};

class ModelWithBuffers final : public Model {
 public:
  ModelWithBuffers() {
    add_parameter("weight", at::zeros({2, 3}));
    register_module("norm", std::make_shared<Normalisation>());
  }
  Flops flops(const Batch& /*batch*/, const ops::ComputeOptions& /*compute*/) const override { return {}; }
};

TEST(OwnTensors, HoldParametersAndBuffersByTheirPaths) {
  std::vector<std::string> names;
  for (const auto& [name, value] : ModelWithBuffers().own_tensors()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"norm.batches", "norm.running_mean", "norm.weight", "weight"}));
}

TEST(OwnTensors, BuffersAreNoParameters) {
  const ModelWithBuffers model;
  EXPECT_EQ(model.trainable_parameters().size(), 2U);
}

TEST(OwnTensors, AreReadBackBitForBit) {
  ModelWithBuffers trained, restored;
  const auto tensors = trained.own_tensors();
  tensors.at("norm.running_mean").copy_(at::sin(at::arange(3)));
  tensors.at("norm.batches").fill_(7);
  tensors.at("weight").copy_(at::cos(at::arange(6).view({2, 3})));
  restored.load_own_tensors(tensors);
  for (const auto& [name, value] : restored.own_tensors()) {
    EXPECT_TRUE(at::equal(value, tensors.at(name))) << name;
    EXPECT_EQ(value.scalar_type(), tensors.at(name).scalar_type()) << name;
    EXPECT_FALSE(value.is_alias_of(tensors.at(name))) << name;
  }
}

TEST(OwnTensors, AMissingBufferIsNamed) {
  ModelWithBuffers model;
  auto tensors = model.own_tensors();
  tensors.erase("norm.running_mean");
  try {
    model.load_own_tensors(tensors);
    FAIL() << "accepted";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("norm.running_mean"), std::string::npos);
  }
}

}  // namespace buffers_test
}  // namespace vcas::nn
