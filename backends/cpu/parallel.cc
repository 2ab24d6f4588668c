// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/parallel.h"

namespace attest::cpu {

Parallel::Parallel(int threads) {
  try {
    for (int worker = 1; worker < threads; ++worker) {
      workers_.emplace_back([this, worker] { Serve(worker); });
    }
  } catch (...) {
    Stop();
    throw;
  }
}

Parallel::~Parallel() { Stop(); }

void Parallel::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void Parallel::For(std::int64_t count, const Body& body) {
  if (workers_.empty() || count <= 1) {  // waking costs more than one piece of work
    for (std::int64_t index = 0; index < count; ++index) body(index, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    body_ = &body;
    count_ = count;
    next_ = 0;
    busy_ = workers_.size();
    ++generation_;
  }
  wake_.notify_all();
  Work(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
}

void Parallel::Serve(int worker) {
  std::uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    Work(worker);
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

void Parallel::Work(int worker) {
  for (std::int64_t index = next_++; index < count_; index = next_++) (*body_)(index, worker);
}

}  // namespace attest::cpu
