#include "vcas/training/loop/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vcas::training {
namespace evaluation_test {

using nlohmann::json;

Evaluation of_a_classifier() {
  return {4,
          {{"loss", 0.75, false, {}},
           {"accuracy", 0.5, true, {1, 0, 0, 1}},
           {"macro_f1", 0.4, true, {}},
           {"matthews", 0.1, true, {}}}};
}

Evaluation of_a_language_model() {
  return {2, {{"loss", 2.5, false, {2, 3}}, {"perplexity", std::exp(2.5), false, {}}}};
}

TEST(Evaluation, IsALineOfEvaluationsWithEachMetricByItsName) {
  EXPECT_EQ(to_json(of_a_classifier(), 30).dump(),
            R"({"accuracy":0.5,"examples":4,"loss":0.75,"macro_f1":0.4,"matthews":0.1,"step":30})");
  EXPECT_EQ(to_json(of_a_language_model(), 7),
            json({{"step", 7}, {"examples", 2}, {"loss", 2.5}, {"perplexity", std::exp(2.5)}}));
}

TEST(Evaluation, IsInTheSummaryWithTheDirectionsOfItsMetrics) {
  const json directions = {{{"name", "loss"}, {"greater_is_better", false}},
                           {{"name", "perplexity"}, {"greater_is_better", false}}};
  EXPECT_EQ(evaluation_summary(of_a_language_model()),
            json({{"eval_loss", 2.5}, {"eval_perplexity", std::exp(2.5)}, {"eval_metrics", directions}}));
  EXPECT_EQ(evaluation_summary(of_a_classifier()).at("eval_metrics").at(1),
            json({{"name", "accuracy"}, {"greater_is_better", true}}));
}

TEST(Evaluation, ThatThereIsNoneIsNullInTheSummary) {
  EXPECT_EQ(evaluation_summary(std::nullopt), json({{"eval_loss", nullptr}, {"eval_accuracy", nullptr}}));
}

TEST(Evaluation, FindsMetricsAndTheirValuesByExample) {
  const auto evaluation = of_a_classifier();
  EXPECT_EQ(evaluation.find("macro_f1")->value, 0.4);
  EXPECT_EQ(evaluation.find("perplexity"), nullptr);
  const auto values = per_example_values(evaluation);
  ASSERT_EQ(values.size(), 1U);
  EXPECT_EQ(values.at("accuracy"), (std::vector<double>{1, 0, 0, 1}));
}

TEST(Evaluation, HasAHeadlineOfItsFirstTwoMetrics) {
  EXPECT_EQ(headline(of_a_classifier()), "loss 0.7500, accuracy 0.5000 over 4 examples");
  EXPECT_EQ(headline({3, {{"loss", 1, false, {}}}}), "loss 1.0000 over 3 examples");
}

}  // namespace evaluation_test
}  // namespace vcas::training
