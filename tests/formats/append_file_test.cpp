#include "formats/append_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <system_error>

#include "formats/file.h"
#include "support/temporary_folder.h"

namespace vcas::formats {
namespace {

/// No file grows beyond a size for as long as this lives: what a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &previous_);
    rlimit limit = previous_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, SIG_DFL);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit previous_{};
};

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
    file.add("another\n");
    EXPECT_EQ(file.flush(), std::errc::file_too_large);
  }
  EXPECT_FALSE(file.flush());
  EXPECT_EQ(read_file(file.path()), "one line\nanother\n");
  EXPECT_FALSE(file.flush());
  EXPECT_EQ(read_file(file.path()), "one line\nanother\n");
}

TEST(AppendFile, SaysWhenItCannotBeMade) {
  const TemporaryFolder folder;
  EXPECT_THROW(AppendFile(folder.path() / "missing" / "log"), std::system_error);
}

}  // namespace
}  // namespace vcas::formats
