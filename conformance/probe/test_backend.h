// SPDX-License-Identifier: Apache-2.0
//
// An attention of the tests' own whose every habit is a member: which keys it sees, which page it
// reads, which scale it applies. Probes meet it as a ForwardFn and cannot read its members.
#ifndef ATTEST_CONFORMANCE_PROBE_TEST_BACKEND_H_
#define ATTEST_CONFORMANCE_PROBE_TEST_BACKEND_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "conformance/probe/box.h"

namespace attest {

struct TestBackend {
  // Keys 0 .. (end of the last page) of the request. Null: the problem's own mask.
  std::function<bool(int request, std::int64_t row, int head, std::int64_t key)> sees;
  // Physical page of logical page `page`, given what the table says. Null: what the table says.
  std::function<std::int64_t(int request, std::int64_t page, std::int64_t entry)> value_page;
  std::function<std::int64_t(int request, std::int64_t page, std::int64_t entry)> key_page;
  std::function<int(int head)> key_head;  // kv head; null: head / group
  std::function<int(int head)> value_head;
  std::function<double(int head)> sink;   // logit of the backend's own; null: the problem's, if any
  std::function<double(int head)> slope;  // null: the problem's, if any
  bool sinks_ignored = false;
  double scale = 0;            // 0: the problem's
  double softcap = -1;         // negative: the problem's
  double key_bias = 0;         // added to the score, times the key's index
  double mask_value = -1e308;  // score of a key that is not seen; very negative: it is left out
  int tile = 32;
  bool backwards = false;  // order of tiles
  bool truncates = false;  // outputs
  double lse_factor = 1.0;
  int noise = 0;  // the last bit of every output differs from call to call
  int* calls = nullptr;

  CallResult operator()(const attest_problem_t& abi, double multiply_adds, CallImage& image) const;
  Problem problem;  // what the call is of
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_PROBE_TEST_BACKEND_H_
