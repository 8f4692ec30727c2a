#include "sampling/draw.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>

#include "sampling/host.h"

namespace vcas::sampling {
namespace draw_test {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

at::Tensor doubles(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

// What host, tensor and generic path give for one draw, after checking that they agree. Scales may differ by
// the order in which up to 600 weights were added.
Draw checked_draw(const std::vector<double>& weights, int64_t count, DrawMethod method,
                  const StreamKey& stream) {
  const HostDraw host = draw(weights, count, method, stream);
  Draw cpu = draw(doubles(weights), count, method, stream);
  const Draw generic = draw_generic(doubles(weights), count, method, stream);
  EXPECT_TRUE(cpu.indices.equal(generic.indices)) << cpu.indices << generic.indices;
  EXPECT_TRUE(at::allclose(cpu.scales, generic.scales, 1e-12, 0, /*equal_nan=*/true));
  for (size_t i = 0; i < host.indices.size(); ++i) {
    EXPECT_EQ(host.indices[i], cpu.indices[static_cast<int64_t>(i)].item<int64_t>());
  }
  const auto slots = static_cast<int64_t>(method == DrawMethod::fixed ? count : weights.size());
  EXPECT_EQ(cpu.indices.numel(), slots);
  EXPECT_EQ(cpu.scales.numel(), slots);
  for (int64_t slot = static_cast<int64_t>(host.indices.size()); slot < slots; ++slot) {
    EXPECT_EQ(cpu.indices[slot].item<int64_t>(), -1);
    EXPECT_EQ(cpu.scales[slot].item<double>(), 0);
  }
  return cpu;
}

std::vector<double> random_weights(std::mt19937_64& random) {
  const size_t n = 1 + random() % (random() % 8 == 0 ? 600 : 40);
  const int kind = static_cast<int>(random() % 6);
  std::vector<double> weights(n);
  for (double& w : weights) {
    const double normal = std::normal_distribution<double>()(random);
    w = std::exp(normal * kind);           // equal weights for kind 0, then ever more skewed
    if (kind == 2 && random() % 2) w = 0;  // many dead
    if (kind == 3 && random() % 16 == 0) w = 1e30;
    if (kind == 4 && random() % 4 == 0) w = 5e-324;
    if (kind == 5 && random() % 64 == 0) w = kInf;
  }
  return weights;
}

TEST(Draw, IsTheSameOnTheHostAndByTensorOperations) {
  std::mt19937_64 random(7);
  for (uint32_t i = 0; i < 4000; ++i) {
    const auto weights = random_weights(random);
    const auto count = static_cast<int64_t>(1 + random() % weights.size());
    const StreamKey stream{.seed = random(), .micro_batch = i, .layer = i % 512, .site = Site::sample_weight};
    checked_draw(weights, count, i % 2 ? DrawMethod::bernoulli : DrawMethod::fixed, stream);
    ASSERT_FALSE(HasFailure()) << "case " << i << ", count " << count << ": " << doubles(weights);
  }
}

TEST(Draw, FixedKeepsExactlyCountDistinctAscendingEntries) {
  std::mt19937_64 random(11);
  for (uint32_t i = 0; i < 4000; ++i) {
    const auto weights = random_weights(random);
    const auto count = static_cast<int64_t>(1 + random() % weights.size());
    const HostDraw kept = draw(weights, count, DrawMethod::fixed, {.micro_batch = i});
    ASSERT_EQ(kept.indices.size(), static_cast<size_t>(count));
    ASSERT_EQ(kept.scales.size(), static_cast<size_t>(count));
    ASSERT_TRUE(std::adjacent_find(kept.indices.begin(), kept.indices.end(), std::greater_equal<>()) ==
                kept.indices.end());
  }
}

TEST(Draw, ScalesAreInverseProbabilities) {
  const std::vector<double> weights{8, 1, 2, 1};  // p = 1, .25, .5, .25
  for (uint32_t i = 0; i < 50; ++i) {
    const HostDraw kept = draw(weights, 2, DrawMethod::fixed, {.micro_batch = i});
    EXPECT_EQ(kept.indices[0], 0);
    EXPECT_EQ(kept.scales[0], 1);
    EXPECT_DOUBLE_EQ(kept.scales[1], kept.indices[1] == 2 ? 2 : 4);
  }
}

TEST(Draw, NeverKeepsAZeroWeightWhileOthersAreLeft) {
  const std::vector<double> weights{0, 1, 0, 2, 3, 0};
  for (uint32_t i = 0; i < 500; ++i) {
    for (const auto method : {DrawMethod::fixed, DrawMethod::bernoulli}) {
      for (const int64_t entry : draw(weights, 2, method, {.micro_batch = i}).indices) {
        EXPECT_GT(weights[static_cast<size_t>(entry)], 0);
      }
    }
  }
}

TEST(Draw, FillsUpWithZeroWeightsWhenTooFewArePositive) {
  std::set<int64_t> seen;
  for (uint32_t i = 0; i < 100; ++i) {
    const Draw kept = checked_draw({0, 5, 0, 0}, 2, DrawMethod::fixed, {.micro_batch = i});
    const int64_t first = kept.indices[0].item<int64_t>(), second = kept.indices[1].item<int64_t>();
    EXPECT_TRUE(first == 1 || second == 1);
    EXPECT_EQ(kept.scales[first == 1 ? 0 : 1].item<double>(), 1);
    seen.insert(first == 1 ? second : first);
    EXPECT_EQ(draw(std::vector<double>{0, 5, 0, 0}, 2, DrawMethod::bernoulli, {.micro_batch = i}).indices,
              (std::vector<int64_t>{1}));
  }
  EXPECT_EQ(seen, (std::set<int64_t>{0, 2, 3}));
}

TEST(Draw, OfNothingButZerosHasScaleZero) {
  const Draw kept = checked_draw({0, 0, 0, 0}, 3, DrawMethod::fixed, {});
  EXPECT_TRUE(kept.scales.equal(at::zeros({3}, at::kDouble)));
  EXPECT_GE(kept.indices.min().item<int64_t>(), 0);
  EXPECT_TRUE(draw(std::vector<double>{0, 0, 0}, 2, DrawMethod::bernoulli, {}).indices.empty());
}

TEST(Draw, OfOneOrOfEveryEntryKeepsThem) {
  for (const auto method : {DrawMethod::fixed, DrawMethod::bernoulli}) {
    const Draw one = checked_draw({3}, 1, method, {});
    EXPECT_EQ(one.indices[0].item<int64_t>(), 0);
    EXPECT_EQ(one.scales[0].item<double>(), 1);
    const Draw all = checked_draw({3, 1, 1e30, 5e-324}, 4, method, {});
    EXPECT_TRUE(all.indices.equal(at::arange(4)));
    EXPECT_TRUE(all.scales.equal(at::ones({4}, at::kDouble)));
  }
}

TEST(Draw, OfNonFiniteWeightsHasScaleNaN) {
  for (const double bad : {kNaN, kInf}) {
    for (const auto method : {DrawMethod::fixed, DrawMethod::bernoulli}) {
      const Draw kept = checked_draw({1, bad, 2, 0}, 2, method, {});
      EXPECT_EQ(kept.indices[0].item<int64_t>(), 0);
      EXPECT_EQ(kept.indices[1].item<int64_t>(), 1);
      EXPECT_TRUE(std::isnan(kept.scales[0].item<double>()));
      EXPECT_TRUE(std::isnan(kept.scales[1].item<double>()));
      // A bad first weight of zero neighbours is seen as well.
      EXPECT_TRUE(std::isnan(checked_draw({0, 0, bad}, 1, method, {}).scales[0].item<double>()));
    }
  }
}

TEST(Draw, TakesAnyFloatingTypeAndStrides) {
  const at::Tensor weights = doubles({1, 9, 2, 9, 4, 9, 8, 9}).slice(0, 0, 8, 2);
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    EXPECT_TRUE(draw(weights.to(type), 2, DrawMethod::fixed, {})
                    .indices.equal(draw(doubles({1, 2, 4, 8}), 2, DrawMethod::fixed, {}).indices));
  }
  EXPECT_THROW(draw(at::tensor({1, 2}, at::kLong), 1, DrawMethod::fixed, {}), c10::Error);
  EXPECT_THROW(draw(doubles({1, 2}), 3, DrawMethod::fixed, {}), c10::Error);
}

// The names of all tensor operations that `body` runs on this thread.
template <typename Body>
std::set<std::string> operations_of(const Body& body) {
  static thread_local std::set<std::string> names;
  names.clear();
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction& call) -> std::unique_ptr<at::ObserverContext> {
        names.insert(call.name());
        return nullptr;
      }).scopes({at::RecordScope::FUNCTION}));
  body();
  at::removeCallback(handle);
  return names;
}

