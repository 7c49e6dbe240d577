// Puts a prompt together: template text, the user's words, ids and rows of pictures, in reading order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"

namespace galago {

// Neighbouring text is tokenized in one piece, as the published code does with the whole string; but control tokens are
// only found in template text, never in the user's words.
class PromptBuilder {
 public:
  explicit PromptBuilder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  PromptBuilder& begin();                        // the vocabulary's begin token, where it asks for one
  PromptBuilder& markup(std::string_view text);  // of a template: control tokens are found
  PromptBuilder& words(std::string_view text);   // of the user
  PromptBuilder& token(std::string_view piece);  // exactly this token; throws InvalidInput if there is none
  PromptBuilder& ids(std::span<const int32_t> ids);
  PromptBuilder& rows(int picture, std::vector<int32_t> rows);
  PromptBuilder& tile(int picture, int tile, int tokens_per_tile);      // all rows of one tile
  PromptBuilder& tiles(int picture, int n_tiles, int tokens_per_tile);  // of tiles 0 .. n_tiles-1
  std::vector<PromptPiece> take();

 private:
  struct Text {
    std::string text;
    bool markup;
  };
  void flush();  // encodes the text collected so far
  std::vector<int32_t>& open_ids();
  bool user_text_holds_control_tokens() const;

  const Tokenizer& tokenizer_;
  std::vector<Text> text_;
  std::vector<PromptPiece> pieces_;
};

int count_pictures(const UserTurn& turn);
std::string joined_text(const UserTurn& turn);                                   // the words of all parts
void add_pictures(PromptBuilder& b, const UserTurn& turn, int tokens_per_tile);  // all tiles, one after another
// Pictures, the begin token, then words to continue: models trained on captions. One turn only.
std::vector<PromptPiece> caption_prompt(const Tokenizer& tokenizer, const UserTurn& turn, int tokens_per_tile);

}  // namespace galago
