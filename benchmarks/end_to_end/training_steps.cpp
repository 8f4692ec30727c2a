// training_steps: trains as `vcas train` does and takes its steps when told to, so that a driver can
// interleave several programs on one machine. training_steps.py is its client.
//   In:  a line a request: "steps 10", or "seconds 30": steps until that time has passed, at least one; or
//        "evaluate": the held-out glosses of wordnet-nouns; or "keep_ratios": what VCAS keeps at present.
//   Out: a JSON line when ready, a JSON line a step or an answer, an empty line after each request. It ends
//        with its input, and answers a request with fewer steps when the run is over.
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>

#include "vcas/data/order.h"
#include "vcas/tasks/text_classification.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/methods.h"
#include "vcas/training/run/launch.h"

namespace {

namespace data = vcas::data;
namespace tasks = vcas::tasks;
namespace training = vcas::training;

struct Options {
  tasks::TextClassificationOptions data;
  training::RunOptions run;
  int threads = 2;
};

void add_flags(CLI::App& app, Options& options) {
  app.option_defaults()->always_capture_default();
  auto& train = options.run.train;
  train.num_train_epochs = 1;
  train.per_device_train_batch_size = 32;
  train.per_device_eval_batch_size = 64;
  train.warmup_ratio = 0.1;
  options.run.method.name = "exact";
  app.add_option("--model_name_or_path", options.data.model_name_or_path, "Hugging Face folder")->required();
  app.add_option("--train_file", options.data.train_file, "texts; wordnet-nouns when not given");
  app.add_option("--max_train_samples", options.data.max_train_samples, "the first texts only");
  app.add_option("--max_seq_length", options.data.max_seq_length, "tokens of a text");
  app.add_option("--method", options.run.method.name, "how gradients are made")
      ->check(CLI::IsMember(training::method_names()));
  app.add_option("--threads", options.threads, "of PyTorch and OpenMP");
  app.add_option("--max_steps", train.max_steps, "steps of the run; -1: num_train_epochs");
  app.add_option("--num_train_epochs", train.num_train_epochs, "epochs of the run");
  app.add_option("--per_device_train_batch_size", train.per_device_train_batch_size, "texts a step");
  app.add_option("--learning_rate", train.learning_rate, "AdamW's highest");
  app.add_option("--bf16", train.bf16, "linears multiply in bfloat16");
  app.add_option("--gradient_checkpointing", train.gradient_checkpointing, "blocks keep only their input");
  app.add_option("--seed", train.seed, "of head, order, dropout and draws");
}

/// A run and the examples that each of its steps takes.
class SteppedRun {
 public:
  SteppedRun(const training::TrainOptions& options, training::Task& task, training::Method& method)
      : task_(task),
        method_(method),
        trainer_(options, task, method),
        order_(task.lengths(), {options.seed, options.per_device_train_batch_size, /*bucket_batches=*/0}) {}

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
    return {{"examples", evaluation->examples},
            {"loss", evaluation->find("loss")->value},
            {"accuracy", evaluation->find("accuracy")->value}};
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

void serve(Options options) {
  at::set_num_threads(options.threads);
  if (options.data.train_file.empty()) options.data.dataset = "wordnet-nouns";
  const auto& train = options.run.train;
  const auto task = tasks::load_text_classification(options.data, train);
  // As `vcas train` without --cost_table finds them.
  const auto method = training::make_method(options.run.method, task->model(), train.seed,
                                            training::costs_of(options.run, task->model()));
  SteppedRun run(train, *task, *method);

  std::cout << nlohmann::json{{"total_steps", run.total_steps()}, {"texts", task->train_texts().size()}}
            << std::endl;
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
