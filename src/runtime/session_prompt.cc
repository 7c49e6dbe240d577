// The asking half of Session: pictures and texts of a turn, laid out as one run of places and run through the cache.
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/session.h"

namespace galago {
namespace {

// One row among those of the pictures of a turn.
struct PictureRow {
  const PendingPicture* picture;
  int64_t row;
};

PictureRow find_row(const float* row, std::span<const std::shared_ptr<PendingPicture>> pictures) {
  for (const auto& picture : pictures) {
    const std::span<const float> own = picture->rows().f32();
    if (row >= own.data() && row < own.data() + own.size())
      return {picture.get(), (row - own.data()) / picture->rows().shape()[1]};
  }
  CHECK(false, "a row of no picture of this turn");
  return {};
}

}  // namespace

// ---- pictures
// --------------------------------------------------------------------------------------------------------------

void Session::attach_image(Image image, int max_tiles) {
  attach([image = std::move(image)] { return image; }, max_tiles, false);
}

void Session::attach_image(PictureSource source, int max_tiles) { attach(std::move(source), max_tiles, false); }

void Session::attach_frame(Image image, int max_tiles) {
  attach([image = std::move(image)] { return image; }, max_tiles, true);
}

void Session::attach(PictureSource source, int max_tiles, bool is_frame) {
  auto picture = std::make_shared<PendingPicture>();
  auto encode = [this, picture, source = std::move(source), max_tiles] { encoder_.fill(*picture, source, max_tiles); };
  if (worker_) {
    worker_->post(std::move(encode));
  } else {
    encode();
    count(*picture);
  }
  pictures_.push_back(std::move(picture));
  parts_.push_back({.is_frame = is_frame});
}

void Session::count(const PendingPicture& picture) {
  const EncodedPicture& encoded = picture.finished();
  timings_.prepare += encoded.prepare_ms;
  timings_.encode += encoded.encode_ms;
}

void Session::release_vision() {
  settle();
  encoder_.release();
}

void Session::wait() {
  if (worker_) worker_->wait();
}

void Session::settle() {
  wait();
  forget_begun_turn();
}

// ---- the turn as places
// ----------------------------------------------------------------------------------------------------

void Session::add_text(std::string_view text) {
  if (!text.empty()) parts_.push_back({.text = std::string(text)});
}

std::vector<PromptPiece> Session::prompt_pieces(std::vector<TurnPart>& parts, const Pictures& pictures) const {
  auto picture = pictures.begin();
  for (TurnPart& part : parts)
    if (part.text.empty()) part.picture = &(*picture++)->plan();
  UserTurn turn{.parts = parts, .index = n_turns(), .n_pictures_before = n_pictures_, .system = system_};
  return checkpoint_->model->prompt(*checkpoint_->tokenizer, turn);
}

// Waits for the sizes of pictures, not for their rows.
PromptRows Session::lay_out(std::vector<TurnPart> parts, const Pictures& pictures) const {
  PromptRows prompt;
  const int64_t d = checkpoint_->model->d_model();
  for (const PromptPiece& piece : prompt_pieces(parts, pictures)) {
    prompt.ids.insert(prompt.ids.end(), piece.ids.begin(), piece.ids.end());
    prompt.rows.insert(prompt.rows.end(), piece.ids.size(), nullptr);
    if (piece.picture < 0) continue;
    const float* first = pictures[static_cast<size_t>(piece.picture)]->rows().f32().data();
    for (int32_t row : piece.rows) prompt.rows.push_back(first + row * d);
    prompt.ids.resize(prompt.rows.size(), -1);
  }
  return prompt;
}

// As the published code: only in a conversation that begins with one picture some rows may be left out.
bool Session::prunes(const Pictures& pictures) const {
  if (pictures.size() != 1 || turn_begin() > 0) return false;
  const TokenPruning pruning = checkpoint_->model->pruning(pictures[0]->plan());
  return pruning.n_kept < pruning.n_candidates || pruning.drop_next;
}

// ---- running it
// ------------------------------------------------------------------------------------------------------------

// Takes a turn that was begun back unless append() came to its end.
struct Session::Unfinished {
  Session& session;
  ~Unfinished() { session.forget_begun_turn(); }
};

void Session::forget_begun_turn() {
  if (begun_.at < 0) return;
  history_.resize(static_cast<size_t>(begun_.at));
  logits_.clear();
  begun_ = {};
}

void Session::prefill_pictures() {
  if (!worker_) return begin_turn(parts_, pictures_);
  begins_turn_ = true;
  worker_->post([this, parts = parts_, pictures = pictures_] { begin_turn(parts, pictures); });
}

void Session::begin_turn(std::vector<TurnPart> parts, const Pictures& pictures) {
  if (pictures.empty() || prunes(pictures)) return;
  parts.push_back({.text = "?"});  // stands for what is still being typed
  const PromptRows prompt = lay_out(std::move(parts), pictures);
  auto last = std::find_if(prompt.rows.rbegin(), prompt.rows.rend(), [](const float* row) { return row; });
  const size_t n_places = static_cast<size_t>(prompt.rows.rend() - last);
  if (fits(turn_begin(), n_places)) advance(prompt, n_places, pictures);  // otherwise append() says so
}

// Runs the first places of a turn's prompt; what is there of it already stays.
void Session::advance(const PromptRows& prompt, size_t n_places, const Pictures& pictures) {
  require_room(turn_begin(), n_places);
  begun_.at = turn_begin();
  PromptRows& there = begun_.places;
  auto same = [&](size_t i) { return there.ids[i] == prompt.ids[i] && there.rows[i] == prompt.rows[i]; };
  size_t n_same = 0;
  while (n_same < there.ids.size() && n_same + 1 < n_places && same(n_same)) ++n_same;
  history_.resize(static_cast<size_t>(begun_.at) + n_same);
  if (history_.empty()) n_same = restore_prefix(prompt, n_places, pictures);
  there = {};  // whatever happens, nothing is taken for run that is not
  const size_t n_more = n_places - n_same;
  prefill(std::span(prompt.ids).subspan(n_same, n_more), std::span(prompt.rows).subspan(n_same, n_more), pictures,
          n_places == prompt.ids.size());
  there.ids.assign(prompt.ids.begin(), prompt.ids.begin() + static_cast<std::ptrdiff_t>(n_places));
  there.rows.assign(prompt.rows.begin(), prompt.rows.begin() + static_cast<std::ptrdiff_t>(n_places));
}

void Session::append(std::string_view text) {
  Stopwatch clock;
  add_text(text);
  const Pictures pictures = std::exchange(pictures_, {});  // gone even if the turn fails
  std::vector<TurnPart> parts = std::exchange(parts_, {});
  const Unfinished unfinished{*this};
  if (std::exchange(begins_turn_, false)) {
    wait();
    timings_.wait += clock.lap_ms();
  }
  const double waited_before = timings_.wait;
  PromptRows prompt = lay_out(std::move(parts), pictures);
  if (prunes(pictures))
    prompt = pruned_prompt(*checkpoint_->model, checkpoint_->weights, *executor_, std::move(prompt),
                           pictures[0]->finished().plan);
  const Turn turn{turn_begin(), n_pictures_};
  advance(prompt, prompt.ids.size(), pictures);
  begun_ = {};
  if (options_.prefixes && turn.begin == 0)
    options_.prefixes->store(prefix_kind_, place_keys(prompt, pictures), *cache_);
  turns_.push_back(turn);
  n_pictures_ += static_cast<int>(pictures.size());
  if (worker_)
    for (const auto& picture : pictures) count(*picture);
  timings_.n_picture_tokens += static_cast<int>(std::count(prompt.ids.begin(), prompt.ids.end(), -1));
  timings_.n_prompt += static_cast<int>(prompt.ids.size());
  timings_.prefill += clock.lap_ms() - (timings_.wait - waited_before);
}

void Session::append_ids(std::span<const int32_t> ids) {
  settle();
  Stopwatch clock;
  prefill(ids, std::vector<const float*>(ids.size(), nullptr));
  timings_.n_prompt += static_cast<int>(ids.size());
  timings_.prefill += clock.lap_ms();
}

bool Session::fits(int n_before, size_t n_tokens) const {
  return static_cast<size_t>(n_before) + n_tokens <= static_cast<size_t>(options_.n_context);
}

void Session::require_room(int n_before, size_t n_tokens) const {
  if (n_tokens == 0) throw invalid_input("the prompt is empty");
  if (!fits(n_before, n_tokens))
    throw invalid_input("the prompt needs {} places after {} used ones; the context has {}. Use -c to make it longer.",
                        n_tokens, n_before, options_.n_context);
}

// with_logits: of the last place, from which an answer goes on.
void Session::prefill(std::span<const int32_t> ids, std::span<const float* const> rows, const Pictures& pictures,
                      bool with_logits) {
  require_room(n_past(), ids.size());
  const size_t chunk = static_cast<size_t>(options_.chunk);
  for (size_t begin = 0; begin < ids.size(); begin += chunk) {
    const size_t n = std::min(ids.size() - begin, chunk);
    wait_for(rows.subspan(begin, n), pictures);
    run_piece(ids.subspan(begin, n), rows.subspan(begin, n), with_logits && begin + n == ids.size());
  }
}

void Session::wait_for(std::span<const float* const> rows, const Pictures& pictures) {
  Stopwatch clock;
  for (const float* row : rows)
    if (row) {
      const PictureRow found = find_row(row, pictures);
      found.picture->wait_for(found.row);
    }
  timings_.wait += clock.lap_ms();
}

// ---- beginnings that were run before (prefix_cache.h)
// --------------------------------------------------------------------------------

std::vector<PlaceKey> Session::place_keys(const PromptRows& prompt, const Pictures& pictures) const {
  std::vector<PlaceKey> keys;
  for (size_t i = 0; i < prompt.ids.size(); ++i) {
    if (!prompt.rows[i]) {
      keys.push_back(place_key(prompt.ids[i]));
      continue;
    }
    const PictureRow found = find_row(prompt.rows[i], pictures);
    keys.push_back(place_key(*found.picture->key(), found.row));
  }
  return keys;
}

// The last place is run in any case: its logits are not stored.
size_t Session::restore_prefix(const PromptRows& prompt, size_t n_places, const Pictures& pictures) {
  if (!options_.prefixes) return 0;
  const std::vector<PlaceKey> keys = place_keys(prompt, pictures);
  const int n = options_.prefixes->restore(prefix_kind_, keys, static_cast<int>(n_places) - 1, *cache_);
  history_.assign(prompt.ids.begin(), prompt.ids.begin() + n);
  timings_.n_reused += n;
  return static_cast<size_t>(n);
}

void Session::run_piece(std::span<const int32_t> ids, std::span<const float* const> rows, bool with_logits) {
  const StepLogits logits = with_logits ? StepLogits::Last : StepLogits::None;
  logits_.clear();
  if (ids.size() == 1 || std::find(ids.begin(), ids.end(), -1) == ids.end()) {
    const int32_t id = std::max(ids[0], 0);
    steps_->run(ids.size() == 1 ? std::span(&id, 1) : ids, rows, n_past(), logits);
  } else {
    std::vector<int32_t> embeddable(ids.begin(), ids.end());  // a row's place has some token too
    std::replace(embeddable.begin(), embeddable.end(), -1, 0);
    steps_->run(embeddable, rows, n_past(), logits);
  }
  history_.insert(history_.end(), ids.begin(), ids.end());
  if (with_logits) logits_.assign(steps_->logits().begin(), steps_->logits().end());
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

}  // namespace galago
