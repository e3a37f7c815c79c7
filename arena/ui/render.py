"""A view of a battle → what every component of the Battle page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from arena.ui.texts import Language, say
from arena.usage import Usage
from arena.view import Revealed, View
from db.outcome import Outcome

Updates = dict[Any, Any]


@dataclass(frozen=True)
class Widgets:
    """The components of the Battle page that change."""

    battle: gr.State
    pane_a: gr.Chatbot
    pane_b: gr.Chatbot
    prompt: gr.Textbox
    send: gr.Button
    stop: gr.Button
    regenerate: gr.Button
    new: gr.Button
    votes: dict[Outcome, gr.Button]
    hint: gr.Markdown
    reveal: gr.Markdown
    examples: gr.Column

    def all(self) -> list[Any]:
        return [
            self.battle,
            self.pane_a,
            self.pane_b,
            self.prompt,
            self.send,
            self.stop,
            self.regenerate,
            self.new,
            *self.votes.values(),
            self.hint,
            self.reveal,
            self.examples,
        ]


def render(widgets: Widgets, view: View | None, language: Language) -> Updates:
    """The whole page for a battle, or for none yet."""
    status = view.status if view else "idle"
    names = view.revealed if view and view.revealed else (None, None)
    generating = status == "generating"
    return {
        widgets.battle: view.battle_id if view else None,
        widgets.pane_a: gr.update(value=_messages(view, "a", language), label=_label("model_a", names[0], language)),
        widgets.pane_b: gr.update(value=_messages(view, "b", language), label=_label("model_b", names[1], language)),
        widgets.prompt: gr.update(interactive=status in ("idle", "open")),
        widgets.send: gr.update(interactive=status in ("idle", "open"), visible=not generating),
        widgets.stop: gr.update(visible=generating),
        widgets.regenerate: gr.update(interactive=bool(view and view.can_regenerate)),
        widgets.new: gr.update(
            interactive=view is not None,
            variant="primary" if status in ("voted", "void") else "secondary",
        ),
        **{button: gr.update(interactive=status == "open") for button in widgets.votes.values()},
        widgets.hint: _hint(view, language),
        widgets.reveal: _reveal(view, language),
        widgets.examples: gr.update(visible=view is None),
    }


def render_verdict(widgets: Widgets, view: View | None, language: Language) -> Updates:
    """Only what a vote is answered with: the names, or why there are none yet."""
    return {
        widgets.battle: view.battle_id if view else None,
        widgets.hint: _hint(view, language),
        widgets.reveal: _reveal(view, language),
    }


def render_panes(widgets: Widgets, view: View | None, language: Language) -> Updates:
    """Only the two panes: what changes while answers stream."""
    # Values alone: an update of properties would have Gradio build both components anew, at every tick.
    return {widgets.pane_a: _messages(view, "a", language), widgets.pane_b: _messages(view, "b", language)}


def _hint(view: View | None, language: Language) -> str:
    if view is None:
        return say(language, "hint_idle")
    for_good = view.status == "stopped" and not view.can_regenerate
    return say(language, "hint_stopped_for_good" if for_good else f"hint_{view.status}")


def _messages(view: View | None, side: str, language: Language) -> list[dict[str, str]]:
    if view is None:
        return []
    messages = []
    for exchange in view.exchanges:
        messages.append({"role": "user", "content": exchange.prompt})
        messages.append({"role": "assistant", "content": getattr(exchange, side) or "…"})
    if view.status == "void":
        # The same sentence on both sides, whichever failed and however.
        messages[-1] = {"role": "assistant", "content": say(language, "failed")}
    return messages


def _label(key: str, revealed: Revealed | None, language: Language) -> str:
    return say(language, key) + (f": {revealed.name}" if revealed else "")


def _reveal(view: View | None, language: Language) -> Any:
    if view is None or view.revealed is None or view.outcome is None:
        return gr.update(value="", visible=False)
    lines = [f"**{say(language, f'result_{view.outcome}')}**"]
    for key, one in zip(("model_a", "model_b"), view.revealed, strict=True):
        named = f"[{one.name}]({one.url})" if one.url else one.name
        lines.append(f"- {say(language, key)}: **{named}** · {one.engine} · {one.quantization} · {one.license}")
        lines.append(f"  - {_took(one.usage, language)}")
    return gr.update(value="\n".join(lines), visible=True)


def _took(usage: Usage, language: Language) -> str:
    """What the answers took, in one line; what is not known is left out."""
    figures: list[tuple[str, float | None, int]] = [
        ("prompt_tokens", usage.prompt_tokens, 0),
        ("output_tokens", usage.tokens, 0),
        ("first_token", usage.first_token_seconds, 2),
        ("tokens_per_second", usage.tokens_per_second, 1),
        ("joules", usage.joules, 1),
    ]
    known = [(key, f"{value:.{digits}f}") for key, value, digits in figures if value is not None]
    said = [say(language, f"took_{key}", value=value) for key, value in known]
    return " · ".join([*said, say(language, "took_cut" if usage.cut else "took_complete")])
