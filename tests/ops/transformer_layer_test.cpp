#include "vcas/ops/transformer_layer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ops/kernels/gemm.h"
#include "ops/transformer_layer/arguments.h"
#include "ops/transformer_layer_support.h"

namespace vcas::ops {
namespace transformer_layer_test {

using sampling::BlockPlan;
using testing::Block;
using testing::make_block;
using testing::Pass;
using testing::Queries;
using testing::query_rows_of;
using testing::relative_error;
using testing::sampled_plan;

const std::vector<int64_t> kLengths = {5, 1, 17, 3, 9, 2, 11};

struct Variant {
  const char* name;
  TransformerLayerOptions options;
  Queries queries = Queries::all;
};

// GoogleTest looks for this name. NOLINTNEXTLINE(readability-identifier-naming)
void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

TransformerLayerOptions options(bool pre_norm, bool causal, Activation activation, double dropout) {
  TransformerLayerOptions o;
  o.num_heads = 4;
  o.layer_norm_eps = 1e-6;
  o.hidden_dropout = dropout;
  o.attention_dropout = dropout;
  o.pre_norm = pre_norm;
  o.causal = causal;
  o.activation = activation;
  return o;
}

const Variant kVariants[] = {
    {"PostNorm", options(false, false, Activation::gelu, 0)},
    {"PostNormDropout", options(false, false, Activation::gelu, 0.2)},
    {"PostNormFirstRow", options(false, false, Activation::gelu, 0.2), Queries::first},
    {"PostNormQueryRows", options(false, false, Activation::tanh_gelu, 0.2), Queries::some},
    {"PreNormCausalTanh", options(true, true, Activation::tanh_gelu, 0.2)},
    {"PreNormFirstRow", options(true, false, Activation::gelu, 0.1), Queries::first},
    {"PreNormCausalQueryRows", options(true, true, Activation::gelu, 0.1), Queries::some},
    {"Relu", options(false, false, Activation::relu, 0.1)},
    {"Silu", options(true, false, Activation::silu, 0.1), Queries::some},
};

class TransformerLayerVariants : public ::testing::TestWithParam<Variant> {
 protected:
  Block block(at::ScalarType type, Implementation implementation = Implementation::automatic) const {
    auto o = GetParam().options;
    o.implementation = implementation;
    return make_block(kLengths, 32, 48, o, type, 1, query_rows_of(kLengths, GetParam().queries));
  }
  /// Rows that a linear runs on when `samples` of equal share are kept.
  std::vector<int64_t> row_counts() const {
    const int64_t queries = GetParam().queries == Queries::all     ? 12
                            : GetParam().queries == Queries::first ? 2
                                                                   : 5;
    return {queries, 14, 10, queries, queries, queries + 1};
  }
};

INSTANTIATE_TEST_SUITE_P(All, TransformerLayerVariants, ::testing::ValuesIn(kVariants),
                         [](const auto& variant) { return variant.param.name; });

// float32 kernels against the plain implementation in float64: a few hundred roundings of 6e-8 each.
constexpr double kFloatTolerance = 2e-5;

void expect_same(const testing::Gradients& got, const testing::Gradients& expected, double tolerance) {
  EXPECT_LT(relative_error(got.output, expected.output), tolerance);
  const auto a = got.tensors(), b = expected.tensors();
  double scale = 0;
  for (const auto& t : b) scale = std::max(scale, t.to(at::kDouble).norm().item<double>());
  for (size_t i = 0; i < a.size(); ++i) {
    const double distance = (a[i].to(at::kDouble) - b[i].to(at::kDouble)).norm().item<double>();
    EXPECT_LT(distance, tolerance * (b[i].to(at::kDouble).norm().item<double>() + 0.01 * scale))
        << "tensor " << i;
  }
  EXPECT_LT(relative_error(got.sample_norms, expected.sample_norms), tolerance);
  EXPECT_LT(relative_error(got.row_scores, expected.row_scores), tolerance);
}

TEST_P(TransformerLayerVariants, KernelsAgreeWithPlainInDoubleWhenExact) {
  const auto fast = block(at::kFloat), plain = block(at::kDouble, Implementation::plain);
  expect_same(Pass(fast).backward({}), Pass(plain).backward({}), kFloatTolerance);
}

TEST_P(TransformerLayerVariants, KernelsAgreeWithPlainUnderTheSameDraw) {
  const auto fast = block(at::kFloat), plain = block(at::kDouble, Implementation::plain);
  Pass fast_pass(fast), plain_pass(plain);
  for (uint32_t draw = 1; draw <= 3; ++draw) {
    for (const auto method : {sampling::DrawMethod::fixed, sampling::DrawMethod::bernoulli}) {
      const auto samples_only = sampled_plan(4, std::vector<int64_t>(6, BlockPlan::kAllRows), draw, method);
      expect_same(fast_pass.backward(samples_only), plain_pass.backward(samples_only), kFloatTolerance);
      const auto both = sampled_plan(5, row_counts(), draw, method);
      expect_same(fast_pass.backward(both), plain_pass.backward(both), kFloatTolerance);
    }
  }
}

TEST_P(TransformerLayerVariants, KernelsAgreeWithPlainInBFloat16) {
  auto fast = block(at::kFloat), plain = block(at::kFloat, Implementation::plain);
  const auto float32 = Pass(fast).backward({});
  fast.options.precision = plain.options.precision = Precision::bfloat16;
  Pass fast_pass(fast), plain_pass(plain);
  const auto exact = fast_pass.backward({});
  // Both round the same products' operands; where float32 rounding moved one across a tie, by 2^-8 of it.
  constexpr double kFewTies = 2e-3;
  expect_same(exact, plain_pass.backward({}), kFewTies);
  const auto both = sampled_plan(5, row_counts());
  expect_same(fast_pass.backward(both), plain_pass.backward(both), kFewTies);
  const double error = relative_error(exact.output, float32.output);
  EXPECT_GT(error, 1e-4) << "float32 products";
  EXPECT_LT(error, 2e-2);
}

TEST_P(TransformerLayerVariants, EverythingKeptGivesTheExactBitsInBFloat16) {
  auto fast = block(at::kFloat);
  fast.options.precision = Precision::bfloat16;
  Pass pass(fast);
  const auto a = pass.backward(sampled_plan(fast.samples(), std::vector<int64_t>(6, 1000))).tensors(),
             b = pass.backward({}).tensors();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << "tensor " << i;
}

TEST_P(TransformerLayerVariants, EverythingKeptGivesTheExactBits) {
  const auto fast = block(at::kFloat);
  Pass pass(fast);
  const auto exact = pass.backward({});
  const auto kept = pass.backward(sampled_plan(fast.samples(), std::vector<int64_t>(6, 1000)));
  const auto a = kept.tensors(), b = exact.tensors();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << "tensor " << i;
}

std::vector<at::Tensor> everything_of(const testing::Gradients& result) {
  auto all = result.tensors();
  all.insert(all.end(), {result.output, result.sample_norms, result.row_scores});
  return all;
}

/// Bit for bit where brgemm runs. Elsewhere at::mm chooses its kernel by the number of rows and may sum in
/// another order: a gradient goes through eight products in a row, each of which then differs by up to about
/// 6e-7 of itself. Gradients of query and key are what is left of differences: those of a softmax sum to zero
/// over the keys, so that nothing but rounding is left of the key's bias, or of a sample of one row. There,
/// up to 4e-5 was seen.
void expect_recomputed(const testing::Gradients& got, const testing::Gradients& saved, Precision precision) {
  const auto a = everything_of(got), b = everything_of(saved);
  const bool bits = kernels::brgemm_available(precision);
  const auto norm = [](const at::Tensor& tensor) { return tensor.to(at::kDouble).norm().item<double>(); };
  double largest = 0;
  for (const auto& tensor : saved.tensors()) largest = std::max(largest, norm(tensor));
  for (size_t i = 0; i < a.size(); ++i) {
    if (bits) {
      EXPECT_TRUE(at::equal(a[i], b[i])) << "tensor " << i;
      continue;
    }
    const bool of_softmax = i <= kKeyBias;
    const double bound = of_softmax ? 5e-5 * norm(b[i]) + 1e-7 * largest : 5e-6 * norm(b[i]);
    EXPECT_LE(norm(a[i].to(at::kDouble) - b[i].to(at::kDouble)), bound) << "tensor " << i;
  }
}

/// The same block twice, saving its activations and recomputing them.
struct SavingAndRecomputing {
  explicit SavingAndRecomputing(const Block& block, Precision precision = Precision::float32)
      : saving(block), recomputing(block) {
    saving.options.precision = recomputing.options.precision = precision;
    recomputing.options.recompute = true;
  }
  Block saving, recomputing;
};

TEST_P(TransformerLayerVariants, RecomputingGivesTheSameBits) {
  // More rows than a tile of the products has.
  const std::vector<int64_t> lengths = {40, 1, 17, 30, 9, 64, 11};
  const auto longer = make_block(lengths, 32, 48, GetParam().options, at::kFloat, 1,
                                 query_rows_of(lengths, GetParam().queries));
  for (const auto precision : {Precision::float32, Precision::bfloat16}) {
    const SavingAndRecomputing blocks(longer, precision);
    Pass saved(blocks.saving), recomputed(blocks.recomputing);
    expect_recomputed(recomputed.backward({}), saved.backward({}), precision);
    for (const int64_t samples : {1, 3, 7}) {
      for (const auto method : {sampling::DrawMethod::fixed, sampling::DrawMethod::bernoulli}) {
        for (uint32_t draw = 1; draw <= 3; ++draw) {
          const auto plan = sampled_plan(samples, row_counts(), draw, method);
          expect_recomputed(recomputed.backward(plan), saved.backward(plan), precision);
        }
      }
    }
  }
}

TEST_P(TransformerLayerVariants, RecomputingWithFrozenParametersAndNonFiniteGradients) {
  auto frozen = block(at::kFloat);
  for (const size_t i : {0, 8, 9, 12}) frozen.parameters[i].set_requires_grad(false);
  const SavingAndRecomputing blocks(frozen);
  const auto plan = sampled_plan(3, row_counts());
  expect_recomputed(Pass(blocks.recomputing).backward(plan), Pass(blocks.saving).backward(plan),
                    Precision::float32);
  auto broken = block(at::kFloat);
  broken.options.recompute = true;
  broken.output_gradient[2][1] = std::numeric_limits<float>::quiet_NaN();
  for (const auto& gradient : Pass(broken).backward(plan).parameters)
    EXPECT_FALSE(at::isfinite(gradient).all().item<bool>());
}

TEST_P(TransformerLayerVariants, RecomputingNothingGivesZeros) {
  auto empty = block(at::kFloat);
  empty.options.recompute = true;
  // With all norms zero each of the seven samples is kept with probability 1/7: often none.
  empty.output_gradient.zero_();
  Pass pass(empty);
  for (uint32_t draw = 1; draw <= 20; ++draw) {
    const auto plan = sampled_plan(1, row_counts(), draw, sampling::DrawMethod::bernoulli);
    for (const auto& gradient : pass.backward(plan).tensors())
      EXPECT_EQ(gradient.abs().max().item<float>(), 0.0F);
  }
}

TEST_P(TransformerLayerVariants, RecomputingCostsTheForwardOfWhatIsKept) {
  const SavingAndRecomputing blocks(block(at::kFloat));
  const auto extra = Pass(blocks.recomputing).backward({}).flops - Pass(blocks.saving).backward({}).flops;
  const auto& block = blocks.saving;
  const auto forward = transformer_layer_flops(block.offsets, block.query_rows,
                                               TransformerLayerShape::of(block.parameters), block.options)
                           .forward;
  const auto queries = static_cast<double>(block.output_gradient.size(0));
  const double output_linear = GetParam().options.pre_norm ? 2.0 * queries * 32 * 48 : 0;
  EXPECT_EQ(extra.item<double>(), forward - output_linear);
  const auto plan = sampled_plan(2, row_counts());
  const auto kept_extra =
      Pass(blocks.recomputing).backward(plan).flops - Pass(blocks.saving).backward(plan).flops;
  EXPECT_GT(kept_extra.item<double>(), 0);
  EXPECT_LT(kept_extra.item<double>(), extra.item<double>());
}

TEST_P(TransformerLayerVariants, ExactAndFourPlansOverOneForwardEqualSeparatePasses) {
  const auto fast = block(at::kFloat);
  Pass shared(fast);
  std::vector<BlockPlan> plans{{}};
  for (uint32_t draw = 1; draw <= 4; ++draw) plans.push_back(sampled_plan(2 + draw, row_counts(), draw));
  for (const auto& plan : plans) {
    const auto a = shared.backward(plan).tensors(), b = Pass(fast).backward(plan).tensors();
    for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i]));
  }
}

