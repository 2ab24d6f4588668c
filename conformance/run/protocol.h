// SPDX-License-Identifier: Apache-2.0
//
// What parent and child say to each other: frames, words, limits. The protocol as a text for
// authors of children is spec/abi/worker.md.
#ifndef ATTEST_CONFORMANCE_RUN_PROTOCOL_H_
#define ATTEST_CONFORMANCE_RUN_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "conformance/run/protocol_claims.h"
#include "conformance/run/protocol_problem.h"
#include "conformance/run/protocol_tensors.h"
#include "spec/abi/attest.h"
#include "spec/vocabulary/status.h"

namespace attest {

inline constexpr int kProtocolVersion = 1;
inline constexpr int kSocketFd = 3;  // of the child: the stream socket
inline constexpr int kImageFd = 4;   // of the child: shared memory that holds the tensors
inline constexpr std::size_t kFrameHeaderBytes = 4;
inline constexpr std::uint32_t kMaxMessageBytes = 16U << 20;
inline constexpr int kMaxNesting = 16;

// ---- Frames: 4 bytes of length, least significant first, then that many bytes of JSON

// The caller keeps `body` at or below kMaxMessageBytes.
std::string Frame(std::string_view body);

// The length that stands in the first four bytes of `bytes`; nullopt while there are fewer.
std::optional<std::uint32_t> FrameLength(std::string_view bytes);

// Bad input: not UTF-8, not JSON, not an object, or nested deeper than kMaxNesting.
Result<nlohmann::ordered_json> ParseMessage(std::string_view body);

// ---- Words of an answer's "status"

// "ok" "refused" "invalid_argument" "out_of_memory" "no_device" "device_lost" "abi_mismatch"
// "internal"; "unknown" for a number that is no attest_status_t.
std::string_view StatusWord(attest_status_t status);
// nullopt for any other word, "unknown" among them.
std::optional<attest_status_t> ParseStatusWord(std::string_view word);

// Words that only a child says of itself, never of a forward call's outcome.
inline constexpr std::string_view kUnknownStatus = "unknown";       // with the number in "code"
inline constexpr std::string_view kCannotLoad = "cannot_load";      // no library, or no such symbol
inline constexpr std::string_view kInvalidTable = "invalid_table";  // of function pointers
inline constexpr std::string_view kInvalidClaims = "invalid_claims";  // contradict themselves
inline constexpr std::string_view kBadRequest = "bad_request";        // the parent's fault

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_PROTOCOL_H_
