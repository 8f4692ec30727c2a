#pragma once

#include <cstdint>
#include <vector>

#include "vcas/training/loop/evaluation.h"

namespace vcas::tasks {

/// Metrics of class predictions: loss, accuracy, macro_f1, matthews, in this order.
///   F1_k = 2 TP_k / (predicted_k + labelled_k), averaged over the classes that occur in either;
///   MCC  = (c·n - Σ_k p_k t_k) / sqrt((n² - Σ_k p_k²)(n² - Σ_k t_k²)), c correct ones of n, p_k predicted
///          and t_k labelled as k; 0 when the denominator is.
/// By example: accuracy as 1 (correct) or 0, and the loss where `losses` has it.
/// Source: scikit-learn's f1_score(average="macro") and matthews_corrcoef; Gorodkin (2004).
/// @param labels, predictions of the same length ≥ 1, each in [0, classes).
/// @param loss mean over the examples. @param losses by example, or empty.
/// @throws std::invalid_argument naming what is out of range.
training::Evaluation score_predictions(const std::vector<int64_t>& labels,
                                       const std::vector<int64_t>& predictions, int64_t classes, double loss,
                                       std::vector<double> losses = {});

/// 1 for each correct prediction, 0 for the others. @param labels, predictions of the same length.
std::vector<double> mark_correct(const std::vector<int64_t>& labels, const std::vector<int64_t>& predictions);

}  // namespace vcas::tasks
