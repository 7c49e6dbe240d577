// Several weight sources as one: a model that is spread over files of different origin (vision tower, Q-Former,
// language model, fine-tuned rest; or text model and projector).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/weight_source.h"

namespace galago {

enum class MergeRule {
  Override,  // a tensor that is there already is replaced
  FillIn,    // only what is missing is added
  Disjoint,  // a tensor that is there already is an error naming both files
};

// How the names of one source appear in the whole; an empty result leaves the tensor out.
using RenameTensor = std::function<std::string(const std::string& name)>;
RenameTensor keep_names();
RenameTensor with_prefix(std::string prefix);  // "conv1.weight" -> "visual_encoder.conv1.weight"

// Built by one thread, then read by any number. Tensors come from the file they lie in, so errors name that file.
class MergedSource final : public WeightSource {
 public:
  // `path`: what errors call the whole; empty: the paths of the sources joined by " + ".
  explicit MergedSource(std::string path = {}) : path_(std::move(path)), joins_paths_(path_.empty()) {}
  // Throws InvalidInput if two tensors of this source get the same name.
  void add(std::shared_ptr<const WeightSource> source, MergeRule rule, const RenameTensor& rename = keep_names());
  void add_warning(std::string warning) { warnings_.push_back(std::move(warning)); }

  const std::string& path() const override { return path_; }
  std::vector<std::string> names() const override { return names_; }
  bool has(std::string_view name) const override { return places_.contains(name); }
  Tensor get(std::string_view name) const override;
  std::vector<std::string> warnings() const override { return warnings_; }
  const std::string& file_of(std::string_view name) const;  // the path of the source that holds it

 private:
  struct Place {
    size_t source;
    std::string name;  // in that source
  };
  const Place& find(std::string_view name) const;
  void place(const std::string& name, Place place, MergeRule rule);

  std::string path_;
  bool joins_paths_;
  std::vector<std::shared_ptr<const WeightSource>> sources_;
  std::vector<std::string> names_;  // in the order they came
  std::map<std::string, Place, std::less<>> places_;
  std::vector<std::string> warnings_;
};

}  // namespace galago
