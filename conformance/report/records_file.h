// SPDX-License-Identifier: Apache-2.0
//
// records.jsonl: a header line, one line a record in case order, a footer line with the counts. It
// holds nothing that differs between two runs of a deterministic backend: no host, no date, no
// shard. So the records of merged shards equal those of one whole run byte for byte.
#ifndef ATTEST_CONFORMANCE_REPORT_RECORDS_FILE_H_
#define ATTEST_CONFORMANCE_REPORT_RECORDS_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "conformance/report/report.h"

namespace attest {

std::string RecordsText(const Report& report);

// Bad input: a line that is no record (with its number), no header, no footer, or a footer whose
// counts are not those of the records: the file was cut or changed.
Result<std::vector<Record>> ParseRecords(std::string_view file, const std::string& text);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_RECORDS_FILE_H_
