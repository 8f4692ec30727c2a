// parity_tool: what hugging_face_parity_test.py compares with transformers. Results are safetensors files.
//   save FOLDER LABELS SEED OUT     a classifier with the folder's weights; LABELS classes when it names none
//   logits FOLDER TEXTS OUT         "logits" [n, classes], texts in the file's order
//   gradients FOLDER TEXTS OUT      of one exact step on all texts: by parameter; "loss"
//   train FOLDER TEXTS STEPS OUT    exact steps: "loss", "learning_rate" [steps], "examples" [steps, 16]
// TEXTS is a .jsonl file with "sentence", "label" and, when its name ends in pairs.jsonl, "pair".
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "vcas/data/order.h"
#include "vcas/models/hugging_face/model_directory.h"
#include "vcas/nn/tensor_file.h"
#include "vcas/tasks/text_classification.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/exact.h"

namespace {

namespace data = vcas::data;
namespace fs = std::filesystem;
namespace hugging_face = vcas::models::hugging_face;
namespace nn = vcas::nn;
namespace tasks = vcas::tasks;
namespace training = vcas::training;

constexpr int64_t kEvaluationBatch = 32;
constexpr int64_t kTrainingBatch = 16;
constexpr uint64_t kSeed = 42;

std::unique_ptr<tasks::TextClassification> load(const fs::path& folder, const fs::path& file,
                                                const training::TrainOptions& options = {}) {
  tasks::TextClassificationOptions data;
  data.model_name_or_path = folder;
  data.train_file = file;
  data.label_names = hugging_face::read_model_directory(folder).labels;
  if (file.string().ends_with("pairs.jsonl")) data.columns.text_pair = "pair";
  return tasks::load_text_classification(data, options, /*checkpoint=*/folder);
}

/// Texts first, first + 1, ... in the file's order.
vcas::models::TextBatch batch_of(const tasks::TextClassification& task, int64_t first, int64_t count) {
  std::vector<int64_t> examples(static_cast<size_t>(count));
  std::iota(examples.begin(), examples.end(), first);
  return tasks::text_batch(task.train_texts(), std::move(examples));
}

void save(const fs::path& folder, int64_t label_count, uint64_t seed, const fs::path& out) {
  const auto directory = hugging_face::read_model_directory(folder);
  auto labels = directory.labels;
  for (int64_t id = 0; labels.size() < static_cast<size_t>(label_count); ++id) {
    labels.push_back("LABEL_" + std::to_string(id));
  }
  const auto model = hugging_face::load_text_classifier(directory, labels, seed, /*require_head=*/false);
  fs::create_directories(out);
  hugging_face::save_text_classifier(directory, *model, labels, out);
}

void logits(const fs::path& folder, const fs::path& file, const fs::path& out) {
  const c10::AutoGradMode no_grad(false);
  const auto task = load(folder, file);
  const int64_t texts = task->train_texts().size();
  std::vector<at::Tensor> batches;
  for (int64_t first = 0; first < texts; first += kEvaluationBatch) {
    const auto batch = batch_of(*task, first, std::min(kEvaluationBatch, texts - first));
    batches.push_back(task->model().logits(batch, /*compute=*/{}));
  }
  nn::write_tensors(out, {{"logits", at::cat(batches)}});
}

void gradients(const fs::path& folder, const fs::path& file, const fs::path& out) {
  const auto task = load(folder, file);
  const auto batch = batch_of(*task, 0, task->train_texts().size());
  training::MicroBatch micro_batch{task->forward(batch, {.seed = kSeed}), {}};
  const auto gradients = training::ExactMethod().backward(micro_batch, /*loss_scale=*/1).gradients;

  nn::NamedTensors tensors{{"loss", micro_batch.pass.loss()}};
  const auto table =
      vcas::models::bert_tensor_table(hugging_face::read_model_directory(folder).bert_config());
  const auto parameters = task->model().trainable_parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& gradient = gradients.at(i);
    tensors[hugging_face::file_name(table, parameters[i].name)] =
        gradient.is_sparse() ? gradient.to_dense() : gradient;
  }
  nn::write_tensors(out, tensors);
}

training::TrainOptions train_options(int64_t steps) {
  training::TrainOptions options;
  options.learning_rate = 5e-5;
  options.weight_decay = 0.01;
  options.max_grad_norm = 1.0;
  options.warmup_ratio = 0.1;
  options.max_steps = steps;
  options.per_device_train_batch_size = kTrainingBatch;
  options.seed = kSeed;
  return options;
}

void train(const fs::path& folder, const fs::path& file, int64_t steps, const fs::path& out) {
  const auto options = train_options(steps);
  const auto task = load(folder, file, options);
  training::ExactMethod exact;
  training::Trainer trainer(options, *task, exact);
  data::TrainingOrder order(task->lengths(), {kSeed, kTrainingBatch, /*bucket_batches=*/0});

  std::vector<double> losses, learning_rates;
  std::vector<int64_t> examples;
  for (data::OrderPosition position; trainer.steps_done() < steps; position = order.after(position)) {
    const auto batch = order.batch(position);
    examples.insert(examples.end(), batch.begin(), batch.end());
    const auto report = trainer.step();
    losses.push_back(report.loss);
    learning_rates.push_back(report.learning_rate);
  }
  nn::write_tensors(out, {{"loss", at::tensor(losses, at::kDouble)},
                          {"learning_rate", at::tensor(learning_rates, at::kDouble)},
                          {"examples", at::tensor(examples, at::kLong).view({steps, kTrainingBatch})}});
}

bool run(const std::vector<std::string>& arguments) {
  const auto is = [&](const char* command, size_t count) {
    return arguments.size() == count + 1 && arguments[0] == command;
  };
  if (is("save", 4)) {
    save(arguments[1], std::stoll(arguments[2]), std::stoull(arguments[3]), arguments[4]);
  } else if (is("logits", 3)) {
    logits(arguments[1], arguments[2], arguments[3]);
  } else if (is("gradients", 3)) {
    gradients(arguments[1], arguments[2], arguments[3]);
  } else if (is("train", 4)) {
    train(arguments[1], arguments[2], std::stoll(arguments[3]), arguments[4]);
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int count, char** values) {
  try {
    if (run({values + 1, values + count})) return 0;
    std::fputs("usage: see the first lines of parity_tool.cpp\n", stderr);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parity_tool: %s\n", error.what());
    return 1;
  }
}
