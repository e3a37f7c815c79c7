from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from arena.ui.render import Widgets, render, render_panes
from arena.ui.texts import TEXTS
from arena.usage import Usage
from arena.view import Exchange, Revealed, View
from db.outcome import Outcome

MEASURED = Usage(
    prompt_tokens=412, tokens=128, first_token_seconds=0.4167, tokens_per_second=35.24, joules=12.34, cut=False
)
UNMEASURED = Usage(
    prompt_tokens=None, tokens=130, first_token_seconds=None, tokens_per_second=None, joules=None, cut=True
)
REVEALED = (
    Revealed("Secret Ant", "llamacpp", "Q4_K_M", "Apache-2.0", "https://example.org/ant", MEASURED),
    Revealed("Secret Bee", "endpoint", "Q8_0", "MIT", "", UNMEASURED),
)


@pytest.fixture(scope="module")
def widgets() -> Widgets:
    with gr.Blocks():
        return Widgets(
            gr.State(), gr.Chatbot(), gr.Chatbot(), gr.Textbox(), gr.Button(), gr.Button(), gr.Button(), gr.Button(),
            {outcome: gr.Button() for outcome in Outcome}, gr.Markdown(), gr.Markdown(), gr.Column(),
        )  # fmt: skip


def view(status: str, **more: Any) -> View:
    return View("b1", status, (Exchange("Why?", "because", "for that"),), **more)


def voted() -> View:
    return view("voted", outcome=Outcome.BOTH_BAD, revealed=REVEALED)


def test_every_widget_is_among_those_that_change(widgets: Widgets) -> None:
    assert set(render(widgets, None, "en")) <= set(widgets.all())
    assert len(widgets.all()) == len(set(widgets.all()))


@pytest.mark.parametrize(
    ("status", "votable", "asks", "stops", "fresh"),
    [
        ("generating", False, False, True, True),
        ("open", True, True, False, True),
        ("stopped", False, False, False, True),
        ("voted", False, False, False, True),
        ("void", False, False, False, True),
    ],
)
def test_only_what_makes_sense_can_be_pressed(
    widgets: Widgets, status: str, votable: bool, asks: bool, stops: bool, fresh: bool
) -> None:
    updates = render(widgets, voted() if status == "voted" else view(status), "en")
    assert all(updates[button]["interactive"] is votable for button in widgets.votes.values())
    assert updates[widgets.send]["interactive"] is asks
    assert updates[widgets.prompt]["interactive"] is asks
    assert updates[widgets.stop]["visible"] is stops
    assert updates[widgets.send]["visible"] is not stops
    assert updates[widgets.new]["interactive"] is fresh
    assert updates[widgets.hint] == TEXTS["en"]["hint_stopped_for_good" if status == "stopped" else f"hint_{status}"]


def test_an_empty_page_waits_for_a_prompt(widgets: Widgets) -> None:
    updates = render(widgets, None, "en")
    assert updates[widgets.battle] is None
    assert updates[widgets.prompt]["interactive"]
    assert updates[widgets.examples]["visible"]
    assert not updates[widgets.new]["interactive"]
    assert updates[widgets.pane_a]["value"] == updates[widgets.pane_b]["value"] == []


@pytest.mark.parametrize("can", [True, False])
def test_regenerate_follows_the_view(widgets: Widgets, can: bool) -> None:
    assert render(widgets, view("open", can_regenerate=can), "en")[widgets.regenerate]["interactive"] is can


@pytest.mark.parametrize("status", ["generating", "open", "stopped", "void"])
def test_before_the_vote_the_panes_are_a_and_b_and_nothing_is_revealed(widgets: Widgets, status: str) -> None:
    updates = render(widgets, view(status), "en")
    assert (updates[widgets.pane_a]["label"], updates[widgets.pane_b]["label"]) == ("Model A", "Model B")
    assert updates[widgets.reveal] == gr.update(value="", visible=False)


def test_after_the_vote_both_names_are_shown_with_what_they_are_and_took(widgets: Widgets) -> None:
    updates = render(widgets, voted(), "en")
    assert updates[widgets.pane_a]["label"] == "Model A: Secret Ant"
    assert updates[widgets.pane_b]["label"] == "Model B: Secret Bee"
    assert updates[widgets.reveal]["value"].splitlines() == [
        "**You found both bad.**",
        "- Model A: **[Secret Ant](https://example.org/ant)** · llamacpp · Q4_K_M · Apache-2.0",
        "  - 412 tokens read · 128 tokens written · first one after 0.42 s · 35.2 tokens/s · 12.3 J · complete",
        "- Model B: **Secret Bee** · endpoint · Q8_0 · MIT",
        "  - 130 tokens written · cut at its limit",
    ]
    assert updates[widgets.reveal]["visible"]


def test_a_void_battle_says_the_same_on_both_sides(widgets: Widgets) -> None:
    updates = render(widgets, view("void"), "zh")
    last = [updates[pane]["value"][-1] for pane in (widgets.pane_a, widgets.pane_b)]
    assert last[0] == last[1] == {"role": "assistant", "content": TEXTS["zh"]["failed"]}


def test_each_pane_holds_its_own_side_of_the_conversation(widgets: Widgets) -> None:
    exchanges = (Exchange("One?", "a1", "b1"), Exchange("Two?", "", "b2"))
    updates = render_panes(widgets, View("b1", "generating", exchanges), "en")
    assert set(updates) == {widgets.pane_a, widgets.pane_b}
    said = {pane: [message["content"] for message in update] for pane, update in updates.items()}
    assert said[widgets.pane_a] == ["One?", "a1", "Two?", "…"]
    assert said[widgets.pane_b] == ["One?", "b1", "Two?", "b2"]
    assert [message["role"] for message in updates[widgets.pane_a]] == ["user", "assistant"] * 2
