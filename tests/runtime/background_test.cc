// Pictures that are encoded in the background, in groups, ahead of a prompt or before it is there: never another
// result.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "runtime/bounded_queue.h"
#include "runtime/session.h"
#include "runtime/turn_executor.h"
#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

TEST(BoundedQueue, HoldsTheProducerUp) {
  BoundedQueue<int> queue(2);
  std::atomic<int> n_pushed = 0;
  std::jthread producer([&] {
    for (int i = 0; i < 10; ++i) {
      queue.push(i);
      ++n_pushed;
    }
    queue.close();
  });
  for (int i = 0; i < 10; ++i) {
    EXPECT_LE(n_pushed, i + 3);  // two in the queue, and one more as soon as an item is taken
    EXPECT_EQ(queue.pop(), i);
  }
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, ErrorsComeBehindTheItems) {
  BoundedQueue<int> queue(2);
  queue.push(1);
  queue.close(std::make_exception_ptr(invalid_input("no more")));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_THROW(queue.pop(), Error);
}

TEST(BoundedQueue, AnAbandonedProducerGoesOn) {
  BoundedQueue<int> queue(1);
  EXPECT_TRUE(queue.push(1));
  queue.abandon();
  EXPECT_FALSE(queue.push(2));
}

TEST(Worker, DoesJobsInOrderAndDropsThoseBehindAFailure) {
  Worker worker;
  std::vector<int> done;
  worker.post([&] { done.push_back(1); });
  worker.post([&] { throw invalid_input("two"); });
  worker.post([&] { done.push_back(3); });
  EXPECT_THROW(worker.wait(), Error);
  EXPECT_EQ(done, std::vector<int>{1});
  worker.wait();  // the failure was told
  worker.post([&] { done.push_back(4); });
  worker.wait();
  EXPECT_EQ(done, (std::vector<int>{1, 4}));
}

// ---- encoder
// ---------------------------------------------------------------------------------------------------------------

std::shared_ptr<Executor> scalar() { return all_executors()[1].executor; }

std::vector<float> values(const Tensor& tensor) { return {tensor.f32().begin(), tensor.f32().end()}; }

// A picture that the tiny model cuts into a grid and a global view.
Image wide_picture() {
  Image image = make_image(150, 70);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i * 31 % 251);
  return image;
}

std::shared_ptr<Checkpoint> slicing_model() {
  auto checkpoint = std::make_shared<Checkpoint>();
  checkpoint->path = "bluelm-v tiny";
  checkpoint->model = make_model(find_family("bluelm-v")->preset("tiny"), checkpoint->path);
  checkpoint->weights = random_weights(*checkpoint->model, 3);
  checkpoint->tokenizer = small_tokenizer();
  return checkpoint;
}

TEST(PictureEncoder, GroupsAndPipelinesGiveTheSameBits) {
  auto model = slicing_model();
  for (auto& [name, executor] : all_executors()) {
    if (name == "torch") continue;  // BLAS adds in another order for other sizes
    EncodedPicture expected = PictureEncoder(model, executor).encode(wide_picture());
    ASSERT_GE(expected.plan.n_tiles(), 4);
    for (int batch : {1, 2, 3, 4, 64})
      for (bool pipelined : {false, true}) {
        PictureEncoder encoder(model, executor, nullptr, {.tile_batch = batch, .pipelined = pipelined});
        for (int round = 0; round < 2; ++round) {
          EncodedPicture picture = encoder.encode(wide_picture());
          EXPECT_EQ(picture.plan, expected.plan);
          EXPECT_EQ(values(picture.rows), values(expected.rows))
              << name << ", groups of " << batch << ", " << pipelined;
        }
      }
  }
}

TEST(PictureEncoder, AFailureInTheHelperIsThrownByTheEncoder) {
  PictureEncoder encoder(slicing_model(), scalar(), nullptr, {.tile_batch = 1, .pipelined = true});
  PendingPicture picture;
  encoder.fill(picture, []() -> Image { throw invalid_input("broken.png: no picture"); });
  EXPECT_THROW(picture.plan(), Error);
  EXPECT_THROW(picture.wait_for(0), Error);
}

// ---- sessions
// --------------------------------------------------------------------------------------------------------------

