// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "conformance/cli/backend_option.h"
#include "conformance/cli/backend_runner.h"
#include "conformance/cli/subcommand.h"
#include "conformance/probe/maps.h"
#include "conformance/probe/poison.h"
#include "conformance/probe/score.h"
#include "conformance/probe/show.h"
#include "conformance/run/files.h"
#include "spec/cases/spec.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

struct ProbeFlags {
  std::string what;
  std::string case_id;
  std::string backend;
  std::string problem;
  std::vector<std::string> set;
  int request = -1;
  std::int64_t row = -1;
  int head = -1;
  bool against_spec = false;
  bool json = false;
  std::string out;
  std::string svg;
};

// What a probe has to say.
struct Finding {
  std::string text;
  Json json;
  bool agrees = true;  // with the spec, as far as the probe looks
  std::string picture;
  std::string svg;
};

// ---- The problem

// "window_left=4", "cache_layout=hnd", "seq_lens=[40,8]": a field of problem.schema.json.
Status Patch(const std::vector<std::string>& set, Problem& problem) {
  Json json = Json::object();
  for (const std::string& field : set) {
    const std::size_t at = field.find('=');
    if (at == std::string::npos || at == 0) {
      return BadInput(fmt::format("--set '{}': expected FIELD=VALUE", field));
    }
    const std::string text = field.substr(at + 1);
    Json value = Json::parse(text, nullptr, false);
    json[field.substr(0, at)] = value.is_discarded() ? Json(text) : std::move(value);
  }
  return PatchProblem(json, "--set", problem);
}

Result<Problem> BaseProblem(const ProbeFlags& flags) {
  if (!flags.case_id.empty() && !flags.problem.empty()) {
    return BadInput("a case and --problem: one of the two");
  }
  if (!flags.case_id.empty()) {
    const Result<Spec> spec = LoadSpec();
    if (!spec.ok()) return InternalError(spec.status().message());
    const Result<Case> value = FindCase(spec->cases, flags.case_id);
    if (!value.ok()) return value.status();
    return value->problem;
  }
  if (!flags.problem.empty()) {
    const Result<std::string> text = ReadFile(flags.problem);
    if (!text.ok()) return text.status();
    const Json json = Json::parse(*text, nullptr, false);
    if (json.is_discarded()) return BadInput(flags.problem + ": not JSON");
    return ProblemFromJson(json, flags.problem);
  }
  Problem problem;
  problem.num_q_heads = 2;
  problem.requests = {{8, 24}};
  return problem;
}

Result<Problem> ProblemOf(const ProbeFlags& flags, const Claims& claims) {
  Result<Problem> problem = BaseProblem(flags);
  if (!problem.ok()) return problem;
  if (Status status = Patch(flags.set, *problem); !status.ok()) return status;
  // An LSE tells the number of keys for free, so it is asked for wherever it is offered.
  problem->lse = (claims.features & ATTEST_CLAIM_LSE) != 0;
  if (Status status = Validate(*problem); !status.ok()) return status;
  return problem;
}

// ---- The rows

std::vector<ProbeRow> RowsOf(const ProbeFlags& flags, const Problem& problem) {
  std::vector<ProbeRow> rows;
  for (const ProbeRow& row : AllProbeRows(problem)) {
    if (flags.request >= 0 && row.request != flags.request) continue;
    if (flags.row >= 0 && row.row != flags.row) continue;
    if (flags.head >= 0 && row.head != flags.head) continue;
    rows.push_back(row);
  }
  return rows;
}

// ---- The probes

std::string CallsText(const Box& box) {
  return box.calls() == 1 ? "1 call" : fmt::format("{} calls", box.calls());
}

std::string NumberText(const ReadNumber& number) {
  switch (number.state) {
    case ReadNumber::State::kFound:
      return fmt::format("{:.6g} +- {:.1g}", number.value, number.error);
    case ReadNumber::State::kNone:
      return fmt::format("none found ({})", number.why);
    case ReadNumber::State::kUnknown:
      break;
  }
  return fmt::format("not conclusive ({})", number.why);
}

