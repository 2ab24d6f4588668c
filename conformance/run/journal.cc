// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "conformance/run/child_spawn.h"
#include "conformance/run/files.h"
#include "spec/vocabulary/digest.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr int kFormat = 1;
constexpr std::size_t kChecksumDigits = 16;
constexpr int kRecordsPerSync = 64;
constexpr std::chrono::seconds kTimePerSync(1);

// ---- Lines

std::string Checksum(const std::string& previous, std::string_view json) {
  return Sha256Hex(previous + std::string(json)).substr(0, kChecksumDigits);
}

// A whole line with its end; `checksum` goes from that of the line before to this one's.
std::string Line(const Json& json, std::string& checksum) {
  const std::string text = LineText(json);
  checksum = Checksum(checksum, text);
  return fmt::format("{} {}\n", checksum, text);
}

Json ToJson(const JournalHeader& header) {
  return {{"journal", kFormat},       {"suite", header.suite}, {"backend", header.backend},
          {"seed", header.seed},      {"tier", header.tier},   {"shard", header.shard},
          {"options", header.options}};
}

Result<JournalHeader> HeaderFromJson(const Json& json) {
  JsonObject object(json, "header");
  const std::int64_t format = object.Integer("journal");
  if (format != kFormat) object.Fail("journal", fmt::format("format {}, not {}", format, kFormat));
  JournalHeader header = {.suite = object.String("suite"),
                          .backend = object.String("backend"),
                          .seed = 0,
                          .tier = object.String("tier"),
                          .shard = object.String("shard"),
                          .options = {}};
  if (const Json* seed = object.Required("seed"); seed != nullptr && seed->is_number_unsigned()) {
    header.seed = seed->get<std::uint64_t>();
  } else {
    object.Fail("seed", "not a whole number");
  }
  const Json* options = object.Required("options");
  if (options == nullptr || !options->is_object()) return BadInput("header.options: not an object");
  for (const auto& [key, value] : options->items()) {
    if (!value.is_string()) object.Fail("options", key + " is no text");
    header.options[key] = value.is_string() ? value.get<std::string>() : "";
  }
  if (Status status = object.Done(); !status.ok()) return status;
  return header;
}

Json SealToJson(std::size_t records, std::string_view bytes_before) {
  return {{"seal", {{"records", records}, {"sha256", Sha256Hex(bytes_before)}}}};
}

// ---- Reading

// Takes line after line and keeps what they say.
class Reader {
 public:
  Reader(const std::string& path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  Result<JournalContents> Run() {
    while (true) {
      const std::size_t end = bytes_.find('\n', contents_.valid_bytes);
      if (end == std::string_view::npos) break;
      ++line_;
      const std::size_t start = contents_.valid_bytes;
      if (Status status = Take(bytes_.substr(start, end - start)); !status.ok()) return status;
      contents_.valid_bytes = end + 1;
    }
    if (line_ == 0) return BadInput(path_ + ": no journal: there is no header");
    contents_.torn = contents_.valid_bytes != bytes_.size();
    if (contents_.torn && contents_.sealed) return Damaged("something stands after the seal", 1);
    return std::move(contents_);
  }
  const std::string& checksum() const { return checksum_; }

 private:
  Status Damaged(std::string_view what, int lines_ahead = 0) const {
    return BadInput(fmt::format("{}:{}: {}", path_, line_ + lines_ahead, what));
  }

  Status Take(std::string_view line) {
    if (line.size() < kChecksumDigits + 1 || line[kChecksumDigits] != ' ') {
      return Damaged("damaged: not a checksum and an entry");
    }
    const std::string_view text = line.substr(kChecksumDigits + 1);
    const std::string wanted = Checksum(checksum_, text);
    if (line.substr(0, kChecksumDigits) != wanted) {
      return Damaged("damaged: the checksum does not fit");
    }
    if (contents_.sealed) return Damaged("something stands after the seal");
    checksum_ = wanted;
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return Damaged("not a JSON object");
    if (line_ == 1) return TakeHeader(json);
    return json.contains("seal") ? TakeSeal(json) : TakeRecord(json);
  }

  Status TakeHeader(const Json& json) {
    Result<JournalHeader> header = HeaderFromJson(json);
    if (!header.ok()) return Damaged(header.status().message());
    contents_.header = std::move(*header);
    return {};
  }

  Status TakeRecord(const Json& json) {
    Result<Record> record = RecordFromJson(json);
    if (!record.ok()) return Damaged(record.status().message());
    if (!ids_.insert(record->case_id).second) {
      return Damaged(fmt::format("a second record of {}", record->case_id));
    }
    contents_.records.push_back(std::move(*record));
    return {};
  }

  Status TakeSeal(const Json& json) {
    const std::string_view before = bytes_.substr(0, contents_.valid_bytes);
    if (json != SealToJson(contents_.records.size(), before)) {
      return Damaged("the seal does not fit what stands before it");
    }
    contents_.sealed = true;
    return {};
  }

  const std::string& path_;
  std::string_view bytes_;
  int line_ = 0;
  std::string checksum_;
  std::set<std::string> ids_;
  JournalContents contents_;
};

// The first field in which two headers differ; empty if they do not.
std::string Difference(const JournalHeader& there, const JournalHeader& wanted) {
  const auto differ = [](std::string_view field, const auto& a, const auto& b) {
    return a == b ? "" : fmt::format("{} '{}', not '{}'", field, a, b);
  };
  for (const std::string& text :
       {differ("suite", there.suite, wanted.suite),
        differ("backend", there.backend, wanted.backend), differ("seed", there.seed, wanted.seed),
        differ("tier", there.tier, wanted.tier), differ("shard", there.shard, wanted.shard)}) {
    if (!text.empty()) return text;
  }
  std::map<std::string, std::string> all = there.options;
  all.insert(wanted.options.begin(), wanted.options.end());
  const auto value = [](const JournalHeader& header, const std::string& key) {
    const auto found = header.options.find(key);
    return found == header.options.end() ? std::string() : found->second;
  };
  for (const auto& [key, unused] : all) {
    if (std::string text = differ(key, value(there, key), value(wanted, key)); !text.empty()) {
      return text;
    }
  }
  return {};
}

}  // namespace

