// A Model is one configured network: it lists its weights, says how a picture and a prompt become its input, and builds
// its graph. It holds no weights and never runs. Families are the rows of models.def; each is one file in this folder.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "image/preprocess.h"
#include "image/slicing.h"
#include "nn/decoder.h"
#include "text/tokenizer.h"

namespace galago {

// How a checkpoint was written: names, orders of rows and folded factors differ.
enum class Dialect {
  HuggingFace,  // the reference's own names
  LlamaCpp,     // GGUF of llama.cpp: blk.0.attn_q.weight, v.blk.0.ln1.weight ...
};

// Where a checkpoint keeps one weight.
struct StoredAs {
  std::vector<std::string> parts;       // tensors, stacked along the first axis
  std::vector<int64_t> part_rows = {};  // first dimension of each part; empty: all equal
  // Row i of the weight is row rows[i] of the `stored_rows` stacked ones; empty: all, in order. Weights may share a
  // part.
  std::vector<int32_t> rows = {};
  int64_t stored_rows = 0;
  bool transposed = false;  // a matrix stored as [cols, rows]
  float scale = 1;          // stored value = scale * value
};

// One weight under its canonical name (the name the graph uses) and how a dialect spells it. Reading, writing, shape
// checks, random models and initialisation before training all follow from these rows.
struct WeightSpec {
  std::string name;
  Shape shape;
  float init_std = 0;  // > 0: N(0, init_std); 0: `init_value` everywhere
  float init_value = 0;
  StoredAs stored;                       // as it is written
  std::vector<StoredAs> otherwise = {};  // as it may be found too: tied weights, older layouts
  bool optional = false;
  bool quantizable = false;  // a matrix that `linear` or `gather` reads

  Shape part_shape(const StoredAs& as, size_t part) const;  // dimensions of size 1 may be there or not
};

// How a picture becomes the pixels of encode_image.
struct PictureSpec {
  std::string policy = "square";  // a row of image/slicing.def; empty: the model takes no pictures
  SliceOptions slice;             // tile: pixels a side of one tile
  Rgb mean = {0, 0, 0};
  Rgb std = {1, 1, 1};
  int tokens_per_tile = 1;
};

// The geometry of one key/value cache layer.
struct CacheSpec {
  int n_layers = 0, n_kv_heads = 0, d_head = 0, max_context = 0;
  int d_value = 0;  // width of a value head where it differs from a key head's
  // Keys are turned by a table of positions. In contexts of more than this many tokens it is another one (longrope), or
  // with `table_grows` one of each length's own (dynamic NTK). 0: all contexts have the same.
  int table_until = 0;
  bool table_grows = false;
  // Whether keys of a context of n tokens stand in one of `other` as if they had been made there.
  bool same_table(int64_t n, int64_t other) const;
};

// A prompt in reading order: runs of token ids, then rows of one picture. The rows of a picture are those of its tiles
// in order, tokens_per_tile each, and behind them Model::extra_rows().
struct PromptPiece {
  std::vector<int32_t> ids;
  int picture = -1;  // >= 0: index among the pictures of the turn
  std::vector<int32_t> rows;
};

// What the user says in one turn: words and pictures in any order.
struct TurnPart {
  std::string text;
  const SlicePlan* picture = nullptr;  // instead of text
  bool is_frame = false;               // the picture is one of a video: it has no number of its own
};

struct UserTurn {
  std::span<const TurnPart> parts;
  int index = 0;                 // 0: the conversation begins
  int n_pictures_before = 0;     // in earlier turns
  std::string_view system = {};  // empty: the family's own
};

// Rows of a picture that are scored before the prompt is run, so that the least important ones are left out
// (Mini-Monkey's SCM).
struct TokenPruning {
  int n_candidates = 0;    // the first rows of the picture; 0: none is left out
  int n_kept = 0;          // of them
  bool drop_next = false;  // and the row behind them goes too
};

struct SamplingDefaults {
  float temperature = 0;
  int top_k = 0;
  float top_p = 1;
  float repeat_penalty = 1;
  int max_new_tokens = 128;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual std::string_view family() const = 0;
  virtual const Json& config() const = 0;  // as in config.json; enough to make the same model again
  // Throws Unsupported for a dialect in which this family is never written.
  virtual std::vector<WeightSpec> weights(Dialect dialect) const = 0;
  std::vector<WeightSpec> weights() const { return weights(Dialect::HuggingFace); }
  virtual PictureSpec pictures() const = 0;
  virtual CacheSpec cache() const = 0;
  virtual int n_vocab() const = 0;
  virtual int d_model() const = 0;  // width of token embeddings

