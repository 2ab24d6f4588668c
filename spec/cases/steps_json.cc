// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/steps_json.h"

#include <fmt/format.h>

#include <utility>

#include "spec/vocabulary/json_object.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

struct Size {
  const char* key;
  std::int64_t Step::*member;
};
constexpr Size kSizes[] = {{"padding_tokens", &Step::padding_tokens},
                           {"block_table_extra", &Step::block_table_extra},
                           {"max_seq_len_slack", &Step::max_seq_len_slack},
                           {"max_query_len_slack", &Step::max_query_len_slack}};

Json ToJson(const Step& step) {
  Json json = {{"how", step.how}, {"q_lens", Json::array()}, {"seq_lens", Json::array()}};
  for (const Request& request : step.requests) {
    json["q_lens"].push_back(request.q_len);
    json["seq_lens"].push_back(request.seq_len);
  }
  if (!step.request_causal.empty()) json["request_causal"] = step.request_causal;
  for (const Size& size : kSizes) {
    if (step.*size.member != 0) json[size.key] = step.*size.member;
  }
  return json;
}

Result<Step> StepFromJson(const Json& json, const std::string& path) {
  JsonObject object(json, path);
  Step step;
  step.how = object.String("how");
  const std::vector<std::int64_t> q_lens = object.Integers("q_lens");
  const std::vector<std::int64_t> seq_lens = object.Integers("seq_lens");
  if (q_lens.size() != seq_lens.size()) object.Fail("seq_lens", "not as many as q_lens");
  for (std::size_t r = 0; r < std::min(q_lens.size(), seq_lens.size()); ++r) {
    step.requests.push_back({q_lens[r], seq_lens[r]});
  }
  if (const Json* causal = object.Optional("request_causal")) {
    for (const Json& flag : *causal) {
      if (!flag.is_boolean()) object.Fail("request_causal", "a list of true and false");
      step.request_causal.push_back(flag.is_boolean() && flag.get<bool>());
    }
  }
  for (const Size& size : kSizes) {
    if (object.Has(size.key)) step.*size.member = object.Integer(size.key);
  }
  if (Status status = object.Done(); !status.ok()) return status;
  return step;
}

}  // namespace

Json StepsToJson(const std::vector<Step>& steps) {
  Json json = Json::array();
  for (const Step& step : steps) json.push_back(ToJson(step));
  return json;
}

Result<std::vector<Step>> StepsFromJson(const Json& json, const std::string& path) {
  if (!json.is_array()) return BadInput(path + ": not a list");
  std::vector<Step> steps;
  for (std::size_t i = 0; i < json.size(); ++i) {
    Result<Step> step = StepFromJson(json[i], fmt::format("{}[{}]", path, i));
    if (!step.ok()) return step.status();
    steps.push_back(std::move(*step));
  }
  return steps;
}

const std::vector<std::string>& StepKeys() {
  static const std::vector<std::string> kKeys = {"how",
                                                 "q_lens",
                                                 "seq_lens",
                                                 "request_causal",
                                                 "padding_tokens",
                                                 "block_table_extra",
                                                 "max_seq_len_slack",
                                                 "max_query_len_slack"};
  return kKeys;
}

}  // namespace attest
