#include "runtime/gguf_tokenizer.h"

#include "base/error.h"

namespace galago {
namespace {

struct SpecialKey {
  const char* key;
  std::optional<int32_t> SpecialIds::*id;
};

constexpr SpecialKey kSpecialKeys[] = {
    {"tokenizer.ggml.bos_token_id", &SpecialIds::bos},       {"tokenizer.ggml.eos_token_id", &SpecialIds::eos},
    {"tokenizer.ggml.unknown_token_id", &SpecialIds::unk},   {"tokenizer.ggml.padding_token_id", &SpecialIds::pad},
    {"tokenizer.ggml.seperator_token_id", &SpecialIds::sep},  // the misspelling is the format's own
    {"tokenizer.ggml.cls_token_id", &SpecialIds::cls},       {"tokenizer.ggml.mask_token_id", &SpecialIds::mask},
    {"tokenizer.ggml.eot_token_id", &SpecialIds::eot},       {"tokenizer.ggml.eom_token_id", &SpecialIds::eom},
};

struct FlagKey {
  const char* key;
  std::optional<bool> Vocabulary::*flag;
};

constexpr FlagKey kFlagKeys[] = {
    {"tokenizer.ggml.add_bos_token", &Vocabulary::add_bos},
    {"tokenizer.ggml.add_eos_token", &Vocabulary::add_eos},
    {"tokenizer.ggml.add_sep_token", &Vocabulary::add_sep},
    {"tokenizer.ggml.add_space_prefix", &Vocabulary::add_space_prefix},
    {"tokenizer.ggml.remove_extra_whitespaces", &Vocabulary::remove_extra_whitespaces},
};

std::vector<std::string> strings(const GgufFile& file, std::string_view key) {
  if (!file.has_key(key)) return {};
  std::vector<std::string_view> views = file.get_strings(key);
  return {views.begin(), views.end()};
}

constexpr const char* kCharsmapKey = "tokenizer.ggml.precompiled_charsmap";

// Written as u8 or i8.
std::vector<uint8_t> bytes(const GgufFile& file, std::string_view key) {
  std::vector<uint8_t> out;
  for (int32_t value : file.get_i32s(key)) out.push_back(static_cast<uint8_t>(value));
  return out;
}

}  // namespace

Vocabulary read_vocabulary(const GgufFile& file) {
  Vocabulary v;
  v.model = file.get_string("tokenizer.ggml.model");
  v.pre = file.get_string("tokenizer.ggml.pre", "");
  v.tokens = strings(file, "tokenizer.ggml.tokens");
  v.merges = strings(file, "tokenizer.ggml.merges");
  if (file.has_key("tokenizer.ggml.scores")) v.scores = file.get_f32s("tokenizer.ggml.scores");
  if (file.has_key("tokenizer.ggml.token_type")) v.types = file.get_i32s("tokenizer.ggml.token_type");
  for (const SpecialKey& row : kSpecialKeys)
    if (file.has_key(row.key)) v.special.*row.id = file.get_i32(row.key);
  if (file.has_key("tokenizer.ggml.separator_token_id"))
    v.special.sep = file.get_i32("tokenizer.ggml.separator_token_id");
  for (const FlagKey& row : kFlagKeys)
    if (file.has_key(row.key)) v.*row.flag = file.get_bool(row.key);
  if (file.has_key(kCharsmapKey)) v.precompiled_charsmap = bytes(file, kCharsmapKey);
  v.huggingface_json = file.get_string("tokenizer.huggingface.json", "");
  v.extra_json = file.get_string("galago.tokenizer", "");
  return v;
}

Tokenizer read_tokenizer(const GgufFile& file) { return make_tokenizer(read_vocabulary(file), file.path()); }

void write_tokenizer(GgufWriter& writer, const Tokenizer& tokenizer) {
  Vocabulary v = tokenizer.vocabulary();
  writer.set_string("tokenizer.ggml.model", v.model);
  writer.set_string("tokenizer.ggml.pre", v.pre);
  writer.set_strings("tokenizer.ggml.tokens", v.tokens);
  if (!v.types.empty()) writer.set_array<int32_t>("tokenizer.ggml.token_type", v.types);
  if (!v.scores.empty()) writer.set_array<float>("tokenizer.ggml.scores", v.scores);
  if (!v.merges.empty()) writer.set_strings("tokenizer.ggml.merges", v.merges);
  for (const SpecialKey& row : kSpecialKeys)
    if (v.special.*row.id) writer.set<uint32_t>(row.key, static_cast<uint32_t>(*(v.special.*row.id)));
  for (const FlagKey& row : kFlagKeys)
    if (v.*row.flag) writer.set<bool>(row.key, *(v.*row.flag));
  if (!v.precompiled_charsmap.empty()) writer.set_array<uint8_t>(kCharsmapKey, v.precompiled_charsmap);
  if (!v.huggingface_json.empty()) writer.set_string("tokenizer.huggingface.json", v.huggingface_json);
  if (!v.extra_json.empty()) writer.set_string("galago.tokenizer", v.extra_json);
}

}  // namespace galago