TEST(Draw, GenericPathReadsNoValueOnTheHost) {
  for (const auto method : {DrawMethod::fixed, DrawMethod::bernoulli}) {
    const auto names = operations_of([&] { draw_generic(doubles({1, 0, 3, 4}), 2, method, {}); });
    EXPECT_TRUE(names.contains("aten::sort"));
    for (const char* reads : {"aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::nonzero",
                              "aten::masked_select", "aten::index", "aten::equal"}) {
      EXPECT_FALSE(names.contains(reads)) << reads;
    }
  }
  EXPECT_TRUE(operations_of([] { doubles({1}).sum().item<double>(); }).contains("aten::_local_scalar_dense"));
}

TEST(Draw, DependsOnEveryFieldOfItsStream) {
  const std::vector<double> weights(64, 1.0);
  const StreamKey base{
      .seed = 1, .micro_batch = 2, .layer = 3, .index = 4, .draw = 5, .site = Site::sample_activation};
  std::vector<StreamKey> streams(8, base);
  streams[1].seed = 9;
  streams[2].seed = base.seed + (uint64_t{1} << 32);
  streams[3].micro_batch = 9;
  streams[4].layer = 9;
  streams[5].index = 9;
  streams[6].draw = 9;
  streams[7].site = Site::sample_weight;
  for (const auto method : {DrawMethod::fixed, DrawMethod::bernoulli}) {
    std::set<std::vector<int64_t>> drawn;
    for (const StreamKey& stream : streams) drawn.insert(draw(weights, 20, method, stream).indices);
    EXPECT_EQ(drawn.size(), streams.size());
    EXPECT_EQ(draw(weights, 20, method, base).indices, draw(weights, 20, method, base).indices);
  }
}

TEST(Uniform, LiesStrictlyBetweenZeroAndOne) {
  const at::Tensor u = uniform(100001, {.seed = 3}, doubles({}));
  EXPECT_EQ(u.numel(), 100001);
  EXPECT_GT(u.min().item<double>(), 0);
  EXPECT_LT(u.max().item<double>(), 1);
  // Hoeffding: 100001 values in (0, 1), false alarm 1e-6.
  EXPECT_NEAR(u.mean().item<double>(), 0.5, std::sqrt(std::log(2e6) / 2 / 100001));
}

}  // namespace draw_test
}  // namespace vcas::sampling
