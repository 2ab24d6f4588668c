// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/eval_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "conformance/cli/subcommand.h"
#include "conformance/eval/example.h"
#include "conformance/eval/user_output.h"
#include "conformance/run/files.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

namespace fs = std::filesystem;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Of scores, weights and mask together; more is a slip of the user's that would fill the disk.
constexpr double kMaxKeyBytes = 0x1p33;

struct EvalFlags {
  CallFlags call;
  std::string out;
  std::string example;
  bool scores = false;
  bool weights = false;
  bool visible = false;

  bool keys() const { return scores || weights || visible; }
};

using Files = NamedFiles;

double KeyBytes(const Problem& p, std::size_t rows) {
  constexpr int kBytes = 17;  // score, weight, visible
  return static_cast<double>(rows) * p.num_q_heads * static_cast<double>(MaxSeqLen(p)) * kBytes;
}

void AddOutputs(const UserProblem& about, const Expected& expected,
                const std::vector<QueryRow>* chosen, Files& files) {
  LineArray<double> out(about, LineKind::kOut, chosen, kNan);
  LineArray<double> out_bound(about, LineKind::kOut, chosen, kNan);
  LineArray<double> lse(about, LineKind::kNumber, chosen, kNan);
  LineArray<double> lse_bound(about, LineKind::kNumber, chosen, kNan);
  const int heads = about.problem.num_q_heads;
  for (std::size_t n = 0; n < expected.rows.size(); ++n) {
    for (int h = 0; h < heads; ++h) {
      const QueryRow row = expected.rows[n];
      const auto line = static_cast<Eigen::Index>(n) * heads + h;
      for (int c = 0; c < about.problem.head_dim_v; ++c) {
        out.At(n, row, h, c) = expected.out(line, c);
        out_bound.At(n, row, h, c) = expected.out_bound(line, c);
      }
      lse.At(n, row, h, 0) = expected.lse[line];
      lse_bound.At(n, row, h, 0) = expected.lse_bound[line];
    }
  }
  constexpr NpyType kFloat64{'f', 8};
  files.emplace_back("out.npy", out.File(kFloat64));
  files.emplace_back("lse.npy", lse.File(kFloat64));
  files.emplace_back("out_bound.npy", out_bound.File(kFloat64));
  files.emplace_back("lse_bound.npy", lse_bound.File(kFloat64));
  if (chosen == nullptr) return;
  std::vector<std::int64_t> rows;
  for (const QueryRow& row : *chosen) rows.insert(rows.end(), {row.request, row.row});
  files.emplace_back(
      "rows.npy", NpyFile({'i', 8}, {static_cast<std::int64_t>(chosen->size()), 2}, rows.data()));
}

// Scores, weights and mask, key by key. What is no key of the request scores -inf and weighs 0.
void AddKeys(const EvalFlags& flags, const UserProblem& about, const Expected& expected,
             const std::vector<QueryRow>* chosen, Files& files) {
  if (!flags.keys()) return;
  LineArray<double> scores(about, LineKind::kKeys, chosen, -kInfinity);
  LineArray<double> weights(about, LineKind::kKeys, chosen, 0.0);
  LineArray<std::uint8_t> visible(about, LineKind::kKeys, chosen, 0);
  const int heads = about.problem.num_q_heads;
  for (std::size_t n = 0; n < expected.rows.size(); ++n) {
    for (int h = 0; h < heads; ++h) {
      const QueryRow row = expected.rows[n];
      const LineDetail& line =
          expected.detail[n * static_cast<std::size_t>(heads) + static_cast<std::size_t>(h)];
      for (std::size_t i = 0; i < line.score.size(); ++i) {
        const std::int64_t key = line.first_key + static_cast<std::int64_t>(i);
        scores.At(n, row, h, key) = line.score[i];
        weights.At(n, row, h, key) = line.weight[i];
        visible.At(n, row, h, key) = line.visible[i];
      }
    }
  }
  if (flags.scores) files.emplace_back("scores.npy", scores.File({'f', 8}));
  if (flags.weights) files.emplace_back("weights.npy", weights.File({'f', 8}));
  if (flags.visible) files.emplace_back("visible.npy", visible.File({'b', 1}));
}

