// SPDX-License-Identifier: Apache-2.0
#include "property_tests/cli/properties_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "conformance/cli/backend_option.h"
#include "conformance/cli/backend_runner.h"
#include "conformance/cli/interrupt.h"
#include "conformance/run/files.h"
#include "property_tests/generators/classes.h"
#include "property_tests/laws/run_law.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

struct PropertiesFlags {
  std::string backend;
  std::vector<std::string> laws;
  std::string arithmetic;
  std::string out = "attest-properties";
  int cases = 100;
  std::uint64_t seed = 0;
  bool json = false;
  bool list = false;
};

// A backend, opened to be tried.
struct OpenSubject {
  std::unique_ptr<Session> session;
  std::unique_ptr<Subject> subject;
};

Result<OpenSubject> OpenFor(const std::string& backend, const std::string& arithmetic_name) {
  const Result<BackendSpec> spec = ResolveBackend(backend);
  if (!spec.ok()) return spec.status();
  Result<std::unique_ptr<Session>> session = Session::Open(*spec, {});
  if (!session.ok()) return session.status();
  const Result<Arithmetic> arithmetic = TightenArithmetic((*session)->claims(), arithmetic_name);
  if (!arithmetic.ok()) return arithmetic.status();
  OpenSubject open{.session = std::move(*session)};
  open.subject = std::make_unique<Subject>(*open.session, *arithmetic);
  return open;
}

// ---- One law

struct Tried {
  const Law& law;
  LawRun run;
  std::string file;     // of the sample that breaks it
  std::string command;  // that shows the failure again
};

std::string Quoted(const std::string& word) { return "'" + word + "'"; }

// Saves what broke a law, and says how to see it again.
Status Save(const PropertiesFlags& flags, Tried& tried) {
  const LawFailure& failure = *tried.run.failure;
  const std::string arithmetic =
      flags.arithmetic.empty() ? "" : fmt::format(" --arithmetic {}", flags.arithmetic);
  if (failure.needs_history) {
    tried.command =
        fmt::format("attest properties --law {} --cases {} --seed {} --backend {}{}",
                    tried.law.name, flags.cases, flags.seed, Quoted(flags.backend), arithmetic);
    return {};
  }
  if (Status status = EnsureDirectory(flags.out); !status.ok()) return status;
  tried.file = fmt::format("{}/{}.json", flags.out, tried.law.name);
  const LawSample saved{std::string(tried.law.name), failure.shrunk};
  tried.command = fmt::format("attest replay {} --backend {}{}", Quoted(tried.file),
                              Quoted(flags.backend), arithmetic);
  return WriteFileAtomically(tried.file, ToJson(saved).dump(2) + "\n");
}

std::string TriedText(const Tried& tried) {
  const LawRun& run = tried.run;
  std::string text = fmt::format("{:<12} {:<21}", Name(run.verdict), tried.law.name);
  if (run.verdict == LawVerdict::kNotClaimed) return text + run.reason + "\n";
  text += fmt::format("{} cases, {} discarded, {} of {} classes reached\n", run.cases, run.discards,
                      run.coverage.size(), SampleClasses().size());
  if (run.verdict == LawVerdict::kHolds) return text;
  if (!run.failure) return text + fmt::format("  {}\n", run.reason);
  const LawFailure& failure = *run.failure;
  text += fmt::format("  {}\n", tried.law.sentence);
  if (failure.needs_history) {
    text += fmt::format(
        "  broken by: {}\n  but not in a fresh process: the backend remembers "
        "earlier calls\n",
        run.reason);
  } else {
    text += fmt::format("  {}\n  smallest: {}\n  {} smaller samples tried, {} of them broken\n",
                        failure.reason, Describe(failure.shrunk), failure.tries, failure.steps);
  }
  return text + fmt::format("  again: {}\n", tried.command);
}

