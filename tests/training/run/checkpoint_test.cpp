#include "training/run/checkpoint.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

#include "support/temporary_folder.h"
#include "support/without_rights.h"
#include "vcas/formats/error.h"
#include "vcas/nn/tensor_file.h"

namespace vcas::training {
namespace checkpoint_test {

namespace fs = std::filesystem;

class CheckpointTest : public ::testing::Test {
 protected:
  fs::path save(int64_t step, std::optional<int64_t> limit = std::nullopt) const {
    const Checkpoint checkpoint{
        {{"step", step}, {"third", 1.0 / 3}},
        {{"exp_avg.w", at::arange(6, at::kFloat).view({2, 3})}},
        {{"window", at::full({3}, 1.0 / 3, at::kDouble)}, {"empty", at::empty({0, 4})}}};
    return save_checkpoint(
        folder_, step, checkpoint,
        [](const fs::path& path) {
          nn::write_tensors(path / "model.safetensors", {{"w", at::full({2}, 7, at::kFloat)}});
        },
        limit);
  }

  TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path();
};

TEST_F(CheckpointTest, ComesBackBitForBit) {
  const auto path = save(30);
  EXPECT_EQ(path, folder_ / "checkpoint-30");
  const auto loaded = load_checkpoint(path);
  EXPECT_EQ(loaded.state.at("third").get<double>(), 1.0 / 3);
  EXPECT_TRUE(at::equal(loaded.optimizer.at("exp_avg.w"), at::arange(6, at::kFloat).view({2, 3})));
  EXPECT_EQ(loaded.tensors.at("window").scalar_type(), at::kDouble);
  EXPECT_TRUE(at::equal(loaded.tensors.at("window"), at::full({3}, 1.0 / 3, at::kDouble)));
  EXPECT_EQ(loaded.tensors.at("empty").sizes(), at::IntArrayRef({0, 4}));
  EXPECT_TRUE(at::equal(nn::read_tensors(path / "model.safetensors").at("w"), at::full({2}, 7, at::kFloat)));
}

TEST_F(CheckpointTest, AreListedByStepAndOtherFoldersAreNot) {
  for (const int64_t step : {5, 100, 20}) save(step);
  fs::create_directory(folder_ / "checkpoint-best");
  fs::create_directory(folder_ / "checkpoint-7x");
  std::ofstream(folder_ / "checkpoint-9") << "a file";
  std::vector<int64_t> steps;
  for (const auto& found : list_checkpoints(folder_)) steps.push_back(found.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{100, 20, 5}));
}

TEST_F(CheckpointTest, LimitRemovesTheOldest) {
  for (const int64_t step : {8, 9, 10, 11}) save(step, 2);
  EXPECT_FALSE(fs::exists(folder_ / "checkpoint-9"));
  EXPECT_TRUE(fs::exists(folder_ / "checkpoint-10"));
  EXPECT_TRUE(fs::exists(folder_ / "checkpoint-11"));
}

TEST_F(CheckpointTest, LimitNeverRemovesWhatWasJustWritten) {
  save(10);
  save(5, 1);  // of a run that went back
  EXPECT_TRUE(fs::exists(folder_ / "checkpoint-5"));
  EXPECT_FALSE(fs::exists(folder_ / "checkpoint-10"));
}

TEST_F(CheckpointTest, OthersFilesStayInOneThatIsRemoved) {
  const auto path = save(1);
  std::ofstream(path / "notes.txt") << "mine";
  save(2, 1);
  EXPECT_TRUE(fs::exists(path / "notes.txt"));
  EXPECT_FALSE(fs::exists(path / "model.safetensors"));
  EXPECT_FALSE(is_checkpoint(path));
}

TEST_F(CheckpointTest, OnesAfterAStepAreRemoved) {
  for (const int64_t step : {3, 6, 9}) save(step);
  fs::create_directory(folder_ / "checkpoint-12");  // no run's
  remove_checkpoints_after(folder_, 6);
  EXPECT_EQ(list_checkpoints(folder_).size(), 2u);
  EXPECT_EQ(newest_checkpoint(folder_), checkpoint_path(folder_, 6));
  EXPECT_TRUE(fs::exists(folder_ / "checkpoint-12"));
}

TEST_F(CheckpointTest, ACopyOfOneIsNotPruned) {
  fs::copy(save(3), folder_ / "checkpoint-003");
  save(4, 1);
  EXPECT_FALSE(fs::exists(folder_ / "checkpoint-3"));
  EXPECT_TRUE(fs::exists(folder_ / "checkpoint-003" / "model.safetensors"));
}

TEST_F(CheckpointTest, NothingIsRemovedWhereAUsersFileLiesInALaterOne) {
  for (const int64_t step : {1, 2, 3}) save(step);
  std::ofstream(folder_ / "checkpoint-2" / "notes.md") << "mine";
  const auto expect_refused = [&](const std::string& named) {
    try {
      remove_checkpoints_after(folder_, 1);
      FAIL() << "expected InputError";
    } catch (const formats::InputError& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
    EXPECT_EQ(newest_checkpoint(folder_), folder_ / "checkpoint-3");
  };
  expect_refused("checkpoint-2/notes.md");
  fs::remove_all(folder_ / "checkpoint-2");
  fs::create_directory(folder_ / "checkpoint-2");  // empty
  fs::create_directory(folder_ / "checkpoint-9");
  std::ofstream(folder_ / "checkpoint-9" / "pytorch_model.bin") << "another program's";
  expect_refused("checkpoint-9");
  EXPECT_NO_THROW(remove_checkpoints_after(folder_, 9));
  fs::remove_all(folder_ / "checkpoint-9");
  remove_checkpoints_after(folder_, 1);
  EXPECT_EQ(newest_checkpoint(folder_), folder_ / "checkpoint-1");
}

TEST_F(CheckpointTest, WithoutRightsToAnOldOneTheNewOneIsSaved) {
  fs::permissions(folder_, fs::perms::all);
  fs::permissions(save(1), fs::perms(0555));
  fs::permissions(save(2), fs::perms::none);
  const WithoutRights user;
  EXPECT_EQ(save(3, 1), folder_ / "checkpoint-3");
  EXPECT_EQ(newest_checkpoint(folder_), folder_ / "checkpoint-3");
  EXPECT_FALSE(is_checkpoint(folder_ / "checkpoint-2"));  // nobody can say
  EXPECT_THROW(remove_checkpoints_after(folder_, 1), formats::InputError);
}

TEST_F(CheckpointTest, WhatAKilledRunLeftIsNone) {
  const auto leftover = folder_ / ".checkpoint-3.vcas-tmp-host-77";
  fs::rename(save(3), leftover);
  EXPECT_THROW(load_checkpoint(leftover), formats::InputError);
}

TEST_F(CheckpointTest, ALinkToOneIsNone) {
  const auto path = save(3);
  fs::create_directory_symlink(path, folder_ / "checkpoint-8");
  EXPECT_EQ(list_checkpoints(folder_).size(), 1u);
  EXPECT_THROW(remove_checkpoints_after(folder_, 0), formats::InputError);
  EXPECT_TRUE(fs::is_symlink(folder_ / "checkpoint-8"));
  EXPECT_EQ(newest_checkpoint(folder_), path);
}

TEST_F(CheckpointTest, NewestSkipsWhatIsDamagedAndSaysWhyNothingIsLeft) {
  save(1);
  save(2);
  fs::remove(folder_ / "checkpoint-2" / "optimizer.safetensors");
  EXPECT_EQ(newest_checkpoint(folder_), checkpoint_path(folder_, 1));
  fs::resize_file(folder_ / "checkpoint-1" / "model.safetensors", 10);
  try {
    newest_checkpoint(folder_);
    FAIL() << "expected InputError";
  } catch (const formats::InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("optimizer.safetensors"), std::string::npos) << message;
    EXPECT_NE(message.find("model.safetensors"), std::string::npos) << message;
  }
}

TEST_F(CheckpointTest, AFailedSaveLeavesNothingAndTheOlderOnesWhole) {
  save(1);
  EXPECT_THROW(save_checkpoint(
                   folder_, 2, {}, [](const fs::path&) { throw std::runtime_error("disk full"); }, 1),
               std::runtime_error);
  EXPECT_FALSE(fs::exists(folder_ / "checkpoint-2"));
  EXPECT_EQ(newest_checkpoint(folder_), checkpoint_path(folder_, 1));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(CheckpointTest, NonContiguousAndHalfTensorsAreWrittenAsTheyRead) {
  const at::Tensor transposed = at::arange(6, at::kFloat).view({2, 3}).t();
  const at::Tensor half = at::full({2}, 0.1, at::kBFloat16);
  nn::write_tensors(folder_ / "t.safetensors", {{"transposed", transposed}, {"half", half}});
  const auto loaded = nn::read_tensors(folder_ / "t.safetensors");
  EXPECT_TRUE(at::equal(loaded.at("transposed"), transposed));
  EXPECT_EQ(loaded.at("half").scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(loaded.at("half"), half));
}

}  // namespace checkpoint_test
}  // namespace vcas::training
