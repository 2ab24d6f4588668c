// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/fibers.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <boost/context/detail/fcontext.hpp>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <random>
#include <thread>

#include "backends/gpu/sanitizers.h"

namespace attest::gpu {
namespace {

namespace context = boost::context::detail;

constexpr unsigned kWarp = 32;
constexpr std::size_t kGuardBytes = 4096;
// A thread of a kernel keeps its tile in registers; instrumented frames are several times larger.
constexpr std::size_t kStackBytes = GPU_ASAN != 0 || GPU_TSAN != 0 ? 256 * 1024 : 64 * 1024;
constexpr std::size_t kArenaAlignment = 128;

enum class State : std::uint8_t { kReady, kAtBarrier, kAtCollective, kDone };

struct Fiber {
  context::fcontext_t context = nullptr;
  State state = State::kReady;
  Extent index;
  unsigned linear = 0;
  Site site;
  unsigned barriers = 0;
  unsigned collectives = 0;
  std::byte* stack = nullptr;
  void* fake_stack = nullptr;
  void* tsan = nullptr;
};

// A tag orders what was done before its release before what is done after its acquisition. Tags
// alternate: threads that run ahead to the next barrier must not be ordered by this one.
struct Tag {
  char byte = 0;
  GPU_UNSEEN void Release() {
#if GPU_TSAN
    __tsan_release(&byte);
#endif
  }
  GPU_UNSEEN void Acquire() {
#if GPU_TSAN
    __tsan_acquire(&byte);
#endif
  }
};

std::string At(const Site& site) {
  const char* slash = std::strrchr(site.file, '/');
  return std::string(slash == nullptr ? site.file : slash + 1) + ":" + std::to_string(site.line);
}

std::string Text(const Extent& extent) {
  std::string text = "(";
  text.append(std::to_string(extent.x)).append(", ").append(std::to_string(extent.y));
  return text.append(", ").append(std::to_string(extent.z)).append(")");
}

Extent At(std::size_t linear, const Extent& size) {
  return {static_cast<std::uint32_t>(linear % size.x),
          static_cast<std::uint32_t>(linear / size.x % size.y),
          static_cast<std::uint32_t>(linear / size.x / size.y)};
}

std::size_t CountOf(const Extent& extent) { return std::size_t{extent.x} * extent.y * extent.z; }

void Arrange(std::vector<unsigned>& order, ThreadOrder how, std::mt19937& random) {
  std::iota(order.begin(), order.end(), 0U);
  if (how == ThreadOrder::kReversed) std::reverse(order.begin(), order.end());
  if (how == ThreadOrder::kShuffled) std::shuffle(order.begin(), order.end(), random);
}

}  // namespace

class BlockOfFibers {
 public:
  BlockOfFibers(ThreadOrder order, std::uint32_t seed) : order_(order), random_(seed) {}
  ~BlockOfFibers() { Resize(0); }
  BlockOfFibers(const BlockOfFibers&) = delete;
  BlockOfFibers& operator=(const BlockOfFibers&) = delete;

  void Prepare(const Launch& launch);
  std::string RunBlock(const Launch& launch, std::size_t block);
  void Finish();

  GPU_UNSEEN void Wait(State state, const Site& site);
  GPU_UNSEEN void Exchange(void* value, std::size_t bytes, int mask, const Site& site);
  GPU_UNSEEN const std::byte* Share(const void* value, std::size_t bytes, const Site& site);

  Fiber* current = nullptr;
  Extent block;
  Extent grid;
  std::byte* shared = nullptr;

 private:
  static void Enter(context::transfer_t from);
  void Resize(std::size_t count);
  GPU_UNSEEN void Run(Fiber& fiber);
  GPU_UNSEEN void Leave();
  std::string Sweep();
  std::string ReleaseCollectives(bool& released);
  std::string ReleaseBarrier(bool& released);
  std::string Uneven(const char* what, const Site& site, std::size_t there) const;

