// A conversation in a file: what is in the cache and how it came there. Layout: docs/formats.md, "Sessions".
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "formats/byte_reader.h"
#include "runtime/session.h"

namespace galago {
namespace {

constexpr char kMagic[8] = {'G', 'A', 'L', 'A', 'G', 'O', 'S', 'E'};
constexpr uint32_t kVersion = 2;
constexpr uint32_t kMaxSystemBytes = 1 << 20;

struct Header {
  char magic[8];
  uint32_t version, key_type, value_type, n_parts;
  Digest model;
  uint32_t n_context, n_past, n_turns, n_pictures, n_system;
};
static_assert(sizeof(Header) == 76);

uint64_t longest_file(const KvCache& cache) {
  const uint64_t n = static_cast<uint64_t>(cache.n_context());
  return sizeof(Header) + kMaxSystemBytes + n * (4 + 8) + cache.n_bytes();
}

template <class... Args>
void require(bool ok, const std::string& path, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) throw invalid_input("{}: {}", path, fmt::format(format, std::forward<Args>(args)...));
}

void check_header(const Header& found, const Header& own, const CacheSpec& spec, const std::string& path) {
  require(std::memcmp(found.magic, kMagic, sizeof kMagic) == 0, path, "not a session of galago");
  require(found.version == kVersion, path, "a session of version {}; this program reads version {}", found.version,
          kVersion);
  require(found.model == own.model && found.n_parts == own.n_parts, path,
          "a session of another model; load that model, or begin a new session");
  require(found.key_type == own.key_type && found.value_type == own.value_type, path,
          "a session with another cache type; choose it with --cache-type");
  require(found.n_past <= own.n_context, path, "the session has {} places, the context {}; use -c to make it longer",
          found.n_past, own.n_context);
  require(spec.same_table(found.n_context, own.n_context), path,
          "this model turns keys by the length of the context; the session's was {}, this one is {}; use -c {}",
          found.n_context, own.n_context, found.n_context);
  require(found.n_turns <= found.n_past && found.n_pictures <= found.n_past && found.n_system <= kMaxSystemBytes, path,
          "{} turns, {} pictures and {} bytes of system text in {} places: damaged", found.n_turns, found.n_pictures,
          found.n_system, found.n_past);
}

template <class T>
std::vector<T> read_values(ByteReader& reader, uint32_t n, std::string_view what) {
  std::vector<T> values(n);
  auto bytes = reader.take(n * sizeof(T), what);
  if (n > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace

struct SessionFile {
  static Header header(const Session& s) {
    Header h{};
    std::memcpy(h.magic, kMagic, sizeof kMagic);
    h.version = kVersion;
    h.key_type = info(s.options_.cache_type).file_id;
    h.value_type = info(s.options_.value_type).file_id;
    h.n_parts = static_cast<uint32_t>(s.cache_->n_parts());
    h.model = model_digest(*s.checkpoint_);
    h.n_context = static_cast<uint32_t>(s.n_context());
    h.n_past = static_cast<uint32_t>(s.n_past());
    h.n_turns = static_cast<uint32_t>(s.n_turns());
    h.n_pictures = static_cast<uint32_t>(s.n_pictures_);
    h.n_system = static_cast<uint32_t>(s.system_.size());
    return h;
  }

  static void check_history(const std::vector<int32_t>& ids, int n_vocab, const std::string& path) {
    for (int32_t id : ids) require(id >= -1 && id < n_vocab, path, "token {}: damaged", id);
  }

  static void check_turns(const std::vector<Session::Turn>& turns, const Header& h, const std::string& path) {
    int64_t begin = -1, n_pictures = 0;
    for (const Session::Turn& turn : turns) {
      bool ok = turn.begin > begin && turn.begin < static_cast<int64_t>(h.n_past) && turn.n_pictures >= n_pictures &&
                turn.n_pictures <= static_cast<int64_t>(h.n_pictures);
      require(ok, path, "a turn at place {} after {} pictures: damaged", turn.begin, turn.n_pictures);
      begin = turn.begin, n_pictures = turn.n_pictures;
    }
  }
};

void Session::save(const std::string& path) {
  settle();
  if (system_.size() > kMaxSystemBytes) throw invalid_input("{}: the system text is too long to save", path);
  const Header header = SessionFile::header(*this);
  AtomicFile file(path);
  file.write(&header, sizeof header);
  file.write(system_);
  file.write(history_.data(), history_.size() * sizeof(int32_t));
  file.write(turns_.data(), turns_.size() * sizeof(Turn));
  for (size_t part = 0; part < cache_->n_parts(); ++part) {
    auto rows = cache_->rows(part, 0, n_past());
    file.write(rows.data(), rows.size());
  }
  file.commit();
}

void Session::load(const std::string& path) {
  settle();
  const std::string bytes = read_file(path, longest_file(*cache_));
  ByteReader reader(std::as_bytes(std::span(bytes)), path);
  const Header header = reader.read<Header>("the header");
  check_header(header, SessionFile::header(*this), checkpoint_->model->cache(), path);
  auto system = read_values<char>(reader, header.n_system, "the system text");
  auto history = read_values<int32_t>(reader, header.n_past, "the tokens");
  auto turns = read_values<Turn>(reader, header.n_turns, "the turns");
  SessionFile::check_history(history, checkpoint_->tokenizer->vocab_size(), path);
  SessionFile::check_turns(turns, header, path);
  size_t n_rows = 0;
  for (size_t part = 0; part < cache_->n_parts(); ++part)
    n_rows += cache_->rows(part, 0, static_cast<int>(header.n_past)).size();
  require(reader.remaining() == n_rows, path, "{} bytes of cache, expected {}: damaged", reader.remaining(), n_rows);

  reset();  // from here on nothing fails
  for (size_t part = 0; part < cache_->n_parts(); ++part) {
    auto rows = cache_->rows(part, 0, static_cast<int>(header.n_past));
    auto from = reader.take(rows.size(), "the cache");
    std::copy(from.begin(), from.end(), rows.begin());
  }
  system_.assign(system.begin(), system.end());
  history_.assign(history.begin(), history.end());
  turns_ = std::move(turns);
  n_pictures_ = static_cast<int>(header.n_pictures);
}

}  // namespace galago
