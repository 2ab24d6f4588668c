// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/html_parts.h"

namespace attest {

std::string_view HtmlStyle() {
  return R"css(
:root { --ink: #1c1c1c; --soft: #5a5a56; --line: #d9d9d4; --paper: #ffffff; --wash: #f6f6f3;
        --good: #1d6b3a; --bad: #b3261e; --odd: #7a5200; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 28px 64px; }
code, .mono, svg { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code, .mono { font-size: 0.88em; overflow-wrap: anywhere; }
h1 { font-size: 16px; font-weight: 600; margin: 0 0 14px; color: var(--soft); }
h2 { font-size: 20px; margin: 44px 0 12px; padding-bottom: 6px; border-bottom: 2px solid var(--ink); }
h3 { font-size: 15px; margin: 0 0 4px; overflow-wrap: anywhere; }
p { margin: 6px 0; max-width: 76ch; }
a { color: inherit; }
.soft { color: var(--soft); }
.verdict { display: flex; gap: 22px; align-items: center; border: 3px solid var(--ink);
           padding: 18px 24px; margin: 0 0 18px; }
.verdict .mark { font-size: 46px; line-height: 1; font-weight: 700; width: 52px; text-align: center; flex: none; }
.verdict .word { font-size: 32px; line-height: 1.15; font-weight: 700; letter-spacing: -0.01em; }
.verdict ul { margin: 6px 0 0; padding-left: 20px; }
.good { color: var(--good); border-color: var(--good); }
.bad { color: var(--bad); border-color: var(--bad); border-style: double; border-width: 6px; }
.odd { color: var(--odd); border-color: var(--odd); border-style: dashed; }
.verdict p, .verdict li { color: var(--ink); }
.counts { display: flex; flex-wrap: wrap; border: 1px solid var(--line); border-right: 0; margin: 0 0 22px; }
.counts div { flex: 1 1 84px; padding: 8px 10px; border-right: 1px solid var(--line); }
.counts b { display: block; font-size: 21px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.counts span { font-size: 12.5px; color: var(--soft); white-space: nowrap; }
.counts .zero b { color: #b4b4ae; font-weight: 400; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 0 36px; align-items: start; }
table { border-collapse: collapse; width: 100%; margin: 0 0 12px; }
th, td { text-align: left; vertical-align: top; padding: 5px 16px 5px 0; border-bottom: 1px solid var(--line); }
thead th { font-size: 12.5px; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--ink);
           white-space: nowrap; }
table.facts th { width: 132px; font-weight: 400; color: var(--soft); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table.numbers { width: auto; }
table.numbers td, table.numbers th { padding: 2px 18px 2px 0; }
.badge { display: inline-block; padding: 0 8px; border: 1.5px solid; white-space: nowrap; font-size: 13px;
         font-weight: 600; line-height: 20px; }
.badge.good { border-width: 1.5px; }
.badge.bad { border: 1.5px solid var(--bad); background: var(--bad); color: #fff; }
.badge.none { color: var(--soft); border-color: var(--line); font-weight: 400; }
.chip { display: inline-block; padding: 0 7px; margin: 0 5px 5px 0; border: 1px solid var(--line);
        background: var(--wash); font-size: 13px; white-space: nowrap; }
.chip.no { background: none; border-style: dashed; color: var(--soft); }
.card { border: 1px solid var(--line); border-left: 6px solid var(--bad); padding: 14px 20px 14px; margin: 0 0 18px;
        break-inside: avoid-page; }
.card .head { display: flex; gap: 12px; align-items: baseline; }
.card .reason { font-weight: 600; margin: 8px 0; max-width: none; }
.card dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 14px; margin: 8px 0 12px; }
.card dt { color: var(--soft); } .card dd { margin: 0; }
.pictures { display: flex; flex-wrap: wrap; gap: 10px 34px; }
figure { margin: 8px 0 10px; max-width: 100%; overflow-x: auto; }
figcaption { font-size: 13px; font-weight: 600; margin-bottom: 6px; }
figcaption small { font-weight: 400; color: var(--soft); font-size: 12.5px; }
svg { display: block; max-width: none; }
pre { margin: 10px 0 0; padding: 8px 12px; background: var(--wash); border: 1px solid var(--line); white-space: pre-wrap;
      overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
details { margin: 8px 0; } summary { cursor: pointer; }
footer { margin-top: 48px; padding-top: 12px; border-top: 1px solid var(--line); font-size: 13px; color: var(--soft); }
@media (max-width: 760px) { .columns { grid-template-columns: 1fr; } main { padding: 20px 14px; } }
@media print { main { max-width: none; padding: 0; } body { font-size: 11px; } h2 { break-after: avoid; }
               * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
)css";
}

}  // namespace attest
