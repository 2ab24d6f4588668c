// SPDX-License-Identifier: Apache-2.0
//
// A draft batch and its tensors as JSON. The keys are described in spec/drafter/protocol.md.
#ifndef ATTEST_REFERENCE_DRAFTER_BATCH_JSON_H_
#define ATTEST_REFERENCE_DRAFTER_BATCH_JSON_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "reference/drafter/proposer.h"

namespace attest::drafter {

// What a batch file says: the batch and, where it has "limits", the buffers to hold it against.
struct BatchRequest {
  DraftBatch batch;
  std::optional<BufferLimits> limits;
};

// A valid batch. Bad input: the message begins with the key path of the first problem.
Result<BatchRequest> BatchFromJson(const nlohmann::ordered_json& json, Runner runner);

// The same from the text of a file. Bad input: "filename:line:column: key.path: ...".
Result<BatchRequest> ParseBatch(std::string_view filename, std::string_view text, Runner runner);

// Everything that BatchFromJson reads, defaults written out.
nlohmann::ordered_json ToJson(const BatchRequest& request);

// The tensors by their names; those that `runner` does not have are left out.
nlohmann::ordered_json ToJson(const DraftInputs& inputs, Runner runner);

// Lengths of the persistent buffers and the captured size of this step, for
// `request.limits`; null where there are none.
nlohmann::ordered_json BufferReport(const BatchRequest& request, Era era);

// The tensors and, where the request has limits, the "buffers": what `attest drafter prepare
// --json` prints.
nlohmann::ordered_json PreparedJson(const BatchRequest& request, Runner runner, Era era);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_BATCH_JSON_H_