// A directory beside `path` is filled and renamed over it, so that a reader sees all files or none.
Status WriteDirectory(const std::string& path, const Files& files) {
  const fs::path target = fs::path(path).lexically_normal();
  const std::string name =
      target.has_filename() ? target.filename().string() : target.parent_path().filename().string();
  const fs::path parent =
      target.has_filename() ? target.parent_path() : target.parent_path().parent_path();
  const fs::path temporary = parent / fmt::format(".{}.{}", name, getpid());
  if (Status s = EnsureDirectory(temporary.string()); !s.ok()) {
    // "DIRECTORY: why": the user named another one.
    return {s.code(), path + s.message().substr(temporary.string().size())};
  }
  std::error_code error;
  for (const auto& [file, bytes] : files) {
    if (Status s = WriteFileAtomically((temporary / file).string(), bytes); !s.ok()) {
      fs::remove_all(temporary, error);
      return s;
    }
  }
  fs::rename(temporary, path, error);
  if (!error) return {};
  const std::string why = error.message();
  fs::remove_all(temporary, error);
  return BadInput(fmt::format("{}: {}", path, why));
}

// Said before the work and not after it.
Status CheckNew(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return {};
  if (!fs::is_directory(path, error)) return BadInput(path + ": not a directory");
  if (fs::is_empty(path, error)) return {};
  return BadInput(path + ": exists and is not empty; remove it or name another");
}

Result<ExitCode> WriteExample(const std::string& path) {
  if (Status s = CheckNew(path); !s.ok()) return s;
  if (Status s = WriteDirectory(path, ExampleFiles()); !s.ok()) return s;
  fmt::print(
      "wrote {0}: problem.json and the tensors of three query rows against five keys\n"
      "next:\n"
      "  attest eval --problem {0}/problem.json --tensors {0} --out {0}/expected --weights\n"
      "  attest judge --problem {0}/problem.json --tensors {0} --output {0}/expected/out.npy\n",
      path);
  return ExitCode::kDone;
}

std::string SummaryText(const EvalFlags& flags, const UserCall& call, const Files& files) {
  std::string text = CallText(call);
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) names.push_back(name);
  text += fmt::format("wrote {}: {}\n", flags.out, fmt::join(names, ", "));
  return text;
}

Result<ExitCode> RunEval(const EvalFlags& flags) {
  if (!flags.example.empty()) return WriteExample(flags.example);
  for (const auto& [name, value] :
       {std::pair{"--problem", &flags.call.problem}, std::pair{"--tensors", &flags.call.tensors},
        std::pair{"--out", &flags.out}}) {
    if (value->empty()) return BadInput(fmt::format("{} is required", name));
  }
  if (Status s = CheckNew(flags.out); !s.ok()) return s;
  Result<UserCall> call =
      ReadUserCall(flags.call.problem, flags.call.tensors, ParseBatchLayout(flags.call.layout));
  if (!call.ok()) return call.status();
  const Result<Evaluation> evaluation = Evaluate(flags.call, *call, flags.keys());
  if (!evaluation.ok()) return evaluation.status();
  const std::vector<QueryRow>* chosen =
      flags.call.rows.empty() ? nullptr : &evaluation->expected.rows;
  Files files;
  AddOutputs(call->about, evaluation->expected, chosen, files);
  AddKeys(flags, call->about, evaluation->expected, chosen, files);
  files.emplace_back("problem.json", ToJson(call->problem()).dump(2) + "\n");
  if (Status s = WriteDirectory(flags.out, files); !s.ok()) return s;
  fmt::print("{}", SummaryText(flags, *call, files));
  return ExitCode::kDone;
}

}  // namespace

