// SPDX-License-Identifier: Apache-2.0
//
// write_kv, byte for byte: the slots that slot_mapping names hold what the reference puts there,
// and no other byte of the memory around them has changed.
#include <utility>

#include "conformance/judge/expect_write_kv.h"
#include "conformance/judge/power.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/run/inputs_write_kv.h"

namespace attest {

Record RunWriteKvCase(Session& session, const Case& value, const RunOptions& options,
                      Record record) {
  record.rule = "bytes";
  const Result<CaseInputs> inputs = BuildWriteKvInputs(value, options.seed);
  if (!inputs.ok()) return With(std::move(record), Verdict::kMistrusted, inputs.status().message());
  const Result<CallImage> wanted = ExpectWriteKvImage(value.problem, inputs->image);
  if (!wanted.ok()) return With(std::move(record), Verdict::kMistrusted, wanted.status().message());
  if (wanted->bytes == inputs->image.bytes) {
    return With(std::move(record), Verdict::kMistrusted, "a call that writes nothing would pass");
  }
  record.exposes = ExposedMutants(value, *inputs, {}, {});
  if (record.exposes.empty()) {
    return With(std::move(record), Verdict::kMistrusted, "no mutant would fail this case");
  }
  if (!Promised(session, *inputs, record)) return record;
  record.rule = "bytes";
  const auto invoke = [&](CallImage& image) { return session.WriteKv(inputs->abi, 0, image); };
  Ran ran = RunPromised("write_kv", invoke, inputs->image, std::move(record));
  if (!ran.ok) return std::move(ran.record);
  ran.record.reason = WrongWriteKv(inputs->image, *wanted, ran.image);
  ran.record.verdict = ran.record.reason.empty() ? Verdict::kPass : Verdict::kFail;
  return std::move(ran.record);
}

}  // namespace attest
