#include "report/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vcas::report {
namespace statistics_test {

TEST(SpreadOf, IsMeanAndSampleDeviation) {
  const auto spread = spread_of({1, 2, 4, 5});
  EXPECT_DOUBLE_EQ(spread.mean, 3);
  EXPECT_DOUBLE_EQ(*spread.deviation, std::sqrt(10.0 / 3));
  EXPECT_EQ(spread.count, 4);
  EXPECT_FALSE(spread_of({7}).deviation.has_value());
}

// Critical values of the two-sided test as tables print them, to four figures.
TEST(StudentT, AgreesWithPublishedTables) {
  EXPECT_NEAR(student_t_two_sided(12.706, 1), 0.05, 1e-5);
  EXPECT_NEAR(student_t_two_sided(4.3027, 2), 0.05, 1e-5);
  EXPECT_NEAR(student_t_two_sided(3.1824, 3), 0.05, 1e-5);
  EXPECT_NEAR(student_t_two_sided(2.7764, 4), 0.05, 1e-5);
  EXPECT_NEAR(student_t_two_sided(3.3554, 8), 0.01, 1e-5);
  EXPECT_NEAR(student_t_two_sided(2.0452, 29), 0.05, 1e-5);
  EXPECT_NEAR(student_t_two_sided(1.9600, 100000), 0.05, 1e-4);
  EXPECT_DOUBLE_EQ(student_t_two_sided(0, 5), 1);
  EXPECT_DOUBLE_EQ(student_t_two_sided(-2.5, 5), student_t_two_sided(2.5, 5));
}

TEST(PairedTest, FindsAShiftAndNoneWhereThereIsNone) {
  const auto shifted = paired_test({1.0, 1.1, 0.9, 1.05});
  EXPECT_NEAR(shifted.difference, 1.0125, 1e-12);
  EXPECT_LT(*shifted.p_value, 0.001);
  EXPECT_GT(*paired_test({1.0, -1.1, 0.9, -0.8}).p_value, 0.9);
  EXPECT_FALSE(paired_test({0.3}).p_value.has_value());
  EXPECT_EQ(*paired_test({0, 0, 0}).p_value, 1);
  EXPECT_EQ(*paired_test({0.5, 0.5}).p_value, 0);
}

}  // namespace statistics_test
}  // namespace vcas::report
