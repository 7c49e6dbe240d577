// One free function an op: it checks its arguments, derives the shape, appends a node and returns its Value.
// The comment is the meaning: the scalar code of cpu/ops/, the fast kernels and the torch executor all obey it.
//
// Conventions: shapes outermost first; real values are f32 unless said, ids and positions i32; a negative axis counts from
// the end; "x [..., n]" means any number of leading dimensions (none is fine), which are kept. Pictures are [N, C, H, W].
// A wrong shape comes from a model file as often as from a programmer, so it throws Error (InvalidInput) with both shapes.
// Every dimension may be 0 unless the op would divide by it.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace galago {

// ---- shape -------------------------------------------------------------------------------------------------------
Value reshape(Graph& g, Value x, const Shape& shape);                          // same elements in the same order
Value permute(Graph& g, Value x, std::vector<int> axes);                       // out axis i = in axis axes[i]
Value slice(Graph& g, Value x, int axis, int64_t begin, int64_t end, int64_t step = 1);  // begin, begin+step, ... < end
Value concat(Graph& g, std::span<const Value> parts, int axis);                // equal in all other axes
Value expand(Graph& g, Value x, const Shape& shape);                           // NumPy broadcast_to
Value pad(Graph& g, Value x, std::vector<int64_t> before, std::vector<int64_t> after, float value = 0);  // one an axis
Value cast(Graph& g, Value x, DType dtype);  // between F32, F16, BF16, I32; to I32 truncates towards zero

// ---- arithmetic: NumPy broadcasting for the binary ones -------------------------------------------------------------
Value add(Graph& g, Value a, Value b);
Value sub(Graph& g, Value a, Value b);
Value mul(Graph& g, Value a, Value b);
Value div(Graph& g, Value a, Value b);
Value affine(Graph& g, Value x, float scale, float bias = 0);                  // scale * x + bias
// Neg Abs Square Sqrt Rsqrt(1/sqrt) Exp Log Sin Cos Sigmoid Tanh Relu Relu6(clamp 0..6) Silu(x sigmoid(x))
// GeluErf(x/2 (1+erf(x/sqrt 2))) GeluTanh(x/2 (1+tanh(sqrt(2/pi)(x+0.044715x^3)))) QuickGelu(x sigmoid(1.702x))
// Softplus(log(1+e^x), x itself above 20) Mish(x tanh(softplus(x)))
Value unary(Graph& g, Value x, UnaryKind kind);
Value glu(Graph& g, Value gate, Value up, UnaryKind kind);                     // kind(gate) * up, equal shapes
Value where(Graph& g, Value condition, Value a, Value b);                      // i32 condition != 0 ? a : b; broadcast
Value clamp(Graph& g, Value x, float low, float high);

// ---- reductions over one axis, which disappears ---------------------------------------------------------------------
Value sum(Graph& g, Value x, int axis);
Value mean(Graph& g, Value x, int axis);                                       // axis length > 0
Value max(Graph& g, Value x, int axis);                                        // axis length > 0
Value argmax(Graph& g, Value x);                       // [..., n] -> i32 [...]; the first of equal values; n > 0
Value top_k(Graph& g, Value x, int k);                 // [..., n] -> i32 [..., k], falling values, first of equals first

// ---- normalisation -----------------------------------------------------------------------------------------------
Value layer_norm(Graph& g, Value x, Value gain, Value bias, float eps);        // over the last axis; gain, bias [n] or invalid
Value rms_norm(Graph& g, Value x, Value gain, float eps);                      // x / sqrt(mean(x^2) + eps) * gain [n]
Value group_norm(Graph& g, Value x, Value gain, Value bias, int groups, float eps);  // x [N, C, ...]; gain, bias [C]
// With running statistics, as in evaluation: (x - mean) / sqrt(var + eps) * gain + bias; x [N, C, ...], all others [C].
Value batch_norm(Graph& g, Value x, Value gain, Value bias, Value mean, Value var, float eps);

// ---- products ------------------------------------------------------------------------------------------------------
// y[..., o] = sum_k x[..., k] w[o, k] (+ bias[o]). x [..., k]; w [n_out, k], a weight of any number format; bias [n_out] f32.
Value linear(Graph& g, Value x, Value w, Value bias = {});
// a [..., m, k]; b [..., k, n], or [..., n, k] with transpose_b; the leading dimensions must be equal, or b has none.
Value matmul(Graph& g, Value a, Value b, bool transpose_b = false);
// One matrix an expert: y[t, s] = w[expert[t, s]] x[t, s]. x [T, S, k] (S = 1 is shared by all slots), w [E, n_out, k],
// expert i32 [T, S] -> [T, S, n_out]. Throws at run time for an expert outside 0..E-1.
Value expert_linear(Graph& g, Value x, Value w, Value expert);

