"""A view of a battle → what every component of the Battle page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from arena.boards.usage import Usage
from arena.ui.markup import readable
from arena.ui.texts import Language, say
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
    undo: gr.Button

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
            self.undo,
        ]

    def around(self) -> list[Any]:
        """All but the panes and what only the beginning and the end of an answer change."""
        return [
            self.battle,
            self.hint,
            self.reveal,
            self.new,
            self.prompt,
            self.send,
            self.regenerate,
            *self.votes.values(),
            self.undo,
        ]


def render(widgets: Widgets, view: View | None, language: Language) -> Updates:
    """The whole page for a battle, or for none yet."""
    generating = view is not None and view.status == "generating"
    return {
        **_around(widgets, view, language),
        **_panes(widgets, view, language),
        widgets.stop: gr.update(visible=generating),
        widgets.examples: gr.update(visible=view is None),
    }


def render_vote(widgets: Widgets, view: View | None, language: Language) -> Updates:
    """Only what a vote is answered with: what was chosen, the names, or why there are none yet."""
    if view is not None and view.chosen:
        return _around(widgets, view, language)
    return {
        widgets.battle: view.battle_id if view else None,
        widgets.hint: _hint(view, language),
        widgets.reveal: _reveal(view, language),
        widgets.undo: gr.update(visible=False),
        # The rest of the page follows by itself, and would come back over an empty one.
        widgets.new: gr.update(interactive=False),
    }


def _around(widgets: Widgets, view: View | None, language: Language) -> Updates:
    """What is to be pressed, typed and read around the panes."""
    status = view.status if view else "idle"
    chosen = view.chosen if view else None
    votable = status == "open" and not chosen
    asks = status == "idle" or (votable and not (view and view.stored))
    return {
        widgets.battle: view.battle_id if view else None,
        widgets.prompt: gr.update(interactive=asks),
        widgets.send: gr.update(interactive=asks, visible=status != "generating"),
        widgets.regenerate: gr.update(interactive=bool(view and view.can_regenerate and not chosen)),
        widgets.new: gr.update(
            interactive=view is not None,
            variant="primary" if status in ("voted", "void") else "secondary",
        ),
        **{
            button: gr.update(interactive=votable, variant="primary" if outcome == chosen else "secondary")
            for outcome, button in widgets.votes.items()
        },
        widgets.undo: gr.update(visible=bool(chosen)),
        widgets.hint: _hint(view, language),
        widgets.reveal: _reveal(view, language),
    }


def render_panes(widgets: Widgets, view: View | None, language: Language) -> Updates:
    """Only the two panes: what changes while answers stream."""
    # Values alone: an update of properties has Gradio build both components anew, which takes 10 ms.
    return {widgets.pane_a: _messages(view, "a", language), widgets.pane_b: _messages(view, "b", language)}


def _panes(widgets: Widgets, view: View | None, language: Language) -> Updates:
    """The panes, with their labels where these may change: when a battle begins, and with its vote."""
    if view is not None and view.revealed is None and view.status != "generating":
        return render_panes(widgets, view, language)
    names = view.revealed if view and view.revealed else (None, None)
    return {
        widgets.pane_a: gr.update(value=_messages(view, "a", language), label=_label("model_a", names[0], language)),
        widgets.pane_b: gr.update(value=_messages(view, "b", language), label=_label("model_b", names[1], language)),
    }


def _hint(view: View | None, language: Language) -> str:
    if view is None:
        return say(language, "hint_idle")
    if view.chosen:
        return f"**{say(language, f'result_{view.chosen}')}** {say(language, 'chosen')}"
    if view.status == "stopped" and not view.can_regenerate:
        return say(language, "hint_stopped_for_good")
    if view.stored and view.status in ("generating", "open", "stopped"):
        return say(language, f"hint_stored_{view.status}")
    return say(language, f"hint_{view.status}")


def _messages(view: View | None, side: str, language: Language) -> list[dict[str, str]]:
    if view is None:
        return []
    messages = []
    for exchange in view.exchanges:
        messages.append({"role": "user", "content": readable(exchange.prompt)})
        messages.append({"role": "assistant", "content": readable(getattr(exchange, side)) or "…"})
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
        if one.usage:
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
