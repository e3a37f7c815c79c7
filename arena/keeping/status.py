"""How well votes are kept, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["disk", "database", "dataset", "nowhere"]


@dataclass(frozen=True)
class KeepingStatus:
    """Where votes stay: on a disk that lasts, in a database server, in a data set on the Hub, or nowhere for long.

    With a data set: the newest vote that is in it, when it last held every vote there was, how many seconds ago that
    is (or the start, where it never did), whether that is too long (`late`), and what is wrong (`problem`): with the
    last flush, else with the snapshot that was tried last or is on its way for too long; "" where nothing is.
    """

    kind: Kind
    flushed_sequence: int | None = None
    flushed_at: datetime | None = None
    age_seconds: float | None = None
    late: bool = False
    problem: str = ""