// Scaled dot-product attention, grouped-query: q [B, T, H, D], k [B, S, G, D], v [B, S, G, Dv], H % G == 0; query head h uses
// key/value head h / (H / G). Result [B, T, H, Dv] = softmax(scale q k^T + mask) v.
// past: i32 [1]; the keys are a cache of which rows 0 .. past+T-1 are valid. Without it all S rows are, and past = S - T.
// causal: query t sees keys 0 .. past+t. window > 0: and of these only the last `window`. A query that sees no key gives 0.
// mask: f32 [T, S] or [B, T, S], added to the scores (use -inf to forbid).
// k and v may be F32, F16 or Q8_0 states; D and Dv of a Q8_0 state are multiples of 32.
struct AttentionOptions {
  float scale = 1;
  bool causal = false;
  int window = 0;
  Value past = {};
  Value mask = {};
};
Value attention(Graph& g, Value q, Value k, Value v, const AttentionOptions& options);
Value softmax(Graph& g, Value x, int axis = -1);
// Rotary positions: x [B, T, H, D], positions i32 [T] or [B, T]. The first n_rot of D channels turn by the angle
// position * base^(-2i/n_rot) / factors[i], i = 0 .. n_rot/2-1; cos and sin are multiplied by `scale`; the rest passes.
// factors: f32 [n_rot/2] weight, or invalid for ones. Layout: RopeLayout. Angles are computed in float32 as
// float(position) * float(inv_freq), inv_freq rounded to float32 first.
Value rope(Graph& g, Value x, Value positions, const RopeAttrs& attrs, Value factors = {});
// Writes rows [B, T, ...] into the cache state [B, S, ...] at row past (i32 [1]) of axis 1, converting to the state's
// format (F32, F16 or Q8_0); the result is the state after the write. Throws at run time if past + T > S or past < 0.
Value kv_append(Graph& g, Value state, Value rows, Value past);

// ---- by index ------------------------------------------------------------------------------------------------------
// table [n, ...] (a weight of any number format, or a value), ids i32 [any] -> [any..., ...]. Throws for an id outside 0..n-1.
Value gather(Graph& g, Value table, Value ids);
// base [n, ...] with row ids[i] replaced by rows[i]; ids i32 [m], rows [m, ...]; the last of repeated ids wins; id -1 is
// skipped (padding); other ids outside 0..n-1 throw. Gradients flow to base (kept rows) and rows.
Value scatter(Graph& g, Value base, Value rows, Value ids);

// ---- pictures and signals (weights F32 or F16) ------------------------------------------------------------------------
Value conv1d(Graph& g, Value x, Value w, Value bias, const ConvAttrs& attrs);  // x [N, C, L], w [O, C/groups, K], bias [O] or invalid
Value conv2d(Graph& g, Value x, Value w, Value bias, const ConvAttrs& attrs);  // x [N, C, H, W], w [O, C/groups, KH, KW]
Value conv_transpose1d(Graph& g, Value x, Value w, Value bias, const ConvAttrs& attrs);  // w [C, O/groups, K]
Value conv_transpose2d(Graph& g, Value x, Value w, Value bias, const ConvAttrs& attrs);  // w [C, O/groups, KH, KW]
Value pool2d(Graph& g, Value x, const PoolAttrs& attrs);  // output floor((n + 2p - size)/stride) + 1; max ignores padding
// As torch.nn.functional.interpolate: nearest: floor(i * in/out); bilinear; bicubic with a = -0.75; no antialias.
Value interpolate(Graph& g, Value x, const InterpolateAttrs& attrs);
// x [N, C, H, W], boxes f32 [R, 5] (picture, x1, y1, x2, y2) -> [R, C, height, width]; as torchvision.ops.roi_align with
// sampling > 0 points a side.
Value roi_align(Graph& g, Value x, Value boxes, const RoiAlignAttrs& attrs);

// ---- state spaces --------------------------------------------------------------------------------------------------
// Mamba's scan. u, delta [B, D, L]; a [D, N]; b, c [B, G, N, L] (D % G == 0, channel d uses group d / (D/G)); skip [D].
// h_l = exp(delta a) h_(l-1) + delta b u;  y = c . h + skip u  -> [B, D, L]. delta is already positive (softplus outside).
Value selective_scan(Graph& g, Value u, Value delta, Value a, Value b, Value c, Value skip);

// ---- training ------------------------------------------------------------------------------------------------------
// Mean over the rows whose target is not `ignore` of -log softmax(logits)[target]; 0 if there is no such row.
// logits [..., V], targets i32 [...] -> scalar. label_smoothing e: (1-e) nll + e mean_v(-log p_v).
Value cross_entropy(Graph& g, Value logits, Value targets, int32_t ignore = -100, float label_smoothing = 0);
// Mean over rows of sum_v p_v (log p_v - log q_v), p = softmax(target), q = softmax(logits); [..., V] both -> scalar.
Value kl_div(Graph& g, Value logits, Value target_logits);
Value dropout(Graph& g, Value x, float p);  // the identity except in a training program

}  // namespace galago
