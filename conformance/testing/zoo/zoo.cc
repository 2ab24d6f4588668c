// SPDX-License-Identifier: Apache-2.0
//
// libattest_zoo.so: backends that do wrong, one selector each, to prove that the suite survives and
// names them. "SIN" sins on problems with 7 query heads and is honest elsewhere; "SIN@14" on those
// with 14.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/testing/zoo/echo.h"
#include "conformance/testing/zoo/honest.h"
#include "conformance/testing/zoo/sins.h"
#include "conformance/testing/zoo/writes_and_merges.h"
#include "spec/abi/attest.h"

namespace zoo {
namespace {

constexpr int32_t kMarkedHeads = 7;

struct Instance {
  std::string name;
  std::string options;
  int32_t marked_heads = kMarkedHeads;
  Sin sin = nullptr;

  bool Marked(const attest_problem_t& problem) const { return problem.num_q_heads == marked_heads; }
  bool Is(std::string_view other) const { return name == other; }
};

Instance& Self(void* self) { return *static_cast<Instance*>(self); }

void Close(void* self) { delete static_cast<Instance*>(self); }

attest_status_t Claims(void* self, attest_claims_t* claims, attest_error_t* error) {
  HonestClaims(*claims);
  const Instance& instance = Self(self);
  if (instance.Is("echo")) claims->version = instance.options.c_str();
  if (instance.Is("segfaults-in-claims")) Segfault();
  if (instance.Is("claims-unknown-enum")) claims->graph_level = 99;
  if (instance.Is("claims-unknown-feature")) claims->features |= UINT64_C(1) << 63;
  if (instance.Is("writes-and-merges")) {
    claims->features |= ATTEST_CLAIM_WRITE_KV | ATTEST_CLAIM_MERGE;
  }
  if (instance.Is("claims-unoffered-write")) claims->features |= ATTEST_CLAIM_WRITE_KV;
  if (instance.Is("claims-unoffered-merge")) claims->features |= ATTEST_CLAIM_MERGE;
  if (instance.Is("claims-null-array")) claims->query_dtypes = nullptr;
  if (instance.Is("claims-nothing-readable")) return Say(error, ATTEST_INTERNAL, "no claims today");
  return ATTEST_OK;
}

attest_status_t Supports(void* self, const attest_problem_t* problem, attest_error_t* error) {
  const Instance& instance = Self(self);
  if (instance.Is("echo")) return Say(error, ATTEST_REFUSED, Describe(*problem));
  if (instance.Is("yes-to-everything")) return ATTEST_OK;
  if (instance.Is("segfaults-in-supports") && instance.Marked(*problem)) Segfault();
  if (instance.Is("throws-in-supports") && instance.Marked(*problem)) {
    throw std::runtime_error("the zoo throws when asked");
  }
  return HonestSupports(*problem, error);
}

// Computes what it was asked without what it does not know. Leaves alone what is not float32, since
// there is nothing right or wrong to compute then.
attest_status_t ForwardOfAnything(attest_problem_t problem, const attest_forward_args_t& args) {
  problem.flags &= ATTEST_FLAG_LSE | ATTEST_FLAG_SINKS | ATTEST_FLAG_VALUE_IS_KEY_PREFIX;
  problem.softcap = 0;
  problem.local_block_size = 0;
  problem.custom_mask_kind = ATTEST_MASK_NONE;
  problem.kv_scale_kind = ATTEST_KV_SCALE_NONE;
  attest_error_t ignored = {};
  (void)HonestForward(problem, args, &ignored);
  return ATTEST_OK;
}

attest_status_t Forward(void* self, const attest_problem_t* problem,
                        const attest_forward_args_t* args, attest_error_t* error) {
  const Instance& instance = Self(self);
  if (instance.Is("echo")) return Say(error, ATTEST_REFUSED, Describe(*problem, *args));
  if (instance.Is("yes-to-everything")) return ForwardOfAnything(*problem, *args);
  if (instance.sin != nullptr && instance.Marked(*problem)) {
    return instance.sin(*problem, *args, error);
  }
  return HonestForward(*problem, *args, error);
}

attest_status_t Synchronize(void* self, attest_error_t* error) {
  if (Self(self).Is("fails-to-synchronize")) {
    return Say(error, ATTEST_INTERNAL, "the queue reports an error");
  }
  return ATTEST_OK;
}

attest_status_t WriteKv(void* self, const attest_problem_t* problem,
                        const attest_write_kv_args_t* args, attest_error_t* error) {
  if (!Self(self).Marked(*problem)) return HonestWriteKv(*problem, *args);
  return Say(error, ATTEST_REFUSED,
             "write_kv with " + std::to_string(args->slot_mapping.shape[0]) +
                 " slots, struct_size " + std::to_string(args->struct_size));
}

attest_status_t Merge(void* self, const attest_problem_t* problem, const attest_merge_args_t* args,
                      attest_error_t* error) {
  if (!Self(self).Marked(*problem)) return HonestMerge(*problem, *args);
  return Say(error, ATTEST_REFUSED,
             "merge of " + std::to_string(args->num_parts) + " parts, struct_size " +
                 std::to_string(args->struct_size));
}

// ---- Memory of its own, as a device backend has

attest_status_t Allocate(void* /*self*/, uint64_t bytes, void** out_pointer,
                         attest_error_t* /*error*/) {
  *out_pointer = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *out_pointer == nullptr ? ATTEST_OUT_OF_MEMORY : ATTEST_OK;
}

attest_status_t Release(void* /*self*/, void* pointer, attest_error_t* /*error*/) {
  std::free(pointer);
  return ATTEST_OK;
}

attest_status_t Copy(void* /*self*/, void* to, const void* from, uint64_t bytes,
                     attest_error_t* /*error*/) {
  std::memcpy(to, from, bytes);
  return ATTEST_OK;
}

// ---- Opening

void FillTable(Instance* instance, attest_backend_t& table) {
  table.struct_size = sizeof(table);
  table.abi_version = ATTEST_ABI_VERSION;
  table.self = instance;
  table.close = Close;
  table.claims = Claims;
  table.supports = Supports;
  table.forward = Forward;
  table.synchronize = Synchronize;
  const bool both = instance->Is("writes-and-merges");
  if (both || instance->Is("offers-unclaimed-write")) table.write_kv = WriteKv;
  if (both || instance->Is("offers-unclaimed-merge")) table.merge = Merge;
  if (!instance->Is("on-a-device")) return;
  table.allocate = Allocate;
  table.release = Release;
  table.copy_to_device = Copy;
  table.copy_to_host = Copy;
}

void SpoilTable(const Instance& instance, attest_backend_t& table) {
  if (instance.Is("newer-abi")) table.abi_version = 1U << 16;
  if (instance.Is("missing-member")) table.supports = nullptr;
  if (instance.Is("small-table")) table.struct_size = offsetof(attest_backend_t, forward);
  if (instance.Is("large-table")) table.struct_size = sizeof(table) + 8;
  if (instance.Is("half-a-memory")) table.allocate = Allocate;
}

// Inmates that differ from the honest one in something else than forward.
bool IsKnown(std::string_view name) {
  for (const std::string_view known : {"honest",
                                       "echo",
                                       "on-a-device",
                                       "yes-to-everything",
                                       "segfaults-in-claims",
                                       "claims-unknown-enum",
                                       "claims-unknown-feature",
                                       "claims-null-array",
                                       "claims-nothing-readable",
                                       "segfaults-in-supports",
                                       "throws-in-supports",
                                       "fails-to-synchronize",
                                       "newer-abi",
                                       "missing-member",
                                       "small-table",
                                       "large-table",
                                       "half-a-memory",
                                       "writes-and-merges",
                                       "claims-unoffered-write",
                                       "claims-unoffered-merge",
                                       "offers-unclaimed-write",
                                       "offers-unclaimed-merge"}) {
    if (name == known) return true;
  }
  return false;
}

// Sins of attest_backend_open itself; ATTEST_OK: none of these.
attest_status_t OpenSins(const std::string& name, attest_error_t* error) {
  if (name == "segfaults-in-open") Segfault();
  if (name == "throws-in-open") throw std::runtime_error("the zoo throws at the door");
  if (name == "older-abi") return Say(error, ATTEST_ABI_MISMATCH, "this library speaks 0.0 only");
  if (name == "no-device") return Say(error, ATTEST_NO_DEVICE, "device 3 is not there");
  if (name == "unknown-status-in-open") return 42;
  if (name == "opens-once") {
    if (ZooFileExists()) return Say(error, ATTEST_INTERNAL, "only once");
    WriteZooFile(0);
  }
  return ATTEST_OK;
}

attest_status_t Open(std::string name, const char* options, attest_backend_t& table,
                     attest_error_t* error) {
  auto instance = std::make_unique<Instance>();
  instance->options = options;
  if (const size_t at = name.find('@'); at != std::string::npos) {
    instance->marked_heads = std::atoi(name.c_str() + at + 1);
    name.resize(at);
  }
  if (const attest_status_t status = OpenSins(name, error); status != ATTEST_OK) return status;
  instance->name = name;
  for (const ForwardSinner& sinner : ForwardSinners()) {
    if (sinner.name == name || (name == "opens-once" && sinner.name == "aborts")) {
      instance->sin = sinner.forward;
    }
  }
  if (instance->sin == nullptr && !IsKnown(name)) {
    return Say(error, ATTEST_INVALID_ARGUMENT, "the zoo has no inmate '" + name + "'");
  }
  const Instance& opened = *instance;
  FillTable(instance.release(), table);
  SpoilTable(opened, table);
  return ATTEST_OK;
}

}  // namespace
}  // namespace zoo

attest_status_t attest_backend_open(uint32_t abi_version, const char* selector, const char* options,
                                    attest_backend_t* backend, attest_error_t* error) {
  if (abi_version != ATTEST_ABI_VERSION) return ATTEST_ABI_MISMATCH;
  return zoo::Open(selector, options, *backend, error);
}
