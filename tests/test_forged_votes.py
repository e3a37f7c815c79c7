"""Double clicks, replays and forged votes over real HTTP: one vote a battle, the first one, its owner's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any

import pytest
from gradio_client import Client
from support import Reply, Server, Visitor, canary, serving, wait_for, write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(300)]

OUTCOMES = ("a", "b", "tie", "both_bad")
NAME = "Quillon"
VOTE_MINUTES = 0.0001
SHORT = "A short answer."
LONG = "A long answer that goes on. " * 80


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("votes")
    catalog = write_catalog(
        folder / "catalog.toml", *(canary(tree, replies=[SHORT, LONG], chunk=16) for tree in ("alder", "birch"))
    )
    with serving(folder, catalog, PACE_CHARS=100) as server:
        yield server


@pytest.fixture(scope="module")
def brittle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Half of its battles fail, and the others can be voted on for six milliseconds."""
    folder = tmp_path_factory.mktemp("brittle")
    catalog = write_catalog(
        folder / "catalog.toml",
        canary("alder", replies=[SHORT]),
        canary("birch", replies=[SHORT]),
        canary("cedar", replies=[SHORT], fail_after=4),
    )
    with serving(folder, catalog, ready=3, PACE_CHARS=0, VOTE_MINUTES=VOTE_MINUTES) as server:
        yield server


@pytest.fixture(autouse=True)
def sound(request: pytest.FixtureRequest, arena: Server) -> Iterator[None]:
    """Whatever a test did, every vote is its battle's only one and belongs to who asked."""
    yield
    assert arena.rows("select battle_id from vote group by battle_id having count(*) > 1") == []
    assert arena.rows("select 1 from vote v join battle b on b.id = v.battle_id where v.voter != b.voter") == []
    assert arena.rows("select 1 from battle where (status = 'voted') != (id in (select battle_id from vote))") == []
    [(votes, last)] = arena.rows("select count(*), coalesce(max(sequence), 0) from vote")
    assert votes == last


def test_sixteen_threads_press_every_button_of_one_battle_and_one_vote_is_stored(arena: Server) -> None:
    for number in range(10):
        owner, battle = _begun(arena, f"Race {number}")
        again = Visitor(arena.url, owner.cookie)  # the same voter in a second tab
        again.call("load")
        pressed = list(islice(cycle(OUTCOMES), number, number + 16))
        with ThreadPoolExecutor(16) as threads:
            events = list(threads.map(_press, cycle((owner, again)), pressed))
        replies = dict(zip(events[::2], owner.read(*events[::2]), strict=True))
        replies |= dict(zip(events[1::2], again.read(*events[1::2]), strict=True))
        [stored] = _votes(arena, battle)
        for event, outcome in zip(events, pressed, strict=True):
            _expect_answer(replies[event], won=outcome == stored)


def test_a_replayed_vote_gets_the_same_answer_and_another_outcome_none(arena: Server) -> None:
    owner, battle = _begun(arena, "Replay")
    first = owner.vote("tie")
    assert NAME in first.text
    for _ in range(5):
        assert owner.vote("tie").messages[-1]["output"]["data"] == first.messages[-1]["output"]["data"]
        for outcome in ("a", "b", "both_bad"):
            _expect_answer(owner.vote(outcome), won=False)
    assert _votes(arena, battle) == ["tie"]


def test_another_voters_cookie_in_the_same_session_is_refused(arena: Server) -> None:
    owner, battle = _begun(arena, "Session theft")
    thief = Visitor(arena.url, Visitor(arena.url).cookie, session=owner.session)
    _expect_refused(thief.vote("a"), "This battle is not yours.")
    for outcome in OUTCOMES * 2:  # the page has let go of what it may not show
        _expect_refused(thief.vote(outcome), "There is no battle yet")
    for event in ("regenerate.click", "stop.click"):
        _expect_refused(thief.call(event, None), "There is no battle yet")
    assert NAME not in thief.call("load").text
    assert _votes(arena, battle) == []
    assert NAME not in owner.call("load").text
    assert NAME in owner.vote("b").text
    assert _votes(arena, battle) == ["b"]