Json NumberJson(const ReadNumber& number) {
  if (number.found()) return {{"value", number.value}, {"error", number.error}};
  return {{number.state == ReadNumber::State::kNone ? "none" : "not_conclusive", number.why}};
}

// Is the number what the spec says, within its own error and a rounding of 2^-12?
bool Agrees(const ReadNumber& number, double spec) {
  if (number.state == ReadNumber::State::kNone) return spec == 0;
  return number.found() && spec != 0 &&
         std::abs(number.value - spec) <= 2 * number.error + std::abs(spec) * 0x1p-12;
}

Result<Finding> ProbeMask(Box& box, const ProbeFlags& flags) {
  const std::vector<ProbeRow> rows = RowsOf(flags, box.problem());
  const Result<MaskReading> reading =
      flags.against_spec ? ReadMaskAgainstSpec(box, rows) : ReadMask(box, rows);
  if (!reading.ok()) return reading.status();
  const MaskPictures pictures = PicturesOf(box, *reading);
  Finding finding{.text = SummaryText(box, *reading), .json = ToJson(box, *reading)};
  finding.agrees = SummaryOf(box, *reading).agrees();
  finding.picture = DrawText(pictures);
  finding.svg = DrawSvg(pictures, fmt::format("attest probe mask: {}", flags.backend));
  return finding;
}

Result<Finding> ProbeHeads(Box& box, const ProbeFlags& /*flags*/) {
  const auto maps = ReadHeads(box);
  if (!maps.ok()) return maps.status();
  Finding finding{.json = {{"probe", "heads"}, {"calls", box.calls()}}};
  finding.text = CallsText(box) + "\n";
  const auto word = [](int head, const std::string& why) {
    return head >= 0 ? fmt::format("{}", head) : fmt::format("not conclusive ({})", why);
  };
  for (const HeadMap& map : *maps) {
    const bool agrees = map.value_head == map.expected && map.key_head == map.expected;
    finding.agrees = finding.agrees && agrees;
    finding.text +=
        fmt::format("query head {}: K of kv head {}, V of kv head {}{}\n", map.head,
                    word(map.key_head, map.why_key), word(map.value_head, map.why_value),
                    agrees ? "" : fmt::format("; by the spec {}", map.expected));
    finding.json["heads"].push_back({{"head", map.head},
                                     {"spec", map.expected},
                                     {"key_head", map.key_head},
                                     {"value_head", map.value_head},
                                     {"why_key", map.why_key},
                                     {"why_value", map.why_value}});
  }
  return finding;
}

void AddPages(const PageMap& map, Finding& finding) {
  Json pages = Json::array();
  std::size_t keys_wrong = 0;
  std::size_t strays = 0;
  std::string lines;
  for (const PageRead& read : map.reads) {
    const bool expected =
        std::find(map.expected.begin(), map.expected.end(), read.page) != map.expected.end();
    strays += expected ? 0 : 1;
    keys_wrong += read.key_page == read.page ? 0 : 1;
    pages.push_back({{"value_page", read.page},
                     {"keys", read.keys},
                     {"key_page", read.key_page},
                     {"expected", expected}});
    if (expected && read.key_page == read.page) continue;
    lines += fmt::format(
        "  page {}: V read, {} keys{}; K {}\n", read.page, read.keys,
        expected ? "" : ", and no page of this row",
        read.key_page < 0 ? "not conclusive" : fmt::format("of page {}", read.key_page));
  }
  for (const std::int64_t page : map.unread) lines += fmt::format("  page {}: V not read\n", page);
  finding.agrees = finding.agrees && strays == 0 && keys_wrong == 0 && map.unread.empty();
  finding.text +=
      fmt::format("request {}, row {}, head {}: {} pages read, {} by the spec\n{}", map.row.request,
                  map.row.row, map.row.head, map.reads.size(), map.expected.size(), lines);
  if (!map.why.empty()) finding.text += fmt::format("  not conclusive: {}\n", map.why);
  finding.json["requests"].push_back({{"request", map.row.request},
                                      {"row", map.row.row},
                                      {"head", map.row.head},
                                      {"why", map.why},
                                      {"spec", map.expected},
                                      {"pages", pages},
                                      {"unread", map.unread}});
}

