// Times llama.cpp without the JavaScript layer of llama_bench.mjs, or (-DIK) ik_llama.cpp, through their C interface:
// one JSON object as llama_bench.mjs prints it. README.md says how it is built.
//
// llama_native MODEL.gguf OPTION THREADS PROMPT[,...] TOKENS DEPTH[,...]           (PROMPT 0: none)
// OPTION is the folder of llama.cpp's libraries; for ik_llama.cpp "packed" to repack the weights at load, or "plain".
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"

namespace {

// ---- where the two interfaces differ

#ifdef IK
std::string engine_name(const std::string& option) { return "ik_llama.cpp, " + option; }
llama_model_params model_params(const std::string& option) {
  llama_model_params params = llama_model_default_params();
  params.repack_tensors = option == "packed";
  return params;
}
void use_flash_attention(llama_context_params& params) { params.flash_attn = true; }
int vocabulary(const llama_model* model) { return llama_n_vocab(model); }
llama_batch batch(std::vector<llama_token>& ids, int past) {
  return llama_batch_get_one(ids.data(), static_cast<int>(ids.size()), past, 0);
}
void clear(llama_context* context) { llama_kv_cache_clear(context); }
#else
std::string engine_name(const std::string&) { return "llama.cpp"; }
llama_model_params model_params(const std::string& option) {
  ggml_backend_load_all_from_path(option.c_str());
  return llama_model_default_params();
}
void use_flash_attention(llama_context_params& params) { params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED; }
int vocabulary(const llama_model* model) { return llama_vocab_n_tokens(llama_model_get_vocab(model)); }
llama_batch batch(std::vector<llama_token>& ids, int) {
  return llama_batch_get_one(ids.data(), static_cast<int>(ids.size()));
}
void clear(llama_context* context) { llama_memory_clear(llama_get_memory(context), false); }
#endif

// ---- what is measured

template <typename Work>
double seconds(const Work& work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Engine {
  llama_context* context;
  int n_vocab;
  int past = 0;
  std::mt19937 random{7};

  void forget() {
    clear(context);
    past = 0;
  }

  void evaluate(std::vector<llama_token> ids) {
    if (llama_decode(context, batch(ids, past)) != 0) std::abort();
    past += static_cast<int>(ids.size());
  }

  void fill(int n) {
    constexpr int kBatch = 512;
    constexpr int kFirst = 259;  // behind specials and bytes
    for (int at = 0; at < n; at += kBatch) {
      std::vector<llama_token> ids(static_cast<size_t>(std::min(kBatch, n - at)));
      for (llama_token& id : ids) id = kFirst + static_cast<int>(random() % static_cast<unsigned>(n_vocab - kFirst));
      evaluate(ids);
    }
    llama_synchronize(context);
  }

  llama_token greedy() {
    const float* logits = llama_get_logits_ith(context, -1);
    return static_cast<llama_token>(std::max_element(logits, logits + n_vocab) - logits);
  }

  double prompt_speed(int n) {
    forget();
    return n / seconds([&] { fill(n); });
  }

  double generate_speed(int depth, int n) {
    forget();
    fill(std::max(depth, 1));
    return n / seconds([&] {
             for (int i = 0; i < n; ++i) evaluate({greedy()});
             greedy();  // waits for the last
           });
  }
};

void quiet_log(ggml_log_level level, const char* text, void*) {
  if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
}

std::vector<int> numbers(const std::string& text) {
  std::vector<int> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) out.push_back(std::stoi(part));
  return out;
}

int longest(const std::vector<int>& values) { return *std::max_element(values.begin(), values.end()); }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return std::fprintf(stderr, "usage: see the head of llama_native.cc\n"), 2;
  const std::string option = argv[2];
  const std::vector<int> prompts = numbers(argv[4]), depths = numbers(argv[6]);
  const int threads = std::atoi(argv[3]), n = std::atoi(argv[5]);
  llama_log_set(quiet_log, nullptr);
  llama_model* model = llama_model_load_from_file(argv[1], model_params(option));
  if (!model) return 1;
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(std::max(longest(prompts), longest(depths) + n) + 64);
  params.n_batch = params.n_ubatch = 512;
  params.n_threads = params.n_threads_batch = threads;
  use_flash_attention(params);
  Engine engine{llama_init_from_model(model, params), vocabulary(model)};
  if (!engine.context) return 1;
  engine.prompt_speed(prompts[0] > 0 ? prompts[0] : 32);  // warms up
  engine.generate_speed(0, n);
  std::printf("{\"engine\": \"%s\", \"threads\": %d", engine_name(option).c_str(), threads);
  for (int p : prompts)
    if (p > 0) std::printf(", \"p%d\": %.2f", p, engine.prompt_speed(p));
  for (int depth : depths) std::printf(", \"n%d@%d\": %.2f", n, depth, engine.generate_speed(depth, n));
  std::printf("}\n");
}
