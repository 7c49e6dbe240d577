#include "runtime/prefix_cache.h"

#include <algorithm>
#include <cstring>

namespace galago {
namespace {

size_t n_shared(std::span<const PlaceKey> a, std::span<const PlaceKey> b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

// Bytes of one place in all parts.
size_t place_bytes(const KvCache& cache) {
  size_t n = 0;
  for (size_t part = 0; part < cache.n_parts(); ++part) n += cache.rows(part, 0, 1).size();
  return n;
}

std::vector<std::byte> copy_rows(const KvCache& cache, int n) {
  std::vector<std::byte> copy;
  copy.reserve(place_bytes(cache) * static_cast<size_t>(n));
  for (size_t part = 0; part < cache.n_parts(); ++part) {
    auto rows = cache.rows(part, 0, n);
    copy.insert(copy.end(), rows.begin(), rows.end());
  }
  return copy;
}

// `from` holds n_stored places.
void put_rows(std::span<const std::byte> from, size_t n_stored, int n, KvCache& cache) {
  for (size_t part = 0; part < cache.n_parts(); ++part) {
    auto rows = cache.rows(part, 0, n);
    if (!rows.empty()) std::memcpy(rows.data(), from.data(), rows.size());
    from = from.subspan(cache.rows(part, 0, static_cast<int>(n_stored)).size());
  }
}

}  // namespace

PlaceKey place_key(int32_t id) { return static_cast<uint32_t>(id); }

PlaceKey place_key(const Digest& picture, int64_t row) {
  constexpr PlaceKey kPicture = PlaceKey{1} << 63;  // no token has it
  Sha256 hash;
  const Digest digest = hash.add_value(picture).add_value(row).finish();
  PlaceKey key;
  std::memcpy(&key, digest.data(), sizeof key);
  return key | kPicture;
}

Digest prefix_kind(const Digest& model, std::string_view executor, const KvCache& cache) {
  Sha256 hash;
  hash.add_value(model).add(executor).add_value(int64_t{cache.n_context()});
  for (const LayerCache& layer : cache.layers())
    for (const StateRef& state : {layer.key, layer.value})
      hash.add(info(state->data.dtype()).name).add(state->data.shape().to_string());
  return hash.finish();
}

int PrefixCache::restore(const Digest& kind, std::span<const PlaceKey> places, int n_most, KvCache& cache) {
  std::lock_guard lock(mutex_);
  auto best = entries_.end();
  size_t n_best = 0;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const size_t n = entry->kind == kind ? n_shared(entry->places, places) : 0;
    if (n > n_best) best = entry, n_best = n;
  }
  if (best == entries_.end()) return 0;
  const int n = std::min(static_cast<int>(n_best), n_most);
  put_rows(best->rows, best->places.size(), n, cache);
  entries_.splice(entries_.end(), entries_, best);
  return n;
}

void PrefixCache::store(const Digest& kind, std::span<const PlaceKey> places, const KvCache& cache) {
  std::lock_guard lock(mutex_);
  places = places.first(std::min(places.size(), max_bytes_ / place_bytes(cache)));
  auto contains = [&](std::span<const PlaceKey> a, std::span<const PlaceKey> b) { return n_shared(a, b) == b.size(); };
  auto same =
      std::ranges::find_if(entries_, [&](const Entry& e) { return e.kind == kind && contains(e.places, places); });
  if (same != entries_.end()) return entries_.splice(entries_.end(), entries_, same);
  auto drop = [&](std::list<Entry>::iterator entry) {
    n_bytes_ -= entry->rows.size();
    return entries_.erase(entry);
  };
  for (auto entry = entries_.begin(); entry != entries_.end();)
    entry = entry->kind == kind && contains(places, entry->places) ? drop(entry) : std::next(entry);
  entries_.push_back({kind, {places.begin(), places.end()}, copy_rows(cache, static_cast<int>(places.size()))});
  n_bytes_ += entries_.back().rows.size();
  while (n_bytes_ > max_bytes_) drop(entries_.begin());
}

size_t PrefixCache::n_bytes() const {
  std::lock_guard lock(mutex_);
  return n_bytes_;
}

int PrefixCache::n_entries() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(entries_.size());
}

}  // namespace galago
