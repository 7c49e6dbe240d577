// The answering half of Session: sampling token by token or with drafted tokens, and beam search.
#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/session.h"

namespace galago {

std::vector<std::string> Session::stop_strings(const GenerateOptions& options) const {
  std::vector<std::string> all = options.stop;
  if (!options.model_stops) return all;
  for (std::string& s : checkpoint_->model->stop_strings()) all.push_back(std::move(s));
  return all;
}

std::string Session::generate(const GenerateOptions& options, const OnText& on_text) {
  settle();
  ensure_logits();
  Stopwatch clock;
  generated_.clear();
  generated_.reserve(static_cast<size_t>(std::clamp(options.max_new_tokens, 0, options_.n_context)));
  logprobs_.clear();
  finish_ = FinishReason::Length;
  AnswerText answer(*checkpoint_->tokenizer, stop_strings(options), on_text);
  const int n_before = n_past();
  options.beams.n > 1 ? search_answer(options, answer) : sample_answer(options, answer);
  timings_.n_generated += static_cast<int>(generated_.size());
  answer.finish();
  if (answer.stopped()) forget_after_stop(n_before, answer);
  if (answer.declined()) finish_ = FinishReason::Declined;
  timings_.generate += clock.lap_ms();
  return answer.text();
}

void Session::forget_after_stop(int n_before, const AnswerText& answer) {
  const size_t n = std::min(answer.n_tokens_kept(), generated_.size());
  generated_.resize(n);
  logprobs_.resize(std::min(logprobs_.size(), n));
  rewind(std::min(n_before + static_cast<int>(n), n_past()));
  finish_ = FinishReason::StopString;
}

// ---- token by token
// --------------------------------------------------------------------------------------------------------

// Rows of the output matrix past the vocabulary are padding and never chosen.
int Session::n_usable() const { return std::min(checkpoint_->tokenizer->vocab_size(), checkpoint_->model->n_vocab()); }

// Drafted tokens behind the last place, which were run already.
struct Session::Guesses {
  std::vector<DraftedToken> tokens;
  size_t n_accepted = 0;
  const DraftedToken* next() const { return n_accepted < tokens.size() ? &tokens[n_accepted] : nullptr; }
};

// guess: what was drafted for this place, or null.
int32_t Session::choose(Sampler& sampler, const GenerateOptions& options, const DraftedToken* guess) {
  std::span<float> usable = std::span(logits_).first(static_cast<size_t>(n_usable()));
  if (options.n_logprobs >= 0) raw_.assign(usable.begin(), usable.end());
  const int32_t id = guess ? sampler.next(usable, *guess) : sampler.next(usable);
  if (options.n_logprobs >= 0) logprobs_.push_back({score_of(raw_, id), best_scores(raw_, options.n_logprobs)});
  return id;
}

void Session::sample_answer(const GenerateOptions& options, AnswerText& answer) {
  const Tokenizer& tokenizer = *checkpoint_->tokenizer;
  Sampler sampler(options.sampling, n_usable(), history_);
  Guesses guesses;
  for (int i = 0; i < options.max_new_tokens; ++i) {
    const DraftedToken* guess = guesses.next();
    const int32_t id = choose(sampler, options, guess);
    if (tokenizer.is_end_of_generation(id) && !options.ignore_end) {
      if (options.n_logprobs >= 0) logprobs_.pop_back();
      logits_.clear();  // the sampler changed them
      finish_ = FinishReason::EndToken;
      return;
    }
    generated_.push_back(id);
    const bool goes_on = answer.push(id);
    if (n_past() >= options_.n_context) {
      logits_.clear();
      finish_ = FinishReason::ContextFull;
      return;
    }
    guess && guess->id == id ? accept(guesses) : run_token(id, options, guesses);
    if (!goes_on) return;
  }
}

// ---- drafted tokens (drafter.h): run in one piece behind the token that was chosen, taken one by one as long as the
// model says the same. Places of tokens that it does not say are written again, which needs no undoing.

void Session::accept(Guesses& guesses) {
  history_.push_back(guesses.tokens[guesses.n_accepted].id);
  take_logits(++guesses.n_accepted);
  ++timings_.n_accepted;
}

// Row of the piece that was run last.
void Session::take_logits(size_t row) {
  const size_t n = static_cast<size_t>(checkpoint_->model->n_vocab());
  const std::span<const float> logits = steps_->logits().subspan(row * n, n);
  logits_.assign(logits.begin(), logits.end());
}

std::vector<DraftedToken> Session::draft_behind(int32_t id, const GenerateOptions& options) {
  const int n_wanted = options.max_new_tokens - static_cast<int>(generated_.size());
  const int n = std::min({options.max_draft, n_wanted, options_.n_context - n_past() - 1});
  if (!options.drafter || n <= 0) return {};
  std::vector<int32_t> said = history_;
  said.push_back(id);
  std::vector<DraftedToken> drafted = options.drafter->draft(said, n);
  timings_.n_drafted += static_cast<int>(drafted.size());
  return drafted;
}

void Session::run_token(int32_t id, const GenerateOptions& options, Guesses& guesses) {
  guesses = {draft_behind(id, options)};
  piece_ = {id};
  for (const DraftedToken& token : guesses.tokens) piece_.push_back(token.id);
  no_rows_.assign(piece_.size(), nullptr);
  steps_->run(piece_, no_rows_, n_past(), StepLogits::All);
  history_.push_back(id);
  take_logits(0);
}

// ---- beam search
// -----------------------------------------------------------------------------------------------------------

// The unfinished answers: copies of the conversation's cache that go on differently.
struct Session::Beams {
  KvCache cache, spare;
  StepRunner steps;
  int n_prompt;

