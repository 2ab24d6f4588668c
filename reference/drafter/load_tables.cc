// SPDX-License-Identifier: Apache-2.0
//
// spec/drafter/*.json into Tables. Nothing of the JSON is kept, so that a resolution reads none.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "reference/drafter/tables.h"
#include "spec/drafter/embedded.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

template <typename Enum, std::size_t N>
std::optional<Enum> Named(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

constexpr std::array<std::string_view, 3> kDtypes = {"float16", "bfloat16", "float32"};
constexpr std::array<std::string_view, 4> kAttnTypes = {"decoder", "encoder", "encoder_only",
                                                        "encoder_decoder"};
constexpr std::array<std::string_view, 3> kPlatforms = {"cuda", "rocm", "cpu"};

// "9.0-9.9"
std::optional<CapabilityRange> ParseRange(const std::string& text) {
  CapabilityRange range;
  std::array<int, 4> parts = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && (at == end || *at++ != (i == 2 ? '-' : '.'))) return std::nullopt;
    const auto read = std::from_chars(at, end, parts[i]);
    if (read.ec != std::errc()) return std::nullopt;
    at = read.ptr;
  }
  if (at != end) return std::nullopt;
  return CapabilityRange{{parts[0], parts[1]}, {parts[2], parts[3]}};
}

class Loader {
 public:
  Status Load() {
    for (const auto& [name, read] : Readers()) {
      if (Status status = ReadFile(name, read); !status.ok()) return status;
    }
    return {};
  }
  Tables Take() { return std::move(tables_); }

 private:
  using Reader = std::function<void(JsonObject&)>;

  std::vector<std::pair<std::string_view, Reader>> Readers() {
    return {
        {"backends.json", [this](JsonObject& o) { Backends(o); }},
        {"eras.json", [this](JsonObject& o) { Eras(o); }},
        {"priorities.json", [this](JsonObject& o) { Priorities(o); }},
        {"methods.json", [this](JsonObject& o) { Methods(o); }},
        {"families.json", [this](JsonObject& o) { Families(o); }},
        {"flags.json", [this](JsonObject& o) { Flags(o); }},
        {"warnings.json", [this](JsonObject& o) { Texts(o, "warnings", tables_.warnings); }},
        {"strict_rules.json", [this](JsonObject& o) { Texts(o, "rules", tables_.strict_rules); }}};
  }

  Status ReadFile(std::string_view name, const Reader& read) {
    const std::string path = fmt::format("spec/drafter/{}", name);
    const auto& files = DrafterFiles();
    const auto file = std::find_if(files.begin(), files.end(),
                                   [&path](const EmbeddedFile& f) { return f.path == path; });
    if (file == files.end()) return InternalError(path + " is not embedded");
    const Result<Json> json = ParseJson(path, file->text);
    if (!json.ok()) return json.status();
    JsonObject object(*json, "");
    if (object.Integer("schema") != 1) object.Fail("schema", "not 1");
    for (const char* text : {"note", "source"}) {
      if (object.Has(text)) object.String(text);
    }
    error_ = Status();
    read(object);
    Status status = object.Done();
    if (status.ok()) status = error_;
    return WithPlace(path, file->text, status);
  }

  // Calls `read` for each object of the list `key`, and checks it.
  void Each(JsonObject& object, const char* key, const Reader& read) {
    const Json* list = object.Required(key);
    if (list == nullptr) return;
    for (std::size_t i = 0; i < list->size(); ++i) {
      JsonObject element((*list)[i], fmt::format("{}[{}]", object.PathOf(key), i));
      read(element);
      if (Status status = element.Done(); !status.ok() && error_.ok()) error_ = status;
    }
  }

  BackendId Intern(const std::string& name) {
    if (const auto known = tables_.FindBackend(name)) return *known;
    tables_.backend_names.push_back(name);
    for (EraTable& table : tables_.eras) table.rows.resize(tables_.backend_names.size());
    return static_cast<BackendId>(tables_.backend_names.size() - 1);
  }