TEST_P(TransformerLayerVariants, SamplesOfAPackedBatchDoNotSeeEachOther) {
  auto o = GetParam().options;
  o.hidden_dropout = o.attention_dropout = 0;
  const auto query_rows = query_rows_of(kLengths, GetParam().queries);
  const auto together = make_block(kLengths, 32, 48, o, at::kFloat, 1, query_rows);
  const auto output = Pass(together).backward({}).output;
  const auto places = transformer_layer_rows(together.offsets, query_rows).weight_offsets[0];
  for (size_t i = 0; i < kLengths.size(); ++i) {
    const int64_t row = places[i], queries = places[i + 1] - row;
    const auto begin = together.offsets[static_cast<int64_t>(i)].item<int64_t>();
    if (queries == 0) continue;
    auto alone = together;
    alone.offsets = testing::offsets_of({kLengths[i]});
    if (query_rows.defined()) alone.query_rows = query_rows.narrow(0, row, queries) - begin;
    alone.x = together.x.detach().narrow(0, begin, kLengths[i]).clone().set_requires_grad(true);
    alone.output_gradient = together.output_gradient.narrow(0, row, queries);
    const auto expected = Pass(alone).backward({}).output;
    // The same kernels on other row blocks: rounding of the same sums in another order at most.
    EXPECT_LT(relative_error(output.narrow(0, row, queries), expected), 1e-6);
  }
}