  const ThreadOrder order_;
  std::mt19937 random_;
  const Launch* launch_ = nullptr;
  std::vector<Fiber> fibers_;
  std::vector<unsigned> order_of_threads_;
  std::vector<std::byte> slots_;  // [2][threads][kSlotBytes]
  std::byte* stacks_ = nullptr;
  std::size_t stack_bytes_ = 0;
  std::size_t shared_room_ = 0;
  context::fcontext_t scheduler_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  std::size_t scheduler_stack_bytes_ = 0;
  void* scheduler_fake_stack_ = nullptr;
  void* scheduler_tsan_ = nullptr;
  Tag start_;
  Tag end_;
  Tag barrier_[2];
  std::vector<Tag> collective_;  // [warps][2]
};

namespace {
// The block that this processor thread runs; fibers never change their processor thread.
thread_local BlockOfFibers* running = nullptr;
}  // namespace

void BlockOfFibers::Resize(std::size_t count) {
#if GPU_TSAN
  for (Fiber& fiber : fibers_) __tsan_destroy_fiber(fiber.tsan);
#endif
  if (stacks_ != nullptr) {
    UnpoisonMemory(stacks_, stack_bytes_);
    munmap(stacks_, stack_bytes_);
    stacks_ = nullptr;
  }
  fibers_.assign(count, Fiber());
  order_of_threads_.resize(count);
  slots_.assign(2 * count * kSlotBytes, std::byte{0});
  collective_.assign((count + kWarp - 1) / kWarp * 2, Tag());
  if (count == 0) return;
  const std::size_t each = kStackBytes + kGuardBytes;
  stack_bytes_ = each * count;
  void* stacks = mmap(nullptr, stack_bytes_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) throw std::bad_alloc();
  stacks_ = static_cast<std::byte*>(stacks);
  for (std::size_t i = 0; i < count; ++i) {
    mprotect(stacks_ + i * each, kGuardBytes, PROT_NONE);
    fibers_[i].stack = stacks_ + i * each + kGuardBytes;
    fibers_[i].linear = static_cast<unsigned>(i);
#if GPU_TSAN
    fibers_[i].tsan = __tsan_create_fiber(0);
#endif
  }
}

void BlockOfFibers::Prepare(const Launch& launch) {
  launch_ = &launch;
  grid = launch.grid;
  const std::size_t threads = CountOf(launch.block);
  if (fibers_.size() != threads) Resize(threads);
  for (std::size_t i = 0; i < threads; ++i) fibers_[i].index = At(i, launch.block);
  const std::size_t bytes = launch.shared_bytes;
  shared_room_ = (bytes + kArenaAlignment) / kArenaAlignment * kArenaAlignment;
  shared = static_cast<std::byte*>(std::aligned_alloc(kArenaAlignment, shared_room_));
  if (shared == nullptr) throw std::bad_alloc();
  PoisonMemory(shared + bytes, shared_room_ - bytes);
}

void BlockOfFibers::Finish() {
  UnpoisonMemory(shared, shared_room_);
  std::free(shared);
  shared = nullptr;
  launch_ = nullptr;
}

GPU_UNSEEN void BlockOfFibers::Enter(context::transfer_t from) {
  BlockOfFibers& self = *running;
  self.scheduler_ = from.fctx;
#if GPU_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &self.scheduler_stack_, &self.scheduler_stack_bytes_);
#endif
  self.start_.Acquire();
  self.launch_->call(self.launch_->kernel, self.launch_->argument.data());
  self.current->state = State::kDone;
  self.end_.Release();
  self.Leave();
  std::abort();  // a fiber that is done is never run again
}

// To the scheduler.
GPU_UNSEEN void BlockOfFibers::Leave() {
  [[maybe_unused]] Fiber& fiber = *current;
#if GPU_ASAN
  __sanitizer_start_switch_fiber(fiber.state == State::kDone ? nullptr : &fiber.fake_stack,
                                 scheduler_stack_, scheduler_stack_bytes_);
#endif
#if GPU_TSAN
  __tsan_switch_to_fiber(scheduler_tsan_, __tsan_switch_to_fiber_no_sync);
#endif
  scheduler_ = context::jump_fcontext(scheduler_, nullptr).fctx;
#if GPU_ASAN
  __sanitizer_finish_switch_fiber(fiber.fake_stack, &scheduler_stack_, &scheduler_stack_bytes_);
#endif
}

// From the scheduler, until the fiber waits or ends.
GPU_UNSEEN void BlockOfFibers::Run(Fiber& fiber) {
  current = &fiber;
#if GPU_ASAN
  __sanitizer_start_switch_fiber(&scheduler_fake_stack_, fiber.stack, kStackBytes);
#endif
#if GPU_TSAN
  scheduler_tsan_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber.tsan, __tsan_switch_to_fiber_no_sync);
#endif
  fiber.context = context::jump_fcontext(fiber.context, nullptr).fctx;
#if GPU_ASAN
  __sanitizer_finish_switch_fiber(scheduler_fake_stack_, nullptr, nullptr);
#endif
}

