// A Scope is where a layer stands: the graph under construction, the weights, and the name prefix. Layers look up their
// own weights by name, so a model reads as its state dict.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "graph/builder.h"

namespace galago {

// The weights of one model by canonical name. Shared, immutable once loaded.
using Weights = std::map<std::string, WeightRef, std::less<>>;

class Scope {
 public:
  Scope(Graph& graph, const Weights& weights, std::string prefix = "")
      : graph_(&graph), weights_(&weights), prefix_(std::move(prefix)) {}

  Scope operator/(std::string_view name) const;  // one level down: "layer" / "3" -> "layer.3"
  Scope operator/(int index) const { return *this / std::to_string(index); }

  Graph& graph() const { return *graph_; }
  bool has(std::string_view name) const;
  Value weight(std::string_view name) const;              // throws NotFound with the full name
  Value optional(std::string_view name) const;            // invalid Value if there is none
  Value named(Value value, std::string_view name) const;  // gives a value its full name, for traces
  // Numbers that follow from shapes and config (position tables, bucket ids), made while the graph is built.
  Value constant(std::string_view name, const Tensor& data) const;

  // Which rows of a sequence hold pictures (i32 [n]): what partial LoRA acts on. Handed down to all layers below.
  Scope with_picture_rows(Value rows) const;
  Value picture_rows() const { return picture_rows_; }

 private:
  std::string full(std::string_view name) const;
  Graph* graph_;
  const Weights* weights_;
  std::string prefix_;
  Value picture_rows_ = {};
};

}  // namespace galago
