// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/device_check.h"

#include <string>

namespace attest::gpu {

Answer CheckDevice(const Family& family, const DeviceFacts& device) {
  const auto below = [&](const char* what, std::size_t has, std::size_t needs) -> Answer {
    return {ATTEST_NO_DEVICE, std::string(family.name) + " needs " + std::to_string(needs) + what +
                                  ", " + device.name + " has " + std::to_string(has)};
  };
  if (device.shared_bytes_per_block < family.shared_bytes) {
    return below(" bytes of shared memory in a block", device.shared_bytes_per_block,
                 family.shared_bytes);
  }
  // 0: a device whose architecture asks for nothing, or a build for all of its kind.
  if (device.architecture != 0 && device.architecture < family.architecture) {
    return below(" as its architecture (80 is sm_80)",
                 static_cast<std::size_t>(device.architecture),
                 static_cast<std::size_t>(family.architecture));
  }
  return {};
}

}  // namespace attest::gpu
