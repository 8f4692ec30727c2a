#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/host_values.h"
#include "sampling/draw.h"
#include "sampling/norms.h"
#include "vcas/nn/model.h"
#include "vcas/ops/linear.h"
#include "vcas/sampling/counts.h"

/// Blocks that are no transformer layers: a few small matrices, with everything that a block may be.
namespace vcas::nn::testing {

/// Rows that a weight runs on. Of fewer rows than the batch has, each is the mean of some of a sample's.
enum class RowsOf { every_row, pairs_of_rows, samples };

/// Which row of a weight's input each row of the batch belongs to.
struct RowGroups {
  std::vector<int64_t> offsets;  ///< [N+1] rows of the weight's input
  at::Tensor of_row;             ///< [R] int64

  int64_t rows() const { return offsets.back(); }
  at::Tensor mean(const at::Tensor& x) const {
    const at::Tensor counts = at::bincount(of_row, {}, rows()).to(x.scalar_type());
    return at::zeros({rows(), x.size(1)}, x.options()).index_add(0, of_row, x) / counts.unsqueeze(1);
  }
  at::Tensor spread(const at::Tensor& groups) const { return groups.index_select(0, of_row); }
};

inline RowGroups row_groups(const at::Tensor& offsets, RowsOf rows) {
  RowGroups groups{{0}, {}};
  std::vector<int64_t> of_row;
  const auto begin = to_vector<int64_t>(offsets);
  for (size_t i = 0; i + 1 < begin.size(); ++i) {
    const int64_t length = begin[i + 1] - begin[i];
    const int64_t width = rows == RowsOf::samples ? length : rows == RowsOf::pairs_of_rows ? 2 : 1;
    for (int64_t r = 0; r < length; ++r) of_row.push_back(groups.offsets.back() + r / width);
    groups.offsets.push_back(groups.offsets.back() + (length + width - 1) / width);
  }
  groups.of_row = to_tensor(of_row);
  return groups;
}

struct FakeWeight {
  std::string name = "weight";
  RowsOf rows = RowsOf::every_row;
  bool trainable = true;
  /// Number of an earlier block whose first weight is used instead of an own one.
  std::optional<size_t> shares = std::nullopt;
};

struct FakeBlockOptions {
  int64_t size = 6;
  std::vector<FakeWeight> weights = {{}};
  bool samples_activations = true;
  bool mixes_samples = false;  ///< the mean over the batch is subtracted
  int64_t chain = 0;
  bool noise = false;                         ///< output rows times random numbers, keyed as dropout is
  std::optional<Flops> flops = std::nullopt;  ///< stated; otherwise counted
  at::ScalarType dtype = at::kFloat;
};

/// Values of order 0.4 without a pattern.
inline at::Tensor fake_values(at::IntArrayRef shape, double phase = 0, at::ScalarType dtype = at::kFloat) {
  const auto count = c10::multiply_integers(shape);
  return (at::sin(at::arange(count, dtype) * 1.7 + phase) * 0.4).view(shape);
}

/// What SampledOutput's backward pass reads.
struct OutputSampling {
  at::Tensor plan, offsets;
  bool samples_activations = true;
  sampling::BlockRows rows;
  std::vector<double> weight_sizes;
  double exact_flops = 0;
};

/// Identity whose backward pass is SampleA: a part of the samples goes on, each divided by its probability.
class SampledOutput : public torch::autograd::Function<SampledOutput> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& y,
                            const at::Tensor& /*sample_norms*/, const at::Tensor& /*flops*/,
                            const OutputSampling& options) {
    auto& data = context->saved_data;
    data["plan"] = options.plan;
    data["offsets"] = options.offsets;
    data["samples"] = options.samples_activations;
    data["weight_rows"] = options.rows.weight_rows;
    data["weight_sizes"] = options.weight_sizes;
    data["flops"] = options.exact_flops;
    return y.clone();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    auto& data = context->saved_data;
    const at::Tensor offsets = data["offsets"].toTensor();
    const auto plan = sampling::read_plan(data["plan"].toTensor());
    const at::Tensor norms = sampling::sample_norms(sampling::row_norms(gradients[0]), offsets);
    at::Tensor gradient = gradients[0];
    if (plan.sampled && data["samples"].toBool()) {
      const auto draw = sampling::draw_samples(norms, plan);
      const at::Tensor scales = at::zeros_like(norms)
                                    .index_add(0, draw.indices.clamp_min(0), draw.scales)
                                    .to(gradient.scalar_type());
      gradient = gradient * scales.repeat_interleave(offsets.diff()).unsqueeze(1);
    }
    const double share = kept_share(plan, norms.numel(), data["weight_rows"].toIntVector(),
                                    data["weight_sizes"].toDoubleVector());
    return {gradient, norms, at::full({1}, share * data["flops"].toDouble(), at::kDouble), at::Tensor()};
  }

 private:
  /// Of the work of an exact backward pass: gradients of inputs and of weights over the rows that are kept.
  static double kept_share(const sampling::BlockPlan& plan, int64_t samples, const std::vector<int64_t>& rows,
                           const std::vector<double>& sizes) {
    if (!plan.sampled) return 1;
    double kept = 0, all = 0;
    for (size_t w = 0; w < rows.size(); ++w) {
      const int64_t available = sampling::available_rows(plan.sample_count, samples, rows[w]);
      const int64_t count =
          plan.row_counts[w] == sampling::BlockPlan::kAllRows ? available : plan.row_counts[w];
      kept += sizes[w] * static_cast<double>(available + count);
      all += sizes[w] * static_cast<double>(2 * rows[w]);
    }
    return kept / all;
  }
};

