// A model of one's own, trained by VCAS: a transformer of two sampling blocks that finds which of four
// signals hides in a sequence of noise. Prints the loss as it falls and what sampling left out; exit status 1
// if it did not fall.

#include <ATen/Context.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <vcas/nn/classification_loss.h>
#include <vcas/nn/model.h>
#include <vcas/nn/transformer_stack.h>
#include <vcas/training/loop/trainer.h>
#include <vcas/training/methods/vcas.h>
#include <vcas/version.h>

#include <cstdio>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace {

namespace nn = vcas::nn;
namespace training = vcas::training;

// Data.

constexpr int64_t kVocabulary = 32;  // 0 begins a sequence, 1..4 are the signals, the others noise
constexpr int64_t kSignals = 4;

struct Sequences {
  std::vector<std::vector<int64_t>> tokens;
  std::vector<int64_t> lengths, labels;  // a label says which signal its sequence holds, mostly
};

Sequences make_sequences(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  Sequences sequences;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = uniform(8, 24), place = uniform(1, length - 1), signal = uniform(0, kSignals - 1);
    auto& tokens = sequences.tokens.emplace_back(1, 0);
    for (int64_t t = 1; t < length; ++t)
      tokens.push_back(t == place ? 1 + signal : uniform(1 + kSignals, kVocabulary - 1));
    sequences.lengths.push_back(length);
    // One label in ten is drawn anew, so that there is always something left to learn.
    sequences.labels.push_back(uniform(0, 9) == 0 ? uniform(0, kSignals - 1) : signal);
  }
  return sequences;
}

// The network.

constexpr int64_t kBlocks = 2;
constexpr int64_t kHidden = 64;

nn::TransformerLayerOptions block_options() {
  nn::TransformerLayerOptions options{.hidden_size = kHidden, .intermediate_size = 4 * kHidden, .layer = {}};
  options.layer.num_heads = 4;
  options.layer.hidden_dropout = 0.1;
  options.layer.pre_norm = true;
  return options;
}

struct SequenceBatch final : nn::Batch {
  at::Tensor tokens;  // [R] int64, the sequences one after the other, without padding
  at::Tensor labels;  // [N] int64
};

/// Embedding, transformer blocks, and a linear head that reads the first row of each sequence.
class SequenceClassifier final : public nn::Model {
 public:
  SequenceClassifier()
      : embedding_(add_parameter("embedding", at::empty({kVocabulary, kHidden}).normal_(0, 0.5))),
        blocks_(register_module("blocks", std::make_shared<nn::TransformerStack>(block_options(), kBlocks))),
        head_weight_(add_parameter("head_weight", at::empty({kSignals, kHidden}).normal_(0, 0.1),
                                   {.weight_decay = true, .below_topmost_sampling = false})),
        head_bias_(add_parameter("head_bias", at::zeros({kSignals}),
                                 {.weight_decay = false, .below_topmost_sampling = false})) {}

  nn::Pass forward(const SequenceBatch& batch, const nn::PassOptions& options) {
    nn::Recording recording(options);
    const auto embedded = at::embedding(embedding_, batch.tokens);
    const auto first = blocks_->forward(embedded, batch.offsets, nn::first_rows(batch.offsets), recording);
    const auto logits = at::addmm(head_bias_, first, head_weight_.t());
    return make_pass(std::move(recording), std::make_unique<nn::ClassificationLoss>(logits, batch.labels),
                     batch);
  }

  nn::Flops flops(const nn::Batch& batch, const vcas::ops::ComputeOptions& compute) const override {
    auto flops = blocks_->flops(batch.offsets, nn::first_rows(batch.offsets), compute);
    const double head = 2.0 * static_cast<double>(batch.size() * head_weight_.numel());
    flops += {.forward = head, .backward = 2 * head};
    return flops;
  }

 private:
  at::Tensor embedding_;
  std::shared_ptr<nn::TransformerStack> blocks_;
  at::Tensor head_weight_, head_bias_;  // above the topmost block, where nothing is sampled
};

// Network and data together.

class SequenceTask final : public training::TaskOf<SequenceBatch> {
 public:
  SequenceTask(int64_t sequences, uint64_t seed) : sequences_(make_sequences(sequences, seed)) {}

  nn::Model& model() override { return model_; }

  std::vector<int64_t> lengths() const override { return sequences_.lengths; }

 protected:
  SequenceBatch make_batch(const training::BatchRequest& request) const override {
    std::vector<int64_t> tokens, offsets{0}, labels;
    for (const auto& visit : request.visits) {
      const auto example = static_cast<size_t>(visit.example);
      tokens.insert(tokens.end(), sequences_.tokens[example].begin(), sequences_.tokens[example].end());
      offsets.push_back(static_cast<int64_t>(tokens.size()));
      labels.push_back(sequences_.labels[example]);
    }
    SequenceBatch batch;
    batch.offsets = at::tensor(offsets);
    batch.tokens = at::tensor(tokens);
    batch.labels = at::tensor(labels);
    return batch;
  }

  nn::Pass forward_batch(const SequenceBatch& batch, const nn::PassOptions& options) override {
    return model_.forward(batch, options);
  }

 private:
  Sequences sequences_;
  SequenceClassifier model_;
};

}  // namespace

int main() {
  constexpr int64_t kSteps = 400, kWindow = 50;
  training::TrainOptions options;
  options.learning_rate = 1e-3;
  options.max_steps = kSteps;
  options.per_device_train_batch_size = 32;
  options.seed = 7;
  at::manual_seed(options.seed);  // the initial weights
  SequenceTask task(kSteps * options.per_device_train_batch_size, options.seed);

  vcas::control::ControllerOptions control;
  control.cal_var_freq = 50;
  training::VcasMethod method(control, task.model(), options.seed);
  training::Trainer trainer(options, task, method);

  std::printf("vcas %s\n", vcas::version());
  training::RunHistory history;
  double first_loss = 0;
  for (int64_t step = 1; step <= kSteps; ++step) {
    history.add(trainer.step());
    if (step == 1) first_loss = history.mean_loss(1);
    if (step % kWindow != 0) continue;
    std::printf("step %3lld  loss %.4f  s %.3f  FLOPs %.3f of exact\n", static_cast<long long>(step),
                history.mean_loss(kWindow), method.status().value().s.value(),
                history.flops().performed / history.flops().exact);
  }
  const double last_loss = history.mean_loss(kWindow);
  if (last_loss < 0.5 * first_loss) return 0;
  std::fprintf(stderr, "expected the loss to fall to less than half of %.4f, got %.4f\n", first_loss,
               last_loss);
  return 1;
}