Result<Finding> ProbePages(Box& box, const ProbeFlags& flags) {
  const auto maps = ReadPages(box, std::max(0, flags.head));
  if (!maps.ok()) return maps.status();
  Finding finding{.json = {{"probe", "pages"}, {"calls", box.calls()}}};
  finding.text = CallsText(box) + "\n";
  for (const PageMap& map : *maps) AddPages(map, finding);
  return finding;
}

Result<Finding> ProbeScale(Box& box, const ProbeFlags& /*flags*/) {
  const auto heads = ReadScale(box);
  if (!heads.ok()) return heads.status();
  const Problem& p = box.problem();
  Finding finding{.json = {{"probe", "scale"}, {"calls", box.calls()}}};
  finding.text = fmt::format("{}; by the spec scale {:.6g}, softcap {}\n", CallsText(box), p.scale,
                             p.softcap > 0 ? fmt::format("{:g}", p.softcap) : "none");
  for (const HeadScore& head : *heads) {
    const bool cap =
        head.softcap.state == ReadNumber::State::kUnknown || Agrees(head.softcap, p.softcap);
    finding.agrees = finding.agrees && Agrees(head.scale, p.scale) && cap;
    finding.text += fmt::format("head {}: scale {}; softcap {}; {} points\n", head.row.head,
                                NumberText(head.scale), NumberText(head.softcap), head.points);
    finding.json["heads"].push_back({{"head", head.row.head},
                                     {"scale", NumberJson(head.scale)},
                                     {"softcap", NumberJson(head.softcap)},
                                     {"points", head.points}});
  }
  return finding;
}

Result<Finding> ProbeSlopes(Box& box, const ProbeFlags& /*flags*/) {
  const auto heads = ReadSlopes(box);
  if (!heads.ok()) return heads.status();
  Finding finding{.json = {{"probe", "alibi"}, {"calls", box.calls()}}};
  finding.text = CallsText(box) + "\n";
  for (const HeadSlope& head : *heads) {
    const double spec = box.SlopeOf(head.row.head);
    const bool right = head.right.state == ReadNumber::State::kUnknown || Agrees(head.right, spec);
    finding.agrees = finding.agrees && Agrees(head.left, spec) && right;
    finding.text += fmt::format("head {}: slope {} before the row, {} after it; by the spec {:g}\n",
                                head.row.head, NumberText(head.left), NumberText(head.right), spec);
    finding.json["heads"].push_back({{"head", head.row.head},
                                     {"spec", spec},
                                     {"left", NumberJson(head.left)},
                                     {"right", NumberJson(head.right)}});
  }
  return finding;
}

Result<Finding> ProbeSinks(Box& box, const ProbeFlags& /*flags*/) {
  const auto heads = ReadSinks(box);
  if (!heads.ok()) return heads.status();
  Finding finding{.json = {{"probe", "sinks"}, {"calls", box.calls()}}};
  finding.text = CallsText(box) + "\n";
  for (const HeadSink& head : *heads) {
    const bool given = box.problem().sinks;
    const double spec = given ? box.SinkOf(head.row.head) : 0;
    const auto agrees = [&](const ReadNumber& number) {
      if (!given) return number.state == ReadNumber::State::kNone;
      return number.found() && std::abs(number.value - spec) <= 2 * number.error + 1e-3;
    };
    const bool lse = !box.problem().lse || !head.logit.found() || agrees(head.lse_logit);
    finding.agrees = finding.agrees && agrees(head.logit) && lse;
    finding.text += fmt::format("head {}: sink {}; in the LSE {}; by the spec {}\n", head.row.head,
                                NumberText(head.logit),
                                head.logit.found() ? NumberText(head.lse_logit) : "none",
                                given ? fmt::format("{:.6g}", spec) : "none");
    finding.json["heads"].push_back({{"head", head.row.head},
                                     {"sink", NumberJson(head.logit)},
                                     {"lse_sink", NumberJson(head.lse_logit)}});
    if (given) finding.json["heads"].back()["spec"] = spec;
  }
  return finding;
}

