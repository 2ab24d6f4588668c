// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_pages.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "conformance/run/inputs_random.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr std::int64_t kSparePages = 5;  // belong to nobody
constexpr std::int64_t kPitchGap = 3;    // table entries between rows that lie apart
constexpr int kShuffles = 64;            // tries to part logical neighbours

std::int64_t PagesOf(const Problem& problem, const Request& request) {
  return (request.seq_len + problem.block_size - 1) / problem.block_size;
}

// A place in the table that names a live page.
struct Want {
  std::size_t request = 0;
  std::int64_t page = 0;  // logical
};

bool HasLiveKey(const Problem& problem, const PagePlan& plan, const Want& want) {
  const PageOwner owner = {true, want.request, want.page * problem.block_size};
  for (std::int64_t slot = 0; slot < problem.block_size; ++slot) {
    if (plan.IsLive(problem, owner, slot)) return true;
  }
  return false;
}

// Every logical page that gets a page of its own; of the shared prefix only the first request's.
// Pages without a live key take turns: page 0, or a page of poison.
std::vector<Want> WantedPages(const Problem& problem, const PagePlan& plan) {
  std::vector<Want> wanted;
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    std::int64_t dead = 0;
    for (std::int64_t page = 0; page < PagesOf(problem, problem.requests[r]); ++page) {
      const bool shared = page * problem.block_size < problem.shared_prefix;
      if (shared && r > 0) continue;
      if (!HasLiveKey(problem, plan, {r, page}) && dead++ % 2 == 0) continue;
      wanted.push_back({r, page});
    }
  }
  return wanted;
}

bool NeighboursApart(const std::vector<Want>& wanted, const std::vector<std::int64_t>& pages) {
  for (std::size_t i = 1; i < wanted.size(); ++i) {
    if (wanted[i].request == wanted[i - 1].request && pages[i] == pages[i - 1] + 1) return false;
  }
  return true;
}

std::vector<std::int64_t> ShuffledPages(const std::vector<Want>& wanted, std::int64_t num_blocks,
                                        std::uint64_t key) {
  std::vector<std::int64_t> pages;
  for (int attempt = 0; attempt < kShuffles; ++attempt) {
    pages.clear();
    for (std::int64_t page = 1; page < num_blocks; ++page) pages.push_back(page);
    const std::uint64_t stream = Chain(key, static_cast<std::uint64_t>(attempt));
    for (std::size_t i = pages.size(); i > 1; --i) {
      std::swap(pages[i - 1], pages[Below(Draw(stream, i), i)]);
    }
    if (NeighboursApart(wanted, pages)) break;
  }
  return pages;
}

std::int32_t Garbage(Poison poison, std::int64_t num_blocks, std::uint64_t random) {
  const auto in_range =
      static_cast<std::int32_t>(Below(random >> 8, static_cast<std::uint64_t>(num_blocks)));
  if (poison == Poison::kLoud) return in_range;
  switch (random & 3) {
    case 0:
      return -1;
    case 1:
      return std::numeric_limits<std::int32_t>::max();
    case 2:
      return std::numeric_limits<std::int32_t>::min() + in_range;
    default:
      return in_range;
  }
}

void FillTable(const Case& value, const std::vector<Want>& wanted,
               const std::vector<std::int64_t>& pages, std::uint64_t key, PagePlan& plan) {
  const Problem& problem = value.problem;
  plan.table.resize(problem.requests.size() * static_cast<std::size_t>(plan.table_pitch));
  for (std::size_t i = 0; i < plan.table.size(); ++i) {
    plan.table[i] = Garbage(value.poison, plan.num_blocks, Draw(key, i));
  }
  const auto entry = [&plan](std::size_t request, std::int64_t page) -> std::int32_t& {
    return plan.table[request * static_cast<std::size_t>(plan.table_pitch) +
                      static_cast<std::size_t>(page)];
  };
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    for (std::int64_t page = 0; page < PagesOf(problem, problem.requests[r]); ++page) {
      entry(r, page) = 0;
    }
  }
  plan.owners.assign(static_cast<std::size_t>(plan.num_blocks), {});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto [request, page] = wanted[i];
    entry(request, page) = static_cast<std::int32_t>(pages[i]);
    plan.owners[static_cast<std::size_t>(pages[i])] = {true, request, page * problem.block_size};
  }
  for (std::size_t r = 1; r < problem.requests.size(); ++r) {
    for (std::int64_t page = 0; page * problem.block_size < problem.shared_prefix; ++page) {
      entry(r, page) = entry(0, page);
    }
  }
}

}  // namespace

ContentId ContentOf(const Problem& problem, std::size_t request, std::int64_t key) {
  return key < problem.shared_prefix ? 0 : request + 1;
}

LiveKeys LiveKeysOf(const Problem& problem, std::size_t request) {
  LiveKeys live;
  for (std::int64_t row = 0; row < problem.requests[request].q_len; ++row) {
    const KeyRange seen = VisibleHull(problem, request, row);
    if (seen.first >= seen.last) continue;
    live.first = live.first == live.last ? seen.first : std::min(live.first, seen.first);
    live.last = std::max(live.last, seen.last);
  }
  return live;
}

std::int64_t PagePlan::SlotOf(const Problem& problem, std::size_t request, std::int64_t key) const {
  const std::size_t column = static_cast<std::size_t>(key / problem.block_size);
  const std::int32_t page = table[request * static_cast<std::size_t>(table_pitch) + column];
  return page * static_cast<std::int64_t>(problem.block_size) + key % problem.block_size;
}

bool PagePlan::IsLive(const Problem& problem, const PageOwner& owner, std::int64_t slot) const {
  if (!owner.owned) return false;
  const std::int64_t key = owner.first_key + slot;
  if (key < problem.shared_prefix) return prefix_live[static_cast<std::size_t>(key)];
  return live[owner.request].Contains(key);
}

PagePlan PlanPages(const Case& value, std::uint64_t seed) {
  const Problem& problem = value.problem;
  PagePlan plan;
  plan.prefix_live.assign(static_cast<std::size_t>(problem.shared_prefix), false);
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    plan.live.push_back(LiveKeysOf(problem, r));
    const LiveKeys live = plan.live.back();
    for (std::int64_t k = live.first; k < std::min(live.last, problem.shared_prefix); ++k) {
      plan.prefix_live[static_cast<std::size_t>(k)] = true;
    }
  }
  if (!problem.uses_paged_kv()) return plan;
  const std::vector<Want> wanted = WantedPages(problem, plan);
  const std::int64_t longest = (MaxSeqLen(problem) + problem.block_size - 1) / problem.block_size;
  plan.num_blocks = 1 + static_cast<std::int64_t>(wanted.size()) + kSparePages;
  plan.table_width = std::max<std::int64_t>(1, longest + problem.block_table_extra);
  plan.table_pitch = plan.table_width + (problem.block_table_extra > 0 ? kPitchGap : 0);
  const std::uint64_t key = StreamKey(value.id, seed, "block_table");
  FillTable(value, wanted, ShuffledPages(wanted, plan.num_blocks, Chain(key, 1)), Chain(key, 2),
            plan);
  return plan;
}

}  // namespace attest
