// Batches of pictures with their descriptions for a caption model. A batch depends only on its number, so a resumed run
// sees the same data; one thread prepares the next batch while the current one is trained on.
#pragma once

#include <future>
#include <map>
#include <memory>
#include <string>

#include "data/scene.h"
#include "models/model.h"
#include "train/recipe.h"

namespace galago {

struct CaptionItem {
  Image image;
  std::string text;
};

// Where captions come from: painted scenes, or a folder written by `galago data`. Thread-safe.
class CaptionSource {
 public:
  virtual ~CaptionSource() = default;
  virtual CaptionItem item(Split split, int64_t index, const std::string& style) const = 0;
  virtual std::string text(Split split, int64_t index, const std::string& style) const = 0;  // without the picture
  virtual int64_t size(Split split) const = 0;
};
std::unique_ptr<CaptionSource> make_caption_source(const DataRecipe& recipe, int picture_size);

struct CaptionBatch {
  int64_t n_text = 0;                    // T: the longest text, rounded up so that few graph shapes occur
  std::map<std::string, Tensor> inputs;  // pixels, ids, targets, positions: as loss_graph() wants them
};

class CaptionBatches {
 public:
  CaptionBatches(std::shared_ptr<const CaptionSource> source, std::shared_ptr<const Model> model,
                 std::shared_ptr<const Tokenizer> tokenizer, int batch);
  // Batch number n of a split and style; starts preparing n + 1.
  CaptionBatch get(Split split, int64_t n, const std::string& style);
  int64_t batches(Split split) const { return source_->size(split) / batch_; }

 private:
  CaptionBatch make(Split split, int64_t n, const std::string& style) const;
  struct Request {
    Split split = Split::Train;
    int64_t n = -1;
    std::string style;
    bool operator==(const Request&) const = default;
  };
  std::shared_ptr<const CaptionSource> source_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  int batch_;
  Request ahead_;
  std::future<CaptionBatch> next_;
};

}  // namespace galago