Result<Finding> ProbeWeights(Box& box, const ProbeFlags& flags) {
  const auto& requests = box.problem().requests;
  const int request = std::max(0, flags.request);
  const std::int64_t q_len = requests[static_cast<std::size_t>(request)].q_len;
  const std::int64_t row = flags.row >= 0 ? flags.row : q_len - 1;
  const int head = std::max(0, flags.head);
  if (row >= q_len) {
    return BadInput(
        fmt::format("--row {}: request {} has query rows 0..{}", row, request, q_len - 1));
  }
  const auto weights = ReadWeights(box, {request, row, head});
  if (!weights.ok()) return weights.status();
  Finding finding{.json = {{"probe", "weights"},
                           {"calls", box.calls()},
                           {"request", request},
                           {"row", row},
                           {"head", head},
                           {"worst", weights->worst},
                           {"error", weights->error}}};
  finding.agrees = weights->worst <= weights->error;
  finding.text = fmt::format(
      "{}; request {}, row {}, head {}: {} keys, scores falling from 0 to -6\nlargest "
      "relative distance of a weight from the spec's: {:.2g}; a rounding is {:.2g}\n",
      CallsText(box), request, row, head, weights->keys.size(), weights->worst, weights->error);
  for (std::size_t i = 0; i < weights->keys.size(); ++i) {
    const KeyWeight& key = weights->keys[i];
    finding.json["keys"].push_back({key.key, key.weight, key.expected});
    if (i < 16 || std::abs(key.weight / key.expected - 1) == weights->worst) {
      finding.text +=
          fmt::format("  key {}: {:.6g}, by the spec {:.6g}\n", key.key, key.weight, key.expected);
    }
  }
  return finding;
}

Result<Finding> ProbePoison(Box& box, const ProbeFlags& /*flags*/) {
  const auto reading = ReadPoison(box);
  if (!reading.ok()) return reading.status();
  Finding finding{.json = {{"probe", "poison"},
                           {"calls", box.calls()},
                           {"deterministic", reading->deterministic}}};
  finding.text = CallsText(box) + "\n";
  finding.agrees = reading->deterministic && !reading->changed();
  if (!reading->deterministic) {
    finding.text += fmt::format(
        "not conclusive: {} rows differ between equal calls, so a changed bit proves nothing\n",
        reading->restless.size());
    finding.json["not_conclusive"] = "equal calls differ";
    return finding;
  }
  finding.json["trials"] = Json::array();
  for (const PoisonTrial& trial : reading->trials) {
    const char* with = trial.nan ? "NaN" : "huge values";
    std::string what = "there are none";
    if (trial.places > 0) {
      what = trial.changed.empty()
                 ? fmt::format("{} places overwritten, no bit changed", trial.places)
                 : fmt::format(
                       "{} places overwritten, {} rows changed, the first request {}, row "
                       "{}, head {}",
                       trial.places, trial.changed.size(), trial.changed[0].request,
                       trial.changed[0].row, trial.changed[0].head);
    }
    finding.text += fmt::format("{}, {}: {}\n", Name(trial.where), with, what);
    finding.json["trials"].push_back({{"where", Name(trial.where)},
                                      {"with", with},
                                      {"places", trial.places},
                                      {"rows_changed", trial.changed.size()}});
  }
  return finding;
}

