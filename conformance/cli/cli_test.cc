// SPDX-License-Identifier: Apache-2.0
//
// attest as a user meets it: the built program, its exit codes, and what it says about bad input.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "conformance/testing/program.h"

namespace attest {
namespace {

namespace fs = std::filesystem;

class Cli : public ProgramTest {
 protected:
  // Of "attest ARGUMENTS" writing to "run", which gets `signal` once its journal has `lines` lines.
  Outcome Stop(const std::string& arguments, const std::string& signal, int lines) const {
    const std::string journal = "'" + Path("run/journal") + "'";
    return Shell(Program() + " " + arguments,
                 " & pid=$!; while kill -0 $pid 2> /dev/null && test \"$(cat " + journal +
                     " 2> /dev/null | wc -l)\" -lt " + std::to_string(lines) +
                     "; do sleep 0.01; done; kill -" + signal + " $pid 2> /dev/null; wait $pid");
  }

  // A few cases of tier smoke.
  std::string FewCases() const { return "certify --backend cpu --tier smoke --filter '[mw]*'"; }
  std::string FewCases(const std::string& out) const {
    return FewCases() + " --out '" + Path(out) + "'";
  }
  // All of tier smoke.
  std::string SmokeRun(const std::string& out) const {
    return "certify --backend cpu --tier smoke --out '" + Path(out) + "'";
  }
};

TEST_F(Cli, HelpOfEveryCommandEndsWithExamples) {
  EXPECT_EQ(Attest("--help").code, 0);
  for (const char* command : {"certify", "replay", "list", "verify", "diff", "merge", "eval",
                              "judge", "probe", "study", "bench", "explain", "kill"}) {
    const Outcome outcome = Attest(std::string(command) + " --help");
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.out.find("Example"), std::string::npos) << command;
    EXPECT_NE(outcome.out.find(std::string("attest ") + command), std::string::npos) << command;
  }
  EXPECT_EQ(Attest("--version").code, 0);
}

TEST_F(Cli, BadFlagsAreOneLineAndCodeTwo) {
  ExpectBadInput("", "no command");
  ExpectBadInput("certfy", "certfy");
  ExpectBadInput("certify", "--backend");
  ExpectBadInput("certify --backend cpu --fast", "--fast");
  ExpectBadInput("certify --backend cpu --tier large", "--tier 'large'");
  ExpectBadInput("certify --backend cpu --profile cauzal", "--profile 'cauzal'");
  ExpectBadInput("certify --backend cpu --shard 3/2", "--shard '3/2'");
  ExpectBadInput("certify --backend cpu --jobs -1", "--jobs");
  ExpectBadInput("certify --backend cpu --seed x", "--seed");
  ExpectBadInput("certify --backend cpu --deadline-floor 0", "--deadline-floor");
  ExpectBadInput("certify --backend cpu --filter 'nothing like this'", "no case of tier ci");
  ExpectBadInput("certify --backend cpu --arithmetic loose", "--arithmetic 'loose'");
  ExpectBadInput("certify --backend cpu --arithmetic lenient", "may only tighten");
  ExpectBadInput("list shoes", "shoes");
  ExpectBadInput("list clauses --why", "--why");
}

TEST_F(Cli, ABackendThatIsNotThereIsNamed) {
  ExpectBadInput("certify --backend nosuch", "nosuch");
  ExpectBadInput("certify --backend /no/such.so", "/no/such.so");
  ExpectBadInput("certify --backend '" + Write("text.so", "no library") + "'", "text.so");
  ExpectBadInput("replay 'no/such/case' --backend cpu", "no/such/case");
}

TEST_F(Cli, BadFilesAreNamedWithTheirPlace) {
  ExpectBadInput("certify --backend cpu --accept '" + Path("absent.json") + "'", "absent.json");
  const std::string accept = Write("accept.json", "{\n  \"accept\": [,]}");
  ExpectBadInput("certify --backend cpu --accept '" + accept + "'", "accept.json:2:14: ");
  const std::string unknown = Write(
      "unknown.json",
      R"({"accept": [{"deviation": "d", "reason": "r", "link": "l", "expires": "2099-01-01"}]})");
  ExpectBadInput("certify --backend cpu --accept '" + unknown + "'", "a deviation 'd'");
  const std::string replay = Write("case.json", "{\"recipe\": \"generic\",\n 7}");
  ExpectBadInput("replay '" + replay + "' --backend cpu", "case.json:2:");
  ExpectBadInput("verify '" + Path("nothing") + "'", "nothing");
  ExpectBadInput("diff '" + Path("nothing") + "' '" + Path("nothing") + "'", "nothing");
  ExpectBadInput("merge '" + Path("nothing") + "' --out '" + Path("out") + "'", "nothing");
  EXPECT_FALSE(fs::exists(Path("out")));
}

TEST_F(Cli, OutputGoesToAnEmptyDirectoryOrNowhere) {
  Write("file", "");
  ExpectBadInput("certify --backend cpu --out '" + Path("file") + "'", "not a directory");
  ExpectBadInput("certify --backend cpu --out '" + directory_.string() + "'", "use --resume");
  ExpectBadInput("certify --backend cpu --resume '" + directory_.string() + "'", "no journal");
  ExpectBadInput("certify --backend cpu --resume a --out b", "--out and --resume");
  ExpectBadInput("certify --backend cpu --out /proc/attest", "/proc/attest");
  for (const auto& entry : fs::directory_iterator(directory_)) {
    EXPECT_NE(entry.path().filename(), "journal");
  }
}

TEST_F(Cli, ListsAreTextOrJson) {
  for (const char* what : {"cases", "backends", "clauses", "models", "deviations", "mutants"}) {
    const Outcome text = Attest(std::string("list --tier smoke ") + what);
    EXPECT_EQ(text.code, 0) << text.err;
    EXPECT_FALSE(text.out.empty()) << what;
    const Outcome json = Attest(std::string("list --tier smoke --json ") + what);
    EXPECT_EQ(json.code, 0) << json.err;
    const auto parsed = nlohmann::json::parse(json.out, nullptr, false);
    ASSERT_TRUE(parsed.is_array()) << what;
    EXPECT_EQ(static_cast<std::ptrdiff_t>(parsed.size()),
              std::count(text.out.begin(), text.out.end(), '\n'))
        << what;
  }
  EXPECT_EQ(Attest("list cases --why").code, 0);
}

TEST_F(Cli, PowerOfACaseNamesWhatItExposes) {
  const Outcome outcome = Attest("list cases --power --filter 'abi/zeroed-problem/*'");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("exposes plain-problem-noncausal, causal-top-left"), std::string::npos)
      << outcome.out;
}