GPU_UNSEEN void BlockOfFibers::Wait(State state, const Site& site) {
  Fiber& fiber = *current;
  fiber.state = state;
  fiber.site = site;
  Tag& tag = state == State::kAtBarrier
                 ? barrier_[fiber.barriers++ % 2]
                 : collective_[fiber.linear / kWarp * 2 + fiber.collectives++ % 2];
  tag.Release();
  Leave();
  tag.Acquire();
}

// The slots of the block after all lanes of the warp have filled theirs.
GPU_UNSEEN const std::byte* BlockOfFibers::Share(const void* value, std::size_t bytes,
                                                 const Site& site) {
  // Two sets of slots in turn: a lane that is ahead by one exchange cannot overwrite this one's.
  std::byte* const slots = slots_.data() + current->collectives % 2 * fibers_.size() * kSlotBytes;
  std::memcpy(slots + current->linear * kSlotBytes, value, bytes);
  Wait(State::kAtCollective, site);
  return slots;
}

GPU_UNSEEN void BlockOfFibers::Exchange(void* value, std::size_t bytes, int mask,
                                        const Site& site) {
  const std::byte* const slots = Share(value, bytes, site);
  std::memcpy(value, slots + (current->linear ^ static_cast<unsigned>(mask)) * kSlotBytes, bytes);
}

std::string BlockOfFibers::Uneven(const char* what, const Site& site, std::size_t there) const {
  return std::string(what) + " at " + At(site) + " reached by " + std::to_string(there) + " of " +
         std::to_string(fibers_.size()) + " threads of block " + Text(block);
}

// Lets the warps go on whose lanes all wait in the same collective.
std::string BlockOfFibers::ReleaseCollectives(bool& released) {
  for (std::size_t first = 0; first < fibers_.size(); first += kWarp) {
    const std::size_t last = std::min(fibers_.size(), first + kWarp);
    const Fiber* waiting = nullptr;
    std::size_t there = 0;
    for (std::size_t i = first; i < last; ++i) {
      if (fibers_[i].state != State::kAtCollective) continue;
      if (waiting == nullptr) waiting = &fibers_[i];
      if (fibers_[i].site == waiting->site) ++there;
    }
    if (waiting == nullptr) continue;
    if (there != last - first) return Uneven("warp collective", waiting->site, there);
    for (std::size_t i = first; i < last; ++i) fibers_[i].state = State::kReady;
    released = true;
  }
  return {};
}