  BackendId Backend(JsonObject& object, std::string_view key, const std::string& name) {
    const auto id = tables_.FindBackend(name);
    if (!id.has_value()) object.Fail(key, fmt::format("\"{}\" has no row", name));
    return id.value_or(0);
  }

  std::array<bool, kAllEras.size()> EraSet(JsonObject& object) {
    std::array<bool, kAllEras.size()> set = {};
    for (const std::string& name : object.Strings("eras")) {
      const auto era = ParseEra(name);
      if (!era.has_value()) {
        object.Fail("eras", fmt::format("\"{}\" is no era", name));
        continue;
      }
      set[static_cast<std::size_t>(*era)] = true;
    }
    return set;
  }

  // True, false, or the name of the era since which it holds.
  static bool Since(JsonObject& object, const char* key, Era era) {
    const Json* value = object.Required(key);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    const auto since = value->is_string() ? ParseEra(value->get<std::string>()) : std::nullopt;
    if (!since.has_value()) object.Fail(key, "neither a boolean nor an era");
    return since.has_value() && era >= *since;
  }

  // An era, or nullopt where the key is absent.
  static std::optional<Era> OptionalEra(JsonObject& object, const char* key) {
    if (!object.Has(key)) return std::nullopt;
    const auto era = ParseEra(object.String(key));
    if (!era.has_value()) object.Fail(key, "no era");
    return era;
  }

  static CapabilityRanges Ranges(JsonObject& object, const char* key) {
    CapabilityRanges ranges;
    for (const std::string& text : object.Strings(key)) {
      const auto range = ParseRange(text);
      if (!range.has_value()) object.Fail(key, fmt::format("\"{}\" is no range", text));
      ranges.push_back(range.value_or(CapabilityRange{}));
    }
    return ranges;
  }

  template <std::size_t N>
  static std::uint8_t Bits(JsonObject& object, const char* key,
                           const std::array<std::string_view, N>& names) {
    std::uint8_t bits = 0;
    for (const std::string& name : object.Strings(key)) {
      const auto index = Named<int>(names, name);
      if (!index.has_value()) object.Fail(key, fmt::format("\"{}\" is unknown", name));
      bits = static_cast<std::uint8_t>(bits | 1U << index.value_or(0));
    }
    return bits;
  }

  KvDtypeId InternKvDtype(JsonObject& object, const char* key, const std::string& name) {
    if (const auto known = tables_.FindKvDtype(name)) return *known;
    tables_.kv_dtypes.push_back(name);
    if (tables_.kv_dtypes.size() > 32) object.Fail(key, "more than 32 types");
    return static_cast<KvDtypeId>(tables_.kv_dtypes.size() - 1);
  }

  std::uint32_t KvBits(JsonObject& object) {
    std::uint32_t bits = 0;
    for (const std::string& name : object.Strings("kv_cache_dtypes")) {
      bits |= 1U << (InternKvDtype(object, "kv_cache_dtypes", name) & 31U);
    }
    return bits;
  }

  std::vector<KvDtypeId> CacheDtypes(JsonObject& table) {
    std::vector<KvDtypeId> dtypes;
    if (!table.Has("cache_dtypes")) return dtypes;
    for (const std::string& name : table.Strings("cache_dtypes")) {
      dtypes.push_back(InternKvDtype(table, "cache_dtypes", name));
    }
    return dtypes;
  }

  HeadSizes Heads(JsonObject& object) {
    HeadSizes sizes;
    const Json* value = object.Required("head_sizes");
    if (value == nullptr || *value == "any") return sizes;
    if (value->is_array()) {
      for (const std::int64_t size : object.Integers("head_sizes")) {
        sizes.list.push_back(static_cast<int>(size));
      }
      return sizes;
    }
    JsonObject rule(*value, object.PathOf("head_sizes"));
    if (rule.Has("multiple")) sizes.multiple = static_cast<int>(rule.Integer("multiple"));
    if (rule.Has("min")) sizes.min = static_cast<int>(rule.Integer("min"));
    if (rule.Has("max")) sizes.max = static_cast<int>(rule.Integer("max"));
    if (const Json* larger = rule.Optional("larger")) {
      JsonObject more(*larger, rule.PathOf("larger"));
      sizes.larger_max = static_cast<int>(more.Integer("max"));
      sizes.larger_on = Ranges(more, "on");
      Note(more.Done());
    }
    Note(rule.Done());
    return sizes;
  }

