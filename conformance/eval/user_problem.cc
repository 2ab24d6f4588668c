// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/user_problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "conformance/eval/integers.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
constexpr std::int64_t kPage = 16;  // tokens, where the problem file names none

Status CheckRank(const NpyArray& array, std::size_t rank, std::string_view axes) {
  if (array.shape.size() == rank) return {};
  return BadInput(fmt::format("{}: shape {}, expected {} axes: {}", array.path,
                              ShapeText(array.shape), rank, axes));
}

std::string_view AxesOf(BatchLayout layout) {
  switch (layout) {
    case BatchLayout::kPacked:
      return "[tokens, heads, dim]";
    case BatchLayout::kBhsd:
      return "[batch, heads, seq, dim]";
    case BatchLayout::kBshd:
      return "[batch, seq, heads, dim]";
    case BatchLayout::kBsh:
      return "[batch, seq, heads * dim]";
  }
  return {};
}

std::string Text(DType dtype) { return std::string(Name(dtype)); }
std::string Text(bool value) { return value ? "true" : "false"; }
template <typename Word>
requires std::is_enum_v<Word> std::string Text(Word word) { return std::string(Name(word)); }
template <typename Number>
requires std::is_integral_v<Number> std::string Text(Number number) {
  return fmt::format("{}", number);
}

// The dtype that a file of this type most plainly holds; nothing for 8 raw bits, which have four
// meanings, and for types that are none of attention.
std::optional<DType> PlainDType(NpyType type) {
  if (type.size == 1 && type.kind != 'i' && type.kind != 'f') return std::nullopt;
  for (const DType dtype :
       {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kInt8, DType::kFloat8E5M2}) {
    if (CanHold(type, dtype)) return dtype;
  }
  return std::nullopt;
}

class Filler {
 public:
  Filler(const Json& json, const std::string& path, const UserFiles& files)
      : json_(json), path_(path), files_(files) {}

  Result<UserProblem> Run(std::optional<BatchLayout> layout) {
    if (Status s = Patch(); !s.ok()) return s;
    if (Status s = FillLayout(layout); !s.ok()) return s;
    for (const auto step : {&Filler::FillQuery, &Filler::FillKeys, &Filler::FillRequests,
                            &Filler::FillFeatures, &Filler::FillMasks, &Filler::FillScales}) {
      if (Status s = (this->*step)(); !s.ok()) return s;
    }
    Reset();
    if (Status s = Validate(p_); !s.ok())
      return BadInput(fmt::format("{}: {}", path_, s.message()));
    return std::move(result_);
  }

 private:
  bool Given(std::string_view key) const { return json_.contains(std::string(key)); }

  // The fields of the file, but for the lists of lengths: one of them may stand alone.
  Status Patch() {
    if (!json_.is_object()) return BadInput(fmt::format("{}: not a JSON object", path_));
    Json rest = json_;
    for (const char* key : {"q_lens", "seq_lens"}) {
      if (!Given(key)) continue;
      Problem lengths;
      const Json both = {{"q_lens", json_[key]}, {"seq_lens", json_[key]}};
      if (Status s = PatchProblem(both, path_, lengths); !s.ok()) {
        return BadInput(fmt::format("{}: {} is not a list of lengths", path_, key));
      }
      std::vector<std::int64_t>& list = std::string_view(key) == "q_lens" ? q_lens_ : seq_lens_;
      for (const Request& request : lengths.requests) list.push_back(request.q_len);
      rest.erase(key);
    }
    return PatchProblem(rest, path_, p_);
  }

  // The field is what the tensor says, unless the file says otherwise.
  template <typename Field>
  Status Settle(std::string_view key, Field& field, Field value, const NpyArray& array) {
    if (Given(key)) {
      if (field == value) return {};
      // The first size to be compared, so a layout that is not the file's shows here.
      const std::string layout =
          key == "num_q_heads" ? fmt::format(" in layout {}", Name(result_.layout)) : "";
      return BadInput(fmt::format("{}: {} of shape {} makes {} {}{}, but {} says {}", array.path,
                                  Name(array.type), ShapeText(array.shape), key, Text(value),
                                  layout, path_, Text(field)));
    }
    field = value;
    result_.filled.push_back(fmt::format("{} {}", key, Text(value)));
    return {};
  }

