"""How the Evaluation page looks, beside what it shares with the others."""

from __future__ import annotations

CSS = """
#pairs :is(td, th, [role=gridcell], [role=columnheader]) * { font-family: var(--font) !important; }
#summary ul { margin-top: 6px; }
/* A table scrolls in itself where the page is narrow. */
:is(#by-category, #trust, #people) { overflow-x: auto; }
:is(#by-category, #trust, #people) table {
  font-size: 0.88rem;
  width: 100%;
  border: 0 !important;
  border-collapse: collapse;
}
:is(#by-category, #trust, #people) :is(thead, tbody, tr) { border: 0 !important; }
:is(#by-category, #trust, #people) :is(th, td) {
  border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important;
  padding: 6px 8px !important;
  word-break: normal;
}
:is(#by-category, #people) :is(th, td) { white-space: nowrap; }
:is(#by-category, #people) :is(th, td):not(:first-child) { text-align: right; font-variant-numeric: tabular-nums; }
#trust :is(th, td):nth-child(-n + 3) { white-space: nowrap; }
#plot :is(.angularaxistick text, .radialaxistick text, .polarsublayer text) { fill: var(--body-text-color) !important; }
#reading p { margin: 4px 0; font-size: 1.05rem; }
#reading-filters { align-items: end; }
#reading-filters button { align-self: end; min-height: 42px; }
#said .orders { display: flex; flex-wrap: wrap; gap: 16px; }
#said section {
  flex: 1 1 300px;
  min-width: 0;
  border: 1px solid var(--border-color-primary);
  border-radius: var(--radius-lg);
  padding: 12px 16px;
}
#said h4 { margin: 0 0 8px; font-size: 0.9rem; }
#said .words { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.5; }
#said details { margin-bottom: 12px; }
#said summary { cursor: pointer; }
@media (max-width: 700px) {
  #trust td:last-child { min-width: 220px; }
}
"""