  void Note(const Status& status) {
    if (error_.ok() && !status.ok()) error_ = status;
  }

  // The bits that are a boolean, ranges or "any".
  static DeviceBit Bit(JsonObject& object, const char* key) {
    const Json* value = object.Required(key);
    if (value == nullptr) return {};
    if (value->is_boolean()) return {.everywhere = value->get<bool>()};
    return {.everywhere = false, .on = Ranges(object, key)};
  }

  void Limits(JsonObject& object, BackendRow& row) {
    const Json* blocks = object.Required("block_sizes");
    if (blocks != nullptr && *blocks != "any") {
      for (const std::int64_t size : object.Integers("block_sizes")) {
        if (size < 1) object.Fail("block_sizes", "not positive");
        row.block_sizes.push_back(static_cast<int>(size));
      }
    }
    const Json* capabilities = object.Required("capabilities");
    if (capabilities != nullptr && *capabilities != "any") {
      row.any_capability = false;
      row.capabilities = Ranges(object, "capabilities");
    }
    if (object.Has("fp8_on")) row.fp8_on = Ranges(object, "fp8_on");
    if (object.Has("per_head_scales")) row.per_head_scales_on = Ranges(object, "per_head_scales");
    if (const Json* combination = object.Optional("sink_combination")) {
      JsonObject rule(*combination, object.PathOf("sink_combination"));
      const auto below = ParseRange(rule.String("below") + "-0.0");
      if (!below.has_value()) rule.Fail("below", "no capability");
      row.sink_combination_below = below.value_or(CapabilityRange{}).low;
      row.sink_combination_text = rule.String("text");
      Note(rule.Done());
    }
  }

  Objection ReadObjection(JsonObject& rule) {
    Objection objection;
    if (rule.Has("capabilities")) objection.capabilities = Ranges(rule, "capabilities");
    if (rule.Has("kv_cache_dtypes")) objection.kv_dtypes = KvBits(rule);
    if (rule.Has("dtypes")) objection.dtypes = Bits(rule, "dtypes", kDtypes);
    objection.dense_only = rule.Has("dense_only") && rule.Bool("dense_only");
    objection.text = rule.String("text");
    return objection;
  }

  BackendRow Row(JsonObject& object, Era era) {
    BackendRow row;
    row.present = true;
    row.of_this_spec = object.Has("of_this_spec") && object.Bool("of_this_spec");
    row.registered = !object.Has("registered") || object.Bool("registered");
    if (object.Has("note")) object.String("note");
    if (object.Has("import_error_on")) {
      row.import_error_on = Bits(object, "import_error_on", kPlatforms);
    }
    row.head_sizes = Heads(object);
    row.dtypes = Bits(object, "dtypes", kDtypes);
    row.kv_dtypes = KvBits(object);
    row.is_mla = object.Bool("is_mla");
    row.is_sparse = object.Has("is_sparse") && object.Bool("is_sparse");
    row.sinks = Bit(object, "sinks");
    row.mm_prefix = object.Bool("mm_prefix");
    row.attn_types = Bits(object, "attn_types", kAttnTypes);
    row.sliding_window = object.Bool("sliding_window");
    row.causal = object.Bool("causal");
    row.non_causal = Since(object, "non_causal", era);
    row.batch_invariant = Since(object, "batch_invariant", era);
    row.kv_connector = !object.Has("kv_connector") || object.Bool("kv_connector");
    row.dcp = object.Bool("dcp");
    row.pcp = object.Has("pcp") && object.Bool("pcp");
    row.flash_attn = object.Has("flash_attn") && object.Bool("flash_attn");
    if (object.Has("nvfp4_on")) row.nvfp4_on = Ranges(object, "nvfp4_on");
    if (object.Has("objections")) {
      Each(object, "objections",
           [this, &row](JsonObject& rule) { row.objections.push_back(ReadObjection(rule)); });
    }
    if (object.Has("layout_on_10")) row.layout_on_10 = object.String("layout_on_10");
    Limits(object, row);
    return row;
  }

