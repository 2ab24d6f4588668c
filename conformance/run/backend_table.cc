// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/backend_table.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <string_view>
#include <utility>

#include "conformance/run/protocol.h"

namespace attest {
namespace {

std::string VersionText(std::uint32_t version) {
  return fmt::format("{}.{}", version >> 16, version & 0xFFFFU);
}

// A backend may fill the buffer to its last byte and forget the zero.
std::string TextOf(const attest_error_t& error) {
  return {error.message, strnlen(error.message, sizeof(error.message))};
}

template <typename Call>
BackendAnswer Guarded(const Call& call) {
  attest_error_t error = {};
  try {
    const attest_status_t status = call(&error);
    return {.status = status, .message = status == ATTEST_OK ? "" : TextOf(error), .threw = false};
  } catch (const std::exception& exception) {
    return {.status = ATTEST_OK, .message = exception.what(), .threw = true};
  } catch (...) {
    return {
        .status = ATTEST_OK, .message = "an exception that is no std::exception", .threw = true};
  }
}

OpenFailure AbiMismatch(const std::string& theirs) {
  return {.word = std::string(StatusWord(ATTEST_ABI_MISMATCH)),
          .message = fmt::format("speaks {}, attest speaks ABI {}", theirs,
                                 VersionText(ATTEST_ABI_VERSION)),
          .threw = false};
}

OpenFailure Invalid(std::string message) {
  return {.word = std::string(kInvalidTable), .message = std::move(message), .threw = false};
}

// What attest_backend_open said when it did not say ATTEST_OK.
OpenFailure OpenRejected(const BackendAnswer& answer, const attest_backend_t& table) {
  if (answer.threw) return {.word = {}, .message = answer.message, .threw = true};
  if (answer.status == ATTEST_ABI_MISMATCH) {
    const std::string theirs = table.abi_version == 0 ? std::string("another ABI")
                                                      : "ABI " + VersionText(table.abi_version);
    OpenFailure failure = AbiMismatch(theirs);
    if (!answer.message.empty()) failure.message += ": " + answer.message;
    return failure;
  }
  const std::string_view word = StatusWord(answer.status);
  if (word == kUnknownStatus) {
    return Invalid(
        fmt::format("attest_backend_open returned {}, which is no attest_status_t", answer.status));
  }
  return {.word = std::string(word),
          .message = answer.message.empty() ? "no reason given" : answer.message,
          .threw = false};
}

BackendAnswer NotOffered(const std::string& member) {
  return {.status = ATTEST_REFUSED, .message = member + " is not offered", .threw = false};
}

}  // namespace

std::string OfferContradiction(const attest_claims_t& claims, const BackendTable::Offers& offers) {
  const auto differs = [](bool claimed, bool offered, std::string_view word,
                          std::string_view member) -> std::string {
    if (claimed == offered) return {};
    return claimed ? fmt::format("claims {}, but the table lacks the member {}", word, member)
                   : fmt::format("the table offers {}, but the claims lack {}", member, word);
  };
  const auto has = [&claims](std::uint64_t bit) { return (claims.features & bit) != 0; };
  for (const std::string& text :
       {differs(has(ATTEST_CLAIM_WRITE_KV), offers.write_kv, "write-kv", "write_kv"),
        differs(has(ATTEST_CLAIM_MERGE), offers.merge, "merge", "merge"),
        differs(has(ATTEST_CLAIM_COPY_TO_PERSISTENT), offers.copy_to_persistent,
                "copy-to-persistent", "copy_to_persistent"),
        differs(claims.graph_level != ATTEST_GRAPH_NONE, offers.graphs, "a graph level",
                "graph_capture")}) {
    if (!text.empty()) return text;
  }
  return {};
}

OpenFailure CheckTable(attest_backend_t& table) {
  if (table.abi_version != ATTEST_ABI_VERSION) {
    return AbiMismatch("ABI " + VersionText(table.abi_version));
  }
  const std::size_t mandatory = offsetof(attest_backend_t, allocate);
  if (table.struct_size < mandatory || table.struct_size > sizeof(table)) {
    return Invalid(fmt::format("the table's struct_size is {}, not {} to {}", table.struct_size,
                               mandatory, sizeof(table)));
  }
  std::memset(reinterpret_cast<char*>(&table) + table.struct_size, 0,
              sizeof(table) - table.struct_size);
  const std::array<std::pair<bool, const char*>, 5> members = {
      {{table.close != nullptr, "close"},
       {table.claims != nullptr, "claims"},
       {table.supports != nullptr, "supports"},
       {table.forward != nullptr, "forward"},
       {table.synchronize != nullptr, "synchronize"}}};
  for (const auto& [offered, name] : members) {
    if (!offered) return Invalid(fmt::format("the table lacks the mandatory member {}", name));
  }
  const int memory_calls =
      (table.allocate != nullptr ? 1 : 0) + (table.release != nullptr ? 1 : 0) +
      (table.copy_to_device != nullptr ? 1 : 0) + (table.copy_to_host != nullptr ? 1 : 0);
  if (memory_calls != 0 && memory_calls != 4) {
    return Invalid(
        "allocate, release, copy_to_device and copy_to_host come together or not at all");
  }
  const int graph_calls =
      (table.graph_capture != nullptr ? 1 : 0) + (table.graph_update != nullptr ? 1 : 0) +
      (table.graph_replay != nullptr ? 1 : 0) + (table.graph_inspect != nullptr ? 1 : 0) +
      (table.graph_destroy != nullptr ? 1 : 0);
  if (graph_calls != 0 && graph_calls != 5) {
    return Invalid(
        "graph_capture, graph_update, graph_replay, graph_inspect and graph_destroy come together "
        "or not at all");
  }
  return {};
}

OpenFailure BackendTable::Open(const std::string& library, const std::string& selector,
                               const std::string& options) {
  const auto cannot_load = [] {
    const char* text = dlerror();
    return OpenFailure{
        .word = std::string(kCannotLoad), .message = text == nullptr ? "" : text, .threw = false};
  };
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return cannot_load();
  void* symbol = dlsym(handle, "attest_backend_open");
  if (symbol == nullptr) return cannot_load();
  const auto open = reinterpret_cast<attest_backend_open_t>(symbol);

  attest_backend_t table = {};
  table.struct_size = sizeof(table);
  const BackendAnswer answer = Guarded([&](attest_error_t* error) {
    return open(ATTEST_ABI_VERSION, selector.c_str(), options.c_str(), &table, error);
  });
  if (!answer.ok()) return OpenRejected(answer, table);
  if (OpenFailure failure = CheckTable(table); failure.failed()) return failure;
  table_ = table;
  return {};
}

void BackendTable::Close() {
  const attest_backend_t table = std::exchange(table_, {});
  if (table.close == nullptr) return;
  // Nothing is left to report a throwing `close` to.
  (void)Guarded([&](attest_error_t* /*error*/) {
    table.close(table.self);
    return ATTEST_OK;
  });
}

BackendAnswer BackendTable::ReadClaims(attest_claims_t& claims) {
  claims = {};
  claims.struct_size = sizeof(claims);
  claims.arithmetic.struct_size = sizeof(claims.arithmetic);
  return Guarded([&](attest_error_t* error) { return table_.claims(table_.self, &claims, error); });
}

BackendAnswer BackendTable::Supports(const attest_problem_t& problem) {
  return Guarded(
      [&](attest_error_t* error) { return table_.supports(table_.self, &problem, error); });
}

BackendAnswer BackendTable::Forward(const attest_problem_t& problem,
                                    const attest_forward_args_t& args) {
  return Guarded(
      [&](attest_error_t* error) { return table_.forward(table_.self, &problem, &args, error); });
}

BackendAnswer BackendTable::Synchronize() {
  return Guarded([&](attest_error_t* error) { return table_.synchronize(table_.self, error); });
}

BackendAnswer BackendTable::WriteKv(const attest_problem_t& problem,
                                    const attest_write_kv_args_t& args) {
  if (!offers_write_kv()) return NotOffered("write_kv");
  return Guarded(
      [&](attest_error_t* error) { return table_.write_kv(table_.self, &problem, &args, error); });
}

BackendAnswer BackendTable::Merge(const attest_problem_t& problem,
                                  const attest_merge_args_t& args) {
  if (!offers_merge()) return NotOffered("merge");
  return Guarded(
      [&](attest_error_t* error) { return table_.merge(table_.self, &problem, &args, error); });
}

BackendAnswer BackendTable::GraphCapture(const attest_problem_t& maximum,
                                         const attest_forward_args_t& args,
                                         attest_graph_t*& graph) {
  if (!offers_graphs()) return NotOffered("graph_capture");
  return Guarded([&](attest_error_t* error) {
    return table_.graph_capture(table_.self, &maximum, &args, &graph, error);
  });
}

BackendAnswer BackendTable::GraphUpdate(attest_graph_t* graph, const attest_problem_t& step,
                                        const attest_forward_args_t& args) {
  return Guarded([&](attest_error_t* error) {
    return table_.graph_update(table_.self, graph, &step, &args, error);
  });
}

BackendAnswer BackendTable::GraphReplay(attest_graph_t* graph) {
  return Guarded(
      [&](attest_error_t* error) { return table_.graph_replay(table_.self, graph, error); });
}

BackendAnswer BackendTable::GraphInspect(attest_graph_t* graph, std::int32_t index,
                                         attest_persistent_view_t& view) {
  return Guarded([&](attest_error_t* error) {
    return table_.graph_inspect(table_.self, graph, index, &view, error);
  });
}

BackendAnswer BackendTable::GraphDestroy(attest_graph_t* graph) {
  return Guarded(
      [&](attest_error_t* error) { return table_.graph_destroy(table_.self, graph, error); });
}

BackendAnswer BackendTable::CopyToPersistent(const attest_tensor_t& buffer,
                                             const attest_tensor_t& source, attest_tensor_t& view) {
  if (!offers_copy_to_persistent()) return NotOffered("copy_to_persistent");
  return Guarded([&](attest_error_t* error) {
    return table_.copy_to_persistent(table_.self, &buffer, &source, &view, error);
  });
}

BackendAnswer BackendTable::Allocate(std::uint64_t bytes, void*& pointer) {
  return Guarded(
      [&](attest_error_t* error) { return table_.allocate(table_.self, bytes, &pointer, error); });
}

BackendAnswer BackendTable::Release(void* pointer) {
  return Guarded(
      [&](attest_error_t* error) { return table_.release(table_.self, pointer, error); });
}

BackendAnswer BackendTable::CopyToDevice(void* device, const void* host, std::uint64_t bytes) {
  return Guarded([&](attest_error_t* error) {
    return table_.copy_to_device(table_.self, device, host, bytes, error);
  });
}

BackendAnswer BackendTable::CopyToHost(void* host, const void* device, std::uint64_t bytes) {
  return Guarded([&](attest_error_t* error) {
    return table_.copy_to_host(table_.self, host, device, bytes, error);
  });
}

}  // namespace attest