  Status SettleInt(std::string_view key, int& field, std::int64_t value, const NpyArray& array) {
    if (value < 1 || value > kMaxInt) {
      return BadInput(
          fmt::format("{}: shape {} makes {} {}", array.path, ShapeText(array.shape), key, value));
    }
    return Settle(key, field, static_cast<int>(value), array);
  }

  Status SettleDType(std::string_view key, DType& field, const NpyArray& array) {
    const std::optional<DType> plain = PlainDType(array.type);
    const bool byte = CanHold(array.type, DType::kFloat8E4M3FN);
    if (!plain && !byte) {
      return BadInput(
          fmt::format("{}: {} is no type of attention; store float32, float16, or bfloat16 as "
                      "uint16",
                      array.path, Name(array.type)));
    }
    if (!Given(key)) {
      if (plain) return Settle(key, field, *plain, array);
      return BadInput(fmt::format("{}: {} may be several types; {} must say {}", array.path,
                                  Name(array.type), path_, key));
    }
    if (CanHold(array.type, field)) return {};
    return BadInput(fmt::format("{}: {}, but {} {} is stored as {}", array.path, Name(array.type),
                                key, Name(field), Name(StoredAs(field))));
  }

  Status FillLayout(std::optional<BatchLayout> layout) {
    const NpyArray& query = files_.Of("query");
    BatchLayout& chosen = result_.layout;
    chosen = layout.value_or(query.shape.size() == 4 ? BatchLayout::kBhsd : BatchLayout::kPacked);
    if (!layout && query.shape.size() != 3 && query.shape.size() != 4) {
      return BadInput(fmt::format(
          "{}: shape {}, expected 3 axes [tokens, heads, dim], 4 axes [batch, heads, seq, dim], or "
          "those of another --layout",
          query.path, ShapeText(query.shape)));
    }
    result_.dense_keys = p_.uses_paged_kv() && !files_.Has("key_cache");
    if (chosen == BatchLayout::kBsh && (!Given("num_q_heads") || !Given("num_kv_heads"))) {
      return BadInput(fmt::format("{}: layout bsh needs num_q_heads and num_kv_heads", path_));
    }
    return {};
  }

  // Sizes of query, key, value or their like.
  Status Measure(const NpyArray& array, int heads, TokenSizes& sizes) {
    return Measure(array, result_.layout, heads, sizes);
  }
  static Status Measure(const NpyArray& array, BatchLayout layout, int heads, TokenSizes& sizes) {
    if (Status s = CheckRank(array, RankOf(layout), AxesOf(layout)); !s.ok()) return s;
    if (layout == BatchLayout::kBsh && (heads < 1 || array.shape[2] % heads != 0)) {
      return BadInput(fmt::format("{}: axis 2 of shape {} is no multiple of {} heads", array.path,
                                  ShapeText(array.shape), heads));
    }
    sizes = SizesOf(layout, array.shape, heads);
    return {};
  }

  Status FillQuery() {
    const NpyArray& query = files_.Of("query");
    if (Status s = Measure(query, p_.num_q_heads, result_.query); !s.ok()) return s;
    if (Status s = SettleInt("num_q_heads", p_.num_q_heads, result_.query.heads, query); !s.ok()) {
      return s;
    }
    if (Status s = SettleInt("head_dim_qk", p_.head_dim_qk, result_.query.dim, query); !s.ok()) {
      return s;
    }
    if (Status s = SettleDType("query_dtype", p_.query_dtype, query); !s.ok()) return s;
    if (!Given("output_dtype")) p_.output_dtype = p_.query_dtype;
    if (!Given("scale")) result_.filled.push_back(fmt::format("scale {} (the default)", p_.scale));
    return {};
  }

