// galago train RECIPE.yaml: trains, with checkpoints, log and curves under the recipe's output folder.
#include <fmt/format.h>

#include "base/progress.h"
#include "cli/command.h"
#include "train/caption_training.h"

namespace galago::cli {
namespace {

struct Options {
  std::string recipe, resume;
  std::vector<std::string> changes;
  bool json = false;
};

void run(const Options& o) {
  std::vector<std::string> changes = o.changes;
  if (!o.resume.empty()) changes.push_back("out=" + o.resume);
  TrainingResult result = train_captions(read_recipe(o.recipe, changes), !o.resume.empty());
  if (o.json)
    return print_json({{"steps", result.steps},
                       {"train_loss", result.train_loss},
                       {"validation_loss", result.validation_loss},
                       {"best_loss", result.best_loss},
                       {"folder", result.folder},
                       {"interrupted", result.interrupted}});
  fmt::print("{} after {} steps: training loss {:.4f}, validation loss {:.4f} (best {:.4f})\n{}/best\n",
             result.interrupted ? "stopped" : "done", result.steps, result.train_loss, result.validation_loss,
             result.best_loss, result.folder);
  if (result.interrupted) note(fmt::format("everything is saved; continue with --resume {}", result.folder));
}

}  // namespace

void define_train(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("RECIPE", o->recipe, "a YAML file, see recipes/")->required();
  app.add_option("--set", o->changes, "change a field of the recipe: --set batch=32 --set data.seed=7")
      ->allow_extra_args(false);
  app.add_option("--resume", o->resume, "continue the run in this folder");
  app.add_flag("--json", o->json, "the result as one JSON object");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
