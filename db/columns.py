"""Votes as columns: all that ratings read, by one statement and without an object for each vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.tables import STYLES, Vote


@dataclass(frozen=True)
class VoteColumns:
    """Votes that count, in the order of their commits, one entry of each column a vote; see `db.tables.Vote`.

    `a` and `b` are contestants' fingerprints, `time` is in seconds since 1970 in UTC, exact to the microsecond. The
    styles are sums over the turns that count. None is what is not known.
    """

    sequence: tuple[int, ...]
    voter: tuple[str, ...]
    a: tuple[str, ...]
    b: tuple[str, ...]
    outcome: tuple[str, ...]
    turns: tuple[int, ...]
    time: tuple[float, ...]
    verified: tuple[bool, ...]
    category: tuple[str | None, ...]
    language: tuple[str | None, ...]
    length_a: tuple[int | None, ...]
    length_b: tuple[int | None, ...]
    headings_a: tuple[int | None, ...]
    headings_b: tuple[int | None, ...]
    lists_a: tuple[int | None, ...]
    lists_b: tuple[int | None, ...]
    bold_a: tuple[int | None, ...]
    bold_b: tuple[int | None, ...]


def columns_after(session: Session, sequence: int, limit: int) -> VoteColumns | None:
    """The first `limit` votes that count and are newer than a watermark; None where there is none."""
    result = session.connection().execute(_VOTES, {"after": sequence, "most": limit})
    # The driver's own tuples: rows that know their names would cost a fifth more.
    rows = result.cursor.fetchall() if result.cursor else []
    result.close()
    return VoteColumns(*zip(*rows, strict=True)) if rows else None


class _Epoch(FunctionElement[float]):
    """Seconds since 1970 of a time kept in UTC; each database says it in its own way."""

    type = Float()
    inherit_cache = True


@compiles(_Epoch, "sqlite")
def _epoch_in_sqlite(element: _Epoch, compiler: SQLCompiler, **options: Any) -> str:
    # "2026-03-01 12:00:00.123456": whole seconds by SQLite's calendar, which would round, and what follows them.
    moment = compiler.process(element.clauses, **options)
    return f"(strftime('%s', substr({moment}, 1, 19)) + substr({moment}, 20))"


@compiles(_Epoch, "postgresql")
def _epoch_in_postgres(element: _Epoch, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {compiler.process(element.clauses, **options)}) AS DOUBLE PRECISION)"


_VOTES = (
    select(
        Vote.sequence,
        Vote.voter,
        Vote.contestant_a,
        Vote.contestant_b,
        Vote.outcome,
        Vote.turns,
        _Epoch(Vote.created_at),
        Vote.verified,
        Vote.category,
        Vote.language,
        *(getattr(Vote, style) for style in STYLES),
    )
    .where(Vote.sequence > bindparam("after"), Vote.status == "counted")
    .order_by(Vote.sequence)
    .limit(bindparam("most"))
)