TEST_F(Cli, ProbesSayWhetherTheBackendIsAsTheSpecSays) {
  for (const char* arguments :
       {"mask --set window_left=4 --against-spec", "heads --against-spec",
        "pages --set 'seq_lens=[40]'", "scale", "softcap --set softcap=20",
        "alibi --set alibi=true", "sinks --set sinks=true", "weights", "poison --against-spec"}) {
    const Outcome text = Attest(std::string("probe --backend cpu ") + arguments);
    EXPECT_EQ(text.code, 0) << arguments << text.err;
    EXPECT_FALSE(text.out.empty()) << arguments;
    const Outcome json = Attest(std::string("probe --json --backend cpu ") + arguments);
    const auto parsed = nlohmann::json::parse(json.out, nullptr, false);
    ASSERT_TRUE(parsed.is_object()) << arguments << json.out;
    EXPECT_TRUE(parsed.value("agrees_with_spec", false)) << arguments;
  }
}

TEST_F(Cli, AProbedWrongMaskIsDrawnAndEndsWithCodeOne) {
  const Outcome outcome = Attest(
      "probe mask --backend mutant:window-one-long --set window_left=4 --against-spec --out '" +
      Path("probe") + "'");
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_NE(outcome.out.find("seen, should not be"), std::string::npos) << outcome.out;
  for (const char* file : {"mask.json", "mask.txt", "mask.svg"}) {
    EXPECT_TRUE(fs::exists(Path("probe") + "/" + file)) << file;
  }
}