// ---- Writing

struct Journal::State {
  std::string path;
  UniqueFd file;
  std::string checksum;  // of the last line
  std::uint64_t bytes = 0;
  std::size_t records = 0;
  std::set<std::string> ids;
  std::vector<Record> found;
  bool sealed = false;
  int unsynced = 0;
  Clock::time_point last_sync = Clock::now();

  Status AppendLine(const Json& json);
  Status Sync();
  Status Start(const JournalHeader& header);
  Status Continue(const JournalHeader& header, const std::string& contents);
};

Status Journal::State::AppendLine(const Json& json) {
  std::string next = checksum;
  const std::string line = Line(json, next);
  ssize_t written = 0;
  do {
    written = write(file.get(), line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(line.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    if (written > 0) (void)!ftruncate(file.get(), static_cast<off_t>(bytes));
    return FileError(path, error);
  }
  bytes += line.size();
  checksum = next;
  return {};
}

Status Journal::State::Sync() {
  unsynced = 0;
  last_sync = Clock::now();
  return fdatasync(file.get()) == 0 ? Status() : FileError(path, errno);
}

Status Journal::State::Start(const JournalHeader& header) {
  if (ftruncate(file.get(), 0) != 0) return FileError(path, errno);
  if (Status status = AppendLine(ToJson(header)); !status.ok()) return status;
  return Sync();
}

Status Journal::State::Continue(const JournalHeader& header, const std::string& contents) {
  Reader reader(path, contents);
  Result<JournalContents> read = reader.Run();
  if (!read.ok()) return read.status();
  if (const std::string difference = Difference(read->header, header); !difference.empty()) {
    return BadInput(fmt::format("{}: this is a run with {}", path, difference));
  }
  if (read->torn && ftruncate(file.get(), static_cast<off_t>(read->valid_bytes)) != 0) {
    return FileError(path, errno);
  }
  checksum = reader.checksum();
  bytes = read->valid_bytes;
  records = read->records.size();
  sealed = read->sealed;
  found = std::move(read->records);
  for (const Record& record : found) ids.insert(record.case_id);
  return {};
}

std::string JournalPath(const std::string& directory) { return directory + "/journal"; }

Result<JournalContents> ReadJournal(const std::string& path) {
  const Result<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  return Reader(path, *bytes).Run();
}

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}

Journal::~Journal() {
  if (state_->unsynced > 0) (void)state_->Sync();
}

const std::vector<Record>& Journal::found() const { return state_->found; }
bool Journal::sealed() const { return state_->sealed; }

Result<std::unique_ptr<Journal>> Journal::Open(const std::string& directory,
                                               const JournalHeader& header, bool resume) {
  if (Status status = EnsureDirectory(directory); !status.ok()) return status;
  auto state = std::make_unique<State>();
  state->path = JournalPath(directory);
  state->file = UniqueFd(open(state->path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
  if (state->file.get() < 0) return FileError(state->path, errno);
  if (flock(state->file.get(), LOCK_EX | LOCK_NB) != 0) {
    return BadInput(state->path + ": another process is writing this run");
  }
  const Result<std::string> contents = ReadFile(state->path);
  if (!contents.ok()) return contents.status();
  if (!contents->empty() && !resume) {
    return BadInput(state->path +
                    ": there is a run already; resume it or choose another directory");
  }
  std::string no_checksum;
  const bool header_torn = Line(ToJson(header), no_checksum).starts_with(*contents) &&
                           contents->find('\n') == std::string::npos;
  Status status = header_torn ? state->Start(header) : state->Continue(header, *contents);
  if (!status.ok()) return status;
  return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

Status Journal::Append(const Record& record) {
  if (state_->sealed) return InternalError(state_->path + ": a record after the seal");
  if (state_->ids.contains(record.case_id)) {
    return InternalError(fmt::format("{}: a second record of {}", state_->path, record.case_id));
  }
  if (Status status = state_->AppendLine(attest::ToJson(record)); !status.ok()) return status;
  state_->ids.insert(record.case_id);
  ++state_->records;
  ++state_->unsynced;
  const bool due =
      state_->unsynced >= kRecordsPerSync || Clock::now() - state_->last_sync >= kTimePerSync;
  return due ? state_->Sync() : Status();
}

Status Journal::Seal() {
  if (state_->sealed) return {};
  const Result<std::string> bytes = ReadFile(state_->path);
  if (!bytes.ok()) return bytes.status();
  if (Status status = state_->AppendLine(SealToJson(state_->records, *bytes)); !status.ok()) {
    return status;
  }
  state_->sealed = true;
  return state_->Sync();
}

}  // namespace attest
