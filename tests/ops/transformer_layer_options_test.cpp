#include <gtest/gtest.h>

#include "ops/transformer_layer_support.h"
#include "vcas/ops/linear.h"

namespace vcas::ops {
namespace transformer_layer_options_test {

using testing::make_block;
using testing::Pass;
using testing::relative_error;
using testing::sampled_plan;

TEST(TransformerLayerOptionsText, GivesTheSameOptionsAgain) {
  TransformerLayerOptions options;
  options.num_heads = 3;
  options.layer_norm_eps = 1e-12;
  options.hidden_dropout = 0.1;
  options.attention_dropout = 1.0 / 3;
  options.causal = options.recompute = true;
  options.attention_output_dropout = false;
  options.implementation = Implementation::plain;
  options.precision = Precision::bfloat16;
  options.activation = Activation::silu;
  const auto text = options.to_text();
  EXPECT_EQ(
      text,
      "num_heads=3 layer_norm_eps=1e-12 hidden_dropout=0.1 attention_dropout=0.3333333333333333 pre_norm=0 "
      "causal=1 activation=silu plain=1 bf16=1 recompute=1 attention_output_dropout=0");
  const auto back = TransformerLayerOptions::from_text(text);
  EXPECT_EQ(back.to_text(), text);
  EXPECT_EQ(back.attention_dropout, 1.0 / 3);
  EXPECT_EQ(back.implementation, Implementation::plain);
  EXPECT_EQ(back.precision, Precision::bfloat16);
}

TEST(TransformerLayerOptionsText, HasDefaultsForWhatItDoesNotName) {
  EXPECT_EQ(TransformerLayerOptions::from_text("").to_text(), TransformerLayerOptions().to_text());
  const auto options = TransformerLayerOptions::from_text("causal=1 num_heads=2");
  EXPECT_TRUE(options.causal);
  EXPECT_EQ(options.num_heads, 2);
  EXPECT_TRUE(options.attention_output_dropout);
}

std::string message_of(const char* text) {
  try {
    TransformerLayerOptions::from_text(text);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "accepted";
}

TEST(TransformerLayerOptionsText, NamesTheKeyOrValueThatIsWrong) {
  EXPECT_EQ(message_of("causal=yes"),
            "transformer_layer: expected causal=0 or causal=1 among the options, got causal=yes");
  EXPECT_EQ(message_of("num_heads=2x"),
            "transformer_layer: expected a number for num_heads among the options, got num_heads=2x");
  EXPECT_EQ(message_of("hidden_dropout"),
            "transformer_layer: expected a number for hidden_dropout among the options, got hidden_dropout=");
  EXPECT_EQ(message_of("activation=mish"),
            "transformer_layer: expected activation=gelu, tanh_gelu, relu or silu among the options, got "
            "activation=mish");
  const auto unknown = message_of("pre_norm=1 first_row_only=1");
  EXPECT_EQ(unknown.substr(0, 52), "transformer_layer: expected options of num_heads=12 ");
  EXPECT_EQ(unknown.substr(unknown.size() - 22), ", got first_row_only=1");
}

TEST(TransformerLayerFlops, CountThePairsOfACausalMaskThatAreComputed) {
  const auto offsets = testing::offsets_of({3, 5}), queries = at::tensor({2, 4}, at::kLong);
  TransformerLayerShape shape;
  shape.hidden = 8;
  shape.intermediate = 16;
  const auto forward = [&](const at::Tensor& rows, bool causal, Implementation implementation) {
    TransformerLayerOptions options;
    options.causal = causal;
    options.implementation = implementation;
    return transformer_layer_flops(offsets, rows, shape, options).forward;
  };
  const auto kernels = Implementation::automatic;
  const double pair = 2 * 2 * 8;  // scores and context
  const double linears = 2.0 * 8 * (4 * 64 + 2 * 128);
  EXPECT_EQ(forward({}, false, kernels), linears + pair * (9 + 25));
  EXPECT_EQ(forward({}, true, kernels), linears + pair * (6 + 15));
  EXPECT_EQ(forward({}, true, Implementation::plain), linears + pair * 2 * 5 * 5) << "padded to the longest";
  // Rows 2 and 4 stand at positions 2 and 1 of their samples.
  const double some = 2.0 * (2 * (2 * 64 + 2 * 128) + 8 * 2 * 64);
  EXPECT_EQ(forward(queries, false, kernels), some + pair * (3 + 5));
  EXPECT_EQ(forward(queries, true, kernels), some + pair * (3 + 2));
}

TEST(TransformerLayerFlops, OfAnExactPassAreWhatItReports) {
  for (const bool causal : {false, true}) {
    for (const bool recompute : {false, true}) {
      TransformerLayerOptions options;
      options.num_heads = 4;
      options.causal = causal;
      options.recompute = recompute;
      for (const auto& query_rows : {at::Tensor(), at::tensor({0, 4, 9}, at::kLong)}) {
        auto block = make_block({5, 1, 17}, 32, 48, options, at::kFloat, 1, query_rows);
        block.parameters[2].set_requires_grad(false);
        const auto flops = Pass(block).backward({}).flops;
        EXPECT_TRUE(flops.is_cpu());
        EXPECT_EQ(flops.scalar_type(), at::kDouble);
        EXPECT_EQ(flops.item<double>(),
                  transformer_layer_flops(block.offsets, query_rows,
                                          TransformerLayerShape::of(block.parameters), options)
                      .backward);
      }
    }
  }
}

class NarrowParameters : public ::testing::TestWithParam<at::ScalarType> {};
INSTANTIATE_TEST_SUITE_P(All, NarrowParameters, ::testing::Values(at::kHalf, at::kBFloat16),
                         [](const auto& test) { return std::string(c10::toString(test.param)); });

/// All gradients as one vector.
at::Tensor joined(const testing::Gradients& gradients) {
  std::vector<at::Tensor> parts;
  for (const auto& gradient : gradients.tensors()) parts.push_back(gradient.to(at::kDouble).flatten());
  return at::cat(parts);
}

TEST_P(NarrowParameters, RunOnThePlainImplementation) {
  const std::vector<int64_t> lengths = {5, 1, 17, 3};
  for (const bool causal : {false, true}) {
    TransformerLayerOptions options;
    options.num_heads = 4;
    options.causal = options.pre_norm = causal;
    options.hidden_dropout = options.attention_dropout = 0.1;
    for (const auto& query_rows : {at::Tensor(), at::tensor({0, 4, 9}, at::kLong)}) {
      const auto narrow = make_block(lengths, 32, 48, options, GetParam(), 1, query_rows),
                 wide = make_block(lengths, 32, 48, options, at::kDouble, 1, query_rows);
      Pass narrow_pass(narrow), wide_pass(wide);
      const auto got = narrow_pass.backward({}), want = wide_pass.backward({});
      // Some 20 roundings one after the other, of 2^-11 (half) or 2^-8 (bfloat16) of the numbers at hand.
      const double tolerance = GetParam() == at::kHalf ? 0.01 : 0.08;
      EXPECT_EQ(got.output.scalar_type(), GetParam());
      EXPECT_LT(relative_error(got.output, want.output), tolerance);
      EXPECT_LT(relative_error(got.sample_norms, want.sample_norms), tolerance);
      EXPECT_LT(relative_error(got.row_scores, want.row_scores), tolerance);
      EXPECT_LT(relative_error(joined(got), joined(want)), tolerance);
      for (const auto& gradient : got.tensors()) EXPECT_EQ(gradient.scalar_type(), GetParam());
      const auto sampled = narrow_pass.backward(sampled_plan(2, {2, 6, 6, 2, 2, 2}));
      for (const auto& gradient : sampled.tensors()) {
        EXPECT_EQ(gradient.scalar_type(), GetParam());
        EXPECT_TRUE(at::isfinite(gradient).all().item<bool>());
      }
    }
  }
}

TEST(LinearOfALargeBlock, DrawsBeyondThirtyOneWeights) {
  const auto x = at::rand({64, 6}), weight = at::rand({5, 6}).set_requires_grad(true);
  const auto gradient_of = [&](int64_t index, Implementation implementation) {
    sampling::BlockPlan plan;
    plan.sampled = true;
    plan.sample_count = 64;
    plan.row_counts.assign(48, 16);
    auto tensor = sampling::make_plan_tensor(48);
    sampling::write_plan(plan, tensor);
    const auto output = linear(x, weight, {}, tensor, index, {}, implementation);
    return torch::autograd::grad({output.square().sum()}, {weight}).front();
  };
  std::vector<at::Tensor> seen;
  for (const int64_t index : {14, 15, 30, 31, 32, 47}) {
    const auto kernels = gradient_of(index, Implementation::automatic);
    EXPECT_LT(relative_error(kernels, gradient_of(index, Implementation::plain)), 1e-5);
    for (const auto& other : seen) EXPECT_GT(relative_error(kernels, other), 1e-4);
    seen.push_back(kernels);
  }
}

}  // namespace transformer_layer_options_test
}  // namespace vcas::ops
