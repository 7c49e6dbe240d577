#include "text/engine.h"

#include <algorithm>

#include "base/error.h"

namespace galago {

std::vector<Merge> resolve_merges(const EngineParts& parts,
                                  const std::function<std::optional<int32_t>(std::string_view)>& find) {
  auto must_find = [&](std::string_view text, std::string_view line) {
    auto id = find(text);
    if (!id)
      throw invalid_input("{}: merge \"{}\" speaks of \"{}\", which is not in the vocabulary", parts.subject, line,
                          text);
    return *id;
  };
  std::vector<Merge> merges;
  merges.reserve(parts.vocabulary.merges.size());
  for (const std::string& line : parts.vocabulary.merges) {
    size_t space = line.find(' ', 1);  // a symbol may itself begin with a space
    if (space == std::string::npos || space + 1 == line.size()) {
      throw invalid_input("{}: merge \"{}\": expected two symbols with a space between them", parts.subject, line);
    }
    std::string left = line.substr(0, space), right = line.substr(space + 1);
    merges.push_back({must_find(left, line), must_find(right, line), must_find(left + right, line)});
  }
  return merges;
}

Fallback::Fallback(const EngineParts& parts, bool bytes) : unknown_(parts.unknown) {
  if (!bytes) return;
  byte_ids_.assign(256, -1);
  for (int32_t id = 0; id < parts.table.size(); ++id) {
    if (parts.table.type(id) != TokenType::Byte) continue;
    int32_t& known = byte_ids_[*byte_of_token(parts.table.text(id))];
    if (known < 0) known = id;
  }
  if (std::ranges::count(byte_ids_, -1)) byte_ids_.clear();
}

void Fallback::append(std::string_view text, std::vector<int32_t>& out, size_t& fused_at, bool fuse) const {
  if (has_bytes()) {
    for (char byte : text) out.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
    return;
  }
  if (!unknown_ || (fuse && fused_at == out.size())) return;
  out.push_back(*unknown_);
  fused_at = out.size();
}

void append_with_marks(std::string& out, std::string_view text) {
  for (char c : text) {
    if (c == ' ') {
      out += kSpaceMark;
    } else {
      out += c;
    }
  }
}

}  // namespace galago
