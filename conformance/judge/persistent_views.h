// SPDX-License-Identifier: Apache-2.0
//
// What graph_inspect says, held against what it said at the first step (GRAPH-07).
#ifndef ATTEST_CONFORMANCE_JUDGE_PERSISTENT_VIEWS_H_
#define ATTEST_CONFORMANCE_JUDGE_PERSISTENT_VIEWS_H_

#include <string>
#include <vector>

#include "conformance/run/protocol_graph.h"

namespace attest {

inline constexpr int kMostViews = 256;

// Empty, or the first thing that is wrong with `views`, for a person: "the view block_table has
// strides [7, 1], its buffer [40, 1]". `first` are those of an earlier step; nullptr: there is
// none.
std::string WrongViews(const std::vector<SeenView>& views, const std::vector<SeenView>* first);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_PERSISTENT_VIEWS_H_
