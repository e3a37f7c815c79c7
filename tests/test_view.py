"""What a visitor may see, and when: no figure of the answers before the vote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import pytest
from arenas import ANT, BEE, MOST_ATTEMPTS, NOW, again, ask_on, begin, database_with, key_of, vote
from sqlalchemy.orm import Session

from arena.identity import Names
from arena.ui.render import Widgets, render, render_panes, render_vote
from arena.view import View, read_view
from db import queries
from db.outcome import Outcome
from db.queries import Side
from db.session import Database

# Each figure is one that nothing else shows.
A = Side("an answer", "stop", 70007, 60006, 3.1373, 903.1373, 5551.5)
B = Side("an answer", "length", 80008, 50005, 4.1414, 804.1414, 7771.5)
FIGURES = ("70007", "60006", "3.1", "903.1", "5551.5", "80008", "50005", "4.1", "804.1", "7771.5", "77.8", "100.0")
SHOWN = ("70007", "60006", "3.14", "5551.5", "80008", "50005", "4.14", "7771.5", "77.8", "100.0", "scripted", "cut at")


Step = Callable[[Session, str], object]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = database_with(tmp_path, ANT, BEE)
    yield database
    database.close()


@pytest.fixture(scope="module")
def widgets() -> Widgets:
    with gr.Blocks():
        return Widgets(
            gr.State(), gr.Chatbot(), gr.Chatbot(), gr.Textbox(), gr.Button(), gr.Button(), gr.Button(), gr.Button(),
            {outcome: gr.Button() for outcome in Outcome}, gr.Button(), gr.Markdown(), gr.Markdown(), gr.Column(),
        )  # fmt: skip


def finish(session: Session, battle_id: str) -> None:
    queries.finish_turn(session, key_of(session, battle_id), A, B, NOW)


def stop(session: Session, battle_id: str) -> None:
    queries.stop_turn(session, key_of(session, battle_id), A, B, NOW)


def fail(session: Session, battle_id: str) -> None:
    queries.fail_turn(session, key_of(session, battle_id), A, B, NOW, "out of memory")


def vote_tie(session: Session, battle_id: str) -> None:
    vote(session, battle_id, Outcome.TIE)


def play(database: Database, *steps: Step) -> None:
    for step in steps:
        database.write(lambda session, step=step: step(session, "b1"))  # type: ignore[misc]


def seen(database: Database) -> View:
    with database.read() as session:
        return read_view(session, "b1", "ann", MOST_ATTEMPTS, Names())


def page(widgets: Widgets, view: View) -> str:
    """Everything that any event would send of this view."""
    return "".join(str(make(widgets, view, "en")) for make in (render, render_vote, render_panes))


@pytest.mark.parametrize(
    "steps",
    [[finish], [finish, ask_on], [finish, again], [finish, ask_on, finish], [stop], [stop, again], [fail]],
    ids=["open", "asked on", "regenerating", "two turns", "stopped", "stopped and regenerating", "void"],
)
def test_no_figure_reaches_the_page_before_the_vote(database: Database, widgets: Widgets, steps: list[Step]) -> None:
    play(database, begin, *steps)
    view = seen(database)
    assert (view.revealed, view.outcome) == (None, None)
    for told in (repr(view), page(widgets, view)):
        assert [figure for figure in (*FIGURES, "scripted", "Q4_K_M") if figure in told] == []


def test_the_vote_reveals_what_the_answers_took(database: Database, widgets: Widgets) -> None:
    play(database, begin, finish, vote_tie)
    view = seen(database)
    assert view.revealed is not None
    a, b = view.revealed
    assert a.usage
    assert b.usage
    assert (a.name, a.engine, a.usage.prompt_tokens, a.usage.tokens, a.usage.cut) == (
        "The Ant", "scripted", 60006, 70007, False,
    )  # fmt: skip
    assert (b.name, b.usage.joules, b.usage.cut) == ("The Bee", 7771.5, True)
    assert a.usage.tokens_per_second == pytest.approx(70006 / 900)
    sent = page(widgets, view)
    assert [figure for figure in SHOWN if figure not in sent] == []


def test_only_the_turns_that_count_are_in_the_figures(database: Database) -> None:
    play(database, begin, finish, again, finish, ask_on, finish, vote_tie)
    view = seen(database)
    assert view.revealed is not None
    usage = view.revealed[0].usage
    assert usage
    assert usage.tokens == 2 * 70007
    assert usage.first_token_seconds == pytest.approx(3.1373)
