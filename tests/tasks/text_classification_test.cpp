#include "vcas/tasks/text_classification.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/temporary_folder.h"
#include "training/fake_task.h"
#include "vcas/formats/error.h"

namespace vcas::tasks {
namespace text_classification_test {

using training::testing::copies;
using training::testing::equal_tensors;
using training::testing::FakeRun;

models::TextBatch batch_of(const FakeRun& run, const training::BatchRequest& request) {
  return static_cast<const models::TextBatch&>(*run.task.batch(request));
}

TEST(TextClassification, ABatchIsAFunctionOfItsRequest) {
  const FakeRun run;
  const training::BatchRequest request{{{5, 0}, {2, 0}, {5, 1}}, 7};
  const auto batch = batch_of(run, request), again = batch_of(run, request);
  EXPECT_EQ(batch.examples, (std::vector<int64_t>{5, 2, 5}));
  EXPECT_EQ(batch.size(), 3);
  EXPECT_TRUE(at::equal(batch.token_ids, again.token_ids));
  EXPECT_TRUE(at::equal(batch.offsets, again.offsets));
  EXPECT_EQ(batch.labels[0].item<int64_t>(), batch.labels[2].item<int64_t>());
}

TEST(TextClassification, ABatchHasTheWeightsOfItsVisits) {
  const FakeRun run;
  EXPECT_TRUE(batch_of(run, {{{5, 0}, {2, 0}}}).weights.empty());
  EXPECT_EQ(batch_of(run, {{{5, 0, 0.5}, {2, 0}}}).weights, (std::vector<double>{0.5, 1}));
}

TEST(TextClassification, EvaluatesWithLossAndAccuracyFirst) {
  FakeRun run;
  const auto evaluation = run.task.evaluate();
  ASSERT_TRUE(evaluation.has_value());
  EXPECT_EQ(evaluation->examples, 9);
  EXPECT_EQ(evaluation->metrics[0].name, "loss");
  EXPECT_FALSE(evaluation->metrics[0].greater_is_better);
  EXPECT_EQ(evaluation->metrics[1].name, "accuracy");
}

TEST(TextClassification, AStopIsAskedForWithinALargeBatch) {
  const FakeRun run;
  const auto texts = training::testing::fake_texts(20000);  // of 3 to 7 tokens
  int64_t asked = 0, stop_after = 2;
  const auto stop = [&] { return ++asked == stop_after; };
  EXPECT_THROW(predict(*run.model, texts, texts.size(), {}, stop), training::EvaluationStopped);
  asked = 0;
  stop_after = -1;
  predict(*run.model, texts, texts.size(), {}, stop);
  EXPECT_GE(asked, texts.token_count() / (1024 * at::get_num_threads()));
}

TEST(TextClassification, PartsOfAnEvaluationGiveWhatSingleTextsGive) {
  const FakeRun run;
  const auto texts = training::testing::fake_texts(3000);
  const auto parts = predict(*run.model, texts, texts.size()), single = predict(*run.model, texts, 1);
  // float32 products over other numbers of rows: some roundings at 2^-24.
  EXPECT_TRUE(at::allclose(parts.probabilities, single.probabilities, 1e-5, 1e-6));
  EXPECT_NEAR(parts.loss, single.loss, 1e-5 * single.loss);
}

TEST(TextClassification, WithoutHeldOutTextsThereIsNothingToEvaluate) {
  const FakeRun run;
  TextClassification task(run.model, training::testing::fake_texts(8), std::nullopt, {});
  EXPECT_FALSE(task.evaluate().has_value());
}

TEST(TextClassification, WithoutStorageTheModelsOwnTensorsAreStored) {
  const TemporaryFolder folder;
  FakeRun run;
  const auto before = copies(run.model->own_tensors());
  run.task.save_model(folder.path());
  for (const auto& [name, tensor] : run.model->own_tensors()) tensor.fill_(3);
  run.task.load_model(folder.path());
  EXPECT_TRUE(equal_tensors(run.model->own_tensors(), before));
}

TEST(TextClassification, StoresAsItIsTold) {
  FakeRun run;
  std::filesystem::path saved, loaded;
  TextClassification task(
      run.model, training::testing::fake_texts(8), std::nullopt, {},
      {[&](const models::TextClassifier&, const std::filesystem::path& path) { saved = path; },
       [&](models::TextClassifier&, const std::filesystem::path& path) { loaded = path; }});
  task.save_model("there");
  task.load_model("here");
  EXPECT_EQ(saved, "there");
  EXPECT_EQ(loaded, "here");
}

TEST(TextClassification, ATensorThatIsMissingIsNamedWithItsFile) {
  const TemporaryFolder folder;
  FakeRun run;
  run.task.save_model(folder.path());
  TextClassification larger(std::make_shared<training::testing::FakeClassifier>(16),
                            training::testing::fake_texts(8), std::nullopt, {});
  try {
    larger.load_model(folder.path());
    FAIL() << "accepted";
  } catch (const formats::InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("model.safetensors"), std::string::npos) << message;
    EXPECT_NE(message.find("embedding.weight"), std::string::npos) << message;
  }
}

TEST(Predictions, AreInTheOrderOfTheTextsWhateverTheBatchSize) {
  const FakeRun run;
  const auto texts = training::testing::fake_texts(20);
  const auto by_three = predict(*run.model, texts, 3), by_twenty = predict(*run.model, texts, 20);
  EXPECT_EQ(by_three.labels, by_twenty.labels);
  EXPECT_EQ(by_three.classes, by_twenty.classes);
  // float32 products over other numbers of rows: some roundings at 2^-24.
  EXPECT_TRUE(at::allclose(by_three.probabilities, by_twenty.probabilities, 1e-5, 1e-6));
  for (size_t i = 0; i < by_three.labels.size(); ++i)
    EXPECT_EQ(by_three.labels[i], texts.label(static_cast<int64_t>(i)));
}

}  // namespace text_classification_test
}  // namespace vcas::tasks