TEST_P(TransformerLayerVariants, FrozenWeightsGetNoGradientAndCostNothing) {
  const auto all = block(at::kFloat);
  auto frozen = block(at::kFloat);
  frozen.parameters[0].set_requires_grad(false);
  frozen.parameters[12].set_requires_grad(false);
  const auto with = Pass(all).backward({}), without = Pass(frozen).backward({});
  const auto queries = static_cast<double>(all.output_gradient.size(0));
  EXPECT_EQ(with.flops.item<double>() - without.flops.item<double>(), 2 * queries * (32 * 32 + 32 * 48));
  EXPECT_TRUE(at::equal(with.x, without.x));
}

TEST_P(TransformerLayerVariants, NonFiniteGradientMakesEveryParameterGradientNonFinite) {
  auto fast = block(at::kFloat);
  fast.output_gradient[2][1] = std::numeric_limits<float>::quiet_NaN();
  const auto result = Pass(fast).backward(sampled_plan(3, row_counts()));
  for (const auto& gradient : result.parameters) EXPECT_FALSE(at::isfinite(gradient).all().item<bool>());
}

TEST(TransformerLayer, AllZeroGradientStaysZeroUnderSampling) {
  auto fast = make_block(kLengths, 32, 48, options(false, false, Activation::gelu, 0.1), at::kFloat);
  fast.output_gradient.zero_();
  const auto result = Pass(fast).backward(sampled_plan(3, {4, 4, 4, 4, 4, 4}));
  for (const auto& gradient : result.tensors()) EXPECT_EQ(gradient.abs().max().item<float>(), 0.0f);
}

TEST(TransformerLayer, DropoutMasksDifferBetweenMicroBatches) {
  auto a = make_block(kLengths, 32, 48, options(false, false, Activation::gelu, 0.3), at::kFloat);
  auto b = a;
  b.rng = make_rng_tensor({.seed = 1, .micro_batch = 4, .layer = 1});
  EXPECT_GT(relative_error(Pass(a).backward({}).output, Pass(b).backward({}).output), 0.01);
}

TEST(TransformerLayer, NamesWhatIsWrongWithItsArguments) {
  auto block = make_block({2, 3}, 32, 48, options(false, false, Activation::gelu, 0), at::kFloat);
  block.offsets = testing::offsets_of({2, 4});
  try {
    Pass pass(block);
    FAIL() << "accepted offsets past the end";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("transformer_layer: expected offsets from 0 to 5, got 0 to 6"),
              std::string::npos);
  }
}

}  // namespace transformer_layer_test
}  // namespace vcas::ops
