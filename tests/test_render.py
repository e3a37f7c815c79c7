from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from arena.boards.usage import Usage
from arena.ui.evaluation.shown import conversations
from arena.ui.render import Widgets, render, render_panes, render_vote
from arena.ui.texts import TEXTS
from arena.view import Exchange, Revealed, View
from db.judging import JudgedTexts
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
            {outcome: gr.Button() for outcome in Outcome}, gr.Markdown(), gr.Markdown(), gr.Column(), gr.Button(),
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


def test_what_was_chosen_can_only_be_taken_back_or_left(widgets: Widgets) -> None:
    chosen = view("open", chosen=Outcome.TIE, can_regenerate=True)
    for updates in (render(widgets, chosen, "en"), render_vote(widgets, chosen, "en")):
        for off in (widgets.prompt, widgets.send, widgets.regenerate, *widgets.votes.values()):
            assert not updates[off]["interactive"]
        assert updates[widgets.undo]["visible"]
        assert updates[widgets.new]["interactive"]
        shown = {outcome for outcome, button in widgets.votes.items() if updates[button]["variant"] == "primary"}
        assert shown == {Outcome.TIE}
        assert "You called it a tie." in updates[widgets.hint]
        assert updates[widgets.reveal] == gr.update(value="", visible=False)


@pytest.mark.parametrize("status", ["generating", "open", "stopped", "voted", "void"])
def test_where_nothing_is_chosen_nothing_is_to_be_taken_back(widgets: Widgets, status: str) -> None:
    updates = render(widgets, voted() if status == "voted" else view(status), "en")
    assert not updates[widgets.undo]["visible"]
    assert all(updates[button]["variant"] == "secondary" for button in widgets.votes.values())


def test_a_vote_is_answered_with_parts_of_the_page_that_its_event_may_change(widgets: Widgets) -> None:
    for shown in (voted(), view("open", chosen=Outcome.A), view("open"), None):
        assert set(render_vote(widgets, shown, "en")) <= set(widgets.around()) <= set(widgets.all())


def test_an_empty_page_waits_for_a_prompt(widgets: Widgets) -> None:
    updates = render(widgets, None, "en")
    assert updates[widgets.battle] is None
    assert updates[widgets.prompt]["interactive"]
    assert updates[widgets.examples]["visible"]
    assert not updates[widgets.new]["interactive"]
    assert updates[widgets.pane_a]["value"] == updates[widgets.pane_b]["value"] == []


@pytest.mark.parametrize("status", ["generating", "open", "stopped", "voted", "void"])
def test_stored_answers_are_voted_on_and_not_asked_on(widgets: Widgets, status: str) -> None:
    more = {"outcome": Outcome.A, "revealed": REVEALED} if status == "voted" else {}
    updates = render(widgets, view(status, stored=True, can_regenerate=status == "stopped", **more), "zh")
    assert not updates[widgets.send]["interactive"]
    assert not updates[widgets.prompt]["interactive"]
    assert all(updates[button]["interactive"] is (status == "open") for button in widgets.votes.values())
    key = f"hint_stored_{status}" if status in ("generating", "open", "stopped") else f"hint_{status}"
    assert updates[widgets.hint] == TEXTS["zh"][key]


def test_of_stored_answers_nothing_is_said_of_what_they_took(widgets: Widgets) -> None:
    both = (replace(REVEALED[0], usage=None), replace(REVEALED[1], usage=None))
    updates = render(widgets, view("voted", stored=True, outcome=Outcome.B, revealed=both), "en")
    assert updates[widgets.reveal]["value"].splitlines() == [
        "**You found B better.**",
        "- Model A: **[Secret Ant](https://example.org/ant)** · llamacpp · Q4_K_M · Apache-2.0",
        "- Model B: **Secret Bee** · endpoint · Q8_0 · MIT",
    ]


@pytest.mark.parametrize("can", [True, False])
def test_regenerate_follows_the_view(widgets: Widgets, can: bool) -> None:
    assert render(widgets, view("open", can_regenerate=can), "en")[widgets.regenerate]["interactive"] is can


@pytest.mark.parametrize("status", ["generating", "open", "stopped", "void"])
def test_before_the_vote_nothing_is_revealed(widgets: Widgets, status: str) -> None:
    assert render(widgets, view(status), "en")[widgets.reveal] == gr.update(value="", visible=False)


@pytest.mark.parametrize("begun", [None, "generating"])
def test_where_a_battle_begins_the_panes_are_a_and_b_whatever_names_stood_there(
    widgets: Widgets, begun: str | None
) -> None:
    updates = render(widgets, view(begun) if begun else None, "en")
    assert (updates[widgets.pane_a]["label"], updates[widgets.pane_b]["label"]) == ("Model A", "Model B")


@pytest.mark.parametrize("hostile", ["*a _b " * 20_000, "|x|y|\n" * 20_000, "[" * 20_000, "`a ``b " * 10_000])
def test_an_answer_that_would_keep_a_browser_busy_is_shown_as_it_was_written(widgets: Widgets, hostile: str) -> None:
    shown = View("b1", "open", (Exchange(hostile, hostile, "**b**"),))
    panes = render_panes(widgets, shown, "en")
    stored = conversations(JudgedTexts((hostile,), (hostile,), ("**b**",), None, ""), model_is_a=True)
    for a, b in ((panes[widgets.pane_a], panes[widgets.pane_b]), stored[::-1]):
        fence = a[1]["content"].split("\n", 1)[0]
        assert a[0]["content"] == a[1]["content"] == f"{fence}\n{hostile}\n{fence}"
        assert set(fence) == {"`"}
        assert len(fence) >= 3
        assert fence not in hostile
        assert b[1]["content"] == "**b**"


@pytest.mark.parametrize("status", ["open", "stopped", "void"])
def test_as_long_as_labels_can_not_change_the_panes_are_not_built_anew(widgets: Widgets, status: str) -> None:
    updates, values = render(widgets, view(status), "en"), render_panes(widgets, view(status), "en")
    assert {pane: updates[pane] for pane in values} == values


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
    last = [updates[pane][-1] for pane in (widgets.pane_a, widgets.pane_b)]
    assert last[0] == last[1] == {"role": "assistant", "content": TEXTS["zh"]["failed"]}


def test_each_pane_holds_its_own_side_of_the_conversation(widgets: Widgets) -> None:
    exchanges = (Exchange("One?", "a1", "b1"), Exchange("Two?", "", "b2"))
    updates = render_panes(widgets, View("b1", "generating", exchanges), "en")
    assert set(updates) == {widgets.pane_a, widgets.pane_b}
    said = {pane: [message["content"] for message in update] for pane, update in updates.items()}
    assert said[widgets.pane_a] == ["One?", "a1", "Two?", "…"]
    assert said[widgets.pane_b] == ["One?", "b1", "Two?", "b2"]
    assert [message["role"] for message in updates[widgets.pane_a]] == ["user", "assistant"] * 2
