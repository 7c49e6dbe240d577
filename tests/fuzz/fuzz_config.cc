// libFuzzer: any bytes as config.json give a model that can be asked for everything, or a galago::Error. No config
// makes us allocate without end: run.sh limits a single allocation.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/use_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galago;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz::attempt([&] { fuzz::use_model(*make_model(parse_json(text, "fuzz"), "fuzz")); });
  return 0;
}
