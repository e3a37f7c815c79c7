"""Visitors who leave, an engine that hangs, one that never ends: their places come back, and nobody waits for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support import Server, Visitor, canary, serving, wait_for, write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(300)]

PLACES = 20
ANSWER_SECONDS = 4.0
MOST_CHARS = 2000
# Places are back within two seconds where the machine has nothing else to do; what fails here is that they stay taken.
PATIENCE = 10.0


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One never ends, one hangs, one answers."""
    folder = tmp_path_factory.mktemp("odd")
    catalog = write_catalog(
        folder / "catalog.toml",
        canary("alder", endless=True, max_tokens=10**6, tokens_per_second=400),
        canary("birch", hang=True),
        canary("cedar", replies=["A whole answer."]),
    )
    given = {"ANSWER_SECONDS": ANSWER_SECONDS, "MAX_ANSWER_CHARS": MOST_CHARS, "MAX_BATTLES": PLACES}
    with serving(folder, catalog, 3, 120, PACE_CHARS=1000, **given) as server:
        yield server


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Nobody of them ends in time: a place that comes back was given back by who left."""
    folder = tmp_path_factory.mktemp("endless")
    script = {"endless": True, "max_tokens": 10**6, "tokens_per_second": 20}
    catalog = write_catalog(folder / "catalog.toml", canary("alder", **script), canary("birch", **script))
    with serving(folder, catalog, 2, 120, MAX_BATTLES=PLACES, MAX_WAITING=1) as server:
        yield server


def test_twenty_who_leave_give_their_places_back(endless: Server) -> None:
    visitors = [Visitor(endless.url) for _ in range(PLACES)]
    with ThreadPoolExecutor(PLACES) as threads:
        assert all(threads.map(lambda one: one.call("prompt.submit", "Why?", True, None).success, visitors))
        watching = list(threads.map(lambda one: _watch_a_moment(one), visitors))
    assert all(watching)
    left = time.monotonic()
    wait_for(lambda: _running(endless) == 0, PATIENCE)
    print(f"\n{PLACES} places were back {time.monotonic() - left:.1f} s after the last visitor had left")
    wait_for(lambda: endless.rows("select distinct status from battle") == [("stopped",)], PATIENCE)
    newcomer = Visitor(endless.url)
    assert newcomer.call("prompt.submit", "Is there room?", True, None).success
    assert _running(endless) <= 1, "the control: who does not leave keeps a place"
    wait_for(lambda: _running(endless) == 1)


def _watch_a_moment(visitor: Visitor) -> bool:
    """Look at the first frame, then close the browser; whether there was one."""
    visitor.join("watch", None)
    with visitor.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": visitor.session}) as stream:
        seen = any("process_generating" in line for line in stream.iter_lines())
    visitor.http.close()
    return seen


def _running(server: Server) -> int:
    return int(httpx.get(f"{server.url}/healthz", timeout=30).json()["battles"]["running"])


def test_what_hangs_is_void_at_the_deadline_and_what_never_ends_is_capped(odd: Server) -> None:
    visitor = Visitor(odd.url)
    seen: set[str] = set()
    for _ in range(12):
        began = time.monotonic()
        assert visitor.ask("Will you ever end?").success
        took = time.monotonic() - began
        [(status, a, b)] = odd.rows(_LAST)
        if status == "void":
            assert ANSWER_SECONDS <= took < ANSWER_SECONDS + 10
        else:
            assert sorted((len(a), len(b))) == [len("A whole answer."), MOST_CHARS]
            assert visitor.vote("tie").success
        seen.add(status)
        visitor.call("new-battle.click")
        if seen == {"void", "open"}:
            break
    assert seen == {"void", "open"}
    assert _running(odd) == 0


_LAST = (
    "select battle.status, answer_a, answer_b from turn join battle on battle.id = battle_id"
    " order by battle.created_at desc limit 1"
)
