"""What else could tell a visitor who answers: what the server sends, what a stop leaves, how answers fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from arenas import arena_of, contestant, until_text
from endpoint_stub import MODEL, Reply, Stub, cut, event, events, raw, refuses
from support import Server, Visitor, canaries_of, canary, serving, wait_for, write_catalog

from arena.view import View
from models.catalog import load_catalog

pytestmark = [pytest.mark.integrity, pytest.mark.timeout(600)]

VOTES = ("a", "b", "tie", "both-bad")
FAILED = "One of the two answers could not be completed, so this battle does not count."


# -- names in what the server sends ------------------------------------------------------------------

VISITORS = 9
EACH = 20  # with the twenty battles in Chromium (browser/test_blind.py) two hundred


class Ear(Visitor):
    """A visitor who keeps every byte it is sent, heads and events."""

    def __init__(self, url: str, cookie: str | None = None) -> None:
        self.heard: list[str] = []
        super().__init__(url, cookie)
        self.url = url
        self.http.headers["accept-encoding"] = "identity"
        self.http.event_hooks["response"] = [self._hear]

    def _hear(self, response: httpx.Response) -> None:
        self.heard.append(f"{response.url} {response.headers}")
        plain = response.iter_raw

        def listening(chunk_size: int | None = None) -> Iterator[bytes]:
            for piece in plain(chunk_size):
                self.heard.append(piece.decode("utf-8", "replace"))
                yield piece

        response.iter_raw = listening  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, tuple[str, ...]]]:
    """Four contestants of whom one always fails; the canaries of all."""
    folder = tmp_path_factory.mktemp("blind")
    replies = ["Quagga answer, the first one.", "Quagga answer, the second one. " + "On and on. " * 20]
    catalog = write_catalog(
        folder / "catalog.toml",
        canary("alder", replies=replies),
        canary("birch", replies=replies, tokens_per_second=200),
        canary("cedar", replies=replies, tokens_per_second=100),
        canary("elm", replies=replies, fail_after=20),
    )
    with serving(folder, catalog, ready=4, PACE_CHARS=0, MAX_BATTLES=VISITORS) as server:
        yield server, (*canaries_of(catalog), "alder", "birch", "cedar", "elm")


@pytest.mark.slow
def test_a_hundred_and_eighty_battles_over_http_send_no_name_before_their_votes(
    blind: tuple[Server, tuple[str, ...]],
) -> None:
    server, canaries = blind

    def play(visitor: Ear) -> int:
        named = 0
        for battle in range(EACH):
            before = _play(visitor, battle)
            assert "Quagga" in before or FAILED in before, "the ear hears"
            assert _found(canaries, before) == []
            visitor.heard.clear()
            after = visitor.vote(VOTES[battle % 4])
            visitor.call("show", None)
            named += after.success and len(_found(canaries, "".join(visitor.heard))) >= 4
            visitor.call("new-battle.click")
            visitor.heard.clear()
        return named

    visitors = [Ear(server.url) for _ in range(VISITORS)]
    with ThreadPoolExecutor(VISITORS) as threads:
        named = list(threads.map(play, visitors))
    assert sum(named) > VISITORS * EACH / 4, "the control: after a vote names are heard"
    [(battles,)] = server.rows("select count(*) from battle")
    assert battles >= VISITORS * EACH


def _play(visitor: Ear, kind: int) -> str:
    """One battle up to its vote, one of ten ways; everything that was sent for it."""
    assert visitor.ask(f"Question {kind}").success
    match kind % 10:
        case 1:
            visitor.ask("And on?")
        case 2:
            visitor.call("regenerate.click", None)
            visitor.call("watch", None)
        case 3:  # what is no battle, no text, no function
            _send_nonsense(visitor)
        case 4:
            for path in ("/config", "/gradio_api/info", "/healthz", "/", "/nowhere", "/metrics", "/admin"):
                visitor.http.get(path)
        case 5:
            visitor.call("load")
            visitor.call("show", None)
        case 6:
            other = Ear(visitor.url, visitor.cookie)
            other.call("load")
            visitor.heard += other.heard
        case 7:
            visitor.call("prompt.submit", "", True, None)
            visitor.call("prompt.submit", "x" * 9000, True, None)
        case 8:
            assert visitor.call("prompt.submit", "And on?", True, None).success
            visitor.read(visitor.join("watch", None), visitor.join("stop.click", None))
    return "".join(visitor.heard)


def _send_nonsense(visitor: Ear) -> None:
    for broken in ([], [None] * 9, [{"a": 1}], ["x" * 5000]):
        visitor.http.post("/gradio_api/queue/join", json={"data": broken, "fn_index": 1, "session_hash": "x"})
    visitor.http.post("/gradio_api/queue/join", json={"data": [], "fn_index": 999, "session_hash": "x"})


def _found(canaries: tuple[str, ...], text: str) -> list[str]:
    folded = text.casefold()
    return [one for one in canaries if one.casefold() in folded]


PUBLIC = (
    "/api/leaderboard",
    "/api/counts",
    "/api/matrix",
    "/config",
    "/download/leaderboard.csv",
    "/download/speed.csv",
)


@pytest.mark.slow
def test_nothing_public_changes_when_a_battle_begins(blind: tuple[Server, tuple[str, ...]]) -> None:
    """Or whoever looks at the counts of all models before and after would see which two met."""
    server, _ = blind
    visitor = Visitor(server.url)

    def public() -> list[str]:
        models = visitor.http.get("/healthz").raise_for_status().json()["models"]
        return [str(models), *(visitor.http.get(path).raise_for_status().text for path in PUBLIC)]

    def battle() -> None:
        """Until one that can be voted on."""
        for _ in range(20):
            visitor.call("new-battle.click")
            if FAILED not in visitor.ask("Who is counted?").text:
                return
        raise AssertionError("every battle failed")

    battle()
    assert visitor.vote("a").success
    wait_for(lambda: server.rows("select count(*) from vote")[0][0] == _counted(visitor))
    before = public()
    battle()
    assert public() == before
    assert visitor.vote("b").success
    wait_for(lambda: public() != before)  # the control: a vote is seen


def _counted(visitor: Visitor) -> int:
    return int(visitor.http.get("/api/counts").raise_for_status().json()["votes"])


def test_the_models_of_each_line_up_are_cut_at_the_same_length() -> None:
    """An answer that ends at the limit must not tell whose limit that is."""
    limits: dict[str, set[int]] = {}
    for spec in load_catalog():
        for lineup in spec.lineups:
            limits.setdefault(lineup, set()).add(spec.sampling.max_tokens)
    assert len(limits) > 2
    assert all(len(one) == 1 for one in limits.values()), limits


# -- what a stop leaves ------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", ["ant", "bee"])
def test_a_stop_leaves_of_both_answers_what_was_shown_and_not_what_had_come(tmp_path: Path, slow: str) -> None:
    """Or whoever stops after a second, and then regenerates, knows which model is the faster one."""
    speeds = {one: {"tokens_per_second": 20 if one == slow else 2000} for one in ("ant", "bee")}
    scripts = [contestant(one, endless=True, max_tokens=9000, **speed) for one, speed in speeds.items()]
    arena = arena_of(tmp_path, *scripts, pace_chars=2000)

    async def stopped() -> tuple[View, View]:
        views = arena.battles.ask(None, "ann", "Why?")
        shown = await until_text(views)
        await arena.battles.stop(shown.battle_id, "ann")
        async for view in views:
            assert isinstance(view, View)
            shown = view if view.status == "generating" else shown
        return shown, arena.battles.view(shown.battle_id, "ann")

    shown, left = asyncio.run(stopped())
    assert left.status == "stopped"
    assert left.exchanges == shown.exchanges
    assert 0 < len(left.exchanges[-1].a) == len(left.exchanges[-1].b)
    [turn] = arena.turns(left.battle_id)
    assert (turn.tokens_a, turn.tokens_b, turn.reason_a, turn.reason_b) == (None,) * 4
    arena.database.close()


# -- how answers fail --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, tuple[str, ...]]]:
    """Eight contestants that can't answer, four engines and four endpoints, each in a way of its own."""
    folder = tmp_path_factory.mktemp("faulty")
    telling = "Quillon Oak 71 by Brackenforge Oak says: out of memory at zq-oak-7f31"
    replies: dict[str, Reply] = {
        "oak": refuses(401, telling),
        "fir": refuses(400, f"This model's maximum context length is 7 tokens. {telling}"),
        "yew": events(event("Half an answer"), then=cut),
        "box": raw(f"data: {{{telling}\n\n".encode()),
    }
    with ExitStack() as stack:
        stubs = {tree: stack.enter_context(Stub([reply])) for tree, reply in replies.items()}
        catalog = write_catalog(
            folder / "catalog.toml",
            canary("alder", fail_after=0),
            canary("birch", replies=["Half an answer and then nothing"], fail_after=14, tokens_per_second=20),
            canary("cedar", replies=["<think>for ever and ever"]),
            canary("elm", hang=True),
            *(_behind(tree, stub) for tree, stub in stubs.items()),
        )
        with serving(folder, catalog, ready=8, ANSWER_SECONDS=3) as server:
            yield server, canaries_of(catalog)