  void Backends(JsonObject& object) {
    Each(object, "tables", [this](JsonObject& table) {
      table.String("id");
      table.String("source");
      const auto eras = EraSet(table);
      const std::vector<std::string> members = table.Strings("enum");
      const std::vector<KvDtypeId> cache_dtypes = CacheDtypes(table);
      for (const std::string& name : members) Intern(name);
      Each(table, "backends", [this, &eras](JsonObject& object) {
        const BackendId id = Intern(object.String("backend"));
        const std::string section = object.String("section");
        for (const Era era : kAllEras) {
          if (!eras[static_cast<std::size_t>(era)]) continue;
          BackendRow row = Row(object, era);
          if (row.is_mla != (section == "mla")) object.Fail("is_mla", "contradicts the section");
          BackendRow& place = tables_.eras[static_cast<std::size_t>(era)].rows[id];
          if (place.present) object.Fail("backend", "stands twice in an era");
          place = std::move(row);
        }
      });
      for (const Era era : kAllEras) {
        if (!eras[static_cast<std::size_t>(era)]) continue;
        EraTable& place = tables_.eras[static_cast<std::size_t>(era)];
        place.cache_dtypes = cache_dtypes;
        for (const std::string& name : members) {
          place.members.push_back(Backend(table, "enum", name));
          if (!place.rows[place.members.back()].present) table.Fail("enum", name + " has no row");
        }
      }
    });
  }

  void Eras(JsonObject& object) {
    Each(object, "eras", [this](JsonObject& entry) {
      const auto era = ParseEra(entry.String("era"));
      if (!era.has_value()) return entry.Fail("era", "no era");
      entry.String("date");
      EraTable& table = tables_.eras[static_cast<std::size_t>(*era)];
      table.selector_fields = entry.Strings("selector_fields");
      table.sink_reason = entry.String("sink_reason");
    });
    for (const std::string& name : object.Strings("batch_invariant_allow_list")) {
      tables_.batch_invariant_allow_list.push_back(
          Backend(object, "batch_invariant_allow_list", name));
    }
    Each(object, "events", [this](JsonObject& entry) {
      const auto era = ParseEra(entry.String("era"));
      if (!era.has_value()) entry.Fail("era", "no era");
      tables_.events.push_back({.era = era.value_or(Era::kE0),
                                .reference = entry.String("reference"),
                                .date = entry.String("date"),
                                .sentence = entry.String("sentence"),
                                .touches = entry.Strings("touches"),
                                .platforms = entry.Has("platforms") ? entry.Strings("platforms")
                                                                    : std::vector<std::string>{}});
    });
  }

  PriorityEntry Entry(JsonObject& object, const std::string& text) {
    if (text == "sparse_pair") return {.sparse_pair = true};
    const std::size_t mark = text.find('?');
    PriorityEntry entry{.backend = Backend(object, "order", text.substr(0, mark))};
    if (mark == std::string::npos) return entry;
    constexpr std::array<std::string_view, 5> kConditions = {"", "aiter_mha", "aiter_mla",
                                                             "aiter_found", "no_connector"};
    const auto when = Named<PriorityEntry::When>(kConditions, text.substr(mark + 1));
    if (!when.has_value()) object.Fail("order", text + " has an unknown condition");
    entry.when = when.value_or(PriorityEntry::When::kAlways);
    return entry;
  }

