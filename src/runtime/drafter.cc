#include "runtime/drafter.h"

#include <algorithm>

#include "base/error.h"

namespace galago {
namespace {

constexpr size_t kLongestMatch = 3, kShortestMatch = 1;  // tokens that must be the same
constexpr size_t kChunk = 512;  // longest piece of a conversation that a draft model runs at once

// Where the last `n` tokens stood before, as late as possible: the place behind them; 0: nowhere.
size_t find_earlier(std::span<const int32_t> history, size_t n) {
  if (history.size() <= n) return 0;
  const auto tail = history.last(n);
  for (size_t begin = history.size() - n; begin-- > 0;)
    if (std::equal(tail.begin(), tail.end(), history.begin() + static_cast<std::ptrdiff_t>(begin))) return begin + n;
  return 0;
}

void require_same_tokenizer(const Checkpoint& draft, const Checkpoint& target) {
  if (!draft.tokenizer) throw invalid_input("{}: no tokenizer; a draft model needs that of the model", draft.path);
  const Tokenizer &a = *draft.tokenizer, &b = *target.tokenizer;
  bool same = a.vocab_size() == b.vocab_size();
  for (int32_t id = 0; same && id < a.vocab_size(); ++id) same = a.piece(id) == b.piece(id);
  if (!same)
    throw invalid_input("{}: a tokenizer of {} tokens, another one than the {} of {}; a draft model needs the same",
                        draft.path, a.vocab_size(), b.vocab_size(), target.path);
}

std::shared_ptr<const Checkpoint> checked(std::shared_ptr<const Checkpoint> draft, const Checkpoint& target) {
  require_same_tokenizer(*draft, target);
  return draft;
}

// Penalties look at the answer, which a draft does not follow token by token.
SamplingOptions without_penalties(const SamplingOptions& o) {
  return {.temperature = o.temperature, .top_k = o.top_k, .top_p = o.top_p, .min_p = o.min_p, .seed = o.seed + 1};
}

int places(const Checkpoint& draft, int wanted) { return std::min(wanted, draft.model->cache().max_context); }

}  // namespace

std::vector<DraftedToken> LookupDrafter::draft(std::span<const int32_t> history, int n) {
  std::vector<DraftedToken> drafted;
  for (size_t length = kLongestMatch; length >= kShortestMatch && drafted.empty(); --length) {
    const size_t from = find_earlier(history, length);
    for (size_t i = from; from > 0 && i < history.size() && std::ssize(drafted) < n && history[i] >= 0; ++i)
      drafted.push_back({history[i]});
  }
  return drafted;
}

ModelDrafter::ModelDrafter(std::shared_ptr<const Checkpoint> draft, std::shared_ptr<Executor> executor,
                           const Checkpoint& target, const SamplingOptions& sampling, int n_context)
    : checkpoint_(checked(std::move(draft), target)),
      cache_(checkpoint_->model->cache(), places(*checkpoint_, n_context), {}),
      steps_(checkpoint_, std::move(executor), cache_),
      sampler_(without_penalties(sampling), checkpoint_->tokenizer->vocab_size()),
      certain_(sampling.temperature <= 0) {}

void ModelDrafter::run(std::span<const int32_t> ids) {
  for (size_t begin = 0; begin < ids.size(); begin += kChunk) {
    const auto piece = ids.subspan(begin, std::min(kChunk, ids.size() - begin));
    const std::vector<const float*> no_rows(piece.size(), nullptr);
    const bool last = begin + piece.size() == ids.size();
    steps_.run(piece, no_rows, static_cast<int>(seen_.size()), last ? StepLogits::Last : StepLogits::None);
    seen_.insert(seen_.end(), piece.begin(), piece.end());
  }
}

// Goes back to where the conversation and what was drafted part, and runs what is new.
void ModelDrafter::follow(std::span<const int32_t> words) {
  size_t n_same = 0;
  while (n_same < seen_.size() && n_same + 1 < words.size() && seen_[n_same] == words[n_same]) ++n_same;
  seen_.resize(n_same);
  run(words.subspan(n_same));
}

std::vector<DraftedToken> ModelDrafter::draft(std::span<const int32_t> history, int n) {
  std::vector<int32_t> words;
  std::copy_if(history.begin(), history.end(), std::back_inserter(words), [](int32_t id) { return id >= 0; });
  n = std::min(n, cache_.n_context() - static_cast<int>(words.size()));
  std::vector<DraftedToken> drafted;
  if (words.empty() || n <= 0) return drafted;
  follow(words);
  const size_t n_vocab = static_cast<size_t>(checkpoint_->tokenizer->vocab_size());
  for (;;) {
    const auto from = sampler_.distribution(steps_.logits().first(n_vocab));
    const int32_t id = sampler_.pick(from);
    drafted.push_back({id});
    if (!certain_) drafted.back().from.assign(from.begin(), from.end());
    if (std::ssize(drafted) == n) return drafted;
    run(std::span(&id, 1));
  }
}

}  // namespace galago
