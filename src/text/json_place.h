// A JSON value with the name of its place, so that errors can say where. For the readers of tokenizer files.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace galago {

struct Place {
  const Json& json;
  std::string name;

  const Json* member(const char* key) const {
    if (!json.is_object()) throw invalid_input("{}: found {}, expected an object", name, json.type_name());
    auto it = json.find(key);
    return it == json.end() || it->is_null() ? nullptr : &*it;
  }
  Place at(const char* key) const {
    const Json* found = member(key);
    if (!found) throw invalid_input("{}: no \"{}\"", name, key);
    return {*found, name + "." + key};
  }
  std::string string(const char* key, const std::string& fallback = {}) const {
    const Json* value = member(key);
    if (!value) return fallback;
    if (!value->is_string()) throw invalid_input("{}.{}: found {}, expected a string", name, key, value->type_name());
    return value->get<std::string>();
  }
  bool flag(const char* key, bool fallback = false) const {
    const Json* value = member(key);
    if (!value) return fallback;
    if (!value->is_boolean())
      throw invalid_input("{}.{}: found {}, expected true or false", name, key, value->type_name());
    return value->get<bool>();
  }
  const Json& object() const {
    if (!json.is_object()) throw invalid_input("{}: found {}, expected an object", name, json.type_name());
    return json;
  }
  // The elements of a list; empty if it is not there.
  std::vector<Place> list(const char* key) const {
    std::vector<Place> items;
    const Json* value = member(key);
    if (!value) return items;
    if (!value->is_array()) throw invalid_input("{}.{}: found {}, expected a list", name, key, value->type_name());
    for (const Json& item : *value) items.push_back({item, fmt::format("{}.{}[{}]", name, key, items.size())});
    return items;
  }
};

}  // namespace galago
