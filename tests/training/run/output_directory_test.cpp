#include "training/run/output_directory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "formats/atomic_directory.h"
#include "formats/host_name.h"
#include "support/temporary_folder.h"
#include "support/without_rights.h"
#include "training/run/run_names.h"
#include "vcas/formats/error.h"

namespace vcas::training {
namespace output_directory_test {

namespace fs = std::filesystem;
using formats::InputError;

class OutputDirectoryTest : public ::testing::Test {
 protected:
  static void write(const fs::path& path) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "content";
  }
  static std::string content(const fs::path& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
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
  fs::create_directories(out_);
  std::ofstream(out_ / ".vcas.lock") << "process 1 on host";
  EXPECT_NO_THROW(OutputDirectory{out_});
}

TEST_F(OutputDirectoryTest, TheLockIsNoOtherFile) {
  const auto lock = out_ / ".vcas.lock", data = temporary_.path() / "data.csv";
  write(data);
  fs::create_directories(out_);
  const auto expect_kept = [&] {
    expect_refused([&] { const OutputDirectory output(out_); }, ".vcas.lock");
    EXPECT_EQ(content(data), "content");
    EXPECT_TRUE(fs::exists(fs::symlink_status(lock)));
    fs::remove(lock);
  };
  fs::create_symlink(data, lock);
  expect_kept();
  fs::create_hard_link(data, lock);
  expect_kept();
  fs::create_directory(lock);
  expect_kept();
  fs::copy_file(data, lock);
  expect_kept();
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
  expect_refused([&] { const OutputDirectory output(out_ / "below"); }, "got a file: " + out_.string());
}

TEST_F(OutputDirectoryTest, OnlyFoldersThatWereMadeGoAway) {
  fs::create_directories(out_.parent_path());
  fs::create_directory_symlink("nowhere", out_);
  expect_refused([&] { const OutputDirectory output(out_); }, "got a link to nothing");
  expect_refused([&] { const OutputDirectory output(out_ / "below"); }, "got a link to nothing");
  EXPECT_TRUE(fs::is_symlink(out_));
}

TEST_F(OutputDirectoryTest, ANameThatNoFolderCanHaveIsWrongInput) {
  expect_refused([&] { const OutputDirectory output(out_ / std::string(300, 'a')); }, "can be made");
  EXPECT_FALSE(fs::exists(out_));
  fs::create_directories(out_);
  fs::create_directory_symlink("loop", out_ / "loop");
  expect_refused([&] { const OutputDirectory output(out_ / "loop"); }, "can be made");
  expect_refused([&] { require_takes_run(out_ / "loop"); }, "can be made");
}

TEST_F(OutputDirectoryTest, AFolderInTheWayOfAFileIsSaidAtOnce) {
  for (const char* name : {"summary.json", "vocab.txt"}) {
    fs::create_directories(out_ / name);
    expect_refused([&] { const OutputDirectory output(out_); }, name);
    EXPECT_EQ(names(), std::set<std::string>{name});
    fs::remove(out_ / name);
  }
}

TEST_F(OutputDirectoryTest, AFolderWithoutRightsIsSaidAtOnce) {
  fs::permissions(temporary_.path(), fs::perms::all);
  write(out_ / "metrics.jsonl");
  std::ofstream(out_ / ".vcas.lock") << "process 1 on host";
  fs::permissions(out_ / ".vcas.lock", fs::perms::all);
  write_checkpoint(out_ / "checkpoint-5");
  fs::permissions(out_ / "checkpoint-5", fs::perms(0555));
  {
    const WithoutRights user;
    expect_refused([&] { const OutputDirectory output(out_); }, "Permission denied");
  }
  fs::permissions(out_, fs::perms::all);
  const WithoutRights user;
  const OutputDirectory output(out_);
  expect_refused([&] { output.require_nothing_foreign(); }, "checkpoint-5: Permission denied");
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
  output.remove_run();
  auto left = names();
  left.erase(".vcas.lock");
  std::set<std::string> expected(others.begin(), others.end());
  expected.insert("checkpoint-9");
  EXPECT_EQ(left, expected);
  EXPECT_NO_THROW(output.require_no_run());
  expect_refused([&] { output.require_nothing_foreign(); }, "checkpoint-9");
  output.remove_previous_run();  // the next run's from here on
  EXPECT_EQ(content(out_ / "metrics.jsonl"), "");
}

TEST_F(OutputDirectoryTest, ARunIsKnownUntilAllOfItIsRemoved) {
  for (const char* name : {"metrics.jsonl", "model.safetensors", "vocab.txt"}) write(out_ / name);
  EXPECT_EQ(files_of_run(out_).back(), out_ / "metrics.jsonl");
}

TEST_F(OutputDirectoryTest, AFileThatNoRunWroteIsNotOverwritten) {
  for (const char* name : {"config.json", "vocab.txt", "tokenizer_config.json", "cost_table.json",
                           "probe.jsonl", "evaluations.jsonl", "text_classification.json"}) {
    write(out_ / name);
    const OutputDirectory output(out_);
    expect_refused([&] { output.require_nothing_foreign(); }, name);
    expect_refused([&] { output.require_no_run(); }, name);
    write(out_ / "metrics.jsonl");
    EXPECT_NO_THROW(output.require_nothing_foreign());
    output.remove_run();
  }
  fs::create_directories(out_ / "checkpoint-4");  // empty: in nobody's way
  EXPECT_NO_THROW(require_takes_run(out_));
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

TEST_F(OutputDirectoryTest, WhatARunReadsIsNotWhatItWritesByLinksEither) {
  const auto base = temporary_.path() / "base", data = temporary_.path() / "data.jsonl";
  write(out_ / "checkpoint-5" / "model.safetensors");
  write(data);
  fs::create_symlink(data, out_ / "metrics.jsonl");
  fs::create_directory(base);
  const auto refused = [&](const fs::path& input) {
    expect_refused([&] { require_inputs_stay(out_, {input}); }, input.string());
  };
  EXPECT_NO_THROW(require_inputs_stay(out_, {base, data}));
  refused(out_ / "metrics.jsonl");  // the run would replace the link
  fs::create_symlink(out_ / "metrics.jsonl", temporary_.path() / "link.jsonl");
  refused(temporary_.path() / "link.jsonl");
  fs::create_symlink("../a/out/checkpoint-5/model.safetensors", base / "model.safetensors");
  refused(base);
  refused(base / "");
}

TEST_F(OutputDirectoryTest, AKilledRunsReplacedCheckpointGetsItsNameBack) {
  write(out_ / ".checkpoint-7.vcas-tmp-h-1-old" / "model.safetensors");
  const OutputDirectory output(out_);
  EXPECT_EQ(names(), (std::set<std::string>{".vcas.lock", "checkpoint-7"}));
}

TEST_F(OutputDirectoryTest, SweepsWhatAKilledRunLeftHalfWrittenOnceARunBegins) {
  const auto own = fmt::format(".config.json.vcas-tmp-{}-{}", formats::host_name(), ::getppid());
  const std::vector<std::string> runs = {".checkpoint-5.vcas-tmp-host-of-another-time-12/model.safetensors",
                                         ".summary.json.vcas-tmp-h-1", own};
  const std::vector<std::string> others = {".my.vcas-tmp.notes", ".data.vcas-tmp/t.csv",
                                           ".summary.json.vcas-tmp", ".notes.md.vcas-tmp-h-1",
                                           ".checkpoint-5.vcas-tmp-h-1x"};
  for (const auto& name : runs) write(out_ / name);
  for (const auto& name : others) write(out_ / name);
  const OutputDirectory output(out_);
  for (const auto& name : runs) {
    EXPECT_TRUE(fs::exists(out_ / name));  // until the run's inputs are known
    expect_refused([&] { require_inputs_stay(out_, {out_ / name}); }, name);
  }
  output.remove_run();
  for (const auto& name : runs) EXPECT_FALSE(fs::exists(out_ / name)) << name;
  for (const auto& name : others) EXPECT_EQ(content(out_ / name), "content") << name;
}

}  // namespace output_directory_test
}  // namespace vcas::training
