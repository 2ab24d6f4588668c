// SPDX-License-Identifier: Apache-2.0
//
// usage: planted MISTAKE ORDER   Runs the planted kernel once; for race.sh. Exit 2: bad usage; else
// what ThreadSanitizer says.
#include <cstdio>
#include <string>

#include "backends/host/testing/planted.h"

namespace {

using attest::gpu::Mistake;
using attest::gpu::RunPlanted;
using attest::gpu::ThreadOrder;

bool ParseOrder(const std::string& text, ThreadOrder& order) {
  if (text == "plain") order = ThreadOrder::kPlain;
  if (text == "reversed") order = ThreadOrder::kReversed;
  if (text == "shuffled") order = ThreadOrder::kShuffled;
  return text == "plain" || text == "reversed" || text == "shuffled";
}

}  // namespace

int main(int argc, char** argv) {
  ThreadOrder order = ThreadOrder::kPlain;
  if (argc != 3 || !ParseOrder(argv[2], order)) return 2;
  const std::string mistake = argv[1];
  std::string fault;
  if (mistake == "none") {
    fault = RunPlanted<Mistake::kNone>(order);
  } else if (mistake == "missing-barrier") {
    fault = RunPlanted<Mistake::kMissingBarrier>(order);
  } else if (mistake == "missing-trailing-barrier") {
    fault = RunPlanted<Mistake::kMissingTrailing>(order);
  } else {
    return 2;
  }
  std::printf("%s %s: %s\n", argv[1], argv[2], fault.empty() ? "right sums" : fault.c_str());
  return 0;
}
