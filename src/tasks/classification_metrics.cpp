#include "vcas/tasks/classification_metrics.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <utility>

namespace vcas::tasks {
namespace {

struct ClassCounts {
  double labelled = 0;
  double predicted = 0;
  double correct = 0;
};

std::vector<ClassCounts> count_classes(const std::vector<int64_t>& labels,
                                       const std::vector<int64_t>& predictions, int64_t classes) {
  const auto require_class = [&](int64_t value) {
    if (value < 0 || value >= classes) {
      throw std::invalid_argument(
          fmt::format("score_predictions: expected a class in [0, {}), got {}", classes, value));
    }
  };
  std::vector<ClassCounts> counts(static_cast<size_t>(classes));
  for (size_t i = 0; i < labels.size(); ++i) {
    require_class(labels[i]);
    require_class(predictions[i]);
    counts[static_cast<size_t>(labels[i])].labelled += 1;
    counts[static_cast<size_t>(predictions[i])].predicted += 1;
    if (labels[i] == predictions[i]) counts[static_cast<size_t>(labels[i])].correct += 1;
  }
  return counts;
}

double macro_f1(const std::vector<ClassCounts>& counts) {
  double sum = 0, occurring = 0;
  for (const auto& [labelled, predicted, correct] : counts) {
    if (labelled + predicted == 0) continue;
    sum += 2 * correct / (labelled + predicted);
    occurring += 1;
  }
  return sum / occurring;
}

double matthews(const std::vector<ClassCounts>& counts, double examples) {
  double all_correct = 0, products = 0, predicted_squares = 0, labelled_squares = 0;
  for (const auto& [labelled, predicted, correct] : counts) {
    all_correct += correct;
    products += labelled * predicted;
    predicted_squares += predicted * predicted;
    labelled_squares += labelled * labelled;
  }
  const double squares = examples * examples;
  const double denominator = std::sqrt((squares - predicted_squares) * (squares - labelled_squares));
  return denominator == 0 ? 0 : (all_correct * examples - products) / denominator;
}

}  // namespace

training::Evaluation score_predictions(const std::vector<int64_t>& labels,
                                       const std::vector<int64_t>& predictions, int64_t classes, double loss,
                                       std::vector<double> losses) {
  if (labels.empty() || labels.size() != predictions.size()) {
    throw std::invalid_argument(
        fmt::format("score_predictions: expected as many predictions as labels and at least one, "
                    "got {} and {}",
                    predictions.size(), labels.size()));
  }
  if (!losses.empty() && losses.size() != labels.size()) {
    throw std::invalid_argument(
        fmt::format("score_predictions: expected {} losses or none, got {}", labels.size(), losses.size()));
  }
  const auto counts = count_classes(labels, predictions, classes);
  double correct = 0;
  for (const auto& count : counts) correct += count.correct;
  const auto examples = static_cast<double>(labels.size());
  return {static_cast<int64_t>(labels.size()),
          {{"loss", loss, /*greater_is_better=*/false, std::move(losses)},
           {"accuracy", correct / examples, true, mark_correct(labels, predictions)},
           {"macro_f1", macro_f1(counts), true, {}},
           {"matthews", matthews(counts, examples), true, {}}}};
}

std::vector<double> mark_correct(const std::vector<int64_t>& labels,
                                 const std::vector<int64_t>& predictions) {
  std::vector<double> correct(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) correct[i] = labels[i] == predictions[i] ? 1 : 0;
  return correct;
}

}  // namespace vcas::tasks