struct Outcome {
  std::vector<int32_t> history, answer;
  std::vector<std::byte> cache;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome(Session& session) {
  session.generate({.max_new_tokens = 6, .sampling = {}, .ignore_end = true});
  Outcome o{.history = {session.history().begin(), session.history().end()},
            .answer = {session.generated_ids().begin(), session.generated_ids().end()}};
  for (size_t part = 0; part < session.cache().n_parts(); ++part) {
    auto rows = session.cache().rows(part, 0, session.n_past());
    o.cache.insert(o.cache.end(), rows.begin(), rows.end());
  }
  return o;
}

Outcome talk(Session& session, bool eager) {
  for (int turn = 0; turn < 2; ++turn) {
    session.add_text("look");
    session.attach_image(gradient(turn));
    if (eager) session.prefill_pictures();
    session.attach_image([turn] { return gradient(turn + 5); });
    if (eager) session.prefill_pictures();
    session.append(turn == 0 ? "two dogs" : "a red apple");
  }
  return outcome(session);
}

// The scalar executor gives the same bits for pieces of every length, so a prompt may be cut anywhere.
TEST(SessionBackground, TheSameBitsInEveryOrderOfWork) {
  auto model = tiny_model("hf-nanovlm", "question");
  SessionOptions options{.n_context = 200, .chunk = 7, .cache_type = DType::F32};
  Session plain(model, scalar(), options);
  const Outcome expected = talk(plain, false);
  EXPECT_EQ(plain.timings().n_picture_tokens, 4 * model->model->pictures().tokens_per_tile);
  for (bool background : {false, true})
    for (bool eager : {false, true}) {
      options.background = background;
      Session session(model, scalar(), options);
      EXPECT_TRUE(talk(session, eager) == expected) << background << eager;
      EXPECT_EQ(session.timings().n_picture_tokens, plain.timings().n_picture_tokens);
      EXPECT_EQ(session.timings().n_prompt, plain.timings().n_prompt);
      EXPECT_GT(session.timings().encode, 0);
    }
}

TEST(SessionBackground, FramesHaveNoNumbersThereEither) {
  auto model = tiny_model("minicpmv");
  std::vector<std::vector<int32_t>> histories;
  for (bool background : {false, true})
    for (bool is_frame : {false, true}) {
      Session session(model, scalar(), {.n_context = 400, .background = background});
      is_frame ? session.attach_frame(gradient()) : session.attach_image(gradient());
      session.append("two dogs");
      histories.emplace_back(session.history().begin(), session.history().end());
    }
  EXPECT_LT(histories[1].size(), histories[0].size());
  EXPECT_EQ(histories[2], histories[0]);
  EXPECT_EQ(histories[3], histories[1]);
}

TEST(SessionBackground, AttachingReturnsAtOnce) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, scalar(), {.n_context = 200, .background = true});
  std::atomic<bool> may_go_on = false;
  session.attach_image([&] {
    while (!may_go_on) std::this_thread::yield();
    return gradient();
  });
  may_go_on = true;  // would never be reached
  session.append("two dogs");
  EXPECT_GT(session.n_past(), model->model->pictures().tokens_per_tile);
}

TEST(SessionBackground, ABrokenPictureLeavesTheConversationAsItWas) {
  auto model = tiny_model("hf-nanovlm", "question");
  for (bool background : {false, true})
    for (bool eager : {false, true}) {
      Session session(model, scalar(), {.n_context = 200, .background = background});
      session.append("two dogs");
      const int n_past = session.n_past();
      EXPECT_THROW(
          {
            session.attach_image([]() -> Image { throw invalid_input("broken.png: no picture"); });
            if (eager) session.prefill_pictures();
            session.append("a red apple");
          },
          Error);
      EXPECT_EQ(session.n_past(), n_past) << background << eager;
      session.append("a red apple");
      EXPECT_EQ(session.n_turns(), 2);
    }
}

TEST(SessionBackground, ABegunTurnIsForgottenByEverythingElse) {
  auto model = tiny_model("hf-nanovlm", "question");
  Session session(model, scalar(), {.n_context = 200, .background = true});
  session.append("two dogs");
  const int n_past = session.n_past();
  session.attach_image(gradient());
  session.prefill_pictures();
  session.generate({.max_new_tokens = 3, .sampling = {}, .ignore_end = true});
  EXPECT_EQ(session.n_past(), n_past + 3);
  session.prefill_pictures();
  session.rewind(n_past);
  EXPECT_EQ(session.n_past(), n_past);
  session.prefill_pictures();
  session.reset();
  EXPECT_EQ(session.n_past(), 0);
}

TEST(TurnExecutor, TakesTurnsOnlyOnce) {
  auto executor = take_turns(scalar());
  EXPECT_EQ(take_turns(executor), executor);
  EXPECT_EQ(executor->name(), "cpu");
}

}  // namespace
}  // namespace galago::testing