  Status FillKeys() {
    if (p_.uses_paged_kv() && !result_.dense_keys) return FillCache();
    if (!Given("block_size") && !p_.uses_paged_kv()) p_.block_size = 0;
    const NpyArray& key = files_.Of("key");
    const NpyArray& value = files_.Of("value");
    for (const char* name : {"key", "value"}) {
      if (files_.Has(name)) continue;
      const bool other = p_.uses_paged_kv() && !files_.Has("key");
      return BadInput(fmt::format("{}: missing{}", files_.PathOf(name),
                                  other ? ", and so is key_cache.npy" : ""));
    }
    if (files_.Has("block_table")) {
      return BadInput(files_.Of("block_table").path + ": a block table without key_cache.npy");
    }
    TokenSizes values;
    if (Status s = Measure(key, p_.num_kv_heads, result_.key); !s.ok()) return s;
    if (Status s = Measure(value, p_.num_kv_heads, values); !s.ok()) return s;
    if (values.batch != result_.key.batch || values.seq != result_.key.seq ||
        values.heads != result_.key.heads) {
      return BadInput(fmt::format("{}: shape {} does not go with shape {} of key.npy", value.path,
                                  ShapeText(value.shape), ShapeText(key.shape)));
    }
    if (Status s = FillKeySizes(key, result_.key, value, values.dim); !s.ok()) return s;
    return FillPast();
  }

  Status FillKeySizes(const NpyArray& key, const TokenSizes& sizes, const NpyArray& value,
                      std::int64_t value_dim) {
    if (Status s = SettleInt("num_kv_heads", p_.num_kv_heads, sizes.heads, key); !s.ok()) return s;
    if (sizes.dim != p_.head_dim_qk) {
      return BadInput(
          fmt::format("{}: head_dim {}, but queries have {}", key.path, sizes.dim, p_.head_dim_qk));
    }
    if (Status s = SettleInt("head_dim_v", p_.head_dim_v, value_dim, value); !s.ok()) return s;
    if (Status s = SettleDType("cache_dtype", p_.cache_dtype, key); !s.ok()) return s;
    if (value.type != key.type) {
      return BadInput(
          fmt::format("{}: {}, but key.npy is {}", value.path, Name(value.type), Name(key.type)));
    }
    if (!p_.uses_paged_kv() && IsBatched(result_.layout) && sizes.seq != result_.query.seq) {
      return BadInput(
          fmt::format("{}: {} tokens, but query.npy has {}: the keys of encoder-only "
                      "attention are those of its own tokens",
                      key.path, sizes.seq, result_.query.seq));
    }
    if (p_.uses_paged_kv() || p_.cache_dtype == p_.query_dtype) return {};
    return BadInput(fmt::format("{}: {}, but encoder-only keys have the query's {}", key.path,
                                Name(p_.cache_dtype), Name(p_.query_dtype)));
  }

  // past_key and past_value stand before key and value of every request.
  Status FillPast() {
    if (files_.Has("past_key") != files_.Has("past_value")) {
      const char* absent = files_.Has("past_key") ? "past_value" : "past_key";
      return BadInput(fmt::format("{}: missing, one without the other", files_.PathOf(absent)));
    }
    if (!files_.Has("past_key")) return {};
    const bool onnx =
        result_.layout == BatchLayout::kBsh && files_.Of("past_key").shape.size() == 4;
    result_.past_layout = onnx ? BatchLayout::kBhsd : result_.layout;
    if (!IsBatched(result_.layout) || !p_.uses_paged_kv()) {
      return BadInput(fmt::format("{}: only with a batched layout, and not for encoder-only",
                                  files_.Of("past_key").path));
    }
    for (const char* name : {"key", "value"}) {
      const NpyArray& past = files_.Of(std::string("past_") + name);
      const NpyArray& now = files_.Of(name);
      TokenSizes a;
      TokenSizes b;
      if (Status s = Measure(past, result_.past_layout, p_.num_kv_heads, a); !s.ok()) return s;
      if (Status s = Measure(now, p_.num_kv_heads, b); !s.ok()) return s;
      if (a.batch != b.batch || a.heads != b.heads || a.dim != b.dim || past.type != now.type) {
        return BadInput(fmt::format("{}: {} {} does not go with {} {} of {}.npy", past.path,
                                    Name(past.type), ShapeText(past.shape), Name(now.type),
                                    ShapeText(now.shape), name));
      }
      if (std::string_view(name) == "value" && a.seq != result_.past) {
        return BadInput(
            fmt::format("{}: {} keys, but past_key.npy has {}", past.path, a.seq, result_.past));
      }
      result_.past = a.seq;
    }
    return {};
  }

