// Tokenizers in GGUF metadata (tokenizer.ggml.*), read and written.
#pragma once

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "text/tokenizer.h"

namespace galago {

Vocabulary read_vocabulary(const GgufFile& file);  // throws InvalidInput naming the key
Tokenizer read_tokenizer(const GgufFile& file);
void write_tokenizer(GgufWriter& writer, const Tokenizer& tokenizer);

}  // namespace galago
