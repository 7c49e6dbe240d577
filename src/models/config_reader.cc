#include "models/config_reader.h"

#include <cmath>

#include "base/error.h"

namespace galago {

std::string model_type(const Json& config) {
  const Json type = config.is_object() ? config.value("model_type", Json()) : Json();
  return type.is_string() ? type.get<std::string>() : "";
}

ConfigReader::ConfigReader(const Json& config, std::string subject) : config_(config), subject_(std::move(subject)) {
  if (!config.is_object()) throw invalid_input("{}: expected a JSON object", subject_);
}

bool ConfigReader::has(const char* field) const { return config_.contains(field) && !config_[field].is_null(); }

const Json* ConfigReader::find(const char* field, bool required) const {
  if (has(field)) return &config_[field];
  if (required) throw invalid_input("{}: field \"{}\" is missing", subject_, field);
  return nullptr;
}

int ConfigReader::integer(const char* field, int64_t low, int64_t high, std::optional<int64_t> fallback) const {
  const Json* found = find(field, !fallback);
  if (!found) return static_cast<int>(*fallback);
  double value = found->is_number() ? found->get<double>() : NAN;
  if (!(value >= static_cast<double>(low) && value <= static_cast<double>(high)) || value != std::floor(value))
    throw invalid_input("{}: \"{}\" is {}, expected a whole number from {} to {}", subject_, field, found->dump(), low,
                        high);
  return static_cast<int>(value);
}

float ConfigReader::number(const char* field, double low, double high, std::optional<double> fallback) const {
  const Json* found = find(field, !fallback);
  if (!found) return static_cast<float>(*fallback);
  double value = found->is_number() ? found->get<double>() : NAN;
  if (!(value >= low && value <= high))
    throw invalid_input("{}: \"{}\" is {}, expected a number from {} to {}", subject_, field, found->dump(), low, high);
  return static_cast<float>(value);
}

bool ConfigReader::boolean(const char* field, bool fallback) const {
  const Json* found = find(field, false);
  if (!found) return fallback;
  if (!found->is_boolean())
    throw invalid_input("{}: \"{}\" is {}, expected true or false", subject_, field, found->dump());
  return found->get<bool>();
}

std::string ConfigReader::text(const char* field, std::optional<std::string> fallback) const {
  const Json* found = find(field, !fallback);
  if (!found) return *fallback;
  if (!found->is_string()) throw invalid_input("{}: \"{}\" is {}, expected a string", subject_, field, found->dump());
  return found->get<std::string>();
}

}  // namespace galago
