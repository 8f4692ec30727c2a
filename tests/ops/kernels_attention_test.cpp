#include "ops/kernels/attention.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <tuple>

#include "kernels_support.h"

namespace vcas::ops::kernels {
namespace kernels_attention_test {

using testing::close;
using testing::for_each_target;
using testing::kRoundOff;
using testing::normal;
using testing::same_bits;

const sampling::StreamKey kStream{
    .seed = 99, .micro_batch = 5, .layer = 2, .draw = 0, .site = sampling::Site::attention_dropout};

/// Which rows are queries: all, the first of each sample, or some, none of the third sample's.
enum class Queries { all, first, some };

struct Case {
  std::vector<int64_t> lengths;
  int64_t heads, head_size;
  bool causal;
  Queries queries;
  double dropout;
};

struct Gradients {
  at::Tensor q, k, v;
};

/// One packed batch, what the kernels say about it and what float64 tensor operations say.
class Batch {
 public:
  explicit Batch(const Case& c) : case_(c), offsets_{0}, mask_(kStream, c.dropout) {
    for (const int64_t length : c.lengths) offsets_.push_back(offsets_.back() + length);
    for (size_t i = 0; i < c.lengths.size(); ++i) add_queries(i);
    const int64_t rows = offsets_.back(), queries = query_offsets_.back();
    // Keys and values as slices of one buffer, queries with a stride of their own.
    q_ = normal({queries, width()}, 1);
    kv_ = normal({rows, 2 * width()}, 2);
    grad_ctx_ = normal({queries, width()}, 3);
    ctx_ = at::empty({queries, width()});
    logsumexp_ = at::empty({queries, c.heads});
  }

  int64_t samples() const { return static_cast<int64_t>(case_.lengths.size()); }
  int64_t width() const { return case_.heads * case_.head_size; }

  void forward() {
    attention_forward(shape(), inputs(), ctx_.mutable_data_ptr<float>(), width(),
                      logsumexp_.mutable_data_ptr<float>(), workspace_);
  }

  /// Compact gradients of the kept samples.
  Gradients backward(const std::vector<int64_t>& kept) {
    const at::Tensor grad = query_rows(grad_ctx_, kept);
    int64_t rows = 0;
    for (const int64_t sample : kept) rows += case_.lengths[static_cast<size_t>(sample)];
    at::Tensor grad_q = at::full({grad.size(0), width()}, NAN), grad_kv = at::full({rows, 2 * width()}, NAN);
    attention_backward(shape(),
                       {.inputs = inputs(),
                        .ctx = ctx_.const_data_ptr<float>(),
                        .ctx_stride = width(),
                        .logsumexp = logsumexp_.const_data_ptr<float>(),
                        .kept = kept.data(),
                        .kept_count = static_cast<int64_t>(kept.size()),
                        .grad_ctx = grad.const_data_ptr<float>(),
                        .grad_ctx_stride = width(),
                        .grad_q = grad_q.mutable_data_ptr<float>(),
                        .grad_q_stride = width(),
                        .grad_k = grad_kv.mutable_data_ptr<float>(),
                        .grad_v = grad_kv.mutable_data_ptr<float>() + width(),
                        .grad_kv_stride = 2 * width()},
                       workspace_);
    return {grad_q, grad_kv.narrow(1, 0, width()), grad_kv.narrow(1, width(), width())};
  }

  /// One sample's context [queries, width] by tensor operations, from float64 leaves.
  at::Tensor reference(int64_t sample, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       at::Tensor* logsumexp = nullptr) const {
    const auto split = [&](const at::Tensor& x) {
      return x.view({-1, case_.heads, case_.head_size}).transpose(0, 1);
    };
    at::Tensor scores =
        at::matmul(split(q), split(k).transpose(1, 2)) / std::sqrt(static_cast<double>(case_.head_size));
    if (case_.causal) {
      at::Tensor hidden = at::ones({q.size(0), k.size(0)}, at::kBool);
      for (int64_t i = 0; i < q.size(0); ++i) hidden[i].narrow(0, 0, position(sample, i) + 1).fill_(false);
      scores = scores.masked_fill(hidden, -INFINITY);
    }
    if (logsumexp) *logsumexp = at::logsumexp(scores, -1).transpose(0, 1);
    const at::Tensor probabilities = at::softmax(scores, -1) * factors(sample, q.size(0), k.size(0));
    return at::matmul(probabilities, split(v)).transpose(0, 1).reshape({q.size(0), width()});
  }