  // The tiles of one view: pixels [N, 3, h, w] -> [N, tokens_per_tile, d_model].
  virtual Value encode_image(const Scope& s, Value pixels) const = 0;
  virtual Value extra_rows(const Scope&) const { return {}; }  // [n, d_model]: separators and the like; invalid: none
  virtual Value embed(const Scope& s, Value ids) const = 0;    // i32 [B, T] -> [B, T, d_model]
  // embeddings [B, T, d_model] -> hidden states ready for logits().
  virtual Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const = 0;
  virtual Value logits(const Scope& s, Value hidden) const = 0;  // [B, T, d_model] -> [B, T, n_vocab]

  // One turn of the user as input of the network, up to where the answer begins; from the second turn on with what
  // closes the answer before it.
  virtual std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const = 0;
  virtual TokenPruning pruning(const SlicePlan&) const { return {}; }
  // Scores [n] of places first .. first + n - 1 of a whole prompt x [1, T, d]; only for models that prune.
  virtual Value importance(const Scope& s, Value x, const PositionInfo& at, int64_t first, int64_t n) const;
  virtual SamplingDefaults sampling() const { return {}; }
  virtual std::vector<std::string> stop_strings() const { return {}; }  // end an answer, like an end token
  // Control tokens with the last rows of the vocabulary, in the order of their ids. The published tokenizer need not
  // have them: they are added when it is read.
  virtual std::vector<std::string> extra_tokens() const { return {}; }
};

// A tensor that is made when it is written, so that no more than one has to be in memory.
struct TensorToWrite {
  std::string name;  // in the reference
  DType dtype;
  Shape shape;
  std::function<Tensor()> make;  // called once; must return this dtype and shape
};

// What a folder of several files holds that are not one set of weights under a config.json.
struct FolderParts {
  Json config;
  std::shared_ptr<const WeightSource> weights;  // in the reference's names
  std::string tokenizer;                        // folder where its files may be
};

// A row of models.def.
struct Family {
  std::string_view name;   // "nanovlms"
  std::string_view title;  // "NanoVLMs (arXiv 2502.07838)"
  bool (*recognises)(const Json& config);
  std::unique_ptr<Model> (*make)(const Json& config);  // throws InvalidInput naming the field
  Json (*preset)(std::string_view size);               // config of a published or tiny size; null Json if unknown
  std::vector<std::string_view> (*presets)();
  // Control tokens of a tokenizer that the prompts of this family need. Null: none.
  std::vector<std::string_view> (*control_tokens)() = nullptr;
  // Where the config says how many hidden channels the blocks of the vision tower have (a JSON pointer), if they may be
  // more than published: quantizing adds some that are 0 (quant/widen.h).
  const char* vision_width = nullptr;
  // The config behind llama.cpp's files: a text model and, or null, its vision partner. Null Json: not this family.
  Json (*from_gguf)(const GgufFile& text, const GgufFile* vision) = nullptr;
  // For a family that is published as several files of different origin: reads such a folder (nothing: it is none), and
  // writes one from the tensors of the reference.
  std::optional<FolderParts> (*open)(const std::string& folder) = nullptr;
  void (*save)(const std::string& folder, const Model& model, std::vector<TensorToWrite> tensors) = nullptr;
};

// For weights(): throws Unsupported unless the dialect is the reference's own.
void require_reference_names(Dialect dialect, std::string_view family);

std::span<const Family> all_families();
const Family* find_family(std::string_view name);
std::vector<std::string> prompt_tokens(const Model& model);  // all that a tokenizer made for it must have
std::unique_ptr<Model> make_model(const Json& config, const std::string& subject);  // throws Unsupported
int64_t count_parameters(const Model& model);                                       // optional weights not counted

}  // namespace galago
