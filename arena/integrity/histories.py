"""Rows of battles → what the rules read: a voter's votes, its record, and how all others voted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from arena.integrity.evidence import Record
from arena.integrity.rules import REASONS
from arena.integrity.standing import Cast
from arena.ratings.bradley_terry import fit
from arena.ratings.tally import Counts, Floats
from db.outcome import Outcome
from db.review import Asked, Fought, Pairing

_WON_BY_A = {Outcome.A.value: True, Outcome.B.value: False}


@dataclass(frozen=True)
class Ground:
    """Everybody's votes that count: decisive ones (K, K) won by the row, the contestants' numbers by fingerprint.

    `total` is how many votes would count if no voter could have too many.
    """

    numbers: Mapping[str, int]
    won: Floats
    total: int

    @cached_property
    def start(self) -> Floats:
        """(K,) strengths by all votes, near which those without one voter's are."""
        return fit(Counts(self.won + self.won.T, self.won, self.won)).strength

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.numbers)

    @property
    def size(self) -> int:
        return len(self.numbers)


class Places:
    """Who has the few places that a prompt has on a day (UTC): voters by the first vote of theirs on it that counts.

    Held votes take none, else a few newcomers could keep all others from a prompt. A vote that counts keeps its place.
    """

    def __init__(self, asked: Iterable[Asked], most: int, free: Collection[str]) -> None:
        """`asked` are votes that count, in their order; prompts in `free` have places for all."""
        self._most, self._free = most, free
        self._taken: dict[tuple[str, date], dict[str, int]] = defaultdict(dict)
        for one in asked:
            self._taken[one.prompt_key, one.cast_at.date()].setdefault(one.voter, one.sequence)

    def crowded(self, battles: Iterable[Fought]) -> set[int]:
        """The sequences of a voter's votes that there is no place for."""
        return {sequence for key, sequence, row in self._asked(battles) if self._is_full(key, sequence, row)}

    def give(self, battles: Sequence[Fought], counted: Collection[str]) -> None:
        """Take note of which of a voter's votes, by their battles, are to count from now on."""
        for key, _, row in self._asked(battles):
            self._taken[key].pop(row.voter, None)
        for key, sequence, row in self._asked(battles):
            if row.battle_id in counted:
                self._taken[key].setdefault(row.voter, sequence)

    def _is_full(self, key: tuple[str, date], sequence: int, row: Fought) -> bool:
        others = [first for voter, first in self._taken[key].items() if voter != row.voter]
        before = [first for first in others if first < sequence] if row.status == "counted" else others
        return len(before) >= self._most

    def _asked(self, battles: Iterable[Fought]) -> Iterator[tuple[tuple[str, date], int, Fought]]:
        for row in battles:
            exempt = row.question_id or row.prompt_key in self._free
            if row.prompt_key and row.sequence and row.cast_at and not exempt:
                yield (row.prompt_key, row.cast_at.date()), row.sequence, row


def ground_of(contestants: Iterable[str], pairings: Iterable[Pairing]) -> Ground:
    numbers = {fingerprint: number for number, fingerprint in enumerate(contestants)}
    won = np.zeros((len(numbers), len(numbers)))
    total = 0
    for pairing in pairings:
        total += pairing.total
        if pairing.outcome in _WON_BY_A and {pairing.a, pairing.b} <= numbers.keys():
            winner, loser = (pairing.a, pairing.b) if _WON_BY_A[pairing.outcome] else (pairing.b, pairing.a)
            won[numbers[winner], numbers[loser]] += pairing.counted
    return Ground(numbers, won, total)


def others_of(ground: Ground, rows: Iterable[Fought]) -> Floats:
    """(K, K) what others won, row against column: all that counts, less what of it is in these rows.

    The rows may be younger than the ground, and tell of votes that are not in it.
    """
    return np.maximum(ground.won - _won(ground, (row for row in rows if row.status == "counted")), 0)


def record_of(ground: Ground, rows: Sequence[Fought]) -> Record:
    """What these rows say of whoever fought them. Whose votes are excluded knew or asked who answered: not blind.

    Only what began before the newest vote was left; the last battle may still get its vote. Of contestants who came
    after the ground was read nothing is known yet.
    """
    rows = [row for row in rows if {row.a, row.b} <= ground.numbers.keys()]
    votes = [row for row in rows if row.sequence is not None and row.status != "excluded"]
    newest = max((row.created_at for row in votes), default=None)
    left = [row for row in rows if row.sequence is None and newest is not None and row.created_at < newest]
    return Record(_won(ground, votes), _met(ground, votes), _met(ground, left), len(votes), len(left))


def casts_of(rows: Iterable[Fought], crowded: Collection[int]) -> list[Cast]:
    """The votes among these rows, in their order."""
    return [_cast(row, row.sequence in crowded) for row in rows if row.sequence is not None]


def is_open(row: Fought) -> bool:
    """Whether the rules may say what becomes of this vote."""
    return not row.settled and (row.status == "counted" or (row.status == "held" and row.reason in REASONS))


def _cast(row: Fought, crowded: bool) -> Cast:
    lengths = [length for length in (row.length_a, row.length_b) if length is not None]
    return Cast(
        battle_id=row.battle_id,
        pair=frozenset((row.a, row.b)),
        network=row.network,
        seconds=_seconds(row),
        shown=max(lengths, default=None),
        prompt=None if row.question_id else row.prompt_key,
        crowded=crowded,
        verified=bool(row.verified),
        open=is_open(row),
        status=row.status or "counted",
        reason=row.reason,
    )


def _seconds(row: Fought) -> float | None:
    """From the answers' end to the vote; None where that is not known, as when the clock was set back between."""
    if row.cast_at is None or row.finished_at is None or row.cast_at < row.finished_at:
        return None
    return (row.cast_at - row.finished_at).total_seconds()


def _won(ground: Ground, rows: Iterable[Fought]) -> Floats:
    won = np.zeros((ground.size, ground.size))
    for row in rows:
        if row.outcome in _WON_BY_A and {row.a, row.b} <= ground.numbers.keys():
            a, b = ground.numbers[row.a], ground.numbers[row.b]
            won[(a, b) if _WON_BY_A[row.outcome] else (b, a)] += 1
    return won


def _met(ground: Ground, rows: Iterable[Fought]) -> Floats:
    met = np.zeros(ground.size)
    for row in rows:
        met[ground.numbers[row.a]] += 1
        met[ground.numbers[row.b]] += 1
    return met
