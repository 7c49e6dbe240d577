#include "eval/scenes.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "runtime/session.h"

namespace galago {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

void check(const SceneEvalOptions& o) {
  if (!o.prompt.empty() && o.begin_words > 0)
    throw usage_error("--prompt and --begin-words both give the beginning of the text; give one of them");
  if (o.begin_words < 0) throw usage_error("--begin-words {}: expected 0 or more", o.begin_words);
  if (o.max_new_tokens < 1) throw usage_error("--max-tokens {}: expected 1 or more", o.max_new_tokens);
  if (o.nearest < 0) throw usage_error("--nearest {}: expected 0 or more", o.nearest);
}

// The rest of the reference behind the beginning that was taken from it.
std::string rest_of(const SceneResult& result, const SceneEvalOptions& o) {
  return o.begin_words > 0 ? result.item.reference.substr(result.beginning.size()) : result.item.reference;
}

Rouge plus(const Rouge& a, const Rouge& b, double share) {
  return {a.rouge1 + b.rouge1 * share, a.rouge2 + b.rouge2 * share, a.rougeL + b.rougeL * share};
}

class SceneTask {
 public:
  SceneTask(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor, SceneEvalOptions options,
            const EvalProgress& progress)
      : o_(std::move(options)),
        progress_(progress),
        session_(checkpoint, executor),
        nll_(checkpoint, executor),
        items_(make_items(*checkpoint, o_)),
        training_(items_->training_texts(o_.nearest)) {}

  SceneEvaluation run() {
    describe_all();
    compare_pictures();
    summarise();
    return std::move(out_);
  }

 private:
  static std::unique_ptr<SceneItems> make_items(const Checkpoint& checkpoint, SceneEvalOptions& o) {
    check(o);
    o.items.picture_size = checkpoint.model->pictures().slice.tile;
    return make_scene_items(o.items);
  }

  bool go_on() { return !(out_.interrupted = out_.interrupted || interrupted()); }

  void step() {
    if (progress_) progress_(++done_, items_->size() * (o_.likelihood ? 2 : 1));
  }

  void describe_all() {
    for (int64_t i = 0; i < items_->size() && go_on(); ++i, step()) describe(i);
  }

  void describe(int64_t i) {
    SceneResult r;
    r.item = items_->item(i);
    r.beginning = o_.begin_words > 0 ? first_words(r.item.reference, o_.begin_words) : o_.prompt;
    session_.reset();
    session_.attach_image(r.item.image);
    session_.append(r.beginning);
    r.completion = session_.generate({.max_new_tokens = o_.max_new_tokens, .sampling = {}});
    if (r.beginning.empty()) r.completion.erase(0, r.completion.find_first_not_of(' '));
    const Timings& t = session_.timings();
    out_.n_generated += t.n_generated;
    generate_ms_ += t.generate;
    picture_ms_ += t.prepare + t.encode;
    if (o_.likelihood) pictures_.push_back(nll_.encode(r.item.image));
    r.facts.add(r.item.scene, r.text());
    r.rouge = rouge(r.completion, rest_of(r, o_));
    r.nearest = training_.find(r.text());
    if (i >= o_.keep_pictures) r.item.image = {};
    out_.results.push_back(std::move(r));
  }

  // What needs another item's picture: likelihoods, and the texts held against the wrong scenes.
  void compare_pictures() {
    int64_t n = std::ssize(out_.results);
    if (n < 2) return;
    std::vector<int64_t> other = derangement(n, o_.items.seed);
    for (int64_t i = 0; i < n; ++i)
      out_.chance.add(out_.results[static_cast<size_t>(other[static_cast<size_t>(i)])].item.scene, result(i).text());
    for (int64_t i = 0; o_.likelihood && i < n && go_on(); ++i, step()) {
      SceneResult& r = result(i);
      // A fixed --prompt need not be how the reference begins, so the whole reference is scored then.
      std::string beginning = o_.begin_words > 0 ? r.beginning : "";
      auto picture = [&](int64_t k) -> const EncodedPicture& { return pictures_[static_cast<size_t>(k)]; };
      r.nll = nll_.score(picture(i), picture(other[static_cast<size_t>(i)]), beginning, rest_of(r, o_));
      out_.nll.add(r.nll);
    }
  }

  void summarise() {
    std::vector<std::string> texts;
    double share = 1.0 / static_cast<double>(std::max<size_t>(out_.results.size(), 1));
    for (const SceneResult& r : out_.results) {
      texts.push_back(r.text());
      out_.facts.add(r.item.scene, r.text());
      out_.rouge = plus(out_.rouge, r.rouge, share);
      out_.nearest = plus(out_.nearest, r.nearest.score, share);
      out_.repetition += repetition_rate(r.text()) * share;
    }
    out_.distinct1 = distinct_ngrams(texts, 1);
    out_.distinct2 = distinct_ngrams(texts, 2);
    out_.length = length_stats(texts);
    if (generate_ms_ > 0) out_.tokens_per_second = static_cast<double>(out_.n_generated) / generate_ms_ * 1000;
    out_.milliseconds_per_picture = picture_ms_ * share;
  }

  SceneResult& result(int64_t i) { return out_.results[static_cast<size_t>(i)]; }

  SceneEvalOptions o_;
  const EvalProgress& progress_;
  Session session_;
  CaptionNll nll_;
  std::unique_ptr<SceneItems> items_;
  NearestText training_;
  std::vector<EncodedPicture> pictures_;
  double generate_ms_ = 0, picture_ms_ = 0;
  int64_t done_ = 0;
  SceneEvaluation out_;
};

}  // namespace

SceneEvaluation evaluate_scenes(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor,
                                const SceneEvalOptions& options, const EvalProgress& progress) {
  return SceneTask(std::move(checkpoint), std::move(executor), options, progress).run();
}

std::string first_words(const std::string& text, int n) {
  size_t at = 0;
  for (int word = 0; word < n; ++word) {
    while (at < text.size() && is_space(text[at])) ++at;
    while (at < text.size() && !is_space(text[at])) ++at;
  }
  return text.substr(0, at);
}

}  // namespace galago