  Status FillCache() {
    const NpyArray& key = files_.Of("key_cache");
    if (files_.Has("past_key") || files_.Has("past_value")) {
      const char* past = files_.Has("past_key") ? "past_key" : "past_value";
      return BadInput(files_.PathOf(past) + ": not together with key_cache.npy");
    }
    const bool split = p_.cache_layout == CacheLayout::kXSplit;
    if (Status s = CheckRank(
            key, split ? 5 : 4,
            split ? "[pages, heads, dim/x, block_size, x]" : "[pages, block_size, heads, dim]");
        !s.ok()) {
      return s;
    }
    const bool latent = p_.cache_layout == CacheLayout::kSharedLatent;
    const NpyArray& value = files_.Has("value_cache") ? files_.Of("value_cache") : key;
    if (!files_.Has("value_cache") && !latent) {
      return BadInput(files_.PathOf("value_cache") + ": missing beside key_cache.npy");
    }
    if (files_.Has("value_cache") && latent) {
      return BadInput(value.path + ": the values of a shared latent are the keys' first columns");
    }
    if (Status s = CheckRank(
            value, 4,
            split ? "[pages, heads, dim, block_size]" : "[pages, block_size, heads, dim]");
        !s.ok()) {
      return s;
    }
    const std::vector<std::int64_t>& k = key.shape;
    const TokenSizes sizes =
        split ? TokenSizes{1, k[3], k[1], k[2] * k[4]} : TokenSizes{1, k[1], k[2], k[3]};
    if (Status s = SettleInt("block_size", p_.block_size, sizes.seq, key); !s.ok()) return s;
    if (latent && !Given("head_dim_v")) {
      return BadInput(fmt::format("{}: a shared latent needs head_dim_v", path_));
    }
    const std::vector<std::int64_t>& v = value.shape;
    if (v[0] != k[0] || v[split ? 3 : 1] != sizes.seq || v[split ? 1 : 2] != sizes.heads) {
      return BadInput(fmt::format(
          "{}: shape {} does not go with shape {} of key_cache.npy: {} pages of {} slots and {} "
          "heads",
          value.path, ShapeText(v), ShapeText(k), k[0], sizes.seq, sizes.heads));
    }
    return FillKeySizes(key, sizes, value, latent ? p_.head_dim_v : v[split ? 2 : 3]);
  }

  Status FillRequests() {
    if (Status s = ReadLengths(); !s.ok()) return s;
    if (Status s = GuessQueryLens(); !s.ok()) return s;
    if (Status s = GuessSeqLens(); !s.ok()) return s;
    if (q_lens_.size() != seq_lens_.size()) {
      return BadInput(
          fmt::format("{}: {} q_lens, but {} seq_lens", path_, q_lens_.size(), seq_lens_.size()));
    }
    for (std::size_t r = 0; r < q_lens_.size(); ++r) {
      p_.requests.push_back({.q_len = q_lens_[r], .seq_len = seq_lens_[r]});
    }
    for (const char* key : {"q_lens", "seq_lens"}) {
      if (Status s = CheckLengths(key); !s.ok()) return s;
    }
    if (Status s = CheckFits("query", result_.query, q_lens_, 0); !s.ok()) return s;
    if (!p_.uses_paged_kv()) return CheckFits("key", result_.key, q_lens_, 0);
    if (!result_.dense_keys) return CheckTable();
    return CheckFits("key", result_.key, seq_lens_, result_.past);
  }

  Status CheckLengths(const char* key) const {
    const bool query = std::string_view(key) == "q_lens";
    const std::vector<std::int64_t>& list = query ? q_lens_ : seq_lens_;
    const char* file = query ? "query_start_loc" : "seq_lens";
    for (std::size_t r = 0; r < list.size(); ++r) {
      if (list[r] >= 0 && list[r] <= kMaxInt) continue;
      return BadInput(fmt::format("{}: {}[{}]: {} is no length",
                                  files_.Has(file) ? files_.PathOf(file) : path_, key, r, list[r]));
    }
    return {};
  }

  // Has the table a row for each request, and pages for all of its keys?
  Status CheckTable() const {
    const NpyArray& table = files_.Of("block_table");
    if (!table.present()) {
      return BadInput(files_.PathOf("block_table") + ": missing beside key_cache.npy");
    }
    if (Status s = CheckRank(table, 2, "[requests, pages]"); !s.ok()) return s;
    if (table.shape[0] != static_cast<std::int64_t>(p_.requests.size())) {
      return BadInput(fmt::format("{}: shape {}, expected [{}, pages]: one row a request",
                                  table.path, ShapeText(table.shape), p_.requests.size()));
    }
    const std::int64_t room = table.shape[1] * p_.block_size;
    if (MaxSeqLen(p_) <= room) return {};
    return BadInput(fmt::format("{}: shape {} has pages for {} keys of a request, but one has {}",
                                table.path, ShapeText(table.shape), room, MaxSeqLen(p_)));
  }