struct Probe {
  const char* name;
  Result<Finding> (*run)(Box&, const ProbeFlags&);
  bool takes_row = false;   // --request and --row
  bool takes_head = false;  // --head
};
constexpr Probe kProbes[] = {{"mask", ProbeMask, true, true},
                             {"heads", ProbeHeads},
                             {"pages", ProbePages, false, true},
                             {"scale", ProbeScale},
                             {"softcap", ProbeScale},
                             {"alibi", ProbeSlopes},
                             {"sinks", ProbeSinks},
                             {"weights", ProbeWeights, true, true},
                             {"poison", ProbePoison}};

// Flags that the probe would not heed.
Status CheckFlags(const Probe& probe, const ProbeFlags& flags) {
  const auto unused = [&](const char* flag) {
    return BadInput(fmt::format("{}: 'probe {}' does not take it", flag, probe.name));
  };
  if (flags.request >= 0 && !probe.takes_row) return unused("--request");
  if (flags.row >= 0 && !probe.takes_row) return unused("--row");
  if (flags.head >= 0 && !probe.takes_head) return unused("--head");
  if (!flags.svg.empty() && probe.run != ProbeMask) {
    return BadInput("--svg: only 'probe mask' draws");
  }
  return {};
}

Status CheckRow(const ProbeFlags& flags, const Problem& problem) {
  const auto requests = static_cast<int>(problem.requests.size());
  if (flags.request >= requests) {
    return BadInput(
        fmt::format("--request {}: the problem has requests 0..{}", flags.request, requests - 1));
  }
  if (flags.head >= problem.num_q_heads) {
    return BadInput(fmt::format("--head {}: the problem has query heads 0..{}", flags.head,
                                problem.num_q_heads - 1));
  }
  std::int64_t rows = 0;
  for (int request = 0; request < requests; ++request) {
    if (flags.request >= 0 && request != flags.request) continue;
    rows = std::max(rows, problem.requests[static_cast<std::size_t>(request)].q_len);
  }
  if (flags.row >= rows) {
    return BadInput(fmt::format("--row {}: {} query rows 0..{}", flags.row,
                                flags.request >= 0
                                    ? fmt::format("request {} has", flags.request)
                                    : std::string("the problem's longest request has"),
                                rows - 1));
  }
  return {};
}

// ---- The command

Status WriteFiles(const ProbeFlags& flags, const Finding& finding) {
  if (!flags.svg.empty()) {
    if (Status status = WriteFileAtomically(flags.svg, finding.svg); !status.ok()) return status;
  }
  if (flags.out.empty()) return {};
  if (Status status = EnsureDirectory(flags.out); !status.ok()) return status;
  const std::string stem = flags.out + "/" + flags.what;
  if (Status status = WriteFileAtomically(stem + ".json", finding.json.dump(2) + "\n");
      !status.ok()) {
    return status;
  }
  const std::string text = finding.text + (finding.picture.empty() ? "" : "\n" + finding.picture);
  if (Status status = WriteFileAtomically(stem + ".txt", text); !status.ok()) return status;
  return finding.svg.empty() ? Status() : WriteFileAtomically(stem + ".svg", finding.svg);
}

