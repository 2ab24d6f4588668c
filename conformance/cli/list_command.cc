// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "conformance/cli/list_power.h"
#include "conformance/cli/subcommand.h"
#include "conformance/mutants/catalogue.h"
#include "conformance/report/selection.h"
#include "conformance/run/resolve.h"
#include "conformance/run/session.h"
#include "spec/cases/spec.h"
#include "spec/vocabulary/json_text.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

struct ListFlags {
  std::string what;
  bool json = false;
  bool why = false;
  bool power = false;
  bool all = false;
  std::string tier = "full";
  std::string filter;
};

// A row is printed as its `line`, or collected as JSON.
struct Row {
  std::string line;
  Json json;
};

Row CaseRow(const Case& value) {
  return {fmt::format("{}  [{}; {}; {}]", value.id, Name(value.tier),
                      fmt::join(value.clauses, ", "), value.sentence),
          {{"id", value.id},
           {"tier", Name(value.tier)},
           {"kind", Name(value.kind)},
           {"recipe", Name(value.recipe)},
           {"clauses", value.clauses},
           {"profiles", value.profiles},
           {"origin", value.origin},
           {"sentence", value.sentence},
           {"content_hash", value.content_hash},
           {"problem", ToJson(value.problem)}}};
}

std::vector<Row> ListCases(const Spec& spec, const ListFlags& flags, Tier tier) {
  std::vector<Row> rows;
  for (const Case* value : SelectCases(spec.cases, {.tier = tier, .filter = flags.filter})) {
    rows.push_back(CaseRow(*value));
  }
  return rows;
}

// What each case must expose. False if one can expose nothing.
bool ListPower(const Spec& spec, const ListFlags& flags, Tier tier, std::vector<Row>& rows) {
  const int jobs = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  bool whole = true;
  const std::vector<const Case*> cases =
      SelectCases(spec.cases, {.tier = tier, .filter = flags.filter});
  for (const PowerRow& power : CertifyPower(cases, flags.all, jobs)) {
    const std::string& id = power.value->id;
    whole = whole && !power.exposes.empty();
    rows.push_back({power.exposes.empty()
                        ? fmt::format("{}  proves nothing: {}", id, power.problem)
                        : fmt::format("{}  exposes {}", id, fmt::join(power.exposes, ", ")),
                    {{"id", id}, {"exposes", power.exposes}, {"problem", power.problem}}});
  }
  return whole;
}

std::vector<Row> ListMutants(const Spec& spec) {
  std::vector<Row> rows;
  for (const MutantEntry& entry : MutantCatalogue(spec.clauses)) {
    rows.push_back(
        {fmt::format("{} ({}; {}): {}", entry.id, entry.clause, entry.bug_class, entry.sentence),
         {{"id", entry.id},
          {"clause", entry.clause},
          {"class", entry.bug_class},
          {"deviation", entry.deviation},
          {"sentence", entry.sentence},
          {"reference", entry.reference},
          {"bug", entry.bug},
          {"no_arithmetic", entry.no_arithmetic}}});
  }
  return rows;
}

// Points of the axes that did not become a case, and the rule that dropped each.
std::vector<Row> ListDropped(const Spec& spec, const ListFlags& flags) {
  std::vector<Row> rows;
  for (const DroppedPoint& point : spec.cases.dropped) {
    if (!flags.filter.empty() && !GlobMatch(flags.filter, point.id)) continue;
    rows.push_back({fmt::format("{}  dropped by {}: {}", point.id, point.rule, point.reason),
                    {{"id", point.id}, {"dropped_by", point.rule}, {"reason", point.reason}}});
  }
  return rows;
}

std::vector<Row> ListClauses(const Spec& spec) {
  std::vector<Row> rows;
  for (const Clause& clause : spec.clauses) {
    const std::string_view level = clause.must ? "MUST" : "SHOULD";
    rows.push_back({fmt::format("{} {} {}{}: {}", clause.id, level, fmt::join(clause.profiles, ","),
                                clause.reserved        ? " reserved"
                                : clause.configuration ? " configuration"
                                                       : "",
                                clause.sentence),
                    {{"id", clause.id},
                     {"level", level},
                     {"profiles", clause.profiles},
                     {"reserved", clause.reserved},
                     {"configuration", clause.configuration},
                     {"sentence", clause.sentence},
                     {"sources", clause.sources}}});
  }
  return rows;
}

std::vector<Row> ListDeviations(const Spec& spec) {
  std::vector<Row> rows;
  for (const Clause& clause : spec.clauses) {
    for (const Deviation& deviation : clause.deviations) {
      rows.push_back(
          {fmt::format("{} ({}): {}", deviation.name, clause.id, deviation.sentence),
           {{"name", deviation.name}, {"clause", clause.id}, {"sentence", deviation.sentence}}});
    }
  }
  return rows;
}