TEST_F(Cli, BadProbesAreOneLineAndCodeTwo) {
  ExpectBadInput("probe colour --backend cpu", "colour");
  ExpectBadInput("probe mask", "--backend");
  ExpectBadInput("probe mask --backend cpu --set nofield=3", "nofield");
  ExpectBadInput("probe mask --backend cpu --head 99", "--head");
  ExpectBadInput("probe heads --backend cpu --head 0", "--head");
  ExpectBadInput("probe mask no/such/case --backend cpu", "no/such/case");
}

TEST_F(Cli, StudiesAreTextOrJson) {
  const Outcome text = Attest("study soundness --lines 200");
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("0 violations"), std::string::npos) << text.out;
  const Outcome json = Attest("study soundness --lines 200 --json");
  EXPECT_FALSE(nlohmann::json::parse(json.out, nullptr, false).is_discarded());
  EXPECT_EQ(Attest("study soundness --lines 200 --defect exponential-1-percent").code, 1);
  ExpectBadInput("study astrology", "astrology");
}

TEST_F(Cli, ExplainNamesTheMistakeAndWritesASmallestCaseThatReplayRuns) {
  const std::string failing = "'windows/causal-decode/window=17,inputs=v-coded'";
  const std::string wrong = " --backend mutant:window-one-long";
  const Outcome text = Attest("explain " + failing + wrong + " --out '" + Path("why") + "'");
  EXPECT_EQ(text.code, 1) << text.err;
  EXPECT_NE(text.out.find("behaves like window-one-long (sliding-window, MASK-10)"),
            std::string::npos)
      << text.out;
  EXPECT_NE(text.out.find("it needs window_left 1"), std::string::npos) << text.out;
  EXPECT_EQ(Contents(Path("why/explain.txt")), text.out);
  const auto json = nlohmann::json::parse(Contents(Path("why/explain.json")));
  EXPECT_EQ(json.at("diagnosis").at("class"), "sliding-window");
  EXPECT_EQ(json.at("diagnosis").at("named").at(0).at("id"), "window-one-long");
  EXPECT_EQ(json["smallest"]["mask"]["rows"].size(), 1U);
  EXPECT_NE(text.out.find("What request 0, query head 0 sees in the backend"), std::string::npos);
  EXPECT_NE(Contents(Path("why/explain.html")).find("Where they differ"), std::string::npos);
  EXPECT_NE(Contents(Path("why/explain.html")).find("window-one-long"), std::string::npos);
  EXPECT_EQ(Attest("replay '" + Path("why/smallest.json") + "'" + wrong).code, 1);
  EXPECT_EQ(Attest("replay '" + Path("why/smallest.json") + "' --backend cpu").code, 0);
}

TEST_F(Cli, ExplainSaysWhereThereIsNothingToExplain) {
  const Outcome pass =
      Attest("explain 'windows/causal-decode/window=17,inputs=v-coded' --backend cpu");
  EXPECT_EQ(pass.code, 0) << pass.err;
  EXPECT_NE(pass.out.find("nothing to explain"), std::string::npos);
  ExpectBadInput("explain 'windows/no-such-case' --backend cpu", "windows/no-such-case");
}

TEST_F(Cli, AFailedRunIsDiagnosedInItsReports) {
  const Outcome run = Attest(
      "certify --backend mutant:window-one-long --tier smoke --diagnose 1 --filter "
      "'windows/causal-decode/*' --out '" +
      Path("run") + "'");
  EXPECT_EQ(run.code, 1) << run.err;
  EXPECT_NE(run.out.find("behaves like window-one-long"), std::string::npos) << run.out;
  for (const char* file : {"run/report.html", "run/junit.xml"}) {
    EXPECT_NE(Contents(Path(file)).find("behaves like window-one-long"), std::string::npos) << file;
  }
}

