// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/record.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "spec/vocabulary/json_object.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no words for what is not finite.
Json NumberToJson(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return value;
}

std::optional<double> NumberFromJson(const Json& json) {
  if (json.is_number()) return json.get<double>();
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "inf") return std::numeric_limits<double>::infinity();
  if (json == "-inf") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

double ReadNumber(JsonObject& object, const char* key) {
  const Json* json = object.Required(key);
  if (json == nullptr) return 0;
  const std::optional<double> number = NumberFromJson(*json);
  if (!number) object.Fail(key, "neither a number nor \"inf\", \"-inf\" or \"nan\"");
  return number.value_or(0);
}

std::uint64_t ReadSeed(JsonObject& object) {
  const Json* json = object.Required("seed");
  if (json == nullptr) return 0;
  if (json->is_number_unsigned()) return json->get<std::uint64_t>();
  object.Fail("seed", "not a whole number from 0 to 2^64 - 1");
  return 0;
}

int ReadInt(JsonObject& object, const char* key) {
  const std::int64_t number = object.Integer(key);
  if (!std::in_range<int>(number)) object.Fail(key, "does not fit");
  return static_cast<int>(number);
}

Json ToJson(const Element& element) {
  return {{"request", element.request},
          {"row", element.row},
          {"head", element.head},
          {"dim", element.dim},
          {"expected", NumberToJson(element.expected)},
          {"got", NumberToJson(element.got)},
          {"bound", NumberToJson(element.bound)}};
}

Result<Element> ElementFromJson(const Json& json, const std::string& where) {
  JsonObject object(json, where);
  Element element = {.request = ReadInt(object, "request"),
                     .row = object.Integer("row"),
                     .head = ReadInt(object, "head"),
                     .dim = ReadInt(object, "dim"),
                     .expected = ReadNumber(object, "expected"),
                     .got = ReadNumber(object, "got"),
                     .bound = ReadNumber(object, "bound")};
  if (Status status = object.Done(); !status.ok()) return status;
  return element;
}

// There may be thousands of cells and keys in a record, hence lists and not objects:
// [request, row, head, ratio] and [request, row, head, key, extra].
Json ToJson(const WrongCell& cell) {
  return Json::array({cell.request, cell.row, cell.head, NumberToJson(cell.ratio)});
}

Json ToJson(const WrongKey& key) {
  return Json::array({key.request, key.row, key.head, key.key, key.extra});
}

bool AreIntegers(const Json& json, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (!json[i].is_number_integer()) return false;
  }
  return true;
}

Result<WrongCell> CellFromJson(const Json& json, const std::string& where) {
  if (!json.is_array() || json.size() != 4 || !AreIntegers(json, 3) || !NumberFromJson(json[3])) {
    return BadInput(where + ": not [request, row, head, ratio]");
  }
  return WrongCell{
      .request = json[0], .row = json[1], .head = json[2], .ratio = *NumberFromJson(json[3])};
}

Result<WrongKey> KeyFromJson(const Json& json, const std::string& where) {
  if (!json.is_array() || json.size() != 5 || !AreIntegers(json, 4) || !json[4].is_boolean()) {
    return BadInput(where + ": not [request, row, head, key, extra]");
  }
  return WrongKey{
      .request = json[0], .row = json[1], .head = json[2], .key = json[3], .extra = json[4]};
}

template <typename T>
Json ListToJson(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(ToJson(value));
  return list;
}

template <typename T>
Status ReadList(JsonObject& object, const char* key,
                Result<T> (*read)(const Json& json, const std::string& where),
                std::vector<T>& values) {
  const Json* list = object.Required(key);
  if (list == nullptr) return {};
  if (!list->is_array()) return BadInput(object.PathOf(key) + ": not a list");
  for (std::size_t i = 0; i < list->size(); ++i) {
    Result<T> value = read((*list)[i], fmt::format("{}[{}]", object.PathOf(key), i));
    if (!value.ok()) return value.status();
    values.push_back(std::move(*value));
  }
  return {};
}

}  // namespace

nlohmann::ordered_json ToJson(const Record& record) {
  return {{"case", record.case_id},
          {"content_hash", record.content_hash},
          {"seed", record.seed},
          {"verdict", std::string(Name(record.verdict))},
          {"note", record.note},
          {"reason", record.reason},
          {"rule", record.rule},
          {"clauses", record.clauses},
          {"profiles", record.profiles},
          {"exposes", record.exposes},
          {"rows_judged", record.rows_judged},
          {"rows_total", record.rows_total},
          {"worst_ratio", NumberToJson(record.worst_ratio)},
          {"worst", ListToJson(record.worst)},
          {"wrong_cells", ListToJson(record.wrong_cells)},
          {"wrong_cells_total", record.wrong_cells_total},
          {"wrong_keys", ListToJson(record.wrong_keys)},
          {"repro", record.repro},
          {"waiver", record.waiver}};
}

Result<Record> RecordFromJson(const nlohmann::ordered_json& json) {
  JsonObject object(json, "record");
  Record record = {.case_id = object.String("case"),
                   .content_hash = object.String("content_hash"),
                   .seed = ReadSeed(object),
                   .verdict = Verdict::kMissing,
                   .note = object.String("note"),
                   .reason = object.String("reason"),
                   .rule = object.String("rule"),
                   .clauses = object.Strings("clauses"),
                   .profiles = object.Strings("profiles"),
                   .exposes = object.Strings("exposes"),
                   .rows_judged = object.Integer("rows_judged"),
                   .rows_total = object.Integer("rows_total"),
                   .worst_ratio = ReadNumber(object, "worst_ratio"),
                   .worst = {},
                   .wrong_cells = {},
                   .wrong_cells_total = object.Integer("wrong_cells_total"),
                   .wrong_keys = {},
                   .repro = object.String("repro"),
                   .waiver = object.String("waiver")};
  const std::string word = object.String("verdict");
  const std::optional<Verdict> verdict = ParseVerdict(word);
  if (!verdict) object.Fail("verdict", fmt::format("unknown word '{}'", word));
  record.verdict = verdict.value_or(Verdict::kMissing);
  const Status worst = ReadList(object, "worst", ElementFromJson, record.worst);
  const Status cells = ReadList(object, "wrong_cells", CellFromJson, record.wrong_cells);
  const Status keys = ReadList(object, "wrong_keys", KeyFromJson, record.wrong_keys);
  for (const Status& status : {object.Done(), worst, cells, keys}) {
    if (!status.ok()) return status;
  }
  return record;
}

}  // namespace attest
