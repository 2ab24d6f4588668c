// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "spec/cases/expand.h"
#include "spec/vocabulary/digest.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

bool IsTopic(std::string_view path) {
  return path.starts_with("spec/cases/") && !path.ends_with(".schema.json") &&
         !path.ends_with("/axes.json") && !path.ends_with("/tombstones.json");
}

// A list of {key: ..., "reason": ...} under `list`; `add` takes both texts.
template <typename Add>
Status ReadReasons(const EmbeddedFile& file, const char* list, const char* key, Add add) {
  const Result<Json> json = ParseJson(file.path, file.text);
  if (!json.ok()) return json.status();
  JsonObject object(*json, "");
  if (object.Has("schema")) object.Integer("schema");
  const Json* entries = object.Required(list);
  if (entries != nullptr && !entries->is_array()) object.Fail(list, "not a list");
  if (Status status = object.Done(); !status.ok()) {
    return WithPlace(file.path, file.text, status);
  }
  for (std::size_t i = 0; i < entries->size(); ++i) {
    JsonObject entry((*entries)[i], fmt::format("{}[{}]", list, i));
    std::string name = entry.String(key);
    std::string reason = entry.String("reason");
    if (reason.empty()) entry.Fail("reason", "empty");
    if (Status status = entry.Done(); !status.ok()) {
      return WithPlace(file.path, file.text, status);
    }
    add(std::move(name), std::move(reason));
  }
  return {};
}

Status ReadClauses(const EmbeddedFile& file, Spec& spec) {
  Result<std::vector<Clause>> clauses = ParseClauses(file.path, file.text);
  if (!clauses.ok()) return clauses.status();
  std::move(clauses->begin(), clauses->end(), std::back_inserter(spec.clauses));
  return {};
}

Status ReadModel(const EmbeddedFile& file, Spec& spec) {
  if (file.path.ends_with("/batches.json")) {
    Result<std::vector<BatchSpec>> batches = ParseBatches(file.path, file.text);
    if (!batches.ok()) return batches.status();
    spec.batches = std::move(*batches);
    return {};
  }
  Result<Model> model = ParseModel(file.path, file.text);
  if (!model.ok()) return model.status();
  if (file.path != fmt::format("spec/models/{}.json", model->id)) {
    return BadInput(fmt::format("{}:1:1: id \"{}\" is not the file's name", file.path, model->id));
  }
  spec.models.push_back(std::move(*model));
  return {};
}

Status ReadFile(const EmbeddedFile& file, const SharedAxes& axes, Spec& spec) {
  if (file.path == "spec/clauses/waivers.json") {
    return ReadReasons(file, "waivers", "clause", [&spec](std::string clause, std::string reason) {
      spec.waivers.push_back({std::move(clause), std::move(reason)});
    });
  }
  if (file.path == "spec/cases/tombstones.json") {
    return ReadReasons(file, "tombstones", "id", [&spec](std::string id, std::string reason) {
      spec.tombstones.push_back({std::move(id), std::move(reason)});
    });
  }
  if (file.path.ends_with(".md")) return ReadClauses(file, spec);
  if (file.path.starts_with("spec/models/")) return ReadModel(file, spec);
  if (!IsTopic(file.path)) return {};
  Result<TopicFile> topic = ParseTopic(file.path, file.text, axes);
  if (!topic.ok()) return topic.status();
  if (file.path != fmt::format("spec/cases/{}.json", topic->topic)) {
    return BadInput(
        fmt::format("{}:1:1: topic \"{}\" is not the file's name", file.path, topic->topic));
  }
  spec.topics.push_back(std::move(*topic));
  return {};
}

Status Expand(const TopicFile& file, Spec& spec) {
  for (const CaseTemplate& value : file.cases) {
    if (Status status = ExpandTemplate(file, value, spec.cases); !status.ok()) return status;
  }
  for (const ModelGroup& group : file.groups) {
    if (Status status = ExpandGroup(file, group, spec.models, spec.batches, spec.cases);
        !status.ok()) {
      return status;
    }
  }
  return {};
}

Status ExpandAll(const std::vector<EmbeddedFile>& files, Spec& spec) {
  for (const TopicFile& topic : spec.topics) {
    Status status = Expand(topic, spec);
    if (status.ok()) continue;
    const auto file = std::find_if(files.begin(), files.end(), [&topic](const EmbeddedFile& f) {
      return f.path == topic.filename;
    });
    return WithPlace(file->path, file->text, status);
  }
  return {};
}

// Clauses must exist; profiles follow from them; ids are unique.
Status Finish(Spec& spec) {
  std::set<std::string> ids;
  std::string all;
  for (Case& value : spec.cases.cases) {
    if (!ids.insert(value.id).second) {
      return BadInput(fmt::format("spec/cases/{}.json:1:1: two cases {}", value.topic, value.id));
    }
    for (const std::string& clause : value.clauses) {
      if (spec.FindClause(clause) == nullptr) {
        return BadInput(fmt::format("spec/cases/{}.json:1:1: {} cites {}, which is no clause",
                                    value.topic, value.id, clause));
      }
    }
    value.profiles = ProfilesOf(value, spec.clauses);
    all += fmt::format("{} {}\n", value.id, value.content_hash);
  }
  spec.cases.digest = Sha256Hex(all);
  return {};
}

}  // namespace

const Clause* Spec::FindClause(std::string_view id) const {
  for (const Clause& clause : clauses) {
    if (clause.id == id) return &clause;
  }
  return nullptr;
}

std::vector<std::string> ProfilesOf(const Case& value, const std::vector<Clause>& clauses) {
  if (value.kind == CaseKind::kRefusal) return {};
  std::set<std::string> cited;
  for (const Clause& clause : clauses) {
    if (std::find(value.clauses.begin(), value.clauses.end(), clause.id) == value.clauses.end()) {
      continue;
    }
    cited.insert(clause.profiles.begin(), clause.profiles.end());
  }
  cited.erase("core");
  if (cited.empty()) return {ProfileOfType(value.problem)};
  std::vector<std::string> ordered;
  for (const std::string& profile : ProfileNames()) {
    if (cited.count(profile) > 0) ordered.push_back(profile);
  }
  return ordered;
}

Result<Spec> LoadSpecFrom(const std::vector<EmbeddedFile>& files) {
  SharedAxes axes;
  for (const EmbeddedFile& file : files) {
    if (file.path != "spec/cases/axes.json") continue;
    Result<SharedAxes> read = ParseSharedAxes(file.path, file.text);
    if (!read.ok()) return read.status();
    axes = std::move(*read);
  }
  Spec spec;
  for (const EmbeddedFile& file : files) {
    if (Status status = ReadFile(file, axes, spec); !status.ok()) return status;
  }
  if (Status status = ExpandAll(files, spec); !status.ok()) return status;
  if (Status status = Finish(spec); !status.ok()) return status;
  return spec;
}

Result<Spec> LoadSpec() { return LoadSpecFrom(EmbeddedFiles()); }

Result<CaseSet> LoadCases() {
  Result<Spec> spec = LoadSpec();
  if (!spec.ok()) return spec.status();
  return std::move(spec->cases);
}

}  // namespace attest
