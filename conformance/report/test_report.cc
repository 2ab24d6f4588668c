// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/test_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr std::string_view kToday = "2026-02-01";

Case MakeCase(std::string topic, std::string slug, std::vector<std::string> clauses,
              std::vector<std::string> profiles) {
  Case value;
  value.id = fmt::format("{}/{}/dtype=bfloat16", topic, slug);
  value.topic = std::move(topic);
  value.slug = std::move(slug);
  value.clauses = std::move(clauses);
  value.profiles = std::move(profiles);
  value.origin = "design";
  value.content_hash = fmt::format("{:064x}", value.id.size());
  value.problem.num_q_heads = 6;
  value.problem.num_kv_heads = 2;
  value.problem.requests = {{.q_len = 7, .seq_len = 19}, {.q_len = 3, .seq_len = 11}};
  return value;
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  cases.push_back(MakeCase("masks", "causal-with-context", {"MASK-01"}, {"causal"}));
  cases.back().sentence = "Rows of a request with cached context see up to their own key.";
  cases.back().tier = Tier::kSmoke;
  cases.push_back(MakeCase("masks", "window-edge", {"MASK-10", "NUM-01"}, {"causal", "window"}));
  cases.back().sentence = "A window of 5 shows five keys to each row, its own included.";
  cases.back().problem.window_left = 5;
  cases.push_back(MakeCase("masks", "past-the-end", {"MASK-04"}, {"causal"}));
  cases.back().sentence = "Keys at seq_len and beyond are never read.";
  cases.push_back(MakeCase("masks", "known-limit", {"MASK-10"}, {"window"}));
  cases.back().problem.window_left = 1;
  cases.push_back(MakeCase("softmax", "empty-row", {"SOFT-03"}, {"causal"}));
  cases.back().sentence = "A row that sees nothing gets an output of zeros.";
  cases.push_back(MakeCase("softmax", "crashes", {"SOFT-01"}, {"causal"}));
  cases.push_back(MakeCase("softmax", "refused", {"SOFT-01"}, {"causal"}));
  cases.push_back(MakeCase("softmax", "no-record", {"SOFT-01"}, {"causal"}));
  cases.push_back(MakeCase("softmax", "float16", {"SOFT-01"}, {"causal"}));
  cases.back().problem.query_dtype = DType::kFloat16;
  cases.push_back(MakeCase("heads", "wide", {"HEAD-02"}, {"causal"}));
  cases.back().problem.head_dim_qk = cases.back().problem.head_dim_v = 128;
  cases.push_back(MakeCase("scores", "sinks", {"SCORE-05"}, {"scores"}));
  cases.back().problem.sinks = true;
  cases.push_back(MakeCase("abi", "refuse-softcap", {"ABI-03"}, {}));
  cases.back().kind = CaseKind::kRefusal;
  cases.back().feature = ATTEST_CLAIM_SOFTCAP;
  cases.push_back(MakeCase("abi", "refuse-lse", {"ABI-03"}, {}));
  cases.back().kind = CaseKind::kRefusal;
  cases.back().feature = ATTEST_CLAIM_LSE;
  return cases;
}

std::vector<Clause> Clauses() {
  const auto clause = [](std::string id, std::string topic, std::string sentence) {
    return Clause{.id = std::move(id), .topic = std::move(topic), .sentence = std::move(sentence)};
  };
  std::vector<Clause> clauses = {
      clause("ABI-03", "abi", "A refusal carries a reason & leaves every output as it was."),
      clause("HEAD-02", "heads", "Every claimed head size is computed."),
      clause("MASK-01", "masks", "Row i sees key k exactly when 0 <= k <= p."),
      clause("MASK-04", "masks", "A key with k >= seq_len contributes to no row."),
      clause("MASK-10", "masks", "With window_left = W a row sees the keys p - W < k <= p."),
      clause("NUM-01", "numerics", "Each element lies within its own bound."),
      clause("SCORE-05", "scores", "A sink joins the denominator and nothing else."),
      clause("SOFT-01", "softmax", "Weights of a row sum to 1."),
      clause("SOFT-03", "softmax", "A row with nothing to see has output 0."),
  };
  clauses[4].deviations = {{"window-one-long", "The row sees W + 1 keys."}};
  clauses[5].must = false;
  return clauses;
}

Claims MakeClaims() {
  Claims claims;
  claims.name = "flash <test>";
  claims.version = "1.2.3";
  claims.vendor = "Example Corp";
  claims.device_name = "Example Device 9000";
  claims.features = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_WINDOW_CAUSAL | ATTEST_CLAIM_LSE |
                    ATTEST_CLAIM_DETERMINISTIC;
  claims.query_dtypes = claims.cache_dtypes = claims.output_dtypes = {DType::kBFloat16};
  claims.head_dims = {{64, 128, 64}};
  claims.group_sizes = {{1, 8, 1}};
  claims.block_sizes = {{16, 16, 1}, {32, 64, 32}};
  claims.exclusions = {{.features = ATTEST_CLAIM_DECODER_CAUSAL,
                        .head_dim_qk = 128,
                        .reason = "register pressure, see the release notes"}};
  return claims;
}

RunInfo MakeInfo() {
  RunInfo info;
  info.suite_version = "0.1.0";
  info.executable_sha256 = std::string(64, 'e');
  info.case_set_digest = std::string(64, 'c');
  info.abi_version = "0.1";
  info.backend = "./libflash.so:fast";
  info.backend_sha256 = std::string(64, 'b');
  info.selector = "fast";
  info.hosts = {{"Linux 6.1.0 x86_64", "Example CPU @ 2.0 GHz", 8}};
  info.date = "2026-02-01T12:00:00Z";
  return info;
}

