"""Which votes a leaderboard is made of, and how it reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from math import isfinite
from typing import Any, Literal, get_args

from arena.ratings.bradley_terry import PRIOR_DRAWS

Turns = Literal["all", "single", "several"]
Draws = Literal["half", "left_out"]
_Reading = tuple[Callable[[str], Any], str]

LEAST_PRIOR, MOST_PRIOR = 1e-6, 10.0


class SelectionError(Exception):
    """A part of a selection can't be read; the message is one sentence that names it and what is allowed."""


@dataclass(frozen=True)
class Selection:
    """A view of the votes; the default takes all of them.

    `category` and `language` are those of the battle's first prompt ("": every one). `since` and `until` are days
    in UTC, both included. `turns`: battles of one turn, or of several. `ties` and `both_bad` count as half a win
    each, or are left out. `style`: length, headings, lists and bold are held equal. `verified`: votes of verified
    voters alone. `prior` is the number of draws added to every pair.
    """

    category: str = ""
    language: str = ""
    since: date | None = None
    until: date | None = None
    turns: Turns = "all"
    ties: Draws = "half"
    both_bad: Draws = "half"
    style: bool = False
    verified: bool = False
    prior: float = PRIOR_DRAWS

    def __post_init__(self) -> None:
        if not (isfinite(self.prior) and (self.prior == 0 or LEAST_PRIOR <= self.prior <= MOST_PRIOR)):
            raise SelectionError(f"prior={self.prior}: must be 0, or {LEAST_PRIOR:g} to {MOST_PRIOR:g} draws.")
        for name, allowed in (("turns", Turns), ("ties", Draws), ("both_bad", Draws)):
            if getattr(self, name) not in get_args(allowed):
                raise SelectionError(f"{name}={getattr(self, name)!r}: must be one of {', '.join(get_args(allowed))}.")

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Selection:
        """From texts, as an address or a command line has them; what is empty or missing keeps its default.

        Raises `SelectionError` for a name that is none of ours, or a value that can't be read.
        """
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise SelectionError(f"{name} is not a part of a selection; there are {', '.join(known)}.")
        return cls(**{name: _read(name, text.strip()) for name, text in given.items() if text.strip()})


def _truth(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


# How what is no text is read, and what it must be.
_DAY: _Reading = (date.fromisoformat, "a day such as 2026-01-31")
_TRUTH: _Reading = (_truth, "true or false")
_READ: Mapping[str, _Reading] = {
    "since": _DAY,
    "until": _DAY,
    "style": _TRUTH,
    "verified": _TRUTH,
    "prior": (float, "a number of draws"),
}


def _read(name: str, text: str) -> Any:
    read, wanted = _READ.get(name, (str, ""))
    try:
        return read(text)
    except (KeyError, ValueError) as error:
        raise SelectionError(f"{name}={text!r}: must be {wanted}.") from error
