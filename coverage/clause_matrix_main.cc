// SPDX-License-Identifier: Apache-2.0
//
// attest-coverage [--csv FILE] RECORDS.jsonl...
// Prints the clause matrix of these runs; exit 1 when a MUST clause has no passing case in them.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "conformance/report/records_file.h"
#include "coverage/clause_matrix.h"

namespace attest {
namespace {

int Fail(const std::string& message, int exit_code) {
  fmt::print(stderr, "attest-coverage: {}\n", message);
  return exit_code;
}

struct Arguments {
  std::string csv;
  std::vector<std::string> files;
};

Result<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--csv" && i + 1 < argc) {
      arguments.csv = argv[++i];
    } else if (word.rfind('-', 0) == 0) {
      return BadInput("unknown flag " + word);
    } else {
      arguments.files.push_back(word);
    }
  }
  if (arguments.files.empty())
    return BadInput("usage: attest-coverage [--csv FILE] RECORDS.jsonl...");
  return arguments;
}

int Run(const Arguments& arguments) {
  const Result<Spec> spec = LoadSpec();
  if (!spec.ok()) return Fail(spec.status().message(), 4);
  std::vector<Record> records;
  for (const std::string& file : arguments.files) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return Fail(file + ": cannot be read", 2);
    std::ostringstream text;
    text << stream.rdbuf();
    const Result<std::vector<Record>> more = ParseRecords(file, text.str());
    if (!more.ok()) return Fail(more.status().message(), 2);
    records.insert(records.end(), more->begin(), more->end());
  }
  const std::vector<ClauseRow> rows = ClauseMatrix(*spec, records);
  fmt::print("{}", MatrixText(rows));
  if (!arguments.csv.empty()) {
    std::ofstream csv(arguments.csv, std::ios::binary);
    csv << MatrixCsv(rows);
    if (!csv.flush()) return Fail(arguments.csv + ": cannot be written", 2);
  }
  const std::vector<std::string> uncovered = Uncovered(rows);
  for (const std::string& id : uncovered) fmt::print("not covered: {}\n", id);
  fmt::print("clause matrix: {} clauses, {} MUST clauses without a passing case\n", rows.size(),
             uncovered.size());
  return uncovered.empty() ? 0 : 1;
}

}  // namespace
}  // namespace attest

int main(int argc, char** argv) {
  const attest::Result<attest::Arguments> arguments = attest::Parse(argc, argv);
  if (!arguments.ok()) return attest::Fail(arguments.status().message(), 2);
  return attest::Run(*arguments);
}
