// SPDX-License-Identifier: Apache-2.0
//
// A session is one backend, driven in child processes. The parent holds expectations and judges;
// the child holds the backend and sees problems and tensors only (spec/abi/worker.md).
#ifndef ATTEST_CONFORMANCE_RUN_SESSION_H_
#define ATTEST_CONFORMANCE_RUN_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conformance/run/inputs.h"
#include "conformance/run/protocol_graph.h"
#include "conformance/run/session_result.h"
#include "spec/vocabulary/claims.h"
#include "spec/vocabulary/status.h"

namespace attest {

// What the user wrote after --backend, resolved: "cpu", "null" (a library beside the executable),
// "path/libx.so", "path/libx.so:selector", "python:module:name", "python:path/file.py:name",
// "python@interpreter:module:name".
struct BackendSpec {
  std::string argument;  // as written; stands in repro commands
  std::string library;   // absolute path of what is loaded
  std::string selector;
  std::string options;  // passed to attest_backend_open
  std::vector<std::string>
      worker;  // command line of the child; empty: attest-worker beside the executable
};
// Bad input: no such library, with the places that were looked at. Environment: no such
// interpreter.
Result<BackendSpec> ResolveBackend(const std::string& argument);

// A call gets max(deadline_floor_s, deadline_scale * predicted) seconds. The prediction is the
// call's multiply-adds at the best rate that this backend has shown in an answered call of at least
// 2^20 of them (1e-8 s each until there was one; never taken as better than 1e-10 s).
struct SessionOptions {
  double deadline_floor_s = 20.0;  // least time a call gets; also what `supports` gets
  double open_scale = 3.0;         // of that, for opening: an interpreter imports its libraries
  double deadline_scale = 100.0;   // times what the rate predicts from the multiply-adds
  std::uint64_t memory_limit_bytes = 8ULL << 30;  // anonymous memory of the child
  int threads = 1;                                // "threads=N" to the backend
};

// One thread at a time drives a session; more sessions may run in other threads. Where
// spec().worker is not empty it is one thread from Open to the end: the kernel ends such a child
// when the thread that started it ends.
class Session {
 public:
  // Starts a child, opens the backend and reads its claims. Bad input: the library has no
  // attest_backend_open, speaks another ABI, rejects the selector, or its claims contradict
  // themselves. Environment: no device.
  static Result<std::unique_ptr<Session>> Open(const BackendSpec& spec,
                                               const SessionOptions& options);
  virtual ~Session() = default;

  virtual const Claims& claims() const = 0;
  virtual const BackendSpec& spec() const = 0;

  virtual CallResult Supports(const attest_problem_t& problem) = 0;
  // Runs one forward call. On kAnswered, `image` holds what the backend left behind, canaries
  // included; otherwise `image` is unchanged. `multiply_adds` sizes the deadline. A child that did
  // not answer is killed with its descendants and a new one is started for the next call.
  virtual CallResult Forward(const attest_problem_t& problem, double multiply_adds,
                             CallImage& image) = 0;

  // As Forward, for write_kv and merge: `image` holds the members of attest_write_kv_args_t by
  // name, or of attest_merge_args_t with part i as "part_out_i" and "part_lse_i". Only of a backend
  // that claims ATTEST_CLAIM_WRITE_KV or ATTEST_CLAIM_MERGE.
  virtual CallResult WriteKv(const attest_problem_t& problem, double multiply_adds,
                             CallImage& image);
  virtual CallResult Merge(const attest_problem_t& problem, double multiply_adds, CallImage& image);

  // Copies the tensor "source" of `image` into its tensor "buffer"; `view` is what the backend says
  // of the result, its address counted from the image. Only of a backend that claims
  // ATTEST_CLAIM_COPY_TO_PERSISTENT.
  virtual CallResult CopyToPersistent(CallImage& image, std::optional<SeenTensor>& view);

  // Graphs, one at a time; only of a backend that claims a graph level. Each call but Inspect and
  // Destroy writes `image` to where the graph finds the caller's tensors, and on kAnswered brings
  // back what is there afterwards. The image keeps its size from capture to destroy. A child that
  // did not answer has taken the graph along: what follows ends with kCrash.
  virtual CallResult GraphCapture(const attest_problem_t& maximum, double multiply_adds,
                                  CallImage& image);
  virtual CallResult GraphUpdate(const attest_problem_t& step, CallImage& image);
  virtual CallResult GraphReplay(double multiply_adds, CallImage& image);
  // ATTEST_INVALID_ARGUMENT past the last view.
  virtual CallResult GraphInspect(int index, SeenView& view);
  virtual CallResult GraphDestroy();

  // The next call meets a process that has answered none before.
  virtual void StartAfresh() {}

  // Children started so far, the first included.
  virtual int children_started() const { return 0; }
  // What went wrong while no call was in flight, and so cost none: "signal 11 (segmentation fault)
  // between calls".
  virtual std::vector<std::string> incidents() const { return {}; }
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_SESSION_H_
