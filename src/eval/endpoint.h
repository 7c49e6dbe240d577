// A chat model behind an OpenAI-compatible HTTP endpoint (POST .../chat/completions), as the judge of texts. Needs
// cpp-httplib when galago is built; without it, making an endpoint throws Unsupported.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace galago {

struct EndpointOptions {
  std::string url;    // http(s)://host[:port][/path]; without a path /v1/chat/completions is meant
  std::string model;  // sent as "model"
  std::string key;    // sent as "Authorization: Bearer KEY" unless empty
  int timeout_seconds = 60;
  int tries = 5;                // of one question, when the server is busy or broken (429, 5xx, no connection)
  double first_wait_ms = 1000;  // before the second try; doubled each time up to a minute
};

struct EndpointUrl {
  std::string origin;  // "http://host:port"
  std::string path;    // ".../chat/completions"
};
EndpointUrl parse_endpoint_url(const std::string& url);  // throws Usage

// One thread.
class ChatEndpoint {
 public:
  explicit ChatEndpoint(const EndpointOptions& options);  // throws Usage / Unsupported
  ~ChatEndpoint();

  // The text of the first choice, asked at temperature 0. Nothing if every try failed: failure() says why. Throws
  // InvalidInput when trying again cannot help (wrong key, unknown model, not a chat endpoint).
  std::optional<std::string> ask(const std::string& prompt);
  const std::string& failure() const { return failure_; }

 private:
  struct Connection;
  EndpointOptions options_;
  EndpointUrl url_;
  std::unique_ptr<Connection> connection_;
  std::string failure_;
};

}  // namespace galago
