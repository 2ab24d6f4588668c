// SPDX-License-Identifier: Apache-2.0
//
// attest drafter resolve | diff
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "conformance/cli/drafter_prepare_command.h"
#include "conformance/cli/drafter_problems.h"
#include "conformance/cli/drafter_tools.h"
#include "reference/drafter/resolution_output.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using drafter::Resolution;
using drafter::Tables;

// The matrix of the two flags, from spec/drafter/flags.json.
std::string FlagMatrix() {
  const Result<const Tables*> tables = drafter::LoadTables();
  if (!tables.ok()) return {};
  std::string text =
      fmt::format("  {:<21} {:<33} {:<8} {:<9} {}\n", "--attention-backend",
                  "--speculative-attention-backend", "target", "drafter", "drafter before E1");
  for (const drafter::FlagRow& row : (*tables)->flags) {
    text +=
        fmt::format("  {:<21} {:<33} {:<8} {:<9} {}\n", row.attention_backend,
                    row.speculative_attention_backend, row.target, row.drafter, row.drafter_before);
  }
  return text;
}

struct ResolveFlags {
  DrafterFlags drafter;
  std::string era = "E5";
};

Result<ExitCode> RunResolve(const CLI::App& app, const ResolveFlags& flags) {
  const Result<const Tables*> tables = drafter::LoadTables();
  if (!tables.ok()) return tables.status();
  const Result<drafter::Era> era = ParseEraFlag("--era", flags.era);
  if (!era.ok()) return era.status();
  const Result<DrafterInput> input = ReadDrafterInput(app, flags.drafter);
  if (!input.ok()) return input.status();
  const Resolution resolution = drafter::Resolve(**tables, input->target, input->draft,
                                                 {.era = *era,
                                                  .runner = input->runner,
                                                  .platform = input->platform,
                                                  .strict = flags.drafter.strict});
  if (flags.drafter.json) {
    fmt::print("{}\n", IndentedText(drafter::ToJson(**tables, resolution)));
  } else {
    fmt::print("{}", drafter::ToText(**tables, resolution));
  }
  return resolution.rejected() ? ExitCode::kNotConformant : ExitCode::kDone;
}

struct DiffFlags {
  DrafterFlags drafter;
  std::string from;
  std::string to = "E5";
};

std::string DiffText(const std::vector<drafter::Change>& changes) {
  if (changes.empty()) return "  nothing changes\n";
  std::string text;
  for (const drafter::Change& change : changes) {
    text += fmt::format("{}\n  from {}\n  to   {}\n", change.part, change.from, change.to);
    for (const drafter::EraEvent* event : change.because) {
      text += fmt::format("  because {} ({}, {}): {}\n", event->reference, NameOf(event->era),
                          event->date, event->sentence);
    }
  }
  return text;
}

nlohmann::ordered_json DiffJson(const std::vector<drafter::Change>& changes) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const drafter::Change& change : changes) {
    nlohmann::ordered_json because = nlohmann::ordered_json::array();
    for (const drafter::EraEvent* event : change.because) {
      because.push_back({{"era", NameOf(event->era)},
                         {"reference", event->reference},
                         {"date", event->date},
                         {"sentence", event->sentence}});
    }
    json.push_back(
        {{"part", change.part}, {"from", change.from}, {"to", change.to}, {"because", because}});
  }
  return json;
}

Result<ExitCode> RunDiff(const CLI::App& app, const DiffFlags& flags) {
  const Result<const Tables*> tables = drafter::LoadTables();
  if (!tables.ok()) return tables.status();
  const Result<drafter::Era> from = ParseEraFlag("--from", flags.from);
  if (!from.ok()) return from.status();
  const Result<drafter::Era> to = ParseEraFlag("--to", flags.to);
  if (!to.ok()) return to.status();
  const Result<DrafterInput> input = ReadDrafterInput(app, flags.drafter);
  if (!input.ok()) return input.status();
  const std::vector<drafter::Change> changes = drafter::Diff(
      **tables, input->target, input->draft,
      {.runner = input->runner, .platform = input->platform, .explain = false}, *from, *to);
  if (flags.drafter.json) {
    fmt::print("{}\n", IndentedText(nlohmann::ordered_json{{"from", NameOf(*from)},
                                                           {"to", NameOf(*to)},
                                                           {"runner", NameOf(input->runner)},
                                                           {"platform", NameOf(input->platform)},
                                                           {"changes", DiffJson(changes)}}));
  } else {
    fmt::print("{} to {}, runner {}, {}\n{}", NameOf(*from), NameOf(*to), NameOf(input->runner),
               NameOf(input->platform), DiffText(changes));
  }
  return ExitCode::kDone;
}

