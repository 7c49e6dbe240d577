// The language model inside every family: config.json of the decoders people have, as one Decoder, and the names of
// their weights in both dialects. A new architecture is one row of the table in language.cc.
//
// Sources: config classes and state dicts of huggingface/transformers; GGUF names of ggml-org/llama.cpp.
#pragma once

#include <string>

#include "models/config_reader.h"
#include "models/spec_list.h"
#include "nn/decoder.h"

namespace galago {

// How one architecture spells and packs its weights; all names without the block's prefix.
struct LanguageNames {
  enum class Packing { Separate, Stacked, Grouped };  // q, k, v: apart; q|k|v; (q.. k v) for every key head
  std::string_view token_embed, norm, head;           // of the whole model
  std::string_view block;                             // "model.layers.{}."
  std::string_view norm1, norm2;
  Packing packing = Packing::Separate;
  std::string_view q, k, v, qkv, proj;  // q, k, v or qkv
  std::string_view q_norm, k_norm;
  std::string_view gate, up, down;  // fc1 is `up` and fc2 `down` where there is no gate
  bool interleaved = false;         // rows of q and k ordered for rotation of neighbours (llama.cpp)
  std::string_view q_a, q_a_norm, q_b, kv_a, kv_a_norm, kv_b;  // of latent attention
};

struct Language {
  DecoderConfig decoder;
  std::string type;  // model_type: "minicpm", "llama", "qwen2" ...
  const LanguageNames* names = nullptr;
  const LanguageNames* gguf_names = nullptr;
  int max_context = 0;  // with dynamic NTK that many times more than was trained as its factor says
  bool tied = false;
  bool qkv_bias = false, proj_bias = false, mlp_bias = false, head_bias = false;
};

// `config` is config.json of the text model, or of a family that keeps its fields at the top. Throws InvalidInput
// naming the field, Unsupported for an architecture that is not in the table.
Language read_language(const Json& config, const std::string& subject);
bool is_language(const Json& config);  // its model_type is in the table

// The weights "text.*"; `prefix` stands before every name of the reference ("llm.").
void language_rows(SpecList& rows, const Language& language, Dialect dialect, const std::string& prefix);

// config.json as it would have been, from the metadata of a llama.cpp text model. Null Json for an architecture that is
// not in the table.
Json language_config_from_gguf(const GgufFile& file);

// The config with its field "chat_template_name" (a row of text/chat_template.cc), where it has none and the stored
// template `jinja` is known. Configs of other families are left alone.
Json with_chat_template(Json config, std::string_view jinja);

CacheSpec cache_of(const Language& language);

// Row orders for StoredAs::rows. Where row i of q, k or v lies in a matrix packed as (q_per_kv queries, key, value) for
// every key head.
std::vector<int32_t> grouped_rows(char which, int n_heads, int n_kv_heads, int d_head);
// Where row i lies when the halves of every head are interleaved; `rows` first picks them (empty: all).
std::vector<int32_t> interleaved_rows(int n_heads, int d_head);

}  // namespace galago
