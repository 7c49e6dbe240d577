// libFuzzer: any bytes as a GGUF model, galago's own or llama.cpp's: config, weights, graphs and tokenizer, or a
// galago::Error. The file is its own vision partner too, so one input holds both halves.
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/gguf.h"
#include "runtime/checkpoint.h"
#include "runtime/gguf_tokenizer.h"
#include "tests/fuzz/use_model.h"

namespace {

using namespace galago;
using fuzz::attempt;

void use(const GgufFile& file, const Json& config, WeightNames names) {
  auto model = make_model(config, "fuzz");
  fuzz::use_model(*model);
  fuzz::build_graphs(*model, load_weights(*model, file, names));
}

void use_llama_cpp(const GgufFile& file, const GgufFile* vision) {
  for (const Family& family : all_families())
    if (family.from_gguf)
      attempt([&] {
        Json config = family.from_gguf(file, vision);
        if (!config.is_null()) use(file, config, WeightNames::LlamaCpp);
      });
}

void read_everything(const GgufFile& file) {
  attempt([&] {
    Tokenizer tokenizer = read_tokenizer(file);
    tokenizer.decode(tokenizer.encode("What is this? 123 <s>", {.parse_special = true, .add_special = true}));
  });
  if (file.has_key("galago.config")) {
    std::string config(file.get_string("galago.config"));
    return use(file, parse_json(config, "galago.config"), WeightNames::Canonical);
  }
  use_llama_cpp(file, nullptr);
  use_llama_cpp(file, &file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  attempt([&] { read_everything(GgufFile::parse(std::as_bytes(std::span(data, size)), "fuzz")); });
  return 0;
}
