// SPDX-License-Identifier: Apache-2.0
#include "conformance/drafter/serve.h"

#include <fmt/format.h>

#include <istream>
#include <ostream>

#include "conformance/drafter/implementation.h"
#include "spec/vocabulary/json_text.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

Json Names(std::initializer_list<Op> ops) {
  Json names = Json::array();
  for (const Op op : ops) names.push_back(std::string(NameOf(op)));
  return names;
}

Json Introduce(const Json& id, const ConfigMutant* mutant) {
  Json eras = Json::array();
  for (const Era era : kAllEras) eras.push_back(std::string(NameOf(era)));
  Json runners = Json::array();
  for (const Runner runner : kAllRunners) runners.push_back(std::string(NameOf(runner)));
  return {{"id", id},
          {"version", kDrafterProtocol},
          {"name", mutant == nullptr ? std::string("model") : std::string(mutant->id)},
          {"answers", Names({Op::kResolve, Op::kPrepare})},
          {"eras", eras},
          {"runners", runners}};
}

}  // namespace

std::string AnswerLine(std::string_view line, const ConfigMutant* mutant) {
  Result<Json> request = ParseJson("request", line);
  if (!request.ok()) return LineText({{"id", nullptr}, {"error", request.status().message()}});
  if (!request->is_object() || !request->contains("id") || !request->contains("op")) {
    return LineText({{"id", nullptr}, {"error", "request: no object with id and op"}});
  }
  const Json id = request->at("id");
  const Json op = request->at("op");
  if (op == "bye") return {};
  if (op == "hello") return LineText(Introduce(id, mutant));
  request->erase("id");
  const Result<Question> question = QuestionFromJson(*request);
  if (!question.ok()) return LineText({{"id", id}, {"error", question.status().message()}});
  const Result<Json> answer = AnswerOf(*question, mutant);
  if (!answer.ok()) return LineText({{"id", id}, {"error", answer.status().message()}});
  return LineText({{"id", id}, {"answer", *answer}});
}

void Serve(std::istream& in, std::ostream& out, const ConfigMutant* mutant) {
  for (std::string line; std::getline(in, line);) {
    const std::string answer = AnswerLine(line, mutant);
    if (answer.empty()) return;
    out << answer << '\n' << std::flush;
  }
}

}  // namespace attest::drafter
