#include "formats/merged_source.h"

#include <gtest/gtest.h>

#include "formats/gguf_writer.h"
#include "formats/safetensors.h"
#include "formats/torch_writer.h"
#include "tests/formats/bytes.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;

Tensor one(float value) { return Tensor::from({1}, std::vector<float>{value}); }

float value_of(const WeightSource& source, std::string_view name) { return source.get(name).f32()[0]; }

void write_pth(const std::string& path, std::initializer_list<std::pair<const char*, float>> tensors) {
  TorchWriter writer("model");
  for (const auto& [name, value] : tensors) writer.add(name, one(value));
  writer.save(path);
}

// The stack of TinyGPT-V: a vision tower without its prefix, a projector file, and a fine-tuned file over both.
struct Stack {
  TemporaryFolder folder;
  std::string vision = folder.file("eva.pth"), qformer = folder.file("blip2.pth"), stage = folder.file("stage.pth");
  Stack() {
    write_pth(vision, {{"conv", 1}, {"norm", 2}});
    write_pth(qformer, {{"Qformer.a", 3}, {"t5.b", 4}});
    write_pth(stage, {{"Qformer.a", 5}, {"proj", 6}});
  }
};

TEST(MergedSource, LaterFilesWinOrFillIn) {
  Stack files;
  MergedSource model;
  model.add(open_weights(files.vision), MergeRule::Disjoint, with_prefix("visual_encoder."));
  model.add(open_weights(files.qformer), MergeRule::Disjoint,
            [](const std::string& name) { return name.starts_with("t5.") ? "" : name; });
  model.add(open_weights(files.stage), MergeRule::Override);
  EXPECT_EQ(model.names(),
            (std::vector<std::string>{"visual_encoder.conv", "visual_encoder.norm", "Qformer.a", "proj"}));
  EXPECT_EQ(value_of(model, "visual_encoder.norm"), 2);
  EXPECT_EQ(value_of(model, "Qformer.a"), 5);
  EXPECT_FALSE(model.has("t5.b"));
  EXPECT_EQ(model.file_of("Qformer.a"), files.stage);
  EXPECT_EQ(model.path(), files.vision + " + " + files.qformer + " + " + files.stage);
  expect_error([&] { model.get("conv"); }, "stage.pth: no tensor conv");

  MergedSource filled;
  filled.add(open_weights(files.qformer), MergeRule::Override);
  filled.add(open_weights(files.stage), MergeRule::FillIn);
  EXPECT_EQ(value_of(filled, "Qformer.a"), 3);
  EXPECT_EQ(value_of(filled, "proj"), 6);
}

TEST(MergedSource, NamesMustNotCollide) {
  Stack files;
  MergedSource model;
  model.add(open_weights(files.qformer), MergeRule::Override);
  expect_error([&] { model.add(open_weights(files.stage), MergeRule::Disjoint); }, "tensor Qformer.a is also in");
  expect_error(
      [&] {
        MergedSource().add(open_weights(files.vision), MergeRule::Override, [](const std::string&) { return "same"; });
      },
      "two tensors become same");
}

TEST(MergedSource, TextModelAndProjector) {
  TemporaryFolder folder;
  for (const char* name : {"text", "mmproj"}) {
    GgufWriter writer;
    writer.add(name, one(1));
    writer.save(folder.file(name) + std::string(".gguf"));
  }
  MergedSource model("pair");
  model.add(open_weights(folder.file("text.gguf")), MergeRule::Disjoint);
  model.add(open_weights(folder.file("mmproj.gguf")), MergeRule::Disjoint);
  EXPECT_EQ(model.names(), (std::vector<std::string>{"text", "mmproj"}));
  expect_error([&] { model.get("x"); }, "pair: no tensor x");
}

// Sharded PyTorch models.
struct ShardedBin {
  TemporaryFolder folder;
  ShardedBin() {
    write_pth(folder.file("one.bin"), {{"a", 1}});
    write_pth(folder.file("two.bin"), {{"b", 2}, {"extra", 3}});
  }
  std::unique_ptr<WeightSource> open(std::string_view map) const {
    write_file(folder.file("pytorch_model.bin.index.json"), fmt::format(R"({{"weight_map":{}}})", map));
    return open_weights(folder.file(""));
  }
};

TEST(ShardedTorch, ReadsAllShards) {
  ShardedBin model;
  auto source = model.open(R"({"a":"one.bin","b":"two.bin"})");
  EXPECT_EQ(source->names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(value_of(*source, "b"), 2);
  ASSERT_EQ(source->warnings().size(), 1u);
  EXPECT_NE(source->warnings()[0].find("1 tensors are not listed"), std::string::npos);
  expect_error([&] { source->get("extra"); }, "pytorch_model.bin.index.json: no tensor extra");
}

TEST(ShardedTorch, RefusesWrongMaps) {  // A16
  ShardedBin model;
  expect_error([&] { model.open(R"({"a":"../one.bin"})"); }, "not a plain file name");
  expect_error([&] { model.open(R"({"a":"pytorch_model.bin.index.json"})"); }, "not a plain file name");
  expect_error([&] { model.open(R"({"a":"three.bin"})"); }, "no such file");
  expect_error([&] { model.open(R"({"c":"one.bin"})"); }, "no tensor c, which");
  expect_error([&] { model.open(R"({"a":"one.bin","a":"two.bin"})"); }, "occurs twice");
  std::filesystem::create_directory(model.folder.file("sub.bin"));
  expect_error([&] { model.open(R"({"a":"sub.bin"})"); }, "is a folder");
}

TEST(WeightSource, OpensPyTorchFilesByContent) {
  TemporaryFolder folder;
  write_pth(folder.file("pytorch_model.bin"), {{"a", 1}});
  EXPECT_EQ(value_of(*open_weights(folder.file("")), "a"), 1);
  write_safetensors(folder.file("wrong_suffix.bin"), {{"a", one(2)}});
  EXPECT_EQ(value_of(*open_weights(folder.file("wrong_suffix.bin")), "a"), 2);
  std::filesystem::copy(folder.file("pytorch_model.bin"), folder.file("wrong.safetensors"));
  EXPECT_EQ(value_of(*open_weights(folder.file("wrong.safetensors")), "a"), 1);
  // A header of 640 bytes: its length begins with the bytes 80 02, like a pickle.
  std::string json = R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  write_file(folder.file("640"), testing::Bytes().put<uint64_t>(640).raw(json).fill(640 - json.size(), ' ').str());
  EXPECT_TRUE(open_weights(folder.file("640"))->has("a"));
  TemporaryFolder adapter;
  write_safetensors(adapter.file("adapter_model.safetensors"), {{"a", one(3)}});
  EXPECT_EQ(value_of(*open_weights(adapter.file("")), "a"), 3);
  write_file(folder.file("pointer.pth"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  expect_error([&] { open_weights(folder.file("pointer.pth")); }, "git lfs pull");
}

}  // namespace
}  // namespace galago
