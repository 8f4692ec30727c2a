// A model of one's own, trained by VCAS: a transformer of two sampling encoder blocks that finds which of
// four signals hides in a sequence of noise. Prints the loss as it falls and what sampling left out; exit
// status 1 if it did not fall.

#include <ATen/Context.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/module.h>
#include <vcas/models/classification_pass.h>
#include <vcas/nn/encoder_layer.h>
#include <vcas/training/method.h>
#include <vcas/training/task.h>
#include <vcas/training/trainer.h>
#include <vcas/version.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int64_t kVocabulary = 32;  // 0 begins a sequence, 1..4 are the signals, the others noise
constexpr int64_t kSignals = 4;
constexpr int64_t kBlocks = 2;
constexpr int64_t kHidden = 64;

/// Sequences of different lengths one after the other, without padding.
struct Sequences {
  at::Tensor tokens;   // [R] int64
  at::Tensor offsets;  // [N+1] int64: sequence i owns rows offsets[i]..offsets[i+1]-1
  at::Tensor labels;   // [N] int64: which signal it holds, mostly
};

/// Sequences of one micro-batch: a function of seed and number, so that a resumed run sees the same.
Sequences make_sequences(int64_t count, uint64_t seed, int64_t number) {
  std::seed_seq key{seed, static_cast<uint64_t>(number)};
  std::mt19937_64 random(key);
  const auto uniform = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  std::vector<int64_t> tokens, offsets{0}, labels;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = uniform(8, 24), place = uniform(1, length - 1), signal = uniform(0, kSignals - 1);
    tokens.push_back(0);
    for (int64_t t = 1; t < length; ++t) {
      tokens.push_back(t == place ? 1 + signal : uniform(1 + kSignals, kVocabulary - 1));
    }
    offsets.push_back(static_cast<int64_t>(tokens.size()));
    // One label in ten is drawn anew, so that there is always something left to learn.
    labels.push_back(uniform(0, 9) == 0 ? uniform(0, kSignals - 1) : signal);
  }
  return {at::tensor(tokens), at::tensor(offsets), at::tensor(labels)};
}

/// Embedding, encoder blocks, and a linear head that reads the first row of each sequence.
class SequenceClassifier final : public torch::nn::Module {
 public:
  SequenceClassifier() {
    embedding_ = register_parameter("embedding", at::empty({kVocabulary, kHidden}).normal_(0, 0.5));
    for (int64_t i = 0; i < kBlocks; ++i) {
      vcas::nn::EncoderLayerOptions options{
          .hidden_size = kHidden, .intermediate_size = 4 * kHidden, .layer = {}};
      options.layer.num_heads = 4;
      options.layer.hidden_dropout = 0.1;
      options.layer.pre_norm = true;
      // Nothing reads the other rows of the last block, so that it computes keys and values only for them.
      options.layer.first_row_only = i + 1 == kBlocks;
      blocks_.push_back(
          register_module(block_name(i), std::make_shared<vcas::nn::EncoderLayerImpl>(options)));
    }
    head_weight_ = register_parameter("head_weight", at::empty({kSignals, kHidden}).normal_(0, 0.1));
    head_bias_ = register_parameter("head_bias", at::zeros({kSignals}));
  }

  std::unique_ptr<vcas::models::ForwardPass> forward_pass(const Sequences& batch,
                                                          const vcas::sampling::StreamKey& stream) {
    vcas::nn::Recording recording(stream, /*training=*/true);
    auto rows = at::embedding(embedding_, batch.tokens);
    for (const auto& block : blocks_) rows = block->forward(rows, batch.offsets, recording);
    auto logits = at::addmm(head_bias_, rows, head_weight_.t());
    const double head_flops = 2.0 * static_cast<double>(logits.numel() * kHidden);
    return std::make_unique<vcas::models::ClassificationPass>(std::move(logits), batch.labels,
                                                              std::move(recording), parameters(), head_flops);
  }

  static std::string block_name(int64_t block) { return "block_" + std::to_string(block); }

