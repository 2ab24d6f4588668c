// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/drafter_prepare_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "conformance/cli/drafter_tools.h"
#include "conformance/drafter/serve.h"
#include "conformance/run/files.h"
#include "reference/drafter/batch_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

struct PrepareFlags {
  std::string batch;
  std::string runner = "R1";
  std::string era = "E5";
  bool json = false;
};

// "11 12 13 14 | 9 10 11 12": a bar between requests of `rows` entries; 0: none.
std::string Row(const std::vector<std::int64_t>& values, std::int64_t rows = 0) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool bar = rows > 0 && i > 0 && static_cast<std::int64_t>(i) % rows == 0;
    text += fmt::format("{}{}", i == 0 ? "" : bar ? " | " : " ", values[i]);
  }
  return text;
}

std::string ContextRow(const drafter::DraftBatch& batch, const std::vector<std::int64_t>& values) {
  std::vector<std::string> requests;
  for (std::size_t r = 0; r + 1 < batch.query_start_loc.size(); ++r) {
    const auto first = values.begin() + batch.query_start_loc[r];
    const auto last = values.begin() + batch.query_start_loc[r + 1];
    requests.push_back(fmt::format("{}", fmt::join(first, last, " ")));
  }
  return fmt::format("{}", fmt::join(requests, " | "));
}

void PrintBuffers(const drafter::BatchRequest& request, drafter::Era era) {
  const Json report = drafter::BufferReport(request, era);
  if (report.is_null()) return;
  for (const auto& [name, length] : report["lengths"].items()) {
    fmt::print("buffer {:<17} {}\n", name, length.get<std::int64_t>());
  }
  fmt::print("{:<24} {}\n", "captured size", report["num_tokens_padded"].get<std::int64_t>());
  const std::string why = report["does_not_fit"];
  if (!why.empty()) fmt::print("does not fit: {}\n", why);
}

void PrintTensors(const drafter::BatchRequest& request, const drafter::DraftInputs& inputs,
                  drafter::Runner runner) {
  const drafter::DraftBatch& batch = request.batch;
  const std::int64_t rows = inputs.max_query_len;
  const auto line = [](std::string_view name, const std::string& text) {
    fmt::print("{:<24} {}\n", name, text);
  };
  line("last accepted position", Row(inputs.last_positions, 1));
  line("input_ids", Row(inputs.input_ids, rows));
  line("positions", Row(inputs.positions, rows));
  line("slot_mapping", Row(inputs.slot_mapping, rows));
  line("context_positions", ContextRow(batch, inputs.context_positions));
  line("context_slots", ContextRow(batch, inputs.context_slots));
  line("token_indices_to_sample",
       Row(inputs.token_indices_to_sample, batch.num_speculative_tokens));
  if (runner == drafter::Runner::kR2) {
    line("sample_positions", Row(inputs.sample_positions, batch.num_speculative_tokens));
    line("sample_idx_mapping", Row(inputs.sample_idx_mapping, batch.num_speculative_tokens));
  }
  line("query_start_loc", Row(inputs.query_start_loc));
  line("seq_lens", Row(inputs.seq_lens));
  line("seq_lens_upper_bound", Row(inputs.seq_lens_upper_bound));
  line("max_seq_len", fmt::format("{}", inputs.max_seq_len));
  line("max_query_len", fmt::format("{}", inputs.max_query_len));
  line("num_reqs", fmt::format("{}", inputs.num_reqs));
  line("num_actual_tokens", fmt::format("{}", inputs.num_actual_tokens));
  line("causal", inputs.causal ? "true" : "false");
  line("launch", fmt::format("blocks of {}, grid ({}, {})", inputs.launch_block,
                             inputs.launch_grid[0], inputs.launch_grid[1]));
  if (!inputs.drafting_runs) {
    fmt::print("note: no draft is made; max_seq_len + K + 1 is above max_model_len {}\n",
               batch.max_model_len);
  }
  if (inputs.num_positions_beyond_table > 0) {
    fmt::print("note: {} query positions lie beyond the block table; {}\n",
               inputs.num_positions_beyond_table,
               "their slots are those of its last column, which hold other keys");
  }
}

Result<ExitCode> RunPrepare(const PrepareFlags& flags) {
  const Result<drafter::Runner> runner = ParseRunnerFlag(flags.runner);
  if (!runner.ok()) return runner.status();
  const Result<drafter::Era> era = ParseEraFlag("--era", flags.era);
  if (!era.ok()) return era.status();
  const Result<std::string> text = ReadFile(flags.batch);
  if (!text.ok()) return text.status();
  const Result<drafter::BatchRequest> request = drafter::ParseBatch(flags.batch, *text, *runner);
  if (!request.ok()) return request.status();
  if (flags.json) {
    fmt::print("{}\n", drafter::PreparedJson(*request, *runner, *era).dump(2));
  } else {
    PrintTensors(*request, drafter::PrepareInputs(request->batch, *runner), *runner);
    PrintBuffers(*request, *era);
  }
  return ExitCode::kDone;
}

struct ServeFlags {
  std::string mutant;
  bool list = false;
};

Result<ExitCode> RunServe(const ServeFlags& flags) {
  if (flags.list) {
    for (const drafter::ConfigMutant& mutant : drafter::ConfigMutants()) {
      fmt::print("{:<36} {} ({})\n", mutant.id, mutant.sentence, mutant.reference);
    }
    return ExitCode::kDone;
  }
  const drafter::ConfigMutant* mutant = nullptr;
  if (!flags.mutant.empty()) {
    mutant = drafter::FindConfigMutant(flags.mutant);
    if (mutant == nullptr) {
      return BadInput(fmt::format("--mutant '{}': not one of --list", flags.mutant));
    }
  }
  drafter::Serve(std::cin, std::cout, mutant);
  return ExitCode::kDone;
}

}  // namespace

Subcommand DrafterPrepareCommand() {
  return {.name = "prepare",
          .summary = "The proposer's tensors for a batch given as JSON",
          .examples =
              "Examples:\n"
              "  attest drafter prepare --batch batch.json\n"
              "  attest drafter prepare --batch batch.json --runner R2 --json\n"
              "\nThe keys of a batch: spec/drafter/protocol.md. With \"limits\", the lengths of\n"
              "runner R1's persistent buffers and the captured size of the step.",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<PrepareFlags>();
            app.add_option("--batch", flags->batch, "JSON file")->required();
            app.add_option("--runner", flags->runner, "R1 or R2")->capture_default_str();
            app.add_option("--era", flags->era, "whose buffer sizes")->capture_default_str();
            app.add_flag("--json", flags->json, "print JSON");
            return [flags] { return RunPrepare(*flags); };
          }};
}

Subcommand DrafterServeCommand() {
  return {
      .name = "serve",
      .summary = "Answer the drafter protocol on stdin and stdout, right or with a known mistake",
      .examples =
          "Examples:\n"
          "  attest drafter check --impl 'attest drafter serve'\n"
          "  attest drafter serve --list\n"
          "\nThe protocol: spec/drafter/protocol.md.",
      .declare = [](CLI::App& app) -> Action {
        auto flags = std::make_shared<ServeFlags>();
        app.add_option("--mutant", flags->mutant, "id of a known mistake to make");
        app.add_flag("--list", flags->list, "print the known mistakes");
        return [flags] { return RunServe(*flags); };
      }};
}

}  // namespace attest
