#include "base/json.h"

#include <set>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace galago {
namespace {

constexpr int kMaxDepth = 64;

}  // namespace

Json parse_json(std::string_view text, const std::string& subject, bool unique_keys) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::set<std::string>> keys;
  auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    bool opens = event == Event::object_start || event == Event::array_start;  // depth: how many are open already
    if (opens && depth >= kMaxDepth)
      throw invalid_input("{}: JSON is nested deeper than {} levels", subject, kMaxDepth);
    if (!unique_keys) return true;
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw invalid_input("{}: JSON key \"{}\" occurs twice", subject, parsed.get<std::string>());
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::exception& e) {
    throw invalid_input("{}: not valid JSON: {}", subject, e.what());
  }
}

Json read_json(const std::string& path, uint64_t max_bytes) { return parse_json(read_file(path, max_bytes), path); }

}  // namespace galago
