// training_steps: trains as `vcas train` does and takes its steps when told to, so that a driver can
// interleave several programs on one machine. training_steps.py is its client.
//   In:  a line a request: "steps 10", or "seconds 30": steps until that time has passed, at least one; or
//        "evaluate": the held-out glosses of wordnet-nouns; or "keep_ratios": what VCAS keeps at present.
//   Out: a JSON line when ready, a JSON line a step or an answer, an empty line after each request. It ends
//        with its input, and answers a request with fewer steps when the run is over.
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "vcas/control/benefit_gate.h"
#include "vcas/data/dataset.h"
#include "vcas/data/order.h"
#include "vcas/data/tokenized_texts.h"
#include "vcas/training/calibration.h"
#include "vcas/training/methods.h"
#include "vcas/training/options.h"
#include "vcas/training/text_classification_task.h"
#include "vcas/training/text_model_directory.h"
#include "vcas/training/trainer.h"

namespace {

namespace control = vcas::control;
namespace data = vcas::data;
namespace training = vcas::training;

struct Options {
  std::filesystem::path model_name_or_path;
  std::filesystem::path train_file;
  std::optional<int64_t> max_train_samples;
  int64_t max_seq_length = 128;
  training::MethodOptions method{.name = "exact"};
  int threads = 2;
  training::TrainOptions train;
};

void add_flags(CLI::App& app, Options& options) {
  app.option_defaults()->always_capture_default();
  options.train.num_train_epochs = 1;
  options.train.per_device_train_batch_size = 32;
  options.train.warmup_ratio = 0.1;
  app.add_option("--model_name_or_path", options.model_name_or_path, "Hugging Face folder")->required();
  app.add_option("--train_file", options.train_file, "texts; wordnet-nouns when not given");
  app.add_option("--max_train_samples", options.max_train_samples, "the first texts only");
  app.add_option("--max_seq_length", options.max_seq_length, "tokens of a text");
  app.add_option("--method", options.method.name, "how gradients are made")
      ->check(CLI::IsMember({"exact", "vcas", "sb", "ub"}));
  app.add_option("--threads", options.threads, "of PyTorch and OpenMP");
  app.add_option("--max_steps", options.train.max_steps, "steps of the run; -1: num_train_epochs");
  app.add_option("--num_train_epochs", options.train.num_train_epochs, "epochs of the run");
  app.add_option("--per_device_train_batch_size", options.train.per_device_train_batch_size, "texts a step");
  app.add_option("--learning_rate", options.train.learning_rate, "AdamW's highest");
  app.add_option("--bf16", options.train.bf16, "linears multiply in bfloat16");
  app.add_option("--gradient_checkpointing", options.train.gradient_checkpointing,
                 "blocks keep only their input");
  app.add_option("--seed", options.train.seed, "of head, order, dropout and draws");
}

struct Texts {
  data::TextDataset train;
  std::optional<data::TextDataset> validation;
};

Texts read_texts(const Options& options) {
  Texts texts;
  if (options.train_file.empty()) {
    auto split = data::read_wordnet_nouns();
    texts = {std::move(split.train), std::move(split.validation)};
  } else {
    texts.train = data::read_training_file(options.train_file, {});
  }
  if (options.max_train_samples) texts.train.keep_first(*options.max_train_samples);
  return texts;
}

/// As `vcas train` without --cost_table finds it.
std::optional<control::EncoderLayerCost> shipped_cost(const Options& options,
                                                      const training::TextModelDirectory& directory) {
  const auto config = training::read_bert_config(directory.config, directory.path);
  const auto* cost = control::CostTable::shipped().find(training::present_cost_key(
      config.hidden_size, config.intermediate_size, options.train.compute().precision));
  return cost == nullptr ? std::nullopt : std::optional(*cost);
}

/// A run and the examples that each of its steps takes.
class SteppedRun {
 public:
  SteppedRun(const Options& options, training::Task& task, training::Method& method,
             const data::TokenizedTexts& texts)
      : task_(task),
        method_(method),
        trainer_(options.train, task, method),
        order_(texts.lengths(), {options.train.seed, options.train.per_device_train_batch_size, 0}) {}

