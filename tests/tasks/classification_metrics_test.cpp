#include "vcas/tasks/classification_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace vcas::tasks {
namespace classification_metrics_test {

double value_of(const training::Evaluation& evaluation, const char* name) {
  return evaluation.find(name)->value;
}

// Expected values by hand; scikit-learn's f1_score(average="macro") and matthews_corrcoef give the same.
TEST(ScorePredictions, ThreeClassesOfWhichOneIsNeverPredicted) {
  const auto scores = score_predictions({0, 0, 1, 1, 2, 2}, {0, 0, 1, 0, 0, 1}, 3, 0.7);
  EXPECT_EQ(scores.examples, 6);
  EXPECT_EQ(value_of(scores, "loss"), 0.7);
  EXPECT_DOUBLE_EQ(value_of(scores, "accuracy"), 0.5);
  // F1 of the classes: 2·2/(2+4), 2·1/(2+2), 0.
  EXPECT_DOUBLE_EQ(value_of(scores, "macro_f1"), (2.0 / 3 + 0.5 + 0) / 3);
  // (3·6 - (2·4 + 2·2 + 0)) / sqrt((36 - 20)(36 - 12))
  EXPECT_DOUBLE_EQ(value_of(scores, "matthews"), 6 / std::sqrt(16.0 * 24.0));
}

TEST(ScorePredictions, ClassesThatDoNotOccurDoNotCount) {
  const auto scores = score_predictions({0, 1}, {0, 1}, 26, 0);
  EXPECT_EQ(value_of(scores, "macro_f1"), 1.0);
  EXPECT_EQ(value_of(scores, "matthews"), 1.0);
}

TEST(ScorePredictions, MatthewsIsMinusOneWhenAllIsWrongAndZeroWhereUndefined) {
  EXPECT_DOUBLE_EQ(value_of(score_predictions({0, 1, 0, 1}, {1, 0, 1, 0}, 2, 0), "matthews"), -1.0);
  EXPECT_EQ(value_of(score_predictions({0, 1}, {0, 0}, 2, 0), "matthews"), 0.0);
}

TEST(ScorePredictions, RefusesClassesOutOfRangeAndUnequalLengths) {
  EXPECT_THROW(score_predictions({0, 3}, {0, 1}, 3, 0), std::invalid_argument);
  EXPECT_THROW(score_predictions({0, 1}, {0, -1}, 3, 0), std::invalid_argument);
  EXPECT_THROW(score_predictions({0, 1}, {0}, 3, 0), std::invalid_argument);
  EXPECT_THROW(score_predictions({}, {}, 3, 0), std::invalid_argument);
  EXPECT_THROW(score_predictions({0, 1}, {0, 1}, 3, 0, {0.5}), std::invalid_argument);
}

TEST(ScorePredictions, HasLossFirstThenWhatTheTaskIsJudgedBy) {
  const auto scores = score_predictions({0, 1, 1}, {0, 1, 0}, 2, 0.4, {0.1, 0.3, 0.8});
  ASSERT_EQ(scores.metrics.size(), 4U);
  EXPECT_EQ(scores.metrics[0].name, "loss");
  EXPECT_FALSE(scores.metrics[0].greater_is_better);
  EXPECT_EQ(scores.metrics[0].per_example, (std::vector<double>{0.1, 0.3, 0.8}));
  EXPECT_EQ(scores.metrics[1].name, "accuracy");
  EXPECT_TRUE(scores.metrics[1].greater_is_better);
  EXPECT_EQ(scores.metrics[1].per_example, (std::vector<double>{1, 1, 0}));
  EXPECT_TRUE(scores.find("matthews")->per_example.empty());
}

TEST(MarkCorrect, MarksWhatIsRight) {
  EXPECT_EQ(mark_correct({2, 0, 1, 1}, {2, 1, 1, 0}), (std::vector<double>{1, 0, 1, 0}));
}

}  // namespace classification_metrics_test
}  // namespace vcas::tasks