std::string BlockOfFibers::ReleaseBarrier(bool& released) {
  const Fiber* waiting = nullptr;
  std::size_t there = 0;
  for (const Fiber& fiber : fibers_) {
    if (fiber.state != State::kAtBarrier) continue;
    if (waiting == nullptr) waiting = &fiber;
    if (fiber.site == waiting->site) ++there;
  }
  if (waiting == nullptr) return {};
  if (there != fibers_.size()) return Uneven("barrier", waiting->site, there);
  for (Fiber& fiber : fibers_) fiber.state = State::kReady;
  released = true;
  return {};
}

// Runs every thread that can run, until all are done.
std::string BlockOfFibers::Sweep() {
  for (bool released = true; released;) {
    Arrange(order_of_threads_, order_, random_);
    for (const unsigned thread : order_of_threads_) {
      if (fibers_[thread].state == State::kReady) Run(fibers_[thread]);
    }
    released = false;
    if (std::string fault = ReleaseCollectives(released); !fault.empty()) return fault;
    if (released) continue;
    if (std::string fault = ReleaseBarrier(released); !fault.empty()) return fault;
  }
  return {};
}

std::string BlockOfFibers::RunBlock(const Launch& launch, std::size_t index) {
  running = this;
  block = At(index, launch.grid);
  std::memset(shared, 0xff, launch.shared_bytes);
  for (Fiber& fiber : fibers_) {
    fiber.context =
        context::make_fcontext(fiber.stack + kStackBytes, kStackBytes, &BlockOfFibers::Enter);
    fiber.state = State::kReady;
  }
  start_.Release();
  std::string fault = Sweep();
  end_.Acquire();
  running = nullptr;
  // The stacks of threads that never ended hold poison.
  if (!fault.empty()) UnpoisonMemory(stacks_, stack_bytes_);
  return fault;
}

FiberGrid::FiberGrid(int threads, ThreadOrder order, std::uint32_t seed)
    : order_(order), seed_(seed) {
  for (int i = 0; i < threads; ++i) {
    workers_.push_back(
        std::make_unique<BlockOfFibers>(order, seed + static_cast<std::uint32_t>(i)));
  }
}
FiberGrid::~FiberGrid() = default;

std::string FiberGrid::Run(const Launch& launch) {
  const std::size_t count = CountOf(launch.grid);
  std::vector<unsigned> blocks(count);
  std::mt19937 random(seed_);
  Arrange(blocks, order_, random);
  const std::size_t workers = std::min(workers_.size(), count);
  std::vector<std::string> faults(workers);
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  const auto work = [&](std::size_t worker) {
    BlockOfFibers& fibers = *workers_[worker];
    fibers.Prepare(launch);
    for (std::size_t i = next++; i < count && !failed; i = next++) {
      faults[worker] = fibers.RunBlock(launch, blocks[i]);
      if (faults[worker].empty()) continue;
      failed = true;
      break;
    }
    fibers.Finish();
  };
  std::vector<std::thread> threads;
  for (std::size_t worker = 1; worker < workers; ++worker) threads.emplace_back(work, worker);
  if (workers > 0) work(0);
  for (std::thread& thread : threads) thread.join();
  for (std::string& fault : faults) {
    if (!fault.empty()) return std::move(fault);
  }
  return {};
}

GPU_UNSEEN Extent CurrentThread() { return running->current->index; }
GPU_UNSEEN Extent CurrentBlock() { return running->block; }
GPU_UNSEEN Extent CurrentGridSize() { return running->grid; }
GPU_UNSEEN void* CurrentSharedMemory() { return running->shared; }
GPU_UNSEEN void WaitForBlock(const Site& site) { running->Wait(State::kAtBarrier, site); }
GPU_UNSEEN void ExchangeWithLane(void* value, std::size_t bytes, int mask, const Site& site) {
  running->Exchange(value, bytes, mask, site);
}
GPU_UNSEEN const void* ExchangeWithWarp(const void* value, const Site& site) {
  return running->Share(value, kSlotBytes, site) +
         running->current->linear / kWarp * kWarp * kSlotBytes;
}

}  // namespace attest::gpu
