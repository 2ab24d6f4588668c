// SPDX-License-Identifier: Apache-2.0
//
// What a run says on a terminal or in a CI log: progress while it runs, a summary at its end.
#ifndef ATTEST_CONFORMANCE_REPORT_CONSOLE_H_
#define ATTEST_CONFORMANCE_REPORT_CONSOLE_H_

#include <chrono>
#include <cstdio>
#include <string>

#include "conformance/report/report.h"

namespace attest {

// The summary: what was run, the claims' edges, a table of profiles, the first failures with their
// replay commands, and the verdict last, where a reader looks first.
std::string ConsoleText(const Report& report);

// One line of progress. `seconds` have passed since case `done == 0`.
std::string ProgressLine(int done, int total, int not_passed, double seconds);

// Rewrites one line on a terminal; elsewhere prints a plain line every tenth part, so that a log
// stays short. Failing cases get a line of their own at once. Not for several threads at a time.
class Progress {
 public:
  Progress(std::FILE* stream, bool terminal, int total);
  void Add(const Record& record);
  void Finish();

 private:
  double Seconds() const;

  std::FILE* stream_;
  bool terminal_;
  int total_;
  int done_ = 0;
  int not_passed_ = 0;
  int tenths_ = 0;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_CONSOLE_H_