TEST_F(Cli, TheNullBackendIsNotClaimed) {
  const Outcome outcome = Attest("certify --backend null --out '" + Path("run") + "'");
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_NE(outcome.out.find("NOT CLAIMED"), std::string::npos) << outcome.out;
  EXPECT_EQ(Attest("verify '" + Path("run") + "'").code, 1);
}

TEST_F(Cli, ASmokeRunIsVerifiedAndNeverConformant) {
  const Outcome outcome = Attest(SmokeRun("run"));
  ASSERT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("SMOKE PASSED"), std::string::npos);
  EXPECT_EQ(outcome.out.find("\nCONFORMANT"), std::string::npos);
  for (const char* file :
       {"certificate.json", "records.jsonl", "report.html", "junit.xml", "journal"}) {
    EXPECT_TRUE(fs::exists(directory_ / "run" / file)) << file;
  }
  const Outcome verified = Attest("verify '" + Path("run") + "'");
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  EXPECT_EQ(Attest("diff '" + Path("run") + "' '" + Path("run") + "'").code, 0);

  const std::string records = Contents(directory_ / "run/records.jsonl");
  Write("run/records.jsonl", records.substr(0, records.size() - 2) + "]\n");
  const Outcome damaged = Attest("verify '" + Path("run") + "'");
  EXPECT_EQ(damaged.code, 1);
  EXPECT_NE(damaged.out.find("DAMAGED: "), std::string::npos);
  ExpectBadInput("diff '" + Path("run") + "' '" + Path("run") + "'", "changed after the run");
}

TEST_F(Cli, TwoShardsMergedEqualTheWhole) {
  ASSERT_EQ(Attest(FewCases("whole")).code, 0);
  ASSERT_EQ(Attest(FewCases("one") + " --shard 1/2 --jobs 1").code, 0);
  ASSERT_EQ(Attest(FewCases("two") + " --shard 2/2 --jobs 3").code, 0);
  const Outcome merged =
      Attest("merge '" + Path("two") + "' '" + Path("one") + "' --out '" + Path("merged") + "'");
  ASSERT_EQ(merged.code, 0) << merged.out << merged.err;
  EXPECT_EQ(Contents(directory_ / "merged/records.jsonl"),
            Contents(directory_ / "whole/records.jsonl"));
  EXPECT_EQ(Attest("verify '" + Path("merged") + "'").code, 0);
  ExpectBadInput("merge '" + Path("one") + "' '" + Path("one") + "' --out '" + Path("x") + "'",
                 "overlap: ");
  ExpectBadInput("merge '" + Path("one") + "' --out '" + Path("x") + "'",
                 "shard 2/2 is given nowhere: ");
  EXPECT_FALSE(fs::exists(Path("x")));
}

TEST_F(Cli, ARunCutOffAtAnyLineOfItsJournalResumesToTheSameRecords) {
  ASSERT_EQ(Attest(FewCases("whole")).code, 0);
  const std::string journal = Contents(directory_ / "whole/journal");
  const std::string expected = Contents(directory_ / "whole/records.jsonl");
  const std::size_t first = journal.find('\n') + 1;
  for (const std::size_t cut : {first, journal.size() / 2, journal.size() - 3}) {
    fs::remove_all(directory_ / "cut");
    fs::create_directories(directory_ / "cut");
    Write("cut/journal", journal.substr(0, cut));
    const Outcome resumed = Attest(FewCases() + " --resume '" + Path("cut") + "'");
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(Contents(directory_ / "cut/records.jsonl"), expected) << cut;
    EXPECT_EQ(Attest("verify '" + Path("cut") + "'").code, 0);
  }
  ExpectBadInput(FewCases() + " --seed 7 --resume '" + Path("cut") + "'", "seed");
}

