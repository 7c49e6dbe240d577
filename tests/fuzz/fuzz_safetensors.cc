// libFuzzer: any bytes are either a safetensors file, all of which can be read, or give a galago::Error.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galago;
  try {
    SafetensorsFile file = SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "fuzz");
    for (const SafetensorsRecord& record : file.tensors())
      if (record.dtype) file.get(record.name);
  } catch (const Error&) {
  }
  return 0;
}
