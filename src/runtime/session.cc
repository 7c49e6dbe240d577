#include "runtime/session.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/graphs.h"
#include "text/streaming_decoder.h"

namespace galago {
namespace {

constexpr int kDefaultContext = 4096;

std::vector<LayerCache> make_caches(const CacheSpec& spec, int n_context, DType type) {
  std::vector<LayerCache> caches;
  Shape shape{1, n_context, spec.n_kv_heads, spec.d_head};
  Shape block{2 * spec.n_layers, n_context, spec.n_kv_heads, spec.d_head};
  Tensor memory = Tensor::make(type, block);  // one block for the whole cache
  auto layer = [&](int index, const char* what) {
    Tensor rows = memory.rows(index, index + 1).reshaped(shape);
    return std::make_shared<State>(State{fmt::format("cache.{}.{}", index / 2, what), rows});
  };
  for (int i = 0; i < spec.n_layers; ++i) caches.push_back({layer(2 * i, "key"), layer(2 * i + 1, "value")});
  return caches;
}

}  // namespace

struct Session::PrefillProgram {
  int n_tokens, n_rows;
  bool with_logits;
  std::unique_ptr<Program> program;
};

Session::Session(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor,
                 const SessionOptions& options)
    : checkpoint_(std::move(checkpoint)),
      executor_(std::move(executor)),
      options_(options),
      encoder_(checkpoint_, executor_) {
  CacheSpec spec = checkpoint_->model->cache();
  if (!checkpoint_->tokenizer) throw invalid_input("{}: no tokenizer; text needs one", checkpoint_->path);
  if (options_.n_context <= 0) options_.n_context = std::min(spec.max_context, kDefaultContext);
  if (options_.n_context > spec.max_context)
    throw invalid_input("a context of {} tokens; {} was trained for {}", options_.n_context, checkpoint_->path,
                        spec.max_context);
  caches_ = make_caches(spec, options_.n_context, options_.cache_type);
  logits_.resize(static_cast<size_t>(checkpoint_->model->n_vocab()));
}

Session::~Session() = default;

size_t Session::cache_bytes() const {
  size_t n = 0;
  for (const LayerCache& cache : caches_) n += cache.key->data.n_bytes() + cache.value->data.n_bytes();
  return n;
}

void Session::attach_image(const Image& image) {
  pictures_.push_back(encoder_.encode(image));
  parts_.emplace_back();
  timings_.prepare += pictures_.back().prepare_ms;
  timings_.encode += pictures_.back().encode_ms;
}

void Session::add_text(std::string_view text) {
  if (!text.empty()) parts_.push_back({.text = std::string(text)});
}

std::vector<PromptPiece> Session::prompt_pieces() {
  auto picture = pictures_.begin();
  for (TurnPart& part : parts_)
    if (part.text.empty()) part.picture = &(picture++)->plan;
  UserTurn turn{.parts = parts_, .index = n_turns_, .n_pictures_before = n_pictures_, .system = system_};
  return checkpoint_->model->prompt(*checkpoint_->tokenizer, turn);
}

void Session::append(std::string_view text) {
  Stopwatch clock;
  add_text(text);
  std::vector<int32_t> ids;        // 0 where a picture row goes
  std::vector<const float*> rows;  // null where a token goes
  int64_t d = checkpoint_->model->d_model();
  for (const PromptPiece& piece : prompt_pieces()) {
    ids.insert(ids.end(), piece.ids.begin(), piece.ids.end());
    rows.insert(rows.end(), piece.ids.size(), nullptr);
    if (piece.picture < 0) continue;
    const float* first = pictures_[static_cast<size_t>(piece.picture)].rows.f32().data();
    for (int32_t row : piece.rows) rows.push_back(first + row * d);
    ids.resize(rows.size(), 0);
    timings_.n_picture_tokens += static_cast<int>(piece.rows.size());
  }
  prefill(ids, rows);
  ++n_turns_;
  n_pictures_ += static_cast<int>(pictures_.size());
  pictures_.clear();
  parts_.clear();
  timings_.n_prompt += static_cast<int>(ids.size());
  timings_.prefill += clock.lap_ms();
}

void Session::append_ids(std::span<const int32_t> ids) {
  Stopwatch clock;
  prefill({ids.begin(), ids.end()}, std::vector<const float*>(ids.size(), nullptr));
  timings_.n_prompt += static_cast<int>(ids.size());
  timings_.prefill += clock.lap_ms();
}

void Session::prefill(const std::vector<int32_t>& ids, const std::vector<const float*>& rows) {
  if (ids.empty()) throw invalid_input("the prompt is empty");
  if (n_past_ + ids.size() > static_cast<size_t>(options_.n_context))
    throw invalid_input("the prompt needs {} places after {} used ones; the context has {}. Use -c to make it longer.",
                        ids.size(), n_past_, options_.n_context);
  for (size_t begin = 0; begin < ids.size();) {
    size_t n = std::min<size_t>(ids.size() - begin, static_cast<size_t>(options_.chunk));
    run_chunk(std::span(ids).subspan(begin, n), std::span(rows).subspan(begin, n), begin + n == ids.size());
    begin += n;
  }
}

Program& Session::program(int n_tokens, int n_rows, bool with_logits) {
  for (auto& p : programs_)
    if (p->n_tokens == n_tokens && p->n_rows == n_rows && p->with_logits == with_logits) return *p->program;
  constexpr size_t kKept = 4;  // the one-token program and a few prompt lengths
  if (programs_.size() >= kKept) {
    auto prompt = std::find_if(programs_.begin(), programs_.end(), [](auto& p) { return p->n_tokens > 1; });
    programs_.erase(prompt == programs_.end() ? programs_.begin() : prompt);
  }
  auto graph = step_graph(*checkpoint_->model, checkpoint_->weights, caches_, n_tokens, n_rows, with_logits);
  programs_.push_back(std::make_unique<PrefillProgram>(
      PrefillProgram{n_tokens, n_rows, with_logits, executor_->compile(std::move(graph))}));
  return *programs_.back()->program;
}

void Session::run_chunk(std::span<const int32_t> ids, std::span<const float* const> rows, bool last) {
  int n_tokens = static_cast<int>(ids.size());
  int n_rows = static_cast<int>(std::count_if(rows.begin(), rows.end(), [](const float* row) { return row; }));
  Program& step = program(n_tokens, n_rows, last);
  std::copy(ids.begin(), ids.end(), step.input("ids").i32().begin());
  std::span<int32_t> positions = step.input("positions").i32();
  std::iota(positions.begin(), positions.end(), n_past_);
  step.input("past").i32()[0] = n_past_;
  if (n_rows > 0) {
    float* to = step.input("rows").f32().data();
    int32_t* at = step.input("rows_at").i32().data();
    int64_t d = checkpoint_->model->d_model();
    for (int i = 0; i < n_tokens; ++i) {
      if (!rows[i]) continue;
      to = std::copy(rows[i], rows[i] + d, to);
      *at++ = i;
    }
  }
  step.run();
  n_past_ += n_tokens;
  if (!last) return;
  Tensor logits = step.output("logits");
  std::copy(logits.f32().begin(), logits.f32().end(), logits_.begin());
}

std::string Session::generate(const GenerateOptions& options, const std::function<bool(std::string_view)>& on_text) {
  if (n_past_ == 0) throw invalid_input("nothing to continue: append a prompt first");
  Stopwatch clock;
  const Tokenizer& tokenizer = *checkpoint_->tokenizer;
  Sampler sampler(options.sampling, static_cast<int>(logits_.size()));
  StreamingDecoder decoder(tokenizer);
  std::string text;
  generated_.clear();
  generated_.reserve(static_cast<size_t>(std::max(options.max_new_tokens, 0)));
  // Rows of the output matrix past the vocabulary are padding and never chosen.
  std::span<float> usable = std::span(logits_).first(static_cast<size_t>(tokenizer.vocab_size()));
  bool stopped = false;
  for (int i = 0; i < options.max_new_tokens && !stopped; ++i) {
    int32_t id = sampler.next(usable);
    if (tokenizer.is_end_of_generation(id) && !options.ignore_end) break;
    generated_.push_back(id);
    std::string piece = decoder.push(id);
    if (!piece.empty()) {
      text += piece;
      stopped = on_text && !on_text(piece);
    }
    if (n_past_ >= options_.n_context) break;
    const float* none = nullptr;
    run_chunk(std::span(&id, 1), std::span(&none, 1), true);
  }
  std::string rest = decoder.finish();
  if (!rest.empty() && on_text) on_text(rest);
  timings_.generate += clock.lap_ms();
  timings_.n_generated += static_cast<int>(generated_.size());
  return text + rest;
}

void Session::reset() {
  n_past_ = n_turns_ = n_pictures_ = 0;
  pictures_.clear();
  parts_.clear();
  generated_.clear();
  timings_ = {};
}

}  // namespace galago
