"""Taking a vote back over real HTTP: what raw clients see of the choice, and what is stored of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Reply, Server, Visitor, canaries_of, canary, serving, wait_for, write_catalog

from arena.ui.texts import TEXTS

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(300)]

SECONDS = 1.0
HOLD = 30.0  # the longest that can be set
OUTCOMES = ("a", "b", "tie", "both_bad")
SAID = TEXTS["en"]
CHOSEN = SAID["chosen"]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = [canary(tree, replies=["A short answer."]) for tree in ("alder", "birch")]
    return write_catalog(tmp_path_factory.mktemp("catalog") / "catalog.toml", *models)


@pytest.fixture(scope="module")
def quick(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("quick"), catalog, PACE_CHARS=0, UNDO_SECONDS=SECONDS) as server:
        yield server


@pytest.fixture(scope="module")
def patient(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("patient"), catalog, PACE_CHARS=0, UNDO_SECONDS=HOLD) as server:
        yield server


def test_between_the_choice_and_the_stored_vote_nothing_names_anybody(quick: Server, catalog: Path) -> None:
    visitor, _ = _begun(quick, "Names")
    reply = visitor.vote("a")
    chosen = next(place for place, message in enumerate(reply.messages) if CHOSEN in str(message))
    before, after = (Reply(reply.messages[: chosen + 1]).text, Reply(reply.messages[chosen + 1 :]).text)
    named = [name for name in canaries_of(catalog) if name.startswith("Quillon")]
    assert not [found for found in canaries_of(catalog) if found in before]
    assert all(name in after for name in named), "the control: afterwards they are there"


def test_a_vote_taken_back_leaves_an_open_battle_and_nothing_else(patient: Server) -> None:
    visitor, battle = _begun(patient, "Taken back")
    voting = visitor.join("vote-a.click", None)
    _wait_chosen(patient, visitor, "Taken back")
    undoing = visitor.join("undo.click", None)
    voted, undone = visitor.read(voting, undoing)
    assert "Quillon" not in voted.text + undone.text
    assert SAID["hint_open"] in undone.text
    assert undone.toasts == []
    assert patient.rows("select status from battle where id = ?", battle) == [("open",)]
    assert _votes(patient, battle) == []


def test_what_was_stored_or_never_chosen_is_not_taken_back(quick: Server) -> None:
    visitor, battle = _begun(quick, "Too late")
    assert visitor.call("undo.click", None).toasts == [SAID["error_undo_late"]]
    visitor.vote("tie")
    late = visitor.call("undo.click", None)
    assert late.toasts == [SAID["error_undo_late"]]
    assert "Quillon" in late.text, "the page catches up with its vote"
    assert _votes(quick, battle) == ["tie"]
    assert Visitor(quick.url).call("undo.click", None).toasts == [SAID["error_no_battle"]]


def test_a_stranger_takes_nobodys_vote_back(patient: Server) -> None:
    owner, battle = _begun(patient, "Mine alone")
    owner.join("vote-b.click", None)
    _wait_chosen(patient, owner, "Mine alone")
    thief = Visitor(patient.url, Visitor(patient.url).cookie, session=owner.session)
    assert thief.call("undo.click", None).toasts == [SAID["error_undo_late"]]
    assert "Mine alone" not in Visitor(patient.url, owner.cookie).call("load").text, "the choice still holds"
    assert _votes(patient, battle) == []


def test_sixteen_clicks_of_two_tabs_are_one_vote(quick: Server) -> None:
    owner, battle = _begun(quick, "Sixteen")
    second = Visitor(quick.url, owner.cookie)
    second.call("load")
    clicks = [OUTCOMES[number % 4] for number in range(16)]
    events = [(tab, tab.join(_button(one), None)) for tab, one in zip((owner, second) * 8, clicks, strict=True)]
    replies = [reply for tab in (owner, second) for reply in tab.read(*(event for one, event in events if one is tab))]
    [stored] = _votes(quick, battle)
    for click, reply in zip([*clicks[::2], *clicks[1::2]], replies, strict=True):
        if click == stored:
            assert "Quillon" in reply.text
        else:
            assert reply.toasts == [SAID["refused_already_voted"]]


def test_a_page_that_is_left_has_voted(quick: Server) -> None:
    visitor, battle = _begun(quick, "Left")
    visitor.join("vote-a.click", None)
    visitor.http.close()
    wait_for(lambda: _votes(quick, battle) == ["a"])


def test_an_orderly_stop_stores_what_could_still_be_taken_back(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=0, UNDO_SECONDS=HOLD, STOP_SECONDS=0) as server:
        visitor, battle = _begun(server, "Stopped")
        visitor.join("vote-both-bad.click", None)
        _wait_chosen(server, visitor, "Stopped")
        assert _votes(server, battle) == []
    assert _votes(server, battle) == ["both_bad"]


def _begun(server: Server, prompt: str) -> tuple[Visitor, str]:
    visitor = Visitor(server.url)
    assert prompt in visitor.ask(prompt).text
    [(battle,)] = server.rows("select battle_id from turn where prompt = ? order by started_at desc limit 1", prompt)
    return visitor, str(battle)


def _wait_chosen(server: Server, voter: Visitor, prompt: str) -> None:
    """Until the voter's choice has come in: another page does not go on with this battle any more."""
    other = Visitor(server.url, voter.cookie)
    wait_for(lambda: prompt not in other.call("load").text)


def _button(outcome: str) -> str:
    return f"vote-{outcome.replace('_', '-')}.click"


def _votes(server: Server, battle: str) -> list[str]:
    return [str(outcome) for (outcome,) in server.rows("select outcome from vote where battle_id = ?", battle)]
