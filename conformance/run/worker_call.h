// SPDX-License-Identifier: Apache-2.0
//
// One call in the child: tensors in the shared image become arguments of the C ABI.
#ifndef ATTEST_CONFORMANCE_RUN_WORKER_CALL_H_
#define ATTEST_CONFORMANCE_RUN_WORKER_CALL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conformance/run/backend_table.h"
#include "conformance/run/protocol_graph.h"
#include "conformance/run/protocol_tensors.h"
#include "spec/abi/attest.h"

namespace attest {

struct CallRequest {
  CallKind kind = CallKind::kForward;
  attest_problem_t problem;
  std::uint64_t image_bytes = 0;
  std::vector<WireTensor> tensors;  // checked with CheckTensors
};

// A device allocation as large as the largest image so far.
struct DeviceImage {
  void* base = nullptr;
  std::uint64_t bytes = 0;
};

// Maps the image of `image_fd`, makes the call and synchronizes, and leaves in the image what the
// call left in its memory. A backend with `allocate` works on one copy of the whole image.
// `mapped` is false when the image could not be mapped; nothing was called then.
struct CallOutcome {
  bool mapped = true;
  BackendAnswer answer;
  std::optional<SeenTensor> view;  // of copy_to_persistent; address counted from the image
};
CallOutcome RunCall(BackendTable& backend, const CallRequest& request, int image_fd,
                    DeviceImage& device);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_WORKER_CALL_H_