Subcommand ResolveCommand() {
  return {
      .name = "resolve",
      .summary = "What serving this target with this drafter comes to, and why",
      .examples =
          "Examples:\n"
          "  attest drafter resolve --draft config.json --platform cuda:8.0\n"
          "  attest drafter resolve --target target.json --draft config.json --platform rocm \\\n"
          "    --era E1 --attention-backend TRITON_ATTN --set environment.batch_invariant=true\n"
          "  attest drafter resolve --draft config.json --platform cuda:10.0 --strict \\\n"
          "    --set draft.dflash_config.causal=true --json\n\n"
          "Exits with 0 when the pair is served, 1 when it is rejected, with the reasons.",
      .declare = [](CLI::App& app) -> Action {
        auto flags = std::make_shared<ResolveFlags>();
        AddDrafterFlags(app, flags->drafter);
        app.add_option("--era", flags->era, "which rules: E0 to E5 (default: E5)");
        app.add_flag("--strict", flags->drafter.strict,
                     "reject what attest forbids and vLLM lets pass");
        return [flags, &app] { return RunResolve(app, *flags); };
      }};
}

Subcommand DiffErasCommand() {
  return {.name = "diff",
          .summary = "What changes for a configuration from one era to another, and why",
          .examples =
              "Examples:\n"
              "  attest drafter diff --from E0 --to E1 --draft config.json --platform cuda:9.0 \\\n"
              "    --attention-backend TRITON_ATTN\n",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<DiffFlags>();
            AddDrafterFlags(app, flags->drafter);
            app.add_option("--from", flags->from, "an era")->required();
            app.add_option("--to", flags->to, "an era (default: E5)");
            return [flags, &app] { return RunDiff(app, *flags); };
          }};
}

// `tool`, whose help ends with the matrix of the two flags; the tables are read when help is asked
// for.
Subcommand WithFlagMatrix(Subcommand tool) {
  auto declare = std::move(tool.declare);
  tool.declare = [declare = std::move(declare), examples = tool.examples](CLI::App& app) {
    app.footer([examples] { return examples + "\nThe two flags:\n" + FlagMatrix(); });
    return declare(app);
  };
  tool.examples.clear();
  return tool;
}

std::vector<Subcommand> DrafterTools(const std::vector<Subcommand>& more) {
  std::vector<Subcommand> tools = {WithFlagMatrix(ResolveCommand()),
                                   WithFlagMatrix(DiffErasCommand()), DrafterPrepareCommand(),
                                   DrafterProblemsCommand(), DrafterServeCommand()};
  tools.insert(tools.end(), more.begin(), more.end());
  return tools;
}

}  // namespace

Subcommand DrafterCommand(std::vector<Subcommand> more) {
  return {
      .name = "drafter",
      .summary = "The drafter of speculative decoding: its configuration, its backend, its inputs",
      .examples = "",
      .declare = [more = std::move(more)](CLI::App& app) -> Action {
        auto actions = std::make_shared<std::vector<std::pair<CLI::App*, Action>>>();
        for (const Subcommand& tool : DrafterTools(more)) {
          CLI::App* sub = app.add_subcommand(tool.name, tool.summary);
          sub->footer(tool.examples);
          actions->emplace_back(sub, tool.declare(*sub));
        }
        app.require_subcommand(1);
        return [actions]() -> Result<ExitCode> {
          for (const auto& [sub, action] : *actions) {
            if (sub->parsed()) return action();
          }
          return BadInput("no command (see 'attest drafter --help')");
        };
      }};
}

}  // namespace attest
