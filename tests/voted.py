"""Voted battles with their texts on a real database, and their records, for tests of what is exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from arenas import ANT, BEE, CAT, database_with
from sqlalchemy.orm import Session

from arena.exchange.exports import votes_rows
from db.outcome import Outcome
from db.queries import open_battle
from db.session import Database
from db.tables import Battle, Turn
from db.votes import record_vote

CAST = datetime(2026, 3, 1, 13, 30, 15, 999_000, tzinfo=timezone(timedelta(hours=1)))
CATALOG = (ANT, BEE, CAT)
KEY = b"a key of this arena"
VOTER = "a-cookie-that-must-not-leak"

MEASURED: dict[str, Any] = {
    "reason_a": "stop", "reason_b": "length", "tokens_a": 11, "tokens_b": 12,
    "prompt_tokens_a": 3, "prompt_tokens_b": 4,
    "first_token_seconds_a": 0.25, "first_token_seconds_b": 0.5, "seconds_a": 1.5, "seconds_b": 2.5, "joules_a": None,
    "joules_b": 9.5,
}  # fmt: skip

Texts = tuple[str, str, str]


def battle_id(number: int) -> str:
    return f"{number:032x}"


def vote(
    session: Session,
    number: int,
    outcome: Outcome,
    *texts: Texts,
    voter: str = VOTER,
    category: str | None = "coding",
    language: str | None = "en",
) -> None:
    """A finished battle of the ant against the bee and its vote; `texts`: (prompt, answer_a, answer_b) a turn."""
    row = Battle(
        id=battle_id(number), voter=voter, contestant_a=ANT.fingerprint, contestant_b=BEE.fingerprint, probability=1.0,
        status="open", created_at=CAST, finished_at=CAST,
    )  # fmt: skip
    turns = [
        Turn(
            battle_id=row.id, position=place, attempt=0, prompt=prompt, answer_a=a, answer_b=b, seed=1,
            status="finished", started_at=CAST, category=category, language=language, **MEASURED,
        )
        for place, (prompt, a, b) in enumerate(texts or [("p", "x", "y")])
    ]  # fmt: skip
    open_battle(session, row, turns[0])
    session.add_all(turns[1:])
    session.flush()
    record_vote(session, row.id, voter, outcome, CAST, timedelta(hours=1))


def cast(database: Database, number: int, outcome: Outcome = Outcome.A, *texts: Texts, **labels: Any) -> None:
    database.write(lambda session: vote(session, number, outcome, *texts, **labels))


@contextmanager
def arena_in(folder: Path) -> Iterator[Database]:
    database = database_with(folder, *CATALOG)
    try:
        yield database
    finally:
        database.close()


def records(database: Database, *, texts: bool = False) -> list[dict[str, object]]:
    return list(votes_rows(database, CATALOG, KEY, texts=texts))