 private:
  at::Tensor embedding_, head_weight_, head_bias_;
  std::vector<std::shared_ptr<vcas::nn::EncoderLayerImpl>> blocks_;
};

/// The model together with its endless supply of sequences.
class SequenceTask final : public vcas::training::Task {
 public:
  explicit SequenceTask(int64_t batch_size) : batch_size_(batch_size) {}

  std::vector<vcas::models::NamedParameter> parameters() const override {
    std::vector<vcas::models::NamedParameter> parameters;
    for (const auto& item : model_.named_parameters()) {
      // The head lies above the topmost block, where nothing is sampled.
      const bool below = item.key().find("head") == std::string::npos;
      const bool decays = item.value().dim() > 1;
      parameters.push_back({item.key(), item.value(), decays, below});
    }
    return parameters;
  }

  std::vector<std::vector<vcas::models::SampledLinear>> sampled_linears() const override {
    std::vector<std::vector<vcas::models::SampledLinear>> blocks(kBlocks);
    for (int64_t i = 0; i < kBlocks; ++i) {
      for (const char* linear : {"query", "key", "value", "attention_output", "intermediate", "output"}) {
        const bool every_row = i + 1 < kBlocks || std::string("key value").find(linear) != std::string::npos;
        blocks[i].push_back({SequenceClassifier::block_name(i) + "." + linear + "_weight", !every_row});
      }
    }
    return blocks;
  }

  vcas::training::NamedTensors named_tensors() const override {
    vcas::training::NamedTensors tensors;
    for (const auto& item : model_.named_parameters()) tensors[item.key()] = item.value().detach();
    return tensors;
  }

  int64_t micro_batches_per_epoch() const override { return 100; }

  vcas::training::MicroBatch forward(const vcas::training::MicroBatchPosition& position,
                                     uint64_t seed) override {
    const auto batch = make_sequences(batch_size_, seed, position.number);
    vcas::sampling::StreamKey stream;
    stream.seed = seed;
    stream.micro_batch = static_cast<uint32_t>(position.number);
    const auto* offsets = batch.offsets.const_data_ptr<int64_t>();
    vcas::training::MicroBatch result;
    result.pass = model_.forward_pass(batch, stream);
    result.offsets.assign(offsets, offsets + batch.offsets.numel());
    result.number = position.number;
    return result;
  }

  std::string describe(const vcas::training::MicroBatchPosition& position) override {
    return "sequences of micro-batch " + std::to_string(position.number);
  }

  std::optional<vcas::training::Evaluation> evaluate() override { return std::nullopt; }

  void save_model(const std::filesystem::path& folder) const override {
    vcas::training::write_tensors(folder / "model.safetensors", named_tensors());
  }

 private:
  int64_t batch_size_;
  SequenceClassifier model_;
};

}  // namespace

int main() {
  constexpr int64_t kSteps = 400, kWindow = 50;
  at::manual_seed(7);  // the initial weights
  SequenceTask task(/*batch_size=*/32);

  vcas::training::TrainOptions options;
  options.learning_rate = 1e-3;
  options.max_steps = kSteps;
  options.seed = 7;
  vcas::control::ControllerOptions control;
  control.cal_var_freq = 50;
  vcas::training::VcasMethod method(control, task.parameters(), task.sampled_linears(), options.seed);
  vcas::training::Trainer trainer(options, task, method);

  std::printf("vcas %s\n", vcas::version());
  vcas::training::RunHistory history;
  double first_loss = 0;
  for (int64_t step = 1; step <= kSteps; ++step) {
    history.add(trainer.step());
    if (step == 1) first_loss = history.mean_loss(1);
    if (step % kWindow != 0) continue;
    std::printf("step %3lld  loss %.4f  s %.3f  FLOPs %.3f of exact\n", static_cast<long long>(step),
                history.mean_loss(kWindow), method.status()->s,
                history.flops().performed / history.flops().exact);
  }
  const double last_loss = history.mean_loss(kWindow);
  if (last_loss < 0.5 * first_loss) return 0;
  std::fprintf(stderr, "expected the loss to fall to less than half of %.4f, got %.4f\n", first_loss,
               last_loss);
  return 1;
}
