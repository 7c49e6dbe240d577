// Chat templates: messages to prompt text. A table of named templates and no Jinja interpreter: what a stored template
// means is known by a few words in it, as llama.cpp does (llama-chat.cpp). A begin token is the tokenizer's business
// (EncodeOptions::add_special) and in no template.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace galago {

struct ChatMessage {
  std::string role, text;  // role: system, user or assistant
};

struct ChatAffix {
  std::string_view before, after;
};

// One row of the table in chat_template.cc.
struct ChatTemplate {
  std::string_view name;
  ChatAffix system, user, assistant;
  std::string_view generation;           // opens the answer that is to come
  std::string_view default_system = {};  // when the first message is no system message; empty: then there is none
  std::string_view later_user = {};      // user.before after an answer; empty: the same
  bool system_in_user = false;        // the system text is inside the first user turn, so that user.before is left out
  bool trim = false;                  // white space around texts is dropped
  std::string_view stop = {};         // ends an answer, besides the vocabulary's own end tokens
  std::string_view turn_marker = {};  // an ordinary piece of the vocabulary that opens turns, as `stop` closes them
};

std::span<const ChatTemplate> chat_templates();
const ChatTemplate& chat_template(std::string_view name);  // throws Unsupported naming all there are

// By a Jinja text (tokenizer.chat_template of GGUF, chat_template of tokenizer_config.json); null: not recognised.
const ChatTemplate* detect_chat_template(std::string_view jinja);
// The Jinja text of a Hugging Face folder: chat_template.jinja, chat_template.json, tokenizer_config.json; "" if none.
std::string stored_chat_template(const std::string& folder);

// Template text is special, message text is not: what a user types never yields control tokens. Throws InvalidInput for
// a role that is none. The texts of all pieces together are the prompt.
std::vector<TextPiece> render_chat(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                                   bool add_generation_prompt);

// What closes the answer before, then the next user's text and what opens its answer.
std::vector<TextPiece> render_next_turn(const ChatTemplate& chat, std::string_view user);

// The ids of rendered pieces; `starts_text` as in Tokenizer::encode. Where a template's marks are ordinary pieces of
// the vocabulary (InternLM-XComposer), the same words from a user are encoded in two halves, so that they are no marks.
std::vector<int32_t> encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                 std::span<const TextPiece> pieces, bool add_special = true,
                                 bool starts_text = true);

}  // namespace galago
