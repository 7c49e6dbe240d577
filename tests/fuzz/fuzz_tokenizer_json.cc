// Any bytes as a tokenizer.json: the loader gives a tokenizer that works, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galago;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    Tokenizer tokenizer = parse_tokenizer_json(text, "fuzz");
    auto ids = tokenizer.encode(text.substr(0, 2000), {.parse_special = true, .add_special = true});
    tokenizer.decode(ids);
    parse_tokenizer_json(tokenizer.to_tokenizer_json(), "written");
  } catch (const Error&) {
  }
  return 0;
}