  // From query_start_loc.npy and seq_lens.npy, where they are.
  Status ReadLengths() {
    if (files_.Has("query_start_loc")) {
      const NpyArray& array = files_.Of("query_start_loc");
      const Result<std::vector<std::int64_t>> starts = ReadIntegers(array, 1);
      if (!starts.ok()) return starts.status();
      std::vector<std::int64_t> lens;
      for (std::size_t r = 0; r + 1 < starts->size(); ++r) {
        lens.push_back((*starts)[r + 1] - (*starts)[r]);
      }
      const bool rises = std::all_of(lens.begin(), lens.end(), [](auto n) { return n >= 0; });
      if (starts->empty() || starts->front() != 0 || !rises) {
        return BadInput(fmt::format("{}: does not rise from 0", array.path));
      }
      if (Status s = Agree("q_lens", q_lens_, std::move(lens), array); !s.ok()) return s;
    }
    if (!files_.Has("seq_lens")) return {};
    const NpyArray& array = files_.Of("seq_lens");
    Result<std::vector<std::int64_t>> lens = ReadIntegers(array, 1);
    if (!lens.ok()) return lens.status();
    return Agree("seq_lens", seq_lens_, std::move(*lens), array);
  }

  Status Agree(std::string_view key, std::vector<std::int64_t>& list,
               std::vector<std::int64_t> read, const NpyArray& array) {
    if (Given(key) && list != read) {
      return BadInput(fmt::format("{}: says {} {}, but {} says {}", array.path, key,
                                  ShapeText(read), path_, ShapeText(list)));
    }
    list = std::move(read);
    known_.push_back(std::string(key));
    return {};
  }

  bool Known(std::string_view key) const {
    return Given(key) || std::find(known_.begin(), known_.end(), key) != known_.end();
  }

  Status GuessQueryLens() {
    if (Known("q_lens")) return {};
    if (IsBatched(result_.layout)) {
      q_lens_.assign(static_cast<std::size_t>(result_.query.batch), result_.query.seq);
    } else if (Known("seq_lens") && seq_lens_.size() != 1) {
      return BadInput(
          fmt::format("{}: packed tokens of {} requests need q_lens", path_, seq_lens_.size()));
    } else {
      q_lens_ = {result_.query.seq};
    }
    result_.filled.push_back(fmt::format("q_lens {}", ShapeText(q_lens_)));
    return {};
  }

  Status GuessSeqLens() {
    if (Known("seq_lens")) return {};
    if (!p_.uses_paged_kv()) {
      seq_lens_ = q_lens_;
    } else if (result_.dense_keys && IsBatched(result_.layout)) {
      seq_lens_.assign(q_lens_.size(), result_.past + result_.key.seq);
    } else if (result_.dense_keys && q_lens_.size() == 1) {
      seq_lens_ = {result_.key.seq};
    } else {
      return BadInput(
          fmt::format("{}: {} needs seq_lens", path_,
                      result_.dense_keys ? "several requests of packed keys" : "a paged cache"));
    }
    result_.filled.push_back(fmt::format("seq_lens {}", ShapeText(seq_lens_)));
    return {};
  }

  // Does an array of tokens have as many as the requests need?
  Status CheckFits(const char* name, const TokenSizes& sizes, const std::vector<std::int64_t>& lens,
                   std::int64_t before) {
    const auto requests = static_cast<std::int64_t>(lens.size());
    std::int64_t sum = 0;
    std::int64_t longest = 0;
    for (const std::int64_t n : lens) {
      sum += n;
      longest = std::max(longest, n);
    }
    const NpyArray& array = files_.Of(name);
    if (!IsBatched(result_.layout)) {
      if (sizes.seq >= sum) return {};
      return BadInput(
          fmt::format("{}: {} tokens, but the requests have {}", array.path, sizes.seq, sum));
    }
    if (sizes.batch == requests && sizes.seq + before >= longest) return {};
    return BadInput(fmt::format("{}: shape {} holds {} requests of {} tokens, needed are {} of {}",
                                array.path, ShapeText(array.shape), sizes.batch, sizes.seq + before,
                                requests, longest));
  }