/// tanh(Σ_w spread_w(mean_w(x) W_wᵀ)), with SampleW in each product and SampleA at the output.
class FakeBlock final : public SampledModule {
 public:
  /// @param shared by weight; defined where another block's tensor is used.
  explicit FakeBlock(FakeBlockOptions options, const std::vector<at::Tensor>& shared = {})
      : options_(std::move(options)) {
    for (size_t w = 0; w < options_.weights.size(); ++w) {
      const auto& weight = options_.weights[w];
      if (w < shared.size() && shared[w].defined()) {
        weights_.push_back(add_parameter(weight.name, shared[w]));
        continue;
      }
      const auto values = fake_values({options_.size, options_.size}, static_cast<double>(w), options_.dtype);
      weights_.push_back(add_parameter(weight.name, values));
      weights_.back().set_requires_grad(weight.trainable);
    }
  }

  const FakeBlockOptions& options() const { return options_; }
  const std::vector<at::Tensor>& weights() const { return weights_; }
  RowGroups groups(size_t weight, const at::Tensor& offsets) const {
    return row_groups(offsets, options_.weights[weight].rows);
  }

  sampling::SampledBlock describe() const override {
    sampling::SampledBlock block;
    block.samples_activations = options_.samples_activations;
    block.mixes_samples = options_.mixes_samples;
    block.chain = options_.chain;
    for (const auto& weight : options_.weights) block.weights.push_back({weight.name});
    return block;
  }

  Flops flops(const at::Tensor& offsets) const {
    if (options_.flops) return *options_.flops;
    Flops flops;
    for (size_t w = 0; w < weights_.size(); ++w) {
      const double product = 2.0 * static_cast<double>(groups(w, offsets).rows() * weights_[w].numel());
      flops += {product, 2 * product};
    }
    return flops;
  }

  /// The block with any products: product(w, rows [R_w, size]) gives [R_w, size].
  using Product = std::function<at::Tensor(size_t, const at::Tensor&)>;
  at::Tensor combine(const at::Tensor& x, const at::Tensor& offsets, const Product& product) const {
    at::Tensor sum = at::zeros_like(x);
    for (size_t w = 0; w < weights_.size(); ++w) {
      const auto of_weight = groups(w, offsets);
      sum = sum + of_weight.spread(product(w, of_weight.mean(x)));
    }
    const at::Tensor y = sum.tanh();
    return options_.mixes_samples ? y - y.mean(0, /*keepdim=*/true) : y;
  }

  /// @param x [R, size]. @param offsets [N+1] int64 CPU. @return [R, size].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& offsets, Recording& recording) {
    const auto& record = recording.add(make_record(x, offsets, recording.next_stream()));
    std::vector<int64_t> begin{0};
    for (const int64_t rows : record.rows.weight_rows) begin.push_back(begin.back() + rows);
    const auto product = [&](size_t w, const at::Tensor& rows) {
      const auto scores = record.row_scores.narrow(0, begin[w], rows.size(0));
      return ops::linear(rows, weights_[w], {}, record.plan, static_cast<int64_t>(w), {scores, {}});
    };
    at::Tensor y = combine(x, offsets, product);
    if (options_.noise && recording.training()) {
      const auto stream = record.stream.at(sampling::Site::feed_forward_dropout);
      y = y * (0.5 + sampling::uniform(y.size(0), stream, y)).to(y.scalar_type()).unsqueeze(1);
    }
    OutputSampling output{record.plan, offsets, options_.samples_activations,
                          record.rows, {},      record.exact.backward};
    for (const auto& weight : weights_) output.weight_sizes.push_back(static_cast<double>(weight.numel()));
    return SampledOutput::apply(y, record.sample_norms, record.flops, output);
  }

 private:
  BlockRecord make_record(const at::Tensor& x, const at::Tensor& offsets,
                          const sampling::StreamKey& stream) const {
    const auto zeros = [&](int64_t count) {
      return at::zeros({count}, x.options().dtype(at::kDouble)).set_requires_grad(true);
    };
    BlockRecord record;
    record.plan = sampling::make_plan_tensor(static_cast<int64_t>(weights_.size()));
    record.rows.samples = offsets.numel() - 1;
    int64_t scores = 0;
    for (size_t w = 0; w < weights_.size(); ++w) {
      record.weight_offsets.push_back(groups(w, offsets).offsets);
      record.rows.weight_rows.push_back(record.weight_offsets.back().back());
      scores += record.rows.weight_rows.back();
    }
    record.stream = stream;
    record.sample_norms = zeros(record.rows.samples);
    record.row_scores = zeros(scores);
    record.flops = zeros(1);
    record.exact = flops(offsets);
    return record;
  }

  FakeBlockOptions options_;
  std::vector<at::Tensor> weights_;
};

}  // namespace vcas::nn::testing
