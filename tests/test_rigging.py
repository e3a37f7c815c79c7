"""A rigger against an arena of eight contestants and a thousand honest votes, over HTTP and simulated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from arenas import database_with
from polled import Poll, honest, poll_in
from simulate import spaced
from support import Server, Visitor, canary, serving, write_catalog

from arena.boards.leaderboard import Leaderboard
from arena.integrity.review import Review
from arena.ratings.bradley_terry import fit
from arena.ratings.tally import count
from db.outcome import Outcome
from models.catalog import load_catalog

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(900)]

TREES = ("alder", "birch", "cedar", "elder", "hazel", "maple", "rowan", "willow")
TARGET = 4
KNOWN_BY = "A sentence about quokkas."
COOKIES, VOTES = 3, 20
HONEST = 1000
# Nobody reads as little in less time; a rigger who is quicker is held for that alone.
READING_SECONDS = 2.4
# Where a proxy on this machine says that the rigger comes from: this machine itself is no network.
HOME = "93.184.216.34"
VOTED = "select contestant_a, contestant_b, outcome from vote where {} order by sequence"
STANDING = "select v.status, count(*) from vote v join battle b on b.id = v.battle_id where b.network is {} group by 1"
FLAGGED = "select count(*) from vote where reason in ('biased', 'network_biased')"


@pytest.fixture
def arena(tmp_path: Path, rng: np.random.Generator) -> Iterator[Server]:
    """Eight contestants, one of which is known by its words, and what honest people said of them so far."""
    catalog = write_catalog(
        tmp_path / "catalog.toml",
        *(
            canary(tree, replies=[KNOWN_BY if number == TARGET else "A short answer."])
            for number, tree in enumerate(TREES)
        ),
    )
    specs = load_catalog(catalog)
    (tmp_path / "data").mkdir()
    with closing(database_with(tmp_path / "data", *specs)) as database:
        honest(Poll(database, specs, spaced(8, 140), rng), 50, HONEST)
    limits = {"VOTES_A_MINUTE": 60, "BATTLES_IN_TEN_MINUTES": 100_000, "BATTLES_A_DAY": 100_000}
    with serving(tmp_path, catalog, ready=8, PACE_CHARS=0, GUARD="on", **limits) as server:
        yield server


def rank_of(rows: list[tuple[Any, ...]], target: str) -> int:
    """The target's place among the contestants by these votes, 1 the best."""
    names = sorted({name for a, b, _ in rows for name in (a, b)})
    a, b = (np.array([names.index(row[side]) for row in rows]) for side in (0, 1))
    points = np.array([Outcome(row[2]).score_a for row in rows])
    strength = fit(count(a, b, points, len(names))).strength
    return int((strength > strength[names.index(target)]).sum()) + 1


class Patient(httpx.HTTPTransport):
    """Waits and asks again where the arena says that one network asks too much, as a rigger's script would."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        while (response := super().handle_request(request)).status_code == httpx.codes.TOO_MANY_REQUESTS:
            response.close()
            time.sleep(1)
        return response


def rig(server: Server, cookie: int) -> int:
    """Cast votes for the target as a newcomer who leaves all other battles; how many battles that took."""
    visitor = Visitor(server.url, transport=Patient())
    visitor.http.headers["x-forwarded-for"] = HOME
    fought = cast = 0
    while cast < VOTES:
        fought += 1
        reply = visitor.call("prompt.submit", f"Question {fought} of {cookie}?", True, None)
        assert reply.success, reply.text
        panes = visitor.call("watch", None)
        visitor.call("show", None)
        said = [str(panes.frames(pane)[-1]) for pane in (0, 1)]
        mine = [KNOWN_BY in text for text in said]
        if any(mine):
            time.sleep(READING_SECONDS)
            visitor.vote("a" if mine[0] else "b")
            cast += 1
        visitor.call("new-battle.click")
    return fought


def test_a_rigger_with_three_cookies_is_flagged_and_moves_at_most_one_rank(arena: Server) -> None:
    target = load_catalog(arena.folder / "catalog.toml")[TARGET].fingerprint
    began = rank_of(arena.rows(VOTED.format("status = 'counted'")), target)
    seen: dict[int, int] = {}  # its place by how many votes the rigger has cast
    flagged: int | None = None
    with ThreadPoolExecutor(COOKIES) as riggers:
        running = [riggers.submit(rig, arena, cookie) for cookie in range(COOKIES)]
        while not all(one.done() for one in running):
            time.sleep(1)
            cast = arena.rows("select count(*) from vote")[0][0] - HONEST
            seen[cast] = rank_of(arena.rows(VOTED.format("status = 'counted'")), target)
            if flagged is None and arena.rows(FLAGGED)[0][0]:
                flagged = cast
        fought = sum(one.result() for one in as_completed(running))
    naive = rank_of(arena.rows(VOTED.format("1 = 1")), target)
    print(
        f"{COOKIES * VOTES} votes of {fought} battles: flagged after {flagged}, places {seen}, with all of it {naive}"
    )
    assert began - naive > 1, "without rules these votes would have moved it by more"
    assert flagged is not None
    assert flagged <= 100
    assert max(abs(began - place) for place in seen.values()) <= 1
    assert arena.rows(STANDING.format("not null")) == [("held", COOKIES * VOTES)], "in the end none of them counts"
    assert arena.rows(STANDING.format("null")) == [("counted", HONEST)]


@pytest.mark.parametrize("only", [True, False], ids=["waits for its target", "votes on all battles"])
@pytest.mark.parametrize("target", [1, 4, 6])
def test_riggers_of_several_networks_move_at_most_one_rank_too(
    tmp_path: Path, rng: np.random.Generator, target: int, only: bool
) -> None:
    """Simulated, each cookie from a network of its own, reviewed after every round of a vote each."""
    with poll_in(tmp_path, spaced(8, 140), rng) as poll:
        honest(poll, 50, HONEST)
        review, name = Review(poll.database, now=lambda: poll.now + timedelta(days=2)), poll.specs[target].fingerprint
        began = place(poll, name)
        riggers = [poll.person(f"rigger-{n}", target=target, only=only, network=f"n{n}") for n in range(COOKIES)]
        riggers = [replace(one, ties=0.0) for one in riggers]
        flagged: dict[str, int] = {}
        places = []
        for number in range(1, VOTES + 1):
            for rigger in riggers:
                poll.vote(rigger)
            poll.store()
            found = review.judge({one.name for one in riggers}, {f"n{n}" for n in range(COOKIES)})
            flagged |= dict.fromkeys(found.biased - flagged.keys(), number)
            places.append(place(poll, name))
        print(f"target {target}, only {only}: flagged after {flagged} votes each, place {began} → {places}")
        assert max(abs(began - one) for one in places) <= 1
        if only:
            assert max(flagged[one.name] for one in riggers) * COOKIES <= 100


def place(poll: Poll, name: str) -> int:
    with closing(Leaderboard(poll.database, poll.specs)) as board:
        ratings = board.ratings()
    return sum(rating > ratings[name] for rating in ratings.values()) + 1