  // A file switches its feature on.
  Status FillFeatures() {
    for (const auto& [name, field] :
         {std::pair{"sinks", &Problem::sinks}, std::pair{"alibi", &Problem::alibi},
          std::pair{"tree_mask", &Problem::tree_mask}}) {
      const char* file = std::string_view(name) == "alibi" ? "alibi_slopes" : name;
      const NpyArray& array = files_.Of(file);
      if (p_.*field && !array.present()) {
        return BadInput(
            fmt::format("{}: missing, but {} says {}", files_.PathOf(file), path_, name));
      }
      if (!array.present()) continue;
      if (Status s = Settle(name, p_.*field, true, array); !s.ok()) return s;
    }
    if (files_.Has("request_causal")) {
      const NpyArray& array = files_.Of("request_causal");
      const Result<std::vector<std::int64_t>> flags = ReadIntegers(array, 1);
      if (!flags.ok()) return flags.status();
      if (Status s = Settle("causality", p_.causality, Causality::kPerRequest, array); !s.ok()) {
        return s;
      }
      std::vector<bool> read(flags->begin(), flags->end());
      if (Given("request_causal") && read != p_.request_causal) {
        return BadInput(fmt::format("{}: differs from {}", array.path, path_));
      }
      p_.request_causal = std::move(read);
    }
    return FillPrefixRanges();
  }

  Status FillPrefixRanges() {
    if (!files_.Has("prefix_ranges")) return {};
    const NpyArray& array = files_.Of("prefix_ranges");
    const Result<std::vector<std::int64_t>> numbers = ReadIntegers(array, 2);
    if (!numbers.ok()) return numbers.status();
    if (array.shape[1] != 3) {
      return BadInput(fmt::format("{}: shape {}, expected [n, 3]: request, first, last", array.path,
                                  ShapeText(array.shape)));
    }
    std::vector<PrefixRange> ranges;
    for (std::size_t i = 0; i < numbers->size(); i += 3) {
      ranges.push_back({(*numbers)[i], (*numbers)[i + 1], (*numbers)[i + 2]});
    }
    if (Given("prefix_ranges") && ranges != p_.prefix_ranges) {
      return BadInput(fmt::format("{}: differs from {}", array.path, path_));
    }
    p_.prefix_ranges = std::move(ranges);
    return {};
  }

  Status FillMasks() {
    const NpyArray& mask = files_.Of("custom_mask");
    if (!mask.present()) {
      if (p_.custom_mask == MaskKind::kNone) return {};
      return BadInput(fmt::format("{}: missing, but {} says {}", files_.PathOf("custom_mask"),
                                  path_, Name(p_.custom_mask)));
    }
    const bool boolean = CanHold(mask.type, DType::kBool);
    if (!boolean && mask.type.kind != 'f' && !CanHold(mask.type, DType::kBFloat16)) {
      return BadInput(
          fmt::format("{}: {}; a boolean mask is stored as bool, an additive one as "
                      "float32 or in the query's type",
                      mask.path, Name(mask.type)));
    }
    const MaskKind kind = boolean ? MaskKind::kBoolean : MaskKind::kAdditive;
    if (Status s = Settle("custom_mask", p_.custom_mask, kind, mask); !s.ok()) return s;
    if (!boolean) {
      if (Status s = SettleDType("additive_mask_dtype", p_.additive_mask_dtype, mask); !s.ok()) {
        return s;
      }
      const DType dtype = p_.additive_mask_dtype;
      if (dtype != DType::kFloat32 && dtype != p_.query_dtype) {
        return BadInput(fmt::format("{}: {}, expected float32 or the query's {}", mask.path,
                                    Name(dtype), Name(p_.query_dtype)));
      }
    }
    return SettleBroadcast(mask);
  }