  Beams(const Session& s, int n, int n_tokens)
      : cache(s.checkpoint_->model->cache(), s.n_past() + n_tokens, {s.options_.cache_type, s.options_.value_type}, n,
              s.options_.n_context),
        spare(s.checkpoint_->model->cache(), n_tokens, {s.options_.cache_type, s.options_.value_type}, n),
        steps(s.checkpoint_, s.executor_, cache),
        n_prompt(s.n_past()) {
    for (int i = 0; i < n; ++i) cache.copy_rows(*s.cache_, {0, 0}, {i, 0}, n_prompt);
  }

  // Answer i continues answer parents[i]: their rows behind the prompt change places.
  void follow(std::span<const int> parents, int n_past) {
    const int n = static_cast<int>(parents.size()), rows = n_past - n_prompt;
    auto is_own = [&](int i) { return parents[static_cast<size_t>(i)] == i; };
    for (int i = 0; i < n; ++i)
      if (!is_own(i)) spare.copy_rows(cache, {parents[static_cast<size_t>(i)], n_prompt}, {i, 0}, rows);
    for (int i = 0; i < n; ++i)
      if (!is_own(i)) cache.copy_rows(spare, {i, 0}, {i, n_prompt}, rows);
  }
};

// The winner is then run once more as a prompt: whichever it is, the conversation goes on behind it.
void Session::search_answer(const GenerateOptions& options, AnswerText& answer) {
  const Tokenizer& tokenizer = *checkpoint_->tokenizer;
  const int room = std::min(options.max_new_tokens, options_.n_context - n_past());
  if (room <= 0) return;
  BeamOptions beams = options.beams;
  beams.repeat_penalty = options.sampling.repeat_penalty;
  std::span<const int32_t> ends = tokenizer.end_of_generation();
  BeamSearch search(beams, options.ignore_end ? std::span<const int32_t>{} : ends, room);
  logits_.resize(static_cast<size_t>(n_usable()));
  if (search.advance(logits_, logits_.size())) follow_beams(search, beams.n);
  BeamAnswer best = search.best();
  beam_score_ = best.score;
  generated_ = std::move(best.ids);
  logits_.clear();
  finish_ = static_cast<int>(generated_.size()) < room ? FinishReason::EndToken : FinishReason::Length;
  for (int32_t id : generated_)
    if (!answer.push(id)) break;
  if (!generated_.empty()) prefill(generated_, std::vector<const float*>(generated_.size(), nullptr));
}

void Session::follow_beams(BeamSearch& search, int n) {
  const size_t n_vocab = logits_.size(), n_rows = static_cast<size_t>(checkpoint_->model->n_vocab());
  Beams beams(*this, n, search.n_tokens_left());
  std::vector<int32_t> last(static_cast<size_t>(n));
  std::vector<float> usable;
  for (int past = n_past();; ++past) {
    beams.follow(search.parents(), past);
    for (size_t i = 0; i < search.live().size(); ++i) last[i] = search.live()[i].ids.back();
    beams.steps.run_batch(last, past);
    usable.clear();
    for (size_t i = 0; i < search.live().size(); ++i) {
      std::span<const float> row = beams.steps.logits().subspan(i * n_rows, n_vocab);
      usable.insert(usable.end(), row.begin(), row.end());
    }
    if (!search.advance(usable, n_vocab)) return;
  }
}

}  // namespace galago
