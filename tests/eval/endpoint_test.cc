// The endpoint client against a stand-in server on this machine: good, malformed and failing replies.
#include "eval/endpoint.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "eval/judge.h"

namespace galago {
namespace {

TEST(EndpointUrl, KnowsTheUsualSpellings) {
  auto path = [](const char* url) { return parse_endpoint_url(url).path; };
  EXPECT_EQ(path("http://localhost:8080"), "/v1/chat/completions");
  EXPECT_EQ(path("http://localhost:8080/"), "/v1/chat/completions");
  EXPECT_EQ(path("https://example.org/v1/"), "/v1/chat/completions");
  EXPECT_EQ(path("https://example.org/openai/v1/chat/completions"), "/openai/v1/chat/completions");
  EXPECT_EQ(parse_endpoint_url("http://[::1]:80/v1").origin, "http://[::1]:80");
  for (const char* url : {"", "localhost:8080", "ftp://x", "http://", "http:///v1", "http://user@host", "http://a b"})
    EXPECT_THROW(parse_endpoint_url(url), Error) << url;
}

}  // namespace
}  // namespace galago

#if __has_include(<httplib.h>)
#include <httplib.h>

#include <thread>

namespace galago {
namespace {

const std::string kGrades = R"({"grammar": 7, "creativity": 5, "consistency": 8, "meaningfulness": 6, "plot": 4})";

std::string chat_reply(const std::string& text) {
  return Json{{"choices", Json::array({{{"message", {{"role", "assistant"}, {"content", text}}}}})}}.dump();
}

class StandIn : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.Post("/v1/chat/completions", [this](const httplib::Request& request, httplib::Response& response) {
      ++n_requests_;
      last_body_ = request.body;
      last_key_ = request.get_header_value("Authorization");
      answer_(response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  void TearDown() override {
    server_.stop();
    thread_.join();
  }

  EndpointOptions options() const {
    return {.url = fmt::format("http://127.0.0.1:{}", port_),
            .model = "stand-in",
            .key = "secret",
            .timeout_seconds = 5,
            .tries = 3,
            .first_wait_ms = 1};
  }
  void answer(int status, const std::string& body) {
    answer_ = [=](httplib::Response& r) {
      r.status = status;
      r.set_content(body, "application/json");
    };
  }

  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;
  std::atomic<int> n_requests_{0};
  std::string last_body_, last_key_;
  std::function<void(httplib::Response&)> answer_;
};

TEST_F(StandIn, AsksTheModelAtTemperatureZero) {
  answer(200, chat_reply(kGrades));
  ChatEndpoint endpoint(options());
  EXPECT_EQ(endpoint.ask("grade \"this\""), kGrades);
  Json body = Json::parse(last_body_);
  EXPECT_EQ(body["model"], "stand-in");
  EXPECT_EQ(body["temperature"], 0);
  EXPECT_EQ(body["messages"][0]["content"], "grade \"this\"");
  EXPECT_EQ(last_key_, "Bearer secret");
}

TEST_F(StandIn, TriesAgainWhenTheServerIsBusyOrBroken) {
  answer_ = [this](httplib::Response& r) {
    r.status = n_requests_ == 1 ? 500 : n_requests_ == 2 ? 429 : 200;
    r.set_content(n_requests_ < 3 ? "down" : chat_reply("hello"), "application/json");
  };
  ChatEndpoint endpoint(options());
  EXPECT_EQ(endpoint.ask("x"), "hello");
  EXPECT_EQ(n_requests_, 3);
}

TEST_F(StandIn, GivesUpAndSaysWhy) {
  answer(503, R"({"error": {"message": "overloaded"}})");
  ChatEndpoint endpoint(options());
  EXPECT_FALSE(endpoint.ask("x"));
  EXPECT_EQ(n_requests_, 3);
  EXPECT_NE(endpoint.failure().find("HTTP 503: overloaded"), std::string::npos) << endpoint.failure();
}

TEST_F(StandIn, WrongKeyIsNotTriedAgain) {
  answer(401, R"({"error": {"message": "wrong key"}})");
  ChatEndpoint endpoint(options());
  EXPECT_THROW(endpoint.ask("x"), Error);
  EXPECT_EQ(n_requests_, 1);
}

TEST_F(StandIn, OtherJsonIsNoChatEndpoint) {
  for (const char* body : {"", "{}", "[]", "<html>", R"({"choices": []})",
                           R"({"choices": [{"message": {"content": 3}}]})", R"({"choices": {"0": 1}})"}) {
    answer(200, body);
    ChatEndpoint endpoint(options());
    EXPECT_THROW(endpoint.ask("x"), Error) << body;
  }
}

TEST_F(StandIn, EndlessRepliesAreCut) {
  answer(200, std::string(8u << 20, ' '));
  EndpointOptions o = options();
  o.tries = 1;
  ChatEndpoint endpoint(o);
  EXPECT_FALSE(endpoint.ask("x"));
}

TEST_F(StandIn, NobodyThere) {
  EndpointOptions o = options();
  o.url = "http://127.0.0.1:1";
  ChatEndpoint endpoint(o);
  EXPECT_FALSE(endpoint.ask("x"));
  EXPECT_FALSE(endpoint.failure().empty());
}

TEST_F(StandIn, JudgesWholeRuns) {
  answer_ = [this](httplib::Response& r) {
    r.status = n_requests_ == 1 ? 500 : 200;
    r.set_content(chat_reply(n_requests_ == 2 ? "I would rather not." : "Sure: " + kGrades), "application/json");
  };
  std::string path = ::testing::TempDir() + "/galago-endpoint-scores-" + std::to_string(port_);
  std::remove(path.c_str());
  ChatEndpoint endpoint(options());
  auto summary = run_judge(
      path, {{"a", "A", "b"}, {"b", "C", "d"}}, [&](const std::string& prompt) { return endpoint.ask(prompt); },
      "stand-in");
  EXPECT_EQ(summary.scored, 2);
  EXPECT_EQ(n_requests_, 4);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace galago
#endif