  // Axes are matched from the last, as NumPy does; one that is missing or 1 serves all.
  Status SettleBroadcast(const NpyArray& mask) {
    const std::array<std::int64_t, 4> wanted = {static_cast<std::int64_t>(p_.requests.size()),
                                                p_.num_q_heads, MaxQueryLen(p_), MaxSeqLen(p_)};
    // A batch is padded, and so may its mask be.
    const bool batched = IsBatched(result_.layout);
    const std::array<std::int64_t, 4> padded = {
        wanted[0], wanted[1], batched ? result_.query.seq : wanted[2],
        batched && result_.dense_keys ? result_.past + result_.key.seq : wanted[3]};
    const std::size_t rank = mask.shape.size();
    std::array<bool, 4> one = {};
    bool fits = rank <= 4;
    for (std::size_t axis = 0; fits && axis < 4; ++axis) {
      const bool given = axis + rank >= 4;
      const std::int64_t size = given ? mask.shape[axis + rank - 4] : 1;
      one[axis] = size == 1 && wanted[axis] != 1;
      fits = one[axis] || size == wanted[axis] || size == padded[axis];
    }
    if (!fits) {
      return BadInput(fmt::format(
          "{}: shape {} does not broadcast to [{}, {}, {}, {}]: requests, "
          "query heads, rows, keys",
          mask.path, ShapeText(mask.shape), wanted[0], wanted[1], wanted[2], wanted[3]));
    }
    p_.custom_mask_broadcast = {one[0], one[1], one[2], one[3]};
    return {};
  }

  // What the shape of a file of scales means.
  KvScaleKind ScaleKindOf(const NpyArray& array) const {
    if (array.elements() == 1) return KvScaleKind::kPerTensor;
    const bool heads = array.shape.size() == 1 || !result_.dense_keys;
    if (heads && array.elements() == p_.num_kv_heads && array.shape.back() == p_.num_kv_heads) {
      return KvScaleKind::kPerHead;
    }
    return KvScaleKind::kPerTokenHead;
  }

  // The finer of what the shapes of both files mean; a coarser file serves all.
  Status FillScales() {
    KvScaleKind finest = KvScaleKind::kNone;
    for (const char* name : {"key_scale", "value_scale"}) {
      const NpyArray& array = files_.Of(name);
      if (!array.present()) continue;
      const KvScaleKind kind = ScaleKindOf(array);
      finest = std::max(finest, kind);
      if (Given("kv_scale_kind") && kind > p_.kv_scale_kind) {
        return BadInput(fmt::format("{}: shape {} is {}, but {} says {}", array.path,
                                    ShapeText(array.shape), Name(kind), path_,
                                    Name(p_.kv_scale_kind)));
      }
    }
    // int8 knows this kind alone.
    if (p_.cache_dtype == DType::kInt8 && finest != KvScaleKind::kNone) {
      finest = KvScaleKind::kPerTokenHead;
    }
    if (!Given("kv_scale_kind")) p_.kv_scale_kind = finest;
    for (const char* name : {"key_scale", "value_scale"}) {
      if (p_.kv_scale_kind == KvScaleKind::kNone || files_.Has(name)) continue;
      return BadInput(fmt::format("{}: missing with kv_scale_kind {}", files_.PathOf(name),
                                  Name(p_.kv_scale_kind)));
    }
    return {};
  }

  // How the suite would lay out memory says nothing about tensors that are there.
  void Reset() {
    p_.shared_prefix = 0;
    p_.hybrid_split = 1;
    p_.max_seq_len_slack = 0;
    p_.max_query_len_slack = 0;
    p_.block_table_extra = 0;
    p_.padding_tokens = 0;
    p_.token_layout = TokenLayout::kDense;
    if (!result_.dense_keys) return;
    p_.cache_layout = CacheLayout::kNhd;
    // Pages that are no longer than a request, whatever the file says.
    const std::int64_t longest = std::max<std::int64_t>(kPage, MaxSeqLen(p_));
    p_.block_size = static_cast<int>(std::min<std::int64_t>(p_.block_size, longest));
  }

  const Json& json_;
  const std::string& path_;
  const UserFiles& files_;
  UserProblem result_;
  Problem& p_ = result_.problem;
  std::vector<std::int64_t> q_lens_;
  std::vector<std::int64_t> seq_lens_;
  std::vector<std::string> known_;  // lists of lengths that a file gave
};

}  // namespace

std::vector<std::int64_t> UserProblem::QueryLens() const {
  std::vector<std::int64_t> lens;
  for (const Request& request : problem.requests) lens.push_back(request.q_len);
  return lens;
}

Result<UserProblem> CompleteProblem(const nlohmann::ordered_json& json, const std::string& path,
                                    const UserFiles& files, std::optional<BatchLayout> layout) {
  return Filler(json, path, files).Run(layout);
}

}  // namespace attest