def test_a_forged_or_absent_cookie_can_neither_vote_nor_ask(arena: Server) -> None:
    owner, battle = _begun(arena, "Forged cookie")
    voter, signature = owner.cookie.split(".")
    other = Visitor(arena.url).cookie.split(".")
    changed = "A" if signature[0] != "A" else "B"
    forged = [
        "", "x", ".", voter, f"{voter}.", f"{voter}.{changed}{signature[1:]}", f"{voter}.{other[1]}",
        f"{other[0]}.{signature}", f"{'0' * 32}.{signature}", f"{voter.upper()}.{signature}", f"{voter}%2e{signature}",
        "y" * 5000,
    ]  # fmt: skip
    before = arena.rows("select count(*) from battle")
    for cookie in forged:
        forger = Visitor(arena.url, cookie, session=owner.session)
        _expect_refused(forger.vote("a"), "Your browser sent no valid cookie")
        _expect_refused(Visitor(arena.url, cookie).ask("Who am I?"), "Your browser sent no valid cookie")
    assert _votes(arena, battle) == []
    assert arena.rows("select count(*) from battle") == before


def test_a_battle_id_sent_by_the_client_is_not_looked_at(arena: Server) -> None:
    owner, battle = _begun(arena, "Forged state")
    for outcome in OUTCOMES:  # a page of the owner that lost its battle is shown it, and no vote is taken
        lost = Visitor(arena.url, owner.cookie)
        _expect_refused(lost.vote(outcome, "0" * 32), "The page had lost your battle")
    for forger in (Visitor(arena.url), Visitor(arena.url)):
        for outcome in OUTCOMES:
            _expect_refused(forger.vote(outcome, battle), "There is no battle yet")
        _expect_refused(forger.call("regenerate.click", battle), "There is no battle yet")
        body = {"data": [battle], "session_hash": secrets.token_hex(8)}
        for name in ("vote", "vote_1", "vote_2", "vote_3"):
            answer = forger.http.post(f"/gradio_api/call/{name}", json=body)
            if answer.status_code == 200:
                path = f"/gradio_api/call/{name}/{answer.json()['event_id']}"
                assert NAME not in forger.http.get(path).text
    assert _votes(arena, battle) == []


def test_a_vote_while_both_answer_or_after_a_stop_is_refused(arena: Server) -> None:
    owner, battle = _begun(arena, "First turn")
    owner.call("prompt.submit", "Second turn", True, None)
    watched = owner.join("watch", None)
    again = Visitor(arena.url, owner.cookie, session=owner.session)
    _wait_status(arena, battle, "generating")
    votes = [owner.join(f"vote-{outcome.replace('_', '-')}.click", None) for outcome in OUTCOMES * 2]
    stopped = again.join("stop.click", None)
    _, *replies, _ = owner.read(watched, *votes, stopped)
    for reply in replies:
        _expect_refused(reply, "Wait until both answers are complete.")
    _wait_status(arena, battle, "stopped")
    for outcome in OUTCOMES:
        _expect_refused(owner.vote(outcome), "Answers that were stopped")
    assert _votes(arena, battle) == []


def test_a_failed_and_an_expired_battle_take_no_vote(brittle: Server) -> None:
    left = {"void": "This battle failed", "open": "This battle is too old"}
    while left:  # which pair meets is drawn by lot
        visitor = Visitor(brittle.url)
        assert visitor.ask("Will it fail?").success
        [(battle, status, finished)] = brittle.rows(
            "select id, status, finished_at from battle order by created_at desc limit 1"
        )
        _wait_past(finished)
        for outcome in OUTCOMES:
            _expect_refused(visitor.vote(outcome), left.get(status, "This battle"))
        assert Visitor(brittle.url, visitor.cookie).call("load").success
        assert _votes(brittle, battle) == []
        left.pop(status, None)
    assert brittle.rows("select count(*) from vote") == [(0,)]