std::vector<Row> ListModels(const Spec& spec) {
  std::vector<Row> rows;
  for (const Model& model : spec.models) {
    std::string layers;
    Json json_layers = Json::array();
    for (const ModelLayer& layer : model.layers) {
      layers += fmt::format("{}{} x{}", layers.empty() ? "" : ", ", layer.name, layer.count);
      if (!layer.waits_for.empty()) {
        layers += fmt::format(" (waits for {})", fmt::join(layer.waits_for, ", "));
      }
      json_layers.push_back({{"name", layer.name},
                             {"count", layer.count},
                             {"num_q_heads", layer.num_q_heads},
                             {"num_kv_heads", layer.num_kv_heads},
                             {"head_dim_qk", layer.head_dim_qk},
                             {"head_dim_v", layer.head_dim_v},
                             {"scale", layer.scale},
                             {"scale_source", layer.scale_source},
                             {"window", layer.window},
                             {"waits_for", layer.waits_for}});
    }
    rows.push_back({fmt::format("{}  {}: {}  <{}>", model.id, model.name, layers, model.source),
                    {{"id", model.id},
                     {"name", model.name},
                     {"source", model.source},
                     {"layers", json_layers}}});
  }
  return rows;
}

// A backend that does not open is listed with the reason.
std::vector<Row> ListBackends() {
  std::vector<Row> rows;
  for (const std::string& name : BuiltInBackends()) {
    std::string about;
    Json json = {{"name", name}};
    const Result<BackendSpec> spec = ResolveBackend(name);
    if (!spec.ok()) continue;
    Result<std::unique_ptr<Session>> session = Session::Open(*spec, {});
    if (session.ok()) {
      const Claims& claims = (*session)->claims();
      about = fmt::format("{} {} on {}; claims {}", claims.name, claims.version, claims.device_name,
                          DescribeFeatures(claims.features));
      json["version"] = claims.version;
      json["device"] = claims.device_name;
      json["claims"] = DescribeFeatures(claims.features);
    } else {
      about = session.status().message();
      json["error"] = about;
    }
    rows.push_back({fmt::format("{}  {}", name, about), std::move(json)});
  }
  return rows;
}

void Print(const std::vector<Row>& rows, bool json) {
  Json list = Json::array();
  for (const Row& row : rows) {
    if (json) {
      list.push_back(row.json);
    } else {
      fmt::print("{}\n", row.line);
    }
  }
  if (json) fmt::print("{}\n", IndentedText(list));
}

Result<ExitCode> RunList(const ListFlags& flags) {
  const std::optional<Tier> tier = ParseTier(flags.tier);
  if (!tier) return BadInput(fmt::format("--tier '{}': smoke, ci or full", flags.tier));
  if ((flags.power || flags.all) && flags.what != "cases") {
    return BadInput("--power, --all: only with 'list cases'");
  }
  if (flags.why && flags.what != "cases") return BadInput("--why: only with 'list cases'");
  if (flags.what == "backends") {
    Print(ListBackends(), flags.json);
    return ExitCode::kDone;
  }
  const Result<Spec> spec = LoadSpec();
  if (!spec.ok()) return InternalError(spec.status().message());
  std::vector<Row> rows;
  ExitCode code = ExitCode::kDone;
  if (flags.power) {
    if (!ListPower(*spec, flags, *tier, rows)) code = ExitCode::kVoid;
  } else if (flags.what == "mutants") {
    rows = ListMutants(*spec);
  } else if (flags.what == "cases") {
    rows = flags.why ? ListDropped(*spec, flags) : ListCases(*spec, flags, *tier);
  } else if (flags.what == "clauses") {
    rows = ListClauses(*spec);
  } else if (flags.what == "models") {
    rows = ListModels(*spec);
  } else {
    rows = ListDeviations(*spec);
  }
  Print(rows, flags.json);
  return code;
}

}  // namespace

Subcommand ListCommand() {
  return {.name = "list",
          .summary = "List cases, backends, clauses, models, deviations or mutants",
          .examples =
              "Examples:\n  attest list cases --tier smoke\n"
              "  attest list cases --filter 'masks/*' --json\n"
              "  attest list cases --why      # points that are no case, and the rule\n"
              "  attest list cases --power --tier ci\n"
              "  attest list mutants --json\n"
              "  attest list backends",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<ListFlags>();
            app.add_option("WHAT", flags->what,
                           "cases, backends, clauses, models, deviations or mutants")
                ->required()
                ->check(CLI::IsMember(
                    {"cases", "backends", "clauses", "models", "deviations", "mutants"}));
            app.add_flag("--json", flags->json, "print JSON");
            app.add_flag("--why", flags->why, "cases: the points that a rule dropped");
            app.add_flag("--power", flags->power,
                         "cases: the mutants that each must expose; 4 if one exposes none");
            app.add_flag("--all", flags->all, "with --power: all of them, not the first alone");
            app.add_option("--tier", flags->tier, "cases: smoke, ci or full (default: full)");
            app.add_option("--filter", flags->filter, "cases: glob over ids");
            return [flags] { return RunList(*flags); };
          }};
}

}  // namespace attest
