"""What speaks against trusting a judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from arena.judge.bias import PositionBias
from arena.judge.joined import Compared, cluster_of, compared, place_of
from arena.judge.length import LengthBias
from arena.judge.verdict import Place
from db.judging import JudgedRow

# Fewer verdicts than these are the same by chance, and can't be told from chance.
_A_HABIT = 5
ENOUGH = 20
MANY_FAILED = 0.1

FlagCode = Literal[
    "always_first",  # every verdict goes to the answer shown first
    "always_second",
    "always_tie",
    "same_score",  # every answer gets the same score
    "chance",  # the two orders agree no more often than those of a judge who does not look, or hardly more
    "unsure",  # they may agree no more often, but also much more: too few pairs of orders to tell
    "one_order",  # the place's influence was not measured
    "unfinished",  # some questions were judged in one order, others of the same two contestants in both
    "first_place",  # verdicts lean towards one place, beyond what chance explains
    "longer_wins",  # longer answers win more often, strength held equal
    "failed",  # many judgments have no verdict: no reply came, or none that could be read
    "self_judged",  # the judge judged answers of its own
    "few",  # few questions
]
_ALWAYS: dict[Place, FlagCode] = {"first": "always_first", "second": "always_second", "tie": "always_tie"}


@dataclass(frozen=True)
class Flag:
    """What speaks against a judge: `count` and `share` are the figures behind it. `useless`: verdicts mean nothing."""

    code: FlagCode
    useless: bool
    count: int
    share: float


def flags_of(rows: Sequence[JudgedRow], position: PositionBias | None, length: LengthBias | None) -> tuple[Flag, ...]:
    """All that speaks against a judge, given what it said in one form of one set; what makes it useless first."""
    done = [row for row in rows if row.status == "done"]
    found = [*_habits(done), *_placed(done, compared(rows), position), *_others(rows, done)]
    if length is not None and length.slope is not None and length.slope.low > 0:
        found.append(Flag("longer_wins", False, length.longer_wins.of, length.longer_wins.value))
    return tuple(sorted(found, key=lambda flag: not flag.useless))


def _habits(done: Sequence[JudgedRow]) -> Iterator[Flag]:
    """A judge that says the same whatever it reads."""
    if len(done) < _A_HABIT:
        return
    scores = {score for row in done for score in (row.score_a, row.score_b) if score is not None}
    places = {place_of(row) for row in done if row.b is not None}
    if len(scores) == 1:
        yield Flag("same_score", True, len(done), 1.0)
    elif len(places) == 1:
        (place,) = places
        # Where one contestant always stood first, it may also have won by what it wrote.
        both_ways = len({row.first for row in done}) > 1
        yield Flag(_ALWAYS[place], place == "tie" or both_ways, len(done), 1.0)


def _placed(
    done: Sequence[JudgedRow], comparisons: Sequence[Compared], position: PositionBias | None
) -> Iterator[Flag]:
    if position is None:
        if any(row.b is not None for row in done):
            yield Flag("one_order", False, len(done), 1.0)
        return
    if unfinished := _unfinished(comparisons):
        yield Flag("unfinished", False, unfinished, unfinished / len(comparisons))
    consistency, first_place = position.consistency, position.first_place
    if consistency.low <= position.chance:
        # Not shown to be better is not shown to be no better: for that a decent consistency must be ruled out too.
        decent = (1 + position.chance) / 2
        blind = consistency.of >= ENOUGH and consistency.high < decent
        yield Flag("chance" if blind else "unsure", blind, consistency.of, consistency.value)
    if first_place is not None and not first_place.low <= 0.5 <= first_place.high:
        yield Flag("first_place", False, first_place.of, first_place.value)


def _unfinished(comparisons: Sequence[Compared]) -> int:
    """Comparisons in one order, of contestants that were compared in both on other questions."""
    both = {(one.a, one.b) for one in comparisons if len(one.orders) == 2}
    return sum(len(one.orders) == 1 and (one.a, one.b) in both for one in comparisons)


def _others(rows: Sequence[JudgedRow], done: Sequence[JudgedRow]) -> Iterator[Flag]:
    failed = len(rows) - len(done)
    if rows and failed / len(rows) >= MANY_FAILED:
        yield Flag("failed", not done, failed, failed / len(rows))
    own = Counter(row.judge in (row.a, row.b) for row in rows)[True]
    if own:
        yield Flag("self_judged", False, own, own / len(rows))
    questions = len({cluster_of(row) for row in done})
    if questions < ENOUGH:
        yield Flag("few", False, questions, questions / ENOUGH)