TEST_F(Cli, AFilteredRunIsPartialAndReplayAgreesWithIt) {
  const Outcome list = Attest("list cases --tier smoke --json");
  const std::string id = nlohmann::json::parse(list.out)[0]["id"];
  const Outcome run = Attest("certify --backend cpu --filter '" + id + "'");
  EXPECT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_NE(run.out.find("PARTIAL PASSED"), std::string::npos) << run.out;
  const Outcome replay = Attest("replay '" + id + "' --backend cpu --json");
  EXPECT_EQ(replay.code, 0) << replay.out << replay.err;
  EXPECT_TRUE(nlohmann::json::parse(replay.out, nullptr, false).is_object());
}

TEST_F(Cli, AnAcceptedCaseThatPassesFailsTheRun) {
  const std::string accept =
      Write("accept.json",
            R"({"accept": [{"case": "*", "reason": "r", "link": "l", "expires": "2999-01-01"}]})");
  const Outcome outcome = Attest(FewCases() + " --accept '" + accept + "'");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.out.find("--accept case '*': "), std::string::npos) << outcome.out;
}

TEST_F(Cli, AnInterruptedRunSaysHowToGoOn) {
  const Outcome outcome =
      Stop("certify --backend cpu --tier full --jobs 1 --out '" + Path("run") + "'", "INT", 3);
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_NE(outcome.err.find("attest certify --resume '" + Path("run") + "'"), std::string::npos)
      << outcome.err;
  EXPECT_TRUE(fs::exists(Path("run/journal")));
  EXPECT_FALSE(fs::exists(Path("run/certificate.json")));
}

TEST_F(Cli, AKilledRunResumesToTheSameRecords) {
  ASSERT_EQ(Attest(FewCases("whole")).code, 0);
  for (const int lines : {1, 5, 20}) {
    fs::remove_all(Path("run"));
    Stop(FewCases("run"), "KILL", lines);
    const Outcome resumed = Attest(FewCases() + " --resume '" + Path("run") + "'");
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(Contents(Path("run/records.jsonl")), Contents(Path("whole/records.jsonl")));
  }
}

// ---- eval and judge

TEST_F(Cli, EvalOfTheExampleIsWhatJudgePasses) {
  const std::string dir = "'" + Path("ex") + "'";
  const std::string call = " --problem " + dir + "/problem.json --tensors " + dir;
  ASSERT_EQ(Attest("eval --example " + dir).code, 0);
  const Outcome eval =
      Attest("eval" + call + " --out " + dir + "/expected --scores --weights --visible");
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_NE(eval.out.find("num_q_heads 2"), std::string::npos) << eval.out;
  for (const char* name :
       {"out", "lse", "out_bound", "lse_bound", "scores", "weights", "visible"}) {
    EXPECT_TRUE(fs::exists(Path("ex/expected/" + std::string(name) + ".npy"))) << name;
  }
  EXPECT_TRUE(fs::exists(Path("ex/expected/problem.json")));
  for (const auto& entry : fs::directory_iterator(Path("ex"))) {
    EXPECT_NE(entry.path().filename().string().front(), '.') << "half-written " << entry.path();
  }
  const Outcome pass = Attest("judge" + call + " --output " + dir + "/expected/out.npy --lse " +
                              dir + "/expected/lse.npy");
  EXPECT_EQ(pass.code, 0) << pass.out << pass.err;
  EXPECT_NE(pass.out.find("pass: 30 numbers of 6 (row, head) lines"), std::string::npos)
      << pass.out;
}

