#include "models/prompt.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace galago {

PromptBuilder& PromptBuilder::begin() {
  flush();
  if (tokenizer_.adds_bos() && tokenizer_.special_ids().bos) open_ids().push_back(*tokenizer_.special_ids().bos);
  return *this;
}

PromptBuilder& PromptBuilder::markup(std::string_view text) {
  text_.push_back({std::string(text), true});
  return *this;
}

PromptBuilder& PromptBuilder::words(std::string_view text) {
  text_.push_back({std::string(text), false});
  return *this;
}

PromptBuilder& PromptBuilder::token(std::string_view piece) {
  flush();
  auto id = tokenizer_.find(piece);
  if (!id) throw invalid_input("the tokenizer has no token {}, which this model's prompts need", piece);
  open_ids().push_back(*id);
  return *this;
}

PromptBuilder& PromptBuilder::ids(std::span<const int32_t> ids) {
  flush();
  open_ids().insert(open_ids().end(), ids.begin(), ids.end());
  return *this;
}

PromptBuilder& PromptBuilder::rows(int picture, std::vector<int32_t> rows) {
  flush();
  open_ids();
  pieces_.back().picture = picture;
  pieces_.back().rows = std::move(rows);
  return *this;
}

PromptBuilder& PromptBuilder::tile(int picture, int tile, int tokens_per_tile) {
  std::vector<int32_t> all(static_cast<size_t>(tokens_per_tile));
  std::iota(all.begin(), all.end(), tile * tokens_per_tile);
  return rows(picture, std::move(all));
}

PromptBuilder& PromptBuilder::tiles(int picture, int n_tiles, int tokens_per_tile) {
  return tile(picture, 0, n_tiles * tokens_per_tile);
}

std::vector<PromptPiece> PromptBuilder::take() {
  flush();
  return std::move(pieces_);
}

std::vector<int32_t>& PromptBuilder::open_ids() {
  if (pieces_.empty() || pieces_.back().picture >= 0) pieces_.emplace_back();
  return pieces_.back().ids;
}

bool PromptBuilder::user_text_holds_control_tokens() const {
  return std::any_of(text_.begin(), text_.end(), [&](const Text& t) {
    return !t.markup && tokenizer_.encode(t.text, {.parse_special = true}) != tokenizer_.encode(t.text);
  });
}

void PromptBuilder::flush() {
  auto add = [&](const std::string& text, bool parse_special) {
    std::vector<int32_t> ids = tokenizer_.encode(text, {.parse_special = parse_special});
    open_ids().insert(open_ids().end(), ids.begin(), ids.end());
  };
  if (text_.empty()) return;
  if (user_text_holds_control_tokens()) {
    for (const Text& t : text_) add(t.text, t.markup);
  } else {
    std::string whole;
    for (const Text& t : text_) whole += t.text;
    add(whole, true);
  }
  text_.clear();
}

int count_pictures(const UserTurn& turn) {
  return static_cast<int>(
      std::count_if(turn.parts.begin(), turn.parts.end(), [](const TurnPart& part) { return part.picture; }));
}

std::string joined_text(const UserTurn& turn) {
  std::string text;
  for (const TurnPart& part : turn.parts) text += part.text;
  return text;
}

void add_pictures(PromptBuilder& b, const UserTurn& turn, int tokens_per_tile) {
  int picture = 0;
  for (const TurnPart& part : turn.parts)
    if (part.picture) b.tiles(picture++, part.picture->n_tiles(), tokens_per_tile);
}

std::vector<PromptPiece> caption_prompt(const Tokenizer& tokenizer, const UserTurn& turn, int tokens_per_tile) {
  if (turn.index > 0) throw invalid_input("this model continues one description and does not chat; start anew");
  PromptBuilder b(tokenizer);
  add_pictures(b, turn, tokens_per_tile);
  if (auto bos = tokenizer.special_ids().bos) b.ids({&*bos, 1});
  return b.words(joined_text(turn)).take();
}

}  // namespace galago