Json TriedJson(const Tried& tried) {
  const LawRun& run = tried.run;
  Json json;
  json["law"] = std::string(tried.law.name);
  json["sentence"] = std::string(tried.law.sentence);
  json["verdict"] = std::string(Name(run.verdict));
  json["reason"] = run.failure ? run.failure->reason : run.reason;
  json["cases"] = run.cases;
  json["discards"] = run.discards;
  json["coverage"] = Json::object();
  for (const SampleClass& one : SampleClasses()) {
    const auto count = run.coverage.find(one.name);
    json["coverage"][std::string(one.name)] = count == run.coverage.end() ? 0 : count->second;
  }
  if (!run.failure) return json;
  json["failure"] = {{"first", ToJson(run.failure->first)},
                     {"smallest", ToJson(run.failure->shrunk)},
                     {"tries", run.failure->tries},
                     {"steps", run.failure->steps},
                     {"needs_history", run.failure->needs_history},
                     {"file", tried.file},
                     {"command", tried.command}};
  return json;
}

// ---- All laws

Result<std::vector<const Law*>> ChosenLaws(const PropertiesFlags& flags) {
  std::vector<const Law*> chosen;
  for (const Law& law : Laws()) {
    if (flags.laws.empty()) chosen.push_back(&law);
  }
  for (const std::string& name : flags.laws) {
    const Law* law = FindLaw(name);
    if (law == nullptr) {
      return BadInput(fmt::format("--law '{}': no such law (see attest properties --list)", name));
    }
    chosen.push_back(law);
  }
  return chosen;
}

void PrintLaws(const PropertiesFlags& flags) {
  Json all = Json::array();
  for (const Law& law : Laws()) {
    if (!flags.json) fmt::print("{:<21} {}\n", law.name, law.sentence);
    all.push_back({{"law", std::string(law.name)}, {"sentence", std::string(law.sentence)}});
  }
  if (flags.json) fmt::print("{}\n", all.dump(2));
}

// A failure is worse news than a run that says nothing, and this than one that was cut short.
Result<ExitCode> Conclude(const std::vector<Tried>& all) {
  const auto any = [&all](LawVerdict verdict) -> const Tried* {
    for (const Tried& tried : all) {
      if (tried.run.verdict == verdict) return &tried;
    }
    return nullptr;
  };
  if (any(LawVerdict::kFails) != nullptr) return ExitCode::kNotConformant;
  if (const Tried* tried = any(LawVerdict::kEnvironment))
    return EnvironmentError(tried->run.reason);
  if (any(LawVerdict::kStopped) != nullptr) return EnvironmentError("interrupted");
  if (any(LawVerdict::kVoid) != nullptr || any(LawVerdict::kTooFew) != nullptr) {
    return ExitCode::kVoid;
  }
  if (any(LawVerdict::kHolds) != nullptr) return ExitCode::kDone;
  fmt::print(stderr, "no law could be tried: the backend claims nothing that they are about\n");
  return ExitCode::kNotConformant;
}

void PrintTotals(const std::vector<Tried>& all) {
  int cases = 0;
  std::map<std::string, int, std::less<>> totals;
  for (const Tried& tried : all) {
    cases += tried.run.cases;
    for (const auto& [name, count] : tried.run.coverage) totals[name] += count;
  }
  std::vector<std::string> words;
  for (const SampleClass& one : SampleClasses()) {
    words.push_back(fmt::format("{} {}", one.name, totals[std::string(one.name)]));
  }
  fmt::print("{} samples tried: {}\n", cases, fmt::join(words, ", "));
}

Result<ExitCode> RunProperties(const PropertiesFlags& flags) {
  if (flags.list) {
    PrintLaws(flags);
    return ExitCode::kDone;
  }
  if (flags.backend.empty()) return BadInput("--backend is required");
  const Result<std::vector<const Law*>> laws = ChosenLaws(flags);
  if (!laws.ok()) return laws.status();
  const Result<OpenSubject> open = OpenFor(flags.backend, flags.arithmetic);
  if (!open.ok()) return open.status();
  const InterruptGuard interrupt;
  const LawPlan plan{.cases = flags.cases, .seed = flags.seed, .stop = [&interrupt] {
                       return interrupt.flag().load();
                     }};
  if (!flags.json) {
    fmt::print("backend {}, {} cases a law, seed {}\n", flags.backend, flags.cases, flags.seed);
  }
  std::vector<Tried> all;
  for (const Law* law : *laws) {
    fmt::print(stderr, "{} of {}: {}\n", all.size() + 1, laws->size(), law->name);
    Tried tried{.law = *law, .run = RunLaw(*law, *open->subject, plan)};
    if (tried.run.failure) {
      if (Status status = Save(flags, tried); !status.ok()) return status;
    }
    if (!flags.json) fmt::print("{}", TriedText(tried));
    std::fflush(stdout);
    all.push_back(std::move(tried));
    if (all.back().run.verdict == LawVerdict::kStopped) break;
  }
  if (flags.json) {
    Json json{{"backend", flags.backend}, {"seed", flags.seed}, {"cases", flags.cases}};
    for (const Tried& tried : all) json["laws"].push_back(TriedJson(tried));
    fmt::print("{}\n", IndentedText(json));
  } else {
    PrintTotals(all);
  }
  return Conclude(all);
}