TEST_F(Cli, JudgeNamesTheWorstElementOfAWrongOutput) {
  const std::string dir = "'" + Path("ex") + "'";
  const std::string call = " --problem " + dir + "/problem.json --tensors " + dir;
  ASSERT_EQ(Attest("eval --example " + dir).code, 0);
  ASSERT_EQ(Attest("eval" + call + " --out " + dir + "/expected").code, 0);
  std::string out = Contents(Path("ex/expected/out.npy"));
  const double wrong = 77.0;  // the last number: row 2, head 1, column 3
  out.replace(out.size() - sizeof(wrong), sizeof(wrong), reinterpret_cast<const char*>(&wrong),
              sizeof(wrong));
  Write("wrong.npy", out);
  const std::string judge = "judge" + call + " --output '" + Path("wrong.npy") + "'";
  const Outcome fail = Attest(judge);
  EXPECT_EQ(fail.code, 1);
  EXPECT_NE(fail.out.find("fail: 1 of 24 numbers, in 1 of 6"), std::string::npos) << fail.out;
  EXPECT_NE(fail.out.find("request 0, row 2, head 1, column 3"), std::string::npos) << fail.out;
  EXPECT_NE(fail.out.find("no known mistake explains it"), std::string::npos) << fail.out;
  const nlohmann::json json = nlohmann::json::parse(Attest(judge + " --json").out);
  EXPECT_EQ(json["verdict"], "fail");
  EXPECT_EQ(json["diagnosis"]["confidence"], "none");
  EXPECT_EQ(json["worst"][0]["column"], 3);
  EXPECT_EQ(json["worst"][0]["got"], 77.0);
  EXPECT_EQ(json["wrong_elements"], 1);
  // Only the rows that are asked for are judged.
  EXPECT_EQ(Attest(judge + " --rows 0:0-1").code, 0);
}

TEST_F(Cli, BadCallsInFilesAreOneLineAndCodeTwo) {
  const std::string dir = "'" + Path("ex") + "'";
  const std::string call = " --problem " + dir + "/problem.json --tensors " + dir;
  const std::string out = " --out '" + Path("out") + "'";
  ASSERT_EQ(Attest("eval --example " + dir).code, 0);
  ExpectBadInput("eval --example " + dir, "not empty");
  ExpectBadInput("eval" + call, "--out is required");
  ExpectBadInput("eval" + call + " --out " + dir, "not empty");
  ExpectBadInput("eval" + call + " --out " + dir + "/problem.json/out",
                 "problem.json/out: Not a directory");
  ExpectBadInput("eval --problem missing.json --tensors " + dir + out,
                 "missing.json: No such file");
  ExpectBadInput("eval --problem " + dir + "/problem.json --tensors missing" + out, "missing: No");
  ExpectBadInput("eval" + call + out + " --rows 0:9", "request 0 has 3 rows");
  ExpectBadInput("eval" + call + out + " --arithmetic loose", "--arithmetic");
  ExpectBadInput("eval" + call + out + " --layout bsh", "num_q_heads");
  ExpectBadInput("judge" + call + " --output " + dir + "/value.npy",
                 "value.npy: shape [1, 1, 5, 4], expected [1, 2, 3, 4]");
  Write("ex/key.npy", "not an array");
  ExpectBadInput("eval" + call + out, "key.npy: not an NPY file");
  EXPECT_FALSE(fs::exists(Path("out")));
}

// ---- attest drafter

class DrafterCli : public Cli {
 protected:
  static std::string Config(const std::string& name) {
    return Source("spec/drafter/configs/" + name + ".json");
  }
  static std::string ResolveCommand() {
    return "drafter resolve --platform cuda:9.0 --draft " + Config("qwen3-8b-dflash") + " ";
  }
  Outcome Resolve(const std::string& rest) const { return Attest(ResolveCommand() + rest); }
};

TEST_F(DrafterCli, ResolveSaysServedOrRejected) {
  const Outcome served = Resolve("");
  EXPECT_EQ(served.code, 0) << served.err;
  EXPECT_TRUE(served.out.starts_with("served: era E5, runner R1, cuda:9.0\n")) << served.out;
  const Outcome rejected = Resolve("--speculative-attention-backend FLASHMLA");
  EXPECT_EQ(rejected.code, 1) << rejected.err;
  EXPECT_TRUE(rejected.out.starts_with("rejected: era E5")) << rejected.out;
  EXPECT_NE(
      rejected.out.find("Selected backend AttentionBackendEnum.FLASHMLA is not valid for this "
                        "configuration. Reason: ['head_size not supported', 'non-MLA not "
                        "supported', 'non-causal attention not supported']"),
      std::string::npos)
      << rejected.out;
}

