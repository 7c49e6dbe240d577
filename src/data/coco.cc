#include "data/coco.h"

#include <filesystem>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace galago {
namespace {

constexpr uint64_t kMaxBytes = 1ull << 30;  // captions_train2017.json has 92 MB
constexpr size_t kMaxCaptions = 20;         // what data/teacher.h takes

const Json& list(const Json& root, const char* field, const std::string& path) {
  if (!root.is_object() || !root.contains(field) || !root[field].is_array())
    throw invalid_input("{}: no list \"{}\"; expected the captions file of COCO", path, field);
  return root[field];
}

template <class T>
T get(const Json& row, const char* field, const char* what, const std::string& path) {
  try {
    return row.at(field).get<T>();
  } catch (const Json::exception&) {
    throw invalid_input("{}: {} {}: no usable \"{}\"", path, what, row.dump().substr(0, 80), field);
  }
}

}  // namespace

int64_t import_coco_captions(const std::string& annotations_path, const std::string& captions_path) {
  Json root = read_json(annotations_path, kMaxBytes);
  std::map<int64_t, std::vector<std::string>> captions;
  for (const Json& row : list(root, "annotations", annotations_path)) {
    auto& known = captions[get<int64_t>(row, "image_id", "annotation", annotations_path)];
    if (known.size() < kMaxCaptions) known.push_back(get<std::string>(row, "caption", "annotation", annotations_path));
  }
  AtomicFile out(captions_path);
  int64_t n = 0;
  for (const Json& row : list(root, "images", annotations_path)) {
    auto found = captions.find(get<int64_t>(row, "id", "image", annotations_path));
    if (found == captions.end()) continue;
    Json line{{"image", get<std::string>(row, "file_name", "image", annotations_path)}, {"captions", found->second}};
    out.write(line.dump() + "\n");
    ++n;
  }
  out.commit();
  return n;
}

std::string find_coco_captions(const std::string& folder) {
  for (const char* name :
       {"captions_train2017.json", "captions_train2014.json", "captions_val2017.json", "captions_val2014.json"})
    for (std::string path : {folder + "/annotations/" + name, folder + "/" + name})
      if (std::filesystem::exists(path)) return path;
  throw not_found("{}: no annotations/captions_train2017.json (or 2014, or val) in this folder", folder);
}

}  // namespace galago
