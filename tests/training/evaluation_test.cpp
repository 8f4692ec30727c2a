#include "vcas/training/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace vcas::training {
namespace {

// Expected values by hand; scikit-learn's f1_score(average="macro") and matthews_corrcoef give the same.
TEST(ScorePredictions, ThreeClassesOfWhichOneIsNeverPredicted) {
  const auto scores = score_predictions({0, 0, 1, 1, 2, 2}, {0, 0, 1, 0, 0, 1}, 3, 0.7);
  EXPECT_EQ(scores.examples, 6);
  EXPECT_EQ(scores.loss, 0.7);
  EXPECT_DOUBLE_EQ(scores.accuracy, 0.5);
  // F1 of the classes: 2·2/(2+4), 2·1/(2+2), 0.
  EXPECT_DOUBLE_EQ(scores.macro_f1, (2.0 / 3 + 0.5 + 0) / 3);
  // (3·6 - (2·4 + 2·2 + 0)) / sqrt((36 - 20)(36 - 12))
  EXPECT_DOUBLE_EQ(scores.matthews, 6 / std::sqrt(16.0 * 24.0));
}

TEST(ScorePredictions, ClassesThatDoNotOccurDoNotCount) {
  const auto scores = score_predictions({0, 1}, {0, 1}, 26, 0);
  EXPECT_EQ(scores.macro_f1, 1.0);
  EXPECT_EQ(scores.matthews, 1.0);
}

TEST(ScorePredictions, MatthewsIsMinusOneWhenAllIsWrongAndZeroWhereUndefined) {
  EXPECT_DOUBLE_EQ(score_predictions({0, 1, 0, 1}, {1, 0, 1, 0}, 2, 0).matthews, -1.0);
  EXPECT_EQ(score_predictions({0, 1}, {0, 0}, 2, 0).matthews, 0.0);
}

TEST(ScorePredictions, RefusesClassesOutOfRangeAndUnequalLengths) {
  EXPECT_THROW(score_predictions({0, 3}, {0, 1}, 3, 0), std::invalid_argument);
  EXPECT_THROW(score_predictions({0, 1}, {0, -1}, 3, 0), std::invalid_argument);
  EXPECT_THROW(score_predictions({0, 1}, {0}, 3, 0), std::invalid_argument);
  EXPECT_THROW(score_predictions({}, {}, 3, 0), std::invalid_argument);
}

TEST(Evaluation, MarksWhatIsRight) { EXPECT_EQ(mark_correct({2, 0, 1, 1}, {2, 1, 1, 0}), "1010"); }

}  // namespace
}  // namespace vcas::training
