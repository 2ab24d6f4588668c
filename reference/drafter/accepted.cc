// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "reference/drafter/proposer.h"

namespace attest::drafter {
namespace {

Status CheckSizes(const SampledTokens& sampled) {
  const std::size_t requests = sampled.token_ids.size();
  const auto wrong = [requests](std::string_view name, std::size_t size) {
    return BadInput(
        fmt::format("sampled.{}: {} entries, but there are {} requests", name, size, requests));
  };
  if (sampled.vocab_size < 1) return BadInput("sampled.vocab_size: not positive");
  if (sampled.num_draft_tokens.size() != requests) {
    return wrong("num_draft_tokens", sampled.num_draft_tokens.size());
  }
  if (sampled.backup_token_ids.size() != requests) {
    return wrong("backup_token_ids", sampled.backup_token_ids.size());
  }
  for (std::size_t i = 0; i < sampled.discarded.size(); ++i) {
    const std::int64_t request = sampled.discarded[i];
    if (request < 0 || request >= static_cast<std::int64_t>(requests)) {
      return BadInput(fmt::format("sampled.discarded[{}]: there is no request {}", i, request));
    }
  }
  return {};
}

}  // namespace

Result<Accepted> AcceptedOf(const SampledTokens& sampled) {
  if (Status status = CheckSizes(sampled); !status.ok()) return status;
  Accepted accepted;
  for (std::size_t r = 0; r < sampled.token_ids.size(); ++r) {
    const bool discarded = std::count(sampled.discarded.begin(), sampled.discarded.end(),
                                      static_cast<std::int64_t>(r)) > 0;
    std::int64_t valid = 0;
    std::int64_t next = sampled.backup_token_ids[r];
    for (const std::int64_t id : sampled.token_ids[r]) {
      if (discarded || id == -1 || id >= sampled.vocab_size) continue;
      ++valid;
      next = id;
    }
    const std::int64_t drafts = sampled.num_draft_tokens[r];
    if (drafts < 0 || drafts + 1 < valid) {
      return BadInput(
          fmt::format("sampled.num_draft_tokens[{}]: {} drafts cannot leave {} valid tokens", r,
                      drafts, valid));
    }
    // Without a valid token the last accepted row would be one of the request before.
    if (drafts > 0 && valid == 0) {
      return BadInput(fmt::format(
          "sampled.token_ids[{}]: no valid token, but {} drafts; at least one must be valid", r,
          drafts));
    }
    accepted.num_rejected_tokens.push_back(drafts > 0 ? drafts + 1 - valid : 0);
    accepted.next_token_ids.push_back(next);
  }
  return accepted;
}

}  // namespace attest::drafter
