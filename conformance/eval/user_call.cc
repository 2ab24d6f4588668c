// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/user_call.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "conformance/eval/integers.h"
#include "conformance/run/files.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

// Element rows of one array of tokens.
struct TokenArray {
  const NpyArray* array = nullptr;
  TokenStrides strides;

  const std::byte* At(std::size_t r, std::int64_t i, std::int64_t h, std::int64_t c) const {
    return array->bytes.data() + strides.At(r, i, h, c) * array->type.size;
  }
};

class Builder {
 public:
  explicit Builder(UserCall& call) : call_(call), p_(call.about.problem), t_(call.tensors) {}

  Status Run() {
    const std::vector<std::int64_t> q_lens = call_.about.QueryLens();
    t_.query = Tokens("query", p_.query_dtype, q_lens, p_.num_q_heads, p_.head_dim_qk);
    if (!p_.uses_paged_kv()) {
      t_.key = Tokens("key", p_.query_dtype, q_lens, p_.num_kv_heads, p_.head_dim_qk);
      t_.value = Tokens("value", p_.query_dtype, q_lens, p_.num_kv_heads, p_.head_dim_v);
    } else if (call_.about.dense_keys) {
      MakePages();
    } else if (Status s = TakeCache(); !s.ok()) {
      return s;
    }
    MakeLengths();
    for (const auto step : {&Builder::TakeHeadVectors, &Builder::TakeMasks, &Builder::TakeScales}) {
      if (Status s = (this->*step)(); !s.ok()) return s;
    }
    return {};
  }

 private:
  const NpyArray& File(std::string_view name) const { return call_.files.Of(name); }
  bool Batched() const { return IsBatched(call_.about.layout); }

  TensorView View(const NpyArray& array, DType dtype) const {
    return {array.bytes.data(), dtype, array.shape, array.strides};
  }

  // A zeroed dense tensor of our own.
  std::byte* Make(DType dtype, std::vector<std::int64_t> shape, TensorView& view) {
    std::size_t bytes = SizeOf(dtype);
    for (const std::int64_t n : shape) bytes *= static_cast<std::size_t>(n);
    std::vector<std::byte>& store = call_.made.emplace_back(bytes + 1);
    view = {store.data(), dtype, shape, DenseStrides(shape)};
    return store.data();
  }

  TokenArray ArrayOf(std::string_view name, BatchLayout layout, std::int64_t dim,
                     const std::vector<std::int64_t>& lengths) const {
    const NpyArray& array = File(name);
    return {&array, StridesOf(layout, array.strides, dim, lengths)};
  }

  // [tokens, heads, dim], copied only where the file has another order.
  TensorView Tokens(std::string_view name, DType dtype, const std::vector<std::int64_t>& lengths,
                    int heads, int dim) {
    if (!Batched()) return View(File(name), dtype);
    const TokenArray from = ArrayOf(name, call_.about.layout, dim, lengths);
    std::int64_t tokens = 0;
    for (const std::int64_t n : lengths) tokens += n;
    TensorView view;
    std::byte* at = Make(dtype, {tokens, heads, dim}, view);
    const std::size_t size = SizeOf(dtype);
    for (std::size_t r = 0; r < lengths.size(); ++r) {
      for (std::int64_t i = 0; i < lengths[r]; ++i) {
        for (int h = 0; h < heads; ++h) {
          for (int c = 0; c < dim; ++c, at += size) std::memcpy(at, from.At(r, i, h, c), size);
        }
      }
    }
    return view;
  }

  // ---- Pages from dense keys: of request after request, in order; page 0 is nobody's

  void MakePages() {
    std::int64_t pages = 1;
    std::int64_t width = 1;
    for (const Request& request : p_.requests) {
      const std::int64_t own = (request.seq_len + p_.block_size - 1) / p_.block_size;
      pages += own;
      width = std::max(width, own);
    }
    Make(DType::kInt32, {static_cast<std::int64_t>(p_.requests.size()), width}, t_.block_table);
    FillTable(width);
    const DType dtype = p_.cache_dtype;
    Make(dtype, {pages, p_.block_size, p_.num_kv_heads, p_.head_dim_qk}, t_.key_cache);
    FillPages("past_key", "key", p_.head_dim_qk, t_.key_cache);
    Make(dtype, {pages, p_.block_size, p_.num_kv_heads, p_.head_dim_v}, t_.value_cache);
    FillPages("past_value", "value", p_.head_dim_v, t_.value_cache);
  }

  static std::byte* Mutable(const TensorView& view, std::initializer_list<std::int64_t> index) {
    return const_cast<std::byte*>(view.At(index));  // of our own making
  }

  void FillTable(std::int64_t width) {
    std::int32_t page = 1;
    for (std::size_t r = 0; r < p_.requests.size(); ++r) {
      for (std::int64_t i = 0; i < width; ++i) {
        const bool live = i * p_.block_size < p_.requests[r].seq_len;
        const std::int32_t entry = live ? page++ : 0;
        std::memcpy(Mutable(t_.block_table, {static_cast<std::int64_t>(r), i}), &entry,
                    sizeof(entry));
      }
    }
  }

