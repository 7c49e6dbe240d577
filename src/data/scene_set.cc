#include "data/scene_set.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/thread_pool.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

constexpr int kFormatVersion = 1;
constexpr int64_t kMaxPictures = 10'000'000;
constexpr int64_t kBatch = 2048;  // lines held in memory at once
constexpr int64_t kPerFolder = 1000;

void check_options(const SceneSetOptions& options) {
  for (int64_t count : options.counts) {
    if (count < 0 || count > kMaxPictures) {
      throw invalid_input("data scenes: {} pictures asked for, expected 0 to {} a split", count, kMaxPictures);
    }
  }
  if (options.styles.empty()) throw invalid_input("data scenes: no style asked for; give short, long or both");
  if (options.threads < 0) throw invalid_input("data scenes: {} threads, expected 0 or more", options.threads);
}

// What must be equal for a run to go on where an earlier one stopped.
Json options_to_json(const SceneSetOptions& options) {
  Json counts, styles = Json::array();
  for (int s = 0; s < kSplits; ++s)
    counts[std::string(split_name(static_cast<Split>(s)))] = options.counts[static_cast<size_t>(s)];
  for (Style style : options.styles) styles.push_back(style_name(style));
  return {{"seed", options.scenes.seed}, {"size", options.scenes.size}, {"styles", styles}, {"counts", counts}};
}

void begin_or_resume(const std::string& out_dir, const Json& options) {
  std::error_code error;
  fs::create_directories(out_dir, error);
  if (error)
    throw io_error("{}: cannot make this folder ({}); choose a place you may write to", out_dir, error.message());
  std::string index = out_dir + "/scenes.json";
  if (fs::exists(index)) {
    Json there = read_json(index);
    if (there.is_object() && there.value("format", 0) == kFormatVersion && there.value("options", Json()) == options)
      return;
    throw invalid_input("{}: holds scenes made with other options; choose an empty folder, or remove it first",
                        out_dir);
  }
  write_file(index, Json{{"format", kFormatVersion}, {"options", options}, {"complete", false}}.dump(1) + "\n");
}

std::string image_name(Split split, int64_t index) {
  return fmt::format("images/{}/{:03}/{:06}.jpg", split_name(split), index / kPerFolder, index);
}

// Renamed into place, so a file that is there is whole; no sync, since scenes.json says when a set is complete.
void write_picture(const std::string& path, const std::vector<std::byte>& bytes) {
  std::string temporary = path + ".part";
  std::ofstream out(temporary, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  std::error_code error;
  if (out) fs::rename(temporary, path, error);
  if (!out || error) throw io_error("{}: cannot write; check the free space and the rights of the folder", path);
}

class SetWriter {
 public:
  SetWriter(std::string out_dir, const SceneSetOptions& options, const SceneProgress& progress)
      : out_dir_(std::move(out_dir)),
        options_(options),
        progress_(progress),
        source_(options.scenes),
        pool_(options.threads) {
    for (int64_t count : options.counts) total_ += count;
  }

  SceneSetReport run() {
    for (int s = 0; s < kSplits; ++s) write_split(static_cast<Split>(s));
    report_.already_there = already_there_;
    report_.outside_length = outside_length_;
    return report_;
  }

 private:
  void write_split(Split split) {
    int64_t count = options_.counts[static_cast<size_t>(split)];
    AtomicFile lines(fmt::format("{}/{}.jsonl", out_dir_, split_name(split)));
    std::vector<std::string> batch;
    for (int64_t begin = 0; begin < count; begin += kBatch) {
      int64_t n = std::min(kBatch, count - begin);
      make_folders(split, begin, begin + n);
      batch.assign(static_cast<size_t>(n), {});
      pool_.parallel_for(n, 16, [&](int64_t low, int64_t high) {
        for (int64_t i = low; i < high; ++i) batch[static_cast<size_t>(i)] = write_one(split, begin + i);
      });
      for (const std::string& line : batch) lines.write(line);
      report_.pictures += n;
      report_.texts += n * static_cast<int64_t>(options_.styles.size());
      if (progress_) progress_(report_.pictures, total_);
    }
    lines.commit();
  }

  void make_folders(Split split, int64_t begin, int64_t end) {
    for (int64_t i = begin / kPerFolder * kPerFolder; i < end; i += kPerFolder) {
      fs::create_directories(fs::path(out_dir_ + "/" + image_name(split, i)).parent_path());
    }
  }

  // The picture's file, and its lines as returned text.
  std::string write_one(Split split, int64_t index) {
    Scene scene = source_.scene(split, index);
    std::string name = image_name(split, index), path = out_dir_ + "/" + name, lines;
    if (fs::exists(path)) {
      ++already_there_;
    } else {
      write_picture(path, source_.jpeg(scene));
    }
    for (Style style : options_.styles) {
      std::string text = source_.text(scene, style);
      outside_length_ += !keeps_rule(text, style);
      lines +=
          Json{{"image", name}, {"text", text}, {"style", style_name(style)}, {"scene", scene_to_json(scene)}}.dump() +
          "\n";
    }
    return lines;
  }

  std::string out_dir_;
  const SceneSetOptions& options_;
  const SceneProgress& progress_;
  SceneSource source_;
  ThreadPool pool_;
  int64_t total_ = 0;
  std::atomic<int64_t> already_there_{0}, outside_length_{0};
  SceneSetReport report_;
};

}  // namespace

SceneSource::SceneSource(SceneOptions options) : options_(std::move(options)) {
  if (options_.size < kMinSceneSize || options_.size > kMaxSceneSize) {
    throw invalid_input("scene size {}: expected {} to {} pixels", options_.size, kMinSceneSize, kMaxSceneSize);
  }
  book_ = std::make_unique<GlyphBook>(options_.font);
}

std::string SceneSource::text(const Scene& scene) const { return text(scene, options_.style); }

std::string SceneSource::text(const Scene& scene, Style style) const {
  Rng rng(splitmix64(scene.seed ^ splitmix64(0x74657874 + static_cast<uint64_t>(style))));
  return describe(scene, style, rng);
}

Sample SceneSource::sample(Split split, int64_t index) const {
  Sample sample;
  sample.scene = scene(split, index);
  sample.text = text(sample.scene);
  sample.image = image(sample.scene);
  return sample;
}

SceneSetReport write_scenes(const std::string& out_dir, const SceneSetOptions& options, const SceneProgress& progress) {
  check_options(options);
  Json description = options_to_json(options);
  begin_or_resume(out_dir, description);
  SceneSetReport report = SetWriter(out_dir, options, progress).run();
  Json index = {{"format", kFormatVersion},
                {"options", description},
                {"complete", true},
                {"texts", report.texts},
                {"outside_length", report.outside_length}};
  write_file(out_dir + "/scenes.json", index.dump(1) + "\n");
  return report;
}

}  // namespace galago
