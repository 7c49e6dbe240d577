// What an op needs besides its inputs. One struct an op family; a node holds one of them.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace galago {

enum class UnaryKind {
  Neg, Abs, Square, Sqrt, Rsqrt, Exp, Log, Sin, Cos, Sigmoid, Tanh, Relu, Relu6, Silu, GeluErf, GeluTanh, QuickGelu,
  Softplus, Mish,
};
enum class RopeLayout { Halves, Pairs };  // Halves: (i, i + n/2) turn together (GPT-NeoX); Pairs: (2i, 2i + 1) (GPT-J)
enum class PoolKind { Max, Average };
enum class InterpolateKind { Nearest, Bilinear, Bicubic };

std::string_view to_string(UnaryKind kind);
std::string_view to_string(RopeLayout layout);
std::string_view to_string(PoolKind kind);
std::string_view to_string(InterpolateKind kind);

struct PermuteAttrs { std::vector<int> axes; };                         // output axis i is input axis axes[i]
struct SliceAttrs { int axis; int64_t begin, end, step; };
struct AxisAttrs { int axis; };                                         // concat, reductions, softmax, argmax
struct PadAttrs { std::vector<int64_t> before, after; float value; };
struct CastAttrs { DType dtype; };
struct AffineAttrs { float scale, bias; };
struct UnaryAttrs { UnaryKind kind; };                                  // unary; glu's gate
struct ClampAttrs { float low, high; };
struct TopKAttrs { int k; };
struct NormAttrs { float eps; int groups; };
struct MatmulAttrs { bool transpose_b; };
struct AttentionAttrs { float scale; bool causal; int window; bool has_past, has_mask; };
struct RopeAttrs { float base; int n_rot; RopeLayout layout; float scale; };
struct ConvAttrs { int stride = 1, padding = 0, dilation = 1, groups = 1, output_padding = 0; };
struct PoolAttrs { PoolKind kind; int size, stride, padding; bool count_padding; };
struct InterpolateAttrs { InterpolateKind kind; int64_t height, width; bool align_corners; };
struct RoiAlignAttrs { int height, width, sampling; float spatial_scale; bool aligned; };
struct CrossEntropyAttrs { int32_t ignore; float label_smoothing; };
struct DropoutAttrs { float p; };

using Attrs = std::variant<std::monostate, PermuteAttrs, SliceAttrs, AxisAttrs, PadAttrs, CastAttrs, AffineAttrs,
                           UnaryAttrs, ClampAttrs, TopKAttrs, NormAttrs, MatmulAttrs, AttentionAttrs, RopeAttrs,
                           ConvAttrs, PoolAttrs, InterpolateAttrs, RoiAlignAttrs, CrossEntropyAttrs, DropoutAttrs>;

}  // namespace galago
