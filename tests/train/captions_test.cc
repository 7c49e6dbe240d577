// Caption batches: the same for the same number however they are asked for; layout of ids and targets; folders.
#include "train/captions.h"

#include "base/error.h"
#include "base/file.h"
#include "image/write_png.h"
#include "tests/train/small_run.h"
#include "text/train_bpe.h"

namespace galago {
namespace {

struct Ask {
  Split split;
  int64_t n;
  const char* style;
};

class Batches : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_FONT();
    source_ = make_caption_source(recipe_.data, 64);
    model_ = make_model(recipe_.model, "small");
    std::vector<std::string> texts;
    for (int64_t i = 0; i < 30; ++i) texts.push_back(source_->text(Split::Train, i, "short"));
    tokenizer_ = std::make_shared<Tokenizer>(train_bpe(texts, {.vocab_size = 320}));
  }
  CaptionBatches make() const { return {source_, model_, tokenizer_, 4}; }

  Recipe recipe_ = small_recipe("unused", 8, false);
  std::shared_ptr<const CaptionSource> source_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

std::string contents(const CaptionBatch& batch) {
  std::string all = fmt::format("{};", batch.n_text);
  for (const auto& [name, tensor] : batch.inputs)
    all += name + tensor.shape().to_string() +
           std::string(reinterpret_cast<const char*>(tensor.bytes()), tensor.n_bytes());
  return all;
}

TEST_F(Batches, DependOnTheirNumberOnly) {
  const Ask asks[] = {{Split::Train, 0, "list"},  {Split::Train, 1, "list"},      {Split::Train, 2, "list"},
                      {Split::Train, 3, "short"}, {Split::Validation, 0, "list"}, {Split::Train, 16, "list"}};
  CaptionBatches forward = make(), mixed = make();
  std::map<int, std::string> seen;
  for (int i = 0; i < 6; ++i) seen[i] = contents(forward.get(asks[i].split, asks[i].n, asks[i].style));
  for (int i : {4, 2, 5, 0, 1, 3, 2})  // some prepared ahead, some not
    EXPECT_EQ(contents(mixed.get(asks[i].split, asks[i].n, asks[i].style)), seen[i]) << i;
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_NE(seen[0], seen[4]);
  CaptionBatches again = make();
  EXPECT_EQ(contents(again.get(Split::Train, 15, "list")), seen[0]) << "60 pictures: batch 15 begins from the start";
}

TEST_F(Batches, TextBeginsAndEndsWithItsMarks) {
  CaptionBatches batches = make();
  CaptionBatch batch = batches.get(Split::Train, 2, "short");
  EXPECT_EQ(batch.n_text % 4, 0);
  const SpecialIds& special = tokenizer_->special_ids();
  auto ids = batch.inputs["ids"].i32(), targets = batch.inputs["targets"].i32();
  for (int64_t row = 0; row < 4; ++row) {
    std::vector<int32_t> text = tokenizer_->encode(source_->text(Split::Train, 2 * 4 + row, "short"));
    int64_t n = std::ssize(text);
    EXPECT_EQ(ids[row * batch.n_text], *special.bos);
    for (int64_t t = 0; t < batch.n_text; ++t) {
      int32_t expected = t < n ? text[t] : t == n ? *special.eos : -100;
      EXPECT_EQ(targets[row * batch.n_text + t], expected) << row << ", " << t;
      if (t == 0) continue;
      EXPECT_EQ(ids[row * batch.n_text + t], t <= n ? text[t - 1] : *special.pad) << row << ", " << t;
    }
  }
  EXPECT_EQ(batch.inputs["pixels"].shape(), (Shape{4, 3, 64, 64}));
  EXPECT_EQ(batch.inputs["positions"].i32().back(), batch.n_text);  // one visual token first
}

TEST_F(Batches, NumberOfBatches) {
  EXPECT_EQ(make().batches(Split::Train), 15);
  EXPECT_EQ(make().batches(Split::Validation), 2);
}

TEST(CaptionFolder, LinesAndPictures) {
  std::string folder = fresh_folder("caption-folder");
  std::filesystem::create_directories(folder);
  write_png(folder + "/a.png", make_image(8, 6, {10, 20, 30}));
  write_file(folder + "/train.jsonl",
             "{\"image\":\"a.png\",\"text\":\"one\",\"style\":\"short\"}\n\n"
             "{\"image\":\"a.png\",\"text\":\"two\",\"style\":\"long\"}\n{\"image\":\"b.png\",\"text\":\"three\"}");
  write_file(folder + "/val.jsonl", "{\"image\":\"a.png\",\"text\":\"four\",\"style\":\"short\"}\n");
  auto source = make_caption_source({.folder = folder}, 32);
  EXPECT_EQ(source->size(Split::Train), 2);
  EXPECT_EQ(source->text(Split::Train, 1, "short"), "three");
  EXPECT_EQ(source->text(Split::Train, 0, "long"), "two");
  CaptionItem item = source->item(Split::Validation, 0, "short");
  EXPECT_EQ(item.text, "four");
  EXPECT_EQ(item.image.width, 8);
  EXPECT_THROW(source->text(Split::Validation, 0, "long"), Error);
  EXPECT_THROW(source->item(Split::Train, 1, "short"), Error);  // b.png is missing
  write_file(folder + "/val.jsonl", "{\"image\":\"a.png\"}\n");
  EXPECT_THROW(make_caption_source({.folder = folder}, 32), Error);
  write_file(folder + "/val.jsonl", "not json\n");
  EXPECT_THROW(make_caption_source({.folder = folder}, 32), Error);
  EXPECT_THROW(make_caption_source({.folder = folder + "/nowhere"}, 32), Error);
}

}  // namespace
}  // namespace galago