  void Priorities(JsonObject& object) {
    if (const Json* pair = object.Required("sparse_pair")) {
      JsonObject both(*pair, "sparse_pair");
      int index = 0;
      for (const char* key : {"flashinfer_first", "otherwise"}) {
        for (const std::string& name : both.Strings(key)) {
          tables_.sparse_pairs[static_cast<std::size_t>(index)].push_back(Backend(both, key, name));
        }
        ++index;
      }
      both.String("flashinfer_first_when");
      both.String("source");
      Note(both.Done());
    }
    Each(object, "lists", [this](JsonObject& list) {
      PriorityRule rule;
      rule.eras = EraSet(list);
      const auto platform = Named<PlatformKind>(kPlatforms, list.String("platform"));
      if (!platform.has_value()) list.Fail("platform", "unknown");
      rule.platform = platform.value_or(PlatformKind::kCuda);
      if (list.Has("use_mla")) rule.use_mla = list.Bool("use_mla");
      if (list.Has("use_sparse")) rule.use_sparse = list.Bool("use_sparse");
      if (list.Has("use_non_causal")) rule.use_non_causal = list.Bool("use_non_causal");
      if (list.Has("major")) {
        for (const std::int64_t major : list.Integers("major")) {
          rule.majors.push_back(static_cast<int>(major));
        }
      }
      for (const std::string& text : list.Strings("order")) {
        rule.order.push_back(Entry(list, text));
      }
      list.String("source");
      tables_.priorities.push_back(std::move(rule));
    });
  }

  void Methods(JsonObject& object) {
    Each(object, "methods", [this](JsonObject& entry) {
      const auto since = ParseEra(entry.String("r2_honours_since"));
      if (!since.has_value()) entry.Fail("r2_honours_since", "no era");
      tables_.methods.push_back(
          {.name = entry.String("method"),
           .has_attention = entry.Bool("has_attention"),
           .reads_dflash_rules = entry.Bool("reads_dflash_rules"),
           .sets_non_causal = entry.Bool("sets_non_causal"),
           .parallel_drafting = entry.Bool("parallel_drafting"),
           .only_r2 = entry.Bool("only_r2"),
           .r2_honours_since = since.value_or(Era::kE0),
           .r1_clears_mm_prefix_since = OptionalEra(entry, "r1_clears_mm_prefix_since"),
           .extra_slots = entry.String("extra_slots"),
           .lookahead = entry.String("lookahead"),
           .lookahead_since = OptionalEra(entry, "lookahead_since").value_or(Era::kE0)});
    });
    const Json* detection = object.Required("detection");
    if (detection == nullptr) return;
    JsonObject rules(*detection, "detection");
    rules.String("note");
    rules.String("source");
    tables_.kept_methods = rules.Strings("kept");
    if (const Json* order = rules.Required("order")) {
      for (const Json& rule : *order) {
        if (!rule.is_array() || rule.size() != 2 || !rule[0].is_string() || !rule[1].is_string()) {
          rules.Fail("order", "not a list of pairs of texts");
          continue;
        }
        tables_.detection.push_back({rule[0].get<std::string>(), rule[1].get<std::string>()});
      }
    }
    Note(rules.Done());
  }

  void Families(JsonObject& object) {
    Each(object, "families", [this](JsonObject& entry) {
      tables_.families.push_back({.backend = Backend(entry, "backend", entry.String("backend")),
                                  .family = entry.String("family"),
                                  .non_causal = entry.Bool("non_causal")});
    });
  }

  void Flags(JsonObject& object) {
    Each(object, "matrix", [this](JsonObject& entry) {
      tables_.flags.push_back(
          {.attention_backend = entry.String("attention_backend"),
           .speculative_attention_backend = entry.String("speculative_attention_backend"),
           .target = entry.String("target"),
           .drafter = entry.String("drafter"),
           .drafter_before = entry.String("drafter_before")});
    });
  }

  void Texts(JsonObject& object, const char* key, std::vector<NamedText>& texts) {
    Each(object, key, [&texts](JsonObject& entry) {
      texts.push_back({.id = entry.String("id"),
                       .sentence = entry.String("sentence"),
                       .source = entry.String("source")});
    });
  }

  Tables tables_;
  Status error_;
};

Result<Tables> LoadOnce() {
  Loader loader;
  if (Status status = loader.Load(); !status.ok()) return InternalError(status.message());
  return loader.Take();
}

}  // namespace

Result<const Tables*> LoadTables() {
  static const Result<Tables> kTables = LoadOnce();
  if (!kTables.ok()) return kTables.status();
  return &*kTables;
}

}  // namespace attest::drafter