  at::Tensor q_of(int64_t sample) const { return query_rows(q_, {sample}).to(at::kDouble); }
  at::Tensor k_of(int64_t sample) const { return rows(kv_, sample).narrow(1, 0, width()).to(at::kDouble); }
  at::Tensor v_of(int64_t sample) const {
    return rows(kv_, sample).narrow(1, width(), width()).to(at::kDouble);
  }
  at::Tensor grad_of(int64_t sample) const { return query_rows(grad_ctx_, {sample}).to(at::kDouble); }
  at::Tensor ctx_of(int64_t sample) const { return query_rows(ctx_, {sample}); }
  at::Tensor logsumexp_of(int64_t sample) const { return query_rows(logsumexp_, {sample}); }

 private:
  AttentionShape shape() const {
    return {.offsets = offsets_.data(),
            .samples = samples(),
            .heads = case_.heads,
            .head_size = case_.head_size,
            .causal = case_.causal,
            .query_rows = case_.queries == Queries::all ? nullptr : query_rows_.data(),
            .query_offsets = query_offsets_.data(),
            .dropout = mask_};
  }
  AttentionInputs inputs() const {
    const float* kv = kv_.const_data_ptr<float>();
    return {.q = q_.const_data_ptr<float>(),
            .q_stride = width(),
            .k = kv,
            .v = kv + width(),
            .kv_stride = 2 * width()};
  }
  at::Tensor rows(const at::Tensor& packed, int64_t sample) const {
    const auto i = static_cast<size_t>(sample);
    return packed.narrow(0, offsets_[i], case_.lengths[i]);
  }
  at::Tensor query_rows(const at::Tensor& packed, const std::vector<int64_t>& of) const {
    std::vector<at::Tensor> parts;
    parts.reserve(of.size());
    for (const int64_t i : of) {
      const auto begin = query_offsets_[static_cast<size_t>(i)],
                 end = query_offsets_[static_cast<size_t>(i) + 1];
      parts.push_back(packed.narrow(0, begin, end - begin));
    }
    return at::cat(parts).contiguous();
  }
  void add_queries(size_t sample) {
    for (int64_t row = offsets_[sample]; row < offsets_[sample + 1]; ++row) {
      const int64_t position = row - offsets_[sample];
      const bool some = sample != 2 && position % 3 != 1;
      if (case_.queries == Queries::all || (case_.queries == Queries::first ? position == 0 : some))
        query_rows_.push_back(row);
    }
    query_offsets_.push_back(static_cast<int64_t>(query_rows_.size()));
  }
  /// Position in its sample of a query.
  int64_t position(int64_t sample, int64_t query) const {
    const auto i = static_cast<size_t>(sample);
    return query_rows_[static_cast<size_t>(query_offsets_[i] + query)] - offsets_[i];
  }
  /// [heads, queries, keys]
  at::Tensor factors(int64_t sample, int64_t queries, int64_t keys) const {
    at::Tensor result = at::empty({case_.heads, queries, keys});
    float* out = result.mutable_data_ptr<float>();
    for (int64_t head = 0; head < case_.heads; ++head) {
      for (int64_t i = 0; i < queries; ++i, out += keys) {
        dropout_factors(mask_,
                        static_cast<uint32_t>(offsets_[static_cast<size_t>(sample)] + position(sample, i)),
                        static_cast<uint32_t>(head) << 18, keys, out);
      }
    }
    return result.to(at::kDouble);
  }

