#include "text/tokenizer_extra.h"

#include <algorithm>
#include <array>

#include "text/json_place.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

using Ordered = nlohmann::ordered_json;

constexpr std::array<const char*, 3> kPrefixNames = {"never", "first", "always"};

SpacePrefix prefix_from(const std::string& name, const std::string& subject) {
  auto found = std::ranges::find(kPrefixNames, name);
  if (found == kPrefixNames.end())
    throw invalid_input("{}: space_prefix is \"{}\", expected never, first or always", subject, name);
  return static_cast<SpacePrefix>(found - kPrefixNames.begin());
}

struct WordPieceFlag {
  const char* key;
  bool WordPieceRule::*flag;
};
constexpr WordPieceFlag kWordPieceFlags[] = {{"clean_text", &WordPieceRule::clean_text},
                                             {"split_cjk", &WordPieceRule::split_cjk},
                                             {"strip_accents", &WordPieceRule::strip_accents},
                                             {"lowercase", &WordPieceRule::lowercase}};

void read_rule(SentencePieceRule& rule, const Place& extra) {
  if (extra.member("space_prefix")) rule.prefix = prefix_from(extra.string("space_prefix"), extra.name);
  rule.byte_fallback = extra.flag("byte_fallback", rule.byte_fallback);
}
void read_rule(WordPieceRule& rule, const Place& extra) {
  if (!extra.member("word_piece")) return;
  for (const WordPieceFlag& row : kWordPieceFlags)
    rule.*row.flag = extra.at("word_piece").flag(row.key, rule.*row.flag);
}
void read_rule(ByteLevelRule&, const Place&) {}
void read_rule(CharBpeRule&, const Place&) {}  // these files hold a whole tokenizer.json

void write_rule(const SentencePieceRule& rule, const SentencePieceRule& plain, Ordered& out) {
  if (rule.prefix != plain.prefix) out["space_prefix"] = kPrefixNames[static_cast<size_t>(rule.prefix)];
  if (rule.byte_fallback != plain.byte_fallback) out["byte_fallback"] = rule.byte_fallback;
}
void write_rule(const WordPieceRule& rule, const WordPieceRule& plain, Ordered& out) {
  if (rule == plain) return;
  for (const WordPieceFlag& row : kWordPieceFlags) out["word_piece"][row.key] = rule.*row.flag;
}
void write_rule(const ByteLevelRule&, const ByteLevelRule&, Ordered&) {}
void write_rule(const CharBpeRule&, const CharBpeRule&, Ordered&) {}

bool same(std::vector<AddedToken> a, std::vector<AddedToken> b) {
  std::ranges::sort(a, {}, &AddedToken::id);
  std::ranges::sort(b, {}, &AddedToken::id);
  return a == b;
}

}  // namespace

std::vector<AddedToken> added_from_json(const Json& json, const char* key, size_t n_tokens,
                                        const std::string& subject) {
  std::vector<AddedToken> added;
  auto items = Place{json, subject}.list(key);
  for (const Place& item : items) {
    AddedToken t;
    t.id = checked_token_id(item.at("id").json, n_tokens + items.size(), item.name + ".id");
    t.content = item.string("content");
    t.special = item.flag("special");
    t.normalized = item.flag("normalized", !t.special);
    t.lstrip = item.flag("lstrip"), t.rstrip = item.flag("rstrip"), t.single_word = item.flag("single_word");
    added.push_back(std::move(t));
  }
  return added;
}

Ordered added_to_json(const std::vector<AddedToken>& added) {
  Ordered list = Ordered::array();
  for (const AddedToken& t : added) {
    list.push_back({{"id", t.id},
                    {"content", t.content},
                    {"single_word", t.single_word},
                    {"lstrip", t.lstrip},
                    {"rstrip", t.rstrip},
                    {"normalized", t.normalized},
                    {"special", t.special}});
  }
  return list;
}

void apply_extra(TokenizerParts& parts, const std::string& subject) {
  if (parts.vocabulary.extra_json.empty()) return;
  std::string name = subject + ": galago.tokenizer";
  Json json = parse_json(parts.vocabulary.extra_json, name);
  Place extra{json, name};
  extra.object();
  std::visit([&](auto& rule) { read_rule(rule, extra); }, parts.rule);
  if (extra.member("added")) parts.added = added_from_json(json, "added", parts.vocabulary.tokens.size(), name);
}

std::string make_extra(const TokenizerRule& rule, const std::vector<AddedToken>& added, const TokenizerParts& plain) {
  Ordered out = Ordered::object();
  std::visit([&]<class Rule>(const Rule& own) { write_rule(own, std::get<Rule>(plain.rule), out); }, rule);
  if (!same(added, plain.added)) out["added"] = added_to_json(added);
  return out.empty() ? std::string() : out.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

}  // namespace galago
