"""When things arrive, how much at a time, and how long the server says it took: nothing of it names a model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from gradio_client.utils import apply_diff
from numpy.typing import NDArray
from support import Server, Visitor, canary, serving, write_catalog

pytestmark = [pytest.mark.integrity, pytest.mark.slow, pytest.mark.timeout(900)]

# Seconds to the first text, characters a piece, pieces a second: 400, 240, 160, 120, 88 and 56 characters a second.
MODELS = {
    "alder": (0.1, 4, 100), "birch": (0.8, 6, 40), "cedar": (0.4, 8, 20), "elm": (1.6, 3, 40), "fir": (1.2, 4, 22),
    "oak": (2.0, 7, 8),
}  # fmt: skip
WARM_UP = 32  # after which the arena knows how fast they are
BATTLES = 240
TOGETHER = 16
BINS = 60  # quarters of a second whose growth is looked at
NEIGHBOURS = (1, 5, 15)
# Of each model. One seed picks both answers of a battle: of a dozen, the two lengths together would name the pair.
REPLIES = 300

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What one message of a stream told: when it came, in seconds, what the server said it took, and both lengths."""

    at: float
    took: float
    lengths: tuple[int, int]


@dataclass(frozen=True)
class Watched:
    """One battle as its visitor's raw stream showed it, and who was on side A."""

    seen: Sequence[Seen]
    a: str


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Six models whose texts tell nothing: only their times differ."""
    rng = Random(3)
    entries = []
    for tree, (first, chunk, pieces) in MODELS.items():
        replies = [("word " * 60)[: rng.randrange(60, 200)].strip() for _ in range(REPLIES)]
        script = {"chunk": chunk, "tokens_per_second": pieces, "first_token_seconds": first}
        entries.append(canary(tree, replies=replies, by_seed=True, **script))
    return write_catalog(tmp_path / "catalog.toml", *entries)


def test_nearest_neighbours_can_not_name_a_model_by_its_times(tmp_path: Path, catalog: Path) -> None:
    right = best_guesses(watched(tmp_path, catalog))
    print(f"\npaced: {right:.1%} of the models named (chance {1 / len(MODELS):.1%})")
    assert right <= 0.30


def test_without_pacing_the_same_neighbours_name_most_of_them(tmp_path: Path, catalog: Path) -> None:
    """The control."""
    right = best_guesses(watched(tmp_path, catalog, PACE_CHARS=0))
    print(f"\nnot paced: {right:.1%} of the models named")
    assert right >= 0.80


# -- watching ----------------------------------------------------------------------------------------


def watched(folder: Path, catalog: Path, **settings: Any) -> list[Watched]:
    """Battles of many visitors at once, of which the first few are not looked at."""
    with (
        serving(folder, catalog, ready=6, MAX_BATTLES=TOGETHER, **settings) as server,
        ThreadPoolExecutor(TOGETHER) as threads,
    ):
        visitors = [Visitor(server.url) for _ in range(TOGETHER)]

        def several(battles: int) -> list[Watched]:
            share = battles // TOGETHER
            return [one for own in threads.map(lambda one: _fight(server, one, share), visitors) for one in own]

        several(WARM_UP)
        return several(BATTLES)


def _fight(server: Server, visitor: Visitor, battles: int) -> list[Watched]:
    return [_battle(server, visitor) for _ in range(battles)]


def _battle(server: Server, visitor: Visitor) -> Watched:
    assert visitor.call("prompt.submit", "How are you?", True, None).success
    began, event = time.perf_counter(), visitor.join("watch", None)
    seen = [_seen(time.perf_counter() - began, *message) for message in _messages(visitor, event)]
    voter = visitor.cookie.split(".")[0]
    [(name,)] = server.rows(
        "select name from battle join contestant on fingerprint = contestant_a where voter = ?"
        " order by battle.created_at desc limit 1",
        voter,
    )
    assert visitor.call("new-battle.click").success
    return Watched(seen, name)


def _messages(visitor: Visitor, event: str) -> Any:
    """What the streaming event sends, as it comes: the server's own account of it, and both panes' values."""
    panes: list[Any] = []
    with visitor.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": visitor.session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
            if message.get("event_id") != event:
                continue
            if message["msg"] == "process_generating":
                data = message["output"]["data"]
                panes = [apply_diff(old, new) for old, new in zip(panes, data, strict=True)] if panes else data
                yield message["output"], panes
            if message["msg"] == "process_completed":
                yield message["output"], panes
                return


def _seen(at: float, output: dict[str, Any], panes: Sequence[Any]) -> Seen:
    a, b = (_length(pane) for pane in panes)
    return Seen(at, float(output.get("duration") or 0), (a, b))


def _length(pane: Any) -> int:
    """Characters of the answer in a pane's value."""
    text = pane[-1]["content"]
    text = text if isinstance(text, str) else text[0]["text"]
    return 0 if text == "…" else len(text)


