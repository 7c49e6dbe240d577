#include "text/unicode.h"

#include <gtest/gtest.h>

#include <ctime>

#include "text/byte_alphabet.h"

namespace galago {
namespace {

TEST(Unicode, RefusesWhatIsNotUtf8) {
  EXPECT_TRUE(is_valid_utf8("aé€😀"));
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5",
                          "\x80", "\xE2\x82", "\xC3(", "\xFF"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
}

TEST(Unicode, EncodesWhatItDecodes) {
  for (char32_t c : {U'a', U'\u007F', U'\u0080', U'\u07FF', U'\u0800', U'\uFFFF', U'\U00010000', U'\U0010FFFF'}) {
    std::string text;
    append_utf8(text, c);
    CodePoint back = decode_utf8(text, 0);
    EXPECT_EQ(back.value, c);
    EXPECT_EQ(back.length, text.size());
  }
}

TEST(Unicode, KnowsWhichTailsMayStillBecomeACharacter) {
  EXPECT_EQ(incomplete_utf8_tail("abc"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a\xC3"), 1u);
  EXPECT_EQ(incomplete_utf8_tail("a\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_utf8_tail("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_utf8_tail("a\xF0\x9F\x98\x80"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\xE0\x80"), 0u) << "overlong: nothing can complete it";
  EXPECT_EQ(incomplete_utf8_tail("\xF4\x90"), 0u) << "above U+10FFFF";
  EXPECT_EQ(incomplete_utf8_tail("\x80\x80"), 0u);
}

TEST(Unicode, ClassesAreThoseOfThePatterns) {
  EXPECT_EQ(char_class(U'a'), CharClass::Letter);
  EXPECT_EQ(char_class(U'ж'), CharClass::Letter);
  EXPECT_EQ(char_class(U'我'), CharClass::Letter);
  EXPECT_EQ(char_class(U'7'), CharClass::Number);
  EXPECT_EQ(char_class(U'½'), CharClass::Number);
  EXPECT_EQ(char_class(U'Ⅷ'), CharClass::Number);
  EXPECT_EQ(char_class(U'\u3000'), CharClass::Space);
  EXPECT_EQ(char_class(U'\u0085'), CharClass::Space);
  EXPECT_EQ(char_class(U'\u200B'), CharClass::Other) << "a zero-width space is no white space";
  EXPECT_EQ(char_class(U'\u0301'), CharClass::Other) << "a combining mark is no letter";
  EXPECT_EQ(char_class(U'😀'), CharClass::Other);
  EXPECT_EQ(char_class(kInvalidCodePoint), CharClass::Other);
}

TEST(Unicode, ComposesCanonically) {
  EXPECT_EQ(to_nfc("cafe\u0301"), "café");
  EXPECT_EQ(to_nfc("\u1100\u1161\u11A8"), "각");
  EXPECT_EQ(to_nfc("\u212B"), "\u00C5");                         // a singleton
  EXPECT_EQ(to_nfc("a\u0301\u0323"), "\u1EA1\u0301");            // marks in canonical order
  EXPECT_EQ(to_nfc("e\xFF\u0301"), std::string("e\xFF\u0301"));  // an invalid byte separates
  EXPECT_EQ(to_nfc("ﬁ ½"), "ﬁ ½");                               // compatibility characters stay
}

// Of this thread alone: other programs on the machine do not count.
double processor_seconds() {
  timespec now{};
  EXPECT_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

TEST(Unicode, ManyMarksInTheWrongOrderAreNotSlow) {
  std::string text = "a";
  for (int i = 0; i < 100'000; ++i) text += "\u0301";  // class 230
  for (int i = 0; i < 100'000; ++i) text += "\u0323";  // class 220: all of them must move before the others
  const double start = processor_seconds();
  EXPECT_EQ(to_nfc(text).substr(0, 5), "\u1EA1\u0323");
  EXPECT_LT(processor_seconds() - start, 1);
}

TEST(ByteAlphabet, IsOneToOne) {
  for (int byte = 0; byte < 256; ++byte) {
    std::string bytes(1, static_cast<char>(byte));
    EXPECT_EQ(from_byte_alphabet(to_byte_alphabet(bytes)), bytes);
  }
  EXPECT_EQ(to_byte_alphabet(" a\n"), "ĠaĊ");
  EXPECT_FALSE(from_byte_alphabet("a b").has_value());
  EXPECT_FALSE(from_byte_alphabet("我").has_value());
}

}  // namespace
}  // namespace galago
