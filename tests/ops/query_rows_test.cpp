// A block of which only some rows are wanted, against the same block of which all are.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "ops/transformer_layer_support.h"

namespace vcas::ops {
namespace query_rows_test {

using sampling::BlockPlan;
using testing::Block;
using testing::Gradients;
using testing::make_block;
using testing::offsets_of;
using testing::Pass;
using testing::Queries;
using testing::query_rows_of;
using testing::relative_error;
using testing::sampled_plan;

const std::vector<int64_t> kLengths = {5, 1, 17, 3, 9, 2, 11};
constexpr int64_t kHidden = 32, kIntermediate = 48;

TransformerLayerOptions some_options(bool pre_norm, bool causal, Implementation implementation) {
  TransformerLayerOptions options;
  options.num_heads = 4;
  options.hidden_dropout = options.attention_dropout = 0.2;
  options.pre_norm = pre_norm;
  options.causal = causal;
  options.implementation = implementation;
  return options;
}

/// The same block asked for all rows, with a gradient of zero where none is wanted.
Block asked_for_all(const Block& block) {
  auto all = block;
  all.query_rows = at::Tensor();
  all.output_gradient = at::zeros({block.x.size(0), kHidden}, block.x.options())
                            .index_copy(0, block.query_rows, block.output_gradient);
  return all;
}

/// Scores of all rows of each weight: [6, R].
at::Tensor table_of_scores(const Block& block, const at::Tensor& scores) {
  const auto rows = transformer_layer_rows(block.offsets, block.query_rows);
  const auto parts = scores.split_with_sizes(rows.weight_rows);
  auto table = at::zeros({kTransformerWeights, block.x.size(0)}, at::kDouble);
  for (int64_t i = 0; i < kTransformerWeights; ++i) {
    const bool some = block.query_rows.defined() && runs_on_query_rows(i);
    table[i].copy_(some ? table[i].index_copy(0, block.query_rows, parts[static_cast<size_t>(i)])
                        : parts[static_cast<size_t>(i)]);
  }
  return table;
}

void expect_close(const at::Tensor& got, const at::Tensor& want, double tolerance, const std::string& name) {
  EXPECT_EQ(got.sizes(), want.sizes()) << name;
  EXPECT_LT(relative_error(got, want), tolerance) << name;
}

void expect_the_same_parts(const Block& block, const Gradients& some, const Gradients& all,
                           double tolerance) {
  expect_close(some.output, all.output.index_select(0, block.query_rows), tolerance, "output");
  double scale = 0;
  for (const auto& t : all.tensors()) scale = std::max(scale, t.norm().item<double>());
  for (size_t i = 0; i < some.tensors().size(); ++i) {
    // The bias of the keys has a gradient of nothing but rounding.
    const auto distance = (some.tensors()[i] - all.tensors()[i]).norm().item<double>();
    EXPECT_LT(distance, tolerance * (all.tensors()[i].norm().item<double>() + 0.01 * scale))
        << "tensor " << i;
  }
  expect_close(some.sample_norms, all.sample_norms, tolerance, "sample norms");
  expect_close(table_of_scores(block, some.row_scores), table_of_scores(asked_for_all(block), all.row_scores),
               tolerance, "row scores");
}

/// Implementation, dtype, and by how much float sums of other rows beside them may differ.
struct Arithmetic {
  const char* name;
  Implementation implementation;
  at::ScalarType type;
  double tolerance;
};

class QueryRows : public ::testing::TestWithParam<std::tuple<Arithmetic, bool, bool, Queries>> {
 protected:
  Block block() const {
    const auto& [arithmetic, pre_norm, causal, queries] = GetParam();
    return make_block(kLengths, kHidden, kIntermediate,
                      some_options(pre_norm, causal, arithmetic.implementation), arithmetic.type, 1,
                      query_rows_of(kLengths, queries));
  }
  double tolerance() const { return std::get<0>(GetParam()).tolerance; }
};

INSTANTIATE_TEST_SUITE_P(
    All, QueryRows,
    ::testing::Combine(::testing::Values(Arithmetic{"Kernels", Implementation::automatic, at::kFloat, 2e-5},
                                         Arithmetic{"Plain", Implementation::plain, at::kDouble, 1e-12}),
                       ::testing::Bool(), ::testing::Bool(),
                       ::testing::Values(Queries::first, Queries::some)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) + (std::get<1>(test.param) ? "PreNorm" : "PostNorm") +
             (std::get<2>(test.param) ? "Causal" : "") +
             (std::get<3>(test.param) == Queries::first ? "First" : "Some");
    });

TEST_P(QueryRows, GiveTheirPartOfABlockOfAllRows) {
  const auto some = block(), all = asked_for_all(some);
  Pass some_pass(some), all_pass(all);
  expect_the_same_parts(some, some_pass.backward({}), all_pass.backward({}), tolerance());
}

TEST_P(QueryRows, KeepTheSameSamplesAsABlockOfAllRows) {
  const auto some = block(), all = asked_for_all(some);
  Pass some_pass(some), all_pass(all);
  for (uint32_t draw = 1; draw <= 3; ++draw) {
    const auto plan = sampled_plan(4, std::vector<int64_t>(6, BlockPlan::kAllRows), draw);
    expect_the_same_parts(some, some_pass.backward(plan), all_pass.backward(plan), tolerance());
  }
}

/// More samples are kept than have query rows: those without take the places that are left.
TEST_P(QueryRows, MayAllBelongToFewSamples) {
  auto few = block();
  few.query_rows = at::tensor({6, 9, 15, 22}, at::kLong);  // of the third sample
  few.output_gradient = few.output_gradient.narrow(0, 0, 4).contiguous();
  for (const bool recompute : {false, true}) {
    few.options.recompute = recompute;
    const auto all = asked_for_all(few);
    Pass some_pass(few), all_pass(all);
    const auto plan = sampled_plan(3, std::vector<int64_t>(6, BlockPlan::kAllRows));
    const auto some = some_pass.backward(plan);
    expect_the_same_parts(few, some, all_pass.backward(plan), tolerance());
    EXPECT_EQ(some.sample_norms.ne(0).sum().item<int64_t>(), 1);
  }
}

TEST_P(QueryRows, NoneAmongWhatIsKeptGivesZeros) {
  auto few = block();
  few.query_rows = at::tensor({6}, at::kLong);
  few.output_gradient = at::zeros({1, kHidden}, few.x.options());
  // With all norms zero each sample is kept with the same probability: mostly not the one with the query.
  Pass pass(few);
  for (const auto method : {sampling::DrawMethod::fixed, sampling::DrawMethod::bernoulli})
    for (uint32_t draw = 1; draw <= 5; ++draw)
      for (const auto& gradient : pass.backward(sampled_plan(2, {1, 4, 4, 1, 1, 1}, draw, method)).tensors())
        EXPECT_EQ(gradient.abs().max().item<double>(), 0.0);
}

TEST(QueryRowsOfABatch, AllOfThemAreAsNone) {
  for (const auto implementation : {Implementation::automatic, Implementation::plain}) {
    for (const bool pre_norm : {false, true}) {
      const auto none = make_block(kLengths, kHidden, kIntermediate,
                                   some_options(pre_norm, true, implementation), at::kFloat);
      auto all = none;
      all.query_rows = at::arange(none.x.size(0), at::kLong);
      const auto plan = sampled_plan(4, std::vector<int64_t>(6, 12));
      Pass none_pass(none), all_pass(all);
      const auto a = none_pass.backward(plan), b = all_pass.backward(plan);
      for (size_t i = 0; i < a.tensors().size(); ++i) EXPECT_TRUE(at::equal(a.tensors()[i], b.tensors()[i]));
      EXPECT_TRUE(at::equal(a.output, b.output));
      EXPECT_TRUE(at::equal(a.row_scores, b.row_scores));
      EXPECT_TRUE(at::equal(a.sample_norms, b.sample_norms));
      EXPECT_EQ(a.flops.item<double>(), b.flops.item<double>());
    }
  }
}

TEST(QueryRowsOfABatch, CountByWeightAndSample) {
  const auto rows = transformer_layer_rows(offsets_of({3, 2, 4}), at::tensor({0, 2, 8}, at::kLong));
  EXPECT_EQ(rows.samples, 3);
  EXPECT_EQ(rows.weight_rows, (std::vector<int64_t>{3, 9, 9, 3, 3, 3}));
  EXPECT_EQ(rows.weight_offsets[0], (std::vector<int64_t>{0, 2, 2, 3}));
  EXPECT_EQ(rows.weight_offsets[1], (std::vector<int64_t>{0, 3, 5, 9}));
  EXPECT_EQ(rows.score_count(), 30);
}

TEST(QueryRowsOfABatch, AreRefusedOutOfOrderOrOutOfTheBatch) {
  auto block = make_block({2, 3}, 32, 48, some_options(false, false, Implementation::automatic), at::kFloat);
  const auto message = [&](const at::Tensor& rows) -> std::string {
    try {
      transformer_layer(block.x, block.offsets, rows, block.parameters, block.rng, {}, {}, block.options);
    } catch (const c10::Error& error) {
      return error.what_without_backtrace();
    }
    return "accepted";
  };
  const std::string order = "transformer_layer: expected query rows below 5 in ascending order, got ";
  EXPECT_EQ(message(at::tensor({1, 1}, at::kLong)), order + "1 after 1");
  EXPECT_EQ(message(at::tensor({1, 5}, at::kLong)), order + "5 after 1");
  EXPECT_EQ(message(at::tensor({-1}, at::kLong)), order + "-1");
  EXPECT_EQ(
      message(at::zeros({0}, at::kLong)),
      "transformer_layer: expected query rows [Q], at least one, int64 on the CPU, got Long [0] on cpu");
}

}  // namespace query_rows_test
}  // namespace vcas::ops
