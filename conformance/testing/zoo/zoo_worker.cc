// SPDX-License-Identifier: Apache-2.0
//
// attest_zoo_worker MODE: children that break the protocol. Each opens properly and goes wrong in
// its first forward call, or in hello where the mode says so.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace {

using Json = nlohmann::ordered_json;

constexpr int kSocket = 3;
constexpr std::string_view kClaims =
    R"({"name":"zoo-worker","version":"1","vendor":"attest","device_name":"host","features":[],)"
    R"("graph_level":"none","query_dtypes":[],"cache_dtypes":[],"output_dtypes":[],"head_dims":[],)"
    R"("group_sizes":[],"block_sizes":[],"exclusions":[],"arithmetic":{"class":"default",)"
    R"("accumulate_qk":0,"accumulate_pv":0,"accumulate_l":0,"round_p":0,"round_output":0,)"
    R"("exp_error":0,"tanh_error":0,"round_q":0,"round_k":0,"round_v":0,"round_score":0,)"
    R"("round_partial":0,"tile_min":0}})";

// Tells the test who sleeps here, by the file it named.
[[noreturn]] void SleepForever() {
  if (const char* path = std::getenv("ATTEST_ZOO_FILE")) {
    std::ofstream(path) << getpid() << std::endl;
  }
  for (;;) pause();
}

std::string ReadExactly(std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = read(kSocket, bytes.data() + done, size - done);
    if (got <= 0) std::exit(0);
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Json ReadMessage() {
  const std::string header = ReadExactly(4);
  std::uint32_t size = 0;
  for (int i = 3; i >= 0; --i) size = size << 8 | static_cast<unsigned char>(header[i]);
  return Json::parse(ReadExactly(size));
}

void Write(std::string_view bytes) {
  if (write(kSocket, bytes.data(), bytes.size()) < 0) std::exit(1);
}

std::string Framed(std::string_view body) {
  std::string frame;
  for (int i = 0; i < 4; ++i) frame += static_cast<char>(body.size() >> (8 * i) & 255);
  return frame.append(body);
}

// A right answer, in pieces, so that the parent cannot count on getting it whole.
void WriteInPieces(const std::string& frame) {
  for (const char byte : frame) Write({&byte, 1});
}

Json Answer(const Json& request) { return {{"seq", request["seq"]}, {"status", "ok"}}; }

void AnswerHello(const std::string& mode, const Json& request) {
  if (mode == "never-says-hello") SleepForever();
  if (mode == "dies-in-hello") std::exit(3);
  Json answer = Answer(request);
  answer["protocol"] = 1;
  answer["claims"] = Json::parse(kClaims);
  if (mode == "claims-too-little") answer["claims"].erase("head_dims");
  if (mode == "claims-wrong-type") answer["claims"]["features"] = "all of them";
  if (mode == "no-claims") answer.erase("claims");
  Write(Framed(answer.dump()));
}

void AnswerForward(const std::string& mode, const Json& request) {
  Json answer = Answer(request);
  const std::string frame = Framed(answer.dump());
  const std::string half = frame.substr(0, frame.size() / 2);
  if (mode == "half-message-then-hang") {
    Write(half);
    SleepForever();
  }
  if (mode == "half-message-then-exit") {
    Write(half);
    std::exit(0);
  }
  if (mode == "answer-then-exit") {
    Write(frame);
    std::exit(0);
  }
  if (mode == "hangs-up-and-lives") {
    close(kSocket);
    SleepForever();
  }
  if (mode == "answers-without-end") {
    for (;;) Write(frame);
  }
  if (mode == "wrong-seq") answer["seq"] = "one of mine";
  if (mode == "no-seq") answer.erase("seq");
  if (mode == "no-status") answer.erase("status");
  if (mode == "unknown-status-word") answer["status"] = "splendid";
  if (mode == "status-is-a-number") answer["status"] = 0;
  if (mode == "garbage") return Write({"\x08\0\0\0\xDE\xAD\xBE\xEF\0\1\2\3", 12});
  if (mode == "not-json") return Write(Framed("certainly, it worked"));
  if (mode == "not-an-object") return Write(Framed("[1,2,3]"));
  if (mode == "not-utf8") return Write(Framed("{\"status\":\"\xFF\xFE\"}"));
  if (mode == "nested-deep") return Write(Framed(std::string(1'000'000, '[')));
  if (mode == "empty-message") return Write(Framed(""));
  if (mode == "huge-length") return Write("\xFF\xFF\xFF\x7F{}");  // 2 GiB less a byte
  if (mode == "two-answers") return Write(frame + frame);
  WriteInPieces(Framed(answer.dump()));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "honest";
  for (;;) {
    const Json request = ReadMessage();
    if (request["op"] == "hello") {
      AnswerHello(mode, request);
    } else if (request["op"] == "forward") {
      AnswerForward(mode, request);
    } else {
      Write(Framed(Answer(request).dump()));
      if (request["op"] == "bye") return 0;
    }
  }
}
