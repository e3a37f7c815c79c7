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
#hint p { margin: 0; min-height: 1.5em; text-align: center; }
#reveal { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg); padding: 12px 16px; }
#votes button { min-height: 48px; height: 100%; }
:is(#standings, #speed) :is(td, th) * { font-family: var(--font) !important; }
#intervals .modebar-btn--logo { display: none; }
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
}
"""

# 1–4 vote, N starts anew; never while typing, never with a modifier, never a button that is off.
_KEYBOARD = """
<script>
document.addEventListener('keydown', (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const at = event.target;
  if (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) return;
  const id = {1: 'vote-a', 2: 'vote-b', 3: 'vote-tie', 4: 'vote-both-bad', n: 'new-battle'}[event.key.toLowerCase()];
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

HEAD = '<meta name="viewport" content="width=device-width, initial-scale=1">' + _KEYBOARD


def theme() -> gr.themes.Base:
    """Fonts of the visitor's own system: nothing is fetched from elsewhere."""
    return gr.themes.Soft(
        primary_hue="emerald",
        neutral_hue="stone",
        font=["ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
