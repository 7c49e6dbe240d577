#include "base/error.h"
#include "base/file.h"
#include "text/load_tokenizer.h"
#include "text/sentencepiece_file.h"
#include "text/tokenizer_extra.h"

namespace galago {
namespace {

using Ordered = nlohmann::ordered_json;

void put_names(Ordered& config, const Tokenizer& tokenizer) {
  const SpecialIds& ids = tokenizer.special_ids();
  auto put = [&](const char* key, std::optional<int32_t> id) {
    if (id) config[key] = tokenizer.token_text(*id);
  };
  put("bos_token", ids.bos), put("eos_token", ids.eos), put("unk_token", ids.unk), put("pad_token", ids.pad);
  put("sep_token", ids.sep), put("cls_token", ids.cls), put("mask_token", ids.mask);
  config["add_bos_token"] = tokenizer.adds_bos();
  config["add_eos_token"] = tokenizer.adds_eos();
}

void put_added(Ordered& config, const Tokenizer& tokenizer) {
  Ordered decoder = Ordered::object();
  Ordered list = added_to_json(tokenizer.added_tokens());
  for (Ordered& token : list) {
    std::string id = std::to_string(token["id"].get<int32_t>());
    token.erase("id");
    decoder[id] = token;
  }
  config["added_tokens_decoder"] = decoder;
}

std::string dumped(const Ordered& json) { return json.dump(2, ' ', false, Ordered::error_handler_t::replace) + "\n"; }

void save_sentencepiece(const Tokenizer& tokenizer, const SentencePieceRule& rule, const std::string& folder) {
  Vocabulary v = tokenizer.vocabulary();
  Ordered config = {{"tokenizer_class", "LlamaTokenizer"}};
  put_names(config, tokenizer);
  config["legacy"] = rule.prefix != SpacePrefix::First;  // false: one space before the whole text
  put_added(config, tokenizer);
  write_file(folder + "/tokenizer.model", to_sentencepiece(v, rule));
  write_file(folder + "/tokenizer_config.json", dumped(config));
}

}  // namespace

void save_tokenizer(const Tokenizer& tokenizer, const std::string& folder) {
  if (auto* rule = std::get_if<SentencePieceRule>(&tokenizer.rule()))
    return save_sentencepiece(tokenizer, *rule, folder);
  Ordered config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  put_names(config, tokenizer);
  write_file(folder + "/tokenizer.json", tokenizer.to_tokenizer_json());
  write_file(folder + "/tokenizer_config.json", dumped(config));
}

}  // namespace galago
