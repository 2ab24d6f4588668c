// SPDX-License-Identifier: Apache-2.0
//
// A parallel loop over a few threads that stay alive between calls.
#ifndef ATTEST_BACKENDS_CPU_PARALLEL_H_
#define ATTEST_BACKENDS_CPU_PARALLEL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace attest::cpu {

class Parallel {
 public:
  // `threads` >= 1, the calling one included. Throws std::system_error if they cannot be started.
  explicit Parallel(int threads);
  ~Parallel();
  Parallel(const Parallel&) = delete;
  Parallel& operator=(const Parallel&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(index, worker) once for each 0 <= index < count, in no fixed order, with 0 <= worker
  // < threads(), and returns when all are done. `body` must not throw.
  using Body = std::function<void(std::int64_t index, int worker)>;
  void For(std::int64_t count, const Body& body);

 private:
  void Serve(int worker);
  void Work(int worker);
  void Stop();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const Body* body_ = nullptr;
  std::int64_t count_ = 0;
  std::atomic<std::int64_t> next_ = 0;
  std::uint64_t generation_ = 0;
  std::size_t busy_ = 0;
  bool stop_ = false;
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_PARALLEL_H_
