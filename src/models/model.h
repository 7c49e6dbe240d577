// A Model is one configured network: it lists its weights, says how a picture and a prompt become its input, and builds
// its graph. It holds no weights and never runs. Families are the rows of models.def; each is one file in this folder.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "image/preprocess.h"
#include "image/slicing.h"
#include "nn/decoder.h"
#include "text/tokenizer.h"

namespace galago {

// One weight under its canonical name (the name the graph uses) and how the reference's files spell it. Reading,
// writing, shape checks, random models and initialisation before training all follow from these rows.
struct WeightSpec {
  std::string name;
  Shape shape;
  float init_std = 0;  // > 0: N(0, init_std); 0: `init_value` everywhere
  float init_value = 0;
  // Tensors of a reference checkpoint, stacked along the first axis.
  std::vector<std::string> parts;
  std::vector<int64_t> part_rows = {};    // first dimension of each part; empty: all equal
  std::vector<std::string> aliases = {};  // other spellings of a weight with one part (tied weights)
  bool optional = false;
  bool quantizable = false;  // a matrix that `linear` or `gather` reads

  Shape part_shape(int part) const;
};

// How a picture becomes the pixels of encode_image.
struct PictureSpec {
  std::string policy = "square";  // a row of image/slicing.def
  SliceOptions slice;             // tile: pixels a side of one tile
  Rgb mean = {0, 0, 0};
  Rgb std = {1, 1, 1};
  int tokens_per_tile = 1;
};

// The geometry of one key/value cache layer.
struct CacheSpec {
  int n_layers = 0, n_kv_heads = 0, d_head = 0, max_context = 0;
};

// A prompt in reading order: runs of token ids, and places where the embeddings of one picture tile go.
struct PromptPiece {
  std::vector<int32_t> ids;
  int picture = -1;  // >= 0: index of the picture; `tile` of it
  int tile = 0;
};

// How many tiles a picture was cut into: rows x cols, after a global view if there is one.
struct TileGrid {
  int rows = 1, cols = 1;
  bool global_first = false;
  int n_tiles() const { return rows * cols + (global_first ? 1 : 0); }
};

struct SamplingDefaults {
  float temperature = 0;
  int top_k = 0;
  float top_p = 1;
  int max_new_tokens = 128;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual std::string_view family() const = 0;
  virtual const Json& config() const = 0;  // as in config.json; enough to make the same model again
  virtual std::vector<WeightSpec> weights() const = 0;
  virtual PictureSpec pictures() const = 0;
  virtual CacheSpec cache() const = 0;
  virtual int n_vocab() const = 0;
  virtual int d_model() const = 0;  // width of token embeddings

  // pixels [N, 3, S, S] -> [N, tokens_per_tile, d_model].
  virtual Value encode_image(const Scope& s, Value pixels) const = 0;
  virtual Value embed(const Scope& s, Value ids) const = 0;  // i32 [B, T] -> [B, T, d_model]
  // embeddings [B, T, d_model] -> hidden states ready for logits().
  virtual Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const = 0;
  virtual Value logits(const Scope& s, Value hidden) const = 0;  // [B, T, d_model] -> [B, T, n_vocab]

  // The user's text and the tiles of each picture as input of the network.
  virtual std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, std::string_view text,
                                          std::span<const TileGrid> pictures) const = 0;
  virtual SamplingDefaults sampling() const { return {}; }
};

// A row of models.def.
struct Family {
  std::string_view name;   // "nanovlms"
  std::string_view title;  // "NanoVLMs (arXiv 2502.07838)"
  bool (*recognises)(const Json& config);
  std::unique_ptr<Model> (*make)(const Json& config);  // throws InvalidInput naming the field
  Json (*preset)(std::string_view size);               // config of a published or tiny size; null Json if unknown
  std::vector<std::string_view> (*presets)();
};

std::span<const Family> all_families();
const Family* find_family(std::string_view name);
std::unique_ptr<Model> make_model(const Json& config, const std::string& subject);  // throws Unsupported
int64_t count_parameters(const Model& model);                                       // optional weights not counted

}  // namespace galago
