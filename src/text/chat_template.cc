#include "text/chat_template.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "text/neighbours.h"

namespace galago {
namespace {

// InternVL2-2B and Mini-Monkey (OpenGVLab/InternVL, conversation.py), with its comma and space.
constexpr std::string_view kInternVl =
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。";
// InternLM/InternLM-XComposer, modeling_internlm_xcomposer2.py.
constexpr std::string_view kXComposer =
    "You are an AI assistant whose name is InternLM-XComposer (浦语·灵笔).\n"
    "- InternLM-XComposer (浦语·灵笔) is a multi-modality conversational language model that is developed by Shanghai "
    "AI "
    "Laboratory (上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n"
    "- InternLM-XComposer (浦语·灵笔) can understand and communicate fluently in the language chosen by the user such "
    "as "
    "English and 中文.\n"
    "- InternLM-XComposer (浦语·灵笔) is capable of comprehending and articulating responses effectively based on the "
    "provided image.";
// lm-sys/FastChat, conversation.py (vicuna_v1.1); LLaVA 1.5.
constexpr std::string_view kVicuna =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and "
    "polite answers to the user's questions.";
// DLYuanGod/TinyGPT-V, conversation.py (stages 1 to 3).
constexpr std::string_view kTinyGptV =
    "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once I provide it to you. "
    "Please answer my questions.";

constexpr ChatAffix chatml(std::string_view before) { return {before, "<|im_end|>\n"}; }
constexpr ChatAffix kSystemMl = chatml("<|im_start|>system\n"), kUserMl = chatml("<|im_start|>user\n"),
                    kAssistantMl = chatml("<|im_start|>assistant\n");

// Where two rows share a text in Jinja, the names tell whose default it is; tokens in < | > are control tokens only if
// the vocabulary has them.
constexpr ChatTemplate kTemplates[] = {
    {.name = "chatml",  // also InternLM2
     .system = kSystemMl,
     .user = kUserMl,
     .assistant = kAssistantMl,
     .generation = "<|im_start|>assistant\n",
     .stop = "<|im_end|>"},
    {.name = "qwen2",  // MiniCPM-V 2.6
     .system = kSystemMl,
     .user = kUserMl,
     .assistant = kAssistantMl,
     .generation = "<|im_start|>assistant\n",
     .default_system = "You are a helpful assistant.",
     .stop = "<|im_end|>"},
    {.name = "llama3",  // MiniCPM-Llama3-V 2.5
     .system = {"<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"},
     .user = {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"},
     .assistant = {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"},
     .generation = "<|start_header_id|>assistant<|end_header_id|>\n\n",
     .trim = true,
     .stop = "<|eot_id|>"},
    {.name = "minicpm",  // MiniCPM 1B and 2B, MiniCPM-V 2.0; the marks are words, not tokens
     .system = {},
     .user = {"<用户>", "<AI>"},
     .assistant = {},
     .generation = ""},
    {.name = "internvl2",  // no newline between turns
     .system = {"<|im_start|>system\n", "<|im_end|>"},
     .user = {"<|im_start|>user\n", "<|im_end|>"},
     .assistant = {"<|im_start|>assistant\n", "<|im_end|>"},
     .generation = "<|im_start|>assistant\n",
     .default_system = kInternVl,
     .stop = "<|im_end|>"},
    {.name = "xcomposer2",
     .system = {"[UNUSED_TOKEN_146]system\n", "[UNUSED_TOKEN_145]\n"},
     .user = {"[UNUSED_TOKEN_146]user\n", "[UNUSED_TOKEN_145]\n"},
     .assistant = {"[UNUSED_TOKEN_146]assistant\n", "[UNUSED_TOKEN_145]\n"},
     .generation = "[UNUSED_TOKEN_146]assistant\n",
     .default_system = kXComposer,
     .stop = "[UNUSED_TOKEN_145]",
     .turn_marker = "[UNUSED_TOKEN_146]"},
    {.name = "phi2",
     .system = {"", "\n"},
     .user = {"Instruct: ", "\n"},
     .assistant = {"Output: ", "\n"},
     .generation = "Output:"},
    {.name = "phi3",
     .system = {"<|system|>\n", "<|end|>\n"},
     .user = {"<|user|>\n", "<|end|>\n"},
     .assistant = {"<|assistant|>\n", "<|end|>\n"},
     .generation = "<|assistant|>\n",
     .stop = "<|end|>"},
    {.name = "tinygpt-v",  // evaluation and stage 4
     .system = {},
     .user = {"###Human: ", ""},
     .assistant = {"###Assistant: ", ""},
     .generation = "###Assistant: ",
     .stop = "###"},
    {.name = "tinygpt-v-demo",  // stages 1 to 3
     .system = {},
     .user = {"###Human: ", ""},
     .assistant = {"###Assistant: ", ""},
     .generation = "###Assistant: ",
     .default_system = kTinyGptV,
     .stop = "###"},
    {.name = "tinygpt-v-inst",  // stage 4 demo; <s> is plain text there
     .system = {},
     .user = {"<s>[INST] ", " [/INST]"},
     .assistant = {},
     .generation = "",
     .stop = "###"},
    {.name = "llama2",
     .system = {"[INST] <<SYS>>\n", "\n<</SYS>>\n\n"},
     .user = {"[INST] ", " [/INST]"},
     .assistant = {" ", " </s>"},
     .generation = "",
     .later_user = "<s>[INST] ",
     .system_in_user = true,
     .trim = true},
    {.name = "vicuna",
     .system = {"", " "},
     .user = {"USER: ", " "},
     .assistant = {"ASSISTANT: ", "</s>"},
     .generation = "ASSISTANT:",
     .default_system = kVicuna},
    {.name = "bluelm",  // of vivo's BlueLM-7B-Chat; that of BlueLM-V is not published
     .system = {},
     .user = {"[|Human|]:", ""},
     .assistant = {"[|AI|]:", "</s>"},
     .generation = "[|AI|]:"},
};

// A template is the first row whose words are all in the Jinja text.
struct Sign {
  std::string_view words[2];
  std::string_view name;
};
constexpr Sign kSigns[] = {
    {{"<|im_start|>", "You are a helpful assistant"}, "qwen2"},
    {{"<|im_start|>", "InternVL"}, "internvl2"},
    {{"<|im_start|>", ""}, "chatml"},
    {{"<|start_header_id|>", "<|end_header_id|>"}, "llama3"},
    {{"<用户>", ""}, "minicpm"},
    {{"[UNUSED_TOKEN_146]", ""}, "xcomposer2"},
    {{"<|assistant|>", "<|end|>"}, "phi3"},
    {{"[INST]", ""}, "llama2"},
    {{"USER: ", "ASSISTANT: "}, "vicuna"},
    {{"[|Human|]", ""}, "bluelm"},
    {{"###Human", ""}, "tinygpt-v"},
    {{"Instruct: ", "Output:"}, "phi2"},
};

const ChatTemplate* find(std::string_view name) {
  auto found = std::ranges::find(kTemplates, name, &ChatTemplate::name);
  return found == std::end(kTemplates) ? nullptr : found;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

const ChatAffix& affix(const ChatTemplate& chat, const std::string& role) {
  if (role == "user") return chat.user;
  if (role == "assistant") return chat.assistant;
  if (role == "system") return chat.system;
  throw invalid_input("a message has the role \"{}\", expected system, user or assistant", role);
}

// Collects pieces; neighbours of one kind become one.
class Pieces {
 public:
  void add(std::string_view text, bool is_special) {
    if (text.empty()) return;
    if (pieces_.empty() || pieces_.back().is_special != is_special) pieces_.push_back({"", is_special});
    pieces_.back().text += text;
  }
  std::vector<TextPiece> take() { return std::move(pieces_); }

 private:
  std::vector<TextPiece> pieces_;
};

// Where a user's text would become a mark of the template: a place inside the mark; npos: nowhere from `from` on.
size_t mark_inside(const ChatTemplate& chat, const std::string& text, size_t from) {
  size_t first = std::string::npos;
  for (std::string_view mark : {chat.turn_marker, chat.stop}) {
    if (!mark.empty() && !chat.turn_marker.empty()) first = std::min(first, text.find(mark, from));
  }
  return first == std::string::npos ? first : first + 1;
}

}  // namespace

std::span<const ChatTemplate> chat_templates() { return kTemplates; }

const ChatTemplate& chat_template(std::string_view name) {
  if (const ChatTemplate* found = find(name)) return *found;
  std::string names;
  for (const ChatTemplate& chat : kTemplates) names += (names.empty() ? "" : ", ") + std::string(chat.name);
  throw unsupported("there is no chat template \"{}\"; known are {}", name, names);
}

const ChatTemplate* detect_chat_template(std::string_view jinja) {
  for (const Sign& sign : kSigns) {
    bool all = std::ranges::all_of(sign.words, [&](auto word) { return jinja.find(word) != jinja.npos; });
    if (all) return find(sign.name);
  }
  return nullptr;
}

std::string stored_chat_template(const std::string& folder) {
  std::filesystem::path base = folder;
  if (std::filesystem::exists(base / "chat_template.jinja")) return read_file((base / "chat_template.jinja").string());
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    auto json = read_object_if_there(base / name);
    if (!json || !json->contains("chat_template")) continue;
    const Json& stored = (*json)["chat_template"];
    if (stored.is_string()) return stored.get<std::string>();
    if (!stored.is_array()) continue;
    for (const Json& item : stored) {  // [{"name": "default", "template": "..."}, ...]
      bool usable = item.is_object() && item.value("name", Json()) == "default" && item.contains("template");
      if (usable && item["template"].is_string()) return item["template"].get<std::string>();
    }
  }
  return {};
}

std::vector<TextPiece> render_chat(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                                   bool add_generation_prompt) {
  Pieces pieces;
  bool has_system = !messages.empty() && messages.front().role == "system";
  if (!has_system && !chat.default_system.empty()) {
    pieces.add(chat.system.before, true);
    pieces.add(chat.default_system, false);
    pieces.add(chat.system.after, true);
  }
  std::string previous;
  for (const ChatMessage& message : messages) {
    ChatAffix around = affix(chat, message.role);
    bool is_user = message.role == "user";
    if (is_user && previous == "assistant" && !chat.later_user.empty()) around.before = chat.later_user;
    if (is_user && previous == "system" && chat.system_in_user) around.before = {};
    pieces.add(around.before, true);
    pieces.add(chat.trim ? trimmed(message.text) : std::string_view(message.text), false);
    pieces.add(around.after, true);
    previous = message.role;
  }
  if (add_generation_prompt) pieces.add(chat.generation, true);
  return pieces.take();
}

std::vector<TextPiece> render_next_turn(const ChatTemplate& chat, std::string_view user) {
  Pieces pieces;
  pieces.add(chat.assistant.after, true);
  pieces.add(chat.later_user.empty() ? chat.user.before : chat.later_user, true);
  pieces.add(chat.trim ? trimmed(user) : user, false);
  pieces.add(chat.user.after, true);
  pieces.add(chat.generation, true);
  return pieces.take();
}

std::vector<int32_t> encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                 std::span<const TextPiece> pieces, bool add_special, bool starts_text) {
  std::vector<int32_t> ids;
  std::vector<TextPiece> waiting;
  auto flush = [&] {
    auto more = tokenizer.encode(waiting, add_special, starts_text);
    ids.insert(ids.end(), more.begin(), more.end());
    waiting.clear();
    starts_text = false;
  };
  for (const TextPiece& piece : pieces) {
    size_t begin = 0, cut;
    while (!piece.is_special && (cut = mark_inside(chat, piece.text, begin)) != std::string::npos) {
      waiting.push_back({piece.text.substr(begin, cut - begin), false});
      flush();
      begin = cut;
    }
    waiting.push_back({piece.text.substr(begin), piece.is_special});
  }
  flush();
  return ids;
}

}  // namespace galago