def test_after_the_reveal_nothing_can_be_changed(arena: Server) -> None:
    owner, battle = _begun(arena, "After the reveal")
    owner.vote("a")
    for outcome in ("b", "tie", "both_bad"):
        _expect_answer(owner.vote(outcome), won=False)
    _expect_refused(owner.call("regenerate.click", None), "This battle has its vote", revealed=True)
    _expect_refused(owner.ask("More?"), "This battle has its vote", revealed=True)
    owner.call("new-battle.click")
    _expect_refused(owner.vote("b"), "There is no battle yet")
    assert _votes(arena, battle) == ["a"]


def test_gradios_own_client_gets_no_further_than_the_page(arena: Server) -> None:
    cookie = Visitor(arena.url).cookie
    with closing(_client(arena, cookie)) as client, closing(_client(arena, Visitor(arena.url).cookie)) as stranger:
        functions = Visitor(arena.url).functions
        client.predict("By client", True, fn_index=functions["prompt.submit"])
        client.predict(fn_index=functions["watch"])
        [(battle,)] = arena.rows("select battle_id from turn where prompt = 'By client'")
        for button in ("vote-a", "vote-b", "vote-tie", "vote-both-bad"):
            assert NAME not in str(stranger.predict(fn_index=functions[f"{button}.click"]))
        assert NAME in str(client.predict(fn_index=functions["vote-both-bad.click"]))
        with ThreadPoolExecutor(8) as threads:
            pressed = [functions[f"{button}.click"] for button in ("vote-a", "vote-b", "vote-tie")] * 4
            answers = list(threads.map(lambda index: client.predict(fn_index=index), pressed))
        assert all("You found both bad." in str(answer) for answer in answers)
    assert _votes(arena, battle) == ["both_bad"]


def _client(arena: Server, cookie: str) -> Any:
    client = Client(
        arena.url,
        headers={"cookie": f"paddock_voter={cookie}"},
        analytics_enabled=False,
        download_files=False,
        verbose=False,
    )
    for endpoint in client.endpoints.values():
        endpoint.is_valid = True  # it would not call private events by itself
    return client


def _begun(arena: Server, prompt: str) -> tuple[Visitor, str]:
    """A newcomer with an open battle, and the battle's id."""
    owner = Visitor(arena.url)
    reply = owner.ask(prompt)
    assert reply.success
    assert NAME not in reply.text
    [(battle,)] = arena.rows("select battle_id from turn where prompt = ?", prompt)
    return owner, battle


def _press(visitor: Visitor, outcome: str) -> str:
    return visitor.join(f"vote-{outcome.replace('_', '-')}.click", None)


def _votes(server: Server, battle: str) -> list[str]:
    return [outcome for (outcome,) in server.rows("select outcome from vote where battle_id = ?", battle)]


def _expect_answer(reply: Reply, *, won: bool) -> None:
    """Whoever comes too late is told so, and shown the vote that counts."""
    if won:
        assert reply.toasts == []
        assert reply.text.count(NAME) >= 2
    else:
        _expect_refused(reply, "This battle has its vote; the first one counts.", revealed=True)


def _expect_refused(reply: Reply, sentence: str, *, revealed: bool = False) -> None:
    assert len(reply.toasts) == 1, reply.text
    assert reply.toasts[0].startswith(sentence)
    assert (NAME in reply.text) is revealed


def _wait_status(server: Server, battle: str, status: str) -> None:
    wait_for(lambda: server.rows("select status from battle where id = ?", battle) == [(status,)])


def _wait_past(finished: str) -> None:
    """Wait until the time for a vote on a battle finished then is over."""
    moment = datetime.fromisoformat(finished).replace(tzinfo=UTC) + timedelta(minutes=VOTE_MINUTES)
    wait_for(lambda: datetime.now(UTC) > moment)
