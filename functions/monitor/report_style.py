"""How the report looks: light and dark as the reader's system is, in one column on a phone, in black on paper."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1b1e23; --quiet: #5d6570; --line: #e1e4e8; --soft: #eff1f4;
  --baseline: #b3bac4; --window: #2f6bd8; --called: #c8421f; --calm: #1c7d4d; --unsure: #966407;
  --called-soft: #fdeee9; --calm-soft: #e8f5ee; --unsure-soft: #fbf3df; --prediction: #8a5cc7;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --card: #1b1f25; --ink: #e7eaee; --quiet: #9ba4b0; --line: #2e343d; --soft: #252a32;
    --baseline: #59626f; --window: #6fa3ff; --called: #ff8a66; --calm: #5fca93; --unsure: #e2b44c;
    --called-soft: #35201a; --calm-soft: #17291f; --unsure-soft: #302814; --prediction: #bd97f2;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1, h2, h3 { line-height: 1.25; text-wrap: balance; }
h1 { font-size: clamp(1.5rem, 4.5vw, 2.1rem); margin: .5rem 0 .75rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 3rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .35rem 0; max-width: 46rem; }
.quiet, figcaption, caption, footer { color: var(--quiet); font-size: .875rem; }
code, pre { font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); border-radius: .5rem; margin: .4rem 0; padding: .7rem .9rem; white-space: pre-wrap; }
.eyebrow { color: var(--quiet); font-size: .9rem; margin: 0; }
.verdict { background: var(--card); border: 1px solid var(--line); border-left: .4rem solid var(--tone);
  border-radius: .75rem; padding: 1.25rem 1.4rem; margin: 1rem 0 1.5rem; }
.verdict h1 { margin-top: .4rem; }
.badge { display: inline-block; background: var(--tone-soft); color: var(--tone); border-radius: 1rem;
  font-size: .8rem; font-weight: 650; padding: .1rem .7rem; white-space: nowrap; }
.change { --tone: var(--called); --tone-soft: var(--called-soft); }
.no_change { --tone: var(--calm); --tone-soft: var(--calm-soft); }
.too_few_rows, .attention { --tone: var(--unsure); --tone-soft: var(--unsure-soft); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(46%, 14rem), 1fr)); gap: .75rem; margin: 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .7rem .9rem; }
.facts dt { color: var(--quiet); font-size: .8rem; }
.facts dd { margin: 0; }
.facts dd b { display: block; font-size: 1.3rem; font-weight: 620; font-variant-numeric: tabular-nums; }
.facts dd span { color: var(--quiet); font-size: .8rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19.5rem), 1fr)); gap: 1rem;
  align-items: start; }
figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; margin: 0;
  min-width: 0; padding: 1rem 1.1rem; break-inside: avoid; }
.newest-first { direction: rtl; overflow-x: auto; }
.newest-first svg { direction: ltr; min-width: 34rem; }
figure svg { display: block; width: 100%; height: auto; margin: .6rem 0 .3rem; }
.head { display: flex; gap: .6rem; justify-content: space-between; align-items: baseline; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: .4rem 0 .9rem; padding: 0; list-style: none; }
.legend li::before { content: ""; display: inline-block; width: .75rem; height: .75rem; border-radius: .2rem;
  margin-right: .4rem; vertical-align: -.05rem; background: var(--swatch); }
.legend .baseline { --swatch: var(--baseline); }
.legend .window, .legend .input { --swatch: var(--window); }
.legend .prediction { --swatch: var(--prediction); }
.legend .called { --swatch: var(--called); }
rect.baseline { fill: var(--baseline); }
rect.window, circle.window, circle.input { fill: var(--window); }
rect.called, circle.called { fill: var(--called); }
rect.track { fill: var(--soft); }
line.axis, line.grid { stroke: var(--line); }
line.axis { stroke: var(--baseline); }
line.mark { stroke: var(--ink); stroke-width: 1.5; }
line.interval { stroke: var(--window); stroke-width: 4; stroke-linecap: round; opacity: .6; }
line.threshold { stroke: var(--called); stroke-dasharray: 5 4; }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
polyline.input { stroke: var(--window); }
polyline.prediction { stroke: var(--prediction); }
text { fill: var(--quiet); font: 11px system-ui, sans-serif; }
text.label { fill: var(--ink); font-size: 12px; }
text.end { text-anchor: end; }
text.middle { text-anchor: middle; }
tspan { font-size: 8px; }
.meter { display: block; width: 6.5rem; height: .9rem; margin-top: .2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; padding: 0 0 .4rem; }
th, td { border-bottom: 1px solid var(--line); padding: .5rem .9rem .5rem 0; text-align: left; vertical-align: top;
  font-variant-numeric: tabular-nums; }
thead th { color: var(--quiet); font-size: .8rem; font-weight: 550; vertical-align: bottom; }
tbody th { font-weight: 600; overflow-wrap: break-word; min-width: 9rem; max-width: 18rem; }
td small, th small { color: var(--quiet); display: block; font-weight: 400; }
sup { font-size: .7em; line-height: 0; }
details { margin: .4rem 0; }
summary { color: var(--quiet); cursor: pointer; font-size: .85rem; }
summary:focus-visible { outline: 2px solid var(--window); outline-offset: 2px; }
details table { font-size: .8rem; }
details tbody th, details td { min-width: 0; padding: .2rem .6rem .2rem 0; }
ul.plain { margin: .4rem 0; padding: 0; list-style: none; }
ul.plain li { border-bottom: 1px solid var(--line); padding: .5rem 0; }
footer { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 1rem; }
@media (max-width: 46rem) {
  main { padding: 1.25rem .9rem 3rem; }
  table.stacked thead { position: absolute; clip-path: inset(50%); }
  table.stacked, .stacked caption, .stacked tbody, .stacked tr, .stacked th, .stacked td { display: block; }
  .stacked tr { border-bottom: 1px solid var(--line); padding: .6rem 0; }
  .stacked tbody th, .stacked td { border: 0; padding: .12rem 0; max-width: none; }
  .stacked td { display: grid; grid-template-columns: 8rem 1fr; gap: .5rem; }
  .stacked td::before { content: attr(data-head); color: var(--quiet); }
}
@media print {
  body { background: none; font-size: 10pt; }
  main { max-width: none; padding: 0; }
  h2 { break-after: avoid; margin-top: 1.5rem; }
  rect, circle, .badge, .legend li::before { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .cards { grid-template-columns: repeat(2, 1fr); }
  tr { break-inside: avoid; }
}
"""
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded, nothing runs, and no other style applies, whatever the rows in the report hold."""
