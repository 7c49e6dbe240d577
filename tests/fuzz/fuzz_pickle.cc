// libFuzzer: any bytes are either a PyTorch file (zip or stream of pickles), all tensors of which can be read, or give
// a galago::Error. The bytes alone are tried as a pickle too: inside a zip file its checksum would stop most mutations.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "formats/lora.h"
#include "formats/torch_file.h"

namespace {

using namespace galago;

template <class Step>
void attempt(Step&& step) {
  try {
    step();
  } catch (const Error&) {
  }
}

void read_everything(const TorchFile& file) {
  for (const TorchRecord& record : file.tensors())
    if (record.type) file.get(record.name);
  attempt([&] { read_lora(file, {.alpha = 1}); });
}

void read_bare(std::span<const std::byte> bytes) {
  const std::string subject = "fuzz";
  Pickle pickle = Pickle::parse(bytes, subject);
  read_torch_state(pickle, read_torch_storages(pickle, subject), subject);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto bytes = std::as_bytes(std::span(data, size));
  attempt([&] { read_everything(TorchFile::parse(bytes, "fuzz")); });
  attempt([&] { read_bare(bytes); });
  return 0;
}
