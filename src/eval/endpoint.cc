#include "eval/endpoint.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/json.h"
#if GALAGO_WITH_HTTPLIB
#include <httplib.h>
#endif

namespace galago {

EndpointUrl parse_endpoint_url(const std::string& url) {
  bool scheme = url.starts_with("http://") || url.starts_with("https://");
  size_t host = scheme ? url.find("://") + 3 : 0, slash = url.find('/', host);
  std::string origin = url.substr(0, slash);
  bool plain = url.find_first_of(" \t\r\n@?#") == url.npos;
  if (!scheme || origin.size() == host || !plain)
    throw usage_error("--endpoint {}: expected http(s)://HOST[:PORT][/PATH], for example http://localhost:8080/v1",
                      url);
  std::string path = slash == url.npos ? "" : url.substr(slash);
  while (path.ends_with('/')) path.pop_back();
  const std::string tail = "/chat/completions";
  if (path.empty()) path = "/v1";
  return {origin, path.ends_with(tail) ? path : path + tail};
}

#if GALAGO_WITH_HTTPLIB

namespace {

constexpr size_t kMaxReplyBytes = 4u << 20;
constexpr double kLongestWaitMs = 60'000;

bool worth_another_try(int status) { return status == 408 || status == 429 || status >= 500; }

// Sleeps in short pieces, so that Ctrl-C is heard.
void wait(double ms) {
  for (double left = ms; left > 0 && !interrupted(); left -= 100)
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(std::min(left, 100.0)));
}

// What the server says went wrong, shortened, without control characters.
std::string reason(const std::string& body) {
  Json json = Json::parse(body, nullptr, false);
  std::string text = body;
  if (json.is_object() && json.contains("error")) {
    const Json& error = json["error"];
    text = error.is_object() && error.contains("message") && error["message"].is_string()
               ? error["message"].get<std::string>()
               : error.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; }, ' ');
  constexpr size_t kShown = 200;
  return text.size() > kShown ? text.substr(0, kShown) + "..." : text;
}

// choices[0].message.content of the reply.
std::optional<std::string> content(const std::string& body) {
  Json json = Json::parse(body, nullptr, false);
  const Json::json_pointer where("/choices/0/message/content");
  if (!json.is_object() || !json.contains("choices") || !json["choices"].is_array() || !json.contains(where)) return {};
  const Json& text = json[where];
  return text.is_string() ? std::optional(text.get<std::string>()) : std::nullopt;
}

}  // namespace

struct ChatEndpoint::Connection {
  explicit Connection(const std::string& origin) : client(origin) {}
  httplib::Client client;
};

ChatEndpoint::ChatEndpoint(const EndpointOptions& options) : options_(options), url_(parse_endpoint_url(options.url)) {
  if (options.key.find_first_of("\r\n") != options.key.npos)
    throw usage_error("the API key holds a line break; expected one line in OPENAI_API_KEY");
  connection_ = std::make_unique<Connection>(url_.origin);
  httplib::Client& client = connection_->client;
  if (!client.is_valid())
    throw unsupported("--endpoint {}: this address cannot be used; is {} supported by this build?", options.url,
                      url_.origin.substr(0, url_.origin.find(':')));
  client.set_connection_timeout(options.timeout_seconds);
  client.set_read_timeout(options.timeout_seconds);
  client.set_write_timeout(options.timeout_seconds);
  client.set_keep_alive(true);
  if (!options.key.empty()) client.set_bearer_token_auth(options.key);
}

ChatEndpoint::~ChatEndpoint() = default;

std::optional<std::string> ChatEndpoint::ask(const std::string& prompt) {
  Json question = {{"model", options_.model},
                   {"temperature", 0},
                   {"messages", Json::array({{{"role", "user"}, {"content", prompt}}})}};
  double pause_ms = options_.first_wait_ms;
  for (int i = 0; i < options_.tries && !interrupted(); ++i) {
    if (i > 0) wait(pause_ms);
    if (i > 0) pause_ms = std::min(2 * pause_ms, kLongestWaitMs);
    std::string body;
    httplib::Request request;
    request.method = "POST";
    request.path = url_.path;
    request.body = question.dump(-1, ' ', false, Json::error_handler_t::replace);
    request.set_header("Content-Type", "application/json");
    request.content_receiver = [&](const char* data, size_t n, uint64_t, uint64_t) {
      body.append(data, n);
      return body.size() <= kMaxReplyBytes;
    };
    httplib::Result result = connection_->client.send(request);
    if (!result) {
      failure_ = fmt::format("{}: {}", url_.origin, httplib::to_string(result.error()));
      continue;
    }
    if (result->status == 200) {
      if (auto text = content(body)) return text;
      throw invalid_input("{}{}: the reply has no choices[0].message.content; expected an OpenAI-compatible endpoint",
                          url_.origin, url_.path);
    }
    failure_ = fmt::format("{}{}: HTTP {}: {}", url_.origin, url_.path, result->status, reason(body));
    if (!worth_another_try(result->status)) throw invalid_input("{}", failure_);
    double asked_for = std::atof(result->get_header_value("Retry-After").c_str()) * 1000;
    if (asked_for > 0) pause_ms = std::min(std::max(pause_ms, asked_for), kLongestWaitMs);
  }
  return {};
}

#else

struct ChatEndpoint::Connection {};

ChatEndpoint::ChatEndpoint(const EndpointOptions& options) : options_(options) {
  throw unsupported(
      "--endpoint {}: this galago was built without cpp-httplib; install libcpp-httplib-dev and build again, or export "
      "the prompts with --out",
      options.url);
}
ChatEndpoint::~ChatEndpoint() = default;
std::optional<std::string> ChatEndpoint::ask(const std::string&) { return {}; }

#endif

}  // namespace galago