  int64_t total_steps() const { return trainer_.total_steps(); }
  bool is_over() const { return trainer_.steps_done() == trainer_.total_steps(); }

  nlohmann::json step() {
    const auto examples = order_.batch(position_);
    position_ = order_.after(position_);
    const auto report = trainer_.step();
    return {{"step", report.step},
            {"loss", report.loss},
            {"seconds", report.seconds},
            {"adaptation_seconds", report.adaptation_seconds},
            {"flops", {{"exact", report.flops.exact}, {"performed", report.flops.performed}}},
            {"examples", examples}};
  }

  nlohmann::json evaluate() {
    trainer_.finish_updates();
    const auto evaluation = task_.evaluate();
    if (!evaluation) throw std::invalid_argument("expected held-out texts to evaluate on, got none");
    return {
        {"examples", evaluation->examples}, {"loss", evaluation->loss}, {"accuracy", evaluation->accuracy}};
  }

  nlohmann::json keep_ratios() const {
    const auto status = method_.status();
    if (!status) throw std::invalid_argument("expected a method that samples, got exact");
    return {{"sample", status->sample_keep_ratio}, {"row", status->row_keep_ratio}};
  }

 private:
  training::Task& task_;
  const training::Method& method_;
  training::Trainer trainer_;
  data::TrainingOrder order_;
  data::OrderPosition position_;
};

void answer(SteppedRun& run, const std::string& request) {
  if (request == "evaluate") {
    std::cout << run.evaluate() << '\n' << std::endl;
    return;
  }
  if (request == "keep_ratios") {
    std::cout << run.keep_ratios() << '\n' << std::endl;
    return;
  }
  std::istringstream words(request);
  std::string unit;
  double amount = 0;
  if (!(words >> unit >> amount) || (unit != "steps" && unit != "seconds") || amount <= 0) {
    throw std::invalid_argument("expected 'steps N', 'seconds S', 'evaluate' or 'keep_ratios', got '" +
                                request + "'");
  }
  double done = 0;
  while (done < amount && !run.is_over()) {
    const auto step = run.step();
    done += unit == "steps" ? 1 : step.at("seconds").get<double>();
    std::cout << step << '\n';
  }
  std::cout << std::endl;
}

void serve(const Options& options) {
  at::set_num_threads(options.threads);
  const auto directory = training::read_text_model_directory(options.model_name_or_path);
  const auto dataset = read_texts(options);
  const auto model = training::load_text_classifier(directory, dataset.train.label_names, options.train.seed,
                                                    /*require_head=*/false);
  const auto tokenize = [&](const data::TextDataset& chosen) {
    return data::TokenizedTexts(chosen, directory.tokenizer, options.max_seq_length, options.threads);
  };
  const auto texts = tokenize(dataset.train);
  std::optional<data::TokenizedTexts> validation;
  if (dataset.validation) validation = tokenize(*dataset.validation);
  training::TextBatching batching;
  batching.seed = options.train.seed;
  batching.train_batch_size = options.train.per_device_train_batch_size;
  batching.eval_batch_size = 64;
  training::TextClassificationTask task(
      *model, texts, std::move(validation), batching, [](const std::filesystem::path&) {},
      options.train.compute());
  const auto method = make_method(options.method, task, options.train.seed, shipped_cost(options, directory));
  SteppedRun run(options, task, *method, texts);

  std::cout << nlohmann::json{{"total_steps", run.total_steps()}, {"texts", texts.size()}} << std::endl;
  for (std::string request; std::getline(std::cin, request);) answer(run, request);
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("Training steps on request, for benchmarks");
  Options options;
  add_flags(app, options);
  CLI11_PARSE(app, count, values);
  try {
    serve(options);
  } catch (const std::exception& error) {
    std::cerr << "training_steps: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
