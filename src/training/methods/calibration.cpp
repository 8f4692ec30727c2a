#include "vcas/training/methods/calibration.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ops/calibration.h"
#include "ops/dtype_name.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"
#include "vcas/ops/transformer_layer.h"
#include "vcas/training/loop/history.h"

namespace vcas::training {
namespace {

/// Rows of the two batches that costs are read from, and of a sample of them.
constexpr int64_t kSmall = 64, kLarge = 1024, kSampleRows = 16;

using Clock = std::chrono::steady_clock;

/// Median seconds of one call of each candidate, the candidates taking turns.
std::vector<double> medians(const std::vector<std::function<void()>>& candidates, double seconds) {
  constexpr size_t kFewest = 11;
  std::vector<std::vector<double>> times(candidates.size());
  for (const auto& candidate : candidates) candidate();
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (times[0].size() < kFewest || Clock::now() < end) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      const auto start = Clock::now();
      candidates[i]();
      times[i].push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
  }
  std::vector<double> result;
  result.reserve(times.size());
  for (auto& samples : times) result.push_back(percentiles(std::move(samples)).median);
  return result;
}

/// seconds = constant + each·rows, through two sizes; neither is negative.
struct Line {
  double constant;
  double each;

  static Line through(double small, double large) {
    const double each = (large - small) / static_cast<double>(kLarge - kSmall);
    if (each <= 0) return {std::max(0.0, (small + large) / 2), 0};
    return {std::max(0.0, small - each * static_cast<double>(kSmall)), each};
  }
};

/// What sampling adds shows where it leaves out a single row.
control::WeightGradientCost measure_linear(const ops::WeightGradientShape& shape, double seconds) {
  const ops::WeightGradientTrial small(shape, kSmall), large(shape, kLarge);
  const auto time = medians({[&] { small.run(kSmall); }, [&] { large.run(kLarge); },
                             [&] { small.run(kSmall - 1); }, [&] { large.run(kLarge - 1); }},
                            seconds);
  const double row = Line::through(time[0], time[1]).each;
  const Line sampling = Line::through(time[2] - time[0] + row, time[3] - time[1] + row);
  return {row, sampling.constant, sampling.each};
}

/// Parameters of a block that need no gradient.
std::vector<at::Tensor> frozen_parameters(int64_t hidden, int64_t intermediate) {
  std::vector<at::Tensor> parameters;
  const auto linear = [&](int64_t outputs, int64_t inputs) {
    parameters.push_back(at::randn({outputs, inputs}).mul_(0.02));
    parameters.push_back(at::zeros({outputs}));
  };
  const auto norm = [&] {
    parameters.push_back(at::ones({hidden}));
    parameters.push_back(at::zeros({hidden}));
  };
  for (int i = 0; i < 4; ++i) linear(hidden, hidden);
  norm();
  linear(intermediate, hidden);
  linear(hidden, intermediate);
  norm();
  return parameters;
}

/// The exact backward pass of a block whose weights need no gradient, on random numbers.
class BlockTrial {
 public:
  BlockTrial(int64_t rows, int64_t hidden, int64_t intermediate, const ops::TransformerLayerOptions& options)
      : x_(at::randn({rows, hidden}).set_requires_grad(true)),
        output_(ops::transformer_layer(x_, at::arange(0, rows + 1, kSampleRows, at::kLong), /*query_rows=*/{},
                                       frozen_parameters(hidden, intermediate), ops::make_rng_tensor({}), {},
                                       {}, options)),
        gradient_(at::randn({rows, hidden})) {}

  void run() const { torch::autograd::grad({output_}, {x_}, {gradient_}, /*retain_graph=*/true); }

 private:
  at::Tensor x_, output_, gradient_;
};

control::BackwardCost measure_block(int64_t hidden, int64_t intermediate, int64_t heads,
                                    ops::Precision precision, double seconds) {
  ops::TransformerLayerOptions options;
  options.num_heads = heads;
  options.precision = precision;
  const BlockTrial small(kSmall, hidden, intermediate, options), large(kLarge, hidden, intermediate, options);
  const ops::CompactionTrial small_half(kSmall / kSampleRows, kSmall, hidden),
      large_half(kLarge / kSampleRows, kLarge, hidden);
  const auto time = medians(
      {[&] { small.run(); }, [&] { large.run(); }, [&] { small_half.run(); }, [&] { large_half.run(); }},
      seconds);
  const Line compaction = Line::through(time[2], time[3]);
  return {Line::through(time[0], time[1]).each, compaction.constant, compaction.each};
}

}  // namespace

control::BlockCost measure_transformer_cost(int64_t hidden_size, int64_t intermediate_size, int64_t heads,
                                            ops::Precision precision, double seconds) {
  const double share = seconds / 4;
  // Norms of the rows that enter the feed-forward linears come out of the forward pass.
  const auto square =
      measure_linear({hidden_size, hidden_size, precision, /*input_norms_known=*/false}, share);
  const auto widening = measure_linear({intermediate_size, hidden_size, precision, true}, share);
  const auto narrowing = measure_linear({hidden_size, intermediate_size, precision, true}, share);
  return {{control::transformer_cost_key(hidden_size, intermediate_size), "cpu", ops::dtype_name(precision),
           at::get_num_threads()},
          measure_block(hidden_size, intermediate_size, heads, precision, share),
          {square, square, square, square, widening, narrowing}};
}

control::CostTable read_cost_table(const std::filesystem::path& path) {
  try {
    return control::CostTable::from_json(formats::read_json(path));
  } catch (const std::invalid_argument& error) {
    throw formats::InputError(path.string(), error.what());
  }
}

}  // namespace vcas::training