// ---- Replay

Result<ExitCode> ReplaySample(const FileReplay::Request& request) {
  const Result<LawSample> value = LawSampleFromJson(request.text, request.filename);
  if (!value.ok()) return value.status();
  const Law* law = FindLaw(value->law);
  if (law == nullptr) {
    return BadInput(fmt::format("{}: law: no such law \"{}\" (see attest properties --list)",
                                request.filename, value->law));
  }
  const Result<OpenSubject> open = OpenFor(request.backend, request.arithmetic);
  if (!open.ok()) return open.status();
  const LawOutcome outcome = TryLaw(*law, *open->subject, value->sample);
  if (outcome.kind == OutcomeKind::kEnvironment) return EnvironmentError(outcome.reason);
  static const std::map<OutcomeKind, std::pair<std::string, ExitCode>> kWords = {
      {OutcomeKind::kHolds, {"holds", ExitCode::kDone}},
      {OutcomeKind::kFails, {"fails", ExitCode::kNotConformant}},
      {OutcomeKind::kDoesNotApply, {"does-not-apply", ExitCode::kNotConformant}},
      {OutcomeKind::kVoid, {"void", ExitCode::kVoid}}};
  const auto& [word, code] = kWords.at(outcome.kind);
  if (request.json) {
    const Json json{{"law", value->law},
                    {"verdict", word},
                    {"reason", outcome.reason},
                    {"sample", ToJson(value->sample)}};
    fmt::print("{}\n", IndentedText(json));
    return code;
  }
  fmt::print("{}: {}\n  {}\n  {}\n", word, law->name, law->sentence, Describe(value->sample));
  if (!outcome.reason.empty()) fmt::print("  {}\n", outcome.reason);
  return code;
}

void AddFlags(CLI::App& app, PropertiesFlags& flags) {
  AddBackendOption(app, flags.backend);
  app.add_option("--cases", flags.cases, "samples of each law (default: 100)")
      ->check(CLI::Range(1, 1 << 24));
  app.add_option("--seed", flags.seed,
                 "of the samples; the same seed is the same run (default: 0)");
  app.add_option("--law", flags.laws, "this law alone; repeat it for more");
  app.add_option("--arithmetic", flags.arithmetic, "tighter class to judge by");
  app.add_option("--out", flags.out,
                 "directory for samples that break a law (default: attest-properties)");
  app.add_flag("--json", flags.json, "print the run as JSON, with the coverage of each law");
  app.add_flag("--list", flags.list, "print the laws and do nothing else");
}

}  // namespace

Subcommand PropertiesCommand() {
  return {.name = "properties",
          .summary = "Try laws of attention on random problems, and shrink what breaks them",
          .examples =
              "Examples:\n"
              "  attest properties --list\n"
              "  attest properties --backend cpu --cases 200 --seed 7\n"
              "  attest properties --backend ./libmine.so --law masked-keys --out broken\n\n"
              "A sample that breaks a law is shrunk, saved to --out, and printed with the\n"
              "command that replays it. Exits with 1 when a law is broken or none could be\n"
              "tried, with 4 when too many samples said nothing.",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<PropertiesFlags>();
            AddFlags(app, *flags);
            return [flags] { return RunProperties(*flags); };
          }};
}

FileReplay LawReplay() {
  return {.reads = [](const std::string& text) { return IsLawSample(text); }, .run = ReplaySample};
}

}  // namespace attest
