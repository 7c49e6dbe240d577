// The task `scenes`: a captioning model describes pictures whose content is known, and its words are checked against
// the scene graph (data/scene_facts.h), against the reference text (ROUGE) and against training texts; its likelihoods
// say whether it looks at the picture (eval/caption_nll.h). Called by cli/eval.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/scene_facts.h"
#include "eval/caption_nll.h"
#include "eval/scene_items.h"
#include "eval/text_metrics.h"

namespace galago {

struct SceneEvalOptions {
  SceneItemOptions items;  // picture_size is set from the model
  std::string prompt;      // every text begins so
  int begin_words = 0;     // > 0: the reference's first words are the beginning (NanoVLMs: 6-7 short, 18-20 long)
  int max_new_tokens = 128;
  int64_t nearest = 1000;  // training texts to look for copies in
  bool likelihood = true;
  int keep_pictures = 0;  // results that keep their picture, for a contact sheet
};

struct SceneResult {
  SceneItem item;         // without pixels beyond keep_pictures
  std::string beginning;  // given to the model
  std::string completion;
  std::string text() const { return beginning + completion; }
  FactScores facts;  // of the whole text
  NllSums nll;
  Rouge rouge;                 // completion against the rest of the reference
  NearestText::Match nearest;  // whole text against training texts
};

struct SceneEvaluation {
  std::vector<SceneResult> results;
  FactScores facts;
  FactScores chance;  // the same texts against other items' scenes: what guessing gets
  NllSums nll;
  Rouge rouge, nearest;  // means
  double distinct1 = 0, distinct2 = 0, repetition = 0;
  LengthStats length;
  int64_t n_generated = 0;
  double tokens_per_second = 0, milliseconds_per_picture = 0;
  bool interrupted = false;
};

using EvalProgress = std::function<void(int64_t done, int64_t total)>;

// Stops early, with what it has, when interrupted() (base/interrupt.h). Throws Usage for options that contradict each
// other.
SceneEvaluation evaluate_scenes(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor,
                                const SceneEvalOptions& options, const EvalProgress& progress = {});

Json result_to_json(const SceneResult& result);
Json summary_to_json(const SceneEvaluation& evaluation);
std::vector<std::vector<std::string>> summary_table(const SceneEvaluation& evaluation);

// The first n words of a text, without what follows them; the whole text if it has no more.
std::string first_words(const std::string& text, int n);

}  // namespace galago
