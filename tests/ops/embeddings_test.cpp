#include "ops/embeddings.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "support/wave.h"

namespace vcas::ops {
namespace embeddings_test {

constexpr int64_t kHidden = 150;
/// Sums over 150 columns and a few rows, rounded at 2^-24 each, on values of order one.
constexpr double kRounding = 1e-5;

at::Tensor values(at::IntArrayRef shape, double phase, at::ScalarType dtype = at::kFloat) {
  return test::wave(shape, phase, dtype).set_requires_grad(true);
}

struct Problem {
  EmbeddingIndices indices{at::tensor(std::vector<int64_t>{7, 2, 7, 39, 2, 7, 0}),
                           at::tensor(std::vector<int64_t>{0, 1, 2, 3, 0, 1, 2}),
                           at::tensor(std::vector<int64_t>{0, 0, 1, 1, 0, 0, 0})};
  EmbeddingParameters parameters{values({40, kHidden}, 0.1), values({9, kHidden}, 0.2),
                                 values({2, kHidden}, 0.3), values({kHidden}, 0.4), values({kHidden}, 0.5)};

  std::vector<at::Tensor> list() const {
    return {parameters.word, parameters.position, parameters.token_type, parameters.norm_weight,
            parameters.norm_bias};
  }
  at::Tensor run(double dropout, Implementation implementation) const {
    sampling::StreamKey stream;
    stream.seed = 3;
    return embeddings(indices, parameters, make_rng_tensor(stream), {1e-12, dropout, implementation});
  }
  /// Gradients of a sum with fixed weights, dense.
  std::vector<at::Tensor> gradients(double dropout, Implementation implementation) const {
    const auto output = run(dropout, implementation);
    const auto factors = test::wave(output.sizes(), 0.9, output.scalar_type());
    auto result = torch::autograd::grad({(output * factors).sum()}, list());
    for (auto& gradient : result) {
      if (gradient.is_sparse()) gradient = gradient.to_dense();
    }
    return result;
  }
};

/// Output and gradients of both implementations, with dropout and without.
void expect_agreement(const Problem& problem) {
  for (const double dropout : {0.0, 0.3}) {
    const auto plain = problem.run(dropout, Implementation::plain);
    const auto fast = problem.run(dropout, Implementation::automatic);
    EXPECT_EQ(fast.scalar_type(), plain.scalar_type());
    EXPECT_LT((plain - fast).abs().max().item<double>(), kRounding);
    const auto expected = problem.gradients(dropout, Implementation::plain);
    const auto gradients = problem.gradients(dropout, Implementation::automatic);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(gradients[i].sizes(), expected[i].sizes());
      EXPECT_LT((gradients[i] - expected[i]).norm().item<double>(),
                kRounding * expected[i].norm().item<double>())
          << i;
    }
  }
}

TEST(Embeddings, AgreeWithThePlainImplementation) { expect_agreement(Problem()); }

TEST(Embeddings, AgreeOnManyRows) {
  constexpr int64_t kRows = 1000;
  Problem problem;
  const auto row = at::arange(kRows, at::kLong);
  problem.indices = {row * 17 % 40, row % 9, row.div(500, "floor")};
  expect_agreement(problem);
}

TEST(Embeddings, TakeWhatTheKernelsDoNot) {
  Problem doubles;
  auto& p = doubles.parameters;
  for (at::Tensor* each : {&p.word, &p.position, &p.token_type, &p.norm_weight, &p.norm_bias}) {
    *each = each->detach().to(at::kDouble).set_requires_grad(true);
  }
  expect_agreement(doubles);
  Problem transposed;
  transposed.parameters.word = values({kHidden, 40}, 0.1).detach().t().set_requires_grad(true);
  ASSERT_FALSE(transposed.parameters.word.is_contiguous());
  expect_agreement(transposed);
}

TEST(Embeddings, GiveWordsACoalescedSparseGradient) {
  const Problem problem;
  const auto output = problem.run(0.1, Implementation::automatic);
  const auto gradient = torch::autograd::grad({output.sum()}, {problem.parameters.word}).front();
  ASSERT_TRUE(gradient.is_sparse());
  EXPECT_TRUE(gradient.is_coalesced());
  EXPECT_TRUE(at::equal(gradient.indices(), at::tensor(std::vector<int64_t>{0, 2, 7, 39}).unsqueeze(0)));
}

TEST(Embeddings, LeaveOutGradientsThatNobodyWants) {
  Problem problem;
  problem.parameters.word.set_requires_grad(false);
  problem.parameters.norm_bias.set_requires_grad(false);
  const std::vector<at::Tensor> wanted = {problem.parameters.position, problem.parameters.token_type,
                                          problem.parameters.norm_weight};
  const auto gradients_of = [&](Implementation implementation) {
    return torch::autograd::grad({problem.run(0, implementation).square().sum()}, wanted);
  };
  const auto gradients = gradients_of(Implementation::automatic),
             expected = gradients_of(Implementation::plain);
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_LT((gradients[i] - expected[i]).norm().item<double>(),
              kRounding * expected[i].norm().item<double>());
  }
}

TEST(Embeddings, NameShapesThatDoNotFit) {
  Problem fewer;
  fewer.indices.token_type = fewer.indices.token_type.narrow(0, 0, 3);
  EXPECT_THROW(fewer.run(0, Implementation::automatic), c10::Error);
  Problem narrower;
  narrower.parameters.norm_bias = values({kHidden - 1}, 0.5);
  EXPECT_THROW(narrower.run(0, Implementation::automatic), c10::Error);
  EXPECT_THROW(Problem().run(1.0, Implementation::automatic), c10::Error);
}

TEST(Embeddings, NameAnIndexThatTheTableDoesNotHave) {
  Problem problem;
  problem.indices.word[3] = 40;
  try {
    problem.run(0, Implementation::automatic);
    FAIL() << "expected an error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("word table below 40, got 40"), std::string::npos);
  }
}

}  // namespace embeddings_test
}  // namespace vcas::ops
