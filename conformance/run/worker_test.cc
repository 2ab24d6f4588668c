// SPDX-License-Identifier: Apache-2.0
//
// attest-worker, request by request: it answers every one, also a senseless one, and the example in
// spec/abi/worker.md is a conversation that takes place.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "conformance/run/child.h"
#include "conformance/run/files.h"
#include "conformance/run/protocol.h"
#include "conformance/run/resolve.h"
#include "conformance/run/shared_image.h"
#include "conformance/testing/zoo/zoo_call.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

class Worker : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<SharedImage>> image = SharedImage::Create();
    ASSERT_TRUE(image.ok());
    image_ = std::move(*image);
    Result<std::unique_ptr<Child>> child =
        Child::Start({ProgramDirectory() + "/attest-worker"}, image_->fd());
    ASSERT_TRUE(child.ok()) << child.status().message();
    child_ = std::move(*child);
  }

  // The answer's text to one request's text.
  std::string Ask(const std::string& request) {
    const Reply reply =
        child_->Exchange(request, "request", {.deadline_s = 60, .memory_bytes = 1ULL << 33});
    EXPECT_EQ(reply.end, CallEnd::kAnswered) << reply.message;
    return reply.body;
  }
  std::string Hello(int protocol = 1) {
    const Json hello = {{"op", "hello"},
                        {"protocol", protocol},
                        {"library", ATTEST_ZOO_LIBRARY},
                        {"selector", "honest"},
                        {"options", ""}};
    return Ask(hello.dump());
  }

  std::unique_ptr<SharedImage> image_;
  std::unique_ptr<Child> child_;
};

TEST_F(Worker, AnswersASenselessRequestAndGoesOn) {
  const std::string no = R"({"status":"bad_request","message":)";
  EXPECT_EQ(Ask("what?"), no + R"("a message that is not JSON","seq":null})");
  EXPECT_EQ(Ask("[]"), no + R"("a message that is not a JSON object","seq":null})");
  EXPECT_EQ(Ask(R"({"seq":1})"), no + R"("op: missing","seq":1})");
  EXPECT_EQ(Ask(R"({"seq":2,"op":"supports"})"), no + R"("supports before hello","seq":2})");
  EXPECT_EQ(Ask(R"({"seq":3,"op":"hello"})"), no + R"("protocol: this worker speaks 1","seq":3})");
  EXPECT_EQ(Ask(R"({"op":"hello","protocol":1})"), no + R"("library: missing","seq":null})");
  EXPECT_TRUE(Hello().starts_with(R"({"status":"ok","protocol":1,"claims":{)"));
  EXPECT_EQ(Ask(R"({"seq":4,"op":"hello"})"), no + R"("a second hello","seq":4})");
  EXPECT_EQ(Ask(R"({"seq":5,"op":"dance"})"), no + R"("unknown op dance","seq":5})");
  EXPECT_EQ(Ask(R"({"seq":6,"op":"supports"})"), no + R"("problem: not an object","seq":6})");
  EXPECT_EQ(Ask(R"({"seq":7,"op":"forward"})"), no + R"("problem: not an object","seq":7})");
}

TEST_F(Worker, EchoesAnySeq) {
  EXPECT_EQ(Ask(R"({"seq":{"a":[1,"x"]},"op":"dance"})"),
            R"({"status":"bad_request","message":"dance before hello","seq":{"a":[1,"x"]}})");
}

TEST_F(Worker, HoldsNoGraphUntilOneIsCaptured) {
  (void)Hello();
  for (const std::string op : {"graph_update", "graph_replay", "graph_inspect", "graph_destroy"}) {
    EXPECT_EQ(Ask(R"({"seq":1,"op":")" + op + R"("})"),
              R"({"status":"bad_request","message":")" + op + R"( before graph_capture","seq":1})");
  }
  EXPECT_EQ(Ask(R"({"seq":2,"op":"graph_capture"})"),
            R"({"status":"bad_request","message":"problem: not an object","seq":2})");
}

