// How language models stretch their rotary positions beyond the length of training: config.json and the metadata of
// GGUF files as fields of a DecoderConfig. For models/language.cc.
#pragma once

#include <string>

#include "models/language.h"

namespace galago {

// transformers 5 keeps what belongs to the rotation in the object rope_parameters; before, these were fields of their
// own. The config with these fields.
Json with_rope_fields(Json config);

// Reads rope_scaling, null or an object of the type linear, dynamic, longrope or llama3. The shape of heads and the
// trained length are known already. Throws InvalidInput naming the field, Unsupported for another type.
void read_rope_scaling(const Json& config, Language& language, const std::string& subject);

// rope_scaling of config.json, or null, from llama.cpp's keys and its tensors of factors. `arch` ends in a dot;
// `context` is the trained length.
Json rope_scaling_from_gguf(const GgufFile& file, const std::string& arch, int64_t context);

}  // namespace galago