TEST_F(DrafterCli, JsonIsTheSameAnswer) {
  const std::string target = Write("target.json", "{}");
  const Outcome outcome = Resolve("--json --era E1 --target '" + target + "'");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["era"], "E1");
  EXPECT_EQ(json["drafter"]["backend"], "FLASH_ATTN");
  EXPECT_EQ(json["drafter"]["family"], "flash");
  EXPECT_EQ(json["layers"].size(), 5U);
  EXPECT_TRUE(json["served"]);
}

TEST_F(DrafterCli, SetAndStrictReachTheModel) {
  EXPECT_EQ(Resolve("--set draft.dflash_config.causal=no").code, 0);
  EXPECT_EQ(Resolve("--set draft.dflash_config.causal=no --strict").code, 1);
  EXPECT_EQ(Resolve("--set attention.backend=TRITON_ATTN --attention-backend FLASH_ATTN").code, 1);
}

TEST_F(DrafterCli, DiffNamesThePullRequest) {
  const Outcome outcome = Attest(
      "drafter diff --from E0 --to E1 --platform cuda:9.0 --set model.use_mla=true --set "
      "model.head_dim=576 --draft " +
      Config("kimi-k2.7-code-dflash"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("target.use_non_causal\n  from yes\n  to   no\n  because "
                             "vllm-project/vllm#39930 (E1, 2026-04-28)"),
            std::string::npos)
      << outcome.out;
}

TEST_F(DrafterCli, BadInputIsOneLineAndTwo) {
  const std::string unknown = Write("unknown.json", "{\n  \"cache\": {\"blocksize\": 16}}");
  const std::string cut = Write("cut.json", "{\"model\": {");
  const std::string nan = Write("nan.json", "{\"model\": {\"head_dim\": NaN}}");
  const std::string bytes = Write("bytes.json", "{\"moe_backend\": \"\xff\"}");
  const std::string twice = Write("twice.json", "{\"model\": {}, \"model\": {}}");
  const std::string deep = Write("deep.json", std::string(2000, '['));
  const std::string list = Write("list.json", "[]");
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"--target '" + unknown + "'", unknown + ":2:26: cache.blocksize: unknown key"},
      {"--target '" + cut + "'", cut + ":1:"},
      {"--target '" + nan + "'", nan + ":1:2"},
      {"--target '" + bytes + "'", bytes + ":1:"},
      {"--target '" + twice + "'", twice + ":1:15: \"model\" stands twice"},
      {"--target '" + deep + "'", deep + ":1:"},
      {"--target '" + list + "'", list + ":1:1: not an object"},
      {"--target '" + Path("") + "'", Path("")},
      {"--target '" + Path("none") + "'", Path("none")},
      {"--set cache.block_size=x", "cache.block_size: not an integer"},
      {"--set nowhere=1", "nowhere: unknown key"},
      {"--set nothing", "--set nothing: not KEY=VALUE"},
      {"--era E9", "--era: \"E9\" is no era"},
      {"--runner R3", "--runner: \"R3\" is neither R1 nor R2"},
      {"--nonsense", "--nonsense"}};
  ExpectBadInput("drafter resolve --platform tpu --draft " + Config("qwen3-8b-dflash"), "tpu");
  for (const auto& [arguments, message] : wrong) {
    ExpectBadInput(ResolveCommand() + arguments, message);
  }
}

TEST_F(DrafterCli, HelpShowsTheFlagMatrix) {
  const Outcome outcome = Attest("drafter resolve --help");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find("Examples:"), std::string::npos);
  EXPECT_NE(outcome.out.find("drafter before E1"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace attest
