// Stop strings must never get out, not even in part, however the text is cut into pieces.
#include "runtime/answer_text.h"

#include <gtest/gtest.h>

#include "tests/runtime/small_model.h"

namespace galago {
namespace {

struct Streamed {
  std::string text;
  bool found;
};

Streamed stream(const std::vector<std::string>& stops, std::string_view text, size_t piece) {
  StopStrings filter(stops);
  std::string out;
  for (size_t i = 0; i < text.size() && !filter.found(); i += piece) out += filter.push(text.substr(i, piece));
  out += filter.finish();
  return {out, filter.found()};
}

TEST(StopStrings, EveryCutGivesTheSameText) {
  struct Case {
    std::vector<std::string> stops;
    const char *text, *expected;
    bool found;
  };
  const Case cases[] = {
      {{"###"}, "a cat## is ###here", "a cat## is ", true},
      {{"###"}, "a cat ##", "a cat ##", false},
      {{"\nUser:", "</s>"}, "yes\nUse it</s>\nUser:", "yes\nUse it", true},
      {{"aab"}, "aaaab", "aa", true},  // the beginning that is held back moves on
      {{"cd", "b"}, "xabcd", "xa", true},
      {{""}, "all of it", "all of it", false},
      {{}, "all of it", "all of it", false},
      {{"long stop string"}, "long stop strin", "long stop strin", false},
  };
  for (const Case& c : cases)
    for (size_t piece : {1, 2, 3, 100}) {
      Streamed got = stream(c.stops, c.text, piece);
      EXPECT_EQ(got.text, c.expected) << c.text << " in pieces of " << piece;
      EXPECT_EQ(got.found, c.found) << c.text;
    }
}

TEST(StopStrings, HoldsBackOnlyABeginning) {
  StopStrings filter({"stop"});
  EXPECT_EQ(filter.push("a s"), "a ");
  EXPECT_EQ(filter.push("t"), "");
  EXPECT_EQ(filter.push("ay s"), "stay ");
  EXPECT_EQ(filter.finish(), "s");
}

TEST(AnswerText, CountsTheTokensBeforeTheStop) {
  auto tokenizer = testing::small_tokenizer();
  std::string streamed;
  AnswerText answer(*tokenizer, {" dogs"}, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  std::vector<int32_t> ids = tokenizer->encode("a red apple and two dogs play"), before;
  size_t pushed = 0;
  while (pushed < ids.size() && answer.push(ids[pushed])) ++pushed;
  answer.finish();
  EXPECT_TRUE(answer.stopped());
  EXPECT_EQ(streamed, "a red apple and two");
  EXPECT_EQ(answer.text(), streamed);
  EXPECT_LT(pushed, ids.size() - 1) << "reading went on behind the stop string";
  before.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(answer.n_tokens_kept()));
  EXPECT_EQ(tokenizer->decode(before), "a red apple and two");
}

TEST(AnswerText, EndsWhenTheReaderHasEnough) {
  auto tokenizer = testing::small_tokenizer();
  AnswerText answer(*tokenizer, {}, [](std::string_view) { return false; });
  EXPECT_FALSE(answer.push(tokenizer->encode("apple")[0]));
  EXPECT_TRUE(answer.declined());
  EXPECT_FALSE(answer.stopped());
}

}  // namespace
}  // namespace galago
