#include "formats/atomic_directory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <system_error>

#include "formats/host_name.h"
#include "formats/leftovers.h"
#include "formats/support.h"

namespace vcas::formats {
namespace atomic_directory_test {

namespace fs = std::filesystem;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

void put(const fs::path& file, std::string_view content) { std::ofstream(file, std::ios::binary) << content; }

/// A folder with two files, one in a folder below, as AtomicDirectory leaves it.
fs::path make_checkpoint(const fs::path& parent, std::string_view content = "weights") {
  AtomicDirectory directory(parent / "checkpoint-5");
  put(directory.path() / "model", content);
  fs::create_directory(directory.path() / "below");
  put(directory.path() / "below" / "state", "");
  directory.commit();
  return parent / "checkpoint-5";
}

TEST(Sha256OfFile, KnownAnswers) {
  // FIPS 180-4's examples.
  const TemporaryFolder folder;
  EXPECT_EQ(sha256_of_file(folder.write("a", "abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of_file(folder.write("b", "")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  std::string long_content;  // longer than the pieces that it is read in
  long_content.resize(10'000'000, 'a');
  EXPECT_EQ(sha256_of_file(folder.write("c", long_content)),
            "01f4a87c04b40af59aadc0e812293509709c9a8763a60b7f9e19303322f8b03c");
}

TEST(WriteFileAtomically, MakesAndReplaces) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "config.json";
  write_file_atomically(file, "one");
  EXPECT_EQ(content_of(file), "one");
  write_file_atomically(file, [](const WritePiece& write) {
    write("tw");
    write("");
    write("o");
  });
  EXPECT_EQ(content_of(file), "two");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"config.json"}));
}

TEST(WriteFileAtomically, AFaultLeavesTheOldFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("config.json", "old");
  const auto fail_midway = [](const WritePiece& write) {
    write("half");
    throw std::logic_error("fault");
  };
  EXPECT_THROW(write_file_atomically(file, fail_midway), std::logic_error);
  EXPECT_EQ(content_of(file), "old");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"config.json"}));
}

TEST(WriteFileAtomically, NamesAFileThatCannotBeMade) {
  const TemporaryFolder folder;
  try {
    write_file_atomically(folder.path() / "none" / "a", "x");
    FAIL() << "expected an error";
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("none"), std::string::npos);
  }
}

TEST(AtomicDirectory, AppearsWholeWithItsManifest) {
  const TemporaryFolder folder;
  const auto checkpoint = make_checkpoint(folder.path());
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"checkpoint-5"}));
  EXPECT_EQ(names_in(checkpoint), (std::set<std::string>{"below", "manifest.json", "model"}));
  const auto manifest = nlohmann::json::parse(content_of(checkpoint / "manifest.json"));
  EXPECT_EQ(manifest["files"].size(), 2u);
  EXPECT_EQ(manifest["files"]["model"]["size"], 7);
  EXPECT_EQ(manifest["files"]["model"]["sha256"], sha256_of_file(checkpoint / "model"));
  EXPECT_EQ(manifest["files"]["below/state"]["size"], 0);
  EXPECT_EQ(verify_directory(checkpoint), std::nullopt);
}

TEST(AtomicDirectory, IsNotThereBeforeCommitAndGoneWithoutIt) {
  const TemporaryFolder folder;
  {
    const AtomicDirectory directory(folder.path() / "checkpoint-5");
    put(directory.path() / "model", "half");
    EXPECT_FALSE(fs::exists(folder.path() / "checkpoint-5"));
    EXPECT_EQ(directory.path().parent_path(),
              folder.path());  // a rename across file systems would not be atomic
  }
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(AtomicDirectory, WhatAKilledRunLeftIsRemoved) {
  const TemporaryFolder folder;
  const auto temporary = AtomicDirectory(folder.path() / "checkpoint-5").path();
  fs::create_directory(temporary);
  put(temporary / "stale", "x");
  const auto checkpoint = make_checkpoint(folder.path());
  EXPECT_EQ(names_in(checkpoint).count("stale"), 0u);
  EXPECT_EQ(names_in(folder.path()).size(), 1u);
}

TEST(AtomicDirectory, ReplacesAnOlderOne) {
  const TemporaryFolder folder;
  const auto checkpoint = make_checkpoint(folder.path(), "old");
  put(checkpoint / "surplus", "x");
  make_checkpoint(folder.path(), "new");
  EXPECT_EQ(content_of(checkpoint / "model"), "new");
  // What somebody else put there stays.
  EXPECT_EQ(names_in(checkpoint), (std::set<std::string>{"below", "manifest.json", "model", "surplus"}));
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"checkpoint-5"}));
}

TEST(AtomicDirectory, ReplacesNothingThatIsNotItsOwn) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "checkpoint-5");
  put(folder.path() / "checkpoint-5" / "model", "of another program");
  EXPECT_THROW(make_checkpoint(folder.path()), std::system_error);
  EXPECT_EQ(content_of(folder.path() / "checkpoint-5" / "model"), "of another program");
  EXPECT_EQ(names_in(folder.path()).size(), 1u);
}

TEST(AtomicDirectory, TakesOverFilesOfOtherNames) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "checkpoint-5");
  put(folder.path() / "checkpoint-5" / "notes", "x");
  const auto checkpoint = make_checkpoint(folder.path());
  EXPECT_EQ(names_in(checkpoint), (std::set<std::string>{"below", "manifest.json", "model", "notes"}));
  EXPECT_EQ(verify_directory(checkpoint), std::nullopt);
}

