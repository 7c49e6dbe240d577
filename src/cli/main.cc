// galago: runs, quantizes, trains and evaluates small multimodal models. Each command is a row of commands.def and a
// file beside this one. Results go to stdout, everything else to stderr; exit status 0 done, 1 failed, 2 wrong usage.
#include <fmt/format.h>

#include "base/error.h"
#include "base/progress.h"
#include "cli/command.h"
#if GALAGO_WITH_TORCH
#include "torch_loader/environment.h"
#endif

namespace galago::cli {
namespace {

constexpr std::string_view kVersion = GALAGO_VERSION;

void help(const std::string& topic) {
  for (const Command& command : all_commands())
    if (topic == command.name) {
      CLI::App app{std::string(command.summary), "galago " + topic};
      command.define(app);
      fmt::print("{}\nExample:\n  {}\n", app.help(), command.example);
      return;
    }
  if (!topic.empty()) throw usage_error("there is no command {}; `galago help` lists them", topic);
  fmt::print("galago {}: small multimodal models on machines people own\n\nUsage: galago COMMAND [options]\n\n",
             kVersion);
  for (const Command& command : all_commands()) fmt::print("  {:<12} {}\n", command.name, command.summary);
  fmt::print("  {:<12} {}\n\n`galago help COMMAND` shows options and an example.\n", "help",
             "this list, or one command");
}

// Short options of more than one letter, as llama.cpp has them; CLI11 would read "-ctk" as "-c tk".
std::string long_name(std::string_view argument) {
  if (argument == "-ctk") return "--cache-type-k";
  if (argument == "-ctv") return "--cache-type-v";
  return std::string(argument);
}

int run_command(const Command& command, int argc, char** argv) {
  CLI::App app{std::string(command.summary), "galago " + std::string(command.name)};
  app.footer("Example:\n  " + std::string(command.example));
  bool quiet = false;
  app.add_flag("--quiet", quiet, "no progress and no notes on stderr")
      ->trigger_on_parse()
      ->each([](const std::string&) { set_quiet(true); });
  bool debug = false;
  app.add_flag("--debug", debug, "more notes on stderr");
  command.define(app);
  try {
    std::vector<std::string> arguments;
    for (int i = argc - 1; i > 0; --i) arguments.push_back(long_name(argv[i]));  // CLI11 wants the last one first
    app.parse(std::move(arguments));
    return 0;
  } catch (const CLI::ParseError& e) {
    int code = app.exit(e);
    return code == 0 ? 0 : 2;
  }
}

int dispatch(int argc, char** argv) {
  std::string name = argc > 1 ? argv[1] : "help";
  if (name == "--version") {
    fmt::print("galago {}\n", kVersion);
    return 0;
  }
  if (name == "help" || name == "--help" || name == "-h") {
    help(argc > 2 ? argv[2] : "");
    return argc > 1 ? 0 : 2;
  }
  for (const Command& command : all_commands())
    if (name == command.name) return run_command(command, argc - 1, argv + 1);
  throw usage_error("there is no command {}; `galago help` lists them", name);
}

}  // namespace
}  // namespace galago::cli

int main(int argc, char** argv) {
#if GALAGO_WITH_TORCH
  if (argc > 1 && std::string_view(argv[1]) == "train") galago::torch_backend::prepare_blas_environment(argv);
#endif
  try {
    return galago::cli::dispatch(argc, argv);
  } catch (const galago::Error& e) {
    fmt::print(stderr, "galago: {}\n", e.what());
    return e.kind() == galago::ErrorKind::Usage ? 2 : 1;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "galago: out of memory\n");
  } catch (const std::exception& e) {
    fmt::print(stderr, "galago: {}\n", e.what());
  }
  return 1;
}
