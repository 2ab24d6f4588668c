// SPDX-License-Identifier: Apache-2.0
//
// The journal of a run: what is known so far survives the death of the process that learned it.
//
// A text file, DIR/journal, one entry a line: 16 hexadecimal digits of checksum, a space, a JSON
// object. The first line is the header, then comes one record a case, the seal stands last. The
// checksum is the beginning of SHA-256 over the checksum of the line before and the JSON, so that a
// changed, missing, doubled or moved line breaks the chain. Each line is one write(2) with
// O_APPEND: what was written survives kill -9. A power cut may cost what was appended since the
// last fdatasync, which happens every 64 records, once a second while records come, and at the
// seal.
#ifndef ATTEST_CONFORMANCE_RUN_JOURNAL_H_
#define ATTEST_CONFORMANCE_RUN_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conformance/run/record.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Everything that decides which records a run has and what stands in them. Two journals with equal
// headers may be continued by one another.
struct JournalHeader {
  std::string suite;    // digest of the case set
  std::string backend;  // digest of the backend's library, and its selector
  std::uint64_t seed = 0;
  std::string tier;
  std::string shard;                           // "1/1"
  std::map<std::string, std::string> options;  // filters, profiles, arithmetic class, ...
  bool operator==(const JournalHeader&) const = default;
};

struct JournalContents {
  JournalHeader header;
  std::vector<Record> records;    // in the order in which they were appended
  bool sealed = false;            // the run came to its end
  std::uint64_t valid_bytes = 0;  // up to the end of the last whole line
  bool torn = false;  // a last line without its end stood there and is left out of all of the above
};

std::string JournalPath(const std::string& directory);

// Bad input, with file and line: no journal, not even a whole header, a line whose checksum or
// contents are wrong, a case that has a record already, a line after the seal, a seal that counts
// wrong.
Result<JournalContents> ReadJournal(const std::string& path);

// One thread appends at a time.
class Journal {
 public:
  // Starts the journal of a run in `directory`, which is made where it is missing. With `resume` a
  // journal that is there is continued, after a torn last line has been cut off. Bad input: there
  // is a journal and `resume` is false; it has another header (the message names the field and both
  // values); it is damaged; another process is writing it; the directory is not writable.
  static Result<std::unique_ptr<Journal>> Open(const std::string& directory,
                                               const JournalHeader& header, bool resume);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::vector<Record>& found() const;  // the records that stood there when it was opened
  bool sealed() const;

  // Environment error: the disk is full; the journal then ends with the record before. Internal:
  // this case has a record already, or the journal is sealed.
  Status Append(const Record& record);

  // Says that no record is missing. Nothing is written where a seal stands already.
  Status Seal();

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_JOURNAL_H_
