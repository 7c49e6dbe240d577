// The layers every model shares. Each reads its weights "weight" and, where the checkpoint has one, "bias" from its
// Scope.
#pragma once

#include "nn/scope.h"

namespace galago {

// x [..., k] -> [..., n_out]. With weights lora_a [r, k] and lora_b [n_out, r] (scaled): an adapter that was not
// merged, y = W x + lora_b (lora_a x). With weights plora_a [r, k] and plora_b [n_out, r] (scaled): a partial LoRA
// (4KHD, arXiv 2404.06512), added to the picture rows of x [1, T, k] only.
Value linear(const Scope& s, Value x);
Value layer_norm(const Scope& s, Value x, float eps);
Value rms_norm(const Scope& s, Value x, float eps);
Value patch_embed(const Scope& s, Value pixels, int patch);  // [N, 3, H, W] -> [N, (H/p)(W/p), d], rows first

// Which normalisation a block uses; both read "weight", layer norm also "bias".
enum class NormKind { Layer, Rms };
Value norm(const Scope& s, Value x, NormKind kind, float eps);

struct MlpOptions {
  bool gated = false;  // down(act(gate x) * up x) instead of fc2(act(fc1 x))
  UnaryKind activation = UnaryKind::GeluErf;
  // > 0: a mixture of experts. Weights router [E, d], gate / up / down [E, ...]: softmax over all in float32, the best
  // n_experts_used, their weights scaled to sum 1 (MiniCPM-MoE).
  int n_experts = 0, n_experts_used = 0;
};
// Weights: fc1, fc2; gated: gate, up, down. x [..., d] -> [..., d].
Value mlp(const Scope& s, Value x, const MlpOptions& options);

// Joins f x f neighbouring tokens of a g x g grid into one: [N, g*g, c] -> [N, (g/f)^2, f*f*c]; the channels of the
// joined token are those of (row offset, column offset) in row-major order (huggingface/nanoVLM, modality projector;
// InternVL's pixel shuffle "v2"; InternLM-XComposer2-4KHD). by_columns: the joined tokens column by column instead of
// row by row (VILA).
Value pixel_shuffle(Graph& g, Value tokens, int factor, bool by_columns = false);

}  // namespace galago
