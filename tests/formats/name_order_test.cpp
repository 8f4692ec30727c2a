#include "formats/name_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace vcas::formats {
namespace name_order_test {

TEST(NumbersByValue, TakesNumbersAsNumbersAndTheRestAsText) {
  std::vector<std::string> names = {"layer.10.key", "layer.2.value", "layer.2.key", "embed", "layer.2"};
  std::sort(names.begin(), names.end(), numbers_by_value);
  EXPECT_EQ(names,
            (std::vector<std::string>{"embed", "layer.2", "layer.2.key", "layer.2.value", "layer.10.key"}));
  EXPECT_FALSE(numbers_by_value("layer.2", "layer.2"));
}

}  // namespace name_order_test
}  // namespace vcas::formats