  Case case_;
  std::vector<int64_t> offsets_;
  std::vector<int64_t> query_rows_, query_offsets_ = {0};
  DropoutMask mask_;
  at::Tensor q_, kv_, grad_ctx_, ctx_, logsumexp_;
  Workspace workspace_;
};

/// The gradients of Σ grad·ctx by autograd, in float64.
Gradients reference_gradients(const Batch& batch, int64_t sample) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& leaf : {batch.q_of(sample), batch.k_of(sample), batch.v_of(sample)}) {
    leaves.push_back(leaf.clone().set_requires_grad(true));
  }
  batch.reference(sample, leaves[0], leaves[1], leaves[2]).backward(batch.grad_of(sample));
  return {leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
}

class Attention
    : public ::testing::TestWithParam<std::tuple<std::tuple<int64_t, int64_t>, bool, Queries, double>> {
 protected:
  Case make_case() const {
    const auto& [heads, causal, queries, dropout] = GetParam();
    return {{1, 7, 18, 33, 64, 130}, std::get<0>(heads), std::get<1>(heads), causal, queries, dropout};
  }
};

// Scores of normal vectors are of order 10 at most, their rounding errors of order 10·√d·u, and everything
// after is a weighted mean or a sum of at most 130 terms: 512 round-offs of the largest element.
constexpr double kTolerance = 512 * kRoundOff;

TEST_P(Attention, ForwardIsTheSoftmaxAverageOfEachSamplesOwnRows) {
  Batch batch(make_case());
  for_each_target([&](int64_t) {
    batch.forward();
    for (int64_t sample = 0; sample < batch.samples(); ++sample) {
      at::Tensor logsumexp;
      const at::Tensor want =
          batch.reference(sample, batch.q_of(sample), batch.k_of(sample), batch.v_of(sample), &logsumexp);
      EXPECT_TRUE(close(batch.ctx_of(sample), want, kTolerance)) << "sample " << sample;
      EXPECT_TRUE(close(batch.logsumexp_of(sample), logsumexp, kTolerance)) << "sample " << sample;
    }
  });
}

TEST_P(Attention, BackwardGivesCompactGradientsOfTheKeptSamples) {
  Batch batch(make_case());
  const std::vector<int64_t> kept{4, 0, 2, 5};
  for_each_target([&](int64_t) {
    batch.forward();
    const Gradients got = batch.backward(kept);
    int64_t query = 0, row = 0;
    for (const int64_t sample : kept) {
      const Gradients want = reference_gradients(batch, sample);
      const int64_t queries = want.q.size(0), rows = want.k.size(0);
      EXPECT_TRUE(close(got.q.narrow(0, query, queries), want.q, kTolerance, 1.0)) << "sample " << sample;
      EXPECT_TRUE(close(got.k.narrow(0, row, rows), want.k, kTolerance, 1.0)) << "sample " << sample;
      EXPECT_TRUE(close(got.v.narrow(0, row, rows), want.v, kTolerance, 1.0)) << "sample " << sample;
      query += queries;
      row += rows;
    }
  });
}

TEST_P(Attention, GivesTheSameBitsAgainAndWithOneThread) {
  Batch batch(make_case());
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> results;
  for (const int count : {threads, threads, 1}) {
    at::set_num_threads(count);
    batch.forward();
    const Gradients gradients = batch.backward({1, 3, 5});
    results.push_back(at::cat({gradients.q.flatten(), gradients.k.flatten(), gradients.v.flatten()}));
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(same_bits(results[0], results[1]));
  EXPECT_TRUE(same_bits(results[0], results[2]));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Attention,
    ::testing::Combine(::testing::Values(std::tuple{2, 32}, std::tuple{1, 64}, std::tuple{3, 20}),
                       ::testing::Bool(), ::testing::Values(Queries::all, Queries::first, Queries::some),
                       ::testing::Values(0.0, 0.2)));

TEST(AttentionForward, ScoresThatWouldOverflowTheExponentialDoNot) {
  const int64_t offsets[] = {0, 3};
  at::Tensor q = at::full({3, 4}, 100.0f), kv = at::full({3, 4}, 100.0f), ctx = at::empty({3, 4});
  kv[1].fill_(-100.0f);
  Workspace workspace;
  attention_forward({.offsets = offsets, .samples = 1, .heads = 1, .head_size = 4},
                    {q.const_data_ptr<float>(), 4, kv.const_data_ptr<float>(), kv.const_data_ptr<float>(), 4},
                    ctx.mutable_data_ptr<float>(), 4, nullptr, workspace);
  // Keys 0 and 2 score 20,000, key 1 -20,000: the mean of rows 0 and 2.
  EXPECT_TRUE(ctx.eq(100.0f).all().item<bool>());
}

TEST(AttentionForward, RefusesEmptySamples) {
  const int64_t offsets[] = {0, 3, 3};
  const at::Tensor x = normal({3, 4}, 1);
  at::Tensor ctx = at::empty({3, 4});
  const float* data = x.const_data_ptr<float>();
  Workspace workspace;
  EXPECT_THROW(
      attention_forward({.offsets = offsets, .samples = 2, .heads = 1, .head_size = 4},
                        {data, 4, data, data, 4}, ctx.mutable_data_ptr<float>(), 4, nullptr, workspace),
      c10::Error);
}

}  // namespace kernels_attention_test
}  // namespace vcas::ops::kernels
