#include "cli/model_options.h"

namespace galago::cli {

CLI::Option* add_model_options(CLI::App& app, ModelFiles& files) {
  CLI::Option* model = app.add_option("MODEL,-m,--model", files.model,
                                      "a GGUF file, a Hugging Face folder, or a .pth file with --config")
                           ->required();
  app.add_option("--mmproj", files.mmproj,
                 "the vision partner of a GGUF text model; one that lies beside it is found by itself");
  app.add_option("--config", files.config, "config.json of a MODEL that is a bare weight file");
  app.add_option("--lora", files.loras, "a LoRA adapter to merge: a PEFT folder or GGUF; may be repeated")
      ->allow_extra_args(false);
  return model;
}

}  // namespace galago::cli
