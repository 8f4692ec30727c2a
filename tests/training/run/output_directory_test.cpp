#include "training/run/output_directory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "formats/atomic_directory.h"
#include "support/temporary_folder.h"
#include "vcas/formats/error.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;
using formats::InputError;

class OutputDirectoryTest : public ::testing::Test {
 protected:
  static void write(const fs::path& path) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "content";
  }
  static void write_checkpoint(const fs::path& path) {
    formats::AtomicDirectory folder(path);
    write(folder.path() / "model.safetensors");
    folder.commit();
  }
  std::set<std::string> names() const {
    std::set<std::string> result;
    for (const auto& entry : fs::directory_iterator(out_)) result.insert(entry.path().filename().string());
    return result;
  }
  void expect_refused(const std::function<void()>& action, const std::string& mention) const {
    try {
      action();
      FAIL() << "expected InputError";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(mention), std::string::npos) << error.what();
    }
  }

  TemporaryFolder temporary_;
  fs::path out_ = temporary_.path() / "a" / "out";
};

TEST_F(OutputDirectoryTest, IsHeldByOneAndFreeAgainAfterIt) {
  {
    const OutputDirectory first(out_);
    expect_refused([&] { const OutputDirectory second(out_); }, "held by process");
    write(out_ / "metrics.jsonl");
  }
  EXPECT_EQ(names(), std::set<std::string>{"metrics.jsonl"});
  EXPECT_NO_THROW(OutputDirectory{out_});
}

TEST_F(OutputDirectoryTest, ALockFileThatAKilledRunLeftHoldsNothing) {
  write(out_ / ".vcas.lock");
  EXPECT_NO_THROW(OutputDirectory{out_});
}

TEST_F(OutputDirectoryTest, FoldersThatStayEmptyGoAway) {
  { const OutputDirectory output(out_); }
  EXPECT_FALSE(fs::exists(temporary_.path() / "a"));
  fs::create_directories(out_);
  { const OutputDirectory output(out_); }
  EXPECT_TRUE(fs::exists(out_));
}

TEST_F(OutputDirectoryTest, CannotBeAFileNorLieInOne) {
  write(out_);
  expect_refused([&] { const OutputDirectory output(out_); }, "got a file");
  expect_refused([&] { const OutputDirectory output(out_ / "below"); }, "can be made");
}

TEST_F(OutputDirectoryTest, RemovesWhatARunWroteByExactNames) {
  const std::vector<std::string> others = {"checkpoint-best", "checkpoint-7.csv", "metrics.jsonl.old",
                                           "events.out.tfevents.1.host.2.0", "model.safetensors.index.json"};
  for (const char* name : {"metrics.jsonl", "summary.json", "config.json", "model.safetensors", "probe.jsonl",
                           "events.out.tfevents.1.host.2.0.vcas"})
    write(out_ / name);
  for (const auto& name : others) write(out_ / name);
  write(out_ / "checkpoint-9" / "trainer_state.json");  // another program's
  write_checkpoint(out_ / "checkpoint-5");
  const OutputDirectory output(out_);
  expect_refused([&] { output.require_no_run(); }, "--overwrite_output_dir");
  output.remove_previous_run();
  auto left = names();
  left.erase(".vcas.lock");
  std::set<std::string> expected(others.begin(), others.end());
  expected.insert("checkpoint-9");
  EXPECT_EQ(left, expected);
  EXPECT_NO_THROW(output.require_no_run());
  expect_refused([&] { output.require_nothing_foreign(); }, "checkpoint-9");
}

TEST_F(OutputDirectoryTest, AModelThatNoRunWroteIsNotOverwritten) {
  write(out_ / "config.json");
  const OutputDirectory output(out_);
  expect_refused([&] { output.require_nothing_foreign(); }, "config.json");
  write(out_ / "metrics.jsonl");
  EXPECT_NO_THROW(output.require_nothing_foreign());
}

TEST_F(OutputDirectoryTest, WhatARunReadsIsNotWhatItWrites) {
  write(out_ / "checkpoint-5" / "config.json");
  write(out_ / "train.csv");
  write(out_ / "metrics.jsonl");
  fs::create_directory_symlink(out_, temporary_.path() / "link");
  const auto refused = [&](const fs::path& output, const fs::path& input) {
    expect_refused([&] { require_inputs_stay(output, {input}); }, input.string());
  };
  refused(out_, out_);
  refused(out_, out_ / "checkpoint-5");
  refused(out_, out_ / "checkpoint-5" / "config.json");
  refused(out_, temporary_.path() / "link" / "checkpoint-5");
  refused(out_ / ".." / "out", out_ / "metrics.jsonl");
  EXPECT_NO_THROW(require_inputs_stay(out_, {out_ / "train.csv", temporary_.path(), out_ / "missing", {}}));
  EXPECT_NO_THROW(require_inputs_stay(out_ / "checkpoint-5" / "new", {out_ / "checkpoint-5"}));
}

TEST_F(OutputDirectoryTest, SweepsWhatAKilledRunLeftHalfWritten) {
  write(out_ / ".checkpoint-5.vcas-tmp-host-of-another-time-12" / "model.safetensors");
  write(out_ / ".summary.json.vcas-tmp");
  write(out_ / ".checkpoint-7.vcas-tmp-h-1-old" / "model.safetensors");
  const OutputDirectory output(out_);
  EXPECT_EQ(names(), (std::set<std::string>{".vcas.lock", "checkpoint-7"}));
}

}  // namespace
}  // namespace vcas::training
