// What surrounds the word table of a BERT against what PyTorch offers for the same, fp32, all candidates
// taking turns: the sum of embeddings with LayerNorm and dropout, forward and backward, and AdamW of a table
// of which a step reads few rows. "ratio" is PyTorch's time by ours. Sizes are MiniLM's, rows those of 32
// texts of 18 tokens, tokens drawn with probabilities that fall as 1/rank. Usage: word_table_benchmark
// [threads] [seconds per candidate] [--json]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "against_torch.h"
#include "ops/embeddings.h"
#include "vcas/training/loop/adamw.h"

namespace {

using vcas::benchmarks::Arguments;
using vcas::benchmarks::report;

constexpr int64_t kTexts = 32, kTokens = 18, kRows = kTexts * kTokens;
constexpr int64_t kVocabulary = 30522, kPositions = 512, kTypes = 2, kHidden = 384;

at::Tensor tokens() {
  const auto probabilities = at::arange(1, kVocabulary + 1, at::kFloat).reciprocal();
  return at::multinomial(probabilities, kRows, /*replacement=*/true);
}

void run_embeddings(const Arguments& arguments) {
  const auto table = [](int64_t rows) { return at::randn({rows, kHidden}).set_requires_grad(true); };
  const vcas::ops::EmbeddingParameters p{table(kVocabulary), table(kPositions), table(kTypes),
                                         at::ones({kHidden}).set_requires_grad(true),
                                         at::zeros({kHidden}).set_requires_grad(true)};
  const vcas::ops::EmbeddingIndices indices{tokens(), at::arange(kRows, at::kLong).remainder(kTokens),
                                            at::zeros({kRows}, at::kLong)};
  const auto rng = vcas::ops::make_rng_tensor({});
  const at::Tensor gradient = at::randn({kRows, kHidden});
  const auto backward = [&](const at::Tensor& output) {
    torch::autograd::grad({output}, {p.word, p.position, p.token_type, p.norm_weight, p.norm_bias},
                          {gradient});
  };
  constexpr double kTables = (kPositions + kTypes) * kHidden;
  report(
      {"embeddings, forward and backward",
       [&] {
         backward(vcas::ops::embeddings(indices, p, rng, {1e-12, 0.1}));
       },
       [&] {
         const auto words = at::embedding(p.word, indices.word, -1, false, /*sparse=*/true);
         const auto sum = words + at::embedding(p.position, indices.position) +
                          at::embedding(p.token_type, indices.token_type);
         backward(at::dropout(at::layer_norm(sum, {kHidden}, p.norm_weight, p.norm_bias, 1e-12), 0.1, true));
       },
       10.0 * kRows * kHidden + kTables},
      arguments);
}

void run_lazy_adamw(const Arguments& arguments) {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor table = at::randn({kVocabulary, kHidden}), peer = table.clone();
  vcas::training::AdamW optimizer({{"table", table}}, {});
  std::vector<at::Tensor> gradients;
  for (int i = 0; i < 64; ++i) {
    const auto rows = std::get<0>(at::_unique(tokens()));
    gradients.push_back(
        at::sparse_coo_tensor(rows.unsqueeze(0), at::randn({rows.size(0), kHidden}), table.sizes())
            ._coalesced_(true));
  }
  const at::Tensor dense = gradients.front().to_dense(), step = at::ones({});
  const at::Tensor exp_avg = at::zeros_like(peer), exp_avg_sq = at::zeros_like(peer);
  size_t turn = 0;
  report({"AdamW of the word table",
          [&] {
            const at::Tensor& gradient = gradients[turn++ % gradients.size()];
            optimizer.catch_up(0, gradient._indices().view(-1));
            optimizer.step({gradient}, 1e-6);
          },
          [&] {
            at::_fused_adamw_({peer}, {dense}, {exp_avg}, {exp_avg_sq}, {}, {step}, 1e-6, 0.9, 0.999, 0.0,
                              1e-8,
                              /*amsgrad=*/false, /*maximize=*/false);
          },
          7.0 * static_cast<double>(gradients.front()._values().numel())},
         arguments);
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = vcas::benchmarks::read_arguments(argc, argv, 0.5);
  if (!arguments.json) std::printf("%d threads\n", at::get_num_threads());
  run_embeddings(arguments);
  run_lazy_adamw(arguments);
}
