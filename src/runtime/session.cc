#include "runtime/session.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "runtime/turn_executor.h"

namespace galago {
namespace {

constexpr int kDefaultContext = 4096;

SessionOptions checked(SessionOptions options, const Checkpoint& checkpoint) {
  require_tokenizer(checkpoint);
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
      executor_(options.background ? take_turns(std::move(executor)) : std::move(executor)),
      options_(checked(options, *checkpoint_)),
      cache_(std::make_unique<KvCache>(checkpoint_->model->cache(), options_.n_context,
                                       CacheTypes{options_.cache_type, options_.value_type})),
      steps_(std::make_unique<StepRunner>(checkpoint_, executor_, *cache_)),
      encoder_(checkpoint_, executor_, options_.pictures,
               {.tile_batch = options.tile_batch,
                .pipelined = options.background,
                .with_keys = options.prefixes != nullptr}),
      worker_(options.background ? std::make_unique<Worker>() : nullptr) {
  logits_.reserve(static_cast<size_t>(checkpoint_->model->n_vocab()));
  history_.reserve(static_cast<size_t>(options_.n_context));
  if (options_.prefixes) prefix_kind_ = prefix_kind(model_digest(*checkpoint_), executor_->name(), *cache_);
}

Session::~Session() = default;

// ---- going back
// ------------------------------------------------------------------------------------------------------------

void Session::rewind(int n_past) {
  settle();
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
  settle();
  if (n <= 0 || turns_.empty()) return;
  rewind(turns_[turns_.size() - std::min(turns_.size(), static_cast<size_t>(n))].begin);
}

void Session::reset() {
  if (worker_) worker_->drop();
  begun_ = {};
  begins_turn_ = false;
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