def _behind(tree: str, stub: Stub) -> dict[str, object]:
    entry = canary(tree) | {"engine": "endpoint", "endpoint": {"url": stub.url, "model": MODEL}}
    return {key: value for key, value in entry.items() if key not in ("script", "weights")}


@pytest.mark.slow
def test_eight_faults_look_all_the_same(faulty: tuple[Server, tuple[str, ...]]) -> None:
    server, canaries = faulty
    visitor = Ear(server.url)
    failed: set[str] = set()
    ends: set[str] = set()
    for _ in range(40):
        visitor.heard.clear()
        assert visitor.call("prompt.submit", "Can you?", True, None).success
        streamed = visitor.call("watch", None)
        assert streamed.success
        assert streamed.toasts == []
        shown = [_last_text(streamed.frames(pane)[-1]) for pane in (0, 1)]
        assert shown == [FAILED] * 2
        ends.add(json.dumps(visitor.call("show", None).messages[-1]["output"]["data"], sort_keys=True))
        assert _found(canaries, "".join(visitor.heard)) == []
        assert "memory" not in "".join(visitor.heard)
        failed |= {name for row in server.rows(_PAIR) for name in row}
        visitor.call("new-battle.click")
        # A battle keeps the first failure of its two: whom chance always pairs with a quicker one is not told of yet.
        reasons = {reason for (reason,) in server.rows("select failure from turn")}
        if len(failed) == 8 and len(reasons) > 5:
            break
    assert len(failed) == 8, failed
    assert len(ends) == 1, ends
    assert len(reasons) > 5, "the administrator is told which was which"
    assert server.rows("select distinct status from battle") == [("void",)]


_PAIR = (
    "select a.name, b.name from battle join contestant a on a.fingerprint = contestant_a"
    " join contestant b on b.fingerprint = contestant_b order by battle.created_at desc limit 1"
)


def _last_text(pane: Any) -> str:
    content = pane[-1]["content"]
    return str(content if isinstance(content, str) else content[0]["text"])