Record Broken(const Case& value, Verdict verdict, std::string reason) {
  Record record = PassOf(value);
  record.verdict = verdict;
  record.reason = std::move(reason);
  return record;
}

// Every row sees one key too many on the left, in each head of the second group.
void PlantLongWindow(const Case& value, Record& record) {
  for (int request = 0; request < 2; ++request) {
    for (std::int64_t row = 0; row < value.problem.requests[request].q_len; ++row) {
      const std::int64_t first = VisibleHull(value.problem, request, row).first;
      for (int head = 3; head < 6; ++head) {
        record.wrong_keys.push_back({request, row, head, first - 1, true});
        record.wrong_cells.push_back({request, row, head, 42.5});
      }
    }
  }
  record.wrong_cells_total = static_cast<std::int64_t>(record.wrong_cells.size());
  record.worst = {{
                      0,
                      2,
                      3,
                      17,
                      0.25,
                      0.375,
                      0.0029,
                  },
                  {0, 2, 3, 18, -0.25, -0.125, 0.0029},
                  {1, 1, 5, -1, 1.60944, 1.79176, 1e-6}};
  record.worst_ratio = 42.5;
}

void PlantPastTheEnd(const Case& value, Record& record) {
  const std::int64_t row = value.problem.requests[0].q_len - 1;
  for (const std::int64_t key : {19, 20, 21}) record.wrong_keys.push_back({0, row, 1, key, true});
  record.wrong_keys.push_back({0, row, 1, 4, false});
  record.wrong_cells = {{0, row, 1, 8.0}};
  record.wrong_cells_total = 1;
}

void PlantNoNumber(Record& record) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  record.wrong_cells = {{0, 0, 0, kInfinity}, {0, 0, 1, kInfinity}, {1, 2, 5, 3.0}};
  record.wrong_cells_total = 3;
  record.worst = {{0, 0, 0, 0, 0, std::numeric_limits<double>::quiet_NaN(), 0.001}};
  record.worst_ratio = kInfinity;
}

TestRun EmptyRun() {
  TestRun run;
  run.set.cases = Cases();
  run.set.digest = std::string(64, 'c');
  run.clauses = Clauses();
  run.claims = MakeClaims();
  run.info = MakeInfo();
  return run;
}

}  // namespace

Record PassOf(const Case& value) {
  Record record;
  record.case_id = value.id;
  record.content_hash = value.content_hash;
  record.verdict = Verdict::kPass;
  record.rule = "bound";
  record.clauses = value.clauses;
  record.profiles = value.profiles;
  record.rows_judged = record.rows_total = 60;
  record.worst_ratio = 0.125;
  record.repro = fmt::format("attest replay '{}' --seed 0 --backend ./libflash.so:fast", value.id);
  return record;
}

Report TestRun::MakeReport() const {
  Report report{.info = info,
                .claims = claims,
                .accepted = accepted,
                .records = records,
                .incidents = SumUpIncidents(incidents)};
  report.clauses = &clauses;
  std::vector<CaseAccount> accounts = AccountFor(SelectCases(set, info.selection), claims);
  Evidence evidence{.clauses = &clauses};
  evidence.accept_problems =
      ApplyAccept(accepted, accounts, clauses, kToday, info.selection.partial(), report.records);
  report.summary = Summarise(info.selection, std::move(accounts), report.records, evidence);
  return report;
}

TestRun GoodRun() {
  TestRun run = EmptyRun();
  for (const CaseAccount& account :
       AccountFor(SelectCases(run.set, run.info.selection), run.claims)) {
    if (account.standing == Standing::kExpected) run.records.push_back(PassOf(*account.value));
  }
  return run;
}

TestRun MixedRun() {
  TestRun run = GoodRun();
  const auto set = [&](std::size_t at, Verdict verdict, std::string reason) -> Record& {
    const Case& value = run.set.cases[at];
    auto found = std::find_if(run.records.begin(), run.records.end(),
                              [&](const Record& record) { return record.case_id == value.id; });
    return *found = Broken(value, verdict, std::move(reason));
  };
  PlantLongWindow(run.set.cases[1],
                  set(1, Verdict::kFail, "30 of 60 cells see a key outside the window"));
  PlantPastTheEnd(run.set.cases[2], set(2, Verdict::kFail, "reads keys past seq_len"));
  set(3, Verdict::kFail, "sees every key").rows_judged = 6;
  PlantNoNumber(set(4, Verdict::kFail, "NaN in out"));
  set(5, Verdict::kCrash, "signal 11 (segmentation fault) in forward");
  set(6, Verdict::kRefused, "supports answered REFUSED (\"not <yet> & not here\")");
  run.records.erase(std::find_if(run.records.begin(), run.records.end(), [&](const Record& record) {
    return record.case_id == run.set.cases[7].id;
  }));
  run.incidents = {"signal 11 (segmentation fault) between calls", "exit code 0 between calls",
                   "signal 11 (segmentation fault) between calls"};
  run.accepted = {{.cases = "masks/known-limit/*",
                   .reason = "window 1 is read as none",
                   .link = "https://example.com/issue/1",
                   .expires = "2026-12-31"}};
  return run;
}

}  // namespace attest
