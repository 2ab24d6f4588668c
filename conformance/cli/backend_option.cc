// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/backend_option.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "conformance/run/resolve.h"

namespace attest {

CLI::Option* AddBackendOption(CLI::App& app, std::string& backend) {
  auto interpreter = std::make_shared<std::string>();
  CLI::Option* option =
      app.add_option("--backend", backend,
                     "cpu, null, FILE.so[:SELECTOR], python:MODULE:NAME or python:FILE.py:NAME");
  app.add_option("--python", *interpreter, "interpreter of a python: backend (default: python3)");
  app.parse_complete_callback(
      [interpreter, &backend] { backend = WithInterpreter(backend, *interpreter); });
  return option;
}

}  // namespace attest