Result<ExitCode> RunProbe(const ProbeFlags& flags) {
  const Probe* probe = std::find_if(std::begin(kProbes), std::end(kProbes),
                                    [&](const Probe& p) { return p.name == flags.what; });
  if (probe == std::end(kProbes)) {
    return BadInput(fmt::format(
        "'{}': mask, heads, pages, scale, softcap, alibi, sinks, weights or poison", flags.what));
  }
  if (Status status = CheckFlags(*probe, flags); !status.ok()) return status;
  const Result<BackendSpec> backend = ResolveBackend(flags.backend);
  if (!backend.ok()) return backend.status();
  Result<std::unique_ptr<Session>> session = Session::Open(*backend, {});
  if (!session.ok()) return session.status();
  const Result<Problem> problem = ProblemOf(flags, (*session)->claims());
  if (!problem.ok()) return problem.status();
  if (Status status = CheckRow(flags, *problem); !status.ok()) return status;
  Result<Box> box = Box::Make(*problem, ForwardOf(**session));
  if (!box.ok()) return box.status();
  Result<Finding> finding = probe->run(*box, flags);
  if (!finding.ok()) return finding.status();
  if (probe->run != ProbeMask) {  // which says so itself
    finding->text += finding->agrees ? "as the spec says\n"
                                     : "not what the spec says, or not all of it could be read\n";
    finding->json["agrees_with_spec"] = finding->agrees;
  }
  if (Status status = WriteFiles(flags, *finding); !status.ok()) return status;
  if (flags.json) {
    fmt::print("{}\n", finding->json.dump(2));
  } else {
    fmt::print("{}{}{}", finding->text, finding->picture.empty() ? "" : "\n", finding->picture);
  }
  return flags.against_spec && !finding->agrees ? ExitCode::kNotConformant : ExitCode::kDone;
}

}  // namespace

Subcommand ProbeCommand() {
  const CLI::Validator from_zero(
      [](std::string& text) {
        return text.empty() || text[0] == '-' ? "'" + text + "' is not 0 or more" : std::string();
      },
      "FROM 0");
  return {
      .name = "probe",
      .summary = "Read a backend from outside: its mask, maps, scores, and what must not matter",
      .examples =
          "WHAT is one of\n"
          "  mask     which keys each row and head sees, bit for bit, and a picture of it\n"
          "  heads    which kv head each query head reads, for K and for V\n"
          "  pages    which pages are read, for K and for V\n"
          "  scale    scale and soft cap of the scores (also: softcap)\n"
          "  alibi    slope of each head, before and after the row\n"
          "  sinks    sink logit of each head, in the output and in the LSE\n"
          "  weights  what each key of one row weighs\n"
          "  poison   does anything change when all that is invisible is overwritten?\n\n"
          "Examples:\n"
          "  attest probe mask --backend cpu --set window_left=4 --svg mask.svg\n"
          "  attest probe mask masks/causal-decode/dtype=bfloat16,inputs=v-coded --backend "
          "./libmine.so --against-spec\n"
          "  attest probe scale --backend cpu --set 'q_lens=[1]' --set 'seq_lens=[200]'\n\n"
          "Exits with 0 when done; with --against-spec 1 unless all that was asked for was read "
          "and is\nwhat the spec says. A probe that cannot tell says 'not conclusive', and why.",
      .declare = [from_zero](CLI::App& app) -> Action {
        auto flags = std::make_shared<ProbeFlags>();
        app.add_option("WHAT", flags->what, "what to read")->required();
        app.add_option("CASE", flags->case_id, "take the problem of this case");
        AddBackendOption(app, flags->backend)->required();
        app.add_option("--problem", flags->problem, "take the problem of this JSON file");
        app.add_option("--set", flags->set,
                       "FIELD=VALUE of the problem (spec/cases/problem.schema.json); repeat");
        app.add_option("--request", flags->request, "this request only")->check(from_zero);
        app.add_option("--row", flags->row, "this query row only")->check(from_zero);
        app.add_option("--head", flags->head, "this query head only")->check(from_zero);
        app.add_flag("--against-spec", flags->against_spec,
                     "compare with the spec (mask: in one call, where it agrees)");
        app.add_flag("--json", flags->json, "print JSON");
        app.add_option("--out", flags->out,
                       "write WHAT.json, WHAT.txt and WHAT.svg to this folder");
        app.add_option("--svg", flags->svg, "mask: write the picture to this file");
        return [flags] { return RunProbe(*flags); };
      }};
}

}  // namespace attest
