#include "formats/append_file.h"

#include <gtest/gtest.h>

#include <system_error>

#include "formats/file.h"
#include "support/file_size_limit.h"
#include "support/temporary_folder.h"

namespace vcas::formats {
namespace append_file_test {

TEST(AppendFile, WritesBehindWhatIsThere) {
  const TemporaryFolder folder;
  const auto path = folder.write("log", "first\n");
  AppendFile file(path);
  file.add("second\n");
  EXPECT_FALSE(file.flush());
  EXPECT_EQ(read_file(path), "first\nsecond\n");
}

TEST(AppendFile, KeepsWhatTheDiskRefusesUntilThereIsRoom) {
  const TemporaryFolder folder;
  AppendFile file(folder.path() / "log");
  {
    const FileSizeLimit limit(8);
    file.add("one line\n");
    EXPECT_EQ(file.flush(), std::errc::file_too_large);
    EXPECT_EQ(read_file(file.path()), "one line");  // cut off in its middle
    EXPECT_EQ(file.unwritten(), "one line\n");      // whole, for who keeps it elsewhere
    file.add("another\n");
    EXPECT_EQ(file.flush(), std::errc::file_too_large);
  }
  EXPECT_FALSE(file.flush());
  EXPECT_TRUE(file.unwritten().empty());
  EXPECT_EQ(read_file(file.path()), "one line\nanother\n");
  EXPECT_FALSE(file.flush());
  EXPECT_EQ(read_file(file.path()), "one line\nanother\n");
}

TEST(AppendFile, LinesThatAreWrittenAreNotKept) {
  const TemporaryFolder folder;
  AppendFile file(folder.path() / "log");
  const FileSizeLimit limit(10);
  file.add("first\nsecond\nthird\n");
  EXPECT_EQ(file.flush(), std::errc::file_too_large);
  EXPECT_EQ(file.unwritten(), "second\nthird\n");
}

TEST(AppendFile, SaysWhenItCannotBeMade) {
  const TemporaryFolder folder;
  EXPECT_THROW(AppendFile(folder.path() / "missing" / "log"), std::system_error);
}

}  // namespace append_file_test
}  // namespace vcas::formats
