#include "formats/json_lines_log.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "formats/file.h"
#include "support/temporary_folder.h"

namespace vcas::formats {
namespace json_lines_log_test {

std::string lines(std::initializer_list<int> steps) {
  std::string text;
  for (const int step : steps) text += "{\"step\":" + std::to_string(step) + "}\n";
  return text;
}

TEST(JsonLinesLog, KeepsLinesUpToAStepAndNoneThatWasCutOff) {
  const TemporaryFolder folder;
  const auto path = folder.write("log", lines({1, 2, 3, 4}) + "{\"ste");
  const JsonLinesLog log(path, "step", 3);
  EXPECT_EQ(read_file(path), lines({1, 2, 3}));
}

TEST(JsonLinesLog, WithoutAStepStartsAnew) {
  const TemporaryFolder folder;
  const auto path = folder.write("log", lines({1, 2}));
  const JsonLinesLog log(path, "step", std::nullopt);
  EXPECT_EQ(read_file(path), "");
}

TEST(JsonLinesLog, LinesThatTheDiskRefusedComeBehindThoseThatAreThere) {
  const TemporaryFolder folder;
  const auto path = folder.write("log", lines({1, 2}) + "{\"step");
  const JsonLinesLog log(path, "step", 4, lines({3, 4}));
  EXPECT_EQ(read_file(path), lines({1, 2, 3, 4}));
}

TEST(JsonLinesLog, LinesThatWereWrittenAfterAllAreNotRepeated) {
  const TemporaryFolder folder;
  const auto path = folder.write("log", lines({1, 2, 3, 4, 5}));
  const JsonLinesLog log(path, "step", 4, lines({3, 4}));
  EXPECT_EQ(read_file(path), lines({1, 2, 3, 4}));
}

}  // namespace json_lines_log_test
}  // namespace vcas::formats
