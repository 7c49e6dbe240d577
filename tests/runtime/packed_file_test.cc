// Files that hold matrices as the cpu's kernels read them, beside the usual form.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "cpu/executor.h"
#include "cpu/ops/panels.h"
#include "runtime/session.h"
#include "tests/runtime/small_model.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

class PackedFile : public ::testing::Test {
 protected:
  PackedFile() { fs::create_directories(folder_); }
  ~PackedFile() override { fs::remove_all(folder_); }

  // The tiny model in q8_0, with its matrices packed by `pack` (null: not at all).
  std::shared_ptr<Checkpoint> written(const char* name, std::function<Tensor(const Tensor&)> pack,
                                      int64_t bytes_more = 0) {
    PendingWeights pending;
    for (const WeightSpec& spec : model_->model->weights()) {
      auto found = model_->weights.find(spec.name);
      if (found == model_->weights.end()) continue;
      Tensor data = found->second->data;
      const bool blocks = spec.quantizable && data.shape().last() % 32 == 0;
      if (blocks) data = encode(data, DType::Q8_0);
      PendingWeight weight{data.dtype(), data.shape(), [data] { return data; }};
      if (blocks && pack)
        weight.pack = pack, weight.packed_bytes = cpu::packed_bytes(DType::Q8_0, data.shape()) + bytes_more;
      pending[spec.name] = weight;
    }
    write_gguf(path(name), *model_->model, pending, 7, model_->tokenizer.get());
    return std::make_shared<Checkpoint>(load_checkpoint(path(name)));
  }

  std::string path(const char* name) const { return (folder_ / name).string(); }

  std::string answer(std::shared_ptr<Checkpoint> checkpoint) {
    Session session(std::move(checkpoint), cpu::make_executor(std::make_shared<ThreadPool>(1)));
    session.attach_image(testing::gradient());
    session.append("a red");
    return session.generate({.max_new_tokens = 12, .ignore_end = true});
  }

  fs::path folder_ = fs::path(::testing::TempDir()) /
                     ::testing::UnitTest::GetInstance()->current_test_info()->name();  // tests run at the same time
  std::shared_ptr<Checkpoint> model_ = testing::tiny_model("hf-nanovlm");
};

TEST_F(PackedFile, AnswersAsTheUsualFormWithoutReadingIt) {
  auto plain = written("plain.gguf", {}), packed = written("packed.gguf", cpu::pack_weight);
  int n_packed = 0;
  for (auto& [name, weight] : packed->weights) n_packed += weight->packed.bytes() != nullptr;
  EXPECT_GT(n_packed, 3);
  EXPECT_EQ(answer(packed), answer(plain));
  EXPECT_TRUE(unread_tensors(open_model({.model = path("packed.gguf")})).empty());

  // The usual form is not looked at: broken bytes there change nothing.
  auto broken = std::make_shared<Checkpoint>(*packed);
  for (auto& [name, weight] : broken->weights) {
    if (!weight->packed.bytes() || name.find("token_embed") != name.npos) continue;  // rows of embeddings are gathered
    Weight other = *weight;
    other.data = Tensor::make(weight->data.dtype(), weight->data.shape());
    weight = std::make_shared<Weight>(other);
  }
  EXPECT_EQ(answer(broken), answer(plain));
}

TEST_F(PackedFile, OfAnotherSizeIsRefusedByName) {
  auto longer = [](const Tensor& weight) {
    Tensor packed = cpu::pack_weight(weight), more = Tensor::make(DType::U8, {packed.elements() + 64});
    std::copy_n(packed.bytes(), packed.n_bytes(), more.bytes());
    return more;
  };
  auto wrong = written("wrong.gguf", longer, 64);
  try {
    answer(wrong);
    FAIL() << "a packed weight of another size was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Convert the model again"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace galago
