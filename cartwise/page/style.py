"""How the page looks: system fonts, colours that follow light and dark, and room for a phone."""

from typing import Final

import gradio as gr

FONTS: Final = ["system-ui", "sans-serif"]
MONOSPACED: Final = ["ui-monospace", "monospace"]

CSS: Final = """
:root { --cw-for: #0f766e; --cw-against: #b45309; --cw-other: #526077; --cw-quiet: #5b6470; }
.dark { --cw-for: #2dd4bf; --cw-against: #fbbf24; --cw-other: #a3b1c6; --cw-quiet: #a1a9b5; }
.gradio-container { width: 100%; max-width: 1000px !important; margin: 0 auto !important; }
input[role=combobox] { padding-right: 2rem !important; text-overflow: ellipsis; }
.cw-answer { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: baseline; margin: .5rem 0; }
.cw-answer b { font-size: 2.6rem; line-height: 1.1; font-variant-numeric: tabular-nums; }
.cw-answer > span:not(.cw-tag), .cw-note { color: var(--cw-quiet); }
.cw-tag { display: inline-block; border: 1px solid currentColor; border-radius: 1rem;
  padding: .05rem .6rem; font-weight: 600; white-space: nowrap; }
.cw-for { color: var(--cw-for); } .cw-against { color: var(--cw-against); }
.cw-other { color: var(--cw-other); }
.cw-error { border-left: 4px solid var(--cw-against); padding: .5rem .8rem; margin: .5rem 0;
  background: var(--background-fill-secondary); }
.cw-figures { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .5rem 0; }
.cw-figures div { min-width: 7rem; }
.cw-figures dt { color: var(--cw-quiet); font-size: .85rem; }
.cw-figures dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.cw-table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums;
  border: 0 !important; }
.cw-table tr { border: 0 !important; }
.cw-table th, .cw-table td { text-align: left; padding: .35rem .6rem; border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important; white-space: nowrap; }
.cw-table .cw-prose { white-space: normal; overflow-wrap: anywhere; }
.cw-table th { color: var(--cw-quiet); font-weight: 600; }
.cw-bar { display: inline-block; height: .6rem; border-radius: .3rem; background: var(--cw-for); }
.cw-waterfall { list-style: none; padding: 0 !important; margin: .5rem 0; }
.cw-waterfall li { margin: 0 0 .5rem; overflow-wrap: anywhere; }
.cw-track { margin-top: .2rem; background: linear-gradient(var(--cw-quiet) 0 0) no-repeat
  var(--average) 0 / 1px 100%; }
.cw-track div { height: .8rem; border-radius: .2rem; background: currentColor; }
.cw-curve { width: 100%; height: auto; }
.cw-ends { display: flex; justify-content: space-between; }
.cw-curve .cw-axis { stroke: var(--border-color-primary); }
.cw-report { width: 100%; height: 75vh; border: 1px solid var(--border-color-primary); }
@media (max-width: 640px) {
  .tab-container button { padding: 0 .45rem !important; font-size: .85rem !important; }
  .cw-table thead { display: none; }
  .cw-table tr { display: block; padding: .4rem 0;
    border-bottom: 1px solid var(--border-color-primary); }
  .cw-table tr:nth-child(n+13) { display: none; }
  .cw-table td { display: flex; justify-content: space-between; gap: 1rem; padding: .15rem 0;
    border-bottom: 0 !important; }
  .cw-table td span { text-align: right; }
  .cw-table td::before { content: attr(data-name); color: var(--cw-quiet); flex: none; }
}
"""


def theme() -> gr.themes.Base:
    """Gradio's own look, with fonts that are there already."""
    return gr.themes.Default(primary_hue="teal", font=FONTS, font_mono=MONOSPACED)
