// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/records_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

std::string Line(const Json& json) { return LineText(json) + "\n"; }

Json Header(const RunInfo& info) {
  return {{"attest", "records"},
          {"format", 1},
          {"suite", info.suite_version},
          {"case_set", info.case_set_digest},
          {"backend", info.backend_sha256},
          {"selector", info.selector},
          {"tier", Name(info.selection.tier)},
          {"profiles", info.selection.profiles},
          {"filter", info.selection.filter},
          {"seed", info.seed}};
}

Json Footer(const std::vector<Record>& records) {
  Tally tally;
  for (const Record& record : records) tally.Add(record.verdict);
  Json counts = Json::object();
  for (const Verdict verdict : kAllVerdicts) {
    if (tally.Of(verdict) > 0) counts[std::string(Name(verdict))] = tally.Of(verdict);
  }
  return {{"records", records.size()}, {"counts", counts}};
}

std::vector<std::string_view> Lines(const std::string& text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.data() + at, end - at);
    at = end + 1;
  }
  return lines;
}

}  // namespace

std::string RecordsText(const Report& report) {
  std::string text = Line(Header(report.info));
  for (const Record& record : report.records) text += Line(ToJson(record));
  return text + Line(Footer(report.records));
}

Result<std::vector<Record>> ParseRecords(std::string_view file, const std::string& text) {
  const std::vector<std::string_view> lines = Lines(text);
  std::vector<Record> records;
  Json last;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    last = Json::parse(lines[i], nullptr, false);
    if (last.is_discarded()) return BadInput(fmt::format("{}:{}: not JSON", file, i + 1));
    if (i == 0) {
      if (!last.is_object() || last.value("attest", Json()) != "records") {
        return BadInput(fmt::format("{}:1: no header of a records file", file));
      }
    } else if (i + 1 < lines.size()) {
      Result<Record> record = RecordFromJson(last);
      if (!record.ok()) {
        return BadInput(fmt::format("{}:{}: {}", file, i + 1, record.status().message()));
      }
      records.push_back(std::move(*record));
    }
  }
  if (lines.size() < 2 || last != Footer(records)) {
    return BadInput(fmt::format("{}: no footer that counts the records: cut or changed", file));
  }
  return records;
}

}  // namespace attest
