// SPDX-License-Identifier: Apache-2.0
//
// The child's side of the C ABI: one loaded library, one opened instance, calls that cannot throw.
#ifndef ATTEST_CONFORMANCE_RUN_BACKEND_TABLE_H_
#define ATTEST_CONFORMANCE_RUN_BACKEND_TABLE_H_

#include <memory>
#include <string>

#include "spec/abi/attest.h"

namespace attest {

// How a call into the backend ended.
struct BackendAnswer {
  attest_status_t status = ATTEST_OK;
  std::string message;  // the backend's own; empty with ATTEST_OK
  bool threw = false;   // an exception came out; `message` is its what()
  bool ok() const { return !threw && status == ATTEST_OK; }
};

// Why there is no backend: a word of protocol.h ("cannot_load", "abi_mismatch", "invalid_table", or
// the backend's own status) and one line for a person. An empty word is success.
struct OpenFailure {
  std::string word;
  std::string message;
  bool threw = false;
  bool failed() const { return threw || !word.empty(); }
};

class BackendTable {
 public:
  BackendTable() = default;
  BackendTable(const BackendTable&) = delete;
  BackendTable& operator=(const BackendTable&) = delete;

  // Loads `library` (RTLD_NOW | RTLD_LOCAL) and opens it. A library stays loaded until the process
  // ends: a backend's threads may outlive `close`.
  OpenFailure Open(const std::string& library, const std::string& selector,
                   const std::string& options);
  void Close();

  bool on_device() const { return table_.allocate != nullptr; }

  // `claims` is zeroed but for its sizes. Its arrays belong to the backend.
  BackendAnswer ReadClaims(attest_claims_t& claims);
  BackendAnswer Supports(const attest_problem_t& problem);
  BackendAnswer Forward(const attest_problem_t& problem, const attest_forward_args_t& args);
  BackendAnswer Synchronize();

  // ATTEST_REFUSED where the table does not offer them.
  bool offers_write_kv() const { return table_.write_kv != nullptr; }
  bool offers_merge() const { return table_.merge != nullptr; }
  BackendAnswer WriteKv(const attest_problem_t& problem, const attest_write_kv_args_t& args);
  BackendAnswer Merge(const attest_problem_t& problem, const attest_merge_args_t& args);

  // All of them offered, or none: CheckTable.
  bool offers_graphs() const { return table_.graph_capture != nullptr; }
  bool offers_copy_to_persistent() const { return table_.copy_to_persistent != nullptr; }
  BackendAnswer GraphCapture(const attest_problem_t& maximum, const attest_forward_args_t& args,
                             attest_graph_t*& graph);
  BackendAnswer GraphUpdate(attest_graph_t* graph, const attest_problem_t& step,
                            const attest_forward_args_t& args);
  BackendAnswer GraphReplay(attest_graph_t* graph);
  BackendAnswer GraphInspect(attest_graph_t* graph, std::int32_t index,
                             attest_persistent_view_t& view);
  BackendAnswer GraphDestroy(attest_graph_t* graph);
  BackendAnswer CopyToPersistent(const attest_tensor_t& buffer, const attest_tensor_t& source,
                                 attest_tensor_t& view);

  // What the table offers and the claims have to say.
  struct Offers {
    bool write_kv = false;
    bool merge = false;
    bool copy_to_persistent = false;
    bool graphs = false;
  };
  Offers offers() const {
    return {offers_write_kv(), offers_merge(), offers_copy_to_persistent(), offers_graphs()};
  }

  // Only with on_device().
  BackendAnswer Allocate(std::uint64_t bytes, void*& pointer);
  BackendAnswer Release(void* pointer);
  BackendAnswer CopyToDevice(void* device, const void* host, std::uint64_t bytes);
  BackendAnswer CopyToHost(void* host, const void* device, std::uint64_t bytes);

 private:
  attest_backend_t table_ = {};
};

// What is wrong with a table that attest_backend_open filled and answered with ATTEST_OK: another
// ABI version, a size the caller cannot know, a mandatory member missing, memory calls that do not
// come together. Forgets members that lie past table.struct_size.
OpenFailure CheckTable(attest_backend_t& table);

// One line when claims and table say different things about the members that are claimed; else
// empty.
std::string OfferContradiction(const attest_claims_t& claims, const BackendTable::Offers& offers);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_BACKEND_TABLE_H_
