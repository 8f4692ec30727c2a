#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "ops/dropout/attention_mask.h"
#include "ops/transformer_layer_support.h"
#include "sampling/philox.h"

/// Two encoder blocks one on the other, small enough that every draw can be enumerated, and their gradient
/// row by row from a second implementation.
namespace vcas::ops::testing {

inline constexpr int64_t kBlocks = 2;
/// The linears' weights among a block's parameters, in the order of TransformerWeight.
inline constexpr std::array<size_t, kTransformerWeights> kWeightOf = {0, 2, 4, 6, 10, 12};

struct Model {
  std::array<Block, kBlocks> blocks;  ///< lower, upper; the lower one's x and the upper one's gradient count

  int64_t samples() const { return blocks[0].samples(); }
  int64_t rows() const { return blocks[0].x.size(0); }
  const at::Tensor& x() const { return blocks[0].x; }
  const at::Tensor& offsets() const { return blocks[0].offsets; }
  /// x, then the parameters of the lower and of the upper block.
  std::vector<at::Tensor> leaves() const {
    std::vector<at::Tensor> all{x()};
    for (const auto& block : blocks) all.insert(all.end(), block.parameters.begin(), block.parameters.end());
    return all;
  }
};

inline constexpr size_t leaf(int64_t block, size_t parameter) {
  return 1 + static_cast<size_t>(block * kTransformerParameters) + parameter;
}
inline constexpr int64_t block_of_leaf(size_t index) {
  return index < leaf(1, 0) ? 0 : 1;  // x is reached through the lower block
}

/// A model with dropout. The gradients that arrive at the rows share a direction, so that the contributions
/// to many tensors add up and the mean stands out of the noise.
inline Model make_model(const std::vector<int64_t>& lengths, at::ScalarType type,
                        Implementation implementation, uint32_t micro_batch = 3) {
  at::set_num_threads(1);  // with a few hundred numbers a tensor other threads would only be waited for
  TransformerLayerOptions options;
  options.num_heads = 2;
  options.layer_norm_eps = 1e-6;
  options.hidden_dropout = options.attention_dropout = 0.1;
  options.implementation = implementation;
  Model model;
  for (int64_t b = 0; b < kBlocks; ++b) {
    auto& block = model.blocks[static_cast<size_t>(b)];
    block = make_block(lengths, /*hidden=*/8, /*intermediate=*/12, options, at::kFloat,
                       static_cast<uint64_t>(b + 1));
    for (auto& parameter : block.parameters) parameter = parameter.detach().to(type).requires_grad_(true);
    block.x = block.x.detach().to(type).requires_grad_(true);
    block.rng = make_rng_tensor({.seed = 11, .micro_batch = micro_batch, .layer = static_cast<uint32_t>(b)});
    const auto shared = block.output_gradient.narrow(0, 0, 1).clone();
    block.output_gradient = (0.4 * block.output_gradient + shared).to(type);
  }
  return model;
}

/// The same numbers in float64.
inline Model in_double(const Model& model) {
  Model copy = model;
  for (auto& block : copy.blocks) {
    for (auto& parameter : block.parameters)
      parameter = parameter.detach().to(at::kDouble).requires_grad_(true);
    block.x = block.x.detach().to(at::kDouble).requires_grad_(true);
    block.output_gradient = block.output_gradient.to(at::kDouble);
  }
  return copy;
}

/// One forward pass of both blocks through the operator, and backward passes over it.
class ModelPass {
 public:
  explicit ModelPass(const Model& model) : model_(model) {
    output_ = model.x();
    for (size_t b = 0; b < kBlocks; ++b) {
      plans_[b] = sampling::make_plan_tensor(kTransformerWeights);
      output_ = transformer_layer(output_, model.offsets(), {}, model.blocks[b].parameters,
                                  model.blocks[b].rng, plans_[b], {}, model.blocks[b].options);
    }
  }

  const at::Tensor& output() const { return output_; }
  /// Gradients of model.leaves(). A plan that names no counts keeps everything.
  std::vector<at::Tensor> backward(std::array<sampling::BlockPlan, kBlocks> plans) {
    for (size_t b = 0; b < kBlocks; ++b) {
      if (plans[b].row_counts.empty())
        plans[b].row_counts.assign(kTransformerWeights, sampling::BlockPlan::kAllRows);
      if (plans[b].sample_count == 0) plans[b].sample_count = model_.samples();
      sampling::write_plan(plans[b], plans_[b]);
    }
    return torch::autograd::grad({output_}, model_.leaves(), {model_.blocks[1].output_gradient},
                                 /*retain_graph=*/true);
  }

 private:
  const Model& model_;
  std::array<at::Tensor, kBlocks> plans_;
  at::Tensor output_;
};

/// What the upper block runs on.
inline at::Tensor lower_output(const Model& model) {
  const auto& block = model.blocks[0];
  return transformer_layer(model.x(), model.offsets(), {}, block.parameters, block.rng, {}, {}, block.options)
      .detach();
}

/// A block whose linears have one copy of the weight a row, so that autograd gives dZ_rᵀ X_r for each row:
/// written apart from the operator, sample by sample and head by head.
class RowwiseBlock {
 public:
  RowwiseBlock(const Block& block, std::vector<at::Tensor> row_weights)
      : block_(block), row_weights_(std::move(row_weights)) {}

  at::Tensor forward(const at::Tensor& x) const {
    const auto context = attention(linear(0, x), linear(1, x), linear(2, x));
    const auto attended = norm(x + mask(linear(3, context), sampling::Site::attention_output_dropout), 8);
    const auto inner = linear(4, attended);
    const auto activated = 0.5 * inner * (1 + at::erf(inner / std::sqrt(2.0)));
    return norm(attended + mask(linear(5, activated), sampling::Site::feed_forward_dropout), 14);
  }

