// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/in_parallel.h"

#include <atomic>
#include <thread>
#include <vector>

namespace attest {

void InParallel(std::size_t count, int jobs, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t at = next++; at < count; at = next++) work(at);
  };
  std::vector<std::thread> threads;
  for (int job = 1; job < jobs; ++job) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace attest