TEST_F(Worker, RefusesGraphsAndCopiesThatTheBackendHasNot) {
  (void)Hello();
  ASSERT_TRUE(image_->Write(std::vector<std::byte>(512)).ok());
  Json request = {{"seq", 1},
                  {"op", "graph_capture"},
                  {"problem", ToJson(zoo::MakeCall(1).problem)},
                  {"image_bytes", 512},
                  {"tensors", Json::array()}};
  EXPECT_EQ(Ask(request.dump()),
            R"({"status":"refused","message":"graph_capture is not offered","seq":1})");
  EXPECT_EQ(Ask(R"({"seq":2,"op":"graph_replay"})"),
            R"({"status":"bad_request","message":"graph_replay before graph_capture","seq":2})");
  const auto tensor = [](const char* name, int offset) {
    return Json{
        {"name", name}, {"dtype", "int32"}, {"shape", {2}}, {"strides", {1}}, {"offset", offset}};
  };
  request = {{"seq", 3},
             {"op", "copy_to_persistent"},
             {"image_bytes", 512},
             {"tensors", {tensor("buffer", 0), tensor("source", 64)}}};
  EXPECT_EQ(Ask(request.dump()),
            R"({"status":"refused","message":"copy_to_persistent is not offered","seq":3})");
  request["tensors"].erase(1);
  EXPECT_EQ(Ask(request.dump()),
            R"({"status":"bad_request","message":"tensors: not a buffer and a source","seq":3})");
}

TEST_F(Worker, AsksForAnImageAsLargeAsAnnounced) {
  (void)Hello();
  Json request = {{"seq", 1},
                  {"op", "forward"},
                  {"problem", ToJson(zoo::MakeCall(1).problem)},
                  {"image_bytes", 4096},
                  {"tensors", Json::array()}};
  EXPECT_EQ(
      Ask(request.dump()),
      R"({"status":"bad_request","message":"image_bytes: more than the image holds","seq":1})");
  request["image_bytes"] = -1;
  EXPECT_EQ(Ask(request.dump()),
            R"({"status":"bad_request","message":"image_bytes: missing","seq":1})");
}

TEST_F(Worker, EndsWithExitCodeZeroAfterBye) {
  (void)Hello();
  EXPECT_EQ(Ask(R"({"seq":9,"op":"bye"})"), R"({"status":"ok","seq":9})");
  child_->WaitForExit(60);
  EXPECT_EQ(child_->BrokenWhileIdle(), "exit code 0 between calls") << child_->OutputTail();
}

// ---- The example in the documentation

struct Exchange {
  Json request;
  Json answer;
};

// The pairs "parent: {...}" and "worker: {...}" of worker.md; each may take several lines.
std::vector<Exchange> DocumentedExchanges() {
  const char* source = std::getenv("ATTEST_SOURCE");
  const Result<std::string> text =
      ReadFile(std::string(source == nullptr ? "." : source) + "/spec/abi/worker.md");
  EXPECT_TRUE(text.ok()) << text.status().message();
  std::vector<std::string> messages;
  bool inside = false;
  std::istringstream lines(text.ok() ? *text : "");
  for (std::string line; std::getline(lines, line);) {
    const bool starts = line.starts_with("parent: ") || line.starts_with("worker: ");
    inside = starts || (inside && line.starts_with(" "));
    if (starts) messages.emplace_back();
    if (inside) messages.back() += line.substr(8);
  }
  std::vector<Exchange> exchanges;
  for (std::size_t i = 0; i + 1 < messages.size(); i += 2) {
    exchanges.push_back({Json::parse(messages[i]), Json::parse(messages[i + 1])});
  }
  return exchanges;
}

template <typename T>
void Put(std::vector<std::byte>& image, std::size_t offset, const std::vector<T>& values) {
  std::memcpy(image.data() + offset, values.data(), values.size() * sizeof(T));
}

TEST_F(Worker, HoldsTheConversationOfTheDocumentation) {
  std::vector<std::byte> image(512);
  Put<float>(image, 128, {5, 5, 1, 2});
  Put<std::int32_t>(image, 192, {0, 1});
  Put<std::int32_t>(image, 256, {1});
  Put<std::int32_t>(image, 320, {1});
  ASSERT_TRUE(image_->Write(image).ok());

  const std::vector<Exchange> exchanges = DocumentedExchanges();
  ASSERT_EQ(exchanges.size(), 4U);
  for (Exchange exchange : exchanges) {
    if (exchange.request["op"] == "hello") exchange.request["library"] = ATTEST_ZOO_LIBRARY;
    const std::string answer = Ask(exchange.request.dump());
    EXPECT_EQ(Json::parse(answer), exchange.answer);
    if (exchange.request["op"] == "hello") {
      EXPECT_EQ(Frame(answer).substr(0, 8), std::string("\x1c\x03\0\0\x7b\x22\x73\x74", 8));
    }
  }
  std::vector<std::byte> wanted = image;
  Put<float>(wanted, 384, {1, 2});
  Put<float>(wanted, 448, {0});
  ASSERT_TRUE(image_->Read(image).ok());
  EXPECT_EQ(image, wanted);
}

}  // namespace
}  // namespace attest
