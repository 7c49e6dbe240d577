// Any bytes as a tokenizer.model: the loader gives a tokenizer that works and can be written again, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/make_tokenizer.h"
#include "text/sentencepiece_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galago;
  std::string_view file(reinterpret_cast<const char*>(data), size);
  try {
    Tokenizer tokenizer(parts_from_sentencepiece(file, "fuzz"), "fuzz");
    auto ids = tokenizer.encode(file.substr(0, 2000), {.parse_special = true, .add_special = true});
    tokenizer.decode(ids);
    Vocabulary vocabulary = tokenizer.vocabulary();
    parts_from_sentencepiece(to_sentencepiece(vocabulary, std::get<SentencePieceRule>(tokenizer.rule())), "written");
    make_tokenizer(std::move(vocabulary), "gguf").encode(file.substr(0, 200));
  } catch (const Error&) {
  }
  return 0;
}
