#include "runtime/session.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/token_pruning.h"

namespace galago {
namespace {

constexpr int kDefaultContext = 4096;

SessionOptions checked(SessionOptions options, const Checkpoint& checkpoint) {
  if (!checkpoint.tokenizer) throw invalid_input("{}: no tokenizer; text needs one", checkpoint.path);
  options.n_context = context_length(checkpoint, options.n_context);
  CHECK(options.chunk > 0, "pieces of {} tokens", options.chunk);
  return options;
}

}  // namespace

int context_length(const Checkpoint& checkpoint, int wanted) {
  const int allowed = checkpoint.model->cache().max_context;
  if (wanted <= 0) return std::min(allowed, kDefaultContext);
  if (wanted > allowed)
    throw invalid_input("a context of {} tokens; {} was trained for {}", wanted, checkpoint.path, allowed);
  return wanted;
}

SamplingOptions sampling_options(const SamplingDefaults& defaults) {
  return {.temperature = defaults.temperature,
          .top_k = defaults.top_k,
          .top_p = defaults.top_p,
          .repeat_penalty = defaults.repeat_penalty,
          .repeat_window = -1};
}

Session::Session(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor,
                 const SessionOptions& options)
    : checkpoint_(std::move(checkpoint)),
      executor_(std::move(executor)),
      options_(checked(options, *checkpoint_)),
      cache_(std::make_unique<KvCache>(checkpoint_->model->cache(), options_.n_context,
                                       CacheTypes{options_.cache_type, options_.value_type})),
      steps_(std::make_unique<StepRunner>(checkpoint_, executor_, *cache_)),
      encoder_(checkpoint_, executor_, options_.pictures) {
  logits_.reserve(static_cast<size_t>(checkpoint_->model->n_vocab()));
  history_.reserve(static_cast<size_t>(options_.n_context));
}

Session::~Session() = default;

// ---- prompt
// ----------------------------------------------------------------------------------------------------------------

void Session::attach(const Image& image, int max_tiles, bool is_frame) {
  pictures_.push_back(encoder_.encode(image, max_tiles));
  parts_.push_back({.is_frame = is_frame});
  timings_.prepare += pictures_.back().prepare_ms;
  timings_.encode += pictures_.back().encode_ms;
}

void Session::add_text(std::string_view text) {
  if (!text.empty()) parts_.push_back({.text = std::string(text)});
}

std::vector<PromptPiece> Session::prompt_pieces(std::vector<TurnPart>& parts,
                                                std::span<const EncodedPicture> pictures) const {
  auto picture = pictures.begin();
  for (TurnPart& part : parts)
    if (part.text.empty()) part.picture = &(picture++)->plan;
  UserTurn turn{.parts = parts, .index = n_turns(), .n_pictures_before = n_pictures_, .system = system_};
  return checkpoint_->model->prompt(*checkpoint_->tokenizer, turn);
}

void Session::append(std::string_view text) {
  Stopwatch clock;
  add_text(text);
  std::vector<EncodedPicture> pictures = std::exchange(pictures_, {});  // gone even if the turn fails
  std::vector<TurnPart> parts = std::exchange(parts_, {});
  std::vector<int32_t> ids;        // -1 where a picture row goes
  std::vector<const float*> rows;  // null where a token goes
  int64_t d = checkpoint_->model->d_model();
  int n_picture_tokens = 0;
  for (const PromptPiece& piece : prompt_pieces(parts, pictures)) {
    ids.insert(ids.end(), piece.ids.begin(), piece.ids.end());
    rows.insert(rows.end(), piece.ids.size(), nullptr);
    if (piece.picture < 0) continue;
    const float* first = pictures[static_cast<size_t>(piece.picture)].rows.f32().data();
    for (int32_t row : piece.rows) rows.push_back(first + row * d);
    ids.resize(rows.size(), -1);
    n_picture_tokens += static_cast<int>(piece.rows.size());
  }
  if (pictures.size() == 1 && n_past() == 0) {  // as the published code: only then some rows may be left out
    PromptRows kept = pruned_prompt(*checkpoint_->model, checkpoint_->weights, *executor_,
                                    {std::move(ids), std::move(rows)}, pictures[0].plan);
    ids = std::move(kept.ids);
    rows = std::move(kept.rows);
    n_picture_tokens = static_cast<int>(std::count(ids.begin(), ids.end(), -1));
  }
  const Turn turn{n_past(), n_pictures_};
  prefill(ids, rows);
  turns_.push_back(turn);
  n_pictures_ += static_cast<int>(pictures.size());
  timings_.n_picture_tokens += n_picture_tokens;
  timings_.n_prompt += static_cast<int>(ids.size());
  timings_.prefill += clock.lap_ms();
}

void Session::append_ids(std::span<const int32_t> ids) {
  Stopwatch clock;
  prefill(ids, std::vector<const float*>(ids.size(), nullptr));
  timings_.n_prompt += static_cast<int>(ids.size());
  timings_.prefill += clock.lap_ms();
}

void Session::require_room(size_t n_tokens) const {
  if (n_tokens == 0) throw invalid_input("the prompt is empty");
  if (history_.size() + n_tokens > static_cast<size_t>(options_.n_context))
    throw invalid_input("the prompt needs {} places after {} used ones; the context has {}. Use -c to make it longer.",
                        n_tokens, history_.size(), options_.n_context);
}

void Session::prefill(std::span<const int32_t> ids, std::span<const float* const> rows) {
  require_room(ids.size());
  const size_t chunk = static_cast<size_t>(options_.chunk);
  for (size_t begin = 0; begin < ids.size(); begin += chunk) {
    size_t n = std::min(ids.size() - begin, chunk);
    run_piece(ids.subspan(begin, n), rows.subspan(begin, n), begin + n == ids.size());
  }
}

void Session::run_piece(std::span<const int32_t> ids, std::span<const float* const> rows, bool last) {
  logits_.clear();
  if (ids.size() == 1 || std::find(ids.begin(), ids.end(), -1) == ids.end()) {
    const int32_t id = std::max(ids[0], 0);
    steps_->run(ids.size() == 1 ? std::span(&id, 1) : ids, rows, n_past(), last);
  } else {
    std::vector<int32_t> embeddable(ids.begin(), ids.end());  // a row's place has some token too
    std::replace(embeddable.begin(), embeddable.end(), -1, 0);
    steps_->run(embeddable, rows, n_past(), last);
  }
  history_.insert(history_.end(), ids.begin(), ids.end());
  if (last) logits_.assign(steps_->logits().begin(), steps_->logits().end());
}

void Session::ensure_logits() {
  if (history_.empty()) throw invalid_input("nothing to continue: append a prompt first");
  if (!logits_.empty()) return;
  const int32_t id = history_.back();
  if (id < 0) throw invalid_input("the conversation ends in the middle of a picture: append text first");
  history_.pop_back();
  const float* none = nullptr;
  run_piece(std::span(&id, 1), std::span(&none, 1), true);
}

// ---- going back
// ------------------------------------------------------------------------------------------------------------

void Session::rewind(int n_past) {
  if (n_past < 0 || n_past > this->n_past())
    throw invalid_input("rewind to {}: the conversation has {} places", n_past, this->n_past());
  if (n_past == this->n_past()) return;
  history_.resize(static_cast<size_t>(n_past));
  logits_.clear();
  while (!turns_.empty() && turns_.back().begin >= n_past) {
    n_pictures_ = turns_.back().n_pictures;
    turns_.pop_back();
  }
}

void Session::rewind_turns(int n) {
  if (n <= 0 || turns_.empty()) return;
  rewind(turns_[turns_.size() - std::min(turns_.size(), static_cast<size_t>(n))].begin);
}

void Session::reset() {
  history_.clear();
  logits_.clear();
  turns_.clear();
  pictures_.clear();
  parts_.clear();
  generated_.clear();
  logprobs_.clear();
  n_pictures_ = 0;
  timings_ = {};
}

}  // namespace galago
