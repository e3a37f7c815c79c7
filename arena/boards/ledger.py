"""All votes that count as columns in memory; follows the database from a watermark and only ever appends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from db.columns import VoteColumns, columns_after
from db.outcome import Outcome
from db.session import Database
from db.votes import newest_vote, rules_version

VOTES_AT_ONCE = 10_000
MOST_TURNS = np.iinfo(np.int16).max
_STYLES = ("length", "headings", "lists", "bold")
_TYPES: dict[str, DTypeLike] = {
    "a": np.int16,
    "b": np.int16,
    "outcome": np.int8,
    "voter": np.int32,
    "category": np.int16,
    "language": np.int16,
    "turns": np.int16,
    "time": np.float64,
    "verified": np.bool_,
    "style": np.float32,
}


@dataclass(frozen=True)
class Columns:
    """The votes in the order of their commits, a row of each array a vote; nobody may write into the arrays.

    `a` and `b` are indices into `contestants` (fingerprints), `outcome` into `tuple(Outcome)`, `category` and
    `language` into the tuples of their plural ("": not known); `voter` counts from 0 to `voters` - 1. `turns` ends
    at 32767, `time` is in seconds since 1970 (UTC) and need not grow; `verified`: by a verified voter. `style` (n, 4)
    holds the difference of the answers relative to their sum, (a - b) / (a + b + 1), for length, headings, lists and
    bold; NaN: not known.
    A later `generation` is not this one continued: what was made of this one must be made anew.
    """

    a: NDArray[np.int16]
    b: NDArray[np.int16]
    outcome: NDArray[np.int8]
    voter: NDArray[np.int32]
    category: NDArray[np.int16]
    language: NDArray[np.int16]
    turns: NDArray[np.int16]
    time: NDArray[np.float64]
    verified: NDArray[np.bool_]
    style: NDArray[np.float32]
    contestants: tuple[str, ...]
    categories: tuple[str, ...]
    languages: tuple[str, ...]
    voters: int
    generation: int

    @property
    def size(self) -> int:
        return len(self.a)


class Ledger:
    """The votes of one database. Safe to share between threads.

    `columns` are those of the last `follow` that came through; empty before the first.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._book = _Book(generation=0, rules=0)
        self._columns = self._book.columns()
        self._uncounted = 0

    @property
    def columns(self) -> Columns:
        return self._columns

    @property
    def uncounted(self) -> int:
        """How many votes there were at the last `follow` that do not count: all are numbered, without a gap."""
        return self._uncounted

    def follow(self) -> Columns:
        """Take in the votes since the last time; cheap where nothing is new.

        Where the rules have changed, all votes are read again, as the next generation. If reading fails, what was
        read before stays, and the next call goes on from there. Raises `DatabaseProblem`.
        """
        with self._lock:
            while self._turn_page():
                pass
            if self._book.size != self._columns.size or self._book.generation != self._columns.generation:
                self._columns = self._book.columns()
            self._uncounted = self._book.watermark - self._book.size
            return self._columns

    def _turn_page(self) -> bool:
        # A session for each part: one held open all along would keep the log from being checkpointed.
        with self._database.read() as session:
            rules = rules_version(session)
            if rules != self._book.rules:
                self._book = _Book(self._book.generation + 1, rules)
            rows = columns_after(session, self._book.watermark, VOTES_AT_ONCE)
            full = rows is not None and len(rows.sequence) == VOTES_AT_ONCE
            # Votes behind the last one that counts need not be looked through again.
            seen = rows.sequence[-1] if rows is not None and full else newest_vote(session)
        if rows is not None:
            self._book.enter(rows)
        self._book.watermark = seen
        return full


class _Codes(dict[str, int]):
    """Numbers for texts, in the order in which they were first asked for."""

    def __missing__(self, key: str) -> int:
        code = self[key] = len(self)
        return code

    def of(self, texts: Sequence[str], dtype: DTypeLike) -> NDArray[Any]:
        return np.fromiter(map(self.__getitem__, texts), dtype, len(texts))


@dataclass
class _Book:
    """The arrays of one generation, with room to grow; views of what is written stay valid when they move."""

    generation: int
    rules: int
    watermark: int = 0
    size: int = 0
    contestants: _Codes = field(default_factory=_Codes)
    categories: _Codes = field(default_factory=_Codes)
    languages: _Codes = field(default_factory=_Codes)
    voters: _Codes = field(default_factory=_Codes)
    arrays: dict[str, NDArray[Any]] = field(default_factory=lambda: _arrays(0))

    def enter(self, rows: VoteColumns) -> None:
        """Append; the size moves last, so that what fails half way has left nothing."""
        parts = self._read(rows)
        end = self.size + len(rows.sequence)
        if end > len(self.arrays["a"]):
            arrays = _arrays(max(end, 2 * self.size))
            for name, array in arrays.items():
                array[: self.size] = self.arrays[name][: self.size]
            self.arrays = arrays
        for name, part in parts.items():
            self.arrays[name][self.size : end] = part
        self.size = end

    def columns(self) -> Columns:
        views = {name: array[: self.size] for name, array in self.arrays.items()}
        for view in views.values():
            view.flags.writeable = False
        return Columns(
            **views,
            contestants=tuple(self.contestants),
            categories=tuple(self.categories),
            languages=tuple(self.languages),
            voters=len(self.voters),
            generation=self.generation,
        )

    def _read(self, rows: VoteColumns) -> dict[str, NDArray[Any]]:
        verdicts = {outcome.value: number for number, outcome in enumerate(Outcome)}
        return {
            "a": self.contestants.of(rows.a, np.int16),
            "b": self.contestants.of(rows.b, np.int16),
            "outcome": np.fromiter(map(verdicts.__getitem__, rows.outcome), np.int8, len(rows.outcome)),
            "voter": self.voters.of(rows.voter, np.int32),
            "category": self.categories.of([name or "" for name in rows.category], np.int16),
            "language": self.languages.of([name or "" for name in rows.language], np.int16),
            "turns": np.minimum(np.array(rows.turns, np.int64), MOST_TURNS).astype(np.int16),
            "time": np.array(rows.time, np.float64),
            "verified": np.array(rows.verified, np.bool_),
            "style": np.stack([_difference(getattr(rows, f"{s}_a"), getattr(rows, f"{s}_b")) for s in _STYLES], axis=1),
        }


def _difference(a: Sequence[int | None], b: Sequence[int | None]) -> NDArray[np.float64]:
    first, second = np.array(a, np.float64), np.array(b, np.float64)
    return np.asarray((first - second) / (first + second + 1))


def _arrays(room: int) -> dict[str, NDArray[Any]]:
    return {name: np.empty((room, len(_STYLES)) if name == "style" else room, kind) for name, kind in _TYPES.items()}
