#include "formats/merged_source.h"

#include <set>

#include "formats/printable.h"

namespace galago {

RenameTensor keep_names() {
  return [](const std::string& name) { return name; };
}

RenameTensor with_prefix(std::string prefix) {
  return [prefix = std::move(prefix)](const std::string& name) { return prefix + name; };
}

void MergedSource::add(std::shared_ptr<const WeightSource> source, MergeRule rule, const RenameTensor& rename) {
  if (joins_paths_) path_ += (path_.empty() ? "" : " + ") + source->path();
  for (std::string& warning : source->warnings()) warnings_.push_back(std::move(warning));
  sources_.push_back(source);
  std::set<std::string> seen;
  for (const std::string& own : source->names()) {
    std::string name = rename(own);
    if (name.empty()) continue;
    if (!seen.insert(name).second)
      throw invalid_input("{}: two tensors become {}, one of them {}", source->path(), printable(name), printable(own));
    place(name, {sources_.size() - 1, own}, rule);
  }
}

void MergedSource::place(const std::string& name, Place place, MergeRule rule) {
  auto [found, is_new] = places_.try_emplace(name, place);
  if (is_new) return names_.push_back(name);
  if (rule == MergeRule::Disjoint)
    throw invalid_input("{}: tensor {} is also in {}", sources_[place.source]->path(), printable(name), file_of(name));
  if (rule == MergeRule::Override) found->second = std::move(place);
}

const MergedSource::Place& MergedSource::find(std::string_view name) const {
  auto found = places_.find(name);
  if (found == places_.end()) throw not_found("{}: no tensor {}", path_, printable(name));
  return found->second;
}

Tensor MergedSource::get(std::string_view name) const {
  const Place& place = find(name);
  return sources_[place.source]->get(place.name);
}

const std::string& MergedSource::file_of(std::string_view name) const { return sources_[find(name).source]->path(); }

}  // namespace galago
