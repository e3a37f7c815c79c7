"""How the pages look, and their keyboard."""

from __future__ import annotations

import gradio as gr

CSS = """
.gradio-container { max-width: 1240px !important; width: 100% !important; margin: 0 auto !important; }
#pane-a, #pane-b { border: 1px solid var(--border-color-primary); }
/* Emptying a pane in the browser would not empty the battle. */
#panes .top-panel { display: none; }
/* The label must not lie on the text that scrolls under it. */
#panes .wrapper { padding-top: 38px; box-sizing: border-box; }
#sign-in { flex-wrap: wrap; align-items: center; }
#signed-in { min-width: min(100%, 320px) !important; }
#hint p { margin: 0; min-height: 1.5em; text-align: center; }
#reveal { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg); padding: 12px 16px; }
#votes button { min-height: 48px; height: 100%; }
#undo { max-width: 280px; align-self: center; margin: 0 auto; }
/* What was chosen stands out among the buttons that are off; of these the theme's dark ones would look chosen, too. */
#votes button.primary[disabled] { opacity: 1; filter: none; background: var(--button-primary-background-fill); }
.dark button.secondary[disabled] { background: var(--button-secondary-background-fill) !important; }
:is(#standings, #speed, #admin-panel) :is(td, th, [role=gridcell], [role=columnheader]) * {
  font-family: var(--font) !important;
}
#summary h3 { font-size: 1.35rem; font-weight: 400; line-height: 1.4; margin: 0 0 4px; }
#admin-panel button { align-self: end; }
#columns-note, #notes { font-size: 0.85rem; }
#filters { gap: 8px; }
/* A heat map is as wide as its cells: where the page is narrower, it scrolls in here. */
#plot { overflow-x: auto !important; }
#plot .modebar-btn--logo { display: none; }
/* Figures are drawn in a grey for both grounds; here the ground is known. */
#plot :is(.xtick text, .ytick text, .cbaxis text, .gtitle, .xtitle, .ytitle, .legendtext, .annotation-text) {
  fill: var(--body-text-color) !important;
}
:is(#plot-files, #downloads) .prose { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
:is(#plot-files, #downloads) :is(a, button) {
  padding: 4px 10px;
  border: 1px solid var(--border-color-primary);
  border-radius: var(--radius-md);
  background: var(--button-secondary-background-fill);
  color: var(--button-secondary-text-color);
  font-size: 0.85rem;
  text-decoration: none;
  cursor: pointer;
}
:is(#plot-files, #downloads) :is(a, button):hover { background: var(--button-secondary-background-fill-hover); }
#examples button { font-weight: 400; text-align: left; justify-content: flex-start; }
#prompt textarea { font-size: 16px; }
button:focus-visible, textarea:focus-visible, a:focus-visible {
  outline: 3px solid var(--color-accent);
  outline-offset: 2px;
}
/* The theme's own shades of these are too faint to read: below 4.5 to 1. */
body:not(.dark) .gradio-container {
  --button-primary-background-fill: var(--primary-700);
  --button-primary-background-fill-hover: var(--primary-800);
  --block-label-text-color: var(--primary-800);
  --block-title-text-color: var(--primary-800);
}
@media (max-width: 700px) {
  #votes { display: grid !important; grid-template-columns: 1fr 1fr; }
  #pane-a, #pane-b { height: 36vh !important; }
  #filters .form { display: grid !important; grid-template-columns: 1fr 1fr; min-width: 0 !important; }
  #filters .block { min-width: 0 !important; }
  #filters .block:last-child { grid-column: 1 / -1; }
  #plot .modebar-container { display: none; }
}
"""

# 1–4 vote, U takes it back, N starts anew; never while typing, never with a modifier, never a button that is off.
_KEYBOARD = """
<script>
document.addEventListener('keydown', (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const at = event.target;
  if (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) return;
  const id = {1: 'vote-a', 2: 'vote-b', 3: 'vote-tie', 4: 'vote-both-bad', u: 'undo', n: 'new-battle'}[
    event.key.toLowerCase()];
  const found = id && document.getElementById(id);
  const button = found && (found.tagName === 'BUTTON' ? found : found.querySelector('button'));
  if (button && !button.disabled) { event.preventDefault(); button.click(); }
});
new MutationObserver((_, observer) => {
  const hint = document.getElementById('hint');
  if (!hint) return;
  hint.setAttribute('role', 'status');
  hint.setAttribute('aria-live', 'polite');
  observer.disconnect();
}).observe(document, {childList: true, subtree: true});
</script>
"""

# The plot as it is seen, on white paper: its own ground is the page's. The policy lets no attribute be a script.
_PICTURES = """
<script>
document.addEventListener('click', ({target}) => {
  const button = target.closest?.('[data-picture]');
  const shown = button && document.querySelector('#plot .js-plotly-plot');
  if (!shown) return;
  const {picture: format, name: filename} = button.dataset;
  const layout = {...shown.layout, paper_bgcolor: 'white'};
  const size = {width: shown.clientWidth, height: shown.clientHeight};
  Plotly.downloadImage({data: shown.data, layout}, {format, filename, scale: 2, ...size});
});
</script>
"""

HEAD = '<meta name="viewport" content="width=device-width, initial-scale=1">' + _KEYBOARD + _PICTURES


def theme() -> gr.themes.Base:
    """Fonts of the visitor's own system: nothing is fetched from elsewhere."""
    return gr.themes.Soft(
        primary_hue="emerald",
        neutral_hue="stone",
        font=["ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