TEST(AtomicDirectory, ReplacesAnEmptyFolderAndNoLink) {
  const TemporaryFolder folder;
  const auto checkpoint = folder.path() / "checkpoint-5";
  fs::create_directory(checkpoint);
  make_checkpoint(folder.path());
  EXPECT_EQ(verify_directory(checkpoint), std::nullopt);
  fs::rename(checkpoint, folder.path() / "moved");
  fs::create_directory_symlink("moved", checkpoint);
  EXPECT_THROW(make_checkpoint(folder.path(), "new"), std::system_error);
  EXPECT_EQ(content_of(folder.path() / "moved" / "model"), "weights");
}

TEST(AtomicDirectory, ReplacesOneWhoseManifestIsDamaged) {
  const TemporaryFolder folder;
  const auto checkpoint = make_checkpoint(folder.path(), "old");
  put(checkpoint / "manifest.json", "{");
  put(checkpoint / "below" / "surplus", "x");
  make_checkpoint(folder.path(), "new");
  EXPECT_EQ(verify_directory(checkpoint), std::nullopt);
  EXPECT_EQ(content_of(checkpoint / "model"), "new");
  EXPECT_EQ(content_of(checkpoint / "below" / "surplus"), "x");
  EXPECT_EQ(file_beside_manifest(checkpoint), fs::path("below") / "surplus");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"checkpoint-5"}));
}

TEST(SweepLeftoversOf, RemovesThoseOfKilledProcessesOfOneFile) {
  const TemporaryFolder folder;
  const auto temporary = [&](const std::string& name, int64_t process) {
    return folder.write("." + name + ".vcas-tmp-" + host_name() + "-" + std::to_string(process), "half");
  };
  constexpr int64_t kNobody = 999'999'999;  // above the kernel's limit of process numbers
  const auto killed = temporary("p.jsonl", kNobody), running = temporary("p.jsonl", ::getppid());
  const auto other = temporary("q.jsonl", kNobody);
  sweep_leftovers_of(folder.path() / "p.jsonl");
  EXPECT_FALSE(fs::exists(killed));
  EXPECT_TRUE(fs::exists(running));
  EXPECT_TRUE(fs::exists(other));
}

TEST(RemoveDirectory, RemovesWhatTheManifestNames) {
  const TemporaryFolder folder;
  const auto checkpoint = make_checkpoint(folder.path());
  remove_directory(checkpoint);
  EXPECT_FALSE(fs::exists(checkpoint));
  put(make_checkpoint(folder.path()) / "notes", "x");
  remove_directory(checkpoint);
  EXPECT_EQ(names_in(checkpoint), std::set<std::string>{"notes"});
  remove_directory(checkpoint);  // no manifest: not its own
  EXPECT_EQ(names_in(checkpoint), std::set<std::string>{"notes"});
}

TEST(AtomicDirectory, TakesATrailingSlash) {
  const TemporaryFolder folder;
  AtomicDirectory directory(folder.path() / "run" / "");
  directory.commit();
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"run"}));
}

TEST(AtomicDirectory, RefusesWhatAManifestCannotHold) {
  const TemporaryFolder folder;
  AtomicDirectory directory(folder.path() / "run");
  fs::create_symlink("/etc/hostname", directory.path() / "link");
  EXPECT_THROW(directory.commit(), std::logic_error);
  EXPECT_FALSE(fs::exists(folder.path() / "run"));
}

class VerifyDirectory : public ::testing::Test {
 protected:
  std::string problem() const { return verify_directory(checkpoint_).value_or("no problem"); }
  void expect_problem(std::string_view part) const {
    EXPECT_NE(problem().find(part), std::string::npos) << problem();
    EXPECT_NE(problem().find(checkpoint_.string()), std::string::npos) << problem();
  }

  const TemporaryFolder folder_;
  const fs::path checkpoint_ = make_checkpoint(folder_.path());
};

TEST_F(VerifyDirectory, FindsAMissingFile) {
  fs::remove(checkpoint_ / "model");
  expect_problem("model: cannot read the file: No such file or directory");
}

TEST_F(VerifyDirectory, FindsATruncatedFile) {
  put(checkpoint_ / "model", "weight");
  expect_problem("model: expected 7 bytes, got 6");
}

TEST_F(VerifyDirectory, FindsAChangedByte) {
  put(checkpoint_ / "model", "Weights");
  expect_problem("model: expected SHA-256 '");
}

TEST_F(VerifyDirectory, FindsABadManifest) {
  put(checkpoint_ / "manifest.json", "{\"files\": {");
  expect_problem("manifest.json:1: not JSON");
  put(checkpoint_ / "manifest.json", "{}");
  expect_problem("manifest.json: key 'files': expected an object, got nothing");
  put(checkpoint_ / "manifest.json", R"({"files": {"model": {"size": "7", "sha256": ""}}})");
  expect_problem("manifest.json: key 'files.model.size': expected an integer of at least 0, got '7'");
  put(checkpoint_ / "manifest.json", R"({"files": {"../model": {"size": 7, "sha256": ""}}})");
  expect_problem("manifest.json: expected a file of this folder, got '../model'");
  put(checkpoint_ / "manifest.json", R"({"files": {"/etc/hostname": {"size": 7, "sha256": ""}}})");
  expect_problem("expected a file of this folder");
  fs::remove(checkpoint_ / "manifest.json");
  expect_problem("manifest.json: cannot open the file");
}

TEST_F(VerifyDirectory, FilesThatTheManifestDoesNotNameAreIgnored) {
  put(checkpoint_ / "notes.txt", "mine");
  EXPECT_EQ(problem(), "no problem");
}

}  // namespace atomic_directory_test
}  // namespace vcas::formats
