// Beginnings of conversations that were run before, as bytes of the key/value cache: a new session that begins with the
// same system text, pictures and words goes on behind what they share.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <span>
#include <vector>

#include "base/sha256.h"
#include "runtime/kv_cache.h"

namespace galago {

// What stands at a place: a token's id, or a name for the content of a picture's row.
using PlaceKey = uint64_t;
PlaceKey place_key(int32_t id);
PlaceKey place_key(const Digest& picture, int64_t row);

// Names what makes the rows of a place beside the places before it: network, executor, types and length of the cache.
Digest prefix_kind(const Digest& model, std::string_view executor, const KvCache& cache);

// Shared by any number of sessions and threads.
class PrefixCache {
 public:
  explicit PrefixCache(size_t max_bytes = size_t{256} << 20) : max_bytes_(max_bytes) {}

  // Copies the rows that the best stored beginning shares with these places, at most `n_most`, into `cache`; their
  // number.
  int restore(const Digest& kind, std::span<const PlaceKey> places, int n_most, KvCache& cache);
  // Keeps the first rows of `cache`, which are those of these places; as many as may be kept. The least recently used
  // beginnings go first, and those that this one contains.
  void store(const Digest& kind, std::span<const PlaceKey> places, const KvCache& cache);

  size_t n_bytes() const;
  int n_entries() const;

 private:
  struct Entry {
    Digest kind;
    std::vector<PlaceKey> places;
    std::vector<std::byte> rows;  // part after part of the cache
  };
  size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the last used one last
  size_t n_bytes_ = 0;
};

}  // namespace galago
