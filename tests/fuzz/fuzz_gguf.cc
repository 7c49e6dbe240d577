// libFuzzer: any bytes are either a GGUF file, all of which can be read, or give a galago::Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "formats/gguf.h"

namespace {

using namespace galago;

// A wrong type is an Error too, and the next getter is tried.
template <class Getter>
void attempt(Getter&& getter) {
  try {
    getter();
  } catch (const Error&) {
  }
}

void read_entry(const GgufFile& file, const GgufEntry& entry) {
  entry.to_string();
  attempt([&] { file.get_count(entry.key, 1, 512); });
  attempt([&] { file.get_f32(entry.key); });
  attempt([&] { file.get_bool(entry.key); });
  attempt([&] { file.get_string(entry.key); });
  attempt([&] { file.get_i32s(entry.key); });
  attempt([&] { file.get_f32s(entry.key); });
  attempt([&] { file.get_bools(entry.key); });
  attempt([&] { file.get_strings(entry.key); });
}

void read_everything(const GgufFile& file) {
  for (const GgufEntry& entry : file.entries()) read_entry(file, entry);
  for (const std::string& name : file.names()) attempt([&] { to_f32(file.get(name)); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  attempt([&] { read_everything(GgufFile::parse(std::as_bytes(std::span(data, size)), "fuzz")); });
  return 0;
}