# -- guessing ----------------------------------------------------------------------------------------


def best_guesses(battles: Sequence[Watched]) -> float:
    """The share of battles whose model on side A is named right by the best of several classifiers.

    Each takes the majority of a battle's nearest neighbours among all others, by the whole course of both answers,
    by a summary of it, or by that of side A alone. Which is best is learnt on one half of the battles and counted on
    the other, both ways: the best of twelve on the same battles would be several points above what it knows.
    """
    labels = np.array([sorted(MODELS).index(battle.a.split()[1].lower()) for battle in battles])
    courses = _table(_course(battle.seen) for battle in battles)
    own, other = (_table(_of_side(battle.seen, side) for battle in battles) for side in (0, 1))
    both = np.hstack([own, other, _table(_of_event(battle.seen) for battle in battles)])
    views = (own, both, courses, np.hstack([courses, both]))
    right = np.array([_right(view, labels, most) for view in views for most in NEIGHBOURS])
    halves = right[:, ::2], right[:, 1::2]
    chosen = [int(half.mean(1).argmax()) for half in halves]
    return float(np.concatenate([halves[1][chosen[0]], halves[0][chosen[1]]]).mean())


def _of_side(seen: Sequence[Seen], side: int) -> list[float]:
    """First text, duration, speed, largest and usual step of one side."""
    sizes = [one.lengths[side] for one in seen]
    first = next((place for place, size in enumerate(sizes) if size), 0)
    end = sizes.index(sizes[-1])
    steps = np.diff([0, *sizes])
    duration = seen[end].at - seen[first].at
    speed = (sizes[end] - sizes[first]) / max(duration, 0.25)
    usual = float(np.median(steps[steps > 0])) if sizes[-1] else 0.0
    return [seen[first].at, duration, speed, float(steps.max()), usual]


def _of_event(seen: Sequence[Seen]) -> list[float]:
    """The end of it all, how many messages, and what the server said they took."""
    took = [one.took for one in seen]
    return [seen[-1].at, float(len(seen)), float(np.mean(took)), max(took), float(np.median(took)), took[0]]


def _course(seen: Sequence[Seen]) -> list[float]:
    """How much each side grew in each quarter of a second, and what the server said that took."""
    grown = np.zeros((3, BINS))
    before = (0, 0)
    for one in seen:
        place = min(int(one.at / 0.25), BINS - 1)
        grown[:, place] += (one.lengths[0] - before[0], one.lengths[1] - before[1], 100 * one.took)
        before = one.lengths
    return [float(value) for value in grown.ravel()]


def _table(rows: Iterable[Sequence[float]]) -> Floats:
    """Rows of figures, each column on the scale of its spread."""
    table = np.array(list(rows), np.float64)
    spread = table.std(0)
    return np.asarray((table - table.mean(0)) / np.where(spread > 0, spread, 1), np.float64)


def _right(table: Floats, labels: NDArray[np.int64], neighbours: int) -> NDArray[np.bool_]:
    """Of each battle, whether the majority of its neighbours names its model."""
    distance = ((table[:, None] - table[None]) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    nearest = labels[np.argsort(distance, axis=1)[:, :neighbours]]
    guesses = np.array([np.bincount(row, minlength=len(MODELS)).argmax() for row in nearest])
    return np.asarray(guesses == labels, np.bool_)
