// Beginnings that were run before: the same logits from fewer places, and nothing for other beginnings.
#include "runtime/prefix_cache.h"

#include <gtest/gtest.h>

#include "runtime/session.h"
#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

const CacheSpec kSpec{.n_layers = 2, .n_kv_heads = 1, .d_head = 4, .max_context = 8};
constexpr size_t kPlaceBytes = 2 * 2 * 4 * 4;  // keys and values of two layers in f32

KvCache filled(uint8_t value) {
  KvCache cache(kSpec, 8, {DType::F32, DType::F32});
  for (size_t part = 0; part < cache.n_parts(); ++part)
    for (int row = 0; row < 8; ++row) {
      auto bytes = cache.rows(part, row, row + 1);
      std::fill(bytes.begin(), bytes.end(), std::byte(value + 16 * part + static_cast<size_t>(row)));
    }
  return cache;
}

std::vector<PlaceKey> keys(std::vector<int32_t> ids) {
  std::vector<PlaceKey> all;
  for (int32_t id : ids) all.push_back(place_key(id));
  return all;
}

TEST(PrefixCache, GivesTheRowsOfWhatIsShared) {
  PrefixCache prefixes;
  const KvCache stored = filled(1);
  prefixes.store({}, keys({5, 6, 7, 8}), stored);
  KvCache cache = filled(100);
  const KvCache untouched = filled(100);
  EXPECT_EQ(prefixes.restore({}, keys({5, 6, 7, 9, 9}), 4, cache), 3);
  for (size_t part = 0; part < cache.n_parts(); ++part) {
    EXPECT_TRUE(std::ranges::equal(cache.rows(part, 0, 3), stored.rows(part, 0, 3)));
    EXPECT_TRUE(std::ranges::equal(cache.rows(part, 3, 8), untouched.rows(part, 3, 8)));
  }
  EXPECT_EQ(prefixes.restore({}, keys({5, 6, 7, 8}), 3, cache), 3);  // no more than wanted
  EXPECT_EQ(prefixes.restore({}, keys({6, 7}), 2, cache), 0);
  EXPECT_EQ(prefixes.restore({1}, keys({5, 6}), 2, cache), 0);  // of another model
}

TEST(PrefixCache, LongerBeginningsTakeThePlaceOfShorterOnes) {
  PrefixCache prefixes;
  const KvCache cache = filled(1);
  prefixes.store({}, keys({1, 2}), cache);
  prefixes.store({}, keys({1, 2, 3}), cache);
  prefixes.store({}, keys({1, 2}), cache);
  EXPECT_EQ(prefixes.n_entries(), 1);
  EXPECT_EQ(prefixes.n_bytes(), 3 * kPlaceBytes);
  prefixes.store({}, keys({1, 4}), cache);
  EXPECT_EQ(prefixes.n_entries(), 2);
}

TEST(PrefixCache, TheLeastRecentlyUsedGoFirst) {
  PrefixCache prefixes(6 * kPlaceBytes);
  KvCache cache = filled(1);
  for (int first : {1, 2, 3}) prefixes.store({}, keys({first, 9}), cache);
  EXPECT_EQ(prefixes.restore({}, keys({1, 9}), 2, cache), 2);
  prefixes.store({}, keys({4, 9}), cache);
  EXPECT_EQ(prefixes.n_bytes(), 6 * kPlaceBytes);
  EXPECT_EQ(prefixes.restore({}, keys({2, 9}), 2, cache), 0);
  EXPECT_EQ(prefixes.restore({}, keys({1, 9}), 2, cache), 2);
  prefixes.store({}, keys({7, 7, 7, 7, 7, 7, 7, 7}), cache);  // as much of it as may be kept
  EXPECT_EQ(prefixes.restore({}, keys({7, 7, 7, 7, 7, 7, 7, 7}), 8, cache), 6);
  EXPECT_EQ(prefixes.n_entries(), 1);
}

TEST(PlaceKey, TellsTokensPicturesAndRowsApart) {
  Digest picture{}, other{};
  other[3] = 1;
  EXPECT_NE(place_key(picture, 0), place_key(picture, 1));
  EXPECT_NE(place_key(picture, 0), place_key(other, 0));
  EXPECT_GT(place_key(picture, 0), place_key(int32_t{0x7fffffff}));
}

// ---- sessions
// --------------------------------------------------------------------------------------------------------------

struct Asked {
  std::vector<int32_t> answer;
  std::vector<TokenScore> scores;
  int n_reused;
};

Asked ask(const std::shared_ptr<Checkpoint>& model, const SessionOptions& options, const char* question, int picture) {
  Session session(model, all_executors()[1].executor, options);
  session.set_system("near the sea");
  session.attach_image(gradient(picture));
  session.append(question);
  session.generate({.max_new_tokens = 5, .sampling = {}, .ignore_end = true, .n_logprobs = 300});
  return {{session.generated_ids().begin(), session.generated_ids().end()},
          session.logprobs()[0].best,
          session.timings().n_reused};
}

void expect_same(const Asked& a, const Asked& b) {
  EXPECT_EQ(a.answer, b.answer);
  ASSERT_EQ(a.scores.size(), b.scores.size());
  for (size_t i = 0; i < a.scores.size(); ++i) {
    EXPECT_EQ(a.scores[i].id, b.scores[i].id);
    EXPECT_EQ(a.scores[i].logprob, b.scores[i].logprob);  // bits: the scalar executor
  }
}

TEST(SessionPrefixes, TheSameAnswersFromFewerPlaces) {
  auto model = tiny_model("hf-nanovlm", "question");
  for (bool background : {false, true}) {
    SessionOptions plain{.n_context = 128, .cache_type = DType::F32}, shared = plain;
    shared.background = background;
    shared.prefixes = std::make_shared<PrefixCache>();
    const int n_rows = model->model->pictures().tokens_per_tile;
    EXPECT_EQ(ask(model, shared, "two dogs", 6).n_reused, 0);
    const Asked other_question = ask(model, shared, "a red apple", 6);
    EXPECT_GE(other_question.n_reused, n_rows);
    expect_same(other_question, ask(model, plain, "a red apple", 6));
    const Asked other_picture = ask(model, shared, "a red apple", 5);
    EXPECT_LT(other_picture.n_reused, n_rows);
    expect_same(other_picture, ask(model, plain, "a red apple", 5));
    SessionOptions longer = shared;
    longer.n_context = 130;  // rows may depend on it
    EXPECT_EQ(ask(model, longer, "two dogs", 6).n_reused, 0);
  }
}

}  // namespace
}  // namespace galago::testing
