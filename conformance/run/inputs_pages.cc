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

// A place of a request that names a page of the memory manager: hybrid_split entries of the table.
struct Want {
  std::size_t request = 0;
  std::int64_t page = 0;  // logical, of the manager
};

PageOwner OwnerOf(const Problem& problem, const Texts& texts, std::size_t request,
                  std::int64_t page) {
  PageOwner owner = {true, request, page * problem.block_size, -1};
  const std::int64_t pages = PagesOf(problem, problem.requests[request]);
  for (std::int64_t later = page + 1; problem.page_aliasing && later < pages; ++later) {
    if (texts.SourcePage(request, later) == page) owner.again = later * problem.block_size;
  }
  return owner;
}

bool HasLiveKey(const Problem& problem, const PagePlan& plan, const Texts& texts,
                const Want& want) {
  const std::int64_t split = problem.hybrid_split;
  for (std::int64_t page = want.page * split; page < (want.page + 1) * split; ++page) {
    const PageOwner owner = OwnerOf(problem, texts, want.request, page);
    for (std::int64_t slot = 0; slot < problem.block_size; ++slot) {
      if (plan.IsLive(problem, owner, slot)) return true;
    }
  }
  return false;
}

// Every logical page of the manager that gets a page of its own; of the shared prefix only the
// first request's. Pages without a live key take turns: manager page 0, or a page of poison.
std::vector<Want> WantedPages(const Problem& problem, const PagePlan& plan, const Texts& texts) {
  std::vector<Want> wanted;
  const std::int64_t split = problem.hybrid_split;
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    std::int64_t dead = 0;
    const std::int64_t pages = (PagesOf(problem, problem.requests[r]) + split - 1) / split;
    for (std::int64_t page = 0; page < pages; ++page) {
      const bool shared = page * split * problem.block_size < problem.shared_prefix;
      if (shared && r > 0) continue;
      if (split == 1 && texts.SourcePage(r, page) != page) continue;
      if (!HasLiveKey(problem, plan, texts, {r, page}) && dead++ % 2 == 0) continue;
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

void FillTable(const PageQuestion& question, const std::vector<Want>& wanted,
               const std::vector<std::int64_t>& pages, std::uint64_t key, PagePlan& plan) {
  const Problem& problem = question.value.problem;
  const std::int64_t split = problem.hybrid_split;
  plan.table.resize(problem.requests.size() * static_cast<std::size_t>(plan.table_pitch));
  for (std::size_t i = 0; i < plan.table.size(); ++i) {
    plan.table[i] = Garbage(question.value.poison, plan.num_blocks, Draw(key, i));
  }
  const auto entry = [&plan](std::size_t request, std::int64_t page) -> std::int32_t& {
    return plan.table[request * static_cast<std::size_t>(plan.table_pitch) +
                      static_cast<std::size_t>(page)];
  };
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    for (std::int64_t page = 0; page < PagesOf(problem, problem.requests[r]); ++page) {
      entry(r, page) = static_cast<std::int32_t>(page % split);  // of manager page 0
    }
  }
  plan.owners.assign(static_cast<std::size_t>(plan.num_blocks), {});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::size_t r = wanted[i].request;
    for (std::int64_t part = 0; part < split; ++part) {
      const std::int64_t page = wanted[i].page * split + part;
      if (page >= PagesOf(problem, problem.requests[r])) break;
      const std::int64_t physical = pages[i] * split + part;
      entry(r, page) = static_cast<std::int32_t>(physical);
      if (question.texts.SourcePage(r, page) != page) continue;
      plan.owners[static_cast<std::size_t>(physical)] = OwnerOf(problem, question.texts, r, page);
    }
  }
  for (std::size_t r = 1; r < problem.requests.size(); ++r) {
    for (std::int64_t page = 0; page * problem.block_size < problem.shared_prefix; ++page) {
      entry(r, page) = entry(0, page);
    }
  }
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    for (std::int64_t page = 0; page < PagesOf(problem, problem.requests[r]); ++page) {
      entry(r, page) = entry(r, question.texts.SourcePage(r, page));
    }
  }
}

// Clears the marks of keys that `head` of some row sees; returns how many were still set.
std::int64_t StrikeSeen(const Problem& problem, const Mask& mask, std::size_t request, int head,
                        std::vector<bool>& unseen) {
  std::int64_t struck = 0;
  for (std::int64_t row = 0; row < problem.requests[request].q_len; ++row) {
    const KeyRange hull = VisibleHull(problem, request, row);
    for (std::int64_t key = hull.first; key < hull.last; ++key) {
      const auto at = static_cast<std::size_t>(key);
      if (!unseen[at] || !mask.Visible(request, head, row, key)) continue;
      unseen[at] = false;
      ++struck;
    }
  }
  return struck;
}

}  // namespace

LiveKeys LiveKeysOf(const Problem& problem, std::size_t request, const MaskTensors& tensors) {
  LiveKeys live;
  for (std::int64_t row = 0; row < problem.requests[request].q_len; ++row) {
    const KeyRange seen = VisibleHull(problem, request, row);
    if (seen.first >= seen.last) continue;
    live.first = live.first == live.last ? seen.first : std::min(live.first, seen.first);
    live.last = std::max(live.last, seen.last);
  }
  if (IsInterval(problem) || live.first == live.last) return live;
  const Mask mask(problem, tensors);
  const bool by_head =
      problem.custom_mask != MaskKind::kNone && !problem.custom_mask_broadcast.head;
  std::vector<bool> unseen(static_cast<std::size_t>(live.last), true);
  std::int64_t left = live.last - live.first;
  for (int head = 0; left > 0 && head < (by_head ? problem.num_q_heads : 1); ++head) {
    left -= StrikeSeen(problem, mask, request, head, unseen);
  }
  if (left == 0) return live;
  for (std::int64_t key = live.first; key < live.last; ++key) {
    live.seen.push_back(!unseen[static_cast<std::size_t>(key)]);
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
  const LiveKeys& keys = live[owner.request];
  return keys.Contains(key) || (owner.again >= 0 && keys.Contains(owner.again + slot));
}

PagePlan PlanPages(const PageQuestion& question) {
  const Problem& problem = question.value.problem;
  PagePlan plan;
  plan.prefix_live.assign(static_cast<std::size_t>(problem.shared_prefix), false);
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    plan.live.push_back(LiveKeysOf(problem, r, question.masks));
    const LiveKeys& live = plan.live.back();
    for (std::int64_t k = live.first; k < std::min(live.last, problem.shared_prefix); ++k) {
      if (live.Contains(k)) plan.prefix_live[static_cast<std::size_t>(k)] = true;
    }
  }
  if (!problem.uses_paged_kv()) return plan;
  const std::vector<Want> wanted = WantedPages(problem, plan, question.texts);
  const std::int64_t longest = (MaxSeqLen(problem) + problem.block_size - 1) / problem.block_size;
  const std::int64_t manager_pages = 1 + static_cast<std::int64_t>(wanted.size()) + kSparePages;
  plan.num_blocks = manager_pages * problem.hybrid_split;
  plan.table_width = std::max<std::int64_t>(1, longest + problem.block_table_extra);
  plan.table_pitch = plan.table_width + (problem.block_table_extra > 0 ? kPitchGap : 0);
  std::uint64_t key = StreamKey(question.value.id, question.seed, "block_table");
  if (question.page_seed != 0) key = Chain(key, question.page_seed);
  FillTable(question, wanted, ShuffledPages(wanted, manager_pages, Chain(key, 1)), Chain(key, 2),
            plan);
  return plan;
}

}  // namespace attest