  void FillPages(std::string_view past_name, std::string_view name, int dim,
                 const TensorView& cache) {
    std::vector<std::int64_t> lengths;
    for (const Request& request : p_.requests) lengths.push_back(request.seq_len);
    const std::int64_t past = call_.about.past;
    const TokenArray now = ArrayOf(name, call_.about.layout, dim, lengths);
    const TokenArray before =
        past > 0 ? ArrayOf(past_name, call_.about.past_layout, dim, lengths) : now;
    const std::size_t size = SizeOf(cache.dtype);
    std::int64_t page = 1;
    for (std::size_t r = 0; r < lengths.size(); ++r) {
      for (std::int64_t k = 0; k < lengths[r]; ++k) {
        const TokenArray& from = k < past ? before : now;
        const std::int64_t i = k < past ? k : k - past;
        for (int h = 0; h < p_.num_kv_heads; ++h) {
          std::byte* at = Mutable(cache, {page + k / p_.block_size, k % p_.block_size, h, 0});
          for (int c = 0; c < dim; ++c, at += size) std::memcpy(at, from.At(r, i, h, c), size);
        }
      }
      page += (lengths[r] + p_.block_size - 1) / p_.block_size;
    }
  }

  // ---- The rest

  Status TakeCache() {
    const NpyArray& key = File("key_cache");
    t_.key_cache = View(key, p_.cache_dtype);
    if (p_.cache_layout == CacheLayout::kSharedLatent) {
      t_.value_cache = t_.key_cache;
      t_.value_cache.shape[3] = p_.head_dim_v;
    } else {
      t_.value_cache = View(File("value_cache"), p_.cache_dtype);
    }
    const NpyArray& table = File("block_table");
    const Result<std::vector<std::int64_t>> entries = ReadIntegers(table, 2);
    if (!entries.ok()) return entries.status();
    Make(DType::kInt32, table.shape, t_.block_table);
    for (std::size_t n = 0; n < entries->size(); ++n) {
      // Entries past the live pages may hold anything; -1 is out of range where it matters.
      const bool fits = (*entries)[n] >= 0 && (*entries)[n] <= std::numeric_limits<int>::max();
      const auto entry = static_cast<std::int32_t>(fits ? (*entries)[n] : -1);
      std::memcpy(call_.made.back().data() + n * sizeof(entry), &entry, sizeof(entry));
    }
    return {};
  }

  void MakeLengths() {
    const auto requests = static_cast<std::int64_t>(p_.requests.size());
    std::byte* starts = Make(DType::kInt32, {requests + 1}, t_.query_start_loc);
    std::byte* lens = Make(DType::kInt32, {requests}, t_.seq_lens);
    std::int32_t start = 0;
    for (std::size_t r = 0; r < p_.requests.size(); ++r) {
      const auto seq_len = static_cast<std::int32_t>(p_.requests[r].seq_len);
      start += static_cast<std::int32_t>(p_.requests[r].q_len);
      std::memcpy(starts + (r + 1) * sizeof(start), &start, sizeof(start));
      std::memcpy(lens + r * sizeof(seq_len), &seq_len, sizeof(seq_len));
    }
  }

  Status CheckType(const NpyArray& array, DType dtype) const {
    if (CanHold(array.type, dtype)) return {};
    return BadInput(
        fmt::format("{}: {}, expected {}", array.path, Name(array.type), Name(StoredAs(dtype))));
  }

  Status TakeHeadVectors() {
    for (const auto& [name, view] :
         {std::pair{"sinks", &t_.sinks}, std::pair{"alibi_slopes", &t_.alibi_slopes}}) {
      const NpyArray& array = File(name);
      if (!array.present()) continue;
      if (Status s = CheckType(array, DType::kFloat32); !s.ok()) return s;
      if (array.shape != std::vector<std::int64_t>{p_.num_q_heads}) {
        return BadInput(fmt::format("{}: shape {}, expected [{}]: one a query head", array.path,
                                    ShapeText(array.shape), p_.num_q_heads));
      }
      *view = View(array, DType::kFloat32);
    }
    return {};
  }

  Status TakeMasks() {
    if (p_.tree_mask) {
      const NpyArray& tree = File("tree_mask");
      if (Status s = CheckType(tree, DType::kBool); !s.ok()) return s;
      if (tree.shape.size() != 2 || tree.shape[0] < NumTokens(p_) ||
          tree.shape[1] < MaxQueryLen(p_)) {
        return BadInput(fmt::format("{}: shape {}, expected [{}, {}]: tokens, longest q_len",
                                    tree.path, ShapeText(tree.shape), NumTokens(p_),
                                    MaxQueryLen(p_)));
      }
      t_.tree_mask = View(tree, DType::kBool);
      t_.tree_mask.shape = {NumTokens(p_), MaxQueryLen(p_)};
    }
    if (p_.custom_mask == MaskKind::kNone) return {};
    const bool boolean = p_.custom_mask == MaskKind::kBoolean;
    t_.custom_mask = Broadcast(File("custom_mask"), boolean ? DType::kBool : p_.additive_mask_dtype,
                               {static_cast<std::int64_t>(p_.requests.size()), p_.num_q_heads,
                                MaxQueryLen(p_), MaxSeqLen(p_)});
    return {};
  }