 private:
  at::Tensor linear(size_t index, const at::Tensor& x) const {
    return at::matmul(row_weights_[index], x.unsqueeze(2)).squeeze(2) +
           block_.parameters[kWeightOf[index] + 1];
  }

  at::Tensor norm(const at::Tensor& x, size_t weight) const {
    const auto centred = x - x.mean(1, true);
    const auto variance = centred.square().mean(1, true);
    return centred / (variance + block_.options.layer_norm_eps).sqrt() * block_.parameters[weight] +
           block_.parameters[weight + 1];
  }

  double kept(int64_t row, int64_t column, sampling::Site site, double p) const {
    const auto stream = read_rng(block_.rng, site);
    const auto high = stream.philox_counter_high();
    const auto words = sampling::philox4x32_10(
        {static_cast<uint32_t>(column / 4), static_cast<uint32_t>(row), high[0], high[1]},
        stream.philox_key());
    return static_cast<double>(words[static_cast<size_t>(column % 4)]) < std::round(p * 4294967296.0)
               ? 0.0
               : 1 / (1 - p);
  }

  at::Tensor mask(const at::Tensor& x, sampling::Site site) const {
    auto multipliers = at::empty(x.sizes(), at::kDouble);
    for (int64_t r = 0; r < x.size(0); ++r)
      for (int64_t c = 0; c < x.size(1); ++c)
        multipliers[r][c] = kept(r, c, site, block_.options.hidden_dropout);
    return x * multipliers;
  }

  at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) const {
    const int64_t heads = block_.options.num_heads, size = query.size(1) / heads;
    std::vector<at::Tensor> samples;
    for (int64_t i = 0; i < block_.samples(); ++i) {
      const auto begin = block_.offsets[i].item<int64_t>();
      const auto length = block_.offsets[i + 1].item<int64_t>() - begin;
      std::vector<at::Tensor> contexts;
      for (int64_t h = 0; h < heads; ++h) {
        const auto part = [&](const at::Tensor& t) {
          return t.narrow(0, begin, length).narrow(1, h * size, size);
        };
        auto multipliers = at::empty({length, length}, at::kDouble);
        for (int64_t q = 0; q < length; ++q)
          for (int64_t k = 0; k < length; ++k)
            multipliers[q][k] = kept(begin + q, h << kAttentionHeadShift | k,
                                     sampling::Site::attention_dropout, block_.options.attention_dropout);
        const auto scores = part(query).matmul(part(key).t()) / std::sqrt(static_cast<double>(size));
        contexts.push_back((at::softmax(scores, 1) * multipliers).matmul(part(value)));
      }
      samples.push_back(at::cat(contexts, 1));
    }
    return at::cat(samples, 0);
  }

  const Block& block_;
  std::vector<at::Tensor> row_weights_;
};

/// The exact gradient in parts. Contributions of a sample are those of the rows of the output that are its
/// own: samples do not mix.
struct ModelGradient {
  std::vector<at::Tensor> by_sample;                      ///< of each leaf, [N, numel]
  std::array<std::vector<at::Tensor>, kBlocks> by_row;    ///< of each linear's weight, [R, numel]
  std::array<std::vector<double>, kBlocks> sample_norms;  ///< ‖G_l[i]‖ at each block's output
  double norm = 0;                                        ///< of the whole gradient
};

inline at::Tensor sample_of_row(const Model& model) {
  auto sample = at::empty({model.rows()}, at::kLong);
  for (int64_t i = 0; i < model.samples(); ++i)
    sample.slice(0, model.offsets()[i].item<int64_t>(), model.offsets()[i + 1].item<int64_t>()).fill_(i);
  return sample;
}

/// @param model in float64.
inline ModelGradient exact_gradient(const Model& model) {
  std::vector<at::Tensor> wanted = model.leaves(), outputs{model.x()};
  const size_t leaf_count = wanted.size();
  for (const auto& block : model.blocks) {
    std::vector<at::Tensor> row_weights;
    row_weights.reserve(kTransformerWeights);
    for (const size_t index : kWeightOf)
      row_weights.push_back(block.parameters[index].unsqueeze(0).repeat({model.rows(), 1, 1}));
    wanted.insert(wanted.end(), row_weights.begin(), row_weights.end());
    outputs.push_back(RowwiseBlock(block, std::move(row_weights)).forward(outputs.back()));
  }
  wanted.push_back(outputs[1]);

  const auto sample = sample_of_row(model);
  const auto& gradient = model.blocks[1].output_gradient;
  ModelGradient result;
  std::vector<std::vector<at::Tensor>> parts;
  for (int64_t i = 0; i < model.samples(); ++i) {
    const auto own = gradient * sample.eq(i).unsqueeze(1).to(gradient.scalar_type());
    parts.push_back(torch::autograd::grad({outputs[2]}, wanted, {own}, /*retain_graph=*/true));
    result.sample_norms[0].push_back(parts.back().back().norm().item<double>());
    result.sample_norms[1].push_back(own.norm().item<double>());
  }
  double square = 0;
  for (size_t t = 0; t + 1 < wanted.size(); ++t) {
    std::vector<at::Tensor> of_samples;
    of_samples.reserve(parts.size());
    for (const auto& part : parts) of_samples.push_back(part[t].reshape(-1));
    auto by_sample = at::stack(of_samples);
    if (t < leaf_count) {
      square += by_sample.sum(0).square().sum().item<double>();
      result.by_sample.push_back(std::move(by_sample));
    } else {
      result.by_row[(t - leaf_count) / kTransformerWeights].push_back(
          by_sample.sum(0).reshape({model.rows(), -1}));
    }
  }
  result.norm = std::sqrt(square);
  return result;
}

}  // namespace vcas::ops::testing
