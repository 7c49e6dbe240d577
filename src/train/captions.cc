#include "train/captions.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "data/scene_list.h"
#include "data/scene_set.h"
#include "runtime/picture.h"

namespace galago {
namespace {

constexpr int64_t kTextStep = 4;  // texts are padded to a multiple of this
constexpr int32_t kNoTarget = -100;

class PaintedScenes final : public CaptionSource {
 public:
  PaintedScenes(const DataRecipe& recipe, int picture_size)
      : recipe_(recipe), scenes_({.seed = recipe.seed, .size = picture_size}) {}

  CaptionItem item(Split split, int64_t index, const std::string& style) const override {
    Scene scene = scenes_.scene(split, index);
    return {scenes_.image(scene), words(scene, style)};
  }
  std::string text(Split split, int64_t index, const std::string& style) const override {
    return words(scenes_.scene(split, index), style);
  }
  int64_t size(Split split) const override {
    if (split != Split::Train) return recipe_.validation_size;
    return recipe_.train_size > 0 ? recipe_.train_size : INT64_MAX;
  }

 private:
  std::string words(const Scene& scene, const std::string& style) const {
    return style == "list" ? list_caption(scene) : scenes_.text(scene, style_from_name(style));
  }
  DataRecipe recipe_;
  SceneSource scenes_;
};

// A folder of `galago data`: SPLIT.jsonl with fields image, text, style.
class CaptionFolder final : public CaptionSource {
 public:
  explicit CaptionFolder(const DataRecipe& recipe) : folder_(recipe.folder) {
    for (Split split : {Split::Train, Split::Validation}) read(split);
  }

  CaptionItem item(Split split, int64_t index, const std::string& style) const override {
    const Row& row = find(split, index, style);
    return {load_image(folder_ + "/" + row.image), row.text};
  }
  std::string text(Split split, int64_t index, const std::string& style) const override {
    return find(split, index, style).text;
  }
  int64_t size(Split split) const override {
    int64_t n = 0;
    for (auto& [style, rows] : rows_[static_cast<size_t>(split)]) n = std::max<int64_t>(n, std::ssize(rows));
    return n;
  }

 private:
  struct Row {
    std::string image, text;
  };

  void read(Split split) {
    std::string path = fmt::format("{}/{}.jsonl", folder_, split_name(split));
    std::string lines = read_file(path, 4ull << 30);
    int64_t number = 0;
    for (size_t at = 0; at < lines.size(); ++number) {
      size_t end = std::min(lines.find('\n', at), lines.size());
      if (end > at)
        add(split, parse_json(std::string_view(lines).substr(at, end - at), fmt::format("{}:{}", path, number + 1)),
            path);
      at = end + 1;
    }
  }

  void add(Split split, const Json& json, const std::string& path) {
    for (const char* field : {"image", "text"})
      if (!json.contains(field) || !json[field].is_string())
        throw invalid_input("{}: a line has no string \"{}\"", path, field);
    rows_[static_cast<size_t>(split)][json.value("style", "short")].push_back(
        {json["image"].get<std::string>(), json["text"].get<std::string>()});
  }

  const Row& find(Split split, int64_t index, const std::string& style) const {
    const auto& styles = rows_[static_cast<size_t>(split)];
    auto found = styles.find(style);
    if (found == styles.end()) throw not_found("{}: no texts of style \"{}\" in {}", folder_, style, split_name(split));
    return found->second[static_cast<size_t>(index) % found->second.size()];
  }

  std::string folder_;
  std::map<std::string, std::vector<Row>> rows_[kSplits];
};

}  // namespace

std::unique_ptr<CaptionSource> make_caption_source(const DataRecipe& recipe, int picture_size) {
  if (recipe.folder.empty()) return std::make_unique<PaintedScenes>(recipe, picture_size);
  return std::make_unique<CaptionFolder>(recipe);
}

CaptionBatches::CaptionBatches(std::shared_ptr<const CaptionSource> source, std::shared_ptr<const Model> model,
                               std::shared_ptr<const Tokenizer> tokenizer, int batch)
    : source_(std::move(source)), model_(std::move(model)), tokenizer_(std::move(tokenizer)), batch_(batch) {
  const SpecialIds& ids = tokenizer_->special_ids();
  if (!ids.bos || !ids.eos) throw invalid_input("the tokenizer has no <bos> or no <eos>, which captions need");
}

CaptionBatch CaptionBatches::get(Split split, int64_t n, const std::string& style) {
  Request wanted{split, n, style};
  CaptionBatch batch = next_.valid() && ahead_ == wanted ? next_.get() : make(split, n, style);
  if (next_.valid()) next_.wait();
  ahead_ = {split, n + 1, style};
  next_ = std::async(std::launch::async, [this, ahead = ahead_] { return make(ahead.split, ahead.n, ahead.style); });
  return batch;
}

CaptionBatch CaptionBatches::make(Split split, int64_t n, const std::string& style) const {
  PictureSpec spec = model_->pictures();
  int64_t side = spec.slice.tile;
  CaptionBatch batch;
  Tensor pixels = Tensor::make(DType::F32, {batch_, 3, side, side});
  std::vector<std::vector<int32_t>> texts;
  for (int i = 0; i < batch_; ++i) {
    CaptionItem item = source_->item(split, (n * batch_ + i) % source_->size(split), style);
    PreparedPicture picture = prepare_picture(item.image, spec);
    CHECK(picture.plan.n_tiles() == 1, "captions are trained on one tile a picture");
    std::memcpy(pixels.rows(i, i + 1).bytes(), picture.views[0].bytes(), picture.views[0].n_bytes());
    texts.push_back(tokenizer_->encode(item.text));
    batch.n_text = std::max<int64_t>(batch.n_text, std::ssize(texts.back()) + 1);
  }
  batch.n_text = (batch.n_text + kTextStep - 1) / kTextStep * kTextStep;
  const SpecialIds& special = tokenizer_->special_ids();
  Tensor ids = Tensor::make(DType::I32, {batch_, batch.n_text});
  Tensor targets = Tensor::make(DType::I32, {batch_, batch.n_text});
  std::fill(ids.i32().begin(), ids.i32().end(), special.pad.value_or(*special.eos));
  std::fill(targets.i32().begin(), targets.i32().end(), kNoTarget);
  for (int i = 0; i < batch_; ++i) {
    auto row_ids = ids.i32().begin() + i * batch.n_text, row_targets = targets.i32().begin() + i * batch.n_text;
    row_ids[0] = *special.bos;
    std::copy(texts[i].begin(), texts[i].end(), row_ids + 1);
    std::copy(texts[i].begin(), texts[i].end(), row_targets);
    row_targets[std::ssize(texts[i])] = *special.eos;
  }
  Tensor positions = Tensor::make(DType::I32, {spec.tokens_per_tile + batch.n_text});
  std::iota(positions.i32().begin(), positions.i32().end(), 0);
  batch.inputs = {{"pixels", pixels}, {"ids", ids}, {"targets", targets}, {"positions", positions}};
  return batch;
}

}  // namespace galago