  // Of `shape`, with stride 0 where the array has one element or no such axis.
  static TensorView Broadcast(const NpyArray& array, DType dtype, std::vector<std::int64_t> shape) {
    TensorView view{array.bytes.data(), dtype, shape, std::vector<std::int64_t>(shape.size(), 0)};
    const std::size_t missing = shape.size() - array.shape.size();
    for (std::size_t axis = missing; axis < shape.size(); ++axis) {
      if (array.shape[axis - missing] != 1) view.strides[axis] = array.strides[axis - missing];
    }
    return view;
  }

  // Scales of dense keys, which have the axes of these without the last, brought to the pages.
  Status SpreadScales(const NpyArray& array, TensorView& view) {
    const std::vector<std::int64_t> wanted = ScaleShape();
    bool fits = array.shape.size() == wanted.size();
    std::vector<std::int64_t> strides = array.strides;
    for (std::size_t axis = 0; fits && axis < wanted.size(); ++axis) {
      fits = array.shape[axis] == 1 || array.shape[axis] == wanted[axis];
      if (array.shape[axis] == 1) strides[axis] = 0;
    }
    if (!fits) {
      return BadInput(fmt::format("{}: shape {} does not broadcast to {}, the keys' without dim",
                                  array.path, ShapeText(array.shape), ShapeText(wanted)));
    }
    strides.push_back(1);  // of dim
    std::vector<std::int64_t> lengths;
    for (const Request& request : p_.requests) lengths.push_back(request.seq_len);
    const TokenArray from = {&array, StridesOf(ScaleLayout(), strides, 1, lengths)};
    Make(DType::kFloat32, {t_.key_cache.shape[0], p_.block_size, p_.num_kv_heads}, view);
    std::int64_t page = 1;
    for (std::size_t r = 0; r < lengths.size(); ++r) {
      for (std::int64_t k = 0; k < lengths[r]; ++k) {
        for (int h = 0; h < p_.num_kv_heads; ++h) {
          std::memcpy(Mutable(view, {page + k / p_.block_size, k % p_.block_size, h}),
                      from.At(r, k, h, 0), sizeof(float));
        }
      }
      page += (lengths[r] + p_.block_size - 1) / p_.block_size;
    }
    return {};
  }

  // As the LSE's: bsh has no axis of heads.
  BatchLayout ScaleLayout() const {
    const BatchLayout layout = call_.about.layout;
    return layout == BatchLayout::kBsh ? BatchLayout::kBhsd : layout;
  }
  std::vector<std::int64_t> ScaleShape() const {
    TokenSizes sizes = call_.about.key;
    sizes.seq += call_.about.past;
    std::vector<std::int64_t> shape = ShapeOf(ScaleLayout(), sizes);
    shape.pop_back();
    return shape;
  }

  Status TakeScales() {
    if (p_.kv_scale_kind == KvScaleKind::kNone) return {};
    for (const auto& [name, view] :
         {std::pair{"key_scale", &t_.key_scale}, std::pair{"value_scale", &t_.value_scale}}) {
      const NpyArray& array = File(name);
      if (Status s = CheckType(array, DType::kFloat32); !s.ok()) return s;
      if (t_.key_cache.shape.empty()) continue;
      if (call_.about.dense_keys && array.shape.size() > 1) {
        if (Status s = SpreadScales(array, *view); !s.ok()) return s;
        continue;
      }
      const std::vector<std::int64_t> wanted = {t_.key_cache.shape[0], p_.block_size,
                                                p_.num_kv_heads};
      const std::size_t rank = array.shape.size();
      bool fits = rank <= 3;
      for (std::size_t axis = 0; fits && axis < rank; ++axis) {
        fits = array.shape[axis] == 1 || array.shape[axis] == wanted[axis + 3 - rank];
      }
      if (!fits) {
        return BadInput(
            fmt::format("{}: shape {} does not broadcast to {}: pages, block_size, "
                        "KV heads",
                        array.path, ShapeText(array.shape), ShapeText(wanted)));
      }
      *view = Broadcast(array, DType::kFloat32, wanted);
    }
    return {};
  }

  UserCall& call_;
  const Problem& p_;
  AttentionTensors& t_;
};

Result<nlohmann::ordered_json> ReadJson(const std::string& path) {
  const Result<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParseJson(path, *text);
}

}  // namespace

Result<UserCall> ReadUserCall(const std::string& problem_path, const std::string& directory,
                              std::optional<BatchLayout> layout) {
  const Result<nlohmann::ordered_json> json = ReadJson(problem_path);
  if (!json.ok()) return json.status();
  Result<UserFiles> files = UserFiles::Read(directory);
  if (!files.ok()) return files.status();
  Result<UserProblem> about = CompleteProblem(*json, problem_path, *files, layout);
  if (!about.ok()) return about.status();
  UserCall call{.about = std::move(*about), .files = std::move(*files)};
  if (Status s = Builder(call).Run(); !s.ok()) return s;
  return call;
}

}  // namespace attest
