#include "eval/scene_items.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "data/scene_list.h"
#include "data/scene_set.h"

namespace galago {
namespace {

constexpr uint64_t kMaxIndexBytes = 4ull << 30;
constexpr std::string_view kList = "list";

void check_style(const std::string& style) {
  if (style != kList && style != "short" && style != "long")
    throw usage_error("--style {}: expected short, long or list", style);
}

class PaintedItems final : public SceneItems {
 public:
  explicit PaintedItems(const SceneItemOptions& o)
      : o_(o), source_({.seed = o.seed, .size = std::clamp(o.picture_size, kMinSceneSize, kMaxSceneSize)}) {}

  int64_t size() const override { return o_.count; }

  SceneItem item(int64_t i) const override {
    Scene scene = source_.scene(o_.split, i);
    return {i, "", source_.image(scene), words(scene), scene};
  }

  std::vector<std::string> training_texts(int64_t n) const override {
    std::vector<std::string> texts;
    for (int64_t i = 0; i < n; ++i) texts.push_back(words(source_.scene(Split::Train, i)));
    return texts;
  }

 private:
  std::string words(const Scene& scene) const {
    return o_.style == kList ? list_caption(scene) : source_.text(scene, style_from_name(o_.style));
  }
  SceneItemOptions o_;
  SceneSource source_;
};

// Calls visit(json) for each line until it returns false.
void each_line(const std::string& path, const std::function<bool(const Json&)>& visit) {
  std::string lines = read_file(path, kMaxIndexBytes);
  int64_t number = 1;
  for (size_t at = 0; at < lines.size(); ++number) {
    size_t end = std::min(lines.find('\n', at), lines.size());
    if (end > at) {
      std::string subject = fmt::format("{}:{}", path, number);
      Json json = parse_json(std::string_view(lines).substr(at, end - at), subject);
      if (!json.is_object() || !json.contains("image") || !json["image"].is_string() || !json.contains("text") ||
          !json["text"].is_string() || !json.contains("scene"))
        throw invalid_input("{}: expected an object with image, text and scene, as `galago data scenes` writes it",
                            subject);
      if (!visit(json)) return;
    }
    at = end + 1;
  }
}

class FolderItems final : public SceneItems {
 public:
  explicit FolderItems(const SceneItemOptions& o) : o_(o) {
    std::string path = index_path(o.split);
    each_line(path, [&](const Json& json) {
      if (std::ssize(rows_) == o_.count) return false;
      if (wanted(json)) rows_.push_back({json["image"], words(json), scene_from_json(json["scene"])});
      return true;
    });
    if (rows_.empty()) throw invalid_input("{}: no line of style {}; choose another --style", path, o.style);
  }

  int64_t size() const override { return std::ssize(rows_); }

  SceneItem item(int64_t i) const override {
    const Row& row = rows_[static_cast<size_t>(i)];
    return {row.scene.index, row.image, load_image(o_.folder + "/" + row.image), row.text, row.scene};
  }

  std::vector<std::string> training_texts(int64_t n) const override {
    std::vector<std::string> texts;
    std::string path = index_path(Split::Train);
    if (n == 0 || !std::filesystem::exists(path)) return texts;
    each_line(path, [&](const Json& json) {
      if (is_style(json)) texts.push_back(words(json));
      return std::ssize(texts) < n;
    });
    return texts;
  }

 private:
  struct Row {
    std::string image, text;
    Scene scene;
  };

  std::string index_path(Split split) const { return fmt::format("{}/{}.jsonl", o_.folder, split_name(split)); }

  bool is_style(const Json& json) const { return o_.style == kList || json.value("style", o_.style) == o_.style; }

  // A folder may hold several lines a picture, one a style; `list` takes each picture once.
  bool wanted(const Json& json) { return is_style(json) && seen_.insert(json["image"].get<std::string>()).second; }

  std::string words(const Json& json) const {
    return o_.style == kList ? list_caption(scene_from_json(json["scene"])) : json["text"].get<std::string>();
  }

  SceneItemOptions o_;
  std::vector<Row> rows_;
  std::set<std::string> seen_;
};

}  // namespace

std::unique_ptr<SceneItems> make_scene_items(const SceneItemOptions& options) {
  check_style(options.style);
  if (options.count < 1) throw usage_error("--count {}: expected 1 or more", options.count);
  if (options.folder.empty()) return std::make_unique<PaintedItems>(options);
  return std::make_unique<FolderItems>(options);
}

}  // namespace galago
