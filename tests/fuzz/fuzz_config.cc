// libFuzzer: any bytes as config.json give a model that can be asked for everything, or a galago::Error. No config
// makes us allocate without end: run.sh limits a single allocation.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>

#include "tests/fuzz/use_model.h"

using namespace galago;

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

// Every place where a value stands, objects and lists too.
void collect(Json& json, std::vector<Json*>& places) {
  places.push_back(&json);
  if (!json.is_structured()) return;
  for (Json& inner : json) collect(inner, places);
}

// A value at the edge of some range, or near the one that was there.
Json other_value(const Json& old, std::minstd_rand& random) {
  static const std::vector<Json> kEdges{
      nullptr,   true,          false,         -1,      0,       1,       2,         3,   7,    8,    64, 255,
      4096,      4097,          16384,         1 << 20, 4 << 20, 1 << 24, INT32_MAX, 0.5, 1e-9, 1e18, "", "x",
      "default", Json::array(), Json::object()};
  if (!old.is_number() || random() % 2) return kEdges[random() % kEdges.size()];
  double value = old.get<double>();
  const double kNear[] = {value + 1, value - 1, value * 2, value / 2, -value, value * 1000};
  double near = kNear[random() % std::size(kNear)];
  bool whole = old.is_number_integer() && near == std::floor(near) && std::fabs(near) < 1e15;
  return whole ? Json(static_cast<int64_t>(near)) : Json(near);
}

}  // namespace

// Half of the time one value is exchanged and the rest stays valid JSON: blind bytes seldom get past the parser.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  std::minstd_rand random(seed);
  Json json = Json::parse(data, data + size, nullptr, false);
  if (json.is_discarded() || random() % 2) return LLVMFuzzerMutate(data, size, max_size);
  std::vector<Json*> places;
  collect(json, places);
  Json& place = *places[random() % places.size()];
  place = other_value(place, random);
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::copy(text.begin(), text.end(), data);
  return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz::attempt([&] { fuzz::use_model(*make_model(parse_json(text, "fuzz"), "fuzz")); });
  return 0;
}
