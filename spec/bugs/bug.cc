// SPDX-License-Identifier: Apache-2.0
#include "spec/bugs/bug.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/cases/embedded.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPath = "spec/bugs/bugs.json";

std::string NonEmpty(JsonObject& object, std::string_view key) {
  std::string text = object.String(key);
  if (text.empty()) object.Fail(key, "empty");
  return text;
}

Status ReadClass(const Json& json, const std::string& path, BugList& list) {
  JsonObject object(json, path);
  list.classes.push_back(
      {.name = NonEmpty(object, "name"), .sentence = NonEmpty(object, "sentence")});
  return object.Done();
}

Status ReadBug(const Json& json, const std::string& path, BugList& list) {
  JsonObject object(json, path);
  Bug bug{.id = NonEmpty(object, "id"),
          .bug_class = NonEmpty(object, "class"),
          .reference = NonEmpty(object, "reference"),
          .sentence = NonEmpty(object, "sentence")};
  if (list.Find(bug.id) != nullptr) object.Fail("id", "two bugs " + bug.id);
  const bool known =
      std::any_of(list.classes.begin(), list.classes.end(),
                  [&bug](const BugClass& listed) { return listed.name == bug.bug_class; });
  if (!known) object.Fail("class", bug.bug_class + " is not one of the classes");
  if (object.Has("mutants")) {
    bug.mutants = object.Strings("mutants");
    if (bug.mutants.empty()) object.Fail("mutants", "empty");
  }
  if (object.Has("config_mutants")) {
    bug.config_mutants = object.Strings("config_mutants");
    if (bug.config_mutants.empty()) object.Fail("config_mutants", "empty");
  }
  if (object.Has("not_a_mutant")) bug.not_a_mutant = NonEmpty(object, "not_a_mutant");
  const bool none = bug.mutants.empty() && bug.config_mutants.empty();
  if (none == bug.not_a_mutant.empty()) {
    object.Fail("mutants", "either mutants or not_a_mutant");
  }
  list.bugs.push_back(std::move(bug));
  return object.Done();
}

using ReadEntry = Status (*)(const Json& json, const std::string& path, BugList& list);

Status ReadList(JsonObject& object, const char* key, ReadEntry read, BugList& list) {
  const Json* entries = object.Required(key);
  if (entries == nullptr) return {};
  if (!entries->is_array()) {
    object.Fail(key, "not a list");
    return {};
  }
  for (std::size_t i = 0; i < entries->size(); ++i) {
    if (Status status = read((*entries)[i], fmt::format("{}[{}]", key, i), list); !status.ok()) {
      return status;
    }
  }
  return {};
}

Status ReadBugs(const Json& json, BugList& list) {
  JsonObject object(json, "");
  if (object.Integer("schema") != 1) object.Fail("schema", "not 1");
  if (Status status = ReadList(object, "classes", ReadClass, list); !status.ok()) return status;
  if (Status status = ReadList(object, "bugs", ReadBug, list); !status.ok()) return status;
  return object.Done();
}

}  // namespace

const Bug* BugList::Find(std::string_view id) const {
  const auto found =
      std::find_if(bugs.begin(), bugs.end(), [id](const Bug& bug) { return bug.id == id; });
  return found == bugs.end() ? nullptr : &*found;
}

Result<BugList> ParseBugs(std::string_view path, std::string_view text) {
  const Result<Json> json = ParseJson(path, text);
  if (!json.ok()) return json.status();
  BugList list;
  if (Status status = ReadBugs(*json, list); !status.ok()) return WithPlace(path, text, status);
  return list;
}

Result<BugList> LoadBugs() {
  for (const EmbeddedFile& file : EmbeddedFiles()) {
    if (file.path == kPath) return ParseBugs(file.path, file.text);
  }
  return BadInput(fmt::format("{}: not there", kPath));
}

}  // namespace attest
