// SPDX-License-Identifier: Apache-2.0
//
// A kernel launch as a value: which kernel, how many threads, how much shared memory, and the
// argument with its bytes. A recording of launches therefore holds every pointer, stride and scalar
// as it was when it was recorded.
#ifndef ATTEST_BACKENDS_GPU_LAUNCH_H_
#define ATTEST_BACKENDS_GPU_LAUNCH_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace attest::gpu {

struct Extent {
  std::uint32_t x = 1;
  std::uint32_t y = 1;
  std::uint32_t z = 1;
};

struct Launch {
  using AnyKernel = void (*)();
  using Caller = void (*)(AnyKernel, const void* argument);

  AnyKernel kernel = nullptr;
  Caller call = nullptr;  // what a thread of the host build runs
  Extent grid;
  Extent block;
  std::size_t shared_bytes = 0;
  std::vector<std::byte> argument;
};

// Every kernel takes one argument, a plain struct by value.
template <typename Argument>
Launch MakeLaunch(void (*kernel)(Argument), Extent grid, Extent block, std::size_t shared_bytes,
                  const std::remove_const_t<Argument>& argument) {
  static_assert(std::is_trivially_copyable_v<Argument>);
  Launch launch;
  launch.kernel = reinterpret_cast<Launch::AnyKernel>(kernel);
  launch.call = [](Launch::AnyKernel any, const void* bytes) {
    reinterpret_cast<void (*)(Argument)>(any)(*static_cast<const Argument*>(bytes));
  };
  launch.grid = grid;
  launch.block = block;
  launch.shared_bytes = shared_bytes;
  launch.argument.resize(sizeof(argument));
  std::memcpy(launch.argument.data(), &argument, sizeof(argument));
  return launch;
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_LAUNCH_H_