void AddCallFlags(CLI::App& app, CallFlags& flags) {
  app.add_option("--problem", flags.problem, "the problem, JSON (spec/cases/problem.schema.json)");
  app.add_option("--tensors", flags.tensors, "directory of NPY files: query.npy, key.npy, ...");
  app.add_option("--layout", flags.layout,
                 "axes of query, key, value, out: packed, bhsd, bshd or bsh\n"
                 "(default: packed for three axes, bhsd for four)")
      ->check(CLI::IsMember({"packed", "bhsd", "bshd", "bsh"}));
  app.add_option("--rows", flags.rows, "rows REQUEST:FIRST-LAST,... (default: all)");
  app.add_option("--arithmetic", flags.arithmetic, "class of the bound: strict, default, lenient")
      ->check(CLI::IsMember({"strict", "default", "lenient"}));
  app.add_option("--threads", flags.threads, "of the oracle (default: all cores)")
      ->check(CLI::Range(1, 1024));
}

Result<Evaluation> Evaluate(const CallFlags& flags, const UserCall& call, bool detail) {
  const std::optional<Arithmetic> arithmetic = ArithmeticByName(flags.arithmetic);
  if (!arithmetic) return BadInput("--arithmetic: unknown class " + flags.arithmetic);
  Result<std::vector<QueryRow>> rows =
      flags.rows.empty() ? AllRows(call.problem()) : ParseRows(flags.rows, call.problem());
  if (!rows.ok()) return rows.status();
  if (detail && KeyBytes(call.problem(), rows->size()) > kMaxKeyBytes) {
    return BadInput(fmt::format(
        "--scores, --weights, --visible: {} rows of {} heads and {} keys are too many to store; "
        "choose some with --rows",
        rows->size(), call.problem().num_q_heads, MaxSeqLen(call.problem())));
  }
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  Result<Expected> expected = ComputeExpected(
      call.problem(), call.tensors, *rows, *arithmetic,
      {.detail = detail, .threads = flags.threads > 0 ? flags.threads : static_cast<int>(cores)});
  if (!expected.ok()) {
    return Status(expected.status().code(),
                  fmt::format("{}: {}", flags.tensors, expected.status().message()));
  }
  return Evaluation{std::move(*expected), *arithmetic};
}

std::string CallText(const UserCall& call) {
  const Problem& p = call.problem();
  const auto plural = [](auto n, const char* noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
  };
  std::string text = fmt::format(
      "{} attention{}: {}, {}, {} on {}, head_dim {}, up to {}, layout {}\n",
      Name(p.attention_type),
      p.attention_type == AttentionType::kDecoder ? fmt::format(" ({})", Name(p.causality)) : "",
      plural(p.requests.size(), "request"), plural(NumTokens(p), "query row"),
      plural(p.num_q_heads, "query head"), plural(p.num_kv_heads, "KV head"),
      p.head_dim_qk == p.head_dim_v ? fmt::format("{}", p.head_dim_qk)
                                    : fmt::format("{}/{}", p.head_dim_qk, p.head_dim_v),
      plural(MaxSeqLen(p), "key"), Name(call.about.layout));
  if (!call.about.filled.empty()) {
    text += fmt::format("not in the problem file: {}\n", fmt::join(call.about.filled, ", "));
  }
  return text;
}

Subcommand EvalCommand() {
  return {
      .name = "eval",
      .summary = "Expected output and error bound of any problem on your own tensors",
      .examples =
          "Examples:\n"
          "  attest eval --example DIR\n"
          "  attest eval --problem DIR/problem.json --tensors DIR --out expected\n"
          "  attest eval --problem P.json --tensors DIR --out OUT --rows 0:0-63 --weights\n\n"
          "Reads NPY files named after the tensors of a call, bfloat16 as uint16 and float8 as\n"
          "uint8. Writes out.npy and lse.npy, exact to double precision, and out_bound.npy and\n"
          "lse_bound.npy, the largest error that the arithmetic class allows. The files and\n"
          "their rules: spec/cases/EVAL.md.",
      .declare = [](CLI::App& app) -> Action {
        auto flags = std::make_shared<EvalFlags>();
        AddCallFlags(app, flags->call);
        app.add_option("--out", flags->out, "new directory for the results");
        app.add_flag("--scores", flags->scores, "also scores.npy: after softcap and bias");
        app.add_flag("--weights", flags->weights, "also weights.npy, after the softmax");
        app.add_flag("--visible", flags->visible, "also visible.npy, the mask");
        app.add_option("--example", flags->example, "write a small example to a new directory");
        return [flags] { return RunEval(*flags); };
      }};
}

}  // namespace attest
